"""Failures of model services, told in one sentence: the cause, and what to do."""

import json
import math
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from automl_agent.cards.documents import escape_unseen
from automl_agent.chat_models.addresses import is_loopback
from automl_agent.chat_models.wire import BrokenReplyError, ReportedError
from automl_agent.configuration.endpoint import Endpoint, Key
from automl_agent.errors import (
    ContextOverflowError,
    ModelBusyError,
    ModelError,
    ModelRefusedError,
    ModelUnreachableError,
)

_MAX_QUOTE_LENGTH = 300
_OVERFLOW = re.compile(
    r"prompt is too long|context_length_exceeded|maximum context length|exceed_context_size"
    r"|exceeds? (the |your )?(available |model's )?(context|maximum number of tokens)"
    r"|exceed context limit|input is too long|maximum model length|too many tokens"
    r"|reduce the length of the (messages|prompt|input)",
    re.IGNORECASE,
)
# What services write instead of a status, where a stream has begun or they always say 200.
_STATUSES = {
    "overloaded_error": 529, "overloaded": 529, "rate_limit_error": 429, "rate_limit_exceeded": 429,
    "slow_down": 429, "api_error": 500, "server_error": 500, "internal_error": 500,
    "internal_server_error": 500, "unavailable_error": 503, "timeout_error": 504,
    "invalid_request_error": 400, "invalid_prompt": 400, "content_policy_violation": 400,
    "authentication_error": 401, "invalid_api_key": 401, "billing_error": 402,
    "insufficient_quota": 402, "permission_error": 403, "not_found_error": 404,
    "model_not_found": 404, "request_too_large": 413,
}  # fmt: skip
# 4xx that say nothing against the request.
_BUSY_STATUSES = (408, 409, 425, 429)


@dataclass(frozen=True)
class Report:
    """What a service says of a failure.

    status: that of HTTP, or the one that fits. kinds: its own names of the failure.
    retry_after_s: not before, or None.
    """

    status: int
    message: str
    kinds: tuple[str, ...] = ()
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Failures:
    """Tells the failures of one model at one endpoint."""

    endpoint: Endpoint
    model: str
    key: Key | None

    def tell(self, exc: Exception, *, hang_up_reason: str = "") -> ModelError:
        """The error that says what another try may bring.

        exc: from an SDK, from httpx2, or from reading a reply of a wrong shape.
        """
        if hang_up_reason:
            return ModelBusyError(f"{self._who} {hang_up_reason}: try again later.")
        report = read_report(exc)
        if report is not None:
            return self._tell_report(report)
        return self._tell_connection(exc)

    @property
    def _who(self) -> str:
        return f"{self.endpoint.name}:{self.model} at {self.endpoint.base_url}"

    def _tell_report(self, report: Report) -> ModelError:
        said = f" ({report.status}{self._quote(report.message)})"
        if report.status < 501 and _OVERFLOW.search(f"{report.kinds} {report.message}"):
            return ContextOverflowError(f"The messages are too long for {self._who}{said}.")
        if report.status >= 500 or report.status in _BUSY_STATUSES:
            text = f"{self._who} is busy or out of order{said}: try again later."
            return ModelBusyError(text, retry_after_s=report.retry_after_s)
        cause, remedy = self._explain(report.status)
        return ModelRefusedError(f"{self._who} {cause}{said}: {remedy}.")

    def _explain(self, status: int) -> tuple[str, str]:
        """What the service has against the request, and what helps."""
        name = self.endpoint.name
        set_key = f"set it by `automl-agent config set-key {name}`"
        match status:
            case 401 if self.key is None:
                return "wants a key", set_key
            case 401:
                origin = f" from {self.key.origin}" if self.key and self.key.origin else ""
                return f"does not accept the key{origin}", set_key
            case 402:
                return "has no credit left for this key", "add some, or use another endpoint"
            case 403:
                return "does not let this key use the model", f"use --controller {name}:MODEL"
            case 404:
                return "is not there", f"use --controller {name}:MODEL, or correct base_url"
            case 407:
                return "is behind a proxy that wants a password", "put it into HTTPS_PROXY"
            case 413:
                return "takes no request of this size", "use a model with a longer context"
            case _ if status < 400:
                return "refers to another address", "correct base_url if you trust that one"
            case _:
                return "refused the request", f"correct the endpoint {name}, or use another model"

    def _tell_connection(self, exc: Exception) -> ModelError:
        import httpx2

        causes = list(_find_causes(exc))
        reason = self._quote(str(causes[-1]) or type(causes[-1]).__name__)
        base_url = self.endpoint.base_url
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            text = f"The certificate of {base_url} is not trusted{reason}: set SSL_CERT_FILE."
            return ModelRefusedError(text)
        if any(isinstance(cause, httpx2.ProxyError) and "407" in str(cause) for cause in causes):
            cause, remedy = self._explain(407)
            return ModelRefusedError(f"{self._who} {cause}: {remedy}.")
        if any(isinstance(c, httpx2.ConnectError | httpx2.ConnectTimeout) for c in causes):
            remedy = "start the server" if is_loopback(base_url) else "check the network"
            text = f"{base_url} cannot be reached{reason}: {remedy}, or correct base_url."
            return ModelUnreachableError(text)
        if any(isinstance(cause, httpx2.TimeoutException) for cause in causes):
            limit = f"{self.endpoint.idle_timeout_s:g} s"
            return ModelBusyError(f"{self._who} was silent for {limit}: try again later.")
        if any(isinstance(cause, httpx2.HTTPError | ssl.SSLError) for cause in causes):
            text = f"The connection to {self._who} broke off{reason}: try again."
            return ModelBusyError(text)
        return ModelBusyError(f"{self._who} sent no valid reply{reason}: try again.")

    def _quote(self, text: str) -> str:
        """A service's words, without the key and whatever could fool the reader's eyes."""
        if self.key is not None:
            text = text.replace(self.key.secret, "[key]")
        words = escape_unseen(" ".join(text.split())).rstrip(".")
        return f": {words[:_MAX_QUOTE_LENGTH]}" if words else ""


