"""Delivers runs to MLflow in the background, so that a store that is slow or away never holds up a job."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from repro.files import DamagedError
from repro.launch.protocol import Outcome, Task, Watcher
from repro.masking import mask
from repro.tracking.labels import Labels

Pending = tuple[Path, Labels]  # a run directory, and what the study calls the run
STUCK = 20.0  # seconds after which one delivery is not waited for any longer at the end
IDLE = 120.0  # seconds after which a store that has taken nothing is not waited for any longer
TELL = 10.0  # seconds between two lines on what is still to be delivered


class MetricsDelivery:
    """One background thread with a queue; what the store does not take is kept and offered again at the end."""

    def __init__(self, store_uri: str | None = None, note: Callable[[str], None] = lambda text: None) -> None:
        self.store_uri, self.note = store_uri, note
        self._refused: list[Pending] = []
        self.damaged: dict[Path, str] = {}
        """Runs that no store can take, because their files are damaged: what is wrong, and the cure."""
        self._queue: queue.Queue[Pending | None] = queue.Queue()
        self._at_work: Pending | None = None
        self._last_end = self._last_taken = time.monotonic()  # of a delivery, and of one that the store took
        self._reached = False  # the store is made, or it is known whether it answers
        # A daemon: a store that does not answer must not keep the program alive after its last word.
        self._thread = threading.Thread(target=self._work, name="metrics-delivery", daemon=True)
        self._thread.start()

    def send(self, run_dir: Path, labels: Sequence[Labels]) -> None:
        """Deliver a run that has ended under each of its labels."""
        for each in labels:
            self._queue.put((run_dir, each))

    def close(self, limit: float | None = None) -> list[Pending]:
        """Finish, offering once more what was refused; returns what the store still lacks.

        It ends after `limit` seconds. Without a limit it goes on as long as the store takes data: many runs take
        minutes, and so does making the store on a busy machine. It ends sooner where one delivery hangs.
        """
        began = told = time.monotonic()
        self._queue.put(None)
        while self._thread.is_alive():
            self._thread.join(0.1)
            now = time.monotonic()
            until = max(self._last_taken, began) + IDLE if limit is None else began + limit
            stuck = self._reached and now > max(self._last_end, began) + STUCK
            if now > until or stuck:
                break
            if now > told + TELL and (left := len(self._lacking())) > 1:
                told = now
                self.note(f"delivering to the MLflow store: {left:,} to go")
        return self._lacking()

    def _lacking(self) -> list[Pending]:
        return self._refused + [item for item in [self._at_work, *self._queue.queue] if item is not None]

    def _work(self) -> None:
        from repro.tracking.client import reach

        reach(self.store_uri)  # while the first cells start: they find the store made, or it is known to hang
        self._last_end, self._reached = time.monotonic(), True
        while (delivery := self._queue.get()) is not None:
            self._at_work = delivery
            if not self._deliver(delivery):
                self._refused.append(delivery)
            self._at_work = None
        for delivery in list(self._refused):
            if self._deliver(delivery):
                self._refused.remove(delivery)

    def _deliver(self, delivery: Pending) -> bool:
        took = self._offer(delivery)
        self._last_end = time.monotonic()
        if took:
            self._last_taken = self._last_end
        return took

    def _offer(self, delivery: Pending) -> bool:
        from repro.tracking.store import deliver  # imports nothing heavy, but what it calls does: off the main thread

        try:
            return deliver(*delivery, self.store_uri, final=True)
        except DamagedError as error:
            self.damaged[delivery[0]] = str(error)
            return True  # offering it again would not help
        except Exception as error:
            self.note(mask(f"cannot deliver {delivery[0]}: {type(error).__name__}: {error}"))
            return False


class Delivering(Watcher):
    """Passes everything on to the display and delivers runs that have ended."""

    def __init__(self, display: Watcher, delivery: MetricsDelivery, labels: Mapping[str, Sequence[Labels]]) -> None:
        self.display, self.delivery, self.labels = display, delivery, labels

    def started(self, task: Task) -> None:
        self.display.started(task)

    def waiting(self, task: Task) -> None:
        self.display.waiting(task)

    def retried(self, task: Task, why: str) -> None:
        self.display.retried(task, why)

    def ended(self, outcome: Outcome) -> None:
        self.display.ended(outcome)
        if outcome.end not in ("not run", "submitted"):
            self.delivery.send(outcome.task.run_dir, self.labels[outcome.task.identity])

    def stopping(self) -> None:
        self.display.stopping()

    def tick(self) -> None:
        self.display.tick()
