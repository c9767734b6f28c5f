"""How messages name what was given and the nearest valid name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

LISTED = 80
"""Characters of a list of names in a message at most, where not stated otherwise."""


def plural(count: int, noun: str, many: str | None = None) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def nearest(word: object, names: Iterable[str]) -> str | None:
    """The valid name that `word` most resembles, or None."""
    by_lower = {name.lower(): name for name in names}
    near = get_close_matches(str(word).lower(), list(by_lower), n=1, cutoff=0.55)
    return by_lower[near[0]] if near else None


def did_you_mean(word: object, names: Iterable[str]) -> str:
    """`, did you mean NAME?` or nothing."""
    name = nearest(word, names)
    return f", did you mean {name}?" if name is not None else ""


def listed(names: Iterable[object], width: int = LISTED) -> str:
    """`a, b, c`; of a list longer than `width` characters the first names: `a, b and 12 more`."""
    words = [str(name) for name in names]
    if len(", ".join(words)) <= width:
        return ", ".join(words)
    kept = 1
    while len(", ".join(words[: kept + 1])) <= width:
        kept += 1
    return f"{', '.join(words[:kept])} and {len(words) - kept:,} more" if kept < len(words) else words[0]


def unknown(word: object, names: Sequence[str], what: str, told: bool = False) -> str:
    """`got WORD, expected WHAT (a, b, c)`, or `…, did you mean b?` in place of a long list.

    `told`: another message beside this one has listed the names.
    """
    hint = did_you_mean(word, names)
    among = f" ({listed(names)})" if names and not told and (len(names) <= 6 or not hint) else ""
    return f"got {show(word)}, expected {what}{among}{hint}"


def unwritable(text: str) -> bool:
    """Whether text holds NUL or half a character (a lone surrogate, which only an escape can bring in)."""
    return "\0" in text or any("\ud800" <= c <= "\udfff" for c in text)


def show(value: Any, width: int = 48) -> str:
    """A value as it would stand in YAML flow style, cut to `width` characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= width else text[: width - 1] + "…"
