"""What turns texts into vectors whose cosine says how alike the texts are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from numpy import ndarray

    Array: TypeAlias = ndarray[Any, Any]
else:
    # numpy is not imported for a name; a text would not do in `Array | None`.
    Array = Any


class Encoder(Protocol):
    """A sentence encoder.

    name: another one for each content of the model; vectors of one name can be compared.
    dimension: of the vectors.
    """

    @property
    def name(self) -> str:
        """Chosen by the setting `knowledge.encoder`; embeddings are cached under it."""

    @property
    def dimension(self) -> int:
        """The length of each vector."""

    def encode(self, texts: Sequence[str]) -> Array:
        """The vectors of the texts, shape (n, dimension), float32, unit length."""


def clean_text(text: str) -> str:
    """The text without halves of characters, which JSON can hold and no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
