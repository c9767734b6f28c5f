"""`repro predictor labels | train | evaluate`: the difficulty predictor of a study, step by step and into files."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from repro.arithmetic import thread_suffix, use_threads
from repro.cache import Cache
from repro.commands.outputs import Outputs
from repro.difficulty.labels import Labels, read_labels, write_labels
from repro.difficulty.predictor_spec import PredictorSpec
from repro.errors import UserError
from repro.files import dump_json, write_alone
from repro.study.inputs import Watched, predictor_files
from repro.study.load import LoadedSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.reward_spec import RewardTerm, describe_reward, rewards_accuracy

if TYPE_CHECKING:
    from repro.training.ledger import Cost
    from repro.training.predictor_models import Say

LABELS_FILE, PREDICTOR_FOLDER, EVALUATION_FILE = "labels.parquet", "predictor", "evaluation.json"
CALIBRATION_FILE, PREDICTIONS_FILE = "calibration.png", "predictions.parquet"
REFERENCES = (16, 256)
"""How many questions `evaluate` measures before it predicts the others, one record each."""
SAY_EVERY = 5.0  # seconds between two lines


class PredictorFiles:
    """Where the files of a study's predictors lie: one folder per dataset."""

    def __init__(self, loaded: LoadedSpec, options: argparse.Namespace) -> None:
        self.loaded = loaded
        self.root: Path = options.out or options.runs / "predictors" / loaded.spec.name
        self.outputs = Outputs(self.root)
        if options.out is not None:
            self.outputs.check(self.written(options.action))
        spec, threads = self.spec, loaded.spec.train.threads
        use_threads(threads)
        models = loaded.spec.model if options.action in ("evaluate", "predict") else []
        self.inputs = Watched(lambda: predictor_files(spec, loaded.spec.dataset, models, loaded.spec.reward))
        self.cache = Cache(options.runs / "cache", suffix=thread_suffix(threads), check=self.inputs.check)
        self.console = Console(stderr=True, highlight=False)
        self._told = -SAY_EVERY

    @property
    def spec(self) -> PredictorSpec:
        """The study's predictor. UserError where it has none."""
        found = self.loaded.spec.predictor
        if found is None:
            raise UserError(
                f"{self.loaded.path}: predictor: got nothing, expected policies (whose pass rates are the labels) or a "
                "path"
            )
        return found

    def recipe(self, purpose: str) -> PredictorSpec:
        """The study's predictor, which names policies. UserError where it is one that lies trained in a folder."""
        if self.spec.path is not None:
            raise UserError(f"predictor.path: got {self.spec.path!r}, expected policies to {purpose}")
        return self.spec

    def datasets(self) -> Iterator[tuple[DatasetSpec, Path]]:
        """Every dataset of the study with its folder."""
        for dataset in self.loaded.spec.dataset:
            yield dataset, self.root / dataset.label

    def written(self, action: str) -> list[Path]:
        """The files and folders that an action writes."""
        folders = [folder for _, folder in self.datasets()]
        if action == "evaluate":
            return [self.root / EVALUATION_FILE, self.root / CALIBRATION_FILE]
        name = {"labels": LABELS_FILE, "train": PREDICTOR_FOLDER, "predict": PREDICTIONS_FILE}[action]
        return [folder / name for folder in folders]

    def say(self, dataset: DatasetSpec) -> Say:
        """Tells what is being done for a dataset, every few seconds."""

        def told(message: str) -> None:
            now = time.monotonic()
            if now - self._told >= SAY_EVERY:
                self._told = now
                self.console.print(f"{dataset.label}: {message}", markup=False)

        return told


def labels(loaded: LoadedSpec, options: argparse.Namespace) -> int:
    """Roll out the predictor's policies over the label questions; goes on where an earlier call was stopped."""
    files = PredictorFiles(loaded, options)
    spec = files.recipe("make labels of")
    from repro.training.predictor_labels import make_labels

    for dataset, folder in files.datasets():
        study = loaded.spec
        made, cost = make_labels(spec, dataset, files.cache, files.say(dataset), study.train.rollout, study.reward)
        files.inputs.check()
        write_labels(folder / LABELS_FILE, made)
        files.outputs.record([folder / LABELS_FILE])
        _print(_labels_text(dataset, folder / LABELS_FILE, made, cost, loaded.spec.reward))
    return 0


