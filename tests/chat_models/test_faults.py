"""How services fail, and what each failure is told as."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from automl_agent.configuration.endpoint import Protocol
from automl_agent.errors import (
    ContextOverflowError,
    ModelBusyError,
    ModelError,
    ModelRefusedError,
)

from .asking import SECRET, ask, each_protocol, fail
from .model_server import (
    Answer,
    ModelServer,
    error_body,
    failure,
    good_reply,
    named_event,
    plain_event,
    responses_reply,
)


@each_protocol
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(failure(429, error_body("slow down", "rate_limit_error")), id="429"),
        pytest.param(failure(500, error_body("oops", "api_error")), id="500"),
        pytest.param(failure(502, "<html><body>Bad Gateway</body></html>"), id="502 HTML"),
        pytest.param(failure(503, error_body("Loading model", "unavailable_error")), id="503"),
        pytest.param(failure(504, ""), id="504"),
        pytest.param(failure(529, error_body("Overloaded", "overloaded_error")), id="529"),
        pytest.param(failure(408, ""), id="408"),
    ],
)
def test_a_service_that_is_busy_may_be_asked_again(protocol: Protocol, answer: Answer) -> None:
    error = fail(answer, protocol)
    assert isinstance(error, ModelBusyError)
    assert "test:some-model at http://127.0.0.1:" in str(error)
    assert f"({answer.status}" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="missing"),
        pytest.param({"retry-after": "1"}, 1.0, id="1"),
        pytest.param({"retry-after": "300"}, 300.0, id="more than the SDK would wait"),
        pytest.param({"retry-after": "86400.5"}, 86400.5, id="a day"),
        pytest.param({"retry-after-ms": "1500", "retry-after": "9"}, 1.5, id="milliseconds"),
        pytest.param({"retry-after": "-5"}, None, id="negative"),
        pytest.param({"retry-after": "soon"}, None, id="garbage"),
        pytest.param({"retry-after": "inf"}, None, id="infinite"),
        pytest.param({"retry-after": "nan"}, None, id="no number"),
        pytest.param({"retry-after-ms": "x", "retry-after": "2"}, 2.0, id="garbage, then seconds"),
        pytest.param({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, None, id="a date long ago"),
    ],
)
@each_protocol
def test_the_wait_that_a_service_asks_for_is_passed_on(
    protocol: Protocol, headers: dict[str, str], seconds: float | None
) -> None:
    error = fail(failure(429, error_body("slow down"), headers), protocol)
    assert isinstance(error, ModelBusyError)
    assert error.retry_after_s == seconds


def test_a_wait_may_be_given_as_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    error = fail(failure(429, "", {"retry-after": moment}), "messages")
    assert isinstance(error, ModelBusyError)
    # Dates have whole seconds, and a slow machine takes some of them.
    assert error.retry_after_s == pytest.approx(90, abs=10)


@each_protocol
@pytest.mark.parametrize(
    ("answer", "cause", "remedy"),
    [
        pytest.param(
            failure(400, error_body("bad schema")), "refused the request (400: bad schema)",
            "correct the endpoint test", id="400",
        ),
        pytest.param(
            failure(401, error_body("invalid x-api-key", "authentication_error")),
            "does not accept the key from a test (401",
            "`automl-agent config set-key test`", id="401",
        ),
        pytest.param(
            failure(402, error_body("no credit")), "no credit left", "add some", id="402"
        ),
        pytest.param(
            failure(429, error_body("You exceeded your quota", "insufficient_quota")),
            "no credit left", "add some", id="429 without credit",
        ),
        pytest.param(
            failure(403, error_body("no access", "permission_error")),
            "does not let this key use the model", "--controller test:MODEL", id="403",
        ),
        pytest.param(
            failure(404, error_body("model: some-model", "not_found_error")), "is not there",
            "use --controller test:MODEL, or correct base_url", id="404",
        ),
        pytest.param(failure(407, ""), "a proxy that wants a password", "HTTPS_PROXY", id="407"),
        pytest.param(
            failure(413, error_body("Request exceeds the maximum size", "request_too_large")),
            "no request of this size", "a longer context", id="413",
        ),
        pytest.param(
            failure(422, {"detail": "max_tokens: not an integer"}),
            "(422: max_tokens: not an integer)", "correct the endpoint", id="422",
        ),
        pytest.param(
            failure(200, error_body("no such engine", "not_found_error")),
            "is not there", "correct base_url", id="200 with an error",
        ),
        pytest.param(
            failure(200, "<html>Please log in</html>"), "it sent a web page",
            "correct the endpoint", id="200 with a page",
        ),
        pytest.param(
            failure(200, {"choices": [{"message": {"content": "hi"}}]}),
            "sent no stream of events", "correct the endpoint", id="200 without a stream",
        ),
    ],
)  # fmt: skip
def test_a_request_that_is_refused_is_told_with_cause_and_remedy(
    protocol: Protocol, answer: Answer, cause: str, remedy: str
) -> None:
    error = fail(answer, protocol)
    assert isinstance(error, ModelRefusedError)
    assert cause in str(error)
    assert remedy in str(error)
    assert "test:some-model at http://127.0.0.1:" in str(error)


@each_protocol
def test_a_service_that_wants_a_key_says_how_to_set_one(protocol: Protocol) -> None:
    with ModelServer([failure(401, "")]) as server:
        model = server.create_model(protocol)
        with pytest.raises(ModelRefusedError, match=r"wants a key \(401\): set it by `automl"):
            ask(model)


@each_protocol
@pytest.mark.parametrize(
    "text",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "Your input exceeds the context window of this model.",
        "request (5031 tokens) exceeds the available context size (2048 tokens), try increasing it",
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ],
    ids=["anthropic", "anthropic sum", "vllm", "openai", "llama.cpp", "vllm decoder", "gemini"],
)
@pytest.mark.parametrize("status", [400, 500])
def test_messages_that_are_too_long_are_told_apart(
    protocol: Protocol, text: str, status: int
) -> None:
    error = fail(failure(status, error_body(text)), protocol)
    assert isinstance(error, ContextOverflowError)
    assert text.rstrip(".") in str(error)


def test_a_code_is_enough_to_know_that_messages_are_too_long() -> None:
    error = fail(failure(400, error_body("Sorry.", "context_length_exceeded")), "responses")
    assert isinstance(error, ContextOverflowError)


@each_protocol
def test_what_a_service_says_is_shown_short_and_without_tricks(protocol: Protocol) -> None:
    text = f"\x1b[2Jkey {SECRET}\n\n\u202ereversed " + "x" * 5000
    error = fail(failure(400, error_body(text)), protocol)
    assert "\\u001b[2Jkey [key] \\u202ereversed xxx" in str(error)
    assert len(str(error)) < 600


def in_stream(protocol: Protocol, kind: str, message: str = "oops") -> Answer:
    """A good start and then an error in the stream."""
    answer = good_reply(protocol, "hello").end_after(3)
    if protocol == "messages":
        error = named_event(error_body(message, kind))
    elif protocol == "responses":
        response = {"id": "r", "status": "failed", "error": {"code": kind, "message": message}}
        error = named_event({"type": "response.failed", "response": response})
    else:
        error = plain_event({"error": {"code": kind, "message": message}})
    return answer.insert(3, error)


@each_protocol
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", ModelBusyError),
        ("rate_limit_exceeded", ModelBusyError),
        ("server_error", ModelBusyError),
        ("never_heard_of_it", ModelBusyError),
        ("invalid_request_error", ModelRefusedError),
        ("insufficient_quota", ModelRefusedError),
        ("context_length_exceeded", ContextOverflowError),
    ],
)
def test_an_error_in_the_stream_is_told_by_its_kind(
    protocol: Protocol, kind: str, expected: type[ModelError]
) -> None:
    error = fail(in_stream(protocol, kind), protocol)
    assert type(error) is expected
    assert "oops" in str(error)


def test_an_error_event_of_responses_is_told() -> None:
    event = {"type": "error", "code": "server_error", "message": "oops", "param": None}
    error = fail(responses_reply("hello").end_after(1).insert(1, named_event(event)), "responses")
    assert isinstance(error, ModelBusyError)
    assert "oops" in str(error)


def test_a_number_in_the_stream_counts_as_a_status() -> None:
    event = plain_event({"error": {"code": 429, "message": "oops"}})
    error = fail(Answer((event,)), "chat_completions")
    assert isinstance(error, ModelBusyError)
    assert "(429: oops)" in str(error)
