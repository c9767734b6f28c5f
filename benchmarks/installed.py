"""The environment in which a working tree runs as an installed program does: its code is compiled once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def environment(tree: Path, folder: Path) -> dict[str, str]:
    """Environment variables for commands of `tree` on one thread; the compiled code goes below `folder`."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables |= {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    variables |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    subprocess.run([sys.executable, "-m", "compileall", "-q", "repro"], cwd=tree, env=variables, check=True)
    return variables
