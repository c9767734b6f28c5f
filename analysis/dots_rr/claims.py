"""What of DOTS + RR holds in these runs: each claim, the effect measured for it, a verdict read off the interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.claims import MARGIN, NOT_COMPARED, UNREAD, Claim, claims_table, measured
from analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, HEADLINE, RR, Arms
from analysis.dots_rr.cost import PAPER_VOLUME, TOLERANCE
from analysis.dots_rr.effects import AXES, area, per_step, speedup, time_error, volume_error
from analysis.dots_rr.further import AT_END, REUSE, Heads, further, label_of, members
from analysis.dots_rr.split import split, split_table
from analysis.effects import difference, effective, finals, named, ratio
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.published import published_table
from analysis.tables import Table
from analysis.text import number

TIME_TOLERANCE = 0.05
"""Points of a GRPO step, as a share, up to which the time per step agrees with the cost model."""

KEYS = {DOTS: "dots", RR: "rr", DOTS_RR: "dots_rr"}
"""Part -> start of the keys of its claims."""

SPENT = {"steps": "in fewer steps", "tokens": "with fewer generated tokens", "seconds": "in less time"}


def claims(panels: Sequence[Measures]) -> tuple[Claim, ...]:
    """Every claim with what these runs say of it."""
    arms = Arms(panels)
    heads = {part: label_of(arms.headline(part)) for part in HEADLINE}
    return (
        *_selection(panels, heads),
        *_savings(panels, heads),
        *_replay(panels, heads),
        *_leads(panels, heads),
        *_cost_model(panels, heads),
        *further(panels, arms),
    )


# ---------------------------------------------------------------- the headline arms


def _selection(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    # References that train have a gradient by choice, so the arm whose references do not stands beside.
    apart = [arm.label for arm in members(panels, Arms(panels)) if arm.role == DOTS and arm.differs_in(REUSE)]
    rivals = [heads[DOTS_RR], *apart]
    return [
        Claim(
            "effective",
            "DOTS raises the share of groups with a gradient",
            _effective_published(),
            0.0,
            measured([difference(panels, heads[DOTS], heads[GRPO], effective)]),
            measured(difference(panels, label, heads[GRPO], effective) for label in rivals),
        )
    ]


def _savings(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    return [
        Claim(
            f"{KEYS[part]}_{axis}",
            f"{part} reaches GRPO's final accuracy {SPENT[axis]}",
            _saved_published(axis) if part == DOTS_RR else NOT_COMPARED if part == RR else UNREAD,
            1.0,
            measured([speedup(panels, heads[part], axis)]),
        )
        for part in (DOTS, RR, DOTS_RR)
        for axis in AXES
    ]


def _replay(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    rr, grpo = heads[RR], heads[GRPO]
    return [
        Claim(
            "rr_cheaper",
            "RR alone makes a step cheaper in time",
            NOT_COMPARED,
            1.0,
            measured([ratio(panels, rr, grpo, per_step(None))]),
            measured(ratio(panels, heads[part], grpo, per_step(None)) for part in (DOTS, DOTS_RR)),
        ),
        Claim(
            "rr_accuracy",
            "RR alone costs no accuracy at equal steps",
            NOT_COMPARED,
            -MARGIN,
            measured([named(difference(panels, rr, grpo, finals), AT_END)]),
            measured([area(panels, rr, grpo, "steps")]),
        ),
    ]


def _leads(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    """Mean accuracy over training, DOTS+RR against GRPO; and whether both parts together gain what each gains alone."""
    grpo, out = heads[GRPO], []
    for axis in AXES:
        beside = [area(panels, heads[part], grpo, axis) for part in (DOTS, RR)]
        if axis == "steps":
            beside.append(named(difference(panels, heads[DOTS_RR], grpo, finals), AT_END))
        ours = measured([area(panels, heads[DOTS_RR], grpo, axis)])
        out.append(
            Claim(
                f"lead_{axis}",
                f"DOTS+RR beats GRPO at equal {axis}",
                UNREAD,
                0.0,
                ours,
                measured(beside) if ours else (),
            )
        )
    beyond = [one.effects["beyond"] for one in split(panels) if one.kind == "accuracy"]
    short = f"selection and replay add up, to {number(100 * MARGIN, 0)} points of mean accuracy"
    return [*out, Claim("add_up", short, NOT_COMPARED, -MARGIN, tuple(beyond))]


def _cost_model(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    low, high = _range("time_per_step_saved_percent")
    return [
        Claim(
            "volume",
            "completions per step follow the cost model δ + K / (μ B)",
            f"formula {PAPER_VOLUME}, no count",
            -math.inf,
            measured([volume_error(panels)]),
            ceiling=TOLERANCE,
            unit="percent",
        ),
        Claim(
            "step_time",
            "the time per step follows the cost model",
            f"{low} to {high} % saved, 11 to 14 % predicted",
            -TIME_TOLERANCE,
            measured(time_error(panels, heads[part]) for part in (DOTS, RR, DOTS_RR)),
            ceiling=TIME_TOLERANCE,
        ),
    ]


# ---------------------------------------------------------------- published


def _effective_published() -> str:
    means = published_table("dots_rr", "figure_4").groupby("arm")["value"].mean()
    return f"{number(100 * means[GRPO], 0)} % to {number(100 * means[DOTS], 0)} %"


def _range(metric: str) -> tuple[str, str]:
    values = published_table("dots_rr", "table_1").query("metric == @metric")["value"]
    return number(values.min(), 0), number(values.max(), 0)


def _saved_published(axis: str) -> str:
    """The published savings of DOTS+RR, as shares saved and as the ratios that are measured here."""
    if axis == "tokens":
        return NOT_COMPARED
    metric = "steps_saved_percent" if axis == "steps" else "total_time_saved_percent"
    values = published_table("dots_rr", "table_1").query("metric == @metric")["value"]
    least, most = (number(100 / (100 - value), 2) for value in (values.min(), values.max()))
    return f"{' to '.join(_range(metric))} % saved, {least} to {most}×"


# ---------------------------------------------------------------- table


def table(panels: Sequence[Measures]) -> list[Table | Picture]:
    """One row per claim; and how the savings divide between selection and replay."""
    caption = (
        "A claim holds where the 95 % interval of each of its effects lies inside its bars, does not hold where one "
        "lies outside, and is undecided otherwise. Ratios to GRPO's final accuracy: medians over seeds and the mean of "
        "their logarithms over models and data; runs that never hold it count with more than they spent, and leave a "
        "range. At equal steps, tokens or seconds: mean accuracy over training up to where the shorter run ends. "
        "Tokens and seconds include probes, selection and prediction, not the training of the predictor. Differences "
        "are paired by seed and averaged inside each model and dataset; over three of these or more the interval is a "
        "t-interval over their means, over fewer they are fixed and only seeds vary. Groups with a gradient: of those "
        "rolled out anew, references that train among them. In favour: models and datasets whose own interval lies "
        "inside the bars. Claims are judged one by one, with no correction for their number."
    )
    made: list[Table | Picture] = [
        claims_table("dots_rr.claims", "DOTS + RR: what holds here", claims(panels), caption)
    ]
    return [*made, *split_table(panels)]
