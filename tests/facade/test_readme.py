"""What the README shows works, and what it links to and names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ahpo

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/compatibility.md"]


def blocks(language: str) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


PYTHON = blocks("python")


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_blocks_of_code_run(
    number: int,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(PYTHON[number], f"README.md block {number}", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


def test_the_first_block_is_a_script_of_optuna(capsys: pytest.CaptureFixture[str]) -> None:
    """With Optuna's own import it runs as well."""
    script = PYTHON[0].replace("import ahpo as optuna", "import optuna")
    assert script != PYTHON[0]
    exec(compile(script, "README.md", "exec"), {"__name__": "__main__"})
    assert "'x':" in capsys.readouterr().out


def test_commands_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"make ([a-z]+)", README))
    assert {"quickstart", "test", "benchmark"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith(("http://", "https://")):
            assert ((ROOT / page).parent / target).exists(), target


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets on the usual sites."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    files = {str(path.relative_to(ROOT)) for path in ROOT.glob("[!.]*/**/*.py")}
    for named in re.findall(r"`([\w/]+\.py)`", text):
        assert any(f"/{file}".endswith(f"/{named}") for file in files), named


def test_samplers_and_pruners_that_are_named_are_all() -> None:
    for module in (ahpo.samplers, ahpo.pruners):
        assert {name for name in module.__all__ if not name.startswith("Base")} <= set(
            re.findall(r"`(\w+)`", README)
        )


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_no_path_of_a_machine(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(work|home|root|tmp)/", text)
