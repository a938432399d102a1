"""Texts to vectors: the packaged model in numpy, sentence-transformers, and what fails."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_agent.agent import load_all_plugins
from automl_agent.errors import SetupError
from automl_agent.knowledge.encoding.bert_encoder import BertEncoder
from automl_agent.knowledge.encoding.encoder import Encoder
from automl_agent.knowledge.encoding.packaged_encoder import (
    PackagedEncoder,
    find_model_folder,
    load_model,
)
from automl_agent.knowledge.encoding.sentence_encoder import SentenceEncoder, choose_encoder
from automl_agent.knowledge.encoding.text_space import TextSpace

TEXTS = {
    "word": "iris",
    "sentence": "Which customers leave a telephone company next month?",
    "empty": "",
    "spaces": " \n\t ",
    "long": "A table of incomes, ages and occupations. " * 200,
    "one long word": "x" * 5000,
    "German": "Größe und Gewicht von Pinguinen auf drei Inseln",
    "Chinese": "鸢尾花的三个品种",
    "Arabic": "أسعار المنازل في المدينة",
    "emoji": "🐧 penguins 🐧",
    "control": "a\x00b\x07c\u202e",
    "markup": "[CLS] [SEP] [PAD] <script>alert(1)</script>",
}


@pytest.fixture(scope="module")
def encoder() -> PackagedEncoder:
    return PackagedEncoder()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what torch and transformers say of themselves
def test_numpy_gives_the_vectors_of_sentence_transformers(encoder: PackagedEncoder) -> None:
    theirs = SentenceEncoder(str(find_model_folder()))
    vectors, expected = encoder.encode(list(TEXTS.values())), theirs.encode(list(TEXTS.values()))
    cosines = (vectors * expected).sum(axis=1)
    assert dict(zip(TEXTS, cosines > 0.99999, strict=True)) == dict.fromkeys(TEXTS, True)
    assert (theirs.dimension, expected.dtype) == (encoder.dimension, np.float32)
    place, _, fingerprint = theirs.name.partition("@")
    assert (place, len(fingerprint)) == (str(find_model_folder()), 16)


def test_a_sentence_has_the_vector_that_sentence_transformers_gave(
    encoder: PackagedEncoder,
) -> None:
    # As measured by the slow test above; the import is too long for every run.
    (vector,) = encoder.encode([TEXTS["sentence"]])
    expected = [-0.0106, -0.0632, 0.045, -0.0309, -0.0176, -0.0021]
    np.testing.assert_allclose(vector[:6], expected, atol=1e-4)


def test_near_in_meaning_is_near_in_the_vectors(encoder: PackagedEncoder) -> None:
    income, salary, flowers = encoder.encode(["income", "salary", "species of iris flowers"])
    assert income @ salary > 0.6 > 0.3 > income @ flowers


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_has_the_same_vector_alone_and_among_others(
    encoder: PackagedEncoder, text: str
) -> None:
    alone = encoder.encode([text])[0]
    among = encoder.encode(["one", text, "two words", text])
    # Sums of float32 in another order differ in the last digits.
    np.testing.assert_allclose(among[[1, 3]], [alone, alone], atol=1e-5)


def test_no_texts_have_no_vectors(encoder: PackagedEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_any_text_has_a_vector_of_unit_length(texts: list[str]) -> None:
    vectors = PackagedEncoder().encode(texts)
    assert (vectors.shape, vectors.dtype) == ((len(texts), 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_half_a_character_is_no_obstacle(encoder: PackagedEncoder) -> None:
    assert np.isfinite(encoder.encode(["\ud83d and more"])).all()


def test_several_threads_may_encode_at_once(encoder: PackagedEncoder) -> None:
    expected = encoder.encode(["a card"])
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: found.append(encoder.encode(["a card"]))) for _ in range(4)
    ]
    for thread in [encoder.warm(), *threads]:
        if not thread.is_alive() and thread in threads:
            thread.start()
        thread.join()
    assert len(found) == 4
    np.testing.assert_allclose(found, [expected] * 4, atol=1e-5)


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(find_model_folder(), tmp_path / "model")
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(SetupError, match="not the published ones; install it again: pip"):
        load_model(folder)


def test_a_model_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(find_model_folder(), tmp_path / "model")
    (folder / "config.json").unlink()
    with pytest.raises(SetupError, match="cannot be read; install it again"):
        load_model(folder)


def test_a_model_of_another_family_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(find_model_folder(), tmp_path / "model")
    config = (folder / "config.json").read_text().replace('"bert"', '"gpt2"')
    (folder / "config.json").write_text(config)
    with pytest.raises(ValueError, match="no BERT model"):
        BertEncoder(folder)


def test_registering_the_encoder_imports_nothing_heavy() -> None:
    heavy = ["numpy", "faiss", "torch", "sentence_transformers", "tokenizers"]
    modules = ", ".join(
        f"automl_agent.knowledge.{name}"
        for name in (
            "encoding.packaged_encoder",
            "encoding.sentence_encoder",
            "encoding.embedding_cache",
            "similarity.similar_cards",
            "similarity.card_index",
        )
    )
    script = f"import sys, {modules}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_encoding_a_card_imports_neither_torch_nor_sentence_transformers() -> None:
    script = (
        "import sys; from automl_agent.knowledge.encoding.packaged_encoder import PackagedEncoder; "
        "PackagedEncoder().encode(['a']); "
        "print([m for m in ('torch', 'sentence_transformers', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_packaged_encoder_is_registered_by_its_name() -> None:
    encoders = load_all_plugins().encoders
    assert list(encoders) == ["all-MiniLM-L6-v2"]
    assert choose_encoder("all-MiniLM-L6-v2", encoders) is encoders["all-MiniLM-L6-v2"]
    assert encoders.distribution("all-MiniLM-L6-v2") == "automl-agent"


def test_none_is_no_encoder_and_another_name_a_model() -> None:
    assert choose_encoder("none", {}) is None
    assert isinstance(choose_encoder("/models/mine", {}), SentenceEncoder)


class Broken:
    """An encoder whose model is not there."""

    name = "broken"
    dimension = 3

    def __init__(self) -> None:
        self.n_calls = 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.n_calls += 1
        raise SetupError(f"No model for {len(texts)} texts; install it.")


def test_without_its_model_texts_are_not_compared_and_one_sentence_says_so() -> None:
    warnings: list[str] = []
    broken: Encoder = Broken()
    texts = TextSpace(broken, warn=warnings.append)
    assert texts.embed(["a"]) is None
    assert texts.embed(["b"]) is None
    assert texts.encoder_name is None
    assert warnings == [
        "No model for 1 texts; install it. Until then the texts of data cards are not compared."
    ]
    assert isinstance(broken, Broken) and broken.n_calls == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_folder_without_a_model_is_named_with_the_remedy(tmp_path: Path) -> None:
    encoder = SentenceEncoder(str(tmp_path))
    encoder.warm().join()
    with pytest.raises(SetupError, match=r"cannot be loaded .*automl-agent config set knowledge"):
        encoder.encode(["a"])
