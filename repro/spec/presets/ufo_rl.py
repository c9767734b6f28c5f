"""The preset `release` of UFO-RL: what its release says of training, and what it leaves to its tools' defaults.

The release (its README and `compute_ufo_scores.py`) gives an example command of open-r1's `grpo.py`. What the command
does not set is inferred: the defaults of open-r1 and TRL in spring 2025, when the paper appeared.
"""

from __future__ import annotations

from repro.spec.presets.preset import Preset, PresetField

NAME = "release"
STATED, INFERRED = "stated: ", "inferred: "
"""Every source begins with one of these."""
COMMAND, SCRIPT = f"{STATED}README, example command", f"{STATED}`compute_ufo_scores.py`"
ARGUMENTS = f"{INFERRED}default of transformers' TrainingArguments"
TRL = f"{INFERRED}default of TRL 0.17's GRPOConfig"
OPEN_R1 = f"{INFERRED}default of open-r1's grpo.py"
EMBEDDED = "for the embedded policies"


def _field(path: str, value: object, source: str, why: str, method: str | None = None) -> PresetField:
    return PresetField(path, {NAME: value}, {NAME: source}, why, method)


FIELDS: tuple[PresetField, ...] = (
    _field("train.learning_rate", 1e-6, f"{COMMAND}, `--learning_rate`", EMBEDDED),
    _field("train.temperature", 1.0, f"{COMMAND}, `--temperature`", "as the release"),
    _field("train.max_prompt_tokens", 512, f"{COMMAND}, `--max_prompt_length`", "what fits the model"),
    _field("train.max_completion_tokens", 1024, f"{COMMAND}, `--max_completion_length`", EMBEDDED),
    _field("train.group_size", 7, f"{COMMAND}, `--num_generations`", "as DOTS + RR"),
    *(
        _field("selection.prompt", "paper", f"{SCRIPT}, system prompt and `<answer>`", "the prompt of rollouts", method)
        for method in ("confidence", "high_confidence", "low_confidence")
    ),
    _field(
        "train.questions_per_step",
        8,
        f"{INFERRED}8 completions a device, by TrainingArguments, on 7 devices that train beside one that samples,"
        " as zero2.yaml's 8 processes and 7 completions a question suggest",
        EMBEDDED,
    ),
    _field("train.minibatches", 1, f"{TRL}, `num_iterations`, and one accumulation step", "as DOTS + RR, scaled"),
    _field("train.top_p", 1.0, TRL, "as the release"),
    _field("train.loss", "bnpo", f"{TRL}, `loss_type`; 0.16 had no choice", "the loss of GRPO's paper"),
    _field("train.advantage_std", True, f"{TRL}, `scale_rewards`", "as the release"),
    _field("train.kl", 0.04, f"{TRL}, `beta`; later ones have 0", "needs no second policy"),
    _field(
        "train.skip_zero_advantage",
        False,
        f"{INFERRED}TRL trains every row, and the KL term has a gradient in all of them",
        "the same gradient for less where there is no KL term",
    ),
    _field("train.schedule", "linear", f"{ARGUMENTS}, `lr_scheduler_type`", "each evaluation is a run of that length"),
    _field("train.warmup", 0.0, f"{ARGUMENTS}, `warmup_ratio`", "as the release"),
    _field("train.weight_decay", 0.0, ARGUMENTS, "as the release"),
    _field("train.max_grad_norm", 1.0, ARGUMENTS, "as the release"),
    _field("budget.epochs", 3, f"{ARGUMENTS}, `num_train_epochs`", "arms at equal steps"),
    _field(
        "reward",
        ["accuracy", "format", "tag_count"],
        f"{OPEN_R1}, `reward_funcs`, each with weight 1",
        "no arm gains by its form",
    ),
)
"""The table of docs/methods.md has these rows."""

PRESETS = (Preset(NAME, "UFO-RL as its release trains it", FIELDS),)
