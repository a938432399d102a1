"""A sentence encoder of the BERT family in plain numpy, for when torch is not worth its import.

Importing sentence-transformers takes 5 to 30 seconds; this forward pass is ready in a fraction of
one and gives the same vectors.
Source: BERT (Devlin et al. 2019, arXiv 1810.04805, section 3) for the layers; Sentence-BERT
(Reimers and Gurevych 2019, arXiv 1908.10084, section 3) for the mean over the tokens.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.knowledge.encoding.encoder import Array, clean_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Enough to read the weights seldom, and little enough to stay in the processor's cache.
_BATCH_TOKENS = 512
# The highest power first.
_ERF_COEFFICIENTS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


class BertEncoder:
    """Texts to vectors with the weights in a folder: mean of the last layer, unit length.

    dimension: of the vectors.
    Raises: OSError, ValueError or KeyError from the constructor if the folder holds no such model.
    """

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        sentences = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
        if config["model_type"] != "bert" or config["hidden_act"] != "gelu":
            raise ValueError(f"{folder} holds no BERT model with gelu.")
        self.dimension: int = config["hidden_size"]
        self._n_layers: int = config["num_hidden_layers"]
        self._n_heads: int = config["num_attention_heads"]
        self._width = self.dimension // self._n_heads
        self._epsilon: float = config["layer_norm_eps"]
        self._weights = _load_weights(folder / "model.safetensors")
        self._threads = _find_thread_pools()
        self._tokenizer = _load_tokenizer(folder / "tokenizer.json", sentences["max_seq_length"])

    def encode(self, texts: Sequence[str]) -> Array:
        """The vectors of the texts, shape (n, dimension), float32, unit length."""
        import numpy as np

        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        tokens = self._tokenizer.encode_batch([clean_text(text) for text in texts])
        # On a busy machine two BLAS threads that wait for each other took 4 s where one takes 0.5.
        with self._threads.limit(limits=1):
            for rows in _group_by_length([len(encoded.ids) for encoded in tokens]):
                vectors[rows] = self._encode_tokens(np.array([tokens[row].ids for row in rows]))
        return vectors

    def _encode_tokens(self, ids: Array) -> Array:
        """The vectors of texts with as many tokens each: so nothing is padded and masked.

        ids: shape (texts, tokens).
        """
        import numpy as np

        x = (
            self._weights["embeddings.word_embeddings.weight"][ids]
            + self._weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + self._weights["embeddings.token_type_embeddings.weight"][0]
        ).reshape(-1, self.dimension)  # (texts * tokens, dimension) float32
        x = self._normalize(x, "embeddings.LayerNorm")
        for number in range(self._n_layers):
            x = self._run_layer(x, f"encoder.layer.{number}", n_texts=len(ids))
        means = x.reshape(*ids.shape, -1).mean(axis=1)
        vectors: Array = means / np.linalg.norm(means, axis=-1, keepdims=True)
        return vectors

    def _run_layer(self, x: Array, layer: str, *, n_texts: int) -> Array:
        attended = self._attend(x, f"{layer}.attention.self", n_texts=n_texts)
        attended = self._apply(attended, f"{layer}.attention.output.dense")
        x = self._normalize(x + attended, f"{layer}.attention.output.LayerNorm")
        inner = _gelu(self._apply(x, f"{layer}.intermediate.dense"))
        outer = self._apply(inner, f"{layer}.output.dense")
        return self._normalize(x + outer, f"{layer}.output.LayerNorm")

    def _attend(self, x: Array, layer: str, *, n_texts: int) -> Array:
        import numpy as np

        def split_heads(name: str) -> Array:
            y = self._apply(x, f"{layer}.{name}").reshape(n_texts, -1, self._n_heads, self._width)
            return y.transpose(0, 2, 1, 3)  # (texts, heads, tokens, width)

        query, key, value = map(split_heads, ("query", "key", "value"))
        scores = query @ key.swapaxes(-1, -2) / np.sqrt(np.float32(self._width))
        # The greatest is taken off so that no exponential overflows.
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        attended: Array = (weights @ value).transpose(0, 2, 1, 3)
        return attended.reshape(x.shape)

    def _apply(self, x: Array, name: str) -> Array:
        y: Array = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return y

    def _normalize(self, x: Array, name: str) -> Array:
        import numpy as np

        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        y: Array = centred / scale * self._weights[f"{name}.weight"]
        return y + self._weights[f"{name}.bias"]


def _gelu(x: Array) -> Array:
    """With erf to 1.5e-7, as well as float32 knows it (Abramowitz and Stegun 1964, 7.1.26).

    scipy has an erf too, but its import takes longer than loading the model.
    """
    import numpy as np

    z = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.zeros_like(t)
    for coefficient in _ERF_COEFFICIENTS:
        series = (series + np.float32(coefficient)) * t
    erf = np.copysign(1 - series * np.exp(-(z**2)), x)
    gelu: Array = 0.5 * x * (1 + erf)
    return gelu


def _group_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The positions of equal lengths, so many at a time that they have _BATCH_TOKENS together."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for length, group in groupby(order, key=lengths.__getitem__):
        rows, size = list(group), max(1, _BATCH_TOKENS // length)
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _find_thread_pools() -> Any:
    import numpy as np
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    del np  # its BLAS has to be there to be found
    return ThreadpoolController()


def _load_weights(path: Path) -> Mapping[str, Array]:
    from safetensors.numpy import load_file

    return load_file(path)


def _load_tokenizer(path: Path, n_tokens: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(n_tokens)
    return tokenizer
