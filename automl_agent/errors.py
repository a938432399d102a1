"""Every exception of the package.

    AutomlAgentError
    ├── UserError            for the person: one sentence with the next step, no traceback
    │   ├── InputError       exit 3   a file, table, column, value or limit cannot be used
    │   │   ├── CardError    exit 3   a document does not fit its schema
    │   │   └── KnowledgeError exit 3 a file of knowledge cannot be read, or knowledge not be kept
    │   ├── UnknownNameError exit 4   no expert, metric, run or plugin of that name
    │   ├── LimitError       exit 5   a limit was reached before the first model was finished
    │   ├── TrainingError    exit 6   no trial finished
    │   ├── SetupError       exit 7   a part of the installation or the machine is missing
    │   └── DeclinedError    exit 8   the person said no to the plan
    ├── ToolError            for the controller's model: what was wrong with its call, what is valid
    ├── ModelError           a chat model gave no reply that can be used
    │   ├── ModelBusyError       another try may help: overload, a cut connection
    │   │   └── ModelUnreachableError  nothing answers at the address
    │   ├── ModelRefusedError    no other try will: the key, the model's name, the request
    │   └── ContextOverflowError the messages are too long for the model
    ├── PluginError          a plugin broke: names the distribution and the remedy
    ├── IndexCorruptError    the index of cards is not the one that was saved; it can be built again
    └── SandboxError         a sandbox could not start or answer
        └── GpuMissingError  it has not the GPUs that it was asked for

HangUp is none of them: it ends the program, and nothing handles it on the way.

Exit 0 is success, 1 a fault of ours (or a finding of `doctor` and `plugins check`), 2 a wrong
command line, 129 a terminal that was closed, 130 Ctrl-C.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class AutomlAgentError(Exception):
    """The root: catch it to catch everything that this package raises on purpose."""


class UserError(AutomlAgentError):
    """Text for the person at the terminal; shown without a traceback."""

    exit_code = 3


class InputError(UserError):
    """A file, table, column, value or limit that cannot be used."""


class CardError(InputError):
    """A document that does not fit its schema: names file, path, value and what is allowed."""


class KnowledgeError(InputError):
    """Knowledge that cannot be read or kept: names the file, what is wrong, and what to do."""


class UnknownNameError(UserError):
    """A name that is not registered; the message lists what is."""

    exit_code = 4

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"There is no {kind} {name!r}.{suggest(name, names)}")


class LimitError(UserError):
    """A limit was reached before there was a model to deliver."""

    exit_code = 5


class TrainingError(UserError):
    """Every trial failed."""

    exit_code = 6


class SetupError(UserError):
    """A part of the installation or of the machine is missing or may not be used."""

    exit_code = 7


class DeclinedError(UserError):
    """The person declined the plan."""

    exit_code = 8


class ToolError(AutomlAgentError):
    """Text for the controller's model, which can act on it and call again."""


class ModelError(AutomlAgentError):
    """A chat model that gave no reply that can be used: one sentence with the cause and the fix.

    tokens: what the try is known to have taken, as (input, output), or None.
    may_cost: whether the service may bill more than that, for a reply that broke off.
    """

    def __init__(self, text: str, *, tokens: tuple[int, int] | None = None) -> None:
        super().__init__(text)
        self.tokens = tokens
        self.may_cost = False


class ModelBusyError(ModelError):
    """Another try may help; retry_after_s: not before, as the service said, or None."""

    def __init__(
        self,
        text: str,
        *,
        retry_after_s: float | None = None,
        tokens: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(text, tokens=tokens)
        self.retry_after_s = retry_after_s


class ModelUnreachableError(ModelBusyError):
    """Nothing answers at the address: no network, no such name, or no server."""


class ModelRefusedError(ModelError):
    """No other try of the same request will help."""


class ContextOverflowError(ModelError):
    """The messages are too long for the model."""


class PluginError(AutomlAgentError):
    """A plugin that cannot be used."""

    def __init__(self, distribution: str, reason: str, remedy: str) -> None:
        super().__init__(f"Plugin {distribution}: {reason} {remedy}")
        self.distribution = distribution
        self.reason = reason
        self.remedy = remedy


class IndexCorruptError(AutomlAgentError):
    """An index of cards that must not be read: damaged, incomplete, or of other cards."""


class SandboxError(AutomlAgentError):
    """A sandbox that could not start or answer; never a fault of the code that runs in it."""


class GpuMissingError(SandboxError):
    """A sandbox that has not the GPUs that it was asked for; without them it may well work."""


class HangUp(SystemExit):
    """The terminal is closed: all that runs ends at once, and nothing may go on after catching it.

    A KeyboardInterrupt would not do: at the first one, what has finished is delivered. Nor would
    an exception of another kind: the prompt's event loop keeps it, if the signal comes while a
    callback runs. It lets only these two through.
    """

    code: int

    def __init__(self) -> None:
        super().__init__(129)  # 128 and the number of SIGHUP, as a shell would say it


def suggest(name: str, known: Iterable[str]) -> str:
    """The sentence that ends a message about an unknown name: the nearest, or all that exist."""
    names = sorted(known)
    lowered = {known_name.lower(): known_name for known_name in names}
    near = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if near:
        return f" Did you mean {lowered[near[0]]!r}?"
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f" Available: {listed}." if names else " None is available."
