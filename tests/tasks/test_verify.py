"""Verification: math-verify where text cannot tell, in a process that can be killed and never hangs us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from repro.tasks.verify import MathVerifier

BOMB = "9^{9^{9^9}}"


@pytest.fixture(scope="module")
def verifier():
    with_worker = MathVerifier()
    yield with_worker
    with_worker.close()


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
    assert verifier._worker is None


def test_the_worker_has_not_imported_torch(verifier):
    assert verifier(r"\boxed{1+x}", "x+1")
    maps = [m.path for m in psutil.Process(verifier._worker.pid).memory_maps()]
    assert maps and not [path for path in maps if "/torch/" in path]


def test_running_out_of_time_is_wrong_cached_and_followed_by_right_verdicts():
    verifier = MathVerifier(seconds=0.5)
    assert not verifier(f"#### {BOMB}", "1")
    assert verifier.timeouts == 1
    start = time.monotonic()
    assert not verifier(f"#### {BOMB}", "1")
    assert time.monotonic() - start < 0.1
    assert verifier.timeouts == 1
    assert verifier(r"\boxed{1+x}", "x+1")
    verifier.close()


def test_a_bomb_kills_its_worker_although_nobody_waits_for_it():
    code = (
        "import os, signal, threading, time\n"
        "from repro.tasks.verify import MathVerifier\n"
        "v = MathVerifier(0.5)\n"
        "v(r'\\boxed{1+x}', 'x+1')\n"
        "print(v._worker.pid, flush=True)\n"
        f"threading.Thread(target=v, args=('#### {BOMB}', '1'), daemon=True).start()\n"
        "time.sleep(0.2)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert parent.returncode == -signal.SIGKILL
    wait_until_gone(int(parent.stdout))


def test_an_idle_worker_ends_with_its_parent():
    code = (
        "from repro.tasks.verify import MathVerifier\n"
        "v = MathVerifier()\n"
        "assert v(r'\\boxed{1+x}', 'x+1')\n"
        "print(v._worker.pid, flush=True)\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    wait_until_gone(int(parent.stdout))


def test_a_worker_ends_with_its_verifier():
    verifier = MathVerifier()
    assert verifier(r"\boxed{1+x}", "x+1")
    pid = verifier._worker.pid
    del verifier
    wait_until_gone(pid)


def test_a_worker_killed_from_outside_is_replaced(verifier):
    assert verifier(r"\boxed{1+y}", "y+1")
    os.kill(verifier._worker.pid, signal.SIGKILL)
    verifier._worker.wait()
    assert verifier(r"\boxed{1+z}", "z+1")


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
ours = v._worker.pid
v._lock.acquire()  # as if another thread were asking at the moment of the fork

def job(queue):
    verdict = v(r"\\boxed{2+x}", "x+2"), v(r"\\boxed{2+x}", "x+3")
    queue.put((verdict, v._worker.pid))
    v.close()

context = multiprocessing.get_context("fork")
queue = context.Queue()
child = context.Process(target=job, args=(queue,), daemon=True)
child.start()
verdict, theirs = queue.get(timeout=60)
child.join()
v._lock.release()
assert verdict == (True, False) and theirs != ours
assert v._worker.poll() is None and v(r"\\boxed{3+x}", "x+3") and v._worker.pid == ours
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert done.stdout.strip() == "fine", done.stderr


def test_a_time_limit_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="expected a positive"):
        MathVerifier(0)


def wait_until_gone(pid: int, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, f"worker {pid} is still there"
        time.sleep(0.05)
