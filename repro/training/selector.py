"""Makes the selector of a run from its questions and its policy."""

from __future__ import annotations

from repro.errors import UserError
from repro.selection.base import Run, Selector
from repro.spec.schema import Cell
from repro.tasks.problem import TaskData
from repro.training.budget import steps_over
from repro.training.resources import PolicyResources


def build_selector(cell: Cell, data: TaskData, resources: PolicyResources) -> Selector:
    """What chooses the questions of a cell. UserError where there are fewer than a step takes."""
    ids = [problem.id for problem in data.train]
    if len(ids) < cell.train.questions_per_step:
        raise UserError(
            f"dataset has {len(ids)} training questions, fewer than train.questions_per_step "
            f"{cell.train.questions_per_step}; lower it or raise dataset.limits.train"
        )
    if cell.selection.wants_predictor:
        resources.predictor()  # now: building it may train policies, which no trainer of ours would survive
    steps = steps_over(cell, len(ids))  # what divides them into stages draws from the whole pool
    train = cell.train
    run = Run(data.train, cell.seed, resources, train.group_size, steps, train.min_spread, train.advantage_std)
    return cell.selection.build(run)
