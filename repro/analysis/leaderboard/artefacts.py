"""The tables and figures of a leaderboard, by the name that a spec asks for them under."""

from __future__ import annotations

from collections.abc import Callable

from repro.analysis.leaderboard import gain, practice, ranking, selected, stability, tuning
from repro.analysis.leaderboard.board import Board
from repro.analysis.pictures import Picture
from repro.analysis.tables import Table

ARTEFACTS: dict[str, Callable[[Board], list[Table | Picture]]] = {
    "leaderboard.gain": gain.gain,
    "leaderboard.ranking": ranking.ranking,
    "leaderboard.stability": stability.stability,
    "leaderboard.selected": selected.selected,
    "leaderboard.tuning": tuning.tuning,
    "leaderboard.practice": practice.practice,
}
