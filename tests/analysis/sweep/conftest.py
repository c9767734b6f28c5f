"""Fixtures of this folder."""

from tests.tracking.stores import uri

__all__ = ["uri"]
