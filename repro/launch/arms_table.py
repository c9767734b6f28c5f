"""The table of arms at the end of `repro run`: accuracy before and after, over the finished seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from repro.files import file_content, parse_jsonl
from repro.launch.cells import labels_of
from repro.launch.terminal import print_table
from repro.numbers import t_interval
from repro.scoring.progress import duration
from repro.study.expand import ExpandedCell
from repro.tracking import series
from repro.tracking.run_status import run_status


def print_arms(cells: Sequence[ExpandedCell], runs_dir: Path, console: Console) -> None:
    """Accuracy per arm over the finished seeds. The report has more; this shows that it worked."""
    rows: dict[tuple[str, ...], list[tuple[float | None, float | None, float]]] = defaultdict(list)
    several = len({(p.model, p.dataset) for cell in cells for p in cell.places}) > 1
    for cell in sorted(cells, key=lambda cell: cell.cell.seed):
        run_dir = runs_dir / cell.identity
        if run_status(run_dir) != "finished":
            continue
        metrics = run_dir / "metrics.jsonl"
        lines = file_content(metrics).split(b"\n")[:-1] if metrics.exists() else []  # what follows the last is torn
        start, end = _value(lines, series.ACCURACY), _value(lines[::-1], series.ACCURACY)
        result = (start, end, _value(lines[::-1], series.SECONDS) or 0.0)
        for labels in labels_of(cell, ""):
            rows[(labels.model, labels.dataset, labels.arm_name)].append(result)
    if not rows:
        return
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for name in (["model", "dataset"] if several else []) + ["arm"]:
        table.add_column(name, no_wrap=True)
    for name in ("seeds", "accuracy before", "after", "95 % interval", "training time"):
        table.add_column(name, justify="right", no_wrap=True)
    order = [labels for cell in cells for labels in labels_of(cell, "")]
    for key in dict.fromkeys((labels.model, labels.dataset, labels.arm_name) for labels in order):
        if key not in rows:
            continue
        before = [first for first, _, _ in rows[key] if first is not None]
        after = [last for _, last, _ in rows[key] if last is not None]
        interval = t_interval(after) if after else None
        between = f"{interval.low:.3f} .. {interval.high:.3f}" if interval and interval.n > 1 else ""
        table.add_row(
            *(key if several else key[2:]),
            str(len(rows[key])),
            f"{sum(before) / len(before):.3f}" if before else "",
            f"{interval.value:.3f}" if interval else "",
            between,
            duration(sum(seconds for *_, seconds in rows[key]) / len(rows[key])),
        )
    print_table(table, console)


def _value(lines: Sequence[bytes], name: str) -> float | None:
    """The value of a series in the first of these lines that has it: few lines are read of many."""
    key = f'"{name}":'.encode()
    for line in lines:
        if key in line and name in (metrics := parse_jsonl(line + b"\n")[0]["metrics"]):
            return float(metrics[name])
    return None
