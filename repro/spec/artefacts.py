"""The tables and figures that a spec may ask for: name -> what it shows."""

from __future__ import annotations

ARTEFACTS = {
    "dots_rr.claims": "every claim about DOTS + RR with its verdict, DOTS alone and replay on top of it beside the "
    "published curves, and the answer that leads the report",
    "dots_rr.ablations": "a table per swept field, one figure of all of them, and the single alternatives",
    "dots_rr.table_1": "steps, time per step and total time saved against GRPO",
    "dots_rr.steps_to_match": "when each seed first held the final accuracy of GRPO, by steps, tokens and seconds",
    "dots_rr.auc": "area under the accuracy curve, by steps and by tokens",
    "dots_rr.cost_model": "delta + K / (mu B) against the completions counted, and the time that follows",
    "dots_rr.forest": "selection, replay and both against GRPO at equal tokens, pair by pair",
    "dots_rr.curves": "accuracy of every arm by generated tokens, above the published curves",
    "dots_rr.factors": "selection and replay as two factors, as bars",
    "dots_rr.staleness": "replayed tokens outside the clip, by step and by arm",
    "dots_rr.figure_4": "groups with a gradient by step",
    "dots_rr.table_7": "noise of an evaluation on few questions",
    "dots_rr.table_2": "correlation of the trained predictor",
    "dots_rr.table_3": "which references a prediction rests on",
    "dots_rr.table_8": "correlation of the predictor without training",
    "dots_rr.calibration": "predicted against measured difficulty",
    "dots_rr.theorem_1": "squared gradient norm by pass rate, with the theorem's curve",
    "ufo_rl.forest": "UFO against full data and against a random subset at equal tokens, pair by pair",
    "ufo_rl.figure_1": "accuracy by the quantile of the pass rate that is trained on",
    "ufo_rl.table_1": "pass rates of the start policy over the pool",
    "ufo_rl.table_2": "single-pass scores against multi-sample accuracy",
    "ufo_rl.table_3": "curricula beside single quantiles and the whole pool",
    "ufo_rl.claims": "every claim about UFO-RL with its verdict, and the answer that leads the report",
    "ufo_rl.stability": "spread over seeds, groups without gradient and completion length by strategy",
    "ufo_rl.table_4": "what scoring costs, as a table and a figure",
    "ufo_rl.table_5": "accuracy by selection strategy, and the share of the gain of full data",
    "ufo_rl.table_6": "training time with and without scoring",
    "ufo_rl.epochs": "accuracy after some epochs over a subset, beside full data trained to its end",
    "ufo_rl.ablations": "centre, fraction, target, label-free scores, and what arms are matched on",
    "leaderboard.gain": "gain against generated tokens on every pair of policy and task, and every arm beside the "
    "baseline at equal tokens",
    "leaderboard.ranking": "the arms by rank: difference at equal tokens, steps and seconds, whether it is clear after "
    "Holm's correction, chances of the rank, and what selection takes",
    "leaderboard.stability": "whether the order holds without a task, policy or seed, at other costs and summaries, "
    "and which conclusions change",
    "leaderboard.selected": "difficulty of what each arm selected, and its groups with a signal over training",
    "leaderboard.tuning": "what a sweep cost in tokens, and what its best values gained on fresh seeds",
    "leaderboard.practice": "what the runs say in practice, in five sentences at most, and the numbers behind them",
}
"""`artefacts.py` of `dots_rr`, `ufo_rl` and `leaderboard` in `repro/analysis/` make exactly these."""
