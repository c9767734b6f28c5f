"""The picture of `repro predictor evaluate`: measured against predicted difficulty on held-out questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.analysis.style import SPARE, canvas, shared_legend, styled, titled

LOOKS = {"trained": (SPARE[0], "s", "trained"), "untrained": (SPARE[1], "^", "untrained embeddings")}


def calibration_figure(records: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """One panel per record (policy, dataset, number of references), saved as PNG; returns `path`."""
    with styled():
        figure = _drawn(records)
        figure.savefig(path)
    return path


def _drawn(records: Sequence[Mapping[str, Any]]) -> Figure:
    columns = min(3, len(records))
    figure, axes = canvas(len(records), False, height=2.4, columns=columns)
    for axis, record in zip(axes, records, strict=True):
        axis.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle="--")
        for name, (color, marker, _) in LOOKS.items():
            bins = record["methods"][name]["calibration"]
            x = [found["predicted"] for found in bins]
            y = [found["measured"]["value"] for found in bins]
            errors = [
                [max(0.0, found["measured"]["value"] - (found["measured"]["low"] or 0.0)) for found in bins],
                [max(0.0, (found["measured"]["high"] or 1.0) - found["measured"]["value"]) for found in bins],
            ]
            axis.errorbar(x, y, errors, color=color, marker=marker, markersize=4, linewidth=1.2)
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted failure rate")
        titled(axis, f"{record['policy']}, {record['dataset']}, K = {record['references']}", columns, False)
        axis.set_ylabel("measured failure rate")
    lines = [Line2D([], [], color=color, marker=marker) for color, marker, _ in LOOKS.values()]
    shared_legend(figure, lines, [text for _, _, text in LOOKS.values()], False)
    return figure
