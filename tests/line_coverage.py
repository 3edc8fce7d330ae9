"""Fail when too few lines of the package are covered: `line_coverage.py REPORT.json PERCENT`.

Branches are measured and shown too; coverage's own `fail_under` mixes both into one figure.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(report: str, wanted: str) -> int:
    totals = json.loads(Path(report).read_text())["totals"]
    lines = totals["percent_statements_covered"]
    branches = totals["percent_branches_covered"]
    print(f"Covered: {lines:.1f} % of lines (at least {wanted} %), {branches:.1f} % of branches")
    return int(lines < float(wanted))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
