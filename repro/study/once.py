"""Remembers what was made of sections that the cells of a study share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Once:
    """Makes something of the same objects once. It holds them, so that no other object can take their place."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]] = {}

    def of(self, what: str, make: Callable[[], Any], *objects: Any) -> Any:
        """What `make` gives for these very objects (not their values), made the first time."""
        key = (what, *map(id, objects))
        if key not in self._made:
            self._made[key] = (make(), objects)
        return self._made[key][0]
