"""`--processes N`: the job of a cell starts N processes by `accelerate launch`, which train the cell together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import repro
from repro.errors import UserError
from repro.files import dump_json, write_atomically

if TYPE_CHECKING:
    from repro.launch.worker import Target

REQUEST = "ranks.json"
"""What a job tells its ranks, in the run directory."""
GRACE = 5.0  # seconds that the ranks have to stop before they are killed


def target_of(processes: int, config: Path | None) -> Target:
    """The target of jobs in which `processes` train a cell together. UserError as `checked`."""
    return partial(run_ranks, processes=processes, config=None if config is None else str(checked(config)))


def checked(config: Path) -> Path:
    """The absolute path of an accelerate configuration. UserError where accelerate cannot read it."""
    from accelerate.commands.config.config_args import load_config_from_file

    try:
        machines = load_config_from_file(str(config)).num_machines
    except Exception as error:  # it raises whatever its parser meets
        raise UserError(f"--accelerate: {config} is no configuration of accelerate: {error}") from error
    if machines > 1:
        raise UserError(
            f"--accelerate: {config} is for {machines} machines, expected num_machines 1; on several, call on each\n"
            f"  accelerate launch --config_file {config} -m repro.training.ranks_main SPEC.yaml:ARM:SEED"
        )
    return config.absolute()


def run_ranks(
    cell: Any, identity: str, run_dir: Path, runs_dir: Path, *, processes: int, config: str | None = None
) -> None:
    """Train one cell by `processes` ranks and return when it is done.

    Raises RuntimeError with the traceback of the rank that failed first, UserError where the cell cannot be split.
    """
    from repro.arithmetic import use_threads
    from repro.study.inputs import CellInputs
    from repro.training.prepare import cache_of, prepare
    from repro.training.ranks_main import RANK_ERROR
    from repro.training.split import check_ranks

    check_ranks(cell, processes)
    use_threads(cell.train.threads)
    prepare(cell, cache_of(cell, runs_dir, CellInputs(cell, identity, run_dir).check))
    error, request = run_dir / RANK_ERROR, run_dir / REQUEST
    error.unlink(missing_ok=True)
    what = {"cell": cell.model_dump(mode="json"), "identity": identity, "runs_dir": str(runs_dir)}
    write_atomically(request, dump_json(what), sync=False)  # each call writes it anew
    ranks = subprocess.Popen(launch_command(processes, config, [str(request)]), env=environment(os.environ))
    try:
        code = ranks.wait()
    finally:  # asked to stop: they end with their launcher
        ranks.terminate()
        try:
            ranks.wait(GRACE)
        except subprocess.TimeoutExpired:
            ranks.kill()
        request.unlink()  # it has the cell as it is, with what a record of it masks
    if code:
        found = error.read_text() if error.exists() else "no rank left a traceback: was one killed? See job.log\n"
        raise RuntimeError(f"the {processes} processes ended with exit code {code}\n{found}")


def launch_command(processes: int, config: str | None, arguments: list[str]) -> list[str]:
    """The command line of `accelerate launch` for ranks on this machine, on a free port."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--main_process_port", "0"]
    command += ["--num_processes", str(processes), "--num_machines", "1"]
    if config is None:
        command += ["--multi_gpu", "--mixed_precision", "no", "--dynamo_backend", "no"]
    else:
        command += ["--config_file", config]
    return [*command, "-m", "repro.training.ranks_main", *arguments]


def environment(before: Mapping[str, str]) -> dict[str, str]:
    """These environment variables, changed so that the ranks find this package from any folder."""
    places = [str(Path(repro.__file__).parents[1]), *filter(None, [before.get("PYTHONPATH")])]
    return {**before, "PYTHONPATH": os.pathsep.join(places)}
