"""The chat model of an endpoint."""

from urllib.parse import urlsplit

from automl_agent.chat_models.addresses import is_base_url, is_loopback
from automl_agent.chat_models.chat_model import ChatModel
from automl_agent.chat_models.completions_model import CompletionsWire
from automl_agent.chat_models.endpoint_model import EndpointModel
from automl_agent.chat_models.messages_model import MessagesWire
from automl_agent.chat_models.responses_model import ResponsesWire
from automl_agent.chat_models.wire import Wire
from automl_agent.configuration.endpoint import Endpoint, Key
from automl_agent.errors import SetupError

_WIRES: dict[str, Wire] = {
    "messages": MessagesWire(),
    "responses": ResponsesWire(),
    "chat_completions": CompletionsWire(),
}


def create_chat_model(endpoint: Endpoint, model: str | None, key: Key | None) -> ChatModel:
    """The model at the endpoint, or the endpoint's default if model is None.

    key: sent to this endpoint only. Nothing is sent before the model is asked.
    Raises: SetupError if no model is named, or the key is missing or may not be sent there.
    """
    _check_address(endpoint, key)
    _check_key(endpoint, key)
    chosen = model or endpoint.model
    if chosen is None:
        raise SetupError(
            f"No model is named for {endpoint.name}: use --controller {endpoint.name}:MODEL, "
            f"or set the endpoint's default model in the configuration."
        )
    return EndpointModel(endpoint, chosen, key, _WIRES[endpoint.protocol])


def _check_address(endpoint: Endpoint, key: Key | None) -> None:
    if not is_base_url(endpoint.base_url):
        raise SetupError(
            f"The base_url of {endpoint.name} is no address of the form https://HOST/PATH "
            f"without a password: correct it in the configuration."
        )
    is_open = urlsplit(endpoint.base_url).scheme == "http"
    if key is not None and is_open and not is_loopback(endpoint.base_url):
        raise SetupError(
            f"A key is never sent unencrypted: let the base_url of {endpoint.name} "
            f"({endpoint.base_url}) begin with https://, or use the endpoint without a key."
        )


def _check_key(endpoint: Endpoint, key: Key | None) -> None:
    set_key = f"`automl-agent config set-key {endpoint.name}`"
    if key is None:
        if endpoint.needs_key:
            variable = endpoint.key_variable
            other = f", or set the environment variable {variable}" if variable else ""
            raise SetupError(f"{endpoint.name} needs a key: set one by {set_key}{other}.")
        return
    is_sendable = key.secret.isascii() and key.secret.isprintable() and " " not in key.secret
    if not key.secret or not is_sendable:
        raise SetupError(
            f"The key of {endpoint.name} from {key.origin or 'its caller'} is empty or has "
            f"characters that no key has: set it again by {set_key}."
        )
