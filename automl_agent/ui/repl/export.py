"""A conversation as a file: Markdown to read, JSON for programs."""

import json
import re
from collections.abc import Iterator

from automl_agent.cards.documents import escape_unseen
from automl_agent.chat_models.chat_model import Message
from automl_agent.controllers.conversation.conversation import Conversation

# What could begin a link, an image, HTML or a heading is shown as itself.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def export_json(conversation: Conversation) -> str:
    """The messages and the results, without characters that nobody sees."""
    document = {
        "conversation_id": conversation.conversation_id,
        "messages": [message.to_json() for message in conversation.messages],
        "results": [s.result for s in conversation.tasks.values() if s.result],
        "spent": conversation.purse.to_json(),
    }
    lines = json.dumps(document, indent=1, ensure_ascii=False).split("\n")
    return "\n".join(map(escape_unseen, lines)) + "\n"


def export_markdown(conversation: Conversation) -> str:
    """What was said, each call with its result, as text that no viewer takes for markup."""
    lines = [f"# Conversation {conversation.conversation_id}", ""]
    for message in conversation.messages:
        lines += [*_describe(message), ""]
    return "\n".join(lines)


def _describe(message: Message) -> Iterator[str]:
    match message.role:
        case "user":
            yield f"**You:** {_quote(_find_words(message.text))}"
        case "assistant":
            if message.text:
                yield f"**Controller:** {_quote(message.text)}"
            for call in message.calls:
                yield f"- {_quote(call.name)} {_code(json.dumps(dict(call.arguments)))}"
        case "tool":
            yield f"  - {'error' if message.is_error else 'result'}: {_code(message.text)}"


def _find_words(text: str) -> str:
    try:
        told = json.loads(text)
    except ValueError:
        return text
    return str(told.get("words", text)) if isinstance(told, dict) else text


def _quote(text: str) -> str:
    lines = (_SPECIAL.sub(r"\\\1", escape_unseen(line)) for line in text.split("\n"))
    return "  \n".join(lines)


def _code(text: str) -> str:
    """Inline code that no backtick in it ends."""
    line = escape_unseen(text)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}"
