"""docs/extend.md as a reader follows it: its files in an empty folder, its commands run there as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extend.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w.]+\.(?:py|yaml|toml))`")


@dataclass(frozen=True)
class Block:
    """A code block of the page; `file` is the last file named between it and the block before it."""

    language: str
    text: str
    file: str | None


def page_blocks() -> list[Block]:
    """Every block of the page in order."""
    text, found, end = PAGE.read_text(encoding="utf-8"), [], 0
    for match in BLOCK.finditer(text):
        named = FILE.findall(text[end : match.start()])
        found.append(Block(match[1], match[2], named[-1] if named else None))
        end = match.end()
    return found


def commands() -> list[str]:
    """The lines of the page's shell blocks."""
    return [line for block in page_blocks() if block.language == "bash" for line in block.text.splitlines()]


def write_files(folder: Path) -> None:
    """The page's files, as a reader writes them."""
    for block in page_blocks():
        if block.language in ("python", "yaml"):
            assert block.file is not None, block.text
            (folder / block.file).write_text(block.text, encoding="utf-8")


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command line in the folder; `python` is this one, and finds the suite but nothing else of the repository."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "REPRO_RUNS": "",
        "MLFLOW_TRACKING_URI": "",
    }
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


def test_every_block_of_the_page_is_a_file_or_a_command() -> None:
    found = page_blocks()
    files = [block.file for block in found if block.language in ("python", "yaml")]
    assert files == ["my_rules.py", "my_rewards.py", "my_tasks.py", "my_figures.py", "test_mine.py", "exp.yaml"]
    assert {block.language for block in found} == {"python", "yaml", "bash", "toml"}
    assert [line.partition(" -m ")[2].split()[:2] for line in commands()] == [
        ["repro", "validate"],
        ["pytest", "-q"],
        ["repro", "run"],
    ]


def test_the_selection_rule_takes_twenty_lines_and_the_reward_ten() -> None:
    by_file = {block.file: block.text for block in page_blocks()}
    lines = {file: [line for line in text.splitlines() if line.strip()] for file, text in by_file.items()}
    rule = [line for line in lines["my_rules.py"] if not line.startswith(("import ", "from "))]
    assert len(rule) <= 20
    assert len(lines["my_rewards.py"]) <= 10


def test_a_package_offers_its_methods_under_the_groups_that_are_read() -> None:
    from repro.selection.registry import GROUP as SELECTIONS
    from repro.tasks.registry import GROUP as TASKS
    from repro.tasks.rewards import GROUP as REWARDS

    (text,) = (block.text for block in page_blocks() if block.language == "toml")
    assert set(tomllib.loads(text)["project"]["entry-points"]) == {SELECTIONS, REWARDS, TASKS}


def test_the_files_of_the_page_are_valid_and_pass_the_conformance_suite(tmp_path: Path) -> None:
    write_files(tmp_path)
    for command in commands()[:2]:
        done = shell(command, tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_a_misspelt_name_of_the_page_is_answered_with_the_nearest(tmp_path: Path) -> None:
    write_files(tmp_path)
    spec = tmp_path / "exp.yaml"
    text = spec.read_text(encoding="utf-8")
    for right, wrong in (
        ("my_rules:Halfway", "my_rules:Halfwya"),
        ("my_rewards:brief", "my_rewards:breif"),
        ("my_tasks:Reverse", "my_tasks:Revrese"),
        ("my_figures:gain_by_cost", "my_figures:gain_by_costs"),
    ):
        spec.write_text(text.replace(right, wrong), encoding="utf-8")
        done = shell("python -m repro validate exp.yaml", tmp_path)
        assert done.returncode == 2, done.stdout
        assert f"did you mean {right.partition(':')[2]}?" in done.stderr
        assert "exp.yaml:" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_commands_of_the_page_end_in_a_report_with_the_readers_names(tmp_path: Path) -> None:
    write_files(tmp_path)
    for command in commands():
        done = shell(command, tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    (named,) = re.findall(r"`(runs/reports/\S+?\.md)`", PAGE.read_text(encoding="utf-8"))
    report = (tmp_path / named).read_text(encoding="utf-8")
    for name in ("`halfway`", "`halfway_rr`", "`dots`", "- dataset: reverse", "brief", "Gain by cost"):
        assert name in report, name
    again = shell(commands()[-1], tmp_path)
    assert again.returncode == 0
    assert "mine-smoke: 4 cells, 4 finished before" in again.stdout + again.stderr
