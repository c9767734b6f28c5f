"""What the documents promise: commands that parse, links that resolve, a spec that loads, a README that stays short."""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from repro import __version__
from repro.cli import build_parser
from repro.spec.schema import Spec
from repro.study.load import load_spec

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "reports").glob("*/README.md")])
LINES = 130


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Every `python -m repro ...` of a page, from its code blocks and from its text, comments cut off."""
    lines = [line for block in blocks(page, "bash") for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`([^`\n]*python -m repro [^`\n]*)`", prose(page))
    found = []
    for line in lines:
        _, name, rest = line.partition("python -m repro ")
        if name and not rest.startswith("..."):
            found.append(re.split(r" (?:#|&&|>|\|) ?", rest)[0].strip())
    return found


def test_the_readme_is_short_and_keeps_its_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES
    section = text.partition("\n## Two commands\n")[2].partition("\n## ")[0]
    assert re.findall(r"^make (\w+)", section, re.MULTILINE) == ["quickstart", "test"]


def test_the_pages_show_commands() -> None:
    assert len(commands(ROOT / "README.md")) >= 11
    assert sum(len(commands(page)) for page in PAGES) >= 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_parses(page: Path) -> None:
    parser, known = build_parser()
    for command in commands(page):
        words = shlex.split(command)
        options = parser.parse_args(words)
        assert isinstance(options, argparse.Namespace)
        assert options.command in known


def test_the_readme_names_every_command() -> None:
    shown = {command.split()[0] for command in commands(ROOT / "README.md")}
    assert shown == set(build_parser()[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_relative_link_of_a_page_resolves(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_named_in_a_page_exists(page: Path) -> None:
    named = re.findall(r"`((?:repro|analysis|tests|experiments|benchmarks|docs)/[\w./-]*)`", prose(page))
    missing = [path for path in named if not (ROOT / path).exists()]
    assert missing == []


def test_the_spec_of_the_readme_is_valid_and_complete(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "README.md", "yaml")
    file = tmp_path / "exp.yaml"
    file.write_text(text, encoding="utf-8")
    loaded = load_spec(file)
    assert isinstance(loaded.spec, Spec)
    assert all("without a revision" in warning for warning in loaded.warnings)
    assert list(loaded.spec.arms) == ["full", "random", "ufo", "dots", "dots_rr"]


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    released = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert released is not None
    assert {project["version"], citation["version"], released[1]} == {__version__}


def test_the_citation_has_what_its_format_requires() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    papers = citation["references"]
    assert [paper["url"].rpartition("/")[2] for paper in papers] == ["2505.12457", "2506.05316"]
    for paper in papers:
        assert {"type", "title", "authors"} <= set(paper)
        assert all(set(author) in ({"name"}, {"family-names", "given-names"}) for author in paper["authors"])


def test_the_container_is_given_what_it_copies() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    wanted = {
        word.removeprefix("./") for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in line.split()
    }
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert wanted == {line[1:] for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in wanted)
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)
    assert 'ENTRYPOINT ["python", "-m", "repro"]' in text
