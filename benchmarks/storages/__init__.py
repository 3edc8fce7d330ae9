"""How fast studies are on durable storages, beside Optuna: `python -m benchmarks.storages`."""
