"""Texts as vectors, as long as there is an encoder that works."""

from collections.abc import Callable, Sequence

from automl_agent.errors import SetupError
from automl_agent.knowledge.encoding.embedding_cache import EmbeddingCache
from automl_agent.knowledge.encoding.encoder import Array, Encoder


class TextSpace:
    """Embeds with an encoder and a cache, and does without from the first failure on.

    encoder: None for no comparison of texts. warn: told once, in a sentence, why there is none.
    """

    def __init__(
        self,
        encoder: Encoder | None,
        *,
        cache: EmbeddingCache | None = None,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.encoder = encoder
        self._cache = cache
        self._warn = warn

    @property
    def encoder_name(self) -> str | None:
        """Of the encoder that works so far."""
        return None if self.encoder is None else self.encoder.name

    def embed(self, texts: Sequence[str]) -> Array | None:
        """The vectors of the texts, shape (n, dimension), float32, unit length; None without."""
        if self.encoder is None:
            return None
        try:
            if self._cache is None:
                return self.encoder.encode(texts)
            return self._cache.encode(self.encoder, texts)
        except SetupError as exc:
            self.encoder = None
            self._warn(f"{exc} Until then the texts of data cards are not compared.")
            return None
