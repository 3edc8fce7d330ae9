"""Results of the peer, which is slow and does not change, kept in a file with its version."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.quality.runs import CHECKPOINTS, EVALUATIONS, Run

DIGITS = 6


class Cache:
    """Curves of best losses by run, dropped whole when the peer or the settings change."""

    def __init__(self, path: Path, impl: str) -> None:
        self.path = path
        self.settings = _settings(impl)
        self.curves: dict[str, list[float]] = {}
        if path.exists():
            stored = json.loads(path.read_text())
            if stored["settings"] == self.settings:
                self.curves = stored["curves"]

    def get(self, run: Run) -> list[float] | None:
        return self.curves.get(_key(run))

    def put(self, run: Run, curve: list[float]) -> None:
        self.curves[_key(run)] = _rounded(curve)

    def save(self) -> None:
        _dump(self.path, self.settings, self.curves)

    @staticmethod
    def write(path: Path, impl: str, curves: dict[Run, list[float]]) -> None:
        """Write curves that were just computed, in the form of the cache."""
        known = {_key(run): _rounded(curve) for run, curve in curves.items()}
        _dump(path, _settings(impl), known)


def _settings(impl: str) -> dict[str, Any]:
    return {
        "implementation": f"{impl} {version(impl)}",
        "sampler": "TPESampler(seed=seed), all else by default",
        "evaluations": EVALUATIONS,
        "checkpoints": list(CHECKPOINTS),
        "ioh": version("ioh"),
        "scikit-learn": version("scikit-learn"),
    }


def _key(run: Run) -> str:
    return f"{run.task} pending={run.pending} seed={run.seed}"


def _rounded(curve: list[float]) -> list[float]:
    return [float(f"{loss:.{DIGITS}g}") for loss in curve]


def _dump(path: Path, settings: dict[str, Any], curves: dict[str, list[float]]) -> None:
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(curves[key])}" for key in sorted(curves))
    text = f'{{\n "settings": {json.dumps(settings)},\n "curves": {{\n{lines}\n }}\n}}\n'
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
