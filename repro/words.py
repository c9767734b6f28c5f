"""How messages name what was given and the nearest valid name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any


def nearest(word: object, names: Iterable[str]) -> str | None:
    """The valid name that `word` most resembles, or None."""
    by_lower = {name.lower(): name for name in names}
    near = get_close_matches(str(word).lower(), list(by_lower), n=1, cutoff=0.55)
    return by_lower[near[0]] if near else None


def did_you_mean(word: object, names: Iterable[str]) -> str:
    """`, did you mean NAME?` or nothing."""
    name = nearest(word, names)
    return f", did you mean {name}?" if name is not None else ""


def unknown(word: object, names: Sequence[str], what: str) -> str:
    """`got WORD, expected WHAT (a, b, c)`, or `…, did you mean b?` in place of a long list."""
    hint = did_you_mean(word, names)
    listed = f" ({', '.join(names)})" if names and (len(names) <= 6 or not hint) else ""
    return f"got {show(word)}, expected {what}{listed}{hint}"


def unwritable(text: str) -> bool:
    """Whether text holds NUL or half a character (a lone surrogate, which only an escape can bring in)."""
    return "\0" in text or any("\ud800" <= c <= "\udfff" for c in text)


def show(value: Any, width: int = 48) -> str:
    """A value as it would stand in YAML flow style, cut to `width` characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= width else text[: width - 1] + "…"
