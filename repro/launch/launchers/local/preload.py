"""What the fork server imports once, so that no job pays for it again (about six seconds each).

Only imports: a thread pool or a CUDA context made here would be broken in every job forked from it.
"""

from __future__ import annotations

import os

from repro.tracking.client import prepare_environment

prepare_environment()
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")  # pyarrow's allocator would start one

import mlflow  # noqa: E402, F401

import repro.training.job  # noqa: E402, F401

nothing = os.open(os.devnull, os.O_RDWR)
for standard in (0, 1, 2):  # the server has nothing to say on the terminal; jobs have their logs
    os.dup2(nothing, standard)
os.close(nothing)
