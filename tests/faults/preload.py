"""What the harness and the server of its jobs import once, so that a command in a forked process starts at once."""

from __future__ import annotations

import gc
import importlib
import os

from repro.tracking.client import prepare_environment
from tests.faults import broken

MODULES = (
    *("mlflow", "repro.training.job"),  # what the suite's own server of jobs imports
    *("repro.commands.registry", "repro.launch.run", "repro.sweep.run", "repro.analysis.page.report"),
    "mlflow.store.tracking.sqlalchemy_store",
)

prepare_environment()
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")  # a thread would not survive a fork
for name in MODULES:
    importlib.import_module(name)

gc.collect()
gc.freeze()  # a fork does not look at what was imported: its collections take milliseconds

if fault := os.environ.get(broken.VARIABLE):
    broken.FAULTS[fault]()
