"""Which chat model a name such as "anthropic:MODEL" stands for."""

from collections.abc import Callable, Mapping
from typing import Any

from automl_agent.chat_models.chat_model import ChatModel, ModelTraits
from automl_agent.configuration.configuration import Configuration
from automl_agent.configuration.keys import find_key
from automl_agent.errors import SetupError, UnknownNameError
from automl_agent.plugins import Plugins


def choose_chat_model(
    name: str,
    configuration: Configuration,
    plugins: Plugins,
    emit: Callable[[str, Mapping[str, Any]], None],
) -> ChatModel:
    """The chat model of a name: an endpoint of the configuration, or a plugin's provider.

    Raises: UnknownNameError; SetupError if it lacks its key or its model's name.
    """
    provider, _, model = name.partition(":")
    if provider in configuration.endpoints:
        return _open_endpoint(configuration, provider, model, emit)
    if provider not in plugins.chat_models:
        known = {*configuration.endpoints, *plugins.chat_models}
        raise UnknownNameError("controller", provider, known)
    created: ChatModel = plugins.chat_models[provider].create(model or None)
    if not isinstance(getattr(created, "traits", None), ModelTraits):
        raise SetupError(
            f"What {plugins.chat_models.distribution(provider)} brings as {provider!r} is no chat "
            "model: it has no traits. Update that plugin, or take another --controller."
        )
    return created


def _open_endpoint(
    configuration: Configuration,
    provider: str,
    model: str,
    emit: Callable[[str, Mapping[str, Any]], None],
) -> ChatModel:
    # Most runs talk to no endpoint, and need not wait for what talks to one.
    from automl_agent.chat_models.addresses import is_unencrypted
    from automl_agent.chat_models.create import create_chat_model

    endpoint = configuration.find_endpoint(provider)
    if is_unencrypted(endpoint.base_url):
        emit("endpoint_unencrypted", {"endpoint": endpoint.name, "base_url": endpoint.base_url})
    return create_chat_model(endpoint, model or None, find_key(endpoint))
