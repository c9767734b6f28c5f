"""How figures look: colours that survive colour blindness and grey print, sizes that survive a column, no clutter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito (2008), yellow left out: it vanishes on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BASELINE = "#000000"
COLOURS: Mapping[str, str] = {
    "uniform": "#000000",
    "uniform, replay": "#E69F00",
    "difficulty": "#009E73",
    "difficulty, replay": "#D55E00",
    "confidence": "#0072B2",
    "random": "#CC79A7",
    "pass_rate": "#56B4E9",
    "curriculum": "#7B4EA3",
    "dynamic": "#8C6D31",
    "high_confidence": "#3D5A80",
    "low_confidence": "#6C9BC4",
    "hardest": "#9B2226",
    "scores": "#5F7A1F",
}
"""Way of choosing, with replay or without -> colour, the same in all reports."""
SPARE = ("#A0522D", "#2F8F83", "#B5179E", "#4D6A00", "#5C4B8A", "#C1666B")
"""For ways that are not listed, such as a user's own, in the order of the study."""
DASHES: tuple[Any, ...] = (
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (6, 1.4, 1.4, 1.4)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (9, 2)),
)
MARKERS = ("s", "^", "D", "v", "P", "X")
GREY = "#5F6670"

WIDE = 7.2  # inches: the text width of a paper, and of the report's page
NARROW = 3.6  # a column, and a phone

WINDOW = 5
"""Steps of the moving average behind bold lines over steps."""

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8.5,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "#3A3F47",
    "axes.labelcolor": "#1B1F24",
    "text.color": "#1B1F24",
    "text.parse_math": False,  # a dollar in the name of an arm is a dollar
    "xtick.color": "#3A3F47",
    "ytick.color": "#3A3F47",
    "axes.grid": True,
    "grid.color": "#E6E8EB",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.2,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "hatch.linewidth": 0.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "repro",
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Look:
    """Colour, dash pattern and marker of one series: any one of the three tells it apart."""

    color: str
    dash: Any
    marker: str

    def line(self, **more: Any) -> dict[str, Any]:
        """Keyword arguments of a bold line."""
        return {"color": self.color, "linestyle": self.dash, **more}


def looks(ways: Mapping[str, str], baselines: Sequence[str] = ()) -> dict[str, Look]:
    """One look per label, from its way of choosing (`Series.way`): hue for the way, shade, dashes and mark for the arm.

    Baselines are solid with a round mark.
    """
    out: dict[str, Look] = {}
    spare = iter(SPARE * len(ways))
    own: dict[str, str] = {}
    seen: dict[str, int] = {}
    for position, (label, way) in enumerate(ways.items()):
        if way not in own:
            own[way] = COLOURS.get(way) or next(spare)
        turn = seen[way] = seen.get(way, -1) + 1
        colour = own[way] if turn == 0 else _lighter(own[way], 0.28 * ((turn - 1) % 3 + 1))
        if label in baselines:
            out[label] = Look(colour, "-", "o")
        else:
            out[label] = Look(colour, DASHES[position % len(DASHES)], MARKERS[position % len(MARKERS)])
    return out


def _lighter(colour: str, share: float) -> str:
    """The colour mixed with white."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(part + share * (255 - part)):02X}" for part in parts)


def in_order(labels: Sequence[str]) -> dict[str, Look]:
    """Looks of lines that are no arms: colours in order."""
    return {
        label: Look(PALETTE[i % len(PALETTE)], DASHES[i % len(DASHES)], MARKERS[i % len(MARKERS)])
        for i, label in enumerate(labels)
    }


@contextmanager
def styled() -> Iterator[None]:
    """The style above for everything drawn inside, whatever the user's matplotlibrc says."""
    settings: dict[Any, Any] = {key: value for key, value in mpl.rcParamsDefault.items() if "backend" not in key}
    with mpl.rc_context(settings | RC):
        yield


def canvas(panels: int, narrow: bool, height: float = 2.5, columns: int | None = None) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels: side by side, or below each other on a narrow page."""
    columns = min(panels, (1 if narrow else columns or panels))
    rows = -(-panels // columns)
    figure = Figure(figsize=(NARROW if narrow else WIDE, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in axes[panels:]:
        spare.set_axis_off()
    return figure, axes[:panels]


def shared_legend(figure: Figure, handles: Sequence[Any], names: Sequence[str], narrow: bool) -> None:
    """One legend above all panels, in as many columns as the width carries."""
    if not handles:
        return
    longest = max(len(name) for name in names)
    # About 0.068 inches a character and half an inch for the line.
    fits = int((NARROW if narrow else WIDE) / (0.5 + 0.068 * longest))
    columns = max(1, min(fits, len(names)))
    # Matplotlib fills a legend column by column; people read it row by row.
    order = [index for column in range(columns) for index in range(column, len(names), columns)]
    figure.legend(
        [handles[i] for i in order],
        [names[i] for i in order],
        loc="outside upper center",
        ncols=columns,
        columnspacing=1.4,
    )


def thousands(axis: Any) -> None:
    """Ticks such as 200 k and 1.2 M, at most five of them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    from analysis.text import amount

    axis.set_major_locator(MaxNLocator(5, min_n_ticks=3, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(amount(round(float(value), 6)))))


def _short(text: str) -> str:
    """`12.0 k` -> `12 k`: a tick has no decimals to show that it is exact."""
    head, *unit = text.split(" ")
    return " ".join([head.rstrip("0").rstrip(".") if "." in head else head, *unit])


def percent_axis(axis: Any) -> None:
    """Shares 0..1 as percent."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))


PHASE_LOOKS: Mapping[str, tuple[str, str]] = {
    # phase -> (colour, hatch): neighbours differ in both lightness and hatch
    "score": ("#F0E442", "xxxx"),
    "probe": ("#E69F00", "////"),
    "rollout": ("#56B4E9", ""),
    "train": ("#0072B2", "|||"),
    "evaluate": ("#BBBBBB", "---"),
    "warm_start": ("#FFFFFF", "\\\\\\\\"),
}
PHASE_NAMES: Mapping[str, str] = {
    "warm_start": "warm start",
    "predictor": "difficulty predictor (once for all runs)",
    "score": "scoring (selection)",
    "probe": "probes (selection)",
    "rollout": "rollouts",
    "train": "updates",
    "evaluate": "evaluation",
}
