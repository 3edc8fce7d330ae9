"""What is minimized: BBOB functions, and two scikit-learn models on data that comes with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

# Two or three functions of each of BBOB's five groups: separable, well and badly conditioned,
# multimodal with and without a global structure.
FUNCTIONS = (1, 3, 6, 8, 10, 13, 15, 17, 18, 20, 21, 23)
DIMENSIONS = (2, 5, 10)
SKLEARN = ("sklearn-svr", "sklearn-trees")

Loss = Callable[[Any], float]


def bbob_names(functions: tuple[int, ...], dimensions: tuple[int, ...]) -> list[str]:
    return [f"bbob-f{number}-d{d}" for number in functions for d in dimensions]


def loss_of(task: str, seed: int) -> Loss:
    """Return the function from trial to loss; of BBOB, less the optimum of the seed's instance."""
    if task.startswith("bbob"):
        _, function, dimension = task.split("-")
        return _bbob(int(function[1:]), int(dimension[1:]), seed)
    return {"sklearn-svr": _svr, "sklearn-trees": _trees}[task]


def _bbob(number: int, dimension: int, seed: int) -> Loss:
    import ioh

    problem = ioh.get_problem(
        number, instance=seed + 1, dimension=dimension, problem_class=ioh.ProblemClass.BBOB
    )
    optimum = problem.optimum.y

    def loss(trial: Any) -> float:
        point = [trial.suggest_float(f"x{i}", -5.0, 5.0) for i in range(dimension)]
        return float(problem(point) - optimum)

    return loss


@cache
def _data(name: str) -> tuple[Any, Any, Any, Any]:
    from sklearn import datasets
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, random_state=0)
    scaler = StandardScaler().fit(x_train)
    return scaler.transform(x_train), scaler.transform(x_test), y_train, y_test


def _svr(trial: Any) -> float:
    """Return the root mean squared error of a support vector regression on the diabetes data."""
    from sklearn.svm import SVR

    x_train, x_test, y_train, y_test = _data("diabetes")
    kernel = trial.suggest_categorical("kernel", ("rbf", "sigmoid", "linear"))
    model = SVR(
        kernel=kernel,
        C=trial.suggest_float("C", 1e-2, 1e4, log=True),
        epsilon=trial.suggest_float("epsilon", 1e-2, 1e2, log=True),
        gamma=trial.suggest_float("gamma", 1e-5, 1e1, log=True),
        shrinking=trial.suggest_categorical("shrinking", (True, False)),
        max_iter=20_000,
    )
    predicted = model.fit(x_train, y_train).predict(x_test)
    return float(np.sqrt(np.mean((predicted - y_test) ** 2)))


def _trees(trial: Any) -> float:
    """Return the log loss of extremely randomized trees on the breast cancer data."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import log_loss

    x_train, x_test, y_train, y_test = _data("breast_cancer")
    model = ExtraTreesClassifier(
        n_estimators=trial.suggest_int("n_estimators", 4, 32, log=True),
        max_depth=trial.suggest_int("max_depth", 1, 16),
        min_samples_split=trial.suggest_int("min_samples_split", 2, 64, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 1, 32, log=True),
        max_features=trial.suggest_float("max_features", 0.05, 1.0),
        criterion=trial.suggest_categorical("criterion", ("gini", "entropy", "log_loss")),
        random_state=0,
    )
    return float(log_loss(y_test, model.fit(x_train, y_train).predict_proba(x_test)))
