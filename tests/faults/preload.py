"""What the harness and the server of its jobs import once, so that a command in a forked process starts at once."""

from __future__ import annotations

import gc
import importlib
import os

from tests.faults import broken

MODULES = (
    "repro.launch.launchers.local.preload",  # what the suite's own server of jobs imports
    *("repro.commands.registry", "repro.launch.run", "repro.sweep.study", "analysis.page.report"),
    "mlflow.store.tracking.sqlalchemy_store",
)

for name in MODULES:
    importlib.import_module(name)

gc.collect()
gc.freeze()  # a fork does not look at what was imported: its collections take milliseconds

if fault := os.environ.get(broken.VARIABLE):
    broken.FAULTS[fault]()
