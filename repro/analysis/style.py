"""How figures look: colours that survive colour blindness and grey print, sizes that survive a column, no clutter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repro.analysis.contrast import mixed
from repro.analysis.lettering import fitted, width_of

# Okabe and Ito (2008) without yellow; orange and sky blue darker, so that lines stand out from white by 3 to 1.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#BD8600", "#2F93CE")
BASELINE = "#000000"
COLOURS: Mapping[str, str] = {
    "uniform": "#000000",
    "uniform, replay": "#BD8600",
    "difficulty": "#009E73",
    "difficulty, replay": "#D55E00",
    "confidence": "#0072B2",
    "random": "#CC79A7",
    "pass_rate": "#2F93CE",
    "curriculum": "#7B4EA3",
    "dynamic": "#8C6D31",
    "high_confidence": "#3D5A80",
    "low_confidence": "#6792BC",
    "hardest": "#9B2226",
    "scores": "#5F7A1F",
    "oracle": "#B5179E",
}
"""Way of choosing, with replay or without -> colour, the same in all reports."""
SPARE = ("#A0522D", "#5C4B8A", "#C1666B", "#4D6A00", "#1A237E", "#2F8F83")
"""For ways that are not listed, such as a user's own, in the order of the study, and for what is no arm."""
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (6, 1.4, 1.4, 1.4)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (9, 2)),
)
LEVEL: tuple[Any, ...] = (0, (1, 5))
"""Dashes of a line that others are read against, such as a target: those of no arm."""
MARKERS = ("s", "^", "D", "v", "P", "X")
"""Shapes of what is no arm, such as measures: arms are told apart by colour and dashes, and are round."""
GREY = "#5F6670"
REST = "#8B93A0"
"""Series that are drawn for context alone."""
SHADES = (0.0, -0.42, -0.22, -0.55, -0.11)
"""How far further arms of one way are from its colour to black."""
SHADES_OF_BLACK = (0.0, 0.3, 0.42, 0.5, 0.57)
"""How far further baselines are from black to white."""

LIT = 5
"""Series in colour at most; the others are grey."""
SHOWN = 12
"""Arms at most in a figure that has a row or a panel for each."""

WIDE = 6.9  # inches: the text width of a paper, and of the report's page
NARROW = 3.3  # a column, and a phone
SMALLEST = 7.0  # points: no letter is smaller at these widths

WINDOW = 5
"""Steps of the moving average behind bold lines over steps."""

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
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
    "lines.linewidth": 1.6,
    "lines.markersize": 3.6,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "hatch.linewidth": 0.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "repro",
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
    # The rest is what seaborn sets for "ticks" and "paper"; to import it for that takes a second of every report.
    "legend.title_fontsize": 9.6,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "patch.linewidth": 0.8,
    "xtick.major.size": 4.8,
    "xtick.major.width": 1.0,
    "xtick.minor.size": 3.2,
    "xtick.minor.width": 0.8,
    "ytick.major.size": 4.8,
    "ytick.major.width": 1.0,
    "ytick.minor.size": 3.2,
    "ytick.minor.width": 0.8,
}


@dataclass(frozen=True)
class Look:
    """Colour, dash pattern and marker of one series."""

    color: str
    dash: Any
    marker: str = "o"

    def line(self, **more: Any) -> dict[str, Any]:
        """Keyword arguments of a bold line."""
        return {"color": self.color, "linestyle": self.dash, **more}


def looks(ways: Mapping[str, str], baselines: Sequence[str] = ()) -> dict[str, Look]:
    """One look per label, from its way of choosing (`Series.way`): hue and dashes for the way, shades for its arms.

    The first arm of a way looks the same in every study; baselines alone are solid.
    """
    out: dict[str, Look] = {}
    places = {way: place for place, way in enumerate(COLOURS)}
    own = dict(COLOURS)
    seen: dict[str, int] = {}
    for label, way in ways.items():
        if way not in own:
            own[way] = SPARE[(len(own) - len(COLOURS)) % len(SPARE)]
            places[way] = len(places)
        turn = seen[way] = seen.get(way, -1) + 1
        shades = SHADES_OF_BLACK if own[way] == BASELINE else SHADES
        # Where the shades begin again the dashes do not, so that two arms of a way look alike only from the 26th on.
        place = places[way] - 1 + turn + turn // len(shades)
        dash = "-" if label in baselines else DASHES[1 + place % (len(DASHES) - 1)]
        out[label] = Look(mixed(own[way], shades[turn % len(shades)]), dash)
    return out


def in_order(labels: Sequence[str]) -> dict[str, Look]:
    """Looks of lines that are no arms: shapes, and colours that no way of choosing has, in order."""
    return {
        label: Look(SPARE[i % len(SPARE)], DASHES[i % len(DASHES)], MARKERS[i % len(MARKERS)])
        for i, label in enumerate(labels)
    }


