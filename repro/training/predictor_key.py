"""Names what is cached of a difficulty predictor: its labels and its towers."""

from __future__ import annotations

from typing import Any

from repro.canonical import digest

VERSION = 5
"""Enters every key: raise it when the same fields would give other labels or towers."""


def predictor_key(**what: Any) -> str:
    """Digest of the fields that decide what is cached."""
    return digest({"version": VERSION, **what})
