"""Colours mixed with white or black, and letters that stand out from what they are written on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes


def mixed(colour: str, share: float) -> str:
    """The colour mixed with so much white, or with black where `share` is below 0."""
    towards = 255 if share > 0 else 0
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(part + abs(share) * (towards - part)):02X}" for part in parts)


def _luminance(parts: Sequence[float]) -> float:
    """Relative luminance of red, green and blue in 0..1 (WCAG 2)."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def readable(colour: str) -> str:
    """The colour for letters on white: darker where its contrast is below 4.5 to 1."""
    dark = colour
    for step in range(1, 20):
        if 1.05 / (0.05 + _luminance([int(dark[i : i + 2], 16) / 255 for i in (1, 3, 5)])) >= 4.5:
            break
        dark = mixed(colour, -0.05 * step)
    return dark


def written_fields(axis: Axes) -> None:
    """Numbers in the fields of a heat map that seaborn drew: black or white, whichever stands out more."""
    mesh = axis.collections[0]
    shown = ~np.ma.getmaskarray(np.ma.asarray(mesh.get_array())).ravel()
    for text, face in zip(axis.texts, np.asarray(mesh.get_facecolor())[shown], strict=True):
        text.set_color("#000000" if _luminance(face) > 0.179 else "#FFFFFF")  # where both contrasts are alike
