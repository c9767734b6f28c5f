"""What lies in the repository stays light: anyone who clones it pays for every report in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALL, ONE = 30_000_000, 1_000_000
"""Bytes of `reports/`, and of any file there."""


def test_reports_hold_thirty_megabytes_at_most_and_no_file_one() -> None:
    listed = subprocess.run(["git", "ls-files", "reports"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git repository: nothing says which files belong to it")
    sizes = {name: (ROOT / name).stat().st_size for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    assert sizes, "no report is committed"
    assert {name: size for name, size in sizes.items() if size > ONE} == {}
    assert sum(sizes.values()) <= ALL


def test_committed_pages_hold_no_pictures_and_find_theirs_beside_them() -> None:
    pages = sorted((ROOT / "reports").glob("*/report.html"))
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "data:image" not in text
        pictures = re.findall(r'<img src="([^"]+)"', text)
        assert pictures and all((page.parent / picture).exists() for picture in pictures)
