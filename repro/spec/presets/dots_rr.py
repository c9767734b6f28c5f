"""The presets `paper` and `code` of DOTS + RR: every field in which paper, authors' code or our default differ.

Sections and equations are those of arXiv 2506.05316, files those of github.com/ASTRAL-Group/data-efficient-llm-rl.
"""

from __future__ import annotations

from repro.spec.presets.preset import Preset, PresetField

CORE, SCRIPT, CONFIG = "core_algos.py", "final_ds_teacher_replay.sh", "ppo_trainer.yaml"
TRAINER, WORKER, TEACHER = "ray_trainer.py", "fsdp_workers.py", "teacher_utils.py"

FIELDS: tuple[PresetField, ...] = (
    PresetField(
        "train.advantage_std",
        {"paper": False, "code": True},
        {"paper": "section 3, equation 1", "code": CORE},
        "GRPO as first published divides",
    ),
    PresetField(
        "train.loss",
        {"paper": "grpo", "code": "bnpo"},
        {"paper": "section 3, objective", "code": CORE},
        "the loss of GRPO's paper",
    ),
    PresetField(
        "train.top_p",
        {"paper": 0.95, "code": 1.0},
        {"paper": "table 4", "code": CONFIG},
        "the whole distribution, so that log-probabilities are those that sampled",
    ),
    PresetField(
        "train.weight_decay",
        {"paper": 0.0, "code": 0.01},
        {"paper": "table 4", "code": WORKER},
        "as the paper",
    ),
    PresetField(
        "replay.correction",
        {"paper": "paper", "code": "proximal"},
        {"paper": "section 4.3, objective", "code": CORE},
        "as the paper",
    ),
    PresetField(
        "replay.filter",
        {"paper": "insertion", "code": "draw"},
        {"paper": "algorithm 1, line 18", "code": TRAINER},
        "as the paper",
    ),
    PresetField(
        "replay.per_question",
        {"paper": "all", "code": "latest"},
        {"paper": "algorithm 1, line 18", "code": TRAINER},
        "as the paper",
    ),
    PresetField(
        "replay.short",
        {"paper": "wait", "code": "shrink"},
        {"paper": "algorithm 1, line 16", "code": TRAINER},
        "every step trains on as many groups",
    ),
    PresetField(
        "replay.warm_up",
        {"paper": 0, "code": 2},
        {"paper": "algorithm 1, line 10", "code": TRAINER},
        "as the paper",
    ),
    PresetField(
        "selection.measure",
        {"paper": "failure_rate", "code": "pass_rate"},
        {"paper": "equation 2", "code": TRAINER},
        "as the paper",
        method="difficulty",
    ),
    PresetField(
        "selection.recalibration",
        {"paper": "none", "code": "in_sample"},
        {"paper": "section 4.1", "code": TEACHER},
        "a line that references left out in turn bear out",
        method="difficulty",
    ),
    PresetField(
        "selection.reuse_references",
        {"paper": True, "code": False},
        {"paper": "appendix A.1", "code": TRAINER},
        "which questions train is then the selection's alone",
        method="difficulty",
    ),
    PresetField(
        "predictor.towers.shared",
        {"paper": True, "code": False},
        {"paper": "section 4.1", "code": TEACHER},
        "as the code",
    ),
    PresetField(
        "predictor.towers.calibration",
        {"paper": "slope_bias", "code": "temperature_bias"},
        {"paper": "section 4.1", "code": TEACHER},
        "as the paper",
    ),
)
"""The table of docs/methods.md has these rows."""

PRESETS = (
    Preset("paper", "DOTS + RR as its paper has it", FIELDS),
    Preset("code", "DOTS + RR as its authors' code does it", FIELDS),
)
