"""How good TPE's trials are beside those of Optuna's TPE: `python -m benchmarks.quality`."""
