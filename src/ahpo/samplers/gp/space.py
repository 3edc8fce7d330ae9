"""A search space as a unit cube, and its points as features of which a kernel takes distances.

A point is a row of *codes*, one for each parameter: of a number its place in [0, 1], in its
logarithm if it is sampled so; of a choice its index. *Features* are the codes of numbers as they
are, and of a choice one column for each value, 1 / sqrt(2) where it is taken: so two points that
differ in a choice are 1 apart in it (Hamming distance).

Shapes: m points; D parameters; C features.
"""

from __future__ import annotations

from math import exp, log

import numpy as np
from numpy.typing import NDArray

from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

__all__ = ("CodeSpace", "Floats", "Places")

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

_MOST_LISTED = 32  # values that are all compared; of more, those in growing distances
_MOST_CELLS = 1_000_000  # with more values than that, a number is as good as continuous


class CodeSpace:
    """Translate between internal values, codes and features.

    ``free``: (D,), which parameters are continuous; ``owner``: (C,), the parameter of each feature;
    ``counts``: (D,), how many values a parameter has, 0 if it is continuous.

    :param space: ``{name: distribution}``, all of them numbers with a finite range, or choices.
    """

    def __init__(self, space: dict[str, BaseDistribution]) -> None:
        self.names = tuple(space)
        self.distributions = tuple(space.values())
        kinds = self.distributions
        self.choice = np.array([isinstance(kind, CategoricalDistribution) for kind in kinds])
        self._log = np.array([_is_log(kind) for kind in kinds])
        bounds = np.array([_bounds(kind) for kind in kinds]).reshape(len(kinds), 2)
        self._low, self._high = bounds.T
        ends = bounds.copy()
        ends[self._log] = np.log(ends[self._log])
        self._start, self._span = ends[:, 0], ends[:, 1] - ends[:, 0]
        self._step = np.array([_step(kind) for kind in kinds])
        steps = np.where(self._step > 0, self._step, 1.0)
        counts = np.where(self._step > 0, np.rint((self._high - self._low) / steps) + 1, 0)
        self.counts = np.where(counts > _MOST_CELLS, 0, counts).astype(np.int64)
        self.free = self.counts == 0
        widths = [len(k.choices) if isinstance(k, CategoricalDistribution) else 1 for k in kinds]
        self.owner = np.repeat(np.arange(len(kinds)), widths)
        self._first = np.cumsum(widths) - widths

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, raw: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return codes (m, D), and which points lie in the space, (m,).

        :param raw: internal values, (m, D), NaN where a trial lacks the parameter; codes of points
            that are not inside mean nothing.
        """
        inside: NDArray[np.bool_] = np.logical_and.reduce(
            (raw >= self._low) & (raw <= self._high), axis=1
        )
        codes = np.where(inside[:, None], raw, self._low)
        codes[:, self._log] = np.log(codes[:, self._log])
        codes -= self._start
        codes /= np.where(self.choice, 1.0, self._span)
        return codes, inside

    def features(self, codes: Floats) -> Floats:
        """Return the features (m, C) of codes (m, D)."""
        if not self.choice.any():
            return codes
        features = codes[:, self.owner]
        for place in np.flatnonzero(self.choice).tolist():
            first, count = self._first[place], self.counts[place]
            taken = codes[:, place, None] == np.arange(count)
            features[:, first : first + count] = taken * np.sqrt(0.5)
        return features

    def at_quantiles(self, u: Floats) -> Floats:
        """Return the codes (m, D) at quantiles in [0, 1): values of a grid are equally likely."""
        cells = np.floor(u * self.counts)
        codes = np.where(self.free, u, 0.0)
        for place in np.flatnonzero(~self.free).tolist():
            if self._log[place]:
                codes[:, place] = u[:, place]
            else:
                codes[:, place] = self._code(place, cells[:, place])
        return self.snap(codes)

    def snap(self, codes: Floats) -> Floats:
        """Return the codes (m, D) of the values next to each point."""
        codes = np.clip(codes, 0.0, np.where(self.choice, self.counts - 1.0, 1.0))
        for place in np.flatnonzero(~self.free & ~self.choice).tolist():
            codes[:, place] = self._code(place, self._index(place, codes[:, place]))
        return codes

    def _index(self, place: int, codes: Floats) -> Floats:
        """Return which of its values a parameter has, from codes."""
        if self.choice[place]:
            return codes
        if self._log[place]:
            values = np.exp(self._start[place] + codes * self._span[place])
            index: Floats = np.rint(values - self._low[place])
            return np.clip(index, 0, self.counts[place] - 1)
        steps: Floats = codes * (self.counts[place] - 1)
        return np.rint(steps)

    def _code(self, place: int, index: Floats) -> Floats:
        if self.choice[place]:
            return index
        if self._log[place]:
            values = np.minimum(self._low[place] + index, self._high[place])
            code: Floats = (np.log(values) - self._start[place]) / self._span[place]
            return code
        part: Floats = index / (self.counts[place] - 1)
        return part

    def moves(self, place: int, code: float) -> Floats:
        """Return codes of other values of a discrete parameter: all, or those at some distances."""
        count = int(self.counts[place])
        index = int(self._index(place, np.array([code]))[0])
        if count <= _MOST_LISTED or self.choice[place]:
            others = np.delete(np.arange(count), index)
        else:
            steps = 2 ** np.arange(int(count).bit_length())
            near = np.concatenate((index - steps, index + steps))
            others = near[(near >= 0) & (near < count)]
        return self._code(place, others.astype(float))

    def decode(self, codes: Floats) -> dict[str, float]:
        """Return internal values by name, from the codes (D,) of one point."""
        values: dict[str, float] = {}
        rows = zip(
            self.names,
            codes.tolist(),
            self._low.tolist(),
            self._high.tolist(),
            self._step.tolist(),
            strict=True,
        )
        for place, (name, code, low, high, step) in enumerate(rows):
            if self.choice[place]:
                value = code
            elif self._log[place]:
                value = exp(log(low) + code * float(self._span[place]))
            else:
                value = low + code * (high - low)
            if step:
                value = low + step * round((value - low) / step)
            values[name] = min(max(value, low), high)
        return values


def _is_log(kind: BaseDistribution) -> bool:
    return isinstance(kind, FloatDistribution | IntDistribution) and kind.log


def _bounds(kind: BaseDistribution) -> tuple[float, float]:
    if isinstance(kind, CategoricalDistribution):
        return 0.0, len(kind.choices) - 1.0
    assert isinstance(kind, FloatDistribution | IntDistribution)
    return float(kind.low), float(kind.high)


def _step(kind: BaseDistribution) -> float:
    if isinstance(kind, CategoricalDistribution):
        return 1.0
    assert isinstance(kind, FloatDistribution | IntDistribution)
    return float(kind.step or 0.0)
