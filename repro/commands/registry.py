"""Every command of the command line, in the order of `--help`."""

from __future__ import annotations

from repro.commands import (
    diagnose,
    grade,
    plan,
    predictor,
    report,
    run,
    schema,
    score,
    status,
    sweep,
    validate,
    verify,
    warm_start,
    why,
)
from repro.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    run.COMMAND,
    plan.COMMAND,
    sweep.COMMAND,
    report.COMMAND,
    diagnose.COMMAND,
    score.COMMAND,
    predictor.COMMAND,
    grade.COMMAND,
    status.COMMAND,
    why.COMMAND,
    verify.COMMAND,
    validate.COMMAND,
    schema.COMMAND,
    warm_start.COMMAND,
)
