"""Which known cards are like another: by text, label space and numbers, whatever a card says."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_agent.cards.data_card import Classes, Column, Continuous, DataCard
from automl_agent.cards.metric import Task
from automl_agent.cards.profile import profile_table
from automl_agent.knowledge.encoding.card_text import describe_card, describe_count, shorten_text
from automl_agent.knowledge.encoding.packaged_encoder import PackagedEncoder
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.records.record import KnownCard
from automl_agent.knowledge.similarity.label_space import (
    compare_labels,
    name_labels,
    normalize_name,
)
from automl_agent.knowledge.similarity.meta_features import SCALES, compare_features, measure_card
from automl_agent.knowledge.similarity.similar_cards import (
    OTHER_KIND,
    SimilarCard,
    Weights,
    compare_tasks,
    describe_shares,
    find_similar,
)
from automl_agent.testing.tables import TARGET, load_example

NO_TEXTS = TextSpace(None)
TEXTS = TextSpace(PackagedEncoder())


def make_card(
    name: str = "rows", classes: tuple[str, ...] = ("no", "yes"), **fields: Any
) -> DataCard:
    task: Task = "binary_classification" if len(classes) == 2 else "multiclass_classification"
    space = Classes(classes) if classes else Continuous()
    card = DataCard(
        name=name,
        description="",
        input_type="tabular",
        task=task if classes else "regression",
        label_space=space,
        metric="log_loss" if classes else "rmse",
        provenance={},
    )
    return replace(card, **fields)


def make_known(*cards: DataCard) -> list[KnownCard]:
    return [KnownCard(card, f"from {card.name}") for card in cards]


def rank_names(card: DataCard, known: list[KnownCard], texts: TextSpace = TEXTS) -> list[str]:
    found = find_similar(card, known, texts=texts, k=len(known))
    return [similar.known.card.name for similar in found]


KNOWN = make_known(
    make_card("iris", ("setosa", "versicolor", "virginica"), description="flowers measured"),
    make_card("telecom", ("stays", "churns"), description="customers of a phone company"),
    make_card("wine", ("red", "white"), description="chemical analysis of wines"),
    make_card("houses", (), target="price", description="prices of houses in a city"),
    make_card("rents", (), target="rent", description="monthly rents of flats in a city"),
)


def test_the_text_holds_what_tells_cards_apart() -> None:
    card = make_card(
        "adult",
        ("<=50K", ">50K"),
        description="Incomes from a census.",
        target="income",
        n_rows=32_561,
        n_features=14,
        columns=(Column("age", "numeric"), Column("marital-status", "categorical")),
    )
    assert describe_card(card) == (
        "adult. Incomes from a census. binary classification of income. classes: <=50K, >50K. "
        "tabular data, thousands of rows, dozens of features. metric log loss. "
        "columns: age, marital-status."
    )


def test_a_headline_is_enough_for_a_text() -> None:
    assert describe_card(make_card("churn")) == (
        "churn. binary classification. classes: no, yes. tabular data. metric log loss."
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "a few rows"),
        (9, "a few rows"),
        (10, "dozens of rows"),
        (999, "hundreds of rows"),
        (1_000, "thousands of rows"),
        (10**7, "millions of rows"),
        (None, ""),
        (-1, ""),
        (math.nan, ""),
        (10**400, ""),
    ],
)
def test_a_scale_is_said_in_words(count: int | float | None, text: str) -> None:
    assert describe_count(count, "rows") == text


hostile_texts = st.one_of(
    st.text(max_size=200),
    st.sampled_from(
        ["\x1b[31mred\x07", "\u202egnp.exe", "\ud800", "A" * 100_000, "\n" * 500, "DROP TABLE;"]
    ),
)


@settings(max_examples=60, deadline=None)
@given(hostile_texts, hostile_texts, st.lists(hostile_texts, min_size=2, max_size=60, unique=True))
def test_any_text_is_cut_to_a_sane_length_on_one_line(
    name: str, description: str, words: list[str]
) -> None:
    columns = tuple(Column(word, "numeric") for word in words)
    card = make_card(name, tuple(words), description=description, columns=columns, target=name)
    text = describe_card(card)
    assert len(text) < 2000
    assert text.isprintable()


def test_shortening_keeps_whole_words_apart() -> None:
    assert shorten_text(" a\tb\n\nc\x00d ", 100) == "a b c d"
    assert shorten_text("abcdef", 3) == "abc"


@pytest.mark.parametrize(
    ("classes", "target", "names"),
    [
        pytest.param(("Red-wine", "white WINE"), None, ("red wine", "white wine"), id="names"),
        pytest.param(("0", "1"), "churn", ("churn",), id="numbers"),
        pytest.param(("0.0", "1.0"), "churn", ("churn",), id="floats"),
        pytest.param(("-1", "1"), "churn", ("churn",), id="signs"),
        pytest.param(("Positive", "NEGATIVE"), None, (), id="positive and negative"),
        pytest.param(("yes", "no"), "class", (), id="nothing at all"),
        pytest.param(("class 1", "class 2", "class_3"), None, (), id="numbered"),
        pytest.param(("a", "b", "c"), "letter", ("letter",), id="letters"),
        pytest.param(("猫", "犬"), None, ("猫", "犬"), id="Chinese"),
        pytest.param(("sick", "0"), "diagnosis", ("diagnosis",), id="one name is no space"),
        pytest.param((), "median_house_value", ("median house value",), id="regression"),
        pytest.param((), None, (), id="regression without a target"),
    ],
)  # fmt: skip
def test_names_that_say_nothing_are_left_out(
    classes: tuple[str, ...], target: str | None, names: tuple[str, ...]
) -> None:
    assert name_labels(make_card("x", classes, target=target)) == names


def test_names_are_compared_without_case_width_and_marks() -> None:
    assert (
        normalize_name(" \uff29ris_SETOSA-2 ") == normalize_name("iris setosa 2") == "iris setosa 2"
    )


def test_equal_label_spaces_are_alike_in_any_order_and_without_an_encoder() -> None:
    assert compare_labels(("cat", "dog"), ("dog", "cat")) == 1
    assert compare_labels(("cat", "dog"), ("red", "blue")) == 0


def test_a_part_of_a_label_space_is_partly_alike_in_both_directions() -> None:
    few, many = ("cat", "dog"), ("cat", "dog", "horse", "cow")
    # All of the few are matched, and half of the many.
    assert compare_labels(few, many) == compare_labels(many, few) == 0.75


@pytest.mark.parametrize(
    "classes", [("0", "1"), ("no", "yes"), ("negative", "positive"), ("False", "True")], ids=str
)
def test_classes_that_say_nothing_make_nothing_similar(classes: tuple[str, ...]) -> None:
    card = make_card("x", classes)
    (found,) = find_similar(card, make_known(make_card("y", classes)), texts=TEXTS, k=1)
    assert found.label_space is None
    assert compare_labels(name_labels(card), ("benign", "malignant")) is None


def test_names_with_a_like_meaning_are_somewhat_alike() -> None:
    card = make_card("x", ("kitten", "puppy"))
    known = make_known(make_card("pets", ("cat", "dog")), make_card("shares", ("rises", "falls")))
    parts = {s.known.card.name: s.label_space for s in find_similar(card, known, texts=TEXTS, k=2)}
    assert parts["pets"] is not None and parts["shares"] is not None
    assert 1 > parts["pets"] > 0.3 > parts["shares"]


def test_a_measured_card_tells_all_numbers() -> None:
    card = make_card(
        n_rows=1000,
        n_features=10,
        statistics={
            **{"n_numeric": 6, "n_categorical": 4, "missing_share": 0.1, "max_cardinality": 9},
            **dict.fromkeys(("landmark_tree", "landmark_linear", "landmark_neighbours"), 0.5),
            **{"landmark_forest": 0.6, "landmark_forest_half": 0.55},
        },
        label_space=Classes(("no", "yes"), (0.9, 0.1)),
    )
    features = measure_card(card)
    assert features.keys() == SCALES.keys()
    assert (features["log10_rows"], features["categorical_share"]) == (3, 0.4)
    assert features["class_entropy"] == pytest.approx(0.469, abs=1e-3)
    assert compare_features(features, features) == 1


def test_what_is_not_told_is_left_out() -> None:
    assert measure_card(make_card("x", ())) == {"is_regression": 1.0}
    told = measure_card(make_card(n_rows=1000))
    assert told.keys() == {"log10_rows", "log2_classes", "is_regression"}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"n_rows": -5}, id="negative"),
        pytest.param({"n_rows": math.nan}, id="not a number"),
        pytest.param({"n_features": math.inf}, id="infinite"),
        pytest.param({"n_rows": True}, id="no number"),
        pytest.param({"statistics": {"missing_share": 7.0}}, id="a share of 7"),
        pytest.param({"statistics": {"max_cardinality": -1.0, "n_numeric": -3.0}}, id="counts"),
        pytest.param({"label_space": Classes(("a", "b"), (5.0, -4.0))}, id="shares"),
        pytest.param({"label_space": Classes(("a", "b"), (math.nan, 1.0))}, id="share of nothing"),
    ],
)
def test_a_number_that_cannot_be_counts_as_not_told(fields: dict[str, Any]) -> None:
    assert measure_card(make_card(**fields)) == measure_card(make_card())


def test_a_huge_number_is_cut_off() -> None:
    assert measure_card(make_card(n_rows=10**400))["log10_rows"] == 15


numbers = st.one_of(st.none(), st.integers(), st.floats(), st.just(10**400))


@given(numbers, numbers, st.dictionaries(st.sampled_from(sorted(
    ("n_numeric", "n_categorical", "missing_share", "max_cardinality")
)), st.floats()), st.lists(st.floats(), min_size=2, max_size=2))  # fmt: skip
def test_whatever_numbers_a_card_has_a_similarity_is_between_0_and_1(
    n_rows: Any, n_features: Any, statistics: dict[str, float], shares: list[float]
) -> None:
    card = make_card(
        n_rows=n_rows,
        n_features=n_features,
        statistics=statistics,
        label_space=Classes(("a", "b"), tuple(shares)),
    )
    features = measure_card(card)
    assert all(math.isfinite(value) for value in features.values())
    assert 0 <= compare_features(features, measure_card(make_card(n_rows=100))) <= 1
    assert describe_card(card)


def test_tables_of_like_size_are_more_alike() -> None:
    def compare(n_rows: int) -> float:
        return compare_features(
            measure_card(make_card(n_rows=1000, n_features=10)),
            measure_card(make_card(n_rows=n_rows, n_features=10)),
        )

    assert compare(1000) > compare(3000) > compare(100_000) > compare(10**9) > 0


def test_the_same_card_is_entirely_alike() -> None:
    card = make_card("iris", ("setosa", "virginica"), n_rows=150, n_features=4)
    (found,) = find_similar(card, make_known(card), texts=TEXTS, k=1)
    assert found.similarity == pytest.approx(1, abs=1e-5)
    assert found.label_space == 1
    assert found.text == pytest.approx(1, abs=1e-5)
    assert found.meta == 1


def test_the_card_that_is_about_the_same_comes_first() -> None:
    churn = make_card(
        "subscribers", ("remains", "leaves"), description="who leaves a phone company"
    )
    flats = make_card("flats", (), target="rent per month", description="what flats in town cost")
    assert rank_names(churn, KNOWN)[0] == "telecom"
    assert rank_names(flats, KNOWN)[:2] == ["rents", "houses"]


def test_a_card_in_another_language_finds_what_it_is_about() -> None:
    card = make_card("Schwertlilien", ("setosa", "versicolor", "virginica"), description="Blüten")
    assert rank_names(card, KNOWN)[0] == "iris"


def test_another_kind_of_task_lowers_the_similarity_strongly() -> None:
    card = make_card("houses", ("houses", "flats"), description="prices of houses in a city")
    found = find_similar(card, KNOWN, texts=TEXTS, k=5)
    regression = next(similar for similar in found if similar.known.card.name == "houses")
    assert regression.text is not None and regression.text > 0.6
    assert regression.similarity <= OTHER_KIND
    assert found[0].known.card.task == "binary_classification"


def test_two_classes_are_nearer_to_several_than_to_a_number() -> None:
    binary: Task = "binary_classification"
    assert compare_tasks(binary, binary) == 1
    assert (
        1 > compare_tasks(binary, "multiclass_classification") > compare_tasks(binary, "regression")
    )


def test_without_an_encoder_labels_and_numbers_decide() -> None:
    card = make_card("flowers", ("setosa", "versicolor", "virginica"))
    found = find_similar(card, KNOWN, texts=NO_TEXTS, k=2)
    assert found[0].known.card.name == "iris"
    assert (found[0].text, found[0].label_space) == (None, 1)


def test_a_label_space_that_says_nothing_is_no_advantage() -> None:
    card = make_card("x", ("stays", "churns"))
    known = make_known(make_card("x", ("0", "1")), make_card("x", ("remains", "churns")))
    found = find_similar(card, known, texts=TEXTS, k=2)
    assert [similar.label_space is None for similar in found] == [False, True]


def test_the_weights_decide_what_counts() -> None:
    card = make_card("wine", ("setosa", "virginica"), n_rows=100, n_features=10)
    known = make_known(
        make_card("a", ("setosa", "virginica"), n_rows=10**6, n_features=1000),
        make_card("b", ("red", "white"), n_rows=100, n_features=10),
    )
    by_labels = find_similar(card, known, texts=NO_TEXTS, k=1, weights=Weights(1, 0, 0))
    by_numbers = find_similar(card, known, texts=NO_TEXTS, k=1, weights=Weights(0, 0, 1))
    assert by_labels[0].known.card.name == "a"
    assert by_numbers[0].known.card.name == "b"
    assert (
        find_similar(card, known, texts=NO_TEXTS, k=1, weights=Weights(0, 0, 0))[0].similarity == 0
    )


def test_so_many_are_found_as_are_asked_for_and_known() -> None:
    assert len(find_similar(make_card(), KNOWN, texts=NO_TEXTS, k=2)) == 2
    assert len(find_similar(make_card(), KNOWN, texts=NO_TEXTS, k=99)) == 5
    assert find_similar(make_card(), KNOWN, texts=NO_TEXTS, k=0) == []
    assert find_similar(make_card(), [], texts=NO_TEXTS, k=5) == []


def make_similar(name: str, label_space: float | None, similarity: float = 0.5) -> SimilarCard:
    (known,) = make_known(make_card(name))
    return SimilarCard(known, similarity, label_space, None, 0.5)


@pytest.mark.parametrize(
    ("similar", "text"),
    [
        pytest.param(
            [make_similar("A", 0.9), make_similar("B", 0.6)],
            "60 % label-space similarity with A, 40 % with B",
            id="as in the paper",
        ),
        pytest.param(
            [make_similar(name, None, 0.3) for name in "ABC"],
            "34 % similarity with A, 33 % with B, 33 % with C",
            id="no label space says anything",
        ),
        pytest.param(
            [make_similar("A", 0.5), make_similar("B", None)],
            "100 % label-space similarity with A",
            id="one does",
        ),
        pytest.param([], "", id="nothing is known"),
        pytest.param([make_similar("A", 0.0, 0.0)], "", id="nothing is alike"),
    ],
)  # fmt: skip
def test_the_shares_are_said_as_the_paper_says_them(similar: list[SimilarCard], text: str) -> None:
    assert describe_shares(similar) == text


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_shares_sum_up_to_100_percent(parts: list[float]) -> None:
    text = describe_shares([make_similar("A", part, 0.0) for part in parts])
    shares = [int(word) for word in text.split() if word.isdigit()]
    assert sum(shares) == (100 if any(parts) else 0)


def test_profiled_cards_of_a_kind_are_near_each_other() -> None:
    frame = load_example("binary_classification")
    card = profile_table(frame, target=TARGET, name="rows")
    half = profile_table(frame.sample(frac=0.5, random_state=0), target=TARGET, name="half")
    (found,) = find_similar(card, make_known(half), texts=NO_TEXTS, k=1)
    assert found.meta > 0.7
