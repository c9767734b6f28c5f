"""Draws every kind of figure into one page to look at: few arms and many, seeds, long names, a failed arm.

    python -m tests.analysis.contact_sheet /tmp/sheet
    python -m tests.analysis.contact_sheet /tmp/sheet --only page

It writes /tmp/sheet/index.html with each figure at the width of a page and of a column, and prints which of them have
letters below 7 points, texts that cover each other or are cut off, or more than five colours.
"""

from __future__ import annotations

import argparse
import html
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from repro.analysis.diagnose.figures import pictures as of_diagnosis
from repro.analysis.diagnose.findings import find
from repro.analysis.dots_rr import artefacts as dots_rr
from repro.analysis.leaderboard import artefacts as leaderboard
from repro.analysis.leaderboard.board import board_of
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.sweep.pictures import pictures as of_sweep
from repro.analysis.sweep.search import load_searches
from repro.analysis.tables import Table
from repro.analysis.ufo_rl import artefacts as ufo_rl
from tests.analysis.dots_rr.study import dots_panels, dots_study
from tests.analysis.drawing import check
from tests.analysis.leaderboard.study import leaderboard as leaderboard_study
from tests.analysis.shapes import SHAPES, pictures, study_of
from tests.analysis.sweep.test_sweep_pictures import spec_of, stored
from tests.analysis.ufo_rl.store import bins, ufo_study
from tests.analysis.ufo_rl.study import SIX, further_arms, headline_arms
from tests.diagnose.pools import made

Drawn = Iterator[tuple[str, Iterable[Picture]]]
"""Name of a study -> its figures."""


def page(folder: Path) -> Drawn:
    """Those of every report, on one model and task."""
    for name in SHAPES:
        yield name, pictures(study_of(name, folder)).values()
    yield "twelve arms, three seeds", pictures(study_of("twelve long names", folder / "more", seeds=3)).values()
    fractions = {"axes": {"train.clip": [0.1, 0.2, 0.3]}}
    more = study_of("two arms, one failed", folder / "axes", seeds=2, fields=fractions)
    yield "two arms at three values of an axis, one failed", pictures(more).values()


def boards(folder: Path) -> Drawn:
    """Those of the leaderboard, on six pairs and on one."""
    for count, seeds, policies, tasks in ((1, 1, 1, 1), (12, 2, 2, 3), (19, 2, 1, 2)):
        own = folder / str(count)
        study = leaderboard_study(own, count=count, seeds=seeds, policies=policies, tasks=tasks, points=8).read()
        board = board_of([Measures(panel) for panel in study.panels], study)
        found = [item for make in leaderboard.ARTEFACTS.values() for item in make(board)]
        yield f"{count + 1} arms, {seeds} seeds, {policies * tasks} pairs", _drawn(found)


def papers(folder: Path) -> Drawn:
    """Those of both papers, on six pairs and on one."""
    every = dots_panels(dots_study(folder / "dots", points=8, questions=50, seeds=2))
    for name, panels in {"DOTS + RR, six pairs": every, "DOTS + RR, one pair": every[:1]}.items():
        yield name, _drawn(item for make in dots_rr.ARTEFACTS.values() for item in make(panels))
    arms = headline_arms() | further_arms()
    six = ufo_study(folder / "six", arms, seeds=2, steps=8, every=2, questions=100, fields=SIX).read()
    one = ufo_study(folder / "one", headline_arms() | bins(5), seeds=1).read()
    for name, study in {"UFO-RL, six pairs": six, "UFO-RL, one pair and one seed": one}.items():
        panels = [Measures(panel) for panel in study.panels]
        yield name, _drawn(item for make in ufo_rl.ARTEFACTS.values() for item in make(panels))


def searches(folder: Path) -> Drawn:
    """Those of a sweep and of a diagnosis."""
    folder.mkdir(parents=True)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    stored(spec_of(folder), folder, uri)
    yield "a sweep", of_sweep(load_searches(spec_of(folder), uri))
    rates = np.random.default_rng(0).beta(0.25, 0.6, 400)
    yield "a diagnosis", of_diagnosis(find("made", made(rates, rates, samples=8), 0))


KINDS: dict[str, Callable[[Path], Drawn]] = {"page": page, "boards": boards, "papers": papers, "searches": searches}


def _drawn(items: Iterable[Table | Picture]) -> list[Picture]:
    return [item for item in items if isinstance(item, Picture)]


def sheet(out: Path, kinds: Iterable[str]) -> list[str]:
    """Write the page; what is wrong with the figures, one line each."""
    wrong, body = list[str](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            for place, (name, found) in enumerate(KINDS[kind](Path(folder) / kind)):
                body.append(f"<h2>{html.escape(name)}</h2>")
                for picture in found:
                    wrong += [f"{name}: {error}" for narrow in (False, True) if (error := _fault(picture, narrow))]
                    body.append(_entry(picture, out, f"{kind}_{place}"))
    out.mkdir(parents=True, exist_ok=True)
    style = "figure{margin:0 0 2rem}img{vertical-align:top;border:1px solid #ddd;margin-right:1rem}"
    (out / "index.html").write_text(f"<meta charset=utf-8><style>{style}</style>{''.join(body)}")
    return wrong


def _fault(picture: Picture, narrow: bool) -> str:
    try:
        check(picture, narrow)
    except AssertionError as error:
        return str(error).split("\n")[0]
    return ""


def _entry(picture: Picture, out: Path, folder: str) -> str:
    """The figure at both widths, with its title and its caption."""
    picture.write(out / folder)
    title, caption = html.escape(picture.title), html.escape(picture.caption)
    images = "".join(
        f'<img src="{folder}/{picture.name}{ending}.png" width="{width}">'
        for ending, width in (("", 690), (".narrow", 330))
    )
    return f"<figure>{images}<figcaption><b>{title}.</b> {caption}</figcaption></figure>"


def main() -> int:
    """Write the sheet and print the faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for index.html and the figures")
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    faults = sheet(options.out, options.only)
    sys.stdout.write("\n".join([*faults, f"{options.out / 'index.html'}: {len(faults)} faults", ""]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
