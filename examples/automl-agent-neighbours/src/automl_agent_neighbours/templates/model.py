"""The training rows are the model: a new row is predicted from those that are most like it."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

# Of the share that each class has in the neighbourhood; no class is ever impossible.
SMOOTHING = 0.01


def predict_rows(train: np.ndarray, labels: np.ndarray, rows: np.ndarray, job: dict) -> np.ndarray:
    """Probabilities, (n, n_classes), or values, (n,)."""
    kind = KNeighborsRegressor if job["n_classes"] is None else KNeighborsClassifier
    model = kind(
        n_neighbors=min(job["settings"]["n_neighbours"], len(train)),
        weights=job["settings"]["weights"],
        n_jobs=job["resources"]["cpus"],
    )
    model.fit(train, labels)
    if job["n_classes"] is None:
        return model.predict(rows)
    shares = np.zeros((len(rows), job["n_classes"]))
    shares[:, model.classes_] = model.predict_proba(rows)
    return (shares + SMOOTHING) / (1 + SMOOTHING * job["n_classes"])
