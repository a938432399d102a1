"""Which columns of a wide table are told with a request."""

from automl_agent.controllers.conversation.dialogue import MAX_NAMED_COLUMNS, choose_columns


def test_a_table_of_usual_width_is_told_whole() -> None:
    names = [f"x{i}" for i in range(MAX_NAMED_COLUMNS)]
    assert choose_columns(names, "predict y") == names


def test_of_a_wide_table_what_the_words_name_and_the_last_column_are_told() -> None:
    names = [f"x{i}" for i in range(1000)]
    names[700], names[999] = "Sale_Price", "label"
    chosen = choose_columns(names, "How high is the sale price?")
    assert len(chosen) == MAX_NAMED_COLUMNS
    assert chosen[-2:] == ["Sale_Price", "label"]
    assert chosen[0] == "x0"
