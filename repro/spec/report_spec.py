"""The schema of the report of a study: what it compares, what it is to decide, and what it shows."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from repro.fields import LONGEST_NAME, Strict


class ClaimSpec(Strict):
    """A primary claim: whether an arm is more accurate over training than another, at equal cost."""

    NO_RESULT: ClassVar[frozenset[str]] = frozenset({"arm", "against", "by"})

    arm: str = Field(max_length=LONGEST_NAME, description="the arm that is claimed about")
    against: str | None = Field(
        None, max_length=LONGEST_NAME, description="the arm that it is compared with (default: report.baseline)"
    )
    by: Literal["tokens", "steps", "seconds"] = Field(
        "tokens", description="the cost that is equal: generated tokens with those of selection, steps or seconds"
    )


class ReportSpec(Strict):
    """What the report compares and shows; no run depends on it."""

    NO_RESULT: ClassVar[frozenset[str]] = frozenset({"baseline", "main", "claims", "target", "artefacts"})

    baseline: str | None = Field(None, description="the arm that the others are compared with (default: the first)")
    main: str | None = Field(
        None,
        max_length=LONGEST_NAME,
        description="whose accuracy every number is about: test, validation, benchmarks (the mean over"
        " evaluate.benchmarks) or the label of one benchmark (default: test, else validation)",
    )
    claims: list[ClaimSpec] = Field(
        default_factory=list,
        max_length=12,
        description="what the study is to decide, one or two comparisons; all else is exploratory (default: every arm"
        " that runs everywhere against the baseline, at equal generated tokens)",
    )
    target: float | None = Field(None, gt=0, lt=1, description="accuracy of time-to-target (default: baseline's final)")
    artefacts: list[str] = Field(
        default_factory=list,
        description="tables and figures of the papers, e.g. dots_rr.table_1, of a leaderboard, e.g."
        " leaderboard.ranking, and your own as module:function",
    )
