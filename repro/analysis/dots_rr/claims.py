"""What of DOTS + RR holds in these runs: each claim, the effect measured for it, a verdict read off the interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from repro.analysis.claims import MARGIN, NOT_MEASURED, Claim, Published, claims_table, counted_apart, measured
from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, HEADLINE, RR, Arms
from repro.analysis.dots_rr.cost import TOLERANCE
from repro.analysis.dots_rr.effects import AXES, area, per_step, speedup, time_error, volume_error
from repro.analysis.dots_rr.further import AT_END, REUSE, Heads, further, label_of, members
from repro.analysis.dots_rr.parts import part_tables
from repro.analysis.dots_rr.readings import READ_OFF, percent_said, points_said, readings, times_said
from repro.analysis.dots_rr.split import split, split_table
from repro.analysis.effects import difference, effective, finals, named, ratio
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_number, published_table
from repro.analysis.tables import Table
from repro.analysis.text import number

TIME_TOLERANCE = 0.05
"""Points of a GRPO step, as a share, up to which the time per step agrees with the cost model."""

KEYS = {DOTS: "dots", RR: "rr", DOTS_RR: "dots_rr"}
"""Part -> start of the keys of its claims."""

SPENT = {"steps": "in fewer steps", "tokens": "with fewer generated tokens", "seconds": "in less time"}

PER_STEP = ", completions per step"


def claims(panels: Sequence[Measures]) -> tuple[Claim, ...]:
    """Every claim with what these runs say of it: the paper's first, then what is ours."""
    arms = Arms(panels)
    heads = {part: label_of(arms.headline(part)) for part in HEADLINE}
    return (
        *_selection(panels, heads),
        *_savings(panels, heads, DOTS),
        *_savings(panels, heads, DOTS_RR),
        *_steps(panels, heads),
        *_replay_on_top(panels, heads),
        *_leads(panels, heads),
        *further(panels, arms),
        *_savings(panels, heads, RR),
        *_replay_alone(panels, heads),
        *_cost_model(panels, heads),
    )


# ---------------------------------------------------------------- what the paper claims


