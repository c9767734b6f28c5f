"""Verification: math-verify where text cannot tell, in processes that can be killed and never hang us."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from repro.errors import UserError
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.task import TaskVerifier
from repro.tasks.verify import MathVerifier, judge, undecided

BOMB = "9^{9^{9^9}}"


@pytest.fixture(scope="module")
def verifier():
    with_worker = MathVerifier(workers=1)
    yield with_worker
    with_worker.close()


def processes(verifier: MathVerifier) -> list[psutil.Process]:
    """The processes of a verifier and those they have forked to compute."""
    workers = [psutil.Process(worker.process.pid) for worker in verifier._pool.workers]
    return [process for worker in workers for process in (worker, *worker.children())]


@pytest.mark.parametrize(
    ("completion", "gold", "right"),
    [
        ("#### 72", "72", True),
        ("#### 73", "72", False),
        ("", "72", False),
        (r"\boxed{1+x}", "x+1", True),
        (r"\boxed{x-1}", "x+1", False),
        (r"\boxed{\sqrt{12}}", r"2\sqrt{3}", True),
        (r"\boxed{(1, 2)}", "(1,2)", True),
        (r"\boxed{(2,1)}", "(1,2)", False),
        (r"\boxed{\{2, 1\}}", r"\{1,2\}", True),
        (r"\boxed{\dfrac34}", r"\frac{3}{4}", True),
        (r"\boxed{x = 5}", "5", True),
        ("#### 0.333333", "1/3", True),
        ("#### 5 pi", "5", False),
        ("#### 10²", "102", False),
        ("#### 18 dollars and 50 cents", "50", False),
        (r"\boxed{\frac{1}{}", "1", False),
        (r"\boxed{]]\frac}", "1/2", False),
    ],
)
def test_completions_are_judged(verifier, completion, gold, right):
    assert verifier(completion, gold) is right


def test_plain_numbers_never_start_a_worker():
    verifier = MathVerifier()
    assert verifier("#### 72 eggs", "72") and not verifier("#### 1,081", "1080") and not verifier("none", "5")
    assert processes(verifier) == []


def test_a_worker_has_not_imported_torch(verifier):
    assert verifier(r"\boxed{1+x}", "x+1")
    maps = [m.path for m in processes(verifier)[0].memory_maps()]
    assert maps and not [path for path in maps if "/torch/" in path]


def test_running_out_of_time_is_wrong_counted_cached_and_followed_by_right_verdicts():
    verifier = MathVerifier(seconds=0.5)
    assert not verifier(f"#### {BOMB}", "1")
    asked = verifier._pool._asked
    assert verifier.undecided == {"time": 1}
    assert verifier.many([f"#### {BOMB}"] * 3, ["1"] * 3) == [False] * 3
    assert verifier.undecided == {"time": 4}  # completions, not comparisons
    assert verifier._pool._asked == asked
    first = processes(verifier)[0].pid
    assert verifier(r"\boxed{1+x}", "x+1")
    assert processes(verifier)[0].pid == first  # what ended is the process it had forked: nothing was imported again
    verifier.close()


@pytest.mark.parametrize(
    ("work", "outcome"),
    [
        ("bytearray(3 << 30)", "memory"),
        ("[0 for _ in iter(int, 1)]", "time"),
        ("time.sleep(600)", "wall"),
        ("os.abort()", "crash"),
        ("os.kill(os.getpid(), 9)", "killed"),
        ("open('flood', 'wb', 0).write(bytes(10**6))", "unequal"),
        ("print('[1, true]') or 1 / 0", "unequal"),
    ],
)
def test_whatever_a_comparison_does_it_ends_with_its_reason_and_the_next_is_answered(tmp_path, work, outcome):
    limits = "60, 1" if outcome == "wall" else "0.3, 600"  # seconds of CPU time, of wall time
    code = (
        f"import os, sys, time; sys.path.insert(0, {str(Path.cwd())!r})\n"
        "import repro.tasks.math_worker as worker\n"
        f"worker.equal = lambda gold, answer: {work} if gold == 'bomb' else True\n"
        "replies = os.dup(1)\n"
        "os.dup2(2, 1)\n"
        f"worker.supervise({limits}, 1 << 30, os.getppid(), replies)\n"
    )
    questions = '[1, "a", "a"]\n[2, "bomb", "a"]\n[3, "a", "a"]\n'
    done = subprocess.run(
        [sys.executable, "-c", code], input=questions, capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0
    assert done.stdout == f'[1, "equal"]\n[2, "{outcome}"]\n[3, "equal"]\n', done.stderr


def test_one_that_does_not_keep_its_own_limits_ends_by_wall_time_and_is_asked_again(monkeypatch):
    verifier = MathVerifier()
    assert verifier(r"\boxed{1+x}", "x+1")
    suspended = processes(verifier)
    for process in suspended:
        process.suspend()  # a process that stands still can keep no limit at all
    with monkeypatch.context() as patched:
        patched.setattr("repro.tasks.workers.wall_limit", lambda seconds: 0.0)
        patched.setattr("repro.tasks.workers.GRACE", 1.0)
        assert not verifier(r"\boxed{2+x}", "x+2")
    assert verifier.undecided == {"wall": 1}
    for process in suspended:
        wait_until_gone(process.pid)
    assert verifier(r"\boxed{2+x}", "x+2")  # what was the machine's doing is no fact about the answer
    assert verifier.undecided == {"wall": 1}
    verifier.close()


def test_what_is_killed_in_the_middle_of_an_answer_is_asked_once_more():
    verifier, verdicts = MathVerifier(seconds=1.5), []
    assert verifier(r"\boxed{1+x}", "x+1")
    for kills in (1, 2):
        bomb = f"#### {BOMB} + {kills}"
        asking = threading.Thread(target=lambda text=bomb: verdicts.append(verifier(text, "1")))
        asking.start()
        for _ in range(kills):
            kill_when_busy(verifier)
        asking.join(300)
        assert verdicts.pop() is False
    assert verifier.undecided == {"time": 1, "killed": 1}
    assert verifier(r"\boxed{1+w}", "w+1")
    verifier.close()


def test_a_bomb_kills_its_processes_although_nobody_waits_for_it():
    code = (
        "import os, psutil, signal, threading, time\n"
        "from repro.tasks.verify import MathVerifier\n"
        "v = MathVerifier(0.5)\n"
        "v(r'\\boxed{1+x}', 'x+1')\n"
        "pid = v._pool.workers[0].process.pid\n"
        "print(pid, psutil.Process(pid).children()[0].pid, flush=True)\n"
        f"threading.Thread(target=v, args=('#### {BOMB}', '1'), daemon=True).start()\n"
        "time.sleep(0.2)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    for pid in parent.stdout.split():
        wait_until_gone(int(pid))


def test_idle_processes_end_with_their_parent():
    code = (
        "import os, psutil, signal\n"
        "from repro.tasks.verify import MathVerifier\n"
        "v = MathVerifier()\n"
        "assert v(r'\\boxed{1+x}', 'x+1')\n"
        "pid = v._pool.workers[0].process.pid\n"
        "print(pid, psutil.Process(pid).children()[0].pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    for pid in parent.stdout.split():
        wait_until_gone(int(pid))


def test_processes_end_with_their_verifier():
    verifier = MathVerifier()
    assert verifier(r"\boxed{1+x}", "x+1")
    pids = [process.pid for process in processes(verifier)]
    assert len(pids) == 2
    del verifier
    for pid in pids:
        wait_until_gone(pid)


def test_a_worker_killed_from_outside_is_replaced(verifier):
    assert verifier(r"\boxed{1+y}", "y+1")
    for process in processes(verifier):
        process.kill()
    verifier._pool.workers[0].process.wait()
    assert verifier(r"\boxed{1+z}", "z+1")
    assert processes(verifier)[0].is_running()


def test_workers_that_die_one_after_the_other_end_in_an_error_and_not_in_a_storm(tmp_path, monkeypatch):
    starts = tmp_path / "starts"
    dying = tmp_path / "dies.py"
    dying.write_text(f"print('[]', flush=True)\nopen({str(starts)!r}, 'a').write('x')\ninput()\n")
    monkeypatch.setattr("repro.tasks.workers.SCRIPT", dying)
    verifier = MathVerifier(workers=2)
    golds = [f"x+{n}" for n in range(64)]
    with pytest.raises(UserError, match="give the job more memory"):
        verifier.many([rf"\boxed{{{n}+x}}" for n in range(64)], golds)
    assert 5 <= len(starts.read_text()) <= 8
    assert processes(verifier) == []


def test_a_worker_that_cannot_start_says_why(tmp_path, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text("import a_library_that_is_not_there\n")
    monkeypatch.setattr("repro.tasks.workers.SCRIPT", broken)
    with pytest.raises(UserError, match=r"did not start: .*a_library_that_is_not_there[\s\S]*pip install math-verify"):
        MathVerifier()(r"\boxed{1+x}", "x+1")


def test_a_worker_that_floods_its_pipe_is_ended(tmp_path, monkeypatch):
    flood = tmp_path / "flood.py"
    flood.write_text("print('[]', flush=True)\ninput()\nwhile True: print('1' * 1000, end='', flush=True)\n")
    monkeypatch.setattr("repro.tasks.workers.SCRIPT", flood)
    verifier = MathVerifier()
    assert not verifier(r"\boxed{1+x}", "x+1")
    assert verifier.undecided == {"killed": 1}
    verifier.close()


def test_threads_share_a_worker(verifier):
    verdicts: dict[int, bool] = {}

    def judge(number: int) -> None:
        verdicts[number] = verifier(rf"\boxed{{{number}+a}}", f"a+{number - number % 2}")

    threads = [threading.Thread(target=judge, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert verdicts == {n: n % 2 == 0 for n in range(6)}


def test_a_forked_daemonic_process_gets_a_worker_of_its_own_and_leaves_ours_alone():
    code = """
