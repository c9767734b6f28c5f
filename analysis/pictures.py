"""A figure that can be drawn for a page or a phone, and saved as png, pdf and the numbers behind it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.style import styled


@dataclass(frozen=True)
class Picture:
    """`draw(narrow)` makes the figure; `alt` says in words what it shows, for those who cannot see it."""

    name: str
    title: str
    caption: str
    alt: str
    data: pd.DataFrame
    draw: Callable[[bool], Figure]

    def write(self, folder: Path) -> None:
        """`<name>.png`, `<name>.pdf` (for a page) and `<name>.csv` (what is plotted)."""
        folder.mkdir(parents=True, exist_ok=True)
        with styled():
            figure = self.draw(False)
            # Without dates and versions the same numbers give the same files.
            figure.savefig(folder / f"{self.name}.png", metadata={"Software": None})
            figure.savefig(folder / f"{self.name}.pdf", metadata={"CreationDate": None, "Producer": None})
        self.data.to_csv(folder / f"{self.name}.csv", index=False, lineterminator="\n")

    def address(self, narrow: bool) -> str:
        """A `data:` address with the figure as SVG, text drawn as outlines so that it looks the same everywhere."""
        return _address(self.draw, narrow)


@cache
def _address(draw: Callable[[bool], Figure], narrow: bool) -> str:
    out = io.BytesIO()
    with styled():
        draw(narrow).savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()
