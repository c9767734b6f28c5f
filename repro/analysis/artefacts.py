"""Makes the tables and figures that a spec asks for: ours by name, a user's own as `module:function`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from repro.analysis.dots_rr import artefacts as dots_rr
from repro.analysis.leaderboard import artefacts as leaderboard
from repro.analysis.leaderboard.board import Board
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.tables import Table
from repro.analysis.ufo_rl import artefacts as ufo_rl
from repro.errors import UserError
from repro.plugins import is_door, load
from repro.words import show

PAPERS: dict[str, Callable[[Sequence[Measures]], list[Table | Picture]]] = {**dots_rr.ARTEFACTS, **ufo_rl.ARTEFACTS}
LEADERBOARD = leaderboard.ARTEFACTS
"""Both together are those of `repro.spec.artefacts.ARTEFACTS`."""

_FILE_NAME = re.compile(r"\w[\w.-]*")


def make_artefacts(names: Sequence[str], board: Board) -> dict[str, list[Table | Picture]]:
    """Name -> tables and figures, in the order asked for. Every name has passed the checks of `validate`.

    All but those of the leaderboard are made from its panels alone.

    Raises:
        UserError: a user's function returns anything but a list of `Table` and `Picture`, or one whose name is no file
            name.
    """
    return {name: _made(name, board) for name in names}


def _made(name: str, board: Board) -> list[Table | Picture]:
    if name in LEADERBOARD:
        return LEADERBOARD[name](board)
    return _own(name, board.panels) if is_door(name) else PAPERS[name](board.panels)


def _own(door: str, panels: Sequence[Measures]) -> list[Table | Picture]:
    made = load(door, "a function that makes tables and figures")(panels)
    if not isinstance(made, list) or not all(isinstance(item, Table | Picture) for item in made):
        kinds = sorted({type(item).__name__ for item in made}) if isinstance(made, list) else [type(made).__name__]
        raise UserError(
            f"report.artefacts: {door} returned {' and '.join(kinds)}, expected a list of analysis.tables.Table and "
            "repro.analysis.pictures.Picture"
        )
    for item in made:
        if not _FILE_NAME.fullmatch(item.name):
            raise UserError(
                f"report.artefacts: {door} named a table or picture {show(item.name)}, expected a file name: "
                "letters, digits, '_', '-' and '.'"
            )
    return made
