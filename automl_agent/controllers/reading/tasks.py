"""How each task of a request is to be trained: metric, experts, limits, columns, split."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast, get_args

from automl_agent.cards.metric import Task
from automl_agent.controllers.reading.columns import Span
from automl_agent.controllers.reading.constraints import Limit, find_limits, find_wishes
from automl_agent.controllers.reading.cores import Core, Words
from automl_agent.controllers.reading.drops import find_drops, find_split, tell_not_dropped
from automl_agent.controllers.reading.experts import (
    choose_experts,
    find_expert_wishes,
    find_others,
)
from automl_agent.controllers.reading.field_words import FIELD_ROLES
from automl_agent.controllers.reading.metrics import (
    CLASS_ROLES,
    choose_metric,
    find_metric_wishes,
    tell_unknown,
)
from automl_agent.controllers.reading.reading import TaskWords
from automl_agent.controllers.reading.terms import Terms, find_starts, share_terms
from automl_agent.controllers.reading.words import Text, without

_MAX_DESCRIPTION = 500


def fill_tasks(
    words: Words, cores: Sequence[Core], *, experts: Mapping[str, str], metrics: Sequence[str]
) -> tuple[tuple[TaskWords, ...], list[str]]:
    """The tasks, and sentences about what of them is unclear or impossible."""
    targets = {i for core in cores for i in range(core.first, core.last)}
    text = without(words.text, targets)
    taken = frozenset(words.names | targets | _spelled(words))
    limits = find_limits(text, metrics, taken=taken)
    terms = Terms(
        find_metric_wishes(text, _free(words, targets), metrics, limits),
        find_expert_wishes(text, _free(words, targets), experts),
        limits,
        find_wishes(text, limits),
    )
    own = share_terms(words, cores, terms)
    filled = []
    for index, core in enumerate(cores):
        others = [wish for other in (*own[:index], *own[index + 1 :]) for wish in other.metrics]
        metric = choose_metric(
            own[index].metrics, metrics, role=_find_role(words, core), elsewhere=others
        )
        filled.append(_fill(words, core, own[index], metric, experts))
    faults = [tell_unknown(terms.metrics, metrics), choose_experts(terms.experts, experts)[2]]
    starts = find_starts(words, cores)
    described = [_describe(words, starts, task, i) for i, (task, _) in enumerate(filled)]
    return tuple(described), [*faults, *(fault for _, more in filled for fault in more)]


def _spelled(words: Words) -> set[int]:
    """The tokens of columns' names that are numbers as well: "s 5"."""
    return {
        index
        for mentions in words.mentions
        for mention in mentions
        if mention.last - mention.first > 1
        for index in range(mention.first, mention.last)
    }


def _free(words: Words, targets: set[int]) -> list[Span]:
    return [s for s in words.spans if not targets.intersection(range(s.first, s.last))]


def _find_role(words: Words, core: Core) -> str | None:
    """The role of a target, by its cells or by its name."""
    fields = words.columns[core.table].fields_of((core.target,))
    by_name = next((FIELD_ROLES[name] for name in sorted(fields) if name in FIELD_ROLES), None)
    return words.tables[core.table].roles.get(core.target, by_name)


def _fill(
    words: Words, core: Core, terms: Terms, metric: str | None, experts: Mapping[str, str]
) -> tuple[TaskWords, list[str]]:
    table = words.tables[core.table]
    passage = words.passage(0, len(words.text.tokens), core.table)
    split, fault = find_split(passage, core.target)
    wanted, excluded, _ = choose_experts(terms.experts, experts)
    filled = TaskWords(
        table=table.name,
        target=core.target,
        task=_find_task(words.text, table.roles.get(core.target)),
        metric=metric,
        experts=wanted or find_others(excluded, experts),
        constraints=_list_constraints(terms),
        drop=find_drops(passage, core.target),
        split=split,
        time_s=_find_time(terms.limits),
        n_trials=_find_trials(terms.limits),
    )
    return filled, [fault, tell_not_dropped(passage)]


def _list_constraints(terms: Terms) -> tuple[str, ...]:
    # To be accurate is the aim of every training; only after one does "more accurate" say more.
    wishes = [(w.first, w.value) for w in terms.wishes if w.value != "more accurate"]
    texts = [(limit.first, limit.text) for limit in terms.limits if limit.text]
    return tuple(dict.fromkeys(text for _, text in sorted([*wishes, *texts])))


def _find_time(limits: Sequence[Limit]) -> float | None:
    return next((lim.value for lim in limits if lim.measure == "time_s" and lim.value > 0), None)


def _find_trials(limits: Sequence[Limit]) -> int | None:
    found = [lim.value for lim in limits if lim.measure == "n_trials" and lim.value >= 1]
    return int(found[0]) if found else None


def _find_task(text: Text, role: str | None) -> Task | None:
    """The task that the words name, if the target can have it; "classify" leaves it open."""
    named = [hit.value for hit in text.find("task") if hit.value in get_args(Task)]
    if not named or (named[0] == "regression" and role in CLASS_ROLES):
        return None
    return cast("Task", named[0])


def _describe(words: Words, starts: Sequence[int], task: TaskWords, index: int) -> TaskWords:
    end = starts[index + 1] if index + 1 < len(starts) else len(words.text.tokens)
    own = words.text.slice(starts[index], end) if len(starts) > 1 else words.written.strip()
    return replace(task, description=own[:_MAX_DESCRIPTION])
