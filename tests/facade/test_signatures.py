"""Every public name of Optuna is here, with its signature, or stands in a table with the reason."""

from __future__ import annotations

import enum
import importlib
import inspect
from typing import Any

import optuna
import pytest

import ahpo

# Without __hash__: Optuna's frozen trials have one that raises TypeError, as it does without.
OPERATORS = ("__eq__", "__le__", "__lt__", "__repr__", "__str__", "__call__")

# Modules of Optuna, and their names that are documented. None: all that the module makes public.
AREAS: dict[str, tuple[str, ...] | None] = {
    "": None,
    "study": None,
    "trial": None,
    "search_space": None,
    "samplers": None,
    "samplers.nsgaii": None,
    "pruners": None,
    "storages": None,
    "exceptions": (
        "OptunaError", "TrialPruned", "CLIUsageError", "StorageInternalError",
        "DuplicatedStudyError", "UpdateFinishedTrialError", "ExperimentalWarning",
    ),
    "distributions": (
        "FloatDistribution", "IntDistribution", "CategoricalDistribution", "BaseDistribution",
        "UniformDistribution", "LogUniformDistribution", "DiscreteUniformDistribution",
        "IntUniformDistribution", "IntLogUniformDistribution", "CategoricalChoiceType",
        "DISTRIBUTION_CLASSES", "distribution_to_json", "json_to_distribution",
        "check_distribution_compatibility",
    ),
    "logging": (
        "CRITICAL", "DEBUG", "ERROR", "FATAL", "INFO", "WARN", "WARNING", "get_logger",
        "get_verbosity", "set_verbosity", "disable_default_handler", "enable_default_handler",
        "disable_propagation", "enable_propagation", "create_default_formatter",
    ),
}  # fmt: skip

# What is not there, and the section of docs/compatibility.md that says so.
NOT_THERE_YET = "What is not there yet"
MISSING = {
    **dict.fromkeys(
        (
            "artifacts",
            "importance",
            "visualization",
            "storages.BaseJournalLogStorage",
            "storages.GrpcStorageProxy",
            "storages.run_grpc_proxy_server",
        ),
        NOT_THERE_YET,
    ),
    "version": "Names of Optuna that have no meaning here",
}
# Signatures and members that differ on purpose, and the section that says so.
DIFFERENT = {
    "Trial": "A trial and a study are made by their functions",
    "trial.Trial": "A trial and a study are made by their functions",
    "samplers.nsgaii.BaseMutation": "Crossovers and mutations take their arguments only",
    "storages.InMemoryStorage": "Storages have an interface of their own",
    "storages.BaseStorage": "Storages have an interface of their own",
    "storages.JournalRedisStorage": "Storages have an interface of their own",
    "storages.JournalStorage": "Storages have an interface of their own",
    "storages.RDBStorage": "Storages have an interface of their own",
}


def public(area: str) -> list[str]:
    """Return the documented names of one module of Optuna."""
    listed = AREAS[area]
    if listed is not None:
        return list(listed)
    module = importlib.import_module(f"optuna.{area}" if area else "optuna")
    return [name for name in module.__all__ if not name.startswith("_")]


NAMES = [f"{area}.{name}".lstrip(".") for area in AREAS for name in public(area)]
SHARED = [name for name in NAMES if name not in MISSING]


def find(root: Any, path: str) -> Any:
    """Return what a dotted path names."""
    for name in path.split("."):
        root = getattr(root, name)
    return root


@pytest.mark.parametrize("name", NAMES)
def test_name_is_there(name: str) -> None:
    try:
        ours = find(ahpo, name)
    except AttributeError:
        assert name in MISSING, f"{name} is neither in ahpo nor in the table"
        return
    assert name not in MISSING, f"{name} is there: take it out of the table"
    assert inspect.isclass(ours) == inspect.isclass(find(optuna, name))
    area, _, last = name.rpartition(".")
    assert last in find(ahpo, area).__all__ if area else last in ahpo.__all__


def parameters(function: Any) -> list[tuple[str, Any, str]]:
    """Return name, kind and default of each parameter."""
    return [
        (p.name, p.kind, "" if p.default is p.empty else repr(p.default))
        for p in inspect.signature(function).parameters.values()
    ]


