"""A figure that can be drawn for a page or for a column of a paper, and saved with the numbers behind it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from analysis.files import shown, write_csv
from analysis.style import styled

# Without dates and versions the same numbers give the same files.
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}


@dataclass(frozen=True)
class Picture:
    """`draw(narrow)` makes the figure, for a page or for a column; `alt` says in words what it shows."""

    name: str
    title: str
    caption: str
    alt: str
    data: pd.DataFrame
    draw: Callable[[bool], Figure]

    def write(self, folder: Path) -> None:
        """`<name>.png` for a page, `<name>.csv` (what is plotted) and `<name>.pdf` for a column."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.png").write_bytes(_few_colours(rendered(self.draw, False, "png")))
        write_csv(folder / f"{self.name}.csv", self.data)
        (folder / f"{self.name}.pdf").write_bytes(rendered(self.draw, True, "pdf"))


def rendered(draw: Callable[[bool], Figure], narrow: bool, ending: str) -> bytes:
    """The figure as the bytes of a png or pdf file, drawn for a page or (`narrow`) for a column."""
    out = io.BytesIO()
    with styled():
        figure = draw(narrow)
        for text in figure.findobj(Text):
            text.set_text(shown(text.get_text()))
        figure.savefig(out, format=ending, metadata=METADATA[ending])
    return out.getvalue()


def _few_colours(png: bytes) -> bytes:
    """The picture with a palette of 128 colours, chosen so that none is far off: it takes a third of the room."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        dpi = image.info["dpi"]
        few = image.convert("RGB").quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(out, "PNG", optimize=True, dpi=dpi)
    return out.getvalue()