def read_report(exc: Exception) -> Report | None:
    """What the service itself says, None if it said nothing."""
    if isinstance(exc, ReportedError):
        report = _read_body(exc.body, status=400 if exc.is_whole else 500, is_status_known=False)
        return replace(report, message=report.message or "it sent no stream of events")
    body = getattr(exc, "body", None)
    response = getattr(exc, "response", None)
    if response is None:
        return None if body is None else _read_body(body, status=500, is_status_known=False)
    status = response.status_code
    # An error in mid-stream has the status that the stream began with.
    report = _read_body(
        body, status=status if status >= 300 else 500, is_status_known=status >= 300
    )
    return replace(report, retry_after_s=read_retry_after(response.headers))


def may_be_billed(exc: Exception) -> bool:
    """Whether the service had begun to work on a reply, which it may bill though it broke off."""
    import httpx2

    if isinstance(exc, ReportedError):
        return not exc.is_whole
    response = getattr(exc, "response", None)
    if response is not None:
        return bool(response.status_code < 300)
    unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)
    return not any(isinstance(cause, unsent) for cause in _find_causes(exc))


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the service asks to wait; None if it does not, or nothing sensible."""
    milliseconds = _read_number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    seconds = _read_number(text)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return seconds if seconds >= 0 else None


def _read_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _read_body(body: Any, *, status: int, is_status_known: bool) -> Report:
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            is_page = body.lstrip().startswith("<")
            return Report(status, "it sent a web page" if is_page else body)
    if not isinstance(body, dict):
        return Report(status, "")
    error = body.get("error") or body
    if not isinstance(error, dict):
        return Report(status, str(error))
    message = error.get("message") or error.get("detail") or body.get("detail") or ""
    codes = [error.get("code"), error.get("type")]
    kinds = tuple(code for code in codes if isinstance(code, str))
    known = [_STATUSES[kind] for kind in kinds if kind in _STATUSES]
    numbers = [code for code in codes if isinstance(code, int) and 400 <= code < 600]
    if not is_status_known or "insufficient_quota" in kinds:
        status = next(iter([*numbers, *known]), status)
    return Report(status, str(message), kinds)


def _find_causes(exc: BaseException | None) -> Iterator[BaseException]:
    """The exception and what led to it, the deepest last."""
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


# What reading an event of a wrong shape can raise, in an SDK or here.
BROKEN_SHAPES = (
    BrokenReplyError,
    ReportedError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RecursionError,
)
