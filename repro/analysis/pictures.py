"""A figure that can be drawn for a page or for a column of a paper, and saved with the numbers behind it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from repro.analysis.files import shown, write_csv
from repro.analysis.pdf_fonts import letters_alone
from repro.analysis.style import RC, styled

# Without dates and versions the same numbers give the same files.
METADATA: dict[str, Any] = {"CreationDate": None, "Producer": None, "Creator": None}

DENSE = 200
"""Dots an inch of a picture for a phone, which shows two or three for each CSS pixel."""


@dataclass(frozen=True)
class Picture:
    """`draw(narrow)` makes the figure, for a page or for a column; `alt` says in words what it shows.

    `notes` are what a reader of the page may look up below the caption.
    """

    name: str
    title: str
    caption: str
    alt: str
    data: pd.DataFrame
    draw: Callable[[bool], Figure]
    notes: Sequence[str] = ()

    def write(self, folder: Path) -> None:
        """`<name>.png` for a page, `<name>.narrow.png` and `<name>.pdf` for a phone and a column, `<name>.csv`."""
        folder.mkdir(parents=True, exist_ok=True)
        draw = cache(self.draw)  # a column's PNG and PDF are of one figure
        (folder / f"{self.name}.png").write_bytes(as_png(draw))
        (folder / f"{self.name}.narrow.png").write_bytes(as_png(draw, narrow=True))
        draw(True).set_layout_engine("none")  # laid out for the PNG, it stays as it is for the PDF
        (folder / f"{self.name}.pdf").write_bytes(as_pdf(draw))
        write_csv(folder / f"{self.name}.csv", self.data)


def as_png(draw: Callable[[bool], Figure], narrow: bool = False) -> bytes:
    """The figure drawn for a page, or with more dots an inch for a phone, as the bytes of a PNG file.

    It has a palette of 128 colours, chosen so that none is far off: so it takes a third of the room.
    """
    out, dpi = io.BytesIO(), DENSE if narrow else int(RC["savefig.dpi"])
    with styled():
        # A canvas of its own draws once; `savefig` draws everything once before, to lay it out.
        canvas = FigureCanvasAgg(_made(draw, narrow, dpi))
        canvas.draw()
    pixels = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    few = pixels.convert("RGB").quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(out, "PNG", optimize=True, dpi=(dpi, dpi))
    return out.getvalue()


def as_pdf(draw: Callable[[bool], Figure]) -> bytes:
    """The figure drawn for a column, as the bytes of a PDF file."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf  # takes half a second: only what writes a PDF needs it

    out = io.BytesIO()
    with styled(), letters_alone():
        FigureCanvasPdf(_made(draw, True, int(RC["savefig.dpi"]))).print_pdf(out, metadata=METADATA)
    return out.getvalue()


def _made(draw: Callable[[bool], Figure], narrow: bool, dpi: int) -> Figure:
    """The figure in the resolution of a file, with texts that a file can hold."""
    figure = draw(narrow)
    figure.set_dpi(dpi)
    for text in figure.findobj(Text):
        text.set_text(shown(text.get_text()))
    return figure
