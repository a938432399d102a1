"""The ledger: what was predicted of each trial, before it, and how it came out, after it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint

TABLE = "predictions"
BEFORE, DURING = "before training", "during training"
Kind = Literal["before training", "during training"]
# open: the trial runs, or nobody saw its end. censored: it was stopped or failed, so that nobody
# knows what it would have reached.
State = Literal["open", "scored", "censored"]
# The status in the journal of a trial that has a score, and of a prediction that was scored.
_DONE = "done"


class Journal(Protocol):
    """Where the ledger is kept; `runs.journal.Journal` is one."""

    def begin(self, table: str, owner: str, key: str, intent: Mapping[str, Any]) -> None:
        """Commit what is about to be."""

    def end(
        self, table: str, owner: str, key: str, status: str, outcome: Mapping[str, Any]
    ) -> None:
        """Commit how it ended."""

    def list_rows(self, table: str, owner: str) -> list[dict[str, Any]]:
        """The rows of a run."""
        ...

    def list_runs(self) -> list[dict[str, Any]]:
        """All runs, the newest first."""
        ...


@dataclass(frozen=True)
class Subject:
    """The trial that a prediction is about.

    card_id: the fingerprint of the data card; data: its name.
    chance, ideal: the scores of a constant and of a perfect prediction, between which errors are
        measured; None where they are not known.
    """

    trial_id: str
    plan_id: str
    expert: str
    card_id: str = ""
    data: str = ""
    chance: float | None = None
    ideal: float | None = None

    def share_of_way(self, difference: float) -> float | None:
        """A difference of scores as a share of the way from chance to ideal; above 0 is better."""
        if self.chance is None or self.ideal is None or self.chance == self.ideal:
            return None
        return difference / (self.ideal - self.chance)


@dataclass(frozen=True)
class Prediction:
    """What a predictor expects of a trial.

    points: of the curve, the last one its end. seconds, memory_mib: None where it says nothing.
    n_steps_seen: the last step of the curve that the predictor had seen; 0: none.
    """

    predictor: str
    metric: str
    points: tuple[PredictedPoint, ...]
    seconds: float | None = None
    memory_mib: float | None = None
    n_steps_seen: int = 0

    @property
    def final(self) -> PredictedPoint:
        """The expected end."""
        return self.points[-1]

    @property
    def kind(self) -> Kind:
        """When it was made."""
        return "during training" if self.n_steps_seen else "before training"

    @classmethod
    def from_log(cls, log: PredictedLog) -> "Prediction":
        """A predicted log; a log of 0 seconds or MiB says nothing about them."""
        return cls(
            log.predictor, log.metric, log.points, log.seconds or None, log.memory_mib or None
        )


@dataclass(frozen=True)
class Actual:
    """What came of a trial. score: None if it was stopped or failed, for `reason`."""

    score: float | None
    seconds: float | None = None
    memory_mib: float | None = None
    reason: str = ""

    @classmethod
    def from_trial(cls, document: Mapping[str, Any]) -> "Actual":
        """What came of a trial, from its JSON object in the journal."""
        reason = document.get("status") or document.get("reason") or ""
        return cls(
            document.get("valid_score"),
            document.get("seconds"),
            document.get("max_rss_mib") or None,
            str(reason),
        )


@dataclass(frozen=True)
class Entry:
    """A prediction and, if it could be scored, how good it was.

    error: the real score less the predicted one, as a share of the way from chance to ideal: above
        0 it came out better than predicted. None where chance is not known.
    is_inside: whether the score was in the 80 % interval. reason: why it is censored.
    """

    run_id: str
    key: str
    subject: Subject
    prediction: Prediction
    predicted_at: float
    state: State = "open"
    score: float | None = None
    seconds: float | None = None
    memory_mib: float | None = None
    error: float | None = None
    is_inside: bool | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The entry as a JSON object."""
        document = asdict(self)
        return {**document, "prediction": {**document["prediction"], "kind": self.prediction.kind}}


