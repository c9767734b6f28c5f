"""How commands end: exit codes and last words after system errors, closed pipes, signals and our own errors."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from repro.cli import main
from repro.commands.boundary import LENGTH, LINES, SIZE, screen
from repro.commands.registry import COMMANDS

ROOT = Path(__file__).parents[2]
GOOD = "name: study\nmodel: tiny\ndataset: arithmetic\narms: {full: {}}\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a spec, a file, a folder and a link that leads nowhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REPRO_RUNS", raising=False)
    (tmp_path / "spec.yaml").write_text(GOOD)
    (tmp_path / "file").write_text("words")
    (tmp_path / "utf_16").write_text("{}", encoding="utf-16")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("pipe", "pipe.jsonl"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "table.jsonl").write_text('{"completion": "1", "gold": "1"}\n')
    return tmp_path


LONG = "x" * 300


@pytest.mark.parametrize(
    ("words", "said"),
    [
        *(
            (f"{name} spec.yaml --runs file", "but file is a file")
            for name in ("run", "plan", "report", "status", "why")
        ),
        *((f"{name} spec.yaml --runs file/x", "but file is a file") for name in ("run", "sweep", "plan")),
        ("plan spec.yaml --runs link", "but link is a link that leads nowhere"),
        ("run spec.yaml --runs /proc/none", "/proc/none: does not exist"),
        (f"run spec.yaml --runs {LONG}", "the name is longer than the file system takes"),
        (f"plan spec.yaml --runs {LONG}", "the name is longer than the file system takes"),
        ("report spec.yaml --out file", "but file is a file"),
        ("predictor train spec.yaml --out file", "but file is a file"),
        ("warm-start --out file", "but file is a file"),
        ("warm-start --out /proc/none", "/proc/none: does not exist"),
        ("score --model tiny --dataset arithmetic --out folder", "--out: got folder, expected a file"),
        ("score --model tiny --dataset arithmetic --out file/x.csv", "--out: cannot write file/x.csv"),
        ("plan spec.yaml --throughput folder", "is a folder, expected a file"),
        ("plan spec.yaml --throughput /dev/zero", "--throughput: '/dev/zero' is larger than"),
        ("plan spec.yaml --throughput utf_16", "--throughput: utf_16: is UTF-16; expected UTF-8 text"),
        ("validate folder", "folder: is a directory"),
        ("validate link", "link: no such file"),
        ("validate /dev/zero", "/dev/zero: is larger than"),
        (f"validate {LONG}", "the name is longer than the file system takes"),
        ("validate pipe", "pipe: is a named pipe, expected a YAML file"),
        ("plan spec.yaml --throughput pipe", "'pipe' is a named pipe, expected a file of results"),
        ("predictor import pipe", "pipe: is a named pipe, expected a checkpoint"),
        ("grade table.jsonl --out pipe.jsonl", "--out: pipe.jsonl is a named pipe, expected a file"),
        (
            "score --model tiny --dataset arithmetic --export pipe.jsonl",
            "pipe.jsonl exists and is no export of `repro`",
        ),
    ],
)
def test_what_the_system_refuses_is_told_on_one_line_with_exit_code_2(
    place: Path, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(place.rglob("*"))
    assert main(words.split()) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert len(shown.err.splitlines()) <= 2 and "Traceback" not in shown.err
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("words", [["run", "spec.yaml", "--runs"], ["report", "spec.yaml", "--out"]])
def test_an_empty_word_is_no_folder(place: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, ""]) == 2
    assert f"argument {words[-1]}: got '', expected a folder" in capsys.readouterr().err


def test_an_error_of_this_program_is_one_screen_with_the_file_of_the_traceback(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("repro.study.status.status_rows", lambda *_: {}["no such key"])
    assert main(["status"]) == 70
    shown = capsys.readouterr().err
    assert "an error of this program" in shown and "KeyError: 'no such key'" in shown
    assert "Traceback" not in shown
    (file,) = re.findall(r"the traceback is in (\S+);", shown)
    assert "Traceback" in Path(file).read_text() and "status_rows" in Path(file).read_text()


@pytest.mark.parametrize("value", ["abc", "-1", "0", "1.5"])
def test_a_variable_that_a_library_fails_on_is_told_by_every_command(
    place: Path, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", value)
    assert main(["status"]) == 2
    told = f"HF_HUB_ETAG_TIMEOUT: got '{value}', expected a whole number of seconds >= 1\n"
    assert capsys.readouterr().err == told


def test_a_screen_is_short_and_has_no_control_characters() -> None:
    text = "\n".join(["\x1b[2J" + "y" * 5000, *(f"line {i}" for i in range(100))])
    shown = screen(text)
    assert "\x1b" not in shown and "\\x1b[2J" in shown
    lines = shown.splitlines()
    assert len(lines) == LINES + 1 and lines[-1] == "… and 65 more lines"
    assert max(map(len, lines)) <= LENGTH + 3 and len(shown) <= SIZE + LENGTH
    assert screen("ä → 🙂\tb") == "ä → 🙂\tb"


def test_the_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for code in ("0 ", "1 ", "2 ", "70 ", "130 "):
        assert f"\n  {code}" in shown
    readme = (ROOT / "README.md").read_text()
    assert all(f"`{code}`" in readme for code in (0, 1, 2, 70, 130, 143))


# ---------------------------------------------------------------- in a process of its own


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A bash command line in which `repro` stands for the suite."""
    line = command.replace("repro ", f"{sys.executable} -m repro ")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("repro schema > /dev/full", 2, "standard output could not be written: no space is left on the disk"),
        ("repro --help > /dev/full", 2, "standard output could not be written: no space is left on the disk"),
        ("PYTHONUNBUFFERED=1 repro --help > /dev/full", 2, "standard output could not be written"),
        ("repro plan spec.yaml >&-", 0, ""),
        ("repro plan spec.yaml 2>&1 | true; exit ${PIPESTATUS[0]}", 0, ""),
        ("repro plan none.yaml 2>&1 | true; exit ${PIPESTATUS[0]}", 2, ""),
        ("repro --help | true; exit ${PIPESTATUS[0]}", 0, ""),
    ],
)
def test_streams_that_take_nothing(place: Path, command: str, code: int, said: str) -> None:
    shown = shell(command, place)
    assert (shown.returncode, "Traceback" in shown.stderr) == (code, False), shown.stderr
    assert said in shown.stderr if said else shown.stderr == ""


