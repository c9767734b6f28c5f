"""The commit that a run records: that of the code, told to be changed where the code is, and not where a report is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASK = "from repro.tracking.environment import describe_environment as told; print(told()['commit'])"


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _told(root: Path) -> str:
    """What a fresh process says whose code lies in `root`."""
    asked = subprocess.run([sys.executable, "-B", "-c", ASK], cwd=root, check=True, capture_output=True, text=True)
    return asked.stdout.strip()


def test_a_commit_is_changed_where_its_code_is_and_not_where_a_report_is(tmp_path: Path) -> None:
    for name in ("__init__.py", "tracking/__init__.py", "tracking/environment.py"):
        (tmp_path / "repro" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "repro" / name, tmp_path / "repro" / name)
    (tmp_path / "repro/analysis").mkdir()
    for name in ("reports.md", "pyproject.toml", "repro/analysis/a.py"):
        (tmp_path / name).write_text("one")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    commit = _git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert _told(tmp_path) == commit
    (tmp_path / "reports.md").write_text("two")
    assert _told(tmp_path) == commit
    (tmp_path / "repro/analysis/a.py").write_text("two")
    assert _told(tmp_path) == f"{commit}-dirty"
