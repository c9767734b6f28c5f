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
        """`<name>.png` for a page, `<name>.narrow.png` and `<name>.pdf` for a phone and a column, `<name>.csv`."""
        folder.mkdir(parents=True, exist_ok=True)
        (wide,) = rendered(self.draw, False, "png")
        narrow, pdf = rendered(self.draw, True, "png", "pdf")
        (folder / f"{self.name}.png").write_bytes(_few_colours(wide))
        (folder / f"{self.name}.narrow.png").write_bytes(_few_colours(narrow))
        (folder / f"{self.name}.pdf").write_bytes(pdf)
        write_csv(folder / f"{self.name}.csv", self.data)


def rendered(draw: Callable[[bool], Figure], narrow: bool, *endings: str) -> list[bytes]:
    """The figure as the bytes of a png or pdf file each, drawn for a page or (`narrow`) for a column or a phone."""
    with styled():
        figure = draw(narrow)
        for text in figure.findobj(Text):
            text.set_text(shown(text.get_text()))
        return [_saved(figure, ending, 200 if narrow else 150) for ending in endings]


def _saved(figure: Figure, ending: str, dpi: int) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=ending, metadata=METADATA[ending], dpi=dpi)
    return out.getvalue()


def _few_colours(png: bytes) -> bytes:
    """The picture with a palette of 128 colours, chosen so that none is far off: it takes a third of the room."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        dpi = image.info["dpi"]
        few = image.convert("RGB").quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(out, "PNG", optimize=True, dpi=dpi)
    return out.getvalue()
