"""The JSON form of a distribution, as storages keep it."""

from __future__ import annotations

from typing import Any

from ahpo.distributions.base import BaseDistribution
from ahpo.distributions.categorical import CategoricalDistribution
from ahpo.distributions.numeric import FloatDistribution, IntDistribution
from ahpo.distributions.old import (
    DiscreteUniformDistribution,
    IntLogUniformDistribution,
    IntUniformDistribution,
    LogUniformDistribution,
    UniformDistribution,
)

__all__ = ("DISTRIBUTION_CLASSES", "distribution_to_json", "json_to_distribution")

DISTRIBUTION_CLASSES: tuple[type[BaseDistribution], ...] = (
    IntDistribution,
    IntLogUniformDistribution,
    IntUniformDistribution,
    FloatDistribution,
    UniformDistribution,
    LogUniformDistribution,
    DiscreteUniformDistribution,
    CategoricalDistribution,
)

_BY_NAME = {cls.__name__: cls for cls in DISTRIBUTION_CLASSES}

# Attributes of the old classes, and what their constructors add to them.
_OLD_CLASSES: dict[type[BaseDistribution], tuple[frozenset[str], dict[str, Any]]] = {
    UniformDistribution: (frozenset(("low", "high")), {}),
    LogUniformDistribution: (frozenset(("low", "high")), {"log": True}),
    DiscreteUniformDistribution: (frozenset(("low", "high", "q")), {}),
    IntUniformDistribution: (frozenset(("low", "high", "step")), {}),
    IntLogUniformDistribution: (frozenset(("low", "high", "step")), {"log": True}),
}


def distribution_to_json(dist: BaseDistribution) -> str:
    """Return the JSON form: ``{"name": <class>, "attributes": {...}}``.

    :raises TypeError: if ``dist`` is no distribution, or has choices that JSON cannot express.
    """
    if not isinstance(dist, BaseDistribution):
        raise TypeError(f"`dist` must be a distribution, but it is {dist!r}.")
    try:
        import json  # only storages need it

        return json.dumps({"name": type(dist).__name__, "attributes": dist._asdict()})
    except TypeError as exc:
        raise TypeError(
            f"Choices must be None, bool, int, float or str to be stored, but {dist!r} holds "
            f"others ({exc})."
        ) from None


def json_to_distribution(json_str: str) -> BaseDistribution:
    """Return the distribution that a JSON text describes.

    :param json_str: ``{"name": <class>, "attributes": {...}}``, or the short form
        ``{"type": "float" | "int" | "categorical", "low": ..., "high": ..., ...}``.
    :raises ValueError: if the text is not JSON, or describes none of the known distributions.
    :raises TypeError: if the class does not have one of the attributes, or lacks one.
    """
    import json

    data = json.loads(json_str)
    if not isinstance(data, dict):
        raise ValueError(f"`json_str` must be a JSON object, but it is {json_str!r}.")
    try:
        return _from_name(data) if "name" in data else _from_type(data)
    except KeyError as exc:
        raise ValueError(f"`json_str` must have the key {exc}, but it is {json_str!r}.") from None


def _from_name(data: dict[str, Any]) -> BaseDistribution:
    cls = _BY_NAME.get(data["name"])
    if cls is None:
        raise ValueError(
            f"The name of a distribution must be one of {sorted(_BY_NAME)}, "
            f"but it is {data['name']!r}."
        )
    attributes: dict[str, Any] = data["attributes"]
    return _old(cls, attributes) if cls in _OLD_CLASSES else cls(**attributes)


def _old(cls: type[BaseDistribution], attributes: dict[str, Any]) -> BaseDistribution:
    """Make an object of an old class without its warning: to read a stored row is no use of it."""
    known, fixed = _OLD_CLASSES[cls]
    if not attributes.keys() <= known:
        raise TypeError(
            f"The attributes of {cls.__name__} are {sorted(known)}, but they are "
            f"{sorted(attributes)} here."
        )
    arguments = {"step" if key == "q" else key: value for key, value in attributes.items()}
    distribution = cls.__new__(cls)
    parent = FloatDistribution if issubclass(cls, FloatDistribution) else IntDistribution
    parent.__init__(distribution, **arguments, **fixed)  # type: ignore[arg-type]
    return distribution


def _from_type(data: dict[str, Any]) -> BaseDistribution:
    kind = data["type"]
    if kind == "categorical":
        return CategoricalDistribution(data["choices"])
    if kind == "float":
        return FloatDistribution(
            data["low"], data["high"], log=bool(data.get("log")), step=data.get("step")
        )
    if kind == "int":
        step = data.get("step")
        return IntDistribution(
            data["low"], data["high"], log=bool(data.get("log")), step=1 if step is None else step
        )
    raise ValueError(
        f'The type of a distribution must be "float", "int" or "categorical", but it is {kind!r}.'
    )
