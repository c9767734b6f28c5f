"""A process that answers `are these two mathematical answers equal?`: started by path, so it imports nothing of ours.

One JSON list [gold, answer] per line on stdin, one JSON bool per line on stdout; it ends with its stdin.
Symbolic algebra can run for ever on a short input, also inside one C call that no Python signal handler interrupts.
So every comparison runs under the system's own timers, whose default action ends the process, and under a limit on
memory; the caller takes the end of the process for "not equal" and starts another.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import select
import signal
import sys
from typing import Any

MEMORY = 4 << 30  # bytes of address space


def equal(math_verify: Any, gold: str, answer: str) -> bool:
    """math-verify's word on two tidied answers; gold first, because its `verify` is not symmetric."""
    try:
        parsed = [math_verify.parse(f"\\boxed{{{text}}}", parsing_timeout=None) for text in (gold, answer)]
        return bool(math_verify.verify(*parsed, timeout_seconds=None))
    except Exception:
        return False


def main(cpu_seconds: float, wall_seconds: float) -> None:
    """Serve until stdin closes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    parent = os.getppid()
    logging.disable(logging.CRITICAL)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a stray print of a library must not pass for a reply
    import math_verify

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)  # nobody reads it any more, and a full pipe would block us
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    print("true", file=replies, flush=True)
    while os.getppid() == parent:
        if not select.select([sys.stdin], [], [], 5)[0]:
            continue
        line = sys.stdin.readline()
        if not line:
            return
        gold, answer = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        signal.setitimer(signal.ITIMER_REAL, wall_seconds)
        verdict = equal(math_verify, gold, answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(verdict), file=replies, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
