"""Keeps in the record of a run which damaged items of the cache its job had to make again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from repro.tracking.journal import Journal
from repro.training.ranks import Ranks


@contextmanager
def cache_repairs_recorded(run_dir: Path, ranks: Ranks | None) -> Iterator[None]:
    """Within the block, warnings of the cache go to the run's `repairs.jsonl` as well; rank 0 alone writes."""
    logger, handler = logging.getLogger("repro.cache"), _Recorder(Journal(run_dir))
    if ranks is None or ranks.main:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Recorder(logging.Handler):
    """Writes what is logged into a journal, which logs it in its turn."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self.journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        self.journal.repaired(record.getMessage())
