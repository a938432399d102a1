"""The surrogate on others' measurements: 219 configurations on 418 data sets of OpenML, by Oboe.

    pip download --no-deps oboe==0.2.0 -d DIR
    OPENBLAS_NUM_THREADS=1 python benchmarks/knowledge/oboe_matrix.py --tables DIR --output FILE

The wheel holds cross-validated balanced errors of twelve scikit-learn algorithms with
hyperparameters, and of each data set no more than its rows and columns; none of it is ours. Each
data set is left out with all others that have the same number of rows and columns, so that twins
of one source leave together; those on which the best configuration is less than 0.001 better than
the median are not used. Regret: (error - best) / (median - best) on the data set, the least over
the configurations that were tried: there is one error of each, which both chooses and judges.

Ours is `surrogate.py` as in a run: scales fitted by `fit.py`, here on half of the families for the
other half; the 16 nearest data sets, 64 configurations of each, drawn anew for each data set;
proposals as `candidates.py` makes them or, after trials, the best expected of the rest. Chance is
not known here, so the remaining loss is the logarithm of the error. `landmarks` adds to rows and
columns what cards have by `landmarks.py`, the errors of four small models: here of four of the
configurations, at full size. In `4 + 1, landmarks as trials` they count as the four trials; in the
other rows they do not count. `shuffled`: the descriptors of the other data sets are exchanged.

Peers: the configuration with the least mean regret over the other data sets, greedy portfolios,
random ones (the exact expectation), scikit-learn's defaults, and Oboe's method (Yang, Akimoto, Kim
and Udell 2019, "OBOE: Collaborative Filtering for AutoML Model Selection", KDD): a truncated
singular value decomposition of the others' errors; the entries to observe by pivoted QR, then by
the greedy D-optimal design; the data set's factors by least squares; the best predicted of the
rest. Its ensembles are left out, and its limit of time: all configurations cost the same here.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from bootstrap import compare_pairs, print_table, summarise
from fit import Records, fit_scales
from scipy.linalg import qr
from scipy.special import comb

from automl_agent.cards.model_card import ModelCard, Parameter, Value
from automl_agent.knowledge.transfer.gaussian_process import Observations, Posterior
from automl_agent.knowledge.transfer.grid import Points
from automl_agent.knowledge.transfer.neighbourhood import MAX_RECORDS, MAX_TABLES
from automl_agent.knowledge.transfer.scales import Scales
from automl_agent.knowledge.transfer.settings_vector import dimension_names, settings_matrix
from automl_agent.knowledge.transfer.surrogate import Surrogate

Array = npt.NDArray[np.float64]
Places = list[int]
WHEEL = "oboe-0.2.0-py3-none-any.whl"
FOLDER = "oboe/defaults/Oboe"
# Below it the unit of regret is smaller than the noise of a cross-validation.
LEAST_SPAN = 0.001
LEAST_ERROR = 0.003  # as in surrogate.py
N_OBSERVED = 4
RANKS = (2, 3, 4)
N_FIT_TABLES = 60
N_DRAWS = 256  # as in candidates.py
BUDGETS = (1, 4, 5, 16, 64)
# A share of the rows as a count, on a data set of the middle size.
MIDDLE_ROWS = 600
# Those that the matrix has of scikit-learn's defaults of that time.
DEFAULTS: dict[str, dict[str, Any]] = {
    "AB": {"n_estimators": 50, "learning_rate": 1},
    "DT": {"min_samples_split": 2}, "ExtraTrees": {"min_samples_split": 2, "criterion": "gini"},
    "GBT": {"learning_rate": 0.1, "max_depth": 3, "max_features": None}, "GNB": {},
    "KNN": {"n_neighbors": 5, "p": 2}, "Logit": {"C": 1, "solver": "liblinear", "penalty": "l2"},
    "MLP": {"learning_rate_init": 0.001, "solver": "adam", "alpha": 0.0001}, "Perceptron": {},
    "RF": {"min_samples_split": 2, "criterion": "gini"},
    "kSVM": {"C": 1, "kernel": "rbf", "coef0": 0}, "lSVM": {"C": 1},
}  # fmt: skip
# The forest comes first: the others are told by what they are worse.
LANDMARKS = ("RF", "DT", "Logit", "KNN")
VARIANTS = ("surrogate", "landmarks")
# Trials of ours, and the peer with as many.
PAIRS = (
    ("1", "1, portfolio"),
    ("4", "4, portfolio"),
    ("4", "4, random"),
    ("4 + 1", "5, portfolio"),
    *(("4 + 1", f"4 + 1, Oboe, rank {rank}") for rank in RANKS),
)


@dataclass(frozen=True)
class Matrix:
    """errors, regrets: (n_tables, n_configurations). sizes: (n_tables, 2), rows and columns.

    families: (n_tables,), the same number for those that are left out together.
    """

    errors: Array
    regrets: Array
    sizes: Array
    families: npt.NDArray[np.int64]
    configurations: list[dict[str, Any]]

    @property
    def remaining(self) -> Array:
        """The logarithms of the errors."""
        logarithms: Array = np.log(self.errors.clip(min=LEAST_ERROR))
        return logarithms

    def find_default(self, algorithm: str) -> int:
        """The place of an algorithm's default configuration."""
        wanted = DEFAULTS[algorithm].items()
        return next(
            place
            for place, found in enumerate(self.configurations)
            if found["algorithm"] == algorithm and wanted <= found["hyperparameters"].items()
        )


