"""Settings within the search space of a model card: defaults, validity, what is in force."""

from automl_agent.cards.model_card import ModelCard, Parameter, Settings, Value, value_problem
from automl_agent.errors import ToolError, suggest


def default_settings(card: ModelCard) -> dict[str, Value]:
    """The default of every parameter that is in force."""
    return complete_settings(card, {})


def complete_settings(card: ModelCard, settings: Settings) -> dict[str, Value]:
    """The settings with the defaults of what they leave out, without what is not in force.

    Raises: ToolError if a name is unknown or a value is not allowed.
    """
    check_settings(card, settings)
    complete: dict[str, Value] = {}
    for parameter in card.search_space:
        if is_in_force(parameter, complete):
            complete[parameter.name] = settings.get(parameter.name, parameter.default)
    return complete


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
    return condition is None or earlier.get(condition.parameter) in condition.values


def starting_points(card: ModelCard) -> list[dict[str, Value]]:
    """The defaults, then the card's other starting points, each complete."""
    return [complete_settings(card, settings) for settings in ({}, *card.starting_points)]
