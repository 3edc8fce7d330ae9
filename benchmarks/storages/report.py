"""From measurements to the table: best of the rounds, figures against targets, in Markdown."""

from __future__ import annotations

from typing import Any, TypeAlias

from benchmarks.speed.report import shown
from benchmarks.storages.rows import Row, Target

__all__ = ("Figures", "Results", "judge", "table")

Figures: TypeAlias = dict[str, Any]
# row -> implementation -> one entry for each measurement: its figures, or why it has none
Results: TypeAlias = dict[str, dict[str, list[Figures | str]]]

_LARGER_IS_BETTER = ("rate", "share")
_WRONG = ("lost", "doubled", "errors")


def _entries(results: Results, row: str, impl: str) -> list[Figures]:
    return [one for one in results.get(row, {}).get(impl, []) if not isinstance(one, str)]


def best(results: Results, row: str, impl: str, figure: str) -> float | None:
    """Return the best of a row's measurements: the least disturbed one."""
    values = [one[figure] for one in _entries(results, row, impl) if figure in one]
    if not values:
        return None
    return float(max(values) if figure in _LARGER_IS_BETTER else min(values))


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


def _wrong(entries: list[Figures]) -> dict[str, int]:
    return {what: sum(one.get(what, 0) for one in entries) for what in _WRONG}


def judge(results: Results, row: Row, target: Target) -> tuple[str, str, bool | None]:
    """Return what was reached, what was asked, and whether that is enough (None: not known)."""
    key, limit = row.key, target.limit

    def of(figure: str, impl: str = "ahpo", name: str = key) -> float | None:
        return best(results, name, impl, figure)

    if target.kind == "faster":
        found = _ratio(of("rate"), of("rate", "optuna"))
        if found is None:
            found = _ratio(of("seconds", "optuna"), of("seconds"))
        text, asked, enough = "{:.1f}x", f">= {limit:g}x", found is not None and found >= limit
    elif target.kind == "share":
        found = of("share")
        text, asked = "{:.0%}", f">= {limit:.0%} of ideal"
        enough = found is not None and found >= limit
    elif target.kind == "right":
        entries = _entries(results, key, "ahpo")
        found = float(sum(_wrong(entries).values())) if entries else None
        text, asked, enough = "{:.0f} wrong", "none wrong", found is not None and found <= limit
    elif target.kind == "smaller":
        found = _ratio(of("peak_bytes"), of("peak_bytes", "optuna"))
        text, asked = "{:.2f} of the memory", f"<= {limit:g} of the memory"
        enough = found is not None and found <= limit
    elif target.kind == "under":
        found = of("seconds")
        text, asked = "{}", f"<= {shown(limit)}"
        enough = found is not None and found <= limit
        return ("" if found is None else shown(found)), asked, None if found is None else enough
    else:
        found = _ratio(of("seconds"), of("seconds", name=target.of))
        text, asked = "grows {:.1f}x", f"<= {limit:g}x of {target.of}"
        enough = found is not None and found <= limit
    return ("", asked, None) if found is None else (text.format(found), asked, enough)


def _cell(results: Results, row: Row, impl: str) -> str:
    entries = _entries(results, row.key, impl)
    if not entries:
        return "failed" if results.get(row.key, {}).get(impl) else ""
    parts = []
    rate, seconds, share, again, peak, cpu = (
        best(results, row.key, impl, figure)
        for figure in ("rate", "seconds", "share", "again", "peak_bytes", "cpu")
    )
    if rate is not None:
        parts.append(f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.2g}/s")
    elif seconds is not None:
        parts.append(shown(seconds))
    if share is not None:
        parts.append(f"{share:.1%} of ideal")
    if cpu is not None:
        parts.append(f"CPU {shown(cpu)}")
    if again is not None:
        parts.append(f"again {shown(again)}")
    if peak is not None:
        parts.append(f"{peak / 1e6:,.0f} MB")
    parts += [f"{number} {what}" for what, number in _wrong(entries).items() if number]
    return ", ".join(parts)


def _counts(results: Results, row: Row) -> str:
    """Write the statements and commits per trial (of a journal: lines and syncs)."""
    parts = []
    for impl in ("optuna", "ahpo"):
        entries = [one for one in _entries(results, row.key, impl) if one.get("statements")]
        if entries:
            parts.append(f"{entries[0]['statements']:.3g} / {entries[0]['commits']:.2g}")
    return " -> ".join(parts)


def table(rows: list[Row], results: Results) -> tuple[str, bool]:
    """Write the Markdown table, and tell whether a target was missed."""
    lines = [
        "| what | storage | Optuna | ahpo | statements / commits per trial | reached | asked | |",
        "|" + " --- |" * 8,
    ]
    missed = False
    for row in rows:
        verdicts = [judge(results, row, target) for target in row.targets]
        missed |= any(enough is False for *_, enough in verdicts)
        marks = ["" if enough is None else "yes" if enough else "NO" for *_, enough in verdicts]
        cells = [row.title, row.storage]
        cells += [_cell(results, row, impl) for impl in ("optuna", "ahpo")]
        cells += [_counts(results, row), "; ".join(reached for reached, *_ in verdicts if reached)]
        cells += ["; ".join(asked for _, asked, _ in verdicts), "; ".join(marks)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, *_failures(results)]), missed


def _failures(results: Results) -> list[str]:
    lines = []
    for row, by_impl in results.items():
        for impl, entries in by_impl.items():
            said = {one if isinstance(one, str) else one.get("first_error") for one in entries}
            lines += [f"- {row}, {impl}: {text}" for text in sorted(filter(None, said))]
    return ["", *lines] if lines else []
