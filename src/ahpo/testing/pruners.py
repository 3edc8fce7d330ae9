"""Placeholder."""

__all__ = ("PrunerTests",)


class PrunerTests:
    """Placeholder."""
