"""The registry: each name once, and who keeps it."""

import pytest

from automl_agent.errors import UnknownNameError
from automl_agent.experts.registry import Registry


@pytest.fixture
def registry() -> Registry[str]:
    """Two experts of one distribution, not added in the order of their names."""
    registry: Registry[str] = Registry("expert")
    for name in ("xgboost", "linear"):
        assert registry.add(name, name.title(), distribution="automl-agent-trees") is None
    return registry


def test_it_is_a_mapping_sorted_by_name(registry: Registry[str]) -> None:
    assert list(registry.items()) == [("linear", "Linear"), ("xgboost", "Xgboost")]
    assert len(registry) == 2
    assert "xgboost" in registry


def test_it_knows_who_brought_a_thing(registry: Registry[str]) -> None:
    assert registry.distribution("linear") == "automl-agent-trees"


def test_an_unknown_name_is_answered_with_the_nearest(registry: Registry[str]) -> None:
    message = "^There is no expert 'xgbost'. Did you mean 'xgboost'\\?$"
    with pytest.raises(UnknownNameError, match=message):
        registry["xgbost"]
    with pytest.raises(UnknownNameError, match=message):
        registry.distribution("xgbost")


def test_get_returns_the_default_as_any_mapping_does(registry: Registry[str]) -> None:
    assert registry.get("forest") is None
    assert registry.get("forest", "none") == "none"
    assert registry.get("linear") == "Linear"


@pytest.mark.parametrize(
    ("first", "second", "keeper"),
    [
        pytest.param("acme", "other", "acme", id="the first one"),
        pytest.param(
            "acme", "automl-agent-fast", "automl-agent-fast", id="called after it, second"
        ),
        pytest.param("automl-agent-fast", "acme", "automl-agent-fast", id="called after it, first"),
        pytest.param("automl-agent", "acme", "automl-agent", id="built in, first"),
        pytest.param("acme", "automl-agent", "automl-agent", id="built in, second"),
        pytest.param("automl-agent", "automl-agent-fast", "automl-agent", id="built in, always"),
        pytest.param("acme", "acme", "acme", id="the same twice"),
    ],
)
def test_a_name_that_two_claim_stays_with_one_and_the_loser_is_told(
    first: str, second: str, keeper: str
) -> None:
    registry: Registry[str] = Registry("metric")
    assert registry.add("fast", f"from {first}, 1", distribution=first) is None
    loser = registry.add("fast", f"from {second}, 2", distribution=second)
    assert registry.distribution("fast") == keeper
    assert {keeper, loser} == {first, second}
    assert registry["fast"] == (f"from {first}, 1" if keeper == first else f"from {second}, 2")
