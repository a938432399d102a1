"""Settings within the search space of a model card: defaults, validity, what is in force."""

from automl_agent.cards.model_card import (
    ModelCard,
    Parameter,
    Settings,
    Value,
    is_same,
    value_problem,
)
from automl_agent.errors import ToolError, suggest


def default_settings(card: ModelCard) -> dict[str, Value]:
    """The default of every parameter that is in force."""
    return complete_settings(card, {})


def complete_settings(card: ModelCard, settings: Settings) -> dict[str, Value]:
    """The settings with the defaults of what they leave out, without what is not in force.

    A number comes as the card's type: a model writes 4.0 for 4, and libraries read 1 not as 1.0.
    Raises: ToolError if a name is unknown or a value is not allowed.
    """
    check_settings(card, settings)
    complete: dict[str, Value] = {}
    for parameter in card.search_space:
        if is_in_force(parameter, complete):
            value = settings.get(parameter.name, parameter.default)
            complete[parameter.name] = _as_declared(parameter, value)
    return complete


def change_settings(card: ModelCard, settings: Settings, changes: Settings) -> dict[str, Value]:
    """The settings with some of them changed; what comes into force by it gets its default.

    Raises: ToolError if a name is unknown or a value is not allowed.
    """
    return complete_settings(card, {**settings, **changes})


def check_settings(card: ModelCard, settings: Settings) -> None:
    """Nothing, if every setting is a parameter of the card with an allowed value.

    Raises: ToolError that says what is allowed.
    """
    parameters = {parameter.name: parameter for parameter in card.search_space}
    for name, value in settings.items():
        if name not in parameters:
            raise ToolError(
                f"{card.name} has no hyperparameter {name!r}.{suggest(name, parameters)}"
            )
        problem = value_problem(parameters[name], value)
        if problem:
            raise ToolError(f"{card.name}, hyperparameter {name!r}: {problem}")


def is_in_force(parameter: Parameter, earlier: Settings) -> bool:
    """Whether a parameter counts, given those before it in the search space."""
    condition = parameter.condition
    if condition is None:
        return True
    value = earlier.get(condition.parameter)
    return any(is_same(value, allowed) for allowed in condition.values)


def starting_points(card: ModelCard) -> list[dict[str, Value]]:
    """The defaults, then the card's other starting points, each complete."""
    return [complete_settings(card, settings) for settings in ({}, *card.starting_points)]


def fit_value(parameter: Parameter, value: float) -> Value:
    """The allowed value of a number that is nearest."""
    assert parameter.low is not None and parameter.high is not None
    fitting = min(max(value, parameter.low), parameter.high)
    return round(fitting) if parameter.type == "int" else fitting


def _as_declared(parameter: Parameter, value: Value) -> Value:
    if parameter.type == "choice":
        return next(choice for choice in parameter.choices if is_same(value, choice))
    return int(value) if parameter.type == "int" else float(value)