@pytest.mark.parametrize("ends", [0, 1])
def test_a_console_that_lasts_tells_at_the_end_that_nobody_could_read_it(ends: int) -> None:
    text = "from repro.commands.boundary import guarded\nfrom repro.launch.terminal import make_console\n"
    text += "from repro.masking import mask_streams\nmask_streams()\n"
    text += f"def body():\n    make_console().print('x')\n    return {ends}\n"
    text += "raise SystemExit(guarded(body, str, list, True))\n"
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ended = subprocess.run([sys.executable, "-c", text], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == (ends or 2)
    assert ended.stderr.startswith("standard output could not be written: no space") and ended.stderr.count("\n") == 1


READERS = ["plan SPEC", *(f"{name} SPEC" for name in ("run", "report", "status", "validate", "sweep"))]
READERS += ["score --spec SPEC", "diagnose --spec SPEC", "predictor train SPEC"]


def waiting_for(words: str, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A command that reads a spec which never ends, as a shell's `<(...)`, and the end of the pipe that keeps it so."""
    reader, writer = os.pipe()

    def heed() -> None:  # a shell's background jobs ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-m", "repro", *words.replace("SPEC", f"/dev/fd/{reader}").split()], cwd=folder, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed,
        pass_fds=[reader],
    )  # fmt: skip
    ours, opened = Path(f"/proc/self/fd/{reader}").readlink(), Path(f"/proc/{process.pid}/fd")
    looks, deadline = 0, time.monotonic() + 30
    while looks < 5 and time.monotonic() < deadline:  # until it has opened the pipe and sleeps: only in reading it
        ends = 0
        for one in opened.iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                ends += one.readlink() == ours
        sleeps = psutil.Process(process.pid).status() == psutil.STATUS_SLEEPING
        looks = looks + 1 if ends > 1 and sleeps else 0
        time.sleep(0.02)
    os.close(reader)
    return process, writer


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, READERS[0]),
        (signal.SIGTERM, READERS[0]),
        *(pytest.param(signal.SIGTERM, words, marks=pytest.mark.slow) for words in READERS[1:]),
        pytest.param(signal.SIGHUP, READERS[0], marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_every_command_with_its_code_and_no_traceback(
    place: Path, number: signal.Signals, words: str
) -> None:
    process, writer = waiting_for(words, place)
    process.send_signal(number)
    _, shown = process.communicate(timeout=30)
    os.close(writer)
    assert process.returncode == 128 + number
    resumes = {one.name for one in COMMANDS if one.resumes}
    goes_on = "; the same command goes on from here" if words.split()[0] in resumes else ""
    assert shown == f"interrupted{goes_on}\n"


def test_only_commands_that_keep_their_work_promise_to_go_on() -> None:
    assert {one.name for one in COMMANDS if one.resumes} == {"run", "sweep", "score", "diagnose", "predictor"}


def test_every_command_that_reads_a_spec_is_among_those_interrupted() -> None:
    assert {words.split()[0] for words in READERS} == {one.name for one in COMMANDS} - {
        "schema",
        "warm-start",
        "grade",
        "verify",
        "why",  # knows a spec by its ending, which an open pipe has not
    }


@pytest.mark.parametrize(
    "body",
    [
        ["kill()", "time.sleep(5)"],
        ["try:", "    kill()", "except BaseException:", "    raise ValueError('a matrix')"],
        ["class Held:", "    def __del__(self):", "        kill()", "Held()", "time.sleep(5)"],
    ],
    ids=["raised", "made another error", "lost in a callback"],
)
def test_a_signal_that_a_library_turns_into_something_else_still_stops_the_command(body: list[str]) -> None:
    text = "import os, signal, time\nfrom repro.commands.boundary import guarded\n"
    text += "def kill():\n    os.kill(os.getpid(), signal.SIGTERM)\n"
    text += "def body():\n" + "".join(f"    {line}\n" for line in [*body, "return 0"])
    text += "raise SystemExit(guarded(body, str, list, True))\n"
    ended = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (143, "interrupted; the same command goes on from here\n")
