"""One of the processes that train a cell together; `accelerate launch` starts them, on one machine or on several that
share the folder of runs.

    accelerate launch --config_file experiments/accelerate/fsdp.yaml -m repro.training.ranks_main SPEC.yaml:ARM:SEED

In place of a spec's cell a job of `repro run --processes N` names the file with its request.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout

from repro.arguments import folder
from repro.errors import UserError
from repro.masking import mask, mask_streams
from repro.spec.schema import Cell
from repro.tracking.damage import damaged_run, run_damage
from repro.tracking.journal import Journal
from repro.tracking.run_status import run_lock, run_status

RANK_ERROR = "rank_error.txt"
"""Traceback of the rank that failed first, in the run directory."""
LOOK = 0.2  # seconds between looks at the launcher


@dataclass(frozen=True)
class Request:
    """The cell to train. `locked`: a job holds the run's lock for its ranks and says what went wrong."""

    cell: Cell
    identity: str
    run_dir: Path
    runs_dir: Path
    locked: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one cell as the rank that the environment says; the exit code is 0 only where the run is finished."""
    threading.Thread(target=_end_with_launcher, args=(os.getppid(),), name="launcher-watch", daemon=True).start()
    mask_streams()
    request: Request | None = None
    try:
        request = read_request(arguments)
        _train(request)
        return 0
    except BaseException:
        text = mask(traceback.format_exc())
        sys.stderr.write(text)
        if request is not None:
            _report(request, text)
        return 1


def read_request(arguments: Sequence[str] | None = None) -> Request:
    """The request that the command line names. UserError where it is not one cell of a spec."""
    parser = argparse.ArgumentParser(prog="accelerate launch -m repro.training.ranks_main", description=__doc__)
    parser.add_argument("cell", metavar="SPEC.yaml:ARM:SEED", help="the cell of a study to train")
    parser.add_argument(
        "-S", "--set", action="append", default=[], metavar="PATH=VALUE", help="set a field of the spec"
    )
    default = os.environ.get("REPRO_RUNS") or "runs"
    parser.add_argument("--runs", type=folder, default=default, metavar="DIR", help="where runs are kept")
    options = parser.parse_args(arguments)
    if options.cell.endswith(".json"):
        path = Path(options.cell)
        what = json.loads(path.read_text())
        cell = Cell.model_validate_json(json.dumps(what["cell"]))
        return Request(cell, what["identity"], path.parent, Path(what["runs_dir"]), locked=True)
    from repro.study.expand import expand_study
    from repro.study.load import load_spec

    path, _, wanted = options.cell.rpartition(".yaml:")
    arm, _, seed = wanted.partition(":")
    cells = expand_study(load_spec(f"{path}.yaml", options.set).spec) if path else []
    found = [each for each in cells if any(p.arm == arm and str(p.seed) == seed for p in each.places)]
    if len(found) != 1:
        raise UserError(f"got {options.cell!r}, which names {len(found)} cells, expected one as SPEC.yaml:ARM:SEED")
    runs = options.runs.absolute()
    return Request(found[0].cell, found[0].identity, runs / found[0].identity, runs, locked=False)


def _train(request: Request) -> None:
    import torch
    from accelerate import PartialState

    PartialState(cpu=not torch.cuda.is_available())  # sets up the process group, and this rank's GPU as the current one
    from repro.tracking.client import prepare_environment
    from repro.training.job import run_job
    from repro.training.prepare import cache_of, check_prepared
    from repro.training.ranks import Ranks

    ranks = Ranks.of_this_process()
    prepare_environment()
    check_prepared(request.cell, cache_of(request.cell, request.runs_dir))
    lock: Any = nullcontext()
    if not request.locked and ranks.main:
        (request.run_dir / RANK_ERROR).unlink(missing_ok=True)
        lock = run_lock(request.run_dir).acquire(timeout=1.0)
    with lock:
        ranks.wait()
        status = run_status(request.run_dir)
        if status == "damaged":
            raise damaged_run(request.run_dir, run_damage(request.run_dir))
        if status != "finished":
            run_job(request.cell, request.identity, request.run_dir, request.runs_dir, ranks)
        ranks.wait()  # nobody leaves while another still needs it


def _report(request: Request, text: str) -> None:
    """Leave the traceback, unless another rank has failed before: the others then fail for want of that one."""
    whole = f"rank {os.environ.get('RANK', '0')} of {os.environ.get('WORLD_SIZE', '1')} failed\n{text}"
    try:
        with (request.run_dir / RANK_ERROR).open("x") as file:  # needs no disk: the launcher reads it at once
            file.write(whole)
    except FileExistsError:
        return
    if not request.locked and not isinstance(sys.exc_info()[1], Timeout):
        Journal(request.run_dir).fail(whole)


def _end_with_launcher(launcher: int) -> None:
    """Die with the launcher, however it dies: it starts each rank in a session of its own, where no signal to its
    group arrives, and a rank that nobody watches would go on writing."""
    while os.getppid() == launcher:
        time.sleep(LOOK)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # not sys.exit, which would wait for collectives that no other rank joins any more
