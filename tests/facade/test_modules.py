"""Each module says what is public, and documents it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import pytest

import ahpo

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(ahpo.__path__, "ahpo.")
    if not any(part.startswith("_") for part in module.name.split("."))
)
# The modules that users import; the others are how it is done.
PUBLIC_MODULES = {
    "aio",
    "distributions",
    "exceptions",
    "logging",
    "pruners",
    "samplers",
    "integration",
    "search_space",
    "storages",
    "study",
    "trial",
}

each_module = pytest.mark.parametrize("name", ["ahpo", *MODULES])


def defined(module: ModuleType) -> set[str]:
    """Return the public functions and classes that a module defines itself."""
    tree = ast.parse(inspect.getsource(module))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {
        node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")
    }


@each_module
def test_all_is_a_tuple_of_what_there_is(name: str) -> None:
    module = importlib.import_module(name)
    if not inspect.getsource(module).partition("\n")[2].strip():
        return  # a package that only says what it is for
    names = module.__all__
    assert isinstance(names, tuple)
    assert list(names) == sorted(set(names), key=_order)
    assert all(hasattr(module, each) for each in names)
    assert defined(module) <= set(names)


def _order(name: str) -> Any:
    # As ruff sorts: constants, then classes, then the rest.
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


@each_module
def test_a_package_exports_what_it_imports(name: str) -> None:
    module = importlib.import_module(name)
    if not hasattr(module, "__path__") or not hasattr(module, "__all__"):
        return
    tree = ast.parse(inspect.getsource(module))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("ahpo")
        and node.module != "ahpo.lazy"
        for alias in node.names
    }
    assert {each for each in imported if not each.startswith("_")} <= set(module.__all__)


def test_the_package_exports_its_public_modules() -> None:
    modules = {name for name in ahpo.__all__ if inspect.ismodule(getattr(ahpo, name))}
    assert modules == PUBLIC_MODULES
    assert {f"ahpo.{name}" for name in PUBLIC_MODULES} <= set(MODULES)


def documented(where: str, thing: Any) -> list[str]:
    """Return what is wrong with the docstring of a public object."""
    text = inspect.getdoc(thing)
    if not text:
        return [f"{where} has no docstring"]
    first = text.split("\n\n")[0]
    if not inspect.ismodule(thing) and not first[0].isupper():
        return [f"{where}: a docstring begins with a sentence, not with {first!r}"]
    if not first.rstrip().endswith((".", ":", "?")):
        return [f"{where}: a docstring begins with a whole sentence, not with {first!r}"]
    return []


def members(cls: type) -> list[tuple[str, Any]]:
    """Return the public members that a class of ours defines."""
    return [
        (name, member)
        for name, member in vars(cls).items()
        if not name.startswith(("_", "test_"))  # a test says by its name what it is about
        and (inspect.isroutine(member) or isinstance(member, property | classmethod | staticmethod))
        and not inspect.ismemberdescriptor(member)
    ]


@each_module
def test_what_is_public_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    wrong = documented(name, module)
    for each in getattr(module, "__all__", ()):
        thing = getattr(module, each)
        if getattr(thing, "__module__", None) != name:
            continue
        if inspect.isclass(thing) or inspect.isroutine(thing):
            wrong += documented(f"{name}.{each}", thing)
        if inspect.isclass(thing):
            for member, _ in members(thing):
                # An override may leave the words to the method that it overrides.
                wrong += documented(f"{name}.{each}.{member}", getattr(thing, member))
    assert not wrong, "\n".join(wrong)
