"""Whether the packages that a model card declares are installed."""

from importlib.metadata import PackageNotFoundError, version

from automl_agent.cards.model_card import Requirement


def find_missing(requirements: tuple[Requirement, ...]) -> list[tuple[Requirement, str]]:
    """The requirements that are not met, each with what is wrong."""
    problems = [(requirement, _find_problem(requirement)) for requirement in requirements]
    return [(requirement, problem) for requirement, problem in problems if problem]


def describe_installation(missing: list[tuple[Requirement, str]]) -> str:
    """The command that installs what is missing."""
    wanted = " ".join(f"'{need.package}{need.version}'" for need, _ in missing)
    return f"pip install {wanted}"


def _find_problem(requirement: Requirement) -> str:
    from packaging.specifiers import SpecifierSet

    try:
        installed = version(requirement.package)
    except PackageNotFoundError:
        return f"{requirement.package} is not installed"
    if installed not in SpecifierSet(requirement.version):
        return f"{requirement.package} {installed} is not {requirement.version}"
    return ""
