"""One measurement in a process of its own: `measure WORK ARGUMENTS` prints figures as JSON."""

from __future__ import annotations

import importlib
import json
import sys
import warnings


def main(work: str, arguments: str) -> None:
    warnings.simplefilter("ignore")  # a peer's experimental features warn; that is not measured
    module, function = work.split(":")
    run = getattr(importlib.import_module(f"benchmarks.storages.{module}"), function)
    print(json.dumps(run(**json.loads(arguments))))


if __name__ == "__main__":
    main(*sys.argv[1:])
