"""What a training takes: from others', and from what this machine and the data set add."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl_agent.agent import load_all_plugins
from automl_agent.cards.data_card import Classes
from automl_agent.experts.search_space import complete_settings
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.knowledge import Knowledge, open_knowledge
from automl_agent.knowledge.records.record import OWN_ORIGIN, KnownCard, Record
from automl_agent.knowledge.transfer.neighbourhood import Neighbourhood, find_neighbourhood

from ..making import make_known, make_record

PLUGINS = load_all_plugins()
MODEL = PLUGINS.experts["xgboost"].card
LOG_LOSS = PLUGINS.metrics["log_loss"]
DEFAULT = complete_settings(MODEL, {})
CLASSES = Classes(("healthy", "ill"), (0.6, 0.4))
MEASURED: dict[str, Any] = {"n_rows": 2000, "n_features": 8, "label_space": CLASSES}


def make_measured(name: str) -> KnownCard:
    known = make_known(name)
    provenance: Any = {**known.card.provenance, **dict.fromkeys(MEASURED, "measured")}
    return replace(known, card=replace(known.card, **MEASURED, provenance=provenance))


CARD = make_measured("heart").card


def find(knowledge: Knowledge) -> Neighbourhood:
    texts = TextSpace(None)
    found = find_neighbourhood(CARD, MODEL, LOG_LOSS, chance=0.69, knowledge=knowledge, texts=texts)
    assert found is not None
    return found


def make_own(card_id: str, seconds: float, n_steps: int = 50) -> Record:
    known = make_known()
    record = make_record(known, settings=DEFAULT, seconds=seconds, n_steps=n_steps)
    return replace(record, card_id=card_id)


def test_the_first_trial_moves_what_is_expected_two_thirds_of_the_way(tmp_path: Path) -> None:
    found = find(open_knowledge(tmp_path))
    before = found.predict_effort(DEFAULT)
    own = make_own("own", 9 * before.seconds, n_steps=before.n_steps)
    after = found.with_own([own]).predict_effort(DEFAULT)
    assert after.seconds == pytest.approx(9 ** (2 / 3) * before.seconds, rel=0.1)
    assert after.n_steps == pytest.approx(before.n_steps, rel=0.1)
    many = found.with_own([own] * 9).predict_effort(DEFAULT)
    assert after.seconds < many.seconds < 9 * before.seconds


def test_a_machine_that_was_slow_on_other_tables_is_expected_to_be_slow(tmp_path: Path) -> None:
    knowledge = open_knowledge(tmp_path)
    before = find(knowledge).predict_effort(DEFAULT)
    table = make_measured("another")
    slow = make_own(table.card_id, 9 * before.seconds)
    elsewhere = replace(table, origin="a package")
    for known in (elsewhere, replace(table, origin=OWN_ORIGIN)):
        store = open_knowledge(tmp_path / known.origin)
        store.add(known, slow)
        after = find(store).predict_effort(DEFAULT)
        assert (after.seconds > 2 * before.seconds) == known.is_own
