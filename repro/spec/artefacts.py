"""The papers' tables and figures that a spec may ask for: name -> what it shows."""

from __future__ import annotations

ARTEFACTS = {
    "dots_rr.claims": "every claim about DOTS + RR with its verdict, DOTS alone and replay on top of it beside the "
    "published curves, and the answer that leads the report",
    "dots_rr.ablations": "a table and a figure per swept field, and the single alternatives",
    "dots_rr.table_1": "steps, time per step and total time saved against GRPO",
    "dots_rr.steps_to_match": "when each seed first held the final accuracy of GRPO, by steps, tokens and seconds",
    "dots_rr.auc": "area under the accuracy curve, by steps and by tokens",
    "dots_rr.cost_model": "delta + K / (mu B) against the completions counted, and the time that follows",
    "dots_rr.figure_3": "accuracy of GRPO and DOTS+RR by time",
    "dots_rr.figure_4": "groups with a gradient by step",
    "dots_rr.figure_5": "by step: selection alone, what replay adds to it, and replay alone",
    "dots_rr.figure_6a": "DOTS against a curriculum that is fixed before training",
    "dots_rr.figure_6b": "DOTS+RR against GRPO in a second domain",
    "dots_rr.figure_7": "how many references a prediction needs",
    "dots_rr.figure_8": "a longer run: does the gain last",
    "dots_rr.figure_9": "accuracy of GRPO and DOTS+RR by step",
    "dots_rr.figure_10": "the comparisons of figure 5 by time",
    "dots_rr.table_7": "noise of an evaluation on few questions",
    "dots_rr.table_2": "correlation of the trained predictor",
    "dots_rr.table_3": "which references a prediction rests on",
    "dots_rr.table_8": "correlation of the predictor without training",
    "dots_rr.calibration": "predicted against measured difficulty",
    "dots_rr.theorem_1": "squared gradient norm by pass rate, with the theorem's curve",
    "ufo_rl.figure_1": "accuracy by the quantile of the pass rate that is trained on",
    "ufo_rl.table_1": "pass rates of the start policy over the pool",
    "ufo_rl.table_2": "single-pass scores against multi-sample accuracy",
    "ufo_rl.table_3": "curricula beside single quantiles and the whole pool",
    "ufo_rl.claims": "every claim about UFO-RL with its verdict, and the answer that leads the report",
    "ufo_rl.stability": "spread over seeds, groups without gradient and completion length by strategy",
    "ufo_rl.table_4": "what scoring costs",
    "ufo_rl.table_5": "accuracy by selection strategy",
    "ufo_rl.table_6": "training time with and without scoring",
    "ufo_rl.ablations": "centre, fraction, target, label-free scores, and what arms are matched on",
}
"""`analysis/<paper>/artefacts.py` makes exactly these."""
