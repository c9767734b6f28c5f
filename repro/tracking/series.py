"""Every series that a run records and every phase of its ledger, each named once, with its meaning and unit.

Training writes them and reports read them by these names. A selection of the user's own may add `select/...` series and
a benchmark adds `eval/<its name>`; everything else is in `SERIES`.
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """What one value of a series says, and in which unit."""

    text: str
    unit: str


SERIES: dict[str, Meaning] = {}
"""Name -> meaning of every listed series."""

TRAIN, EVAL, SELECT, REPLAY, ROLLOUT, COST, SEEDS, SYSTEM = (
    "train/",
    "eval/",
    "select/",
    "replay/",
    "rollout/",
    "cost/",
    "seeds/",
    "system/",
)
"""How the names of a family begin."""


def _listed(family: str, name: str, unit: str, text: str) -> str:
    SERIES[family + name] = Meaning(text, unit)
    return family + name


# ---------------------------------------------------------------- training, once per step

REWARD = _listed(TRAIN, "reward", "reward", "mean reward of the completions rolled out for the step")
TRAIN_ACCURACY = _listed(TRAIN, "accuracy", "share", "right fresh completions, where rewards are something else")
ZERO_VARIANCE = _listed(TRAIN, "zero_variance", "share", "fresh groups whose rewards are alike: no gradient")
EFFECTIVE = _listed(TRAIN, "effective", "share", "fresh groups with a gradient: 1 - zero_variance")
COMPLETION_TOKENS = _listed(TRAIN, "completion_tokens", "tokens", "mean length of a fresh completion")
UNDECIDED = _listed(TRAIN, "undecided", "completions", "judged wrong because the comparison ran out of time or memory")
LOSS = _listed(TRAIN, "loss", "loss", "mean loss of the step's updates")
GRAD_NORM = _listed(TRAIN, "grad_norm", "norm", "norm of the gradient before clipping, mean over updates")
KEPT_ENTROPY = _listed(TRAIN, "kept_entropy", "nats", "mean token entropy of the rows that were trained on")
KEPT_CLIP_RATIO = _listed(TRAIN, "kept_clip_ratio", "share", "tokens of trained rows whose ratio was clipped")
KL = _listed(TRAIN, "kl", "nats", "divergence from the start policy, mean over trained tokens; absent without train.kl")
KEPT_ROWS = _listed(TRAIN, "kept_rows", "rows", "completions with an advantage that were trained on, fresh or replayed")
WARNINGS = _listed(TRAIN, "warnings", "warnings", "kinds of trouble seen so far (health.json); absent without any")


def reward_part(label: str) -> str:
    """The series of one reward of several that make up `train/reward`."""
    return f"{REWARD}_{label}"


# ---------------------------------------------------------------- rollouts of another engine

for _name, _unit, _text in (
    ("logp_difference_mean", "nats", "mean absolute difference of a token's log-prob between engine and trainer"),
    ("logp_difference_max", "nats", "largest such difference"),
    ("ratio_mean", "ratio", "mean of trainer's ÷ engine's token probability"),
    ("ratio_max", "ratio", "largest such ratio"),
):
    _listed(ROLLOUT, _name, _unit, _text)

# ---------------------------------------------------------------- evaluation

ACCURACY = _listed(EVAL, "accuracy", "share", "sampled completions of test questions that are right (avg@k)")
VALIDATION = _listed(EVAL, "validation", "share", "the same on validation questions")
PASS = _listed(EVAL, "pass", "share", "questions of the main set that one of its k samples answers right (pass@k)")
GREEDY = _listed(EVAL, "greedy", "share", "greedy completions of the main set that are right")
ENTROPY = _listed(EVAL, "entropy", "nats", "mean token entropy of sampled completions of the main set")
TOKENS = _listed(EVAL, "tokens", "tokens", "mean length of a sampled completion of the main set")
BENCHMARKS = _listed(EVAL, "benchmarks", "share", "unweighted mean accuracy over the benchmarks")
PREDICTOR_MAE = _listed(EVAL, "predictor_mae", "share", "mean |predicted - measured pass rate| of uniform questions")
PREDICTOR_PEARSON = _listed(EVAL, "predictor_pearson", "correlation", "Pearson's r of the same two")
PREDICTOR_SPEARMAN = _listed(EVAL, "predictor_spearman", "correlation", "Spearman's rho of the same two")


def accuracy_of(set_name: str) -> str:
    """The series of accuracy on an evaluation set or a benchmark."""
    return ACCURACY if set_name == "test" else EVAL + set_name


def predictor_measure(name: str) -> str:
    """The series of a measure of the predictor on uniform questions: mae, pearson or spearman."""
    return f"{EVAL}predictor_{name}"


# ---------------------------------------------------------------- selection, once per step

REUSED = _listed(SELECT, "reused", "questions", "references that train with the completions that measured them")
SELECT_PEARSON = _listed(
    SELECT, "predictor_pearson", "correlation", "prediction in force against the new references' failure rates"
)
for _name, _unit, _text in (
    ("kept", "questions", "questions that an offline subset may draw"),
    ("stage", "stage", "stage of a curriculum, from 1"),
    ("tried", "questions", "questions that were rolled out, in whole or in part, to fill the batch of the step"),
    ("found", "questions", "those of them that were worth training on"),
    ("found_share", "share", "found ÷ tried"),
    ("continued_informative", "share", "groups of the batch with a gradient, after screening and continuation"),
    ("skipped", "questions", "questions that were skipped because they lately had no gradient"),
    ("p_easy", "probability", "base of the probability that a question which is too easy is kept"),
    ("p_hard", "probability", "the same for one that is too hard"),
    ("pool_hard", "questions", "questions whose latest group was hard"),
    ("pool_normal", "questions", "questions whose latest group was neither hard nor easy"),
    ("pool_easy", "questions", "questions whose latest group was easy"),
    ("pool_unseen", "questions", "questions without a group so far"),
    ("replayed", "questions", "questions of the batch that came again"),
    ("waiting", "questions", "questions that wait to come again"),
    ("rested", "questions", "those of them that have rested long enough"),
    ("categories", "categories", "different categories in the batch"),
    ("category_entropy", "share", "entropy of the categories' probabilities ÷ the largest possible"),
    ("category_most", "probability", "probability of the likeliest category"),
    ("level", "level", "mean level of the questions of the batch, from 1, the easiest"),
    ("predicted_mean", "share", "mean predicted pass rate of the pool"),
    ("chosen_predicted_mean", "share", "mean predicted pass rate of the chosen questions"),
    ("chosen_near_target", "share", "chosen questions whose predicted difficulty is near the target"),
    ("reference_pass_rate", "share", "mean pass rate of the references"),
    ("reference_informative", "share", "references whose group has a gradient"),
    ("predictor_mae", "share", "mean error of the prediction in force on the new references"),
    ("loo_mae", "share", "mean error of references left out in turn"),
    ("loo_pearson", "correlation", "the same, as a correlation of deviations from the others' mean"),
    ("line_slope", "slope", "slope of the line from prediction to truth"),
    ("attended_references", "references", "effective number of references behind a prediction"),
):
    _listed(SELECT, _name, _unit, _text)

# ---------------------------------------------------------------- replay, once per step

FRESH = _listed(REPLAY, "fresh", "groups", "groups that were rolled out for the step")
RATIO_OUTSIDE = _listed(REPLAY, "ratio_outside", "share", "replayed tokens whose ratio is further than the clip from 1")
MASKED = _listed(REPLAY, "masked", "share", "replayed tokens that the bound on the second moment leaves out")
WARM_UP = _listed(REPLAY, "warm_up", "groups", "fresh groups in place of replayed ones while the buffer warms up")
TOPPED_UP = _listed(REPLAY, "topped_up", "groups", "fresh groups in place of replayed ones that a short buffer lacks")
for _name, _unit, _text in (
    ("shrunk", "groups or completions", "what the batch lacks because the buffer was short"),
    ("size", "groups or completions", "held"),
    ("filled", "share", "held ÷ capacity"),
    ("informative", "groups or completions", "held, with a gradient"),
    ("questions", "questions", "different questions held"),
    ("reused", "groups or completions", "replayed in the step"),
    ("reused_total", "groups or completions", "replayed so far"),
    ("unused", "share", "of those held with a gradient, never replayed"),
    ("added", "groups or completions", "entered so far"),
    ("rejected", "groups or completions", "not let in so far"),
    ("evicted", "groups or completions", "pushed out by newer ones so far"),
    ("expired", "groups or completions", "grown too old so far"),
    ("age_mean", "steps", "mean age of what is replayed"),
    ("age_max", "steps", "largest age of what is replayed"),
    ("uses_mean", "uses", "how often what is replayed had been used, mean"),
    ("uses_max", "uses", "how often what is replayed had been used, at most"),
    ("reward", "reward", "mean reward of what is replayed"),
    ("reward_variance", "reward²", "mean variance of rewards inside the groups replayed"),
    ("advantage", "advantage", "mean |advantage| of the completions replayed"),
    ("second_moment", "log-ratio²", "mean squared log-ratio of replayed tokens, before any is left out"),
    ("ratio_mean", "ratio", "mean of the policy's ÷ the behaviour policy's token probability on replayed rows"),
    ("ratio_max", "ratio", "largest such ratio"),
):
    _listed(REPLAY, _name, _unit, _text)

# ---------------------------------------------------------------- cost, cumulative, evaluation and warm start left out

GENERATED_TOKENS = _listed(COST, "generated_tokens", "tokens", "generated for rollouts, probes and scores")
TOTAL_TOKENS = _listed(COST, "total_tokens", "tokens", "prompt, generated, scored and trained tokens")
COMPLETIONS = _listed(COST, "completions", "completions", "generated for rollouts, probes and scores")
FLOPS = _listed(COST, "flops", "FLOPs", "of all forward and backward passes")
SECONDS = _listed(COST, "seconds", "s", "wall time")
CPU_SECONDS = _listed(COST, "cpu_seconds", "s", "CPU time of the process")


def cost_of(amount: str) -> str:
    """The cumulative series of an amount of the ledger, e.g. `cpu_seconds`."""
    return COST + amount


# ---------------------------------------------------------------- the machine, sampled after each step, of no result
# Names and units are MLflow's own, so that it shows them as system metrics.

CPU_USED = _listed(SYSTEM, "cpu_utilization_percentage", "%", "use of the machine's processors since the last sample")
MEMORY_USED = _listed(SYSTEM, "system_memory_usage_megabytes", "MB", "memory of the machine in use")
MEMORY_SHARE = _listed(SYSTEM, "system_memory_usage_percentage", "%", "the same as a share of what it has")
JOB_MEMORY = _listed(SYSTEM, "process_memory_usage_megabytes", "MB", "memory of the job's first process")
GPU_USED = _listed(SYSTEM, "gpu_0_utilization_percentage", "%", "use of that process's GPU")
GPU_MEMORY = _listed(SYSTEM, "gpu_0_memory_usage_megabytes", "MB", "memory of that GPU in use, by whomever")
GPU_MEMORY_SHARE = _listed(SYSTEM, "gpu_0_memory_usage_percentage", "%", "the same as a share of what it has")

# ---------------------------------------------------------------- the ledger

ORACLE = "oracle"
"""Probes of a bound that knows the current pass rates without paying for them."""

PHASES = ("warm_start", "predictor", "score", "probe", ORACLE, "rollout", "train", "evaluate")
"""Phases of the ledger, in the order of a run."""

SPEND = ("score", "probe", "rollout", "train")
"""Phases inside every speedup. The warm start is common to all arms, a difficulty predictor is built once for all
policies and runs that use it, an oracle is a bound and no method, and evaluation is not part of training."""
