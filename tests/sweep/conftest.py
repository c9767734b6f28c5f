"""Fixtures of this folder."""

import pytest

from repro.launch.launchers.local import pool as pool_module
from tests.tracking.stores import uri

__all__ = ["uri"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that have ended are noticed at once."""
    monkeypatch.setattr(pool_module, "TICK", 0.05)
