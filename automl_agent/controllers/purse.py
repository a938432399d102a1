"""The purse: the money and the tokens that chat models may take in a conversation.

Whatever a try may cost at most is reserved before it, so that a limit holds to the cent.
"""

from dataclasses import dataclass, field
from typing import Any

from automl_agent.chat_models.chat_model import ModelTraits, Usage
from automl_agent.errors import SetupError

# A shorter reply holds no useful tool call.
MIN_REPLY_TOKENS = 400


@dataclass(frozen=True)
class Reservation:
    """What one try may take at most; cost_usd: None if the price is unknown."""

    input_tokens: int
    max_output_tokens: int
    cost_usd: float | None


@dataclass
class Purse:
    """Limits, None for none, and what is spent of them.

    n_unpriced: replies whose cost is unknown, and therefore not in spent_usd.
    risked_usd, risked_tokens: what broken tries may have taken beyond what is known; the limits
    hold for it too.
    """

    limit_usd: float | None = None
    limit_tokens: int | None = None
    spent_usd: float = 0.0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    n_replies: int = 0
    n_unpriced: int = 0
    risked_usd: float = 0.0
    risked_tokens: int = 0
    models: list[str] = field(default_factory=list)

    def check_price(self, traits: ModelTraits) -> None:
        """Nothing, if a limit of money can be kept with this model.

        Raises: SetupError if its price is unknown.
        """
        if self.limit_usd is not None and traits.price(Usage(input_tokens=1)) is None:
            endpoint = traits.name.partition(":")[0]
            raise SetupError(
                f"The price of {traits.name} is unknown, so --budget-usd cannot be kept; set "
                f"input_usd_per_million and output_usd_per_million under [endpoints.{endpoint}] "
                "of your configuration (0 if it costs nothing), or limit it by --budget-tokens."
            )

    def reserve(self, traits: ModelTraits, input_tokens: int, wanted: int) -> Reservation | None:
        """What a try with so many tokens sent may take, or None if nothing useful can be paid.

        wanted: the longest reply that is of use; it is cut down to what can be paid. 0 for a model
        that has no tokens, such as the planner: it goes on when nothing is left for the others.
        """
        if wanted == 0:
            return Reservation(0, 0, 0.0)
        low, high = 0, min(wanted, self._output_tokens_left(input_tokens, wanted))
        if high > 0 and self._can_pay(traits, input_tokens, high):
            low = high
        while high - low > 1:
            middle = (low + high) // 2
            if self._can_pay(traits, input_tokens, middle):
                low = middle
            else:
                high = middle
        if low < min(MIN_REPLY_TOKENS, wanted):
            return None
        return Reservation(input_tokens, low, _worst_cost(traits, input_tokens, low))

    def settle(self, usage: Usage, model: str, reservation: Reservation) -> None:
        """Take what a reply, or a try that failed, has cost; the reservation if that is unknown."""
        if model not in self.models:
            self.models.append(model)
        self.count(usage)
        if usage.cost_usd is None:
            self.risked_usd += reservation.cost_usd or 0.0

    def count(self, usage: Usage) -> None:
        """Take what a reply has cost, as far as that is known."""
        self.n_replies += 1
        self.input_tokens += usage.input_tokens
        self.cached_tokens += usage.cached_tokens
        self.output_tokens += usage.output_tokens
        self.n_unpriced += usage.cost_usd is None
        self.spent_usd += usage.cost_usd or 0.0

    def risk(self, reservation: Reservation, known: Usage | None) -> None:
        """Keep back what a try that broke off may have taken beyond what is known of it."""
        known = known or Usage()
        n_reserved = reservation.input_tokens + reservation.max_output_tokens
        self.risked_tokens += max(0, n_reserved - known.input_tokens - known.output_tokens)
        if known.cost_usd is not None:  # else the whole reservation is at risk already
            self.risked_usd += max(0.0, (reservation.cost_usd or 0.0) - known.cost_usd)

    def describe_limit(self) -> str:
        """The limits as the person set them, for a sentence."""
        parts = []
        if self.limit_usd is not None:
            parts.append(f"{self.limit_usd:g} USD")
        if self.limit_tokens is not None:
            parts.append(f"{self.limit_tokens} tokens")
        return " and ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """What is spent, as a JSON object; cost_usd: None if some of it is unknown."""
        return {
            "models": list(self.models),
            "input_tokens": self.input_tokens,
            "cached_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
            "n_replies": self.n_replies,
            "cost_usd": None if self.n_unpriced else round(self.spent_usd, 6),
        }

    def _output_tokens_left(self, input_tokens: int, wanted: int) -> int:
        if self.limit_tokens is None:
            return wanted
        taken = self.input_tokens + self.output_tokens + self.risked_tokens
        return self.limit_tokens - taken - input_tokens

    def _can_pay(self, traits: ModelTraits, input_tokens: int, output_tokens: int) -> bool:
        if self.limit_usd is None:
            return True
        cost_usd = _worst_cost(traits, input_tokens, output_tokens)
        if cost_usd is None:
            return False
        # Rounding keeps the order: what `settle` adds up is no more than this sum.
        return self.spent_usd + self.risked_usd + cost_usd <= self.limit_usd


def _worst_cost(traits: ModelTraits, input_tokens: int, output_tokens: int) -> float | None:
    """The cost if the provider takes all of it into its cache, which is dearer than reading it."""
    plain = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    cached = Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_write_tokens=input_tokens,
    )
    costs = (traits.price(plain), traits.price(cached))
    return None if costs[0] is None else max(cost for cost in costs if cost is not None)
