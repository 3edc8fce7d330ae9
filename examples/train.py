"""Train a neural network on handwritten digits, and print its score after each epoch as JSON.

    python examples/train.py --units 64 --learning-rate 0.01 --alpha 1e-4 --epochs 10

An ordinary training script: it knows nothing of the tuning in subprocess_training.py.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--alpha", type=float, default=0.0001)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    X, y = load_digits(return_X_y=True)
    X_train, X_valid, y_train, y_valid = train_test_split(
        X / 16, y, test_size=400, random_state=0, stratify=y
    )
    model = MLPClassifier(
        hidden_layer_sizes=(args.units,),
        learning_rate_init=args.learning_rate,
        alpha=args.alpha,
        random_state=0,
    )
    for epoch in range(args.epochs):
        model.partial_fit(X_train, y_train, classes=np.arange(10))
        accuracy = float(model.score(X_valid, y_valid))
        print(json.dumps({"epoch": epoch, "accuracy": accuracy}), flush=True)


if __name__ == "__main__":
    main()
