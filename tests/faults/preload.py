"""What the harness and the server of its jobs import once, so that a command in a forked process starts at once."""

from __future__ import annotations

import gc
import os

import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

import analysis.page.report  # noqa: F401

gc.collect()
gc.freeze()  # a fork does not look at what was imported: its collections take milliseconds

if fault := os.environ.get(broken.VARIABLE):
    broken.FAULTS[fault]()
