"""Prices: what a usage costs, from the endpoint's own prices or a list that is installed."""

from collections.abc import Callable

from automl_agent.chat_models.addresses import is_loopback
from automl_agent.chat_models.chat_model import Usage
from automl_agent.configuration.endpoint import Endpoint

# Who makes the models that a gateway of this protocol passes on.
_MAKERS = {"messages": "anthropic", "responses": "openai"}


def find_price(endpoint: Endpoint, model: str) -> Callable[[Usage], float | None]:
    """What a usage of the model costs in USD; gives None where no price is known."""
    if endpoint.input_usd_per_million is not None or endpoint.output_usd_per_million is not None:
        input_price = endpoint.input_usd_per_million or 0.0
        output_price = endpoint.output_usd_per_million or 0.0
        return lambda usage: (
            (usage.input_tokens * input_price + usage.output_tokens * output_price) / 1e6
        )
    if endpoint.protocol == "chat_completions" and is_loopback(endpoint.base_url):
        return lambda usage: None
    return lambda usage: _look_up_price(endpoint, model, usage)


def _look_up_price(endpoint: Endpoint, model: str, usage: Usage) -> float | None:
    from genai_prices import Usage as ListedUsage
    from genai_prices import calc_price

    listed = ListedUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    maker = _MAKERS.get(endpoint.protocol)
    try:
        if maker is not None:
            return float(calc_price(listed, model, provider_id=maker).total_price)
        return float(calc_price(listed, model, provider_api_url=endpoint.base_url).total_price)
    except (LookupError, ValueError):
        return None
