"""Whether the hub can be reached: one short request, where the libraries that fetch try again for most of a minute."""

from __future__ import annotations

import os
import threading
import time
from functools import lru_cache
from pathlib import Path

from repro.errors import UserError

PATIENCE = 8.0
"""Seconds in which a connection must stand; HF_HUB_ETAG_TIMEOUT, which the libraries heed, may say another number."""
NO_CONNECTION = ("Connect", "Proxy", "UnsupportedProtocol", "InvalidURL")
"""How the names of errors begin after which trying again is no use. Any other may come from a slow connection."""

WHOLE_NUMBERS = ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT")
"""Variables of the environment that huggingface_hub reads when it is imported, and fails on in words of its own."""


def check_environment() -> None:
    """UserError for a variable of the environment with which the libraries cannot be imported."""
    for name in WHOLE_NUMBERS:
        text = os.environ.get(name)
        if text and not (text.isascii() and text.isdecimal() and int(text[:9]) > 0 and len(text) < 9):
            raise UserError(f"{name}: got {text[:40]!r}, expected a whole number of seconds >= 1")


def why_unreachable() -> str | None:
    """Why nothing can be fetched from the hub; None where it answers, or may be slow only. Asked once in a process."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set, so nothing is fetched"
    return _asked(str(constants.ENDPOINT), patience())


def patience() -> float:
    """Seconds that a connection may take."""
    try:
        return float(os.environ["HF_HUB_ETAG_TIMEOUT"])
    except (KeyError, ValueError):
        return PATIENCE


def model_is_here(hub: str, revision: str | None) -> bool:
    """Whether the local Hugging Face cache has files of a model."""
    from huggingface_hub import try_to_load_from_cache

    try:
        return isinstance(try_to_load_from_cache(hub, "config.json", revision=revision), str)
    except ValueError:  # not the form of a hub id
        return Path(hub).is_dir()


def dataset_is_here(hub: str) -> bool:
    """Whether one of the library's caches has something of a dataset, so that it may load without the hub."""
    from huggingface_hub import constants

    tables = os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets"
    files = Path(constants.HF_HUB_CACHE) / f"datasets--{hub.replace('/', '--')}"
    return Path(hub).exists() or files.is_dir() or (Path(tables) / hub.replace("/", "___")).is_dir()


@lru_cache(maxsize=4)
def _asked(endpoint: str, seconds: float) -> str | None:
    """In a thread of its own: looking up a name knows no time limit."""
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(_try(endpoint, seconds)), daemon=True)
    thread.start()
    thread.join(seconds + 1)
    if not found:
        return f"no connection to {endpoint} within {seconds:g} s (HF_HUB_ETAG_TIMEOUT=30 waits longer)"
    return found[0] and f"no connection to {endpoint}: {found[0]}"


def _try(endpoint: str, seconds: float) -> str | None:
    """What stands in the way, seen twice: a network that comes up may refuse the first request."""
    from huggingface_hub.utils import get_session

    began = time.monotonic()
    reason: str | None = None
    for _ in range(2):
        try:
            get_session().head(endpoint, timeout=seconds)
            return None
        except Exception as error:  # of whichever client the library has
            kind = type(error).__name__
            if not kind.startswith(NO_CONNECTION):
                return None
            reason = " ".join(str(error).split()) or kind
        if time.monotonic() - began > 1:
            break
        time.sleep(0.5)
    return reason
