"""The presets `paper` and `code` of DOTS + RR: every field in which paper, authors' code or our default differ.

Sections, tables and lines of the paper are those of arXiv 2506.05316, files of the code those of
github.com/ASTRAL-Group/data-efficient-llm-rl. What the paper does not say, `paper` takes from the code. Sizes (steps,
batch, K, C, learning rate, lengths) are a study's own: they have to fit its policy and its machine.
"""

from __future__ import annotations

from typing import Any

from repro.spec.presets.preset import Preset, PresetField

LOSS, SCRIPT, CONFIG = "core_algos.py", "final_ds_teacher_replay.sh", "ppo_trainer.yaml"
TRAINER, WORKER, ACTOR = "ray_trainer.py", "fsdp_workers.py", "dp_actor.py"
NET, FIT, LABELS = "model.py", "train.py", "load_data.py"
NOT_SAID = "not said"


def _field(
    path: str, paper: tuple[Any, str], code: tuple[Any, str], why: str, method: str | None = None
) -> PresetField:
    return PresetField(
        path, {"paper": paper[0], "code": code[0]}, {"paper": paper[1], "code": code[1]}, why, method=method
    )


FIELDS: tuple[PresetField, ...] = (
    # ---- GRPO
    _field("train.advantage_std", (False, "equation 1"), (True, LOSS), "as GRPO was published"),
    _field("train.loss", ("grpo", "section 3"), ("bnpo", LOSS), "as the paper"),
    _field("train.skip_zero_advantage", (False, NOT_SAID), (False, ACTOR), "the same gradient for less work"),
    _field("train.temperature", (0.6, "table 4"), (0.6, SCRIPT), "the policy itself is sampled"),
    _field("train.top_p", (0.95, "table 4"), (1.0, CONFIG), "the policy itself is sampled"),
    _field("train.weight_decay", (0.0, "table 4"), (0.01, WORKER), "as the paper"),
    _field("evaluate.temperature", (0.6, "appendix D.4"), (0.6, SCRIPT), "as the rollouts"),
    _field("evaluate.top_p", (0.95, "appendix D.4"), (0.95, NOT_SAID), "as the rollouts"),
    # ---- replay
    _field("replay.correction", ("paper", "section 4.3"), ("proximal", LOSS), "as the paper"),
    _field("replay.filter", ("insertion", "algorithm 1, line 18"), ("trimming", TRAINER), "as the paper"),
    _field("replay.per_question", ("all", "algorithm 1, line 18"), ("latest", TRAINER), "as the paper"),
    _field(
        "replay.short",
        ("wait", "algorithm 1, line 16"),
        ("shrink", TRAINER),
        "a buffer that is nearly full is used",
    ),
    _field("replay.warm_up", (0, "algorithm 1, line 10"), (2, TRAINER), "as the paper"),
    # ---- selection
    _field(
        "selection.measure", ("failure_rate", "equation 2"), ("pass_rate", TRAINER), "as the paper", method="difficulty"
    ),
    _field(
        "selection.recalibration",
        ("none", "section 4.1"),
        ("in_sample", "teacher_utils.py"),
        "a slope that holds for questions the references did not see",
        method="difficulty",
    ),
    _field(
        "selection.reuse_references",
        (True, "appendix A.1"),
        (False, TRAINER),
        "what trains is then what selection chose",
        method="difficulty",
    ),
    PresetField(
        "selection.reuse_by",
        {"paper": "predicted"},
        {"paper": "appendix A.1", "code": "none train"},
        "all that train have a gradient",
        method="difficulty",
    ),
    # ---- the predictor's network
    _field("predictor.towers.width", (896, "appendix C.1"), (896, FIT), "embeddings of small policies are narrow"),
    _field("predictor.towers.shared", (True, "section 4.1"), (False, NET), "as the code"),
    _field("predictor.towers.calibration", ("slope_bias", "section 4.1"), ("temperature_bias", NET), "as the paper"),
    _field("predictor.towers.activation", ("relu", NOT_SAID), ("relu", NET), "as the adapter's (appendix C.1)"),
    _field("predictor.towers.identity_start", (False, NOT_SAID), (False, NET), "few labels suffice"),
    _field("predictor.towers.clip", (1e-4, NOT_SAID), (1e-4, NET), "no pass rate is known better"),
    _field("predictor.towers.deviation", ("population", "section 4.1"), ("sample", NET), "as the paper"),
    _field(
        "predictor.towers.standardise", (False, NOT_SAID), (False, NET), "mean-pooled states share one large direction"
    ),
    _field("predictor.towers.rates", ("failure_rate", "equation 2"), ("pass_rate", LABELS), "as the paper"),
    # ---- how it is fitted
    _field("predictor.fit.held_out", (0.0, NOT_SAID), (0.0, FIT), "a loss that tells overfitting"),
    _field("predictor.fit.references_among", ("all", NOT_SAID), ("all", FIT), "no question is its own reference"),
    _field("predictor.fit.warm_up_most", (100, NOT_SAID), (100, FIT), "a share of the updates fits any number of them"),
    _field("predictor.fit.warm_up_from", ("zero", NOT_SAID), ("zero", FIT), "no update is lost"),
)
"""The table of docs/methods.md has these rows, and `tests/spec/test_presets.py` finds them in both."""

PRESETS = (
    Preset("paper", "DOTS + RR as its paper has it", FIELDS),
    Preset("code", "DOTS + RR as its authors' code does it", FIELDS),
)
