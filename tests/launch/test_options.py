"""The options that say where jobs run: what is understood, and how a mistake is explained before anything is loaded."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from repro.cli import build_parser, main
from repro.errors import UserError
from repro.launch.devices import default_jobs
from repro.launch.launchers import launchers
from repro.launch.launchers.local import Local
from repro.launch.launchers.ray import Ray
from repro.launch.launchers.slurm import Slurm, slurm_parameters
from repro.launch.options import where
from repro.launch.where import Option, Where, owners

ROOT = Path(__file__).parents[2]
SPEC = str(ROOT / "experiments" / "quickstart.yaml")


def parsed(*words: str, command: str = "run") -> Where:
    return where(build_parser()[0].parse_args([command, SPEC, *words]))


def test_without_options_jobs_run_here_as_many_as_there_is_room_for() -> None:
    place = parsed()
    assert place == Local() and place.local_jobs == default_jobs()
    assert parsed("--jobs", "3").words() == "3 at a time"


def test_a_ray_job_may_have_a_share_of_a_gpu() -> None:
    words = ("--launcher", "ray", "--cpus-per-job", "4", "--gpus-per-job", "0.25", "--ray-address", "head:6379")
    place = parsed(*words, "--retries", "0", command="sweep")
    assert isinstance(place, Ray)
    assert (place.cpus_per_job, place.gpus_per_job, place.ray_address, place.retries) == (4, 0.25, "head:6379", 0)
    assert parsed("--launcher", "ray", "--jobs", "8").words() == "on Ray, 8 at a time"


def test_slurm_parameters_are_numbers_where_sbatch_wants_numbers() -> None:
    place = parsed("--launcher", "slurm", "--slurm", "time=240", "--slurm", "gpus=1", "--slurm", "mem=32GB", "--detach")
    assert isinstance(place, Slurm)
    assert place.slurm == {"executor": "slurm", "time": 240, "gpus": 1, "mem": "32GB"} and place.detach
    assert place.words() == "on SLURM"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gpus-per-job", "1"], "--gpus-per-job: got it with --launcher local, expected --launcher ray"),
        (["--launcher", "ray", "--slurm", "time=1"], "--slurm: got it with --launcher ray, expected --launcher slurm"),
        (["--launcher", "ray", "--detach"], "--detach: got it with --launcher ray, expected --launcher slurm"),
        (["--retries", "1"], "--retries: got it with --launcher local, expected --launcher ray or slurm"),
        (["--launcher", "slurm"], "--slurm time: missing, expected minutes per job"),
        (["--launcher", "slurm", "--slurm", "executor=local", "--detach"], "--detach: got --slurm executor=local"),
        (["--launcher", "ray", "--gpus-per-job", "1.5"], "got '1.5', expected a whole number or a share"),
        (["--launcher", "ray", "--cpus-per-job", "0"], "got '0', expected a whole number or a share"),
        (["--launcher", "flux"], "invalid choice: 'flux'"),
        (["--launcher", "ray", "--gpus-per-job", "1", "--processes", "8"], "--gpus-per-job: got 1 with --processes 8"),
        (
            ["--launcher", "slurm", "--slurm", "time=9", "--slurm", "gpus=1", "--processes", "8"],
            "--slurm gpus: got 1 with --processes 8",
        ),
    ],
)
def test_options_that_do_not_fit_the_launcher_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parsed(*words)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("time", "got 'time', expected KEY=VALUE"),
        ("partitoin=gpu", "got key 'partitoin', .* did you mean partition?"),
        ("array_parallelism=4", "did you mean the option --jobs?"),
        ("time=1:00", "--slurm time: got '1:00', expected whole minutes"),
        ("time=0", "--slurm time: got '0'"),
        ("executor=pbs", "--slurm executor: got 'pbs', expected slurm or local"),
    ],
)
def test_a_mistake_in_a_slurm_parameter_is_named(word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        slurm_parameters([word])


def test_a_launcher_that_is_not_installed_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for launcher, words in (("ray", []), ("slurm", ["--slurm", "time=1"])):
        monkeypatch.setattr(launchers()[launcher], "NEEDS", ("no_such_package", launcher))
        assert main(["run", SPEC, "--launcher", launcher, *words]) == 2
        assert f"pip install 'repro[{launcher}]'" in capsys.readouterr().err


def test_a_machine_without_slurm_is_named_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "repro", "run", SPEC, "--smoke", "--runs", str(tmp_path), "-S", "seeds=[0]"]
    done = subprocess.run(
        [*command, "--launcher", "slurm", "--slurm", "time=5"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "found no srun" in done.stderr and "executor=local" in done.stderr and "Traceback" not in done.stderr


SCRIPT = """
    import argparse, sys
    from dataclasses import dataclass
    import repro.launch.launchers as package
    package.__path__.append(sys.argv[1])
    from repro.launch.options import add_launch_options, where
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int)
    add_launch_options(parser, detach=True)
    asked = where(parser.parse_args(["--launcher", "flux", "--queue", "night", "--retries", "1"]))
    print(asked.words(), asked.retries)
    where(parser.parse_args(["--queue", "night"]))
"""
FLUX = """
    from dataclasses import dataclass
    from repro.launch.where import RETRIES, Option, Where

    @dataclass(frozen=True)
    class Flux(Where):
        NAME, HELP, OPTIONS = "flux", "a Flux cluster", (RETRIES, Option("--queue", "its queue", ()))
        queue: str = "day"
        retries: int = 0

        def words(self):
            return f"on Flux in queue {self.queue}"

        def _launcher(self, *arguments): ...

    LAUNCHER = Flux
"""


def test_a_new_launcher_is_one_new_file(tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "flux.py").write_text(textwrap.dedent(FLUX))
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.stdout == "on Flux in queue night 1\n"
    assert "UserError: --queue: got it with --launcher local, expected --launcher flux" in done.stderr


def test_launchers_that_mean_different_things_by_one_option_are_refused() -> None:
    class Other(Local):
        OPTIONS = (Option("--retries", "something else", ()),)

    with pytest.raises(ValueError, match="different options of one flag"):
        owners({**launchers(), "other": Other})


def test_the_help_names_the_launchers_of_each_option_and_detach_is_for_commands_that_need_not_stay() -> None:
    parsers = build_parser()[1]
    run, sweep = (parsers[name].format_help().replace("\n", " ") for name in ("run", "sweep"))
    assert "ray, slurm: new attempts" in " ".join(run.split())
    assert "--detach" in run and "--detach" not in sweep
