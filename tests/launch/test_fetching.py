"""What the hub would have to give is told before any job starts, at once, where the hub cannot be reached."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils import get_session

from repro import hub
from repro.errors import UserError
from repro.launch.fetching import check_fetchable
from repro.spec.schema import Cell
from repro.study.expand import expand
from repro.study.load import parse_spec


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No caches, no proxies, and a hub at an address where nothing listens."""
    for name in ("REPRO_DATA", "HF_HUB_ETAG_TIMEOUT", "HF_DATASETS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("HF_HUB_OFFLINE", False),
        ("HF_HOME", str(tmp_path / "hf")),
        ("HF_HUB_CACHE", str(tmp_path / "hub")),
        ("ENDPOINT", "http://127.0.0.1:9"),
    ):
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setenv("NO_PROXY", "*")
    get_session()  # the library takes its time to be imported
    hub._asked.cache_clear()
    yield
    hub._asked.cache_clear()


def cells(**changes: object) -> list[Cell]:
    return expand(parse_spec({"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"full": {}}, **changes}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"hub": "nobody/nothing"}}, "model.hub: 'nobody/nothing' did not load: no connection to http"),
        ({"dataset": {"hub": "nobody/rows"}}, "dataset nobody/rows: cannot be loaded from the hub (no connection"),
        ({"dataset": "gsm8k"}, "export REPRO_DATA=DIR"),
        ({"evaluate": {"benchmarks": ["aime24"]}}, "cannot be loaded from the hub (no connection"),
        ({"model": "smollm2-360m"}, "expected a connection to the hub, or its files in the local Hugging Face cache"),
    ],
)
def test_what_cannot_be_fetched_is_told_within_seconds(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        check_fetchable(cells(**changes), tmp_path)
    assert said in str(caught.value)
    assert time.monotonic() - began < 10


def test_what_is_made_here_or_stands_in_needs_no_hub(tmp_path: Path) -> None:
    check_fetchable(cells(), tmp_path)
    check_fetchable(cells(model={"hub": "nobody/nothing", "stand_in": True}), tmp_path)
    check_fetchable(cells(dataset={"named": "gsm8k", "stand_in": True}), tmp_path)


def test_what_the_cache_holds_is_left_to_the_job(tmp_path: Path) -> None:
    (tmp_path / "hub" / "datasets--nobody--rows").mkdir(parents=True)
    check_fetchable(cells(dataset={"hub": "nobody/rows"}), tmp_path)


def test_a_hub_that_takes_connections_and_answers_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=server.accept, daemon=True).start()
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "1")
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub.why_unreachable() is None


def test_a_name_server_that_does_not_answer_costs_no_more_than_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.1")
    monkeypatch.setattr("repro.hub._try", lambda *_: time.sleep(20))
    began = time.monotonic()
    assert "within 0.1 s (HF_HUB_ETAG_TIMEOUT=30 waits longer)" in str(hub.why_unreachable())
    assert time.monotonic() - began < 5
