"""The quickstart tunes a real classifier, and can be interrupted."""

from __future__ import annotations

import re

import pytest


@pytest.mark.slow
def test_quickstart(start_example) -> None:
    """Twelve trials: a line for each, the best parameters, and a held-out score."""
    example = start_example("quickstart.py", "--trials", 12, "--seconds", 60)

    status, output, errors = example.finish()

    assert (status, errors) == (0, "")
    lines = re.findall(r"^trial +(\d+): accuracy ([\d.]+) after +(\d+) epochs(.*)$", output, re.M)
    assert [int(number) for number, *_ in lines] == list(range(12))
    completed = [float(accuracy) for _, accuracy, _, end in lines if end != ", pruned"]
    assert all(epochs == "15" for *_, epochs, end in lines if end != ", pruned")
    assert len(completed) >= 5
    best = re.search(r"best accuracy on the validation part: ([\d.]+)", output)
    assert best is not None
    assert float(best[1]) == max(completed) > 0.9
    assert re.findall(r"^    (\w+) = ", output, re.M) == [
        *("units", "learning_rate", "alpha", "batch_size"),
    ]
    held_out = re.search(r"accuracy on the held-out part: ([\d.]+)", output)
    assert held_out is not None
    assert float(held_out[1]) > 0.9
    trained = re.search(r"12 trials in [\d.]+ s, (\d+) of them pruned: (\d+) epochs", output)
    assert trained is not None
    assert int(trained[1]) == sum(end == ", pruned" for *_, end in lines)
    assert int(trained[2]) == sum(int(epochs) for _, _, epochs, _ in lines)


def test_quickstart_stops_by_time(start_example) -> None:
    """`--seconds` bounds the search, whatever the number of trials."""
    status, output, errors = start_example(
        "quickstart.py", "--trials", 10_000, "--seconds", 1
    ).finish()

    assert (status, errors) == (0, "")
    finished = re.search(r"^(\d+) trials in [\d.]+ s", output, re.M)
    assert finished is not None
    assert 1 <= int(finished[1]) < 1000
    assert "accuracy on the held-out part" in output


def test_quickstart_interrupted(start_example) -> None:
    """Ctrl-C ends the script, also in the midst of scikit-learn's training, which would go on."""
    example = start_example("quickstart.py", "--trials", 10_000, "--seconds", 100)
    assert example.process.stdout.readline().startswith("trial   0: ")
    example.interrupt(group=True)

    status, _, errors = example.finish()

    assert status != 0
    last = errors.splitlines()[-1]
    assert last in ("KeyboardInterrupt", "UserWarning: Training interrupted by user.")
