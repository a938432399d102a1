"""What a run has learnt helps the next one on a similar table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl_agent import Agent, Result
from automl_agent.knowledge import knowledge


def make_table(seed: int) -> pd.DataFrame:
    """Few rows and many columns that say nothing: the default is regularised far too little."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(250, 60)), columns=[f"x{n}" for n in range(60)])
    signal = frame["x0"] + frame["x1"] + random.normal(size=len(frame))
    return frame.assign(target=np.where(signal > 0, "above", "below"))


def run(home: Path, seed: int, n_trials: int) -> Result:
    agent = Agent(home=home, sandbox="process")
    table = make_table(seed)
    return agent.run(
        data=table, target="target", experts="linear", n_trials=n_trials, time_s=120, seed=0
    )


def first_score(result: Result) -> float:
    rows = result.leaderboard.set_index("name")
    return float(rows.loc["linear-1", "valid_score"])


def test_the_second_run_on_a_similar_table_starts_better_than_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the packaged knowledge, so that all there is to know was learnt here.
    monkeypatch.setenv("AUTOML_AGENT_KNOWLEDGE_TRANSFER", "true")
    monkeypatch.setattr(knowledge, "find_base", lambda _version: [])
    learnt, fresh = tmp_path / "learnt", tmp_path / "fresh"
    run(learnt, seed=1, n_trials=8)

    second, without = run(learnt, seed=2, n_trials=1), run(fresh, seed=2, n_trials=1)

    assert first_score(second) < 0.9 * first_score(without)
