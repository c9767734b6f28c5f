"""A small warm-started policy that all tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.cache import Cache
from repro.models.model_spec import ModelSpec, TinyModel, WarmStart
from repro.models.policy import load_policy
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic

SMALL = TinyModel(width=32, layers=1, heads=2, warm_start=WarmStart(updates=120, batch_size=32, learning_rate=1e-2))
DATASET = DatasetSpec(arithmetic=Arithmetic(pool=32, test=16, validation=8))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def data():
    return DATASET.procedural.load()


@pytest.fixture(scope="session")
def small(cache, data):
    return load_policy(ModelSpec(tiny=SMALL), DATASET, data, cache)


@pytest.fixture(scope="session")
def saved(small) -> Path:
    return small.directory
