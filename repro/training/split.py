"""Can a cell be trained by so many processes? Checked before they start and again by each of them."""

from __future__ import annotations

from repro.errors import UserError
from repro.spec.schema import Cell


def check_ranks(cell: Cell, processes: int) -> None:
    """UserError with both numbers where groups, minibatches or the replay buffer do not divide by `processes`."""
    if processes == 1:
        return
    train, replay = cell.train, cell.replay
    if train.rollout.engine == "vllm" and train.rollout.mode == "server":
        raise UserError(
            f'train.rollout.mode: got "server" with --processes {processes}, expected "colocate": a server takes the '
            f"weights of one process"
        )
    questions = train.questions_per_step
    _divides("train.questions_per_step", questions, processes, "no group is split")
    rows = questions // processes * train.group_size
    if rows % train.minibatches:
        raise UserError(
            f"train.minibatches: got {train.minibatches} with --processes {processes}, which leaves {rows} rows for "
            f"each process, expected a divisor of that"
        )
    if replay is None:
        return
    fresh = round(replay.fresh * questions)
    _divides("replay.fresh", fresh, processes, f"{replay.fresh:g} of {questions} questions are {fresh} fresh groups")
    _divides("replay.capacity", replay.capacity, processes, "each process replays the groups that it generated")
    if replay.short == "shrink" and fresh // processes * train.group_size % train.minibatches:
        raise UserError(
            f'replay.short: got "shrink" with --processes {processes}, which leaves {fresh // processes} fresh groups '
            f"of {train.group_size} for each where nothing can be replayed, expected a multiple of train.minibatches "
            f"({train.minibatches}) or another way"
        )


def _divides(field: str, value: int, processes: int, why: str) -> None:
    if value % processes:
        lower, higher = value // processes * processes, -(-value // processes) * processes
        nearest = f"{lower} or {higher}" if lower else f"{higher}"
        raise UserError(
            f"{field}: got {value} with --processes {processes}, expected a multiple of it ({nearest}): {why}"
        )