@contextmanager
def styled() -> Iterator[None]:
    """The settings above, whatever the user's matplotlibrc says."""
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
    """One legend above all panels, in as many columns as the width carries; each line after its first adds height."""
    if not handles:
        return
    size, whole = float(RC["legend.fontsize"]), NARROW if narrow else WIDE
    line = 0.5  # inches for the line beside a name, and the gap after it
    told = [fitted(name, whole - line - 0.2, size, lines=1) for name in names]
    widest = max(width_of(name, size) for name in told)
    columns = max(1, min(int((whole - 0.1) / (line + widest)), len(names)))
    figure.set_figheight(figure.get_figheight() + 0.165 * (-(-len(names) // columns) - 1))
    # Matplotlib fills a legend column by column; people read it row by row.
    order = [index for column in range(columns) for index in range(column, len(names), columns)]
    figure.legend(
        [handles[i] for i in order],
        [told[i] for i in order],
        loc="outside upper center",
        ncols=columns,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def titled(axis: Axes, text: str, columns: int, narrow: bool, bold: bool = True) -> None:
    """A title that stays above its own panel, which is one of so many columns."""
    size = float(RC["axes.titlesize"] if bold else RC["xtick.labelsize"])
    axis.set_title(cut(text, columns, narrow, bold), fontsize=size, fontweight="bold" if bold else "normal")


def cut(title: str, columns: int, narrow: bool, bold: bool = True) -> str:
    """The title in two lines at most that are no wider than one of so many columns."""
    room = (NARROW if narrow else WIDE) / columns - 0.12 - (0.55 if columns == 1 else 0.3)
    return fitted(title, room, float(RC["axes.titlesize"] if bold else RC["xtick.labelsize"]), 2, bold)


def arm_ticks(axis: Axes, labels: Sequence[str], narrow: bool, first: float = 0.0) -> None:
    """Names of arms down the y axis at `first` and below it, on a third of the width at most."""
    axis.set_yticks([first + row for row in range(len(labels))], _row_names(labels, narrow))
    axis.set_ylim(first + len(labels) - 0.4, first - 0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    axis.set_ylabel("")


def rows_height(labels: Sequence[str], narrow: bool) -> float:
    """Inches that these names take as rows."""
    lines = max((name.count("\n") for name in _row_names(labels, narrow)), default=0) + 1
    return len(labels) * (0.1 + 0.13 * lines)


def _row_names(labels: Sequence[str], narrow: bool) -> list[str]:
    room = (NARROW if narrow else WIDE) / (2.6 if narrow else 4)
    return [fitted(label, room, float(RC["ytick.labelsize"]), lines=2) for label in labels]


def thousands(axis: Any, whole: bool = False) -> None:
    """Ticks such as 200 k and 1.2 M, at most five of them; of steps only `whole` ones."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    from repro.analysis.text import amount

    axis.set_major_locator(MaxNLocator(5, min_n_ticks=1 if whole else 3, steps=[1, 2, 2.5, 5, 10], integer=whole))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(amount(round(float(value), 6)))))


def _short(text: str) -> str:
    """`12.0 k` -> `12 k`: a tick has no decimals to show that it is exact."""
    head, *unit = text.split(" ")
    return " ".join([head.rstrip("0").rstrip(".") if "." in head else head, *unit])


def percent_axis(axis: Any) -> None:
    """Shares 0..1 as percent, with the decimals that the ticks have."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: percent_tick(value)))


def percent_tick(value: float) -> str:
    """0.075 -> `7.5`, 0.6 -> `60`."""
    return f"{round(100 * value, 6):g}".replace("-", "\u2212")


def points_axes(axes: Sequence[Axes]) -> None:
    """Differences of shares along x as signed points, on one scale around a line at 0 that stands in the middle."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    reach = 1.08 * max(0.02, *(abs(value) for axis in axes for value in axis.get_xlim()))
    for axis in axes:
        axis.axvline(0, color="#1B1F24", linewidth=0.9, zorder=1)
        axis.set_xlim(-reach, reach)
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed_tick(value)))


def signed_tick(value: float) -> str:
    """0.025 -> `+2.5`, -0.1 -> `−10`, 0 -> `0`."""
    return f"+{percent_tick(value)}" if value > 1e-9 else percent_tick(value if value < -1e-9 else 0.0)


PHASE_LOOKS: Mapping[str, tuple[str, str]] = {
    # phase -> (colour, hatch): what selection costs stands out; neighbours differ in both lightness and hatch
    "score": ("#F0E442", "xxxx"),
    "probe": ("#B8860B", "////"),
    "rollout": ("#E1E5EA", ""),
    "train": ("#9AA3AF", "|||"),
    "evaluate": ("#C9CED6", "---"),
    "warm_start": ("#FFFFFF", "\\\\\\\\"),
}
PHASE_NAMES: Mapping[str, str] = {
    "warm_start": "warm start",
    "predictor": "difficulty predictor (once for all runs)",
    "score": "scoring (selection)",
    "probe": "probes (selection)",
    "oracle": "an oracle's probes (not paid for)",
    "rollout": "rollouts",
    "train": "updates",
    "evaluate": "evaluation",
}