class Ledger:
    """Predictions of trials and their scores, kept in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def predict(
        self, run_id: str, subject: Subject, predictions: Iterable[Prediction]
    ) -> list[Entry]:
        """Commit what is predicted of a trial; before it begins, or from steps while it runs.

        Raises: sqlite3.IntegrityError if the training has begun (or, for predictions from steps,
            ended), or the predictor has said something of the same steps already.
        """
        entries = []
        for prediction in predictions:
            key = f"{subject.trial_id} {prediction.predictor} {prediction.n_steps_seen}"
            intent = {**asdict(prediction), **asdict(subject)}
            self._journal.begin(TABLE, run_id, key, intent)
            entries.append(Entry(run_id, key, subject, prediction, 0.0))
        return entries

    def score(self, run_id: str, trial_id: str, actual: Actual) -> list[Entry]:
        """Score all that was predicted of a trial; what was scored before stays as it was."""
        scored = []
        for row in self._journal.list_rows(TABLE, run_id):
            entry = _read_entry(run_id, row)
            if entry is None or entry.subject.trial_id != trial_id:
                continue
            if entry.state == "open":
                entry = _score(entry, actual)
                status = _DONE if entry.state == "scored" else "abandoned"
                self._journal.end(TABLE, run_id, entry.key, status, _to_outcome(entry))
            scored.append(entry)
        return scored

    def entries(
        self,
        *,
        run_id: str | None = None,
        expert: str | None = None,
        predictor: str | None = None,
        card_id: str | None = None,
    ) -> list[Entry]:
        """The entries of a run, or of all, oldest first; the others choose among them."""
        run_ids = [run_id] if run_id else [row["run_id"] for row in self._journal.list_runs()[::-1]]
        return [
            entry
            for one in run_ids
            for entry in self._read_run(one)
            if expert in (None, entry.subject.expert)
            and predictor in (None, entry.prediction.predictor)
            and card_id in (None, entry.subject.card_id)
        ]

    def _read_run(self, run_id: str) -> Iterator[Entry]:
        entries = [_read_entry(run_id, row) for row in self._journal.list_rows(TABLE, run_id)]
        known = [entry for entry in entries if entry is not None]
        ends: dict[str, Actual] = {}
        if any(entry.state == "open" for entry in known):
            # A kill between the end of a trial and its scoring: what came of it is known.
            ends = dict(_read_ends(self._journal.list_rows("trials", run_id)))
        for entry in known:
            actual = ends.get(entry.subject.trial_id)
            yield _score(entry, actual) if entry.state == "open" and actual else entry


def find_main(entries: Sequence[Entry]) -> Entry | None:
    """Of what was said of a trial before it, the one that counts: the first."""
    return next((entry for entry in entries if entry.prediction.kind == BEFORE), None)


def _score(entry: Entry, actual: Actual) -> Entry:
    if actual.score is None:
        return replace(
            entry, state="censored", reason=actual.reason or "failed", seconds=actual.seconds
        )
    final = entry.prediction.final
    return replace(
        entry,
        state="scored",
        score=actual.score,
        seconds=actual.seconds,
        memory_mib=actual.memory_mib,
        error=entry.subject.share_of_way(actual.score - final.median),
        is_inside=final.low <= actual.score <= final.high,
    )


def _to_outcome(entry: Entry) -> dict[str, Any]:
    return {
        "state": entry.state,
        "reason": entry.reason,
        "measured": entry.score,
        "measured_seconds": entry.seconds,
        "measured_memory_mib": entry.memory_mib,
        "error": entry.error,
        "is_inside": entry.is_inside,
    }


def _read_entry(run_id: str, row: Mapping[str, Any]) -> Entry | None:
    """The entry in a row; None for one of an early version that does not say what it is about."""
    intent = row["intent"]
    if "trial_id" not in intent:
        return None
    names = ("trial_id", "plan_id", "expert", "card_id", "data", "chance", "ideal")
    points = tuple(PredictedPoint(**point) for point in intent["points"])
    prediction = Prediction(
        intent["predictor"],
        intent["metric"],
        points,
        # Version 2 of the journal wrote 0 for what was not predicted.
        intent["seconds"] or None,
        intent["memory_mib"] or None,
        intent["n_steps_seen"],
    )
    subject = Subject(**{name: intent[name] for name in names if name in intent})
    entry = Entry(run_id, row["key"], subject, prediction, row["started"])
    outcome = row["outcome"]
    if outcome is None:
        return entry
    return replace(
        entry,
        state="scored" if row["status"] == _DONE else "censored",
        reason=outcome.get("reason", ""),
        score=outcome.get("measured"),
        seconds=outcome.get("measured_seconds"),
        memory_mib=outcome.get("measured_memory_mib"),
        error=outcome.get("error"),
        is_inside=outcome.get("is_inside"),
    )


def _read_ends(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Actual]]:
    for row in rows:
        if row["outcome"] is not None:
            yield row["key"], Actual.from_trial(row["outcome"])
