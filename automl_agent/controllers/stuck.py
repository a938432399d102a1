"""Stuck detection: a controller that leads nowhere is nudged once, then stopped.

Rules after those of OpenHands: the same calls again and again, two turns in alternation, the same
error, talk without a call, and much work that changes nothing.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from automl_agent.chat_models.chat_model import Message, ToolCall

Verdict = Literal["", "nudge", "stuck"]
# A repetition may be a slip; a third one in a row leads nowhere.
_MAX_REPETITIONS = 3
_MAX_FAILED_TURNS = 4
# Planning several experts takes some turns of which each changes a plan.
_MAX_TURNS_WITHOUT_PROGRESS = 12
_N_ALTERNATING = 6


@dataclass
class StuckDetector:
    """Watches the turns of one round.

    reason: what was wrong last, for the controller and for the person.
    """

    reason: str = ""
    _signatures: list[str] = field(default_factory=list)
    _errors: list[str] = field(default_factory=list)
    _markers: list[Any] = field(default_factory=list)
    _nudged_at: int | None = None

    def observe(
        self, calls: Sequence[ToolCall], results: Sequence[Message], marker: object
    ) -> Verdict:
        """What to do after a turn; marker: changes whenever there is progress."""
        self._signatures.append(_sign(calls))
        failed = bool(results) and all(result.is_error for result in results)
        self._errors.append(_read_error(results[-1]) if failed else "")
        self._markers.append(marker)
        self.reason = self._find_reason()
        if not self.reason:
            return ""
        if self._nudged_at is None:
            self._nudged_at = len(self._signatures)
            return "nudge"
        return "stuck"

    def _find_reason(self) -> str:
        signs, errors = self._signatures, self._errors
        if len(signs) >= _MAX_REPETITIONS and len(set(signs[-_MAX_REPETITIONS:])) == 1:
            return "repeats itself"
        last = signs[-_N_ALTERNATING:]
        if len(last) == _N_ALTERNATING and last[0] != last[1] and last[:2] * 3 == last:
            return "goes to and fro between two steps"
        if len(errors) >= _MAX_REPETITIONS:
            repeated = set(errors[-_MAX_REPETITIONS:])
            if len(repeated) == 1 and repeated != {""}:
                return "meets the same error again and again"
        if len(errors) >= _MAX_FAILED_TURNS and all(errors[-_MAX_FAILED_TURNS:]):
            return "makes only calls that fail"
        recent = self._markers[-_MAX_TURNS_WITHOUT_PROGRESS:]
        if len(recent) == _MAX_TURNS_WITHOUT_PROGRESS and all(m == recent[0] for m in recent):
            return "makes no progress"
        return ""


def _read_error(result: Message) -> str:
    """The error, without what else the result tells, such as which tools there are now."""
    try:
        return str(json.loads(result.text)["error"])
    except (ValueError, KeyError, TypeError):
        return result.text


def _sign(calls: Sequence[ToolCall]) -> str:
    """The same for calls that differ in nothing but case, spaces or the order of fields."""
    told = [(call.name, _normalise(dict(call.arguments)), call.problem) for call in calls]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _normalise(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.lower().split())
    if isinstance(value, dict):
        return {
            str(key).lower(): _normalise(item) for key, item in value.items() if key != "reason"
        }
    if isinstance(value, list):
        return [_normalise(item) for item in value]
    return value
