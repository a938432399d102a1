"""The main job on UCI Adult, official split: held-out scores and seconds of `make demo`'s run.

    python benchmarks/adult.py [--output FILE]

Prints JSON. Peers in the same process and on the same split: scikit-learn's
HistGradientBoostingClassifier and XGBoost, both with their defaults. No default of an expert was
chosen on Adult.
"""

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss
from xgboost import XGBClassifier

from automl_agent import Agent

ADULT = Path(__file__).parent.parent / "examples" / "adult"
TRAIN, TEST = ADULT / "adult_train.csv.gz", ADULT / "adult_test.csv.gz"
SEEDS = (0, 1, 2)
TIME_S = 55.0
TARGETS = {"log_loss": 0.275, "accuracy": 0.874, "seconds": 60.0}


def measure_agent(seed: int) -> dict[str, Any]:
    """One run as `make demo` does it."""
    with tempfile.TemporaryDirectory() as home:
        started = time.monotonic()
        result = Agent(home=Path(home)).run(TRAIN, "income", holdout=TEST, time_s=TIME_S, seed=seed)
        seconds = time.monotonic() - started
        document = result.to_json()
    return {
        "seed": seed,
        "log_loss": document["scores"]["log_loss"],
        "accuracy": document["scores"]["accuracy"],
        "roc_auc": document["scores"]["roc_auc"],
        "seconds": round(seconds, 1),
        "n_trials": document["n_trials"],
        "model": document["model"],
    }


def measure_peers() -> dict[str, dict[str, float]]:
    """What a data scientist would try first."""
    train, test = (pd.read_csv(path, na_values="?") for path in (TRAIN, TEST))
    texts = train.columns[train.dtypes == "str"].drop("income")
    for name in texts:
        kind = pd.CategoricalDtype(list(train[name].dropna().unique()))
        train[name], test[name] = train[name].astype(kind), test[name].astype(kind)
    labels = [(frame.pop("income") == ">50K").astype(int) for frame in (train, test)]
    models = {
        "HistGradientBoostingClassifier, defaults": HistGradientBoostingClassifier(random_state=0),
        "XGBClassifier, defaults": XGBClassifier(enable_categorical=True, random_state=0),
    }
    scores = {}
    for name, model in models.items():
        probabilities = model.fit(train, labels[0]).predict_proba(test)
        scores[name] = {
            "log_loss": float(log_loss(labels[1], probabilities)),
            "accuracy": float(accuracy_score(labels[1], probabilities.argmax(axis=1))),
        }
    return scores


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    runs = [measure_agent(seed) for seed in SEEDS]
    document = {
        "machine": platform.processor() or platform.machine(),
        "targets": TARGETS,
        "runs": runs,
        "worst": {
            "log_loss": max(run["log_loss"] for run in runs),
            "accuracy": min(run["accuracy"] for run in runs),
            "seconds": max(run["seconds"] for run in runs),
        },
        "peers": measure_peers(),
    }
    text = json.dumps(document, indent=1)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
