"""How long the same work takes with ahpo, Optuna and Rustuna: `python -m benchmarks.speed`."""
