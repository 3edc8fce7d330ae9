"""The client tunes a service over HTTP, hangs up on poor trainings, and ends the service."""

from __future__ import annotations

import re
import signal

import pytest

SERVICE = "training_service.py"
SHORT = ("--trials", 24, "--jobs", 12, "--epochs", 9, "--latency", 0.03)
ENDLESS = ("--trials", 10_000, "--jobs", 8, "--epochs", 4, "--latency", 0.02)


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, (pattern, text)
    return float(found[1])


def test_remote_service(start_example) -> None:
    """What was pruned was not trained, what was saved adds up, and the service has ended."""
    example = start_example("remote_service.py", *SHORT)

    status, output, errors = example.finish()

    assert (status, errors) == (0, "")
    assert number(r"best accuracy ([\d.]+)", output) > 0.8
    epochs = number(r"The service counted (\d+) epochs", output)
    finished = number(r"(\d+) trainings finished", output)
    hung_up = number(r"(\d+) that we hung up on", output)
    assert finished + hung_up == 24
    assert hung_up > 0
    # A training that was hung up on had at least two of its nine epochs, and not all of them.
    assert 9 * finished + 2 * hung_up <= epochs < 24 * 9
    # The service may be one epoch ahead when the connection closes.
    read = number(r"we read (\d+)", output)
    assert read <= epochs <= read + 2 * hung_up

    per_epoch = number(r"Estimated: ([\d.]+) s per epoch", output)
    everything = number(r"one at a time, all 216 epochs +([\d.]+) s estimated", output)
    needed = number(rf"one at a time, the {epochs:.0f} epochs trained +([\d.]+) s", output)
    wall = number(rf"12 at a time, the {epochs:.0f} epochs trained +([\d.]+) s measured", output)
    assert per_epoch >= 0.03
    assert everything == pytest.approx(216 * per_epoch, abs=0.1)
    assert needed == pytest.approx(epochs * per_epoch, abs=0.1)
    pruning = number(r"Pruning saved ([\d.]+) s", output)
    assert pruning == pytest.approx(everything - needed, abs=0.2)
    concurrency = number(r"concurrency saved (-?[\d.]+) s", output)
    assert concurrency == pytest.approx(needed - wall, abs=0.2)
    assert example.processes(of=SERVICE) == []


@pytest.mark.parametrize("group", [True, False])
def test_remote_service_interrupted(start_example, group: bool) -> None:
    """Ctrl-C ends the client and the service."""
    example = start_example("remote_service.py", *ENDLESS)
    example.wait_for_processes(SERVICE, at_least=1)
    while "the best so far" not in example.process.stdout.readline():
        pass
    example.interrupt(group=group)

    status, _, errors = example.finish()

    assert status == 1
    *failures, last = errors.splitlines()
    assert last == "interrupted; the service has ended"
    assert all(re.match(r"\[W .*\] Trial \d+ failed with ", line) for line in failures)
    assert example.processes(of=SERVICE) == []


def test_remote_service_killed(start_example) -> None:
    """The service ends by itself when its client is killed."""
    example = start_example("remote_service.py", *ENDLESS)
    while "the best so far" not in example.process.stdout.readline():
        pass
    assert len(example.processes(of=SERVICE)) == 1
    example.process.send_signal(signal.SIGKILL)

    example.wait_for_processes(SERVICE, at_most=0)