def read_matrix(wheels: Path) -> Matrix:
    with zipfile.ZipFile(wheels / WHEEL) as wheel:
        errors, sizes = (
            pd.read_csv(io.BytesIO(wheel.read(f"{FOLDER}/{name}.csv")), index_col=0)
            for name in ("error_matrix", "dataset_sizes")
        )
    values = errors.to_numpy()
    best = values.min(axis=1, keepdims=True)
    span = np.median(values, axis=1, keepdims=True) - best
    kept = span[:, 0] >= LEAST_SPAN
    size = sizes.loc[errors.index].to_numpy(dtype=float)[kept]
    return Matrix(
        errors=values[kept],
        regrets=((values - best) / span.clip(min=LEAST_SPAN))[kept],
        sizes=size,
        families=np.unique(size, axis=0, return_inverse=True)[1],
        configurations=[ast.literal_eval(text) for text in errors.columns],
    )


def describe_space(configurations: Sequence[dict[str, Any]]) -> tuple[ModelCard, Array]:
    """A card with all algorithms' hyperparameters, and the configurations as settings vectors."""
    flat = [_flatten(configuration) for configuration in configurations]
    names = sorted({name for settings in flat for name in settings})
    space = [_describe(name, [s[name] for s in flat if name in s]) for name in names]
    kept = tuple(parameter for parameter in space if parameter is not None)
    card = ModelCard("oboe", "", "", {}, (), (), kept, (), {}, (), {}, {})
    return card, settings_matrix(card, flat)


def _flatten(configuration: dict[str, Any]) -> dict[str, Value]:
    algorithm = configuration["algorithm"]
    found: dict[str, Value] = {"algorithm": algorithm}
    for name, value in configuration["hyperparameters"].items():
        if name == "min_samples_split" and value < 1:
            value = max(2.0, value * MIDDLE_ROWS)
        found[f"{algorithm}.{name}"] = str(value) if value is None else value
    return found


