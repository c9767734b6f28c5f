"""How each number of a report was computed, in plain words and with the settings of the study at hand."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.arms import CLOCKS
from repro.analysis.comparison import LEAST_GAIN
from repro.analysis.equal_cost import ENOUGH
from repro.analysis.measures import GAIN_SHARES, HARDLY, NEAR_ZERO, Measures
from repro.analysis.primary import ALPHA
from repro.analysis.rewards import all_by_accuracy, rewarded_by
from repro.analysis.study import Study
from repro.analysis.text import joined, names, number
from repro.analysis.updates import updates_said
from repro.words import plural

NAMED = 4
"""Arms that a sentence names; of more it tells how many."""


def methods(study: Study, panels: Sequence[Measures]) -> tuple[tuple[str, str], ...]:
    """(term, explanation) pairs in the order of the page."""
    evaluate, measures = study.spec.evaluate, panels[0]
    asked = measures.finals[0].asked
    seeds = [len(series.runs) for one in panels for series in one.panel.series]
    found = [
        (
            "The answer",
            "Mean accuracy over training up to equal cost, which every run of both arms has spent: the area under "
            "the line through a run's evaluations. Runs are paired by seed and question; both vary, and the "
            "t-interval over seeds alone counts where it is wider. Over several models and tasks it is the mean over "
            "these, each counting alike.",
        ),
        (
            "Primary claims",
            f"{_claims(study)} Holm's procedure keeps the chance of any false one below {100 * ALPHA:.0f} %. "
            "Everything else on these pages is exploratory: its intervals are not corrected for their number.",
        ),
        (
            "Times fewer",
            "The factor by which an arm's curve has to be stretched along the cost to have the baseline's mean "
            "accuracy over training; the interval holds every factor that the runs allow. Withheld below "
            f"{ENOUGH} evaluations.",
        ),
        (
            "What could be seen",
            "The smallest true difference that is told apart from zero with a chance of 80 %, from the spread between "
            "this study's own seeds and questions.",
        ),
        (
            "Accuracy",
            f"{asked.avg}: the share of correct completions of held-out questions, sampled at temperature "
            f"{asked.temperature} every {plural(evaluate.every, 'step')}. A step is one generation batch. Greedy "
            "accuracy takes the most likely token each time; entropy is the mean token entropy of sampled "
            f"completions.{_main(measures)}",
        ),
        (
            "Intervals of means",
            f"95 % t-intervals over training seeds ({_range(seeds)} per arm). With few seeds they are wide, as they "
            "should be. The start policy is one policy, so its interval is over questions; the samples of one question "
            "count as one cluster.",
        ),
        (
            "Differences and gains",
            "Paired: the same seed and the same questions on both sides. The interval covers new seeds and new "
            "questions at once (two-way random effects, Satterthwaite's degrees of freedom). 'Higher', 'lower' and "
            "'clearly' are used only where a 95 % interval leaves zero (or a ratio of one) outside.",
        ),
        (
            "Pairs won",
            f"Of all pairs (run of the arm, run of {names([study.baseline])}), those in which the arm ended higher; "
            "ties count half.",
        ),
        ("Time to the target accuracy", _target(study)),
        (
            "Times less to the target accuracy",
            "The baseline's time to the target ÷ the arm's. A factor is compatible with the runs if the arm with so "
            "many times less is as accurate as the baseline at its time to the target: the 95 % interval of the paired "
            "difference, over seeds and questions of both, holds zero. The brackets hold all compatible factors. They "
            f"are not told for fewer than {ENOUGH} evaluations or two seeds. An arm that does not reach the target "
            "reads `> budget`, and its factor 'not reached' with the bound below which the runs leave it open: where "
            "they end or are clearly behind.",
        ),
        (
            "Easier targets",
            f"{joined([f'{100 * share:.0f}' for share in GAIN_SHARES])} % of the way from the start policy to the "
            "baseline's final mean. A verdict that changes from one to the next hangs on where the bar is put.",
        ),
        (
            "Zero-variance groups",
            f"{_spread(study)} in a freshly rolled-out group; replayed groups do not count. The share of "
            "each step is averaged over steps, then over seeds.",
        ),
        (
            "Cost",
            "Counted where it happens, never from the configuration. Generated tokens: rollouts, probes and selection "
            "sampling. FLOPs: 2 × parameters × tokens forward, three times that with backward, attention included. "
            "Evaluation and warm start are left out, and so are labels and training of a difficulty predictor, paid "
            f"once for all runs; the table of costs by phase has them. {CLOCKS} The data files have both clocks. "
            f"{updates_said(panels)} "
            "Scores and pass rates that came from a cache are charged in full, and other shared costs to every arm "
            "that uses them.",
        ),
        (
            "Warnings",
            f"For example below {100 * HARDLY:.0f} % of groups with a gradient, and below {100 * NEAR_ZERO:.0f} % "
            "accuracy before and after. What can change the answer stands in one line above it, every warning in full "
            "below the first figure.",
        ),
    ]
    if not all_by_accuracy(panels):
        found.insert(1, ("Reward", _reward(panels)))
    if len(panels) > 1:
        found.append(
            (
                "Overall",
                "Gains over the start policy as shares of the baseline's, averaged over those of these pairs of model "
                f"and task on which the baseline clearly gained, {100 * LEAST_GAIN:.0f} point or more, "
                "with equal weight; the 95 % interval covers new seeds, each pair with a variance of its own (Welch "
                "and Satterthwaite's degrees of freedom).",
            )
        )
        found.append(
            (
                "Several pairs of model and task",
                "A mean over pairs is about these pairs: seeds vary, pairs do not. Where three tasks or more are at "
                "hand, an interval with tasks as units says what to expect on another task like these. Tasks are said "
                "to differ where Welch's test of equal means has p of at most 0.05.",
            )
        )
    return tuple(found)


def _main(measures: Measures) -> str:
    """Which accuracy it is, and how intervals treat the sets behind a mean."""
    main = measures.panel.main_series
    if not main.said:
        return ""
    text = f" {main.said} Targets, curves, tables, figures and claims are all about this accuracy."
    if main.mean:
        text += (
            " Its variance over questions is that of the benchmarks' means, each from its own questions, over the "
            "square of their number: the benchmarks are fixed, their questions a sample."
        )
    return text


def _claims(study: Study) -> str:
    """Which comparisons the study is to decide."""
    if not study.spec.report.claims:
        return "The spec names none, so every arm that runs on all models and tasks is compared with the baseline."
    said = [
        f"`{claim.arm}` against `{claim.against or study.baseline}` at equal {claim.by}"
        for claim in study.spec.report.claims
    ]
    return f"Named by the spec: {joined(said)}."


def _reward(panels: Sequence[Measures]) -> str:
    parts = [
        f"{reward} (arms {names(labels) if len(labels) <= NAMED else len(labels)})"
        for reward, labels in rewarded_by(panels).items()
    ]
    text = parts[0].partition(" (arms ")[0] if len(parts) == 1 else "; ".join(parts)
    return (
        f"Training rewards {text}, a number from 0 to 1. Accuracy on held-out questions is the dataset's own verdict "
        "whatever is rewarded. What is said of training questions is the mean reward of their completions under the "
        "reward of the run it is read from; columns and bins take the nearest one."
    )


def _spread(study: Study) -> str:
    spec = study.spec
    set_by = [arm.train.get("min_spread") for arm in spec.arms.values()] + spec.axes.get("train.min_spread", [])
    most = max(float(value) for value in [spec.train.min_spread, *set_by] if isinstance(value, int | float))
    return f"Rewards that differ by at most train.min_spread, {most:g}," if most else "Exact equality of all rewards"


def _target(study: Study) -> str:
    text = (
        "At each evaluation accuracy and cost are averaged over seeds; the time is the cost at which this mean curve, "
        "linear between evaluations, first reaches the target. One rule for every arm, the baseline's too. A run that "
        "has ended keeps its last accuracy and cost, so that no seed is dropped. "
    )
    if study.spec.report.target is not None:
        return f"{text}The target, {number(100 * study.spec.report.target)} %, is set in the spec."
    return f"{text}The target is the final mean of {names([study.baseline])}."


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"
