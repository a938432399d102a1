"""OpenAI's SDK, without what it would take from the environment."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2
    import openai


def open_service(base_url: str, client: "httpx2.Client") -> "openai.OpenAI":
    """The SDK at the base URL, through the client, which has the key."""
    import openai

    return openai.OpenAI(
        api_key="-",
        base_url=base_url,
        max_retries=0,
        timeout=client.timeout,
        http_client=client,
    )


def sdk_errors() -> tuple[type[Exception], ...]:
    """What the SDK raises."""
    import openai

    return (openai.OpenAIError,)
