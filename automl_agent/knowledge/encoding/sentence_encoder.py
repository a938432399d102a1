"""Any sentence-transformers model as an encoder, and the choice between encoders by name."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.errors import SetupError
from automl_agent.knowledge.encoding.encoder import Array, Encoder, clean_text

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

NO_ENCODER = "none"


class SentenceEncoder:
    """The model in a folder, or of a name on the hub; loaded at first use, or by `warm`.

    Loading takes 5 to 30 seconds, most of it for the import of sentence-transformers. Code that a
    model brings is never run.
    Raises: SetupError from everything but the constructor if the model cannot be had.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._loading = threading.Lock()

    @cached_property
    def name(self) -> str:
        """The place and a fingerprint of the weights and the layers."""
        model = self._load()
        digest = hashlib.sha256(str(model).encode())
        for key, tensor in sorted(model.state_dict().items()):
            digest.update(key.encode() + tensor.cpu().numpy().tobytes())
        return f"{self.place}@{digest.hexdigest()[:16]}"

    @cached_property
    def dimension(self) -> int:
        """The length of each vector."""
        return len(self.encode([""])[0])

    def encode(self, texts: Sequence[str]) -> Array:
        """The vectors of the texts, shape (n, dimension), float32, unit length."""
        vectors: Array = self._load().encode(
            [clean_text(text) for text in texts],
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return vectors.astype("float32")

    def warm(self) -> threading.Thread:
        """Begin to load the model; the thread that does it, which nobody needs to wait for."""
        thread = threading.Thread(target=self._try_loading, daemon=True, name="encoder")
        thread.start()
        return thread

    def _load(self) -> "SentenceTransformer":
        # A text that comes while the model is being loaded waits for it; nobody loads it twice.
        with self._loading:
            return self._model

    @cached_property
    def _model(self) -> "SentenceTransformer":
        try:
            return _read_model(self.place)
        except ImportError as exc:
            text = "sentence-transformers is missing; install it: pip install sentence-transformers"
            raise SetupError(text) from exc
        # A stranger's files make the loader raise anything.
        except Exception as exc:
            reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0][:200].rstrip(".")
            raise SetupError(
                f"The encoder {self.place!r} cannot be loaded ({reason}); "
                "name another: automl-agent config set knowledge.encoder NAME"
            ) from exc

    def _try_loading(self) -> None:
        try:
            self._load()
        except SetupError:
            return  # whoever encodes a text is told


def choose_encoder(name: str, encoders: Mapping[str, Encoder]) -> Encoder | None:
    """The encoder that the setting `knowledge.encoder` names; None for "none".

    encoders: those that are registered. Another name is a folder, or one of the hub.
    """
    if name == NO_ENCODER:
        return None
    return encoders[name] if name in encoders else SentenceEncoder(name)


def _read_model(place: str) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    try:
        # What is here is used as it is: no run waits for a hub, or gets another model than before.
        return SentenceTransformer(place, device="cpu", local_files_only=True)
    except (OSError, ValueError):
        if Path(place).exists():
            raise
        return SentenceTransformer(place, device="cpu")
