"""The purse: whatever happens, what is spent stays within what was allowed."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.chat_models.chat_model import ModelTraits, Usage
from automl_agent.controllers.planner.planner import Planner
from automl_agent.controllers.purse import MIN_REPLY_TOKENS, Purse, Reservation
from automl_agent.errors import SetupError


def price_at(input_usd: float, output_usd: float, write_factor: float = 1.25) -> ModelTraits:
    """A model with prices in USD for a million tokens; what goes into its cache costs more."""

    def price(usage: Usage) -> float:
        plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        n_input = plain + 0.1 * usage.cached_tokens + write_factor * usage.cache_write_tokens
        return (n_input * input_usd + usage.output_tokens * output_usd) / 1e6

    return ModelTraits("a:b", price=price)


prices = st.builds(
    price_at,
    st.floats(0, 100, allow_subnormal=False),
    st.floats(0, 500, allow_subnormal=False),
    st.sampled_from([1.0, 1.25, 2.0]),
)
shares = st.floats(0, 1)
# How a try ends, and how much of what is reserved it takes: input, output, cached, written.
tries = st.tuples(
    st.sampled_from(["answered", "broke off", "broke off, known", "refused", "interrupted"]),
    st.integers(0, 200_000),
    st.integers(MIN_REPLY_TOKENS, 64_000),
    shares,
    shares,
    shares,
    shares,
)


@given(
    traits=prices,
    limit_usd=st.none() | st.floats(0, 2) | st.sampled_from([0.5, 0.1, 0.3]),
    limit_tokens=st.none() | st.integers(0, 500_000),
    made=st.lists(tries, max_size=25),
)
def test_what_is_spent_never_exceeds_the_limits(
    traits: ModelTraits,
    limit_usd: float | None,
    limit_tokens: int | None,
    made: list[tuple[str, int, int, float, float, float, float]],
) -> None:
    purse = Purse(limit_usd, limit_tokens)
    billed_usd, billed_tokens = 0.0, 0
    for end, n_sent, wanted, *taken in made:
        reservation = purse.reserve(traits, n_sent, wanted)
        if reservation is None:
            continue
        assert MIN_REPLY_TOKENS <= reservation.max_output_tokens <= wanted
        n_input, n_output = int(n_sent * taken[0]), int(reservation.max_output_tokens * taken[1])
        n_cached = int(n_input * taken[2])
        n_written = int((n_input - n_cached) * taken[3])
        usage = Usage(n_input, n_output, n_cached, n_written)
        usage = replace(usage, cost_usd=traits.price(usage))
        whole = Usage(n_sent, reservation.max_output_tokens, cost_usd=reservation.cost_usd)
        if end == "answered":
            purse.settle(usage, traits.name, reservation)
        elif end == "interrupted":
            purse.settle(whole, traits.name, reservation)
        elif end == "broke off":
            purse.risk(reservation, None)
        elif end == "broke off, known":
            begun = Usage(n_input, 1, cost_usd=traits.price(Usage(n_input, 1)))
            purse.risk(reservation, begun)
            purse.settle(begun, traits.name, reservation)
        if end != "refused":
            billed_usd += usage.cost_usd or 0.0
            billed_tokens += n_input + n_output
        if limit_usd is not None:
            # Floats added in another order may differ in their last digits.
            assert purse.spent_usd <= limit_usd
            assert billed_usd <= limit_usd * (1 + 1e-12) + 1e-15
        if limit_tokens is not None:
            assert billed_tokens <= limit_tokens
            assert purse.input_tokens + purse.output_tokens <= limit_tokens


def test_a_tenth_at_a_time_stays_within_the_sum() -> None:
    """In floats, three times 0.1 is more than 0.3."""
    purse, traits = Purse(limit_usd=0.3), price_at(0.0, 100.0)
    for _ in range(5):
        reservation = purse.reserve(traits, 0, 1000)
        if reservation is not None:
            usage = Usage(0, reservation.max_output_tokens)
            usage = replace(usage, cost_usd=traits.price(usage))
            purse.settle(usage, "a:b", reservation)
    assert purse.spent_usd <= 0.3
    assert purse.output_tokens in (2999, 3000)
    assert Fraction(purse.output_tokens, 10_000) <= Fraction(3, 10)


def test_a_reply_is_cut_down_to_what_can_be_paid() -> None:
    purse, traits = Purse(limit_usd=0.5), price_at(10.0, 50.0, write_factor=1.0)
    # 0.5 USD less 0.1 for what is sent pays 8000 tokens.
    assert purse.reserve(traits, 10_000, 64_000) == Reservation(10_000, 8_000, pytest.approx(0.5))
    assert purse.reserve(traits, 10_000, 5_000) == Reservation(10_000, 5_000, pytest.approx(0.35))


def test_what_the_cache_takes_in_is_reserved_at_its_price() -> None:
    traits = price_at(10.0, 0.0)
    reservation = Purse().reserve(traits, 100_000, 1000)
    assert reservation is not None
    assert reservation.cost_usd == pytest.approx(1.25)


@pytest.mark.parametrize("left", [0, 100, MIN_REPLY_TOKENS - 1])
def test_a_reply_that_is_too_short_to_be_of_use_is_not_paid(left: int) -> None:
    assert Purse(limit_tokens=1000 + left).reserve(price_at(1, 1), 1000, 8000) is None


def test_a_model_of_short_replies_can_be_paid_too() -> None:
    reservation = Purse(limit_tokens=2000, limit_usd=1.0).reserve(price_at(1, 1), 1000, 100)
    assert reservation is not None
    assert reservation.max_output_tokens == 100
    assert Purse().reserve(price_at(1, 1), 1000, 1) is not None


def test_the_planner_goes_on_when_nothing_is_left() -> None:
    purse = Purse(limit_usd=0.0, limit_tokens=0)
    traits = Planner.traits
    assert purse.reserve(traits, 10**6, traits.max_output_tokens) == Reservation(0, 0, 0.0)


def test_a_model_without_a_price_is_refused_only_where_money_is_limited() -> None:
    unknown = ModelTraits("mine:m", price=lambda _usage: None)
    Purse(limit_tokens=10).check_price(unknown)
    with pytest.raises(SetupError, match=r"price of mine:m is unknown.*\[endpoints.mine\]"):
        Purse(limit_usd=1.0).check_price(unknown)


def test_a_reply_without_a_cost_counts_as_its_reservation() -> None:
    purse, traits = Purse(limit_usd=1.0), price_at(0.0, 100.0)
    reservation = purse.reserve(traits, 0, 8000)
    assert reservation is not None
    purse.settle(Usage(1, 1, cost_usd=None), "a:b", reservation)
    assert purse.to_json()["cost_usd"] is None
    assert purse.reserve(traits, 0, 8000) == Reservation(0, 2000, pytest.approx(0.2))


def test_what_was_spent_is_told_as_it_was() -> None:
    purse, reservation = Purse(), Reservation(200, 100, 0.1)
    purse.settle(Usage(100, 10, 20, cost_usd=0.25), "a:b", reservation)
    purse.settle(Usage(50, 5, cost_usd=0.5), "a:c", reservation)
    purse.risk(reservation, None)
    assert purse.to_json() == {
        "models": ["a:b", "a:c"],
        "input_tokens": 150,
        "cached_tokens": 20,
        "output_tokens": 15,
        "n_replies": 2,
        "cost_usd": 0.75,
    }
