"""`import ahpo` brings numpy and little else, so that a script starts at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = "aiosqlite asyncpg matplotlib optuna pandas plotly scipy sklearn sqlalchemy tqdm uvloop"


def loaded_after(statement: str) -> set[str]:
    """Name the top-level packages in sys.modules after a fresh interpreter ran the statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    return set(output.split())


@pytest.mark.parametrize("statement", ["import ahpo", "from ahpo import aio"])
def test_import_leaves_heavy_packages_alone(statement: str) -> None:
    loaded = loaded_after(statement)
    assert "ahpo" in loaded
    heavy = loaded & set(HEAVY.split())
    assert not heavy


def test_plain_code_does_without_asyncio() -> None:
    """The asynchronous face is read from disk when somebody asks for it."""
    script = (
        "import ahpo; study = ahpo.create_study(sampler=ahpo.samplers.RandomSampler()); "
        "study.optimize(lambda trial: trial.suggest_float('x', 0, 1), n_trials=2)"
    )
    for statement in ("import ahpo", script):
        assert not loaded_after(statement) & {"asyncio", "anyio", "ssl"}


def test_a_study_with_defaults_leaves_drivers_and_plots_alone() -> None:
    loaded = loaded_after("import ahpo; ahpo.create_study().ask().suggest_float('x', 0, 1)")
    heavy = loaded & (set(HEAVY.split()) - {"scipy"})
    assert not heavy
