"""Makes sqlite stores in forked processes and stops them: `python -m tests.tracking.creation FOLDER CASE ...`.

One process for all cases, because importing MLflow takes longer than making a store. A case is `SIGNAL:BYTES` (stop
when the unfinished file has so many), `SIGNAL:named` (when the store has its name), `full:BYTES` (no file may grow
larger) or `two` (two processes at once). Prints one JSON object per case.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from repro.tracking.client import away_errors, prepare_environment, reach
from repro.tracking.sqlite_store import state_of


def forked(body: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body()
            code = 0
        except KeyboardInterrupt:
            code = 130
        finally:
            os._exit(code)
    return pid


def make(path: Path) -> None:
    reach(f"sqlite:///{path}")


def with_small_files(path: Path, size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    make(path)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def run_case(case: str, path: Path) -> dict[str, object]:
    kind, _, moment = case.partition(":")
    if kind == "two":
        children = [forked(lambda: make(path)) for _ in range(2)]
    elif kind == "full":
        children = [forked(lambda: with_small_files(path, int(moment)))]
    else:
        children = [forked(lambda: make(path))]
        new, deadline = path.with_name(f".{path.name}.new"), time.monotonic() + 60
        while time.monotonic() < deadline:
            if path.exists() or (moment != "named" and size_of(new) >= int(moment)):
                break
            time.sleep(0.0005)
        os.kill(children[0], signal.Signals[kind])
    for child in children:
        os.waitpid(child, 0)
    after = state_of(path)
    os.waitpid(forked(lambda: make(path)), 0)
    left = sorted(file.name for file in path.parent.iterdir())
    return {"case": case, "after": after, "again": state_of(path), "left": left}


def main(folder: Path, cases: list[str]) -> None:
    prepare_environment()
    away_errors()  # imports what the children need
    from mlflow import MlflowClient  # noqa: F401
    from mlflow.store.tracking import sqlalchemy_store  # noqa: F401

    for number, case in enumerate(cases):
        path = folder / str(number) / "mlflow.db"
        path.parent.mkdir(parents=True)
        sys.stdout.write(json.dumps(run_case(case, path)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
