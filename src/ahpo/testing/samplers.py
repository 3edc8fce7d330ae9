"""Placeholder."""

__all__ = ("SamplerTests",)


class SamplerTests:
    """Placeholder."""
