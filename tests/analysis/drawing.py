"""Draws a picture as it is saved and looks for what makes it hard to read."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from repro.analysis.pictures import Picture
from repro.analysis.style import LIT, NARROW, SMALLEST, WIDE, styled

SLACK = 1.0  # pixels


def drawn(picture: Picture, narrow: bool) -> Figure:
    """Laid out with every warning an error."""
    with styled(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = picture.draw(narrow)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    return figure


def visible(figure: Figure) -> list[Axes]:
    return [axis for axis in figure.get_axes() if axis.axison]


def check(picture: Picture, narrow: bool) -> Figure:
    """Assert that letters are large enough, that no text covers another or is cut off, and that few are in colour."""
    figure = drawn(picture, narrow)
    assert figure.get_figwidth() == (NARROW if narrow else WIDE), picture.name
    assert figure.get_figheight() <= 12.5, f"{picture.name} is {figure.get_figheight():.1f} inches high"
    texts = _seen(figure)
    small = {text.get_text() for text in texts if text.get_fontsize() < SMALLEST}
    assert not small, f"{picture.name}: smaller than {SMALLEST} points: {small}"
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in boxes:
        inside = box.x0 >= -SLACK and box.x1 <= width + SLACK and box.y0 >= -SLACK and box.y1 <= height + SLACK
        assert inside, f"{picture.name}: {text!r} leaves the figure"
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        covered = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(covered) <= SLACK, f"{picture.name}: {one!r} and {other!r} cover each other by {covered}"
    for axis in visible(figure):
        assert _least_contrast(axis) >= 4.5, f"{picture.name}: a number does not stand out from its field"  # WCAG AA
        assert len(colours(axis)) <= LIT, f"{picture.name}: {colours(axis)}"
    return figure


def _least_contrast(axis: Axes) -> float:
    """The least contrast of any number with the field of a heat map that it stands in; infinite without one."""

    def light(colour: object) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    mesh = next((one for one in axis.collections if isinstance(one, QuadMesh)), None)
    if mesh is None or not axis.texts:
        return float("inf")
    columns = np.ma.shape(mesh.get_array())[1]
    faces, found = mesh.get_facecolor(), []
    for text in axis.texts:
        x, y = text.get_position()
        both = sorted((light(text.get_color()), light(faces[int(y) * columns + int(x)][:3])))
        found.append((both[1] + 0.05) / (both[0] + 0.05))
    return min(found)


def _seen(figure: Figure) -> list[Text]:
    """What is written in a figure: ticks beyond an axis have texts too, which are not drawn."""
    ticks, drawn_ticks = set(), set()
    for axis in figure.get_axes():
        for which in (axis.xaxis, axis.yaxis):
            ticks |= {id(text) for tick in which.get_major_ticks() for text in (tick.label1, tick.label2)}
            ticks |= {id(text) for tick in which.get_minor_ticks() for text in (tick.label1, tick.label2)}
            drawn_ticks |= {id(tick.label1) for tick in which._update_ticks() if axis.axison}
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]
    found = [text for text in found if text.get_visible() and text.get_window_extent().width > 0]
    return [text for text in found if id(text) not in ticks or id(text) in drawn_ticks]


def marks(axis: Axes) -> list[PathCollection]:
    """Means that `repro.analysis.marks` draws, with or without an interval; single seeds are fainter."""
    found = [one for one in axis.collections if isinstance(one, PathCollection) and one.get_alpha() is None]
    return [one for one in found if len(one.get_offsets())]


def colours(axis: Axes) -> set[str]:
    """Colours of bold lines and of marks, greys but black left out."""
    lines = [line for line in axis.get_lines() if isinstance(line, Line2D) and line.get_linewidth() >= 1.2]
    data = [line for line in lines if len(line.get_xdata()) > 2]
    found = {to_hex(line.get_color()) for line in data}
    found |= {to_hex(colour) for one in marks(axis) for colour in one.get_edgecolors()}
    return {one for one in found if one == "#000000" or max(to_rgb(one)) - min(to_rgb(one)) > 0.15}