def _labels_text(dataset: DatasetSpec, path: Path, made: Labels, cost: Cost, rewards: Sequence[RewardTerm]) -> str:
    lines = [f"{dataset.label}: {len(made.ids):,} questions x {len(made.policies)} policies -> {path}"]
    what = "pass rate" if rewards_accuracy(rewards) else f"reward ({describe_reward(rewards)})"
    for policy, rates in zip(made.policies, made.pass_rates, strict=True):
        mixed = float(((rates > 0) & (rates < 1)).mean())
        lines.append(f"  {policy}: mean {what} {rates.mean():.3f}, strictly between 0 and 1: {mixed:.1%}")
    lines.append(f"  {cost.completions:,} completions, {cost.generated_tokens:,} tokens, {cost.seconds:,.0f} s")
    return "\n".join(lines)


def train(loaded: LoadedSpec, options: argparse.Namespace) -> int:
    """Train the towers on the study's labels, or on those of a file; what was trained before is found again."""
    files = PredictorFiles(loaded, options)
    spec = files.recipe("train it on")
    given = None if options.labels is None else read_labels(options.labels)
    if given is not None and len(loaded.spec.dataset) > 1:
        names = ", ".join(dataset.label for dataset in loaded.spec.dataset)
        raise UserError(f"--labels: got one file for {names}, expected a study of one dataset (-S dataset=NAME)")
    from repro.training.predictors import build_predictor

    for dataset, folder in files.datasets():
        study = loaded.spec
        built = build_predictor(
            spec, dataset, files.cache, files.say(dataset), given, study.train.rollout, study.reward
        )
        files.inputs.check()
        target = folder / PREDICTOR_FOLDER
        if built.folder.resolve() != target.resolve():
            built.predictor.save(target)
            files.outputs.record([target])
        record = built.predictor.training
        _print(
            f"{dataset.label}: {record['questions']:,} questions x {record['policies']} policies, "
            f"{record['references']} references, {record['seconds']:.0f} s -> {target}\n  {_losses(record)}"
        )
    return 0


def _losses(record: dict[str, Any]) -> str:
    held, losses = record["validation_questions"], record["validation_loss"] or record["train_loss"]
    where = f"loss on {held:,} questions held back" if held else "loss on the questions it learns from"
    return f"{where}: {losses[0]:.4f} after the first epoch, {losses[-1]:.4f} at the end"


def evaluate(loaded: LoadedSpec, options: argparse.Namespace) -> int:
    """Judge the predictors on questions and policies that gave no labels: each policy of the study, on each dataset."""
    files = PredictorFiles(loaded, options)
    spec = files.spec
    if not rewards_accuracy(loaded.spec.reward):
        raise UserError(
            f"{loaded.path}: reward: got {describe_reward(loaded.spec.reward)}, expected accuracy: references are "
            "drawn here as counts of right completions"
        )
    from repro.commands.predictor.held_out import evaluate_pair, summary_table
    from repro.training.predictors import build_predictor

    records: list[dict[str, Any]] = []
    for dataset, folder in files.datasets():
        built = build_predictor(spec, dataset, files.cache, files.say(dataset), rollout=loaded.spec.train.rollout)
        for model in loaded.spec.model:
            files.say(dataset)(f"measuring pass rates of {model.label}")
            records += evaluate_pair(
                built, loaded.spec, model, dataset, files.cache, files.say(dataset), options.references or REFERENCES
            )
        folder.mkdir(parents=True, exist_ok=True)
    files.inputs.check()
    path = files.root / EVALUATION_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_alone(path, dump_json(records))
    from repro.analysis.dots_rr.calibration import calibration_figure

    picture = calibration_figure(records, files.root / CALIBRATION_FILE)
    files.outputs.record(files.written("evaluate"))
    _print(f"{summary_table(records)}\n{path}\n{picture}")
    return 0


def _print(text: str) -> None:
    print(text)  # noqa: T201
