"""From measurements to the table: best of the rounds, figures against targets, in Markdown."""

from __future__ import annotations

from statistics import median
from typing import TypeAlias

from benchmarks.speed.rows import Row, Target

Figures: TypeAlias = dict[str, float]
# row -> implementation -> one entry for each measurement: its figures, or why it has none
Results: TypeAlias = dict[str, dict[str, list[Figures | str]]]

COLUMNS = ("ahpo", "optuna", "rustuna", "numpy")


def _all(results: Results, row: str, impl: str, figure: str) -> list[float]:
    entries = results.get(row, {}).get(impl, [])
    return [entry[figure] for entry in entries if not isinstance(entry, str) and figure in entry]


def best(results: Results, row: str, impl: str, figure: str) -> float | None:
    """Return the best of a row's measurements: the least disturbed one."""
    values = _all(results, row, impl, figure)
    if not values:
        return None
    return max(values) if figure == "share" else min(values)


def shown(seconds: float) -> str:
    """Write a time with the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def _cell(results: Results, row: str, impl: str) -> str:
    if sizes := _all(results, row, impl, "bytes"):
        return f"{min(sizes):,.0f} B"
    if times := _all(results, row, impl, "seconds"):
        return f"{shown(min(times))} ({shown(median(times))})"
    return "failed" if results.get(row, {}).get(impl) else ""


def judge(results: Results, row: Row, target: Target) -> tuple[str, str, bool | None]:
    """Return what was reached, what was asked, and whether that is enough (None: not known)."""
    name, limit = row.name, target.limit
    mine = best(results, name, "ahpo", "seconds")
    theirs = best(results, name, target.peer, "seconds")
    if target.kind == "faster":
        asked = f">= {limit:g}x {target.peer}"
        if mine is None or theirs is None:
            return "", asked, None
        return f"{theirs / mine:.1f}x", asked, theirs / mine >= limit
    if target.kind == "share":
        share = best(results, name, "ahpo", "share")
        asked = f">= {limit:.0%} of ideal"
        return ("", asked, None) if share is None else (f"{share:.1%}", asked, share >= limit)
    if target.kind == "growth":
        asked = f"<= {limit:g}x {target.peer}"
        before = best(results, target.peer, "ahpo", "seconds")
        if mine is None or before is None:
            return "", asked, None
        return f"grows {mine / before:.2f}x", asked, mine / before <= limit
    if target.kind == "smaller":
        asked = f"<= {limit:g} of {target.peer}"
        small, large = (best(results, name, impl, "bytes") for impl in ("ahpo", target.peer))
        if small is None or large is None:
            return "", asked, None
        return f"{small / large:.2f}", asked, small / large <= limit
    if target.kind == "above":
        asked = f"<= {target.peer} + {shown(limit)}"
        if mine is None or theirs is None:
            return "", asked, None
        return f"+{(mine - theirs) * 1e3:.0f} ms", asked, mine - theirs <= limit
    peak = best(results, name, "ahpo", "peak_bytes")
    asked = f"<= {limit:g} MB"
    return (
        ("", asked, None) if peak is None else (f"{peak / 1e6:.0f} MB", asked, peak / 1e6 <= limit)
    )


def table(rows: list[Row], results: Results) -> tuple[str, bool]:
    """Write the Markdown table, and tell whether a target was missed."""
    impls = [impl for impl in COLUMNS if any(impl in results.get(row.name, {}) for row in rows)]
    lines = [
        "Best of the rounds (median in brackets).",
        "",
        "| " + " | ".join(["what", *impls, "reached", "asked", ""]) + " |",
        "|" + " --- |" * (len(impls) + 4),
    ]
    missed = False
    for row in rows:
        verdicts = [judge(results, row, target) for target in row.targets]
        missed |= any(enough is False for *_, enough in verdicts)
        marks = ["" if enough is None else "yes" if enough else "NO" for *_, enough in verdicts]
        cells = [row.title, *(_cell(results, row.name, impl) for impl in impls)]
        cells += ["; ".join(reached for reached, *_ in verdicts if reached)]
        cells += ["; ".join(asked for _, asked, _ in verdicts), "; ".join(marks)]
        lines.append("| " + " | ".join(cells) + " |")
    lines += failures(results)
    return "\n".join(lines), missed


def failures(results: Results) -> list[str]:
    """List, once each, why measurements have no figures."""
    reasons = [
        f"- {row}, {impl}: {entry}"
        for row, impls in results.items()
        for impl, entries in impls.items()
        for entry in entries
        if isinstance(entry, str)
    ]
    return ["", "Failed:", *dict.fromkeys(reasons)] if reasons else []
