"""Cells of a study without a run that counts: those that have not finished, and runs that cannot be read."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from repro.analysis.files import shown
from repro.analysis.study import CURE, Study
from repro.analysis.tables import Table
from repro.analysis.text import NOTHING, joined, sentence
from repro.analysis.unfinished import FAILED, failure
from repro.words import plural

NAMED = 3
"""So many arms, or pairs of model and data, without a run are named."""

LISTED = 5
"""So many runs that are left out are named one by one."""


def missing_table(study: Study) -> Table:
    """Cells of the plan without a finished run, counted by arm; the CSV has each of them."""
    reasons = [(place, study.left_out[identity]) for identity, place in study.cells if identity in study.left_out]
    data = []
    for place, status in study.missing:
        axis = ", ".join(f"{path} = {value}" for path, value in place.axis_point.items()) or NOTHING
        data.append({"arm": place.arm, "model": place.model, "dataset": place.dataset, "axis": axis})
        data[-1] |= {"seed": str(place.seed), "status": status}
        if study.left_out:
            data[-1]["reason"] = next((shown(why) for other, why in reasons if other == place), "")
    finished = Counter(run.place.arm for run in study.runs if run.finished)
    rows = []
    for arm in dict.fromkeys(place.arm for place, _ in study.missing):
        own = [(place, status) for place, status in study.missing if place.arm == arm]
        states = Counter(status for _, status in own)
        where = Counter(f"{place.model} on {place.dataset}" for place, _ in own)
        places = (
            joined(list(where))
            if len(where) <= 2
            else plural(len(where), "pair of model and data", "pairs of model and data")
        )
        rows.append([f"`{arm}`", joined([f"{count} {status}" for status, count in states.items()]), places])
        rows[-1] += [f"{finished[arm]} of {finished[arm] + len(own)}"]
    header = ["arm", "cells without a finished run", "where", "finished"]
    caption = "Counted by arm; every single cell with its seed and status is in the CSV file."
    return Table("missing_cells", "Cells without a finished run", header, rows, pd.DataFrame(data), caption, 3)


def unfinished(study: Study) -> str:
    """How many runs are finished, and which arms and which pairs of model and data have none; empty where all are."""
    if not study.missing:
        return ""
    done = [run.place for run in study.runs if run.finished]
    planned = [place for _, place in study.cells]
    arms = [f"`{arm}`" for arm in dict.fromkeys(one.arm for one in planned) if all(arm != one.arm for one in done)]
    ran = {(one.model, one.dataset) for one in done}
    pairs = [f"{model} on {data}" for model, data in dict.fromkeys((one.model, one.dataset) for one in planned)
             if (model, data) not in ran]  # fmt: skip
    every = len({one.arm for one in planned}), len({(one.model, one.dataset) for one in planned})
    lacking = [joined(arms) if len(arms) <= NAMED else f"{len(arms)} of {every[0]} arms"] if arms else []
    if pairs:
        lacking.append(joined(pairs) if len(pairs) <= NAMED else f"{len(pairs)} of {every[1]} pairs of model and data")
    text = f"{len(done):,} of {plural(study.planned, 'run')} {'is' if len(done) == 1 else 'are'} finished"
    return f"{text}; {joined(lacking)} {'has' if len(arms) + len(pairs) == 1 else 'have'} none" if lacking else text


def failed(study: Study) -> str:
    """Arms with runs that failed and how, in one sentence; empty where none did."""
    count = Counter(place.arm for place, status in study.missing if status == FAILED)
    kinds: dict[str, dict[str, None]] = {arm: {} for arm in count}
    for run in study.runs:
        if run.record.status == FAILED and (kind := failure(run)):
            kinds[run.place.arm][kind] = None
    planned = Counter(place.arm for _, place in study.cells)
    said = [
        f"`{arm}` ({failures} of {planned[arm]} runs{': ' if kinds[arm] else ''}{joined(list(kinds[arm]))})"
        for arm, failures in count.items()
    ]
    if len(said) > LISTED:
        said = [*said[:LISTED], f"{len(said) - LISTED} more arms"]
    return sentence(f"Failed: {joined(said)}") if said else ""


def in_short(study: Study) -> str:
    """`6 of 8 runs finished, 2 failed`; empty where all are finished and can be read."""
    if not study.missing:
        return ""
    done = sum(run.finished for run in study.runs)
    text = f"{done:,} of {plural(study.planned, 'run')} finished"
    if lost := sum(status == FAILED for _, status in study.missing):
        text += f", {lost:,} failed"
    return text + (f", {len(study.left_out):,} left out" if study.left_out else "")


def left_out(study: Study) -> tuple[str, ...]:
    """One sentence for each finished run that no number uses because it cannot be read, then the cure; () without."""
    if not study.left_out:
        return ()
    places = dict(reversed(study.cells))
    said = [
        f"`{identity}` ({places[identity].arm} on {places[identity].model} and {places[identity].dataset}, seed "
        f"{places[identity].seed}) is left out: {shown(why)}"
        for identity, why in list(study.left_out.items())[:LISTED]
    ]
    if len(study.left_out) > LISTED:
        said.append(f"{len(study.left_out) - LISTED} more are left out; missing_cells.csv has all of them")
    return tuple(map(sentence, [*said, CURE]))
