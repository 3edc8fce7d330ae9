"""Values that storages keep as JSON: what is recorded here is what others will read."""

from __future__ import annotations

import json
from typing import Any

__all__ = ("as_stored",)

_PLAIN = (str, int, float, bool, type(None))


def as_stored(key: str, value: Any) -> Any:
    """Return an attribute's value as it will be read: JSON has lists for tuples, and str keys.

    :raises TypeError: if JSON can not hold it
    """
    if type(value) in _PLAIN:
        return value
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`value` must be something that JSON can hold, but that of {key!r} is {value!r}: "
            f"{error}."
        ) from error
