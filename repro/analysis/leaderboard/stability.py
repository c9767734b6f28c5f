"""Does the order of the arms hold: on fewer tasks, policies and seeds, by other costs and by other summaries?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from repro.analysis.leaderboard.board import Board
from repro.analysis.leaderboard.heat import columns, heat, height
from repro.analysis.leaderboard.orders import kendall
from repro.analysis.leaderboard.ranks import ranked
from repro.analysis.leaderboard.variants import TO_TARGET, Variant, variants
from repro.analysis.pictures import Picture
from repro.analysis.statistics import Interval, rank_correlation
from repro.analysis.style import NARROW, WIDE
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, joined, spread
from repro.words import plural

MOST_COLUMNS = 16
"""Variants that the heat map shows; the table has all."""

MOST_ROWS = 40
"""Arms that it shows, the best."""

KINDS = {"tasks": "tasks", "policies": "policies", "seeds": "seeds", "summaries": "cost or summary"}
"""Kind of a variant -> what it changes, in the table."""


def stability(board: Board) -> list[Table | Picture]:
    """The ranks by variant, how alike the orders are, and which conclusions change; nothing without two arms."""
    if len(board.order) < 3:
        return []
    found = variants(board)
    orders = _orders(board, found)
    return [_heatmap(board, found), orders, *_conclusions(board, found)]


# ---------------------------------------------------------------- ranks


def _ranks(board: Board, variant: Variant) -> np.ndarray:
    """(arms,) ranks in the order of the leaderboard, NaN where nothing is told."""
    return np.asarray(ranked(np.array([[variant.values[label] for label in board.order]]))[0])


def _heatmap(board: Board, found: Sequence[Variant]) -> Picture:
    ranks = {variant.name: _ranks(board, variant) for variant in found}
    shown, arms = _columns(board, found), list(board.order[:MOST_ROWS])
    seeds = any(variant.kind == "seeds" for variant in found)
    grid = np.array([ranks[name][: len(arms)] for name in shown]).T  # (arms, variants)

    def draw(narrow: bool) -> Figure:
        size = (NARROW if narrow else WIDE, 1.7 + height(arms, narrow))
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        digits = not narrow or len(shown) <= 8
        heat(axis, grid, arms, narrow, cmap="cividis_r", vmin=1, vmax=len(board.order), annot=digits, fmt=".3g")
        columns(axis, shown)
        return figure

    data = pd.DataFrame({"arm": list(board.order), **ranks})
    of = f" ({len(arms)} of {len(board.order)} arms)" if len(arms) < len(board.order) else ""
    moves = {label: (np.nanmin(row), np.nanmax(row)) for label, row in zip(arms, grid, strict=True)}
    told = [f"{label} {low:g} to {high:g}" for label, (low, high) in moves.items()]
    return Picture(
        "leaderboard.stability",
        f"Rank of every arm, taken in other ways{of}",
        "Rank 1, the lightest, is the best. First column: the leaderboard, by mean accuracy over training at equal "
        "tokens on all pairs."
        + (" Of the seeds left out in turn, the one that changes the order most is shown." if seeds else ""),
        f"Ranks of {plural(len(arms), 'arm')} in {plural(len(shown), 'variant')}: {joined(told)}.",
        data,
        draw,
    )


def _columns(board: Board, found: Sequence[Variant]) -> list[str]:
    """Names of the variants of the heat map: every way once, of the seeds the one that changes most."""
    seeds = [variant for variant in found if variant.kind == "seeds"]
    whole = _ranks(board, found[0])
    worst = min(seeds, key=lambda variant: kendall(whole, _ranks(board, variant)).value, default=None)
    # Where each task is left out in turn, its own order stands in the table alone.
    doubled = {v.kind for v in found if v.kind in ("tasks", "policies") and v.name.startswith("without ")}
    kept = [
        v.name
        for v in found
        if (v.kind not in doubled or v.name.startswith("without ")) and (v.kind != "seeds" or v is worst)
    ]
    return kept[:MOST_COLUMNS]


# ---------------------------------------------------------------- how alike the orders are


def _orders(board: Board, found: Sequence[Variant]) -> Table:
    whole = _ranks(board, found[0])
    header = [
        "the order",
        "what differs",
        "Kendall's tau",
        "Spearman's rho",
        "arms",
        "the best",
        "verdicts that differ",
    ]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for variant in found[1:]:
        own = _ranks(board, variant)
        tau, rho = kendall(whole, own), rank_correlation(whole, own)
        best = _best(board, own)
        changed = [label for label in variant.verdicts if variant.verdicts[label] != found[0].verdicts.get(label, 0)]
        differ = f"{len(changed)} of {len(variant.verdicts)}" if variant.verdicts else NOTHING
        rows.append([variant.name, KINDS[variant.kind], _correlation(tau), _correlation(rho), str(tau.n)])
        rows[-1] += [f"`{best}`" if best else NOTHING, differ]
        data.append({"variant": variant.name, "differs": KINDS[variant.kind], **numbers("tau", tau)})
        data[-1] |= {**numbers("rho", rho), "arms": tau.n, "best": best}
        data[-1] |= {
            "verdicts_that_differ": len(changed) if variant.verdicts else math.nan,
            "judged": len(variant.verdicts),
        }
    best = _best(board, whole)
    caption = (
        f"Orders of the arms compared with that of the leaderboard, in which `{best}` is the best. 95 % intervals over "
        "arms like these; runs of the same seeds are in both orders. Verdicts: clear of the baseline after Holm's "
        "correction over all arms, each way of taking them by itself. At the end: where each arm stopped, whatever it "
        "had spent."
    )
    if any(variant.name == TO_TARGET for variant in found):
        caption += " To the target: tokens to the baseline's accuracy at the end, median over pairs, an order alone."
    return Table(
        "leaderboard.orders", "The order of the arms, taken in other ways", header, rows, pd.DataFrame(data),
        caption + board.units_said, 2, paper=[name for name in header if name != "what differs"],
    )  # fmt: skip


def _correlation(found: Interval) -> str:
    return spread(found, digits=2)


def _best(board: Board, ranks: np.ndarray) -> str:
    return "" if np.isnan(ranks).all() else board.order[int(np.nanargmin(ranks))]


# ---------------------------------------------------------------- which conclusions change


def _conclusions(board: Board, found: Sequence[Variant]) -> list[Table]:
    """Arms whose verdict is not the same in all variants; no table where all hold."""
    header = ["arm", "all runs", "ahead", "behind", "undecided"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    judged = [variant for variant in found if variant.verdicts]
    for label in board.order:
        own = {variant.name: variant.verdicts[label] for variant in judged if label in variant.verdicts}
        if len(set(own.values())) < 2:
            continue
        by_side = {
            side: [name for name, one in own.items() if one == side and name != "all runs"] for side in (1, -1, 0)
        }
        rows.append([f"`{label}`", SIDES[own["all runs"]] if "all runs" in own else NOTHING])
        rows[-1] += [_listed(by_side[side], len(own) - 1) for side in (1, -1, 0)]
        data += [{"arm": label, "variant": name, "verdict": SIDES[one]} for name, one in own.items()]
    if not rows:
        return []
    turned = _turned(rows, data)
    steady = sum(len({v.verdicts.get(label) for v in judged if label in v.verdicts}) == 1 for label in board.order)
    caption = (
        f"Clear of the baseline after Holm's correction, in each of {plural(len(judged), 'way')} to take the "
        f"leaderboard by itself. {plural(steady, 'arm has', 'arms have')} the same verdict in all of them. {turned}"
    )
    return [
        Table(
            "leaderboard.conclusions", "Conclusions that change", header, rows, pd.DataFrame(data), caption.strip(), 5,
        )
    ]  # fmt: skip


SIDES = {1: "ahead", -1: "behind", 0: "undecided"}


def _listed(names: Sequence[str], of: int) -> str:
    """The names, of many their number."""
    if not names:
        return NOTHING
    return joined(list(names)) if len(names) <= 3 else f"{len(names)} of {of}"


def _turned(rows: Sequence[Sequence[str]], data: Sequence[dict[str, Any]]) -> str:
    """`` `x` is ahead of the baseline on a alone but behind at equal steps. ``: arms that are clear on both sides."""
    told = []
    for label in dict.fromkeys(str(row["arm"]) for row in data):
        sides = {
            word: [row["variant"] for row in data if row["arm"] == label and row["verdict"] == word]
            for word in SIDES.values()
        }
        if sides["ahead"] and sides["behind"]:
            told.append(f"`{label}` is ahead of the baseline {sides['ahead'][0]} but behind {sides['behind'][0]}.")
    return " ".join(told) if told else "No arm is clearly ahead in one and clearly behind in another."
