"""Jobs with a known objective, so that a test knows the best trial."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from pathlib import Path

from repro.errors import UserError
from repro.spec.schema import Cell
from repro.tracking.journal import Journal

BEST = 1e-3


def known(learning_rate: float, seed: int) -> float:
    """Highest at `BEST`, symmetric in the logarithm, and better by 0.01 for an even seed."""
    return 0.8 - 0.2 * math.log10(learning_rate / BEST) ** 2 + 0.01 * (1 - seed % 2)


def tokens(cell: Cell) -> float:
    """What a run spends: more for a higher learning rate, so that accuracy and tokens disagree below `BEST`."""
    return 1e6 * cell.train.learning_rate + cell.train.questions_per_step


def may_pass(runs_dir: Path) -> bool:
    """Five jobs get past the file `hold`, one per name that only one of them can make."""
    for number in range(5):
        try:
            (runs_dir / f"pass-{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False


def job(cell: Cell, identity: str, run_dir: Path, runs_dir: Path) -> None:
    """Two evaluations on validation questions, 0.1 apart; the file `fail` or `hold` in the runs directory has it so."""
    assert cell.evaluate.sets == ("validation",), "a sweep looks at validation questions only"
    journal = Journal(run_dir)
    journal.start(cell, identity)
    journal.truncate(-1)
    if (runs_dir / "fail").exists() and cell.train.learning_rate < BEST:
        raise MemoryError("too much")
    if (runs_dir / "mistake").exists():
        raise UserError("train.learning_rate: too high")
    if (runs_dir / "terminate").exists():
        os.kill(os.getpid(), signal.SIGTERM)
    with contextlib.suppress(FileNotFoundError):
        (runs_dir / "kill-one").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    (run_dir / "trained").touch()
    while (runs_dir / "hold").exists() and not may_pass(runs_dir):
        time.sleep(0.05)
    value = known(cell.train.learning_rate, cell.seed)
    journal.log(0, {"eval/validation": value - 0.1, "eval/accuracy": 0.99})
    journal.log(cell.train.steps, {"eval/validation": value, "cost/generated_tokens": tokens(cell)})
    journal.finish({})
