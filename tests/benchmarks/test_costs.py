"""The costs in the guide are those that plan gives for the studies as they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "scale.md"
TABLE = re.compile(
    r"<!-- costs: begin -->\n(`python benchmarks/costs\.py (?P<options>[^`]+)`:.*?)\n<!-- costs: end -->", re.S
)


def test_the_table_of_the_guide_is_what_its_command_prints():
    found = TABLE.search(GUIDE.read_text(encoding="utf-8"))
    assert found is not None
    command = [sys.executable, "benchmarks/costs.py", *found["options"].split()]
    environment = {**os.environ, "PYTHONPATH": "."}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == found[1], f"write it anew: {' '.join(command[1:])} --write docs/scale.md"


def test_every_published_study_is_in_the_table():
    text = GUIDE.read_text(encoding="utf-8")
    studies = [path for name in ("dots_rr", "ufo_rl") for path in (ROOT / "experiments" / name).glob("*.yaml")]
    studies = [path for path in studies if "tiny" not in path.stem]
    assert len(studies) == 12
    for study in studies:
        assert f"| `{study.parent.name}/{study.name}` |" in text
