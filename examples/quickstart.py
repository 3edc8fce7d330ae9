"""Tune a neural network that reads handwritten digits, and stop its poor trials early.

    python examples/quickstart.py [--trials 50] [--seconds 12]

The digits come with scikit-learn: 1797 scanned images of 8 x 8 pixels.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import ahpo

EPOCHS = 15
CLASSES = np.arange(10)

# Three parts: to fit, to choose by, and one that no trial ever sees.
X, y = load_digits(return_X_y=True)
X_rest, X_test, y_rest, y_test = train_test_split(X / 16, y, test_size=400, random_state=0)
X_train, X_valid, y_train, y_valid = train_test_split(X_rest, y_rest, test_size=400, random_state=0)


def objective(trial: ahpo.Trial) -> float:
    """Train for some epochs, and return the accuracy on the validation part."""
    model = MLPClassifier(
        hidden_layer_sizes=(trial.suggest_int("units", 8, 128, log=True),),
        learning_rate_init=trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
        alpha=trial.suggest_float("alpha", 1e-6, 1e-1, log=True),
        batch_size=trial.suggest_categorical("batch_size", [32, 64, 128]),
        random_state=0,
    )
    accuracy = 0.0
    for epoch in range(EPOCHS):
        model.partial_fit(X_train, y_train, classes=CLASSES)
        accuracy = float(model.score(X_valid, y_valid))
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise ahpo.TrialPruned()
    return accuracy


def print_progress(study: ahpo.Study, trial: ahpo.trial.FrozenTrial) -> None:
    """Print one line for each finished trial."""
    outcome = f"accuracy {trial.value:.4f} after {len(trial.intermediate_values):2} epochs"
    if trial.state == ahpo.trial.TrialState.PRUNED:
        outcome += ", pruned"
    elif trial.number == study.best_trial.number:
        outcome += ", the best so far"
    print(f"trial {trial.number:3}: {outcome}", flush=True)


def held_out_accuracy(**settings: object) -> float:
    """Train on all but the test part, and return the accuracy on the test part."""
    model = MLPClassifier(**settings, random_state=0)
    for _ in range(EPOCHS):
        model.partial_fit(X_rest, y_rest, classes=CLASSES)
    return float(model.score(X_test, y_test))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=50, help="how many trials (default: 50)")
    parser.add_argument("--seconds", type=float, default=12, help="start none after (default: 12)")
    args = parser.parse_args()

    # Where scikit-learn would take Ctrl-C as the end of one training, it shall end the study.
    warnings.filterwarnings("error", message="Training interrupted by user")
    ahpo.logging.set_verbosity(ahpo.logging.WARNING)
    started = time.perf_counter()
    study = ahpo.create_study(
        direction="maximize",
        sampler=ahpo.samplers.TPESampler(seed=0),
        pruner=ahpo.pruners.MedianPruner(n_warmup_steps=2),
    )
    study.optimize(
        objective, n_trials=args.trials, timeout=args.seconds, callbacks=[print_progress]
    )
    seconds = time.perf_counter() - started

    pruned = study.get_trials(states=[ahpo.trial.TrialState.PRUNED])
    trained = sum(len(trial.intermediate_values) for trial in study.trials)
    print(
        f"\n{len(study.trials)} trials in {seconds:.1f} s, {len(pruned)} of them pruned:", end=" "
    )
    print(f"{trained} epochs instead of {EPOCHS * len(study.trials)}")

    print(f"best accuracy on the validation part: {study.best_value:.4f}, with")
    for name, value in study.best_params.items():
        print(f"    {name} = {value}")

    best = study.best_params
    tuned = held_out_accuracy(
        hidden_layer_sizes=(best["units"],),
        learning_rate_init=best["learning_rate"],
        alpha=best["alpha"],
        batch_size=best["batch_size"],
    )
    print(f"accuracy on the held-out part: {tuned:.4f}")
    print(f"(with scikit-learn's defaults, as many epochs: {held_out_accuracy():.4f})")


if __name__ == "__main__":
    main()
