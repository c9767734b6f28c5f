"""What the published experiments will cost, as a table: every study under experiments/ whose policies are on a hub.

    python benchmarks/costs.py --tokens-per-second 10000,20000@1.5B
    python benchmarks/costs.py --throughput reports/gpu/gpu.json --write docs/scale.md

The numbers are those of `python -m repro plan`, before anything has run. `--write` puts the table between the two
marks of a Markdown file.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from repro.spec.schema import Spec
from repro.study.load import load_spec
from repro.study.plan import plan
from repro.study.plan_notes import labels_of, short_amount
from repro.study.throughput import Throughput, by_hand, read_throughput

ROOT = Path(__file__).parents[1]
STUDIES = sorted(
    path for name in ("beyond", "dots_rr", "ufo_rl") for path in (ROOT / "experiments" / name).glob("*.yaml")
)
BEGIN, END = "<!-- costs: begin -->", "<!-- costs: end -->"


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--throughput", metavar="FILE", help="as for plan")
    source.add_argument("--tokens-per-second", metavar="G[,T][@SIZE]", help="as for plan")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a Markdown file with the marks")
    given = parser.parse_args()
    if given.throughput:
        option, rates = f"--throughput {given.throughput}", read_throughput(Path(given.throughput))
    else:
        option, rates = f"--tokens-per-second {given.tokens_per_second}", [by_hand(given.tokens_per_second)]
    text = table(rates, option)
    print(text)
    if given.write is not None:
        page = given.write.read_text(encoding="utf-8")
        head, tail = page.partition(BEGIN)[0], page.partition(END)[2]
        given.write.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


def table(rates: Sequence[Throughput], option: str) -> str:
    """The table in Markdown, with the command that makes it."""
    lines = [
        f"`python benchmarks/costs.py {option}`:",
        "",
        "| study | runs | rollouts | generated tokens, G | GPU-hours | labels of the predictor, once, GPU-hours |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory() as empty:
        for path in STUDIES:
            spec = load_spec(path).spec
            if all(model.hub is not None for model in spec.model):
                lines.append(_line(path, spec, Path(empty), rates))
    return "\n".join([*lines, "", *(f"Throughput: {rate.note()}" for rate in rates)])


def _line(path: Path, spec: Spec, runs: Path, rates: Sequence[Throughput]) -> str:
    made = plan(spec, runs, rates)
    labels = labels_of([(row.expanded.cell, row.cost) for row in made.rows], rates)
    hours = made.remaining(lambda cost: None if cost.seconds is None else cost.seconds / 3600)
    rollouts, tokens = made.remaining(lambda cost: cost.rollouts), made.remaining(lambda cost: cost.tokens)
    cells = [
        f"`{path.relative_to(ROOT / 'experiments')}`",
        str(len(made.rows)),
        "?" if rollouts is None else f"{rollouts:,.0f}",
        "?" if tokens is None else f"{tokens / 1e9:.2f}",
        "?" if hours is None else short_amount(hours),
        "-" if not labels.pairs else "?" if labels.seconds is None else short_amount(labels.seconds / 3600),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