def _describe(name: str, values: Sequence[Any]) -> Parameter | None:
    """The parameter that has these values; None if it never varies."""
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return None
    middle = distinct[len(distinct) // 2]
    if isinstance(middle, str):
        return Parameter(name, "choice", middle, choices=tuple(distinct))
    return Parameter(name, "float", middle, distinct[0], distinct[-1], log=distinct[0] > 0)


def describe_tables(matrix: Matrix) -> Array:
    """Rows and columns as `meta_features.py` scales them, (n_tables, 2)."""
    cards: Array = np.log10(matrix.sizes) / [1.0, 0.5]
    return cards


def add_landmarks(matrix: Matrix, cards: Array) -> Array:
    """The descriptors with the skills of small models, scaled as in `meta_features.py`."""
    skills = -matrix.remaining[:, [matrix.find_default(name) for name in LANDMARKS]]
    relative = (skills[:, 1:] - skills[:, :1]) / 0.7
    return np.column_stack([cards, skills.max(axis=1), relative])


@dataclass(frozen=True)
class Surrogates:
    """The surrogate with all that it needs to be conditioned for any data set.

    cards: (n_tables, n_features). vectors: (n_configurations, n_dimensions), with the `names` of
    their parameters. scales: for the families with an even and with an odd number.
    """

    matrix: Matrix
    cards: Array
    vectors: Array
    names: list[str]
    scales: tuple[Scales, Scales]

    def predict(self, table: int, cards: Array) -> Posterior:
        """The remaining loss of all configurations on a data set that is left out.

        cards: the descriptors that the other data sets are told by.
        """
        others = np.flatnonzero(self.matrix.families != self.matrix.families[table])
        distances = np.abs(cards[others] - self.cards[table]).mean(axis=1)
        near = others[distances.argsort(kind="stable")[:MAX_TABLES]]
        tables = np.repeat(near, MAX_RECORDS)
        places = np.concatenate([_draw_places(other, len(self.vectors)) for other in near])
        surrogate = Surrogate(
            self.find_scales(table),
            self.names,
            Points(cards[tables], self.vectors[places], tables),
            self.matrix.remaining[tables, places],
            np.ones(len(tables)),
            card=self.cards[table],
            table=table,
        )
        return surrogate.predict(self.vectors)

    def find_scales(self, table: int) -> Scales:
        """The scales that were fitted without the data set."""
        return self.scales[self.matrix.families[table] % 2]


def _draw_places(table: int, n_configurations: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(table).choice(n_configurations, MAX_RECORDS, replace=False)


def fit_surrogates(matrix: Matrix, cards: Array) -> Surrogates:
    card, vectors = describe_space(matrix.configurations)
    names = dimension_names(card)
    # Those for the even families come from the odd ones.
    halves = [np.flatnonzero(matrix.families % 2 != half) for half in (0, 1)]
    even, odd = (_fit_half(matrix, cards, vectors, names, half) for half in halves)
    return Surrogates(matrix, cards, vectors, names, (even, odd))


def _fit_half(
    matrix: Matrix, cards: Array, vectors: Array, names: list[str], half: npt.NDArray[np.int64]
) -> Scales:
    drawn = np.random.default_rng(0).choice(half, N_FIT_TABLES, replace=False)
    # Each was trained once, and none is a regression.
    known, once = matrix.remaining[drawn], np.ones(len(drawn))
    families = [str(matrix.families[table]) for table in drawn]
    return fit_scales(Records(names, cards[drawn], vectors, known, once, families, once == 0))


def choose_greedily(losses: Array, first: int, n: int) -> Places:
    """The places that together have the least mean loss, one after the other.

    losses: (n_cases, n_configurations).
    """
    chosen, best = [first], losses[:, first]
    while len(chosen) < n:
        improved = np.minimum(losses, best[:, None]).mean(axis=0)
        improved[chosen] = np.inf
        chosen.append(int(improved.argmin()))
        best = np.minimum(best, losses[:, chosen[-1]])
    return chosen


def propose(found: Posterior, n: int) -> Places:
    """The first trials, as `candidates.py` chooses them."""
    random = np.random.default_rng(0)
    draws = random.multivariate_normal(found.mean, found.covariance, N_DRAWS, method="eigh")
    return choose_greedily(draws, int(found.mean.argmin()), n)


def propose_next(found: Posterior, tried: Places, remaining: Array, noise: float) -> int:
    """The best expected configuration of the rest, after what was tried on the data set itself."""
    observations = Observations(
        remaining[tried] - found.mean[tried],
        found.covariance[np.ix_(tried, tried)],
        np.full(len(tried), noise),
    )
    seen = observations.condition(found.covariance[:, tried], found.covariance)
    return _find_best(found.mean + seen.mean, tried)


def _find_best(predicted: Array, tried: Places) -> int:
    rest = predicted.copy()
    rest[tried] = np.inf
    return int(rest.argmin())


def observe_by_design(factors: Array, n: int) -> Places:
    """The entries to observe. factors: (rank, n_configurations)."""
    chosen = [int(place) for place in qr(factors, pivoting=True, mode="r")[1][: len(factors)]]
    while len(chosen) < n:
        design = factors[:, chosen] @ factors[:, chosen].T
        gains = np.einsum("ij,ij->j", factors, np.linalg.solve(design, factors))
        gains[chosen] = -np.inf
        chosen.append(int(gains.argmax()))
    return chosen


def run_oboe(others: Array, own: Array, rank: int) -> Places:
    """The entries that Oboe observes, and the one that it then recommends."""
    factors = np.linalg.svd(others, full_matrices=False)[2][:rank]
    tried = observe_by_design(factors, N_OBSERVED)
    weights = np.linalg.lstsq(factors[:, tried].T, own[tried], rcond=None)[0]
    return [*tried, _find_best(weights @ factors, tried)]


def expect_random(regrets: Array, n: int) -> float:
    """The expected least regret of n different configurations drawn at random."""
    total = len(regrets)
    # For each, from best to worst: in how many draws of n all the rest is worse.
    n_draws = comb(total - 1 - np.arange(total), n - 1)
    return float(n_draws @ np.sort(regrets) / comb(total, n))


def judge_peers(matrix: Matrix, table: int) -> dict[str, float]:
    """The regrets of all that is not ours."""
    others = matrix.families != matrix.families[table]
    regrets, known = matrix.regrets[table], matrix.regrets[others]
    greedy = choose_greedily(known, int(known.mean(axis=0).argmin()), max(BUDGETS))
    found = {f"1, default of {name}": regrets[matrix.find_default(name)] for name in DEFAULTS}
    for n in BUDGETS:
        found[f"{n}, portfolio"] = regrets[greedy[:n]].min()
        found[f"{n}, random"] = expect_random(regrets, n)
    for rank in RANKS:
        places = run_oboe(matrix.errors[others], matrix.errors[table], rank)
        found[f"4, Oboe, rank {rank}"] = regrets[places[:N_OBSERVED]].min()
        found[f"4 + 1, Oboe, rank {rank}"] = regrets[places].min()
    return {name: float(regret) for name, regret in found.items()}


def judge_ours(surrogates: Surrogates, name: str, table: int) -> dict[str, float]:
    """The regrets of the surrogate with no and with four trials on the data set."""
    matrix = surrogates.matrix
    regrets, remaining = matrix.regrets[table], matrix.remaining[table]
    posterior = surrogates.predict(table, surrogates.cards)
    proposed = propose(posterior, N_OBSERVED)
    following = propose_next(posterior, proposed, remaining, surrogates.find_scales(table).noise)
    small = [matrix.find_default(algorithm) for algorithm in LANDMARKS]
    shuffled = surrogates.cards[np.random.default_rng(0).permutation(len(surrogates.cards))]
    places = {
        f"1, {name}": proposed[:1],
        f"1, {name}, shuffled": [int(surrogates.predict(table, shuffled).mean.argmin())],
        f"4, {name}": proposed,
        f"4 + 1, {name}": [*proposed, following],
        f"4 + 1, {name} as trials": [*small, _find_best(posterior.mean, small)],
    }
    return {label: float(regrets[tried].min()) for label, tried in places.items()}


def judge_table(matrix: Matrix, variants: Mapping[str, Surrogates], table: int) -> dict[str, float]:
    """All regrets on one data set."""
    found = judge_peers(matrix, table)
    for name, surrogates in variants.items():
        found |= judge_ours(surrogates, name, table)
    # Without their errors in the descriptors, the four configurations were tried for nothing.
    del found["4 + 1, surrogate as trials"]
    return found


def compare_all(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """What ours gains on peers that have as many trials; smaller is better."""
    pairs = [(f"{n}, {ours}", peer) for ours in VARIANTS for n, peer in PAIRS]
    pairs += [(f"1, {ours}", f"1, {ours}, shuffled") for ours in VARIANTS]
    pairs += [("4 + 1, landmarks as trials", f"4 + 1, Oboe, rank {rank}") for rank in RANKS]
    return {
        f"{ours} - {peer}": compare_pairs([r[ours] for r in rows], [r[peer] for r in rows])
        for ours, peer in pairs
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with the wheel")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--every", type=int, default=2, help="only every so many data sets")
    options = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    matrix = read_matrix(options.tables)
    cards = describe_tables(matrix)
    variants = {
        "surrogate": fit_surrogates(matrix, cards),
        "landmarks": fit_surrogates(matrix, add_landmarks(matrix, cards)),
    }
    tables = range(0, len(matrix.errors), options.every)
    rows = [judge_table(matrix, variants, table) for table in tables]
    means = {name: summarise([row[name] for row in rows]) for name in rows[0]}
    gains = compare_all(rows)
    if options.output:
        document = {"means": means, "gains": gains, "tables": rows}
        options.output.write_text(json.dumps(document, indent=1), encoding="utf-8")
    print_table(dict(sorted(means.items(), key=lambda item: item[1]["mean"])), "regret")
    print_table(gains, "difference")
    print(f"\n{len(rows)} of {len(matrix.errors)} data sets, {time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
