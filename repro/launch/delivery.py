"""Delivers runs to MLflow in the background, so that a store that is slow or away never holds up a job."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from repro.files import DamagedError
from repro.tracking.labels import Labels

Pending = tuple[Path, Labels]  # a run directory, and what the study calls the run
PAUSE = 10.0  # seconds that a store which refused is left alone: a dead one would cost a time-out per run


class MetricsDelivery:
    """One background thread with a queue; what the store does not take is kept and offered again at the end."""

    def __init__(self, store_uri: str | None = None, note: Callable[[str], None] = lambda text: None) -> None:
        self.store_uri, self.note = store_uri, note
        self._refused: list[Pending] = []
        self.damaged: dict[Path, str] = {}
        """Runs that no store can take, because their files are damaged: what is wrong, and the cure."""
        self._queue: queue.Queue[Pending | None] = queue.Queue()
        self._at_work: Pending | None = None
        # A daemon: a store that does not answer must not keep the program alive after its last word.
        self._thread = threading.Thread(target=self._work, name="metrics-delivery", daemon=True)
        self._thread.start()

    def send(self, run_dir: Path, labels: Sequence[Labels]) -> None:
        """Deliver a run that has ended under each of its labels."""
        for each in labels:
            self._queue.put((run_dir, each))

    def close(self, timeout: float) -> list[Pending]:
        """Finish, offering once more what was refused; returns what the store still lacks after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            waiting = [item for item in [self._at_work, *self._queue.queue] if item is not None]
            return [*self._refused, *waiting]
        for position, delivery in enumerate(self._refused):
            if time.monotonic() > deadline or not self._deliver(delivery):
                return self._refused[position:]  # it is still away: do not wait for every run in turn
        return []

    def _work(self) -> None:
        paused_until = 0.0
        while (delivery := self._queue.get()) is not None:
            self._at_work = delivery
            if time.monotonic() >= paused_until:
                if self._deliver(delivery):
                    continue
                paused_until = time.monotonic() + PAUSE
            self._refused.append(delivery)

    def _deliver(self, delivery: Pending) -> bool:
        from repro.tracking.store import deliver  # imports nothing heavy, but what it calls does: off the main thread

        try:
            return deliver(*delivery, self.store_uri, final=True)
        except DamagedError as error:
            self.damaged[delivery[0]] = str(error)
            return True  # offering it again would not help
        except Exception as error:
            self.note(f"cannot deliver {delivery[0]}: {type(error).__name__}: {error}")
            return False
