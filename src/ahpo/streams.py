"""Streams of random numbers that belong to a trial: (seed, trial number, purpose) -> numbers.

Nothing here is shared or advances: the same three always give the same numbers, whoever asks and
whenever. So a study reproduces at any degree of concurrency, and a resumed one goes on as if it
had never stopped. BLAKE2b, keyed by the seed, is the counter-based generator of single uniforms
(a few hundred nanoseconds; building a numpy generator takes 15 microseconds), and gives the key of
a PCG64 generator where many numbers are needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ("Stream",)

_TO_UNIT = 2.0**-53


class Stream:
    """Give random numbers as a function of (seed, trial number, purpose).

    ``seed`` is an int, or None for one drawn from the operating system.

    :raises TypeError: if ``seed`` is neither an int nor None.
    """

    __slots__ = ("_generators", "_key", "_uniforms", "seed")

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "__index__")):
            raise TypeError(f"`seed` must be an int or None, but it is {seed!r}.")
        self.seed = None if seed is None else int(seed)
        key = _entropy() if seed is None else str(int(seed)).encode()
        self._set_key(_blake2b(key, digest_size=32).digest())

    def _set_key(self, key: bytes) -> None:
        self._key = key
        # Hash states that have absorbed key and name: copying one is cheaper than starting anew.
        self._uniforms: dict[str, Any] = {}
        self._generators: dict[str, Any] = {}

    def _absorbed(self, states: dict[str, Any], name: str, person: bytes, size: int) -> Any:
        # The length before the name keeps ("a", 11) and ("a1", 1) apart.
        encoded = name.encode("utf-8", "surrogatepass")
        state = _blake2b(key=self._key, digest_size=size, person=person)
        state.update(len(encoded).to_bytes(4, "little") + encoded)
        states[name] = state
        return state

    def uniform(self, number: int, name: str) -> float:
        """Return a float in [0, 1) for trial ``number`` and the purpose ``name``."""
        state = (
            self._uniforms.get(name) or self._absorbed(self._uniforms, name, b"uniform", 8)
        ).copy()
        state.update(number.to_bytes(8, "little"))
        return (int.from_bytes(state.digest(), "little") >> 11) * _TO_UNIT

    def generator(self, number: int, purpose: str) -> np.random.Generator:
        """Return a new numpy generator for trial ``number`` and ``purpose``."""
        state = (
            self._generators.get(purpose)
            or self._absorbed(self._generators, purpose, b"generator", 32)
        ).copy()
        state.update(number.to_bytes(8, "little"))
        # numpy.random, too, is imported when first used.
        from ahpo.digest_seed import DigestSeed

        seed: Any = DigestSeed(state.digest())  # numpy's stubs forget its own ISeedSequence
        return np.random.Generator(np.random.PCG64(seed))

    def again(self, what: str) -> Stream:
        """Return the stream of other numbers that belongs to this one and ``what``."""
        other = Stream.__new__(Stream)
        key = _blake2b(what.encode(), key=self._key, digest_size=32, person=b"again").digest()
        other.__setstate__((self.seed, key))
        return other

    def __getstate__(self) -> tuple[int | None, bytes]:
        return self.seed, self._key

    def __setstate__(self, state: tuple[int | None, bytes]) -> None:
        self.seed = state[0]
        self._set_key(state[1])


def _blake2b(*args: bytes, **options: Any) -> Any:
    from hashlib import blake2b  # it loads OpenSSL, which this function does not even need

    return blake2b(*args, **options)


def _entropy() -> bytes:
    import secrets  # with what it brings, it takes longer to import than this package's values

    return secrets.token_bytes(32)