def _selection(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    # References that train have a gradient by choice, so the arm whose references do not stands beside.
    apart = [arm.label for arm in members(panels, Arms(panels)) if arm.role == DOTS and arm.differs_in(REUSE)]
    rivals = [heads[DOTS_RR], *apart]
    return [
        Claim(
            "effective",
            "DOTS raises the share of groups with a gradient",
            Published("section 5.3, Figure 4", _effective_published()),
            0.0,
            measured([difference(panels, heads[DOTS], heads[GRPO], effective)]),
            measured(difference(panels, label, heads[GRPO], effective) for label in rivals),
        )
    ]


def _savings(panels: Sequence[Measures], heads: Heads, part: str) -> list[Claim]:
    return [
        Claim(
            f"{KEYS[part]}_{axis}",
            f"{part} reaches GRPO's final accuracy {SPENT[axis]}",
            _saved_published(part, axis),
            1.0,
            measured([speedup(panels, heads[part], axis)]),
        )
        for axis in AXES
    ]


def _steps(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    saved = _table_1("time_per_step_saved_percent")
    return [
        Claim(
            "step_cheaper",
            "a step of DOTS+RR takes less time than one of GRPO",
            Published("section 5.2, Table 1", f"{percent_said(saved)} saved, {_as_times(saved)}"),
            1.0,
            measured([ratio(panels, heads[DOTS_RR], heads[GRPO], per_step(None))]),
            measured(ratio(panels, heads[part], heads[GRPO], per_step(None)) for part in (DOTS, RR)),
        )
    ]


def _replay_on_top(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    """What replay changes where DOTS chooses the questions: the paper has no replay without it."""
    both, alone = heads[DOTS_RR], heads[DOTS]
    curves = readings("figure_5b", DOTS_RR, DOTS)
    ended, whole = (points_said(values, 2) for values in ([r.end for r in curves], [r.mean for r in curves]))
    timed = [reading.saved for reading in readings("figure_10b", DOTS_RR, DOTS)]
    printed = number(published_number("dots_rr", "section_5.4", "time_saved_percent"), 0)
    return [
        Claim(
            "replay_accuracy",
            "replay on top of DOTS keeps its accuracy at equal steps",
            Published("section 5.4, Figure 5b", f"curves {ended} at the end, {whole} over training"),
            -MARGIN,
            measured([named(difference(panels, both, alone, finals), AT_END), area(panels, both, alone, "steps")]),
        ),
        Claim(
            "replay_time",
            "replay on top of DOTS saves time per step",
            Published(
                "section 5.4, Figures 5b and 10b",
                f"about {printed} % saved, curves {percent_said(timed)}, {_as_times(timed)}",
            ),
            1.0,
            measured([ratio(panels, both, alone, per_step(None))]),
            measured([named(ratio(panels, both, alone, per_step("generated_tokens")), " in tokens")]),
        ),
    ]


def _leads(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    """Mean accuracy over training, DOTS+RR against GRPO, with each part alone beside it."""
    grpo, out = heads[GRPO], []
    figures = {"steps": "figure_9", "seconds": "figure_3"}
    for axis in AXES:
        beside = [area(panels, heads[part], grpo, axis) for part in (DOTS, RR)]
        if axis == "steps":
            beside.append(named(difference(panels, heads[DOTS_RR], grpo, finals), AT_END))
        ours = measured([area(panels, heads[DOTS_RR], grpo, axis)])
        published = None
        if axis in figures:
            found = readings(figures[axis], DOTS_RR, GRPO)
            said = f"curves {points_said([reading.mean for reading in found])} over training"
            if axis == "seconds":
                science = [reading.mean for reading in readings("figure_6b", DOTS_RR, GRPO)]
                said += f"; on science (section 5.4, Figure 6b) {points_said(science)}"
            published = Published(f"section 5.2, Figure {figures[axis].removeprefix('figure_')}", said)
        short = f"DOTS+RR beats GRPO at equal {axis}"
        out.append(Claim(f"lead_{axis}", short, published, 0.0, ours, measured(beside) if ours else ()))
    return out


# ---------------------------------------------------------------- what is ours


def _replay_alone(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    """Replay with uniform questions, and whether both parts together gain what each gains alone."""
    rr, grpo = heads[RR], heads[GRPO]
    beyond = [one.effects["beyond"] for one in split(panels) if one.kind == "accuracy"]
    short = f"selection and replay add up, to {number(100 * MARGIN, 0)} points of mean accuracy"
    return [
        Claim(
            "rr_time",
            "RR alone makes a step cheaper in time",
            None,
            1.0,
            measured([ratio(panels, rr, grpo, per_step(None))]),
        ),
        Claim(
            "rr_accuracy",
            "RR alone costs no accuracy at equal steps",
            None,
            -MARGIN,
            measured([named(difference(panels, rr, grpo, finals), AT_END)]),
            measured([area(panels, rr, grpo, "steps")]),
        ),
        Claim("add_up", short, None, -MARGIN, tuple(beyond)),
    ]


def _cost_model(panels: Sequence[Measures], heads: Heads) -> list[Claim]:
    """The paper prints no formula for its cost; its settings and rollout shares give what its Table 1 measured."""
    spent = [
        ratio(panels, heads[GRPO], heads[part], per_step("completions"), counted=True) for part in (DOTS, RR, DOTS_RR)
    ]
    return [
        Claim(
            "volume",
            "completions per step follow δ + K / (μ B) once warm-up, top-ups and reused groups are put aside",
            None,
            -math.inf,
            measured([volume_error(panels)]),
            measured([volume_error(panels, adjusted=False), *(named(one, PER_STEP) for one in spent)]),
            ceiling=TOLERANCE,
            unit="percent",
        ),
        Claim(
            "step_time",
            "the time per step follows the cost model",
            None,
            -TIME_TOLERANCE,
            measured(time_error(panels, heads[part]) for part in (DOTS, RR, DOTS_RR)),
            ceiling=TIME_TOLERANCE,
        ),
    ]


# ---------------------------------------------------------------- published


def _effective_published() -> str:
    means = published_table("dots_rr", "figure_4").groupby("arm")["value"].mean()
    more = published_number("dots_rr", "section_5.3", "more_effective_points")
    curves = f"{number(100 * means[GRPO], 0)} % to {number(100 * means[DOTS], 0)} %"
    return f"+{number(more)} points on average, curves {curves}"


def _saved_published(part: str, axis: str) -> Published | None:
    """The published savings on the way to GRPO's final accuracy; None where the paper has no such comparison."""
    if part == DOTS and axis == "steps":
        found = [*readings("figure_5a", DOTS, GRPO), *readings("figure_7", DOTS, GRPO, "Qwen2.5-3B")]
        return Published("section 5.4, Figures 5a and 7", f"curves {times_said(found)}")
    if part == DOTS and axis == "seconds":
        return Published("appendix E.3, Figure 10a", f"curves {times_said(readings('figure_10a', DOTS, GRPO))}")
    if part != DOTS_RR or axis == "tokens":
        return None
    saved = _table_1("steps_saved_percent" if axis == "steps" else "total_time_saved_percent")
    mean = published_number("dots_rr", "section_5.2", "mean_total_time_saved_percent")
    average = f", {number(mean)} % on average" if axis == "seconds" else ""
    said = f"{percent_said(saved)} saved{average}, {_as_times(saved)}"
    return Published("section 5.2, Table 1", said)


def _table_1(metric: str) -> list[float]:
    """One column of the published Table 1, as shares."""
    table = published_table("dots_rr", "table_1")
    return (table[table["metric"] == metric]["value"] / 100).to_list()


def _as_times(saved: Iterable[float]) -> str:
    """Shares saved as the ratios that are measured here: `1.15 to 2.31×`."""
    ratios = [1 / (1 - share) for share in saved]
    return f"{number(min(ratios), 2)} to {number(max(ratios), 2)}×"


# ---------------------------------------------------------------- table


def table(panels: Sequence[Measures]) -> list[Table | Picture]:
    """One row per claim; and how the savings divide between selection and replay."""
    notes = (
        "Ratios to GRPO's final accuracy: of the times at which the means over seeds reach it, linear between "
        "evaluations. At equal steps, tokens or seconds: mean accuracy over training up to where the shorter run ends.",
        "Tokens and seconds include probes, selection and prediction, not the training of the predictor. Groups with a "
        "gradient: of those rolled out anew, references that train among them.",
        "Published: the place in the paper and its numbers, for other policies and data; 'curves' marks what was read "
        f"off figures. {READ_OFF}",
    )
    found = claims(panels)
    checked = [claim for claim in found if claim.verdict != NOT_MEASURED]
    caption = counted_apart(checked, "DOTS + RR")
    made: list[Table | Picture] = [claims_table("dots_rr.claims", "DOTS + RR: what holds here", found, caption, notes)]
    return [*made, *part_tables(panels), *split_table(panels)]
