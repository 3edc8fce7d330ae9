"""The optimizers of the package cmaes: making, copying, telling, and what they sample from.

They are asked for nothing: a trial draws its point by itself, from random numbers of its own, so
that an optimizer only changes when it is told. For that its distribution is read from where the
package keeps it; `shape_of` and `narrowed` do so, and the tests hold them to what `ask` does.

Shapes: d parameters; k points.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ahpo.samplers.cmaes.box import Box, Floats

__all__ = (
    "Shape",
    "Start",
    "clipped",
    "copied",
    "make",
    "narrowed",
    "package",
    "sampled",
    "shape_of",
)


def package() -> Any:
    """Return the package cmaes.

    :raises ImportError: if it is not installed
    """
    try:
        return import_module("cmaes")
    except ImportError as error:
        raise ImportError(
            "CmaEsSampler needs the package cmaes: install it with `pip install ahpo[cmaes]`."
        ) from error


class Start(NamedTuple):
    """Say where an optimizer begins; ``cov`` is None for the identity."""

    mean: Floats
    sigma: float
    cov: Floats | None
    popsize: int | None


def make(box: Box, start: Start, separable: bool, lr_adapt: bool) -> Any:
    """Return a new optimizer, with margins if the box has them."""
    cmaes, d = package(), len(box.names)
    common: dict[str, Any] = {
        "mean": start.mean.copy(),
        "sigma": start.sigma,
        "population_size": start.popsize,
        "seed": 0,  # it draws nothing
    }
    if separable and d > 1:
        return cmaes.SepCMA(**common)
    if len(box.stepped):
        bounds = np.tile([0.0, 1.0], (d, 1))
        return cmaes.CMAwM(bounds=bounds, steps=box.steps, cov=start.cov, **common)
    return cmaes.CMA(cov=start.cov, lr_adapt=lr_adapt, **common)


def copied(optimizer: Any) -> Any:
    """Return an optimizer that can be told without changing this one."""
    # Not by `copy`: that seeds new random numbers each time, which takes longer than to tell.
    twin = object.__new__(type(optimizer))
    of_twin = vars(twin)
    of_twin.update(vars(optimizer))
    for name, value in vars(optimizer).items():
        if isinstance(value, np.ndarray):
            of_twin[name] = value.copy()
        elif name == "_cma":
            of_twin[name] = copied(value)
    return twin


class Shape(NamedTuple):
    """Say what is sampled: ``mean + scale @ z``, z from the standard normal distribution.

    ``mean``: (d,); ``scale``, ``whiten``: (d, d), inverse to each other; ``amplitude``: (d,), by
    which values with margins are drawn away from the mean before they are rounded, else None.
    """

    mean: Floats
    scale: Floats
    whiten: Floats
    amplitude: Floats | None

    def is_sound(self) -> bool:
        """Tell whether it can be sampled from."""
        return bool(np.isfinite(self.scale).all() and np.isfinite(self.whiten).all()) and bool(
            np.isfinite(self.mean).all()
        )


def shape_of(optimizer: Any) -> Shape:
    """Return what an optimizer samples from now."""
    core = getattr(optimizer, "_cma", optimizer)
    mean, sigma = core.mean.copy(), float(core._sigma)
    eigen = core._eigen_decomposition()
    if not isinstance(eigen, tuple):  # separable
        return Shape(mean, np.diag(sigma * eigen), np.diag(1.0 / (sigma * eigen)), None)
    axes, lengths = eigen
    amplitude = getattr(optimizer, "_A", None)
    return Shape(
        mean,
        axes * (sigma * lengths),
        (axes / (sigma * lengths)).T,
        None if amplitude is None else amplitude.copy(),
    )


def narrowed(optimizer: Any, shape: Shape, widest: float) -> Shape:
    """Return what an optimizer samples from when no standard deviation may exceed ``widest``.

    The optimizer is changed. Trials of other samplers are no answer to its steps, and hundreds of
    them would widen it without end.
    """
    most = float(np.sqrt((shape.scale**2).sum(axis=1).max()))
    if most <= widest:
        return shape
    ratio = widest / most
    core = getattr(optimizer, "_cma", optimizer)
    core._sigma *= ratio
    return shape._replace(scale=shape.scale * ratio, whiten=shape.whiten / ratio)


_FEW = 8  # points, of which mostly one is inside, also at the edge of the box


def sampled(shape: Shape, box: Box, z: Floats, more: Callable[[int], Floats]) -> list[float]:
    """Return one point that is inside of the box, d; with margins, as it is before rounding.

    After so many misses that there must be little of the distribution inside, it is clipped.

    :param z: normal random numbers, (d,)
    :param more: gives k times as many, (k, d); mostly it is not needed
    """
    point: Floats = shape.mean + shape.scale @ z
    if not box.are_inside(point[None, :])[0]:
        for k in (_FEW, 10 * len(point)):
            points = shape.mean + more(k) @ shape.scale.T
            inside = box.are_inside(points)
            found = int(inside.argmax())
            if inside[found]:
                point = points[found]
                break
        else:
            point = box.clipped(points[0])
    if shape.amplitude is not None:
        point = shape.mean + (point - shape.mean) * shape.amplitude
    return point.tolist()  # type: ignore[no-any-return]


def clipped(shape: Shape, points: Floats) -> Floats:
    """Return points (k, d) to tell, none of them farther from the mean than samples are.

    An optimizer takes what it is told for samples of its own. Ours may be some of another
    generation, or have been chosen by somebody; their distance, in standard deviations, is
    limited as Hansen does it (Injecting External Solutions Into CMA-ES, arXiv:1110.4181, eq. 4).
    """
    d = len(shape.mean)
    steps = points - shape.mean
    if shape.amplitude is not None:
        steps = steps / shape.amplitude
    distance = np.linalg.norm(steps @ shape.whiten.T, axis=1)
    limit = np.sqrt(d) + 2.0 * d / (d + 2.0)
    with np.errstate(divide="ignore"):
        shrink = np.minimum(1.0, limit / distance)
    result: Floats = shape.mean + steps * shrink[:, None]
    return result
