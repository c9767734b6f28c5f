"""Delivers a run to MLflow while it trains; a store that is slow, locked or hangs costs it a few seconds in all.

What does not arrive in time is left to the launcher, which delivers every run that has ended.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from repro.files import DamagedError
from repro.tracking.address import resolve_store, sqlite_path
from repro.tracking.labels import Labels
from repro.tracking.store import deliver

log = logging.getLogger(__name__)

PATIENCE = 3.0  # seconds that a job waits for its store, over all its deliveries
WAIT_FOR_WRITERS = 1.5  # seconds that one delivery waits for others to finish writing


class LiveDelivery:
    """The deliveries of one job, in a thread of their own.

    A sqlite store is waited for as long as it takes data: each delivery bounds itself. For a server the job waits
    `PATIENCE` seconds in all. Then deliveries go on in the background, one at a time, and the job does not wait.
    """

    def __init__(self, run_dir: Path, labels: Labels, store_uri: str | None = None) -> None:
        self.run_dir, self.labels, self.uri = run_dir, labels, resolve_store(store_uri)
        self._left = PATIENCE
        self._thread: threading.Thread | None = None
        self._took_data = True

    def send(self, final: bool = False) -> None:
        """Deliver what is new; `final` once the run has ended. Returns when that is done or patience has run out."""
        if self._thread is not None:
            self._wait(self._thread, self._left if final else 0.0)
            if self._thread.is_alive():
                return
        self._thread = threading.Thread(target=self._deliver, args=(final,), name="live-delivery", daemon=True)
        self._thread.start()
        is_file = sqlite_path(self.uri) is not None
        self._wait(self._thread, None if is_file and self._left > 0 else self._left)

    def _deliver(self, final: bool) -> None:
        try:
            self._took_data = deliver(self.run_dir, self.labels, self.uri, final, WAIT_FOR_WRITERS)
        except DamagedError as error:
            log.warning("%s", error)  # the launcher tells the user

    def _wait(self, thread: threading.Thread, seconds: float | None) -> None:
        """Wait for a delivery; only time that brought nothing, or that a server took, uses up the patience."""
        began = time.monotonic()
        thread.join(seconds)
        if seconds is not None or not self._took_data:
            self._left = max(0.0, self._left - (time.monotonic() - began))
