"""The requirements of all installed experts are read from their cards alone."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.installed_requirements import installed_requirements

if TYPE_CHECKING:
    from tests.conftest import Site

XGBOOST = Path(__file__).parent.parent / "plugins" / "automl-agent-xgboost" / "src"
PACKAGE = "automl_agent_xgboost"


def test_the_cards_of_all_experts_count_and_no_plugin_is_imported(site: "Site") -> None:
    card = json.loads(next((XGBOOST / PACKAGE).rglob("model_card*.json")).read_text())
    card["requirements"] = [{"package": "lightgbm", "version": ">=4", "imports": ["lightgbm"]}]
    files = {"fresh/__init__.py": "raise SystemExit", "fresh/model_card.json": json.dumps(card)}
    site.add("automl-agent-fresh", {"fresh": "fresh"}, files)
    found = {need.package for need in installed_requirements()}
    assert {"lightgbm", "xgboost", "scikit-learn"} <= found
    assert "fresh" not in sys.modules


def test_a_plugin_whose_card_cannot_be_used_is_left_out(site: "Site") -> None:
    before = installed_requirements()
    card = json.loads(next((XGBOOST / PACKAGE).rglob("model_card*.json")).read_text())
    card["requirements"] = [{"package": "a\n--index-url=http://x", "version": "", "imports": ["a"]}]
    bad = {"bad/__init__.py": "", "bad/model_card.json": json.dumps(card)}
    site.add("automl-agent-bad", {"bad": "bad"}, bad)
    worse = {"worse/__init__.py": "", "worse/model_card.json": "{"}
    site.add("automl-agent-worse", {"worse": "worse"}, worse)
    assert installed_requirements() == before
