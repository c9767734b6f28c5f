"""How wide text is in a figure, and texts that fit a width: names of arms may be long."""

from __future__ import annotations

import re
from functools import cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

FAMILY = "DejaVu Sans"

_PARTS = re.compile(r"[^\s_\-/,.]*[\s_\-/,.]?")
"""A line may end after any of these characters."""


@cache
def width_of(text: str, size: float, bold: bool = False) -> float:
    """Inches that one line of text takes at a size in points."""
    font = FontProperties(family=FAMILY, size=size, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def fitted(text: str, inches: float, size: float, lines: int = 1, bold: bool = False) -> str:
    """The text in at most so many lines of that width; of a longer one a part near the middle is left out."""
    kept = len(text)
    while kept:
        head, tail = text[: (kept + 2) // 3], text[len(text) - (kept - (kept + 2) // 3) :]
        found = _broken(text if kept == len(text) else f"{head}…{tail}", inches, size, bold)
        if len(found) <= lines:
            return "\n".join(found)
        kept -= 1
    return text


def _broken(text: str, inches: float, size: float, bold: bool) -> list[str]:
    """Lines of at most that width, broken after a space or sign, else anywhere. Breaks of the text itself stay."""
    out = []
    for paragraph in text.split("\n"):
        line = ""
        for part in filter(None, _PARTS.findall(paragraph)):
            if line and width_of((line + part).rstrip(), size, bold) > inches:
                out.append(line.rstrip())
                line = ""
            line += part
            while len(line) > 1 and width_of(line.rstrip(), size, bold) > inches:
                cut = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or width_of(line[:n], size, bold) <= inches)
                out.append(line[:cut])
                line = line[cut:]
        out.append(line.rstrip())
    return out
