"""Studies in SQL databases, in the schema of Optuna 5.0.

What a transaction does is decided by plain generators that yield statements and are sent rows
(`ahpo.storages.sql.exchange`), the same for all databases; each database has a dialect that words
the statements, and a backend that runs them.
"""

from __future__ import annotations

__all__ = ()
