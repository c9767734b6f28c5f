"""The preloaded library that makes one call of a command go wrong: how it is compiled, told what to do, and read."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
VARIABLE = "FAULTS_CONTROL"
"""Environment variable with the path of the control block."""

OPERATIONS = ("open", "write", "rename", "fsync", "unlink", "mkdir", "truncate")  # as in shim.c
ACTIONS = {
    "kill-one": (1, 0),  # the process that makes the call dies
    "kill-all": (2, 0),  # every process of the command dies
    "half": (3, 0),  # half of the write is made, then the process dies
    "io-error": (4, errno.EIO),  # this call fails
    "disk-full": (5, errno.ENOSPC),  # this call and every later one that needs space fails
}
"""Name -> (code in shim.c, error number)."""


@dataclass(frozen=True)
class Call:
    """One call that a command made below its folder."""

    operation: str
    takes_space: bool
    path: str


def compiler() -> str | None:
    """The C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc")


def compiled(folder: Path) -> Path:
    """The library, compiled into a folder."""
    library, found = folder / "shim.so", compiler()
    if found is None:
        raise RuntimeError("no C compiler (cc or gcc) on this machine")
    if not library.exists():
        subprocess.run([found, "-O2", "-fPIC", "-shared", "-o", library, SOURCE, "-ldl"], check=True)
    return library


class _Block(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("mode", "action", "error", "operation", "wanted", "matched", "fired")),
        *((name, ctypes.c_int) for name in ("owner", "processes")),
        ("pids", ctypes.c_int * 1024),
        *((name, ctypes.c_char * 1024) for name in ("folder", "pattern", "log")),
    ]


class Control:
    """The control block: one at a time of `record`, `act` and `off` holds for every process that maps the file."""

    def __init__(self, path: Path) -> None:
        with path.open("w+b") as file:
            file.truncate(ctypes.sizeof(_Block))
            self._memory = mmap.mmap(file.fileno(), ctypes.sizeof(_Block))
        self._block = _Block.from_buffer(self._memory)

    def watch(self, folder: Path) -> None:
        """Note the processes that write below the folder, and nothing else."""
        self._arm(folder, 2, wanted=-1)

    def record(self, folder: Path, log: Path) -> None:
        """Write every call below the folder to a log."""
        log.unlink(missing_ok=True)
        self._block.log = str(log).encode()
        self._arm(folder, 1)

    def act(self, folder: Path, action: str, operation: str, pattern: str, count: int) -> None:
        """Take an action at the `count`-th call of an operation whose path below the folder matches the pattern."""
        self._block.action, self._block.error = ACTIONS[action]
        self._block.operation, self._block.pattern = OPERATIONS.index(operation), pattern.encode()
        self._arm(folder, 2, wanted=count)

    def off(self) -> bool:
        """Do nothing any more; whether the action was taken."""
        self._block.mode = 0
        return bool(self._block.fired)

    @property
    def pids(self) -> list[int]:
        """The processes that wrote below the folder so far."""
        return list(self._block.pids[: min(self._block.processes, 1024)])

    def _arm(self, folder: Path, mode: int, wanted: int = 0) -> None:
        block = self._block
        block.mode = 0
        block.matched = block.fired = block.processes = 0
        block.owner, block.folder, block.wanted = os.getpid(), str(folder).encode(), wanted
        block.mode = mode


def calls(log: Path) -> list[Call]:
    """What `record` wrote, in order."""
    if not log.exists():
        return []
    rows = (line.split("\t") for line in log.read_text(encoding="utf-8", errors="replace").splitlines())
    return [Call(operation, space == "1", path) for operation, space, path in rows]
