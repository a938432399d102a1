"""Proposing settings within an expert's search space."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, count
from random import Random
from typing import TYPE_CHECKING

from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import (
    ModelCard,
    Parameter,
    Settings,
    Value,
    value_problem,
)
from automl_agent.experts.search_space import (
    complete_settings,
    fit_value,
    is_in_force,
    starting_points,
)

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

# The tree-structured Parzen estimator needs some trials before it knows more than chance.
_N_RANDOM_TRIALS = 6
# It repeats itself where it is sure; after so many repetitions the space is looked through.
_N_DRAWS = 20
# Smaller versions of a model that is too large: a step that costs little, then one that shows.
_SHRINK_FACTORS = (0.5, 0.25)


class Tuner:
    """Proposes settings: the expert's starting points first, then where trials went well.

    smaller_than: settings of a model that is too large; smaller versions of them come first, and
        nothing is proposed that the card says is larger.
    choose_first: asked once, before the first proposal, what to try instead of the starting points.
    Source: tree-structured Parzen estimator (Bergstra et al. 2011), by Optuna.
    """

    def __init__(
        self,
        card: ModelCard,
        metric: Metric,
        *,
        seed: int,
        smaller_than: Settings | None = None,
        choose_first: Callable[[Sequence[Settings]], Sequence[Settings]] | None = None,
    ) -> None:
        self._card = card if smaller_than is None else cap_size(card, smaller_than)
        self._study = _create_study(metric, seed)
        self._random = Random(seed)
        self._tried: list[dict[str, Value]] = []
        self._queue = starting_points(self._card)
        if smaller_than is not None:
            steps = [shrink_settings(card, smaller_than, factor) for factor in _SHRINK_FACTORS]
            self._queue = [*steps, *self._queue]
            choose_first = None  # what is proposed may be larger
        self._choose_first = choose_first

    def propose(self) -> dict[str, Value]:
        """Complete settings that were not tried before, as long as there are such."""
        if self._choose_first is not None:
            self._queue = [dict(settings) for settings in self._choose_first(self._queue)]
            self._choose_first = None
        while self._queue:
            settings = self._queue.pop(0)
            if settings not in self._tried:
                return settings
        for _ in range(_N_DRAWS):
            settings = _suggest_settings(self._study.ask(), self._card)
            if settings not in self._tried:
                return settings
        # A space of a few choices is soon used up; then a repetition is all there is.
        possible = _list_settings(self._card.search_space, self._random)
        return next((other for other in possible if other not in self._tried), settings)

    def learn(self, settings: Settings, score: float | None, *, is_expected: bool = False) -> None:
        """Take in how a trial went; None or not finite: it failed.

        is_expected: the score is what a trial that was stopped was predicted to reach. It counts
            like a real one, since the estimator asks only whether it is among the good ones, which
            a stopped trial is not; left out, the same bad settings would be proposed again.
        """
        import optuna

        self._tried.append(dict(settings))
        if score is None or not math.isfinite(score):
            return
        parameters = [p for p in self._card.search_space if p.name in settings]
        if any(value_problem(p, settings[p.name]) for p in parameters):
            return  # larger than what is looked for
        self._study.add_trial(
            optuna.trial.create_trial(
                params=dict(settings),
                distributions={p.name: _distribution(p) for p in parameters},
                value=score,
                user_attrs={"is_expected": is_expected},
            )
        )


def shrink_settings(card: ModelCard, settings: Settings, factor: float) -> dict[str, Value]:
    """The settings of a smaller model: what drives its size is multiplied by `factor`.

    factor: above 0, below 1; what drives compactness is divided by it. Bounds of the card hold.
    Settings of a card that marks no parameter come back as they were.
    """
    shrunk = dict(settings)
    for parameter in card.search_space:
        if parameter.drives and parameter.name in settings:
            value = float(settings[parameter.name])
            wanted = value * factor if parameter.drives == "size" else value / factor
            shrunk[parameter.name] = fit_value(parameter, wanted)
    return complete_settings(card, shrunk)


def cap_size(card: ModelCard, settings: Settings) -> ModelCard:
    """The card with a search space in which nothing is larger than these settings."""
    space = tuple(
        _cap_parameter(p, float(settings[p.name])) if p.drives and p.name in settings else p
        for p in card.search_space
    )
    points = tuple(
        {
            name: fit_value(parameter, float(point[name])) if parameter.drives else point[name]
            for parameter in space
            if (name := parameter.name) in point
        }
        for point in card.starting_points
    )
    return replace(card, search_space=space, starting_points=points)


def _cap_parameter(parameter: Parameter, value: float) -> Parameter:
    bound = {"high": value} if parameter.drives == "size" else {"low": value}
    capped = replace(parameter, **bound)  # type: ignore[arg-type]
    return replace(capped, default=fit_value(capped, float(parameter.default)))


def _create_study(metric: Metric, seed: int) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=_N_RANDOM_TRIALS,
        # Proposals end as trials of their own. To Optuna they run for ever, and by its default it
        # keeps away from what runs.
        constant_liar=False,
    )
    return optuna.create_study(
        sampler=sampler, direction="maximize" if metric.greater_is_better else "minimize"
    )


def _suggest_settings(trial: "Trial", card: ModelCard) -> dict[str, Value]:
    settings: dict[str, Value] = {}
    for parameter in card.search_space:
        if is_in_force(parameter, settings):
            settings[parameter.name] = _suggest_value(trial, parameter)
    return complete_settings(card, settings)


def _list_settings(
    parameters: Sequence[Parameter], random: Random, earlier: Settings | None = None
) -> Iterator[dict[str, Value]]:
    """Every combination of values that are in force together; without end if one is a float."""
    earlier = dict(earlier or {})
    if not parameters:
        yield earlier
    elif not is_in_force(parameters[0], earlier):
        yield from _list_settings(parameters[1:], random, earlier)
    else:
        for value in _list_values(parameters[0], random):
            chosen = {**earlier, parameters[0].name: value}
            yield from _list_settings(parameters[1:], random, chosen)


def _list_values(parameter: Parameter, random: Random) -> Iterable[Value]:
    if parameter.type == "choice":
        return random.sample(parameter.choices, len(parameter.choices))
    low, high = parameter.low, parameter.high
    assert low is not None and high is not None
    if parameter.type == "int":
        start = random.randint(int(low), int(high))
        return chain(range(start, int(high) + 1), range(int(low), start))
    return (random.uniform(low, high) for _ in count()) if low < high else [low]


def _suggest_value(trial: "Trial", parameter: Parameter) -> Value:
    if parameter.type == "choice":
        chosen = trial.suggest_categorical(parameter.name, parameter.choices)
        assert chosen is not None  # a choice is never null: the card's schema
        return chosen
    assert parameter.low is not None and parameter.high is not None
    if parameter.type == "int":
        low, high = int(parameter.low), int(parameter.high)
        return trial.suggest_int(parameter.name, low, high, log=parameter.log)
    return trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log)


def _distribution(parameter: Parameter) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if parameter.type == "choice":
        return CategoricalDistribution(parameter.choices)
    assert parameter.low is not None and parameter.high is not None
    if parameter.type == "int":
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