import multiprocessing, os, threading
from repro.tasks.verify import MathVerifier

v = MathVerifier()
assert v(r"\\boxed{1+x}", "x+1")
ours = v._pool.workers[0].process.pid
v._lock.acquire()  # as if another thread were asking at the moment of the fork

def job(queue):
    verdict = v(r"\\boxed{2+x}", "x+2"), v(r"\\boxed{2+x}", "x+3")
    queue.put((verdict, v._pool.workers[0].process.pid))
    v.close()

context = multiprocessing.get_context("fork")
queue = context.Queue()
child = context.Process(target=job, args=(queue,), daemon=True)
child.start()
verdict, theirs = queue.get(timeout=60)
child.join()
v._lock.release()
assert verdict == (True, False) and theirs != ours
assert v._pool.workers[0].process.poll() is None
assert v(r"\\boxed{3+x}", "x+3") and v._pool.workers[0].process.pid == ours
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert done.stdout.strip() == "fine", done.stderr


def test_limits_that_are_not_positive_are_refused():
    with pytest.raises(ValueError, match="expected a positive"):
        MathVerifier(0)
    with pytest.raises(ValueError, match="expected at least 1"):
        MathVerifier(workers=0)


@pytest.mark.parametrize("exact", [True, False])
def test_judging_many_is_judging_each(verifier, exact):
    judges = TaskVerifier(Arithmetic()) if exact else verifier
    completions, golds = ["#### 5", "#### 6", r"\boxed{1+x}", ""], ["5", "5", "x+1", "5"]
    assert judge(judges, completions, golds) == [judges(c, g) for c, g in zip(completions, golds, strict=True)]
    assert (undecided(judges) is None) is exact


def test_completions_and_gold_answers_must_pair_up(verifier):
    with pytest.raises(ValueError, match="zip"):
        verifier.many(["#### 5"], ["5", "6"])
    assert verifier.many([], []) == []


def kill_when_busy(verifier: MathVerifier) -> None:
    """Kill the computing process of a verifier's only worker once it works."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(psutil.NoSuchProcess):  # the one that was listed may have ended since
            computing = processes(verifier)[1:]
            if computing and computing[0].cpu_times().user > 0.2:
                computing[0].kill()
                wait_until_gone(computing[0].pid)
                return
        time.sleep(0.02)
    raise AssertionError("it never worked")


def wait_until_gone(pid: int, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end, f"worker {pid} is still there"
            time.sleep(0.05)
