"""The package's imports go one way, from the faces down to plain values, never round in a ring."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

# A module belongs to the longest of these names that it starts with; it may import from lower
# layers and from its own group only. What is not listed has no place yet, and fails the first test.
LAYERS = {
    "ahpo.exceptions": 1,
    "ahpo.states": 1,
    "ahpo.distributions": 1,
    "ahpo.streams": 1,
    "ahpo.digest_seed": 1,
    "ahpo.trials": 1,
    "ahpo.study_summary": 1,
    "ahpo.dataframe": 1,
    "ahpo.console": 1,
    "ahpo.logging": 1,
    "ahpo.lazy": 1,
    "ahpo.overrides": 1,
    "ahpo.history": 2,
    "ahpo.samplers": 3,
    "ahpo.pruners": 3,
    "ahpo.storages": 3,
    "ahpo.search_space": 3,
    "ahpo.engine": 4,
    "ahpo.integration": 4,
    "ahpo.aio": 5,
    "ahpo.study": 6,
    "ahpo.trial": 6,
    "ahpo.testing": 6,
    "ahpo": 6,
}
VALUES, FACADE = 1, 6

# Pure code is given its time, its random numbers and its data: it reaches out for nothing.
PURE_UP_TO = 3
NOT_PURE = ("ahpo.storages", "ahpo.console", "ahpo.logging")
ALLOWED = {("ahpo.streams", "secrets")}  # the one place where a seed is made up when none is given
OUTSIDE_WORLD = frozenset(
    "aiosqlite anyio asyncio asyncpg concurrent contextvars http io logging multiprocessing os "
    "pathlib pickle queue random secrets select selectors shutil signal socket sqlite3 subprocess "
    "sys tempfile threading time tqdm urllib uuid".split()
)


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def group_of(module: str) -> str:
    """Name the entry of LAYERS that the module belongs to; the root owns only itself."""
    candidates = [g for g in LAYERS if module == g or (g != "ahpo" and _is_within(module, g))]
    return max(candidates, key=len, default="")


def _is_within(module: str, group: str) -> bool:
    # ahpo.distributions also owns its private neighbour ahpo._distributions_json and the like.
    public = module.replace("._", ".")
    return public == group or public.startswith((group + ".", group + "_"))


def imports_of(module: str) -> list[tuple[int, str]]:
    """List (line, absolute module name) of every import in the file, wherever it stands."""
    return imports_in(TREES[module])


def imports_in(tree: ast.AST) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            # `from ahpo.history import view` is an import of the module, where there is one.
            names = [f"{source}.{alias.name}" for alias in node.names]
            found += [(node.lineno, name if name in FILES else source) for name in names]
    return found


def own_imports_of(module: str) -> list[tuple[int, str]]:
    return [(line, name) for line, name in imports_of(module) if name.split(".")[0] == "ahpo"]


def only_for_types(module: str) -> set[int]:
    """Return the lines of imports under `if TYPE_CHECKING:`, which never run."""
    blocks = [
        node
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {line for block in blocks for line, _ in imports_in(block)}


def at(module: str, line: int) -> str:
    return f"{FILES[module].relative_to(SOURCE.parent)}:{line}"


modules = pytest.mark.parametrize("module", sorted(FILES))


@modules
def test_module_has_a_layer(module: str) -> None:
    assert group_of(module), f"{module} stands in no layer: name it in LAYERS of {__file__}"


@modules
def test_imports_are_absolute_and_never_of_the_root(module: str) -> None:
    bad = [
        f"{at(module, line)} imports {name}"
        for line, name in imports_of(module)
        if name.startswith(".") or (name == "ahpo" and module != "ahpo")
    ]
    assert not bad, "\n".join(bad)


@modules
def test_imports_point_downward(module: str) -> None:
    group = group_of(module)
    bad = [
        f"{at(module, line)}: {group} in layer {LAYERS[group]} imports {name} in {LAYERS[other]}"
        for line, name in own_imports_of(module)
        if (other := group_of(name)) and other != group
        # Values and the facade are groups of files that know each other; elsewhere peers do not.
        if LAYERS[other] > LAYERS[group]
        or (LAYERS[other] == LAYERS[group] and LAYERS[group] not in (VALUES, FACADE))
    ]
    assert not bad, "\n".join(bad)


@modules
def test_pure_modules_do_not_reach_for_the_outside_world(module: str) -> None:
    group = group_of(module)
    if group in NOT_PURE or LAYERS[group] > PURE_UP_TO:
        return
    bad = [
        f"{at(module, line)} imports {name}"
        for line, name in imports_of(module)
        if name.split(".")[0] in OUTSIDE_WORLD and (module, name) not in ALLOWED
    ]
    assert not bad, "\n".join(bad)


def test_no_import_comes_round_in_a_ring() -> None:
    graph = {
        module: {
            name
            for line, name in own_imports_of(module)
            if name != module and line not in only_for_types(module)
        }
        for module in FILES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("modules import each other: " + " <- ".join(error.args[1]))