def check_signature(theirs: Any, ours: Any, where: str) -> None:
    """Check that our function can be called as theirs; more keywords may come at the end."""
    try:
        wanted = parameters(theirs)
    except (TypeError, ValueError):  # one that is written in C
        return
    found = parameters(ours)
    assert found[: len(wanted)] == wanted, where
    more = found[len(wanted) :]
    assert all(kind is inspect.Parameter.KEYWORD_ONLY and default for _, kind, default in more), (
        f"{where}: {more}"
    )


def members(cls: type) -> list[str]:
    """Return the names that the class shows, and the operators that it defines."""
    operators = [
        n for n in OPERATORS if getattr(cls, n, None) not in (getattr(object, n, None), None)
    ]
    return [name for name in dir(cls) if not name.startswith("_")] + operators


def check_member(theirs: type, ours: type, name: str) -> None:
    """Check that one member is of the same kind, and may be set or called in the same way."""
    where = f"{theirs.__qualname__}.{name}"
    assert hasattr(ours, name), f"{where} is missing"
    mine, other = inspect.getattr_static(ours, name), inspect.getattr_static(theirs, name)
    if isinstance(other, property):
        is_slot = inspect.ismemberdescriptor(mine)
        assert is_slot or isinstance(mine, property), where
        if other.fset is not None:
            assert is_slot or mine.fset is not None, f"{where} can not be set"
    elif callable(getattr(theirs, name)):
        assert callable(getattr(ours, name)), where
        check_signature(getattr(theirs, name), getattr(ours, name), where)


@pytest.mark.parametrize("name", SHARED)
def test_signature_is_that_of_optuna(name: str) -> None:
    theirs, ours = find(optuna, name), find(ahpo, name)
    if not (inspect.isclass(theirs) or inspect.isroutine(theirs)):
        return
    if inspect.isclass(theirs) and issubclass(theirs, enum.Enum):
        assert [(m.name, m.value) for m in ours] == [(m.name, m.value) for m in theirs]
        return
    if name not in DIFFERENT:
        check_signature(theirs, ours, name)
    if inspect.isclass(theirs) and not name.startswith("storages."):
        for member in members(theirs):
            check_member(theirs, ours, member)


def _is_no_matter(name: str) -> bool:
    return name == "ABC" or name.startswith("Deprecated")  # as old names of Optuna's are


@pytest.mark.parametrize("name", SHARED)
def test_bases_are_those_of_optuna(name: str) -> None:
    theirs, ours = find(optuna, name), find(ahpo, name)
    if not inspect.isclass(theirs) or name in DIFFERENT:
        return
    # How abstract classes are made is nobody's business.
    wanted = [base.__name__ for base in theirs.__mro__ if not _is_no_matter(base.__name__)]
    found = [base.__name__ for base in ours.__mro__]
    assert [base for base in found if base in wanted] == wanted


@pytest.mark.parametrize("name", DIFFERENT)
def test_rows_of_the_table_are_needed(name: str) -> None:
    with pytest.raises(AssertionError):
        check_signature(find(optuna, name), find(ahpo, name), name)
        for member in members(find(optuna, name)):
            check_member(find(optuna, name), find(ahpo, name), member)


def test_constants_of_logging_are_those_of_optuna() -> None:
    for name in AREAS["logging"] or ():
        if name.isupper():
            assert getattr(ahpo.logging, name) == getattr(optuna.logging, name)


def test_classes_of_distributions_are_those_of_optuna() -> None:
    theirs, ours = optuna.distributions, ahpo.distributions
    assert [c.__name__ for c in ours.DISTRIBUTION_CLASSES] == [
        c.__name__ for c in theirs.DISTRIBUTION_CLASSES
    ]
    assert set(ours.CategoricalChoiceType.__args__) == set(theirs.CategoricalChoiceType.__args__)


@pytest.mark.parametrize("section", sorted({*MISSING.values(), *DIFFERENT.values()}))
def test_the_page_on_compatibility_has_the_section(section: str) -> None:
    from tests.facade.test_differences import sections

    assert section in sections()
