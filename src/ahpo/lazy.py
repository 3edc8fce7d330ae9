"""Names that a package offers and imports when they are first used.

``import ahpo`` costs little more than numpy because a sampler, a pruner or the asynchronous face
is read from disk when somebody asks for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ("lazily",)


def lazily(namespace: dict[str, Any], homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's ``__getattr__`` that finds names in the modules they live in.

    :param namespace: the ``globals()`` of the module, which keeps what was found
    :param homes: the module of each name; one whose home ends in the name itself is a module
    """

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
        module = importlib.import_module(home)
        found = module if home.endswith(f".{name}") else getattr(module, name)
        namespace[name] = found
        return found

    return find
