"""How each number of a report was computed, in plain words and with the settings of the study at hand."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.measures import GAIN_SHARES, HARDLY, NEAR_ZERO, Measures
from analysis.rewards import all_by_accuracy, rewarded_by
from analysis.statistics import RESAMPLES
from analysis.study import Study
from analysis.text import joined, names, number, plural
from analysis.updates import updates_said


def methods(study: Study, panels: Sequence[Measures]) -> tuple[tuple[str, str], ...]:
    """(term, explanation) pairs in the order of the page."""
    evaluate, measures = study.spec.evaluate, panels[0]
    asked = measures.finals[0].asked
    seeds = [len(series.runs) for one in panels for series in one.panel.series]
    found = [
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
            "'clearly' are used only where a 95 % interval leaves zero (or a ratio of one) outside. Arms are compared "
            "one by one, with no correction for their number.",
        ),
        (
            "P(better)",
            f"Share of all pairs (run of the arm, run of {names([study.baseline])}) in which the arm ended higher; "
            "ties count half.",
        ),
        ("Time to target", _target(study, measures)),
        (
            "Speedup",
            f"Ratio of medians over seeds, baseline ÷ arm. The interval is a percentile bootstrap over seeds "
            f"({RESAMPLES:,} resamples, fixed generator), widened by the spacing of the evaluations: a run may have "
            "got there at any moment since the one before. With three seeds a bootstrap cannot see beyond their range, "
            "so read these intervals as the least there is. A run that never got there took longer than its budget: it "
            "stays in, as a bound.",
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
            "Seconds are wall time of the job without evaluation and warm start; jobs run side by side contend for the "
            f"processors, so CPU seconds stand beside them. {updates_said(panels)} Scores and pass rates that came "
            "from a cache are charged in full, and shared costs to every arm that uses them.",
        ),
        (
            "Warnings",
            f"Below {100 * HARDLY:.0f} % of groups with a gradient, and below {100 * NEAR_ZERO:.0f} % accuracy before "
            "and after, the page says so above everything else.",
        ),
    ]
    if not all_by_accuracy(panels):
        found.insert(1, ("Reward", _reward(panels)))
    if len(panels) > 1:
        found.append(
            (
                "Overall",
                "Interquartile mean of the final accuracies of all runs, with a bootstrap that resamples seeds inside "
                "each model and dataset.",
            )
        )
        found.append(
            (
                "Differences over several models and datasets",
                "Paired by seed and averaged inside each model and dataset, then over these with equal weight. They "
                "and their held-out questions are taken as fixed: the 95 % t-interval covers new seeds, each model and "
                "dataset with a variance of its own (Welch and Satterthwaite's degrees of freedom).",
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


def _reward(panels: Sequence[Measures]) -> str:
    parts = [f"{reward} (arms {names(labels)})" for reward, labels in rewarded_by(panels).items()]
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


def _target(study: Study, measures: Measures) -> str:
    text = (
        "The first evaluation from which accuracy holds the target at two evaluations in a row, read off the raw curve "
        "of each seed; reaching it at the last evaluation alone does not count. "
    )
    if study.spec.report.target is not None:
        return f"{text}The target, {number(100 * study.spec.report.target)} %, is set in the spec."
    return (
        f"{text}The target is the final mean of {names([study.baseline])}. A seed of {names([study.baseline])} that "
        "does not hold it earlier counts with its whole budget, which can only understate an arm's speedup."
    )


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"
