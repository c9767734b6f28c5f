"""`repro predictor predict`: the pass rates of a study's training questions, predicted from a few that are measured."""

from __future__ import annotations

import argparse
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from repro.commands.export import check_export, export
from repro.commands.predictor.measured import measured_pass_rates
from repro.commands.predictor.steps import PREDICTIONS_FILE, PredictorFiles
from repro.difficulty.estimators import TrainedEstimator
from repro.errors import UserError
from repro.files import write_alone
from repro.models.policy import load_policy
from repro.models.prompted import Prompted
from repro.scoring.store import writing
from repro.selection.bands import CenterBand, band_indices
from repro.selection.pool import new_generator
from repro.selection.ties import tie_places
from repro.study.fit import fit_to_policy
from repro.study.load import LoadedSpec
from repro.tasks.datasets import load_dataset
from repro.training.predictor_models import check_apart, embed, find_embedder
from repro.training.predictors import build_predictor
from repro.training.randomness import PREDICTIONS, derive_seed

MOST_REFERENCES = 256
"""References that are measured where no number is given, and at most half of the pool."""


def predict(loaded: LoadedSpec, options: argparse.Namespace) -> int:
    """Predict, write the table and, with `--export`, the questions nearest the target. UserError as `evaluate`."""
    files = PredictorFiles(loaded, options)
    study, spec = loaded.spec, files.spec
    if len(study.model) > 1 or len(study.dataset) > 1:
        names = ", ".join([*(model.label for model in study.model), *(dataset.label for dataset in study.dataset)])
        raise UserError(
            f"predict: got {names}, expected a study of one model and one dataset (-S model=..., dataset=...)"
        )
    ((dataset, folder),), model = files.datasets(), study.model[0]
    check_export(options, [dataset.path])
    check_apart(spec, model, dataset)
    say = files.say(dataset)
    data = replace(load_dataset(dataset), validation=(), test=(), extra={})
    policy = load_policy(model, dataset, data, files.cache)
    data, _ = fit_to_policy(Prompted.of(policy), dataset, study.train, study.evaluate, data, {})
    pool, problems = len(data.train), data.train
    count = _references(options, pool)
    built = build_predictor(spec, dataset, files.cache, say, rollout=study.train.rollout, reward=study.reward)
    questions = [problem.question for problem in problems]
    embeddings, _ = embed(find_embedder(spec, built.predictor, dataset), questions, dataset, files.cache, say)
    drawn = np.random.default_rng(derive_seed(PREDICTIONS, count, pool)).choice(pool, count, replace=False)
    references = np.sort(drawn)  # (K,)
    say(f"measuring {count} references")
    policy.compute_in(study.train.precision)
    asked = [problems[i] for i in references]
    samples = study.train.group_size
    measured = measured_pass_rates(policy, model, dataset, data, asked, study, files.cache, samples)
    estimate = TrainedEstimator(built.predictor, embeddings, "left_out").estimate(references, 1.0 - measured)
    rates = 1.0 - estimate.failure  # (N,)
    selected = np.zeros(pool, dtype=bool)
    places = tie_places([problem.id for problem in problems], new_generator(0, "ties"))
    selected[band_indices(rates, CenterBand(center=options.target), options.fraction, places)] = True
    files.inputs.check()
    path = folder / PREDICTIONS_FILE
    with writing(path, "--out: "):
        _write(path, [problem.id for problem in problems], rates, references, measured, selected)
    files.outputs.record([path])
    error = float(np.abs(estimate.left_out - (1.0 - measured)).mean())
    lines = [
        f"{dataset.label}: {pool:,} questions, {count} of them measured by {samples} completions -> {path}",
        f"  predicted pass rate: mean {rates.mean():.3f}, 5 to 95 % {np.quantile(rates, 0.05):.3f} to "
        f"{np.quantile(rates, 0.95):.3f}; mean error on references that are left out {error:.3f}",
        f"  {int(selected.sum()):,} selected: nearest {options.target:g}",
    ]
    if options.export is not None:
        measures = {"pass_rate": rates.tolist()}
        lines.append(export(options, model, dataset, problems, data.answer_format, measures, selected.tolist()))
    print("\n".join(lines))  # noqa: T201
    return 0


def _references(options: argparse.Namespace, pool: int) -> int:
    """How many questions are measured. UserError where that is more than one number or leaves too few."""
    if options.references is None:
        return max(2, min(MOST_REFERENCES, pool // 2))
    if len(options.references) > 1:
        raise UserError(f"--references: got {len(options.references)} numbers with predict, expected one")
    (count,) = options.references
    if count >= pool:
        raise UserError(f"--references: {count}, expected fewer than the {pool} training questions")
    return int(count)


def _write(
    path: Path, ids: list[str], rates: np.ndarray, references: np.ndarray, measured: np.ndarray, selected: np.ndarray
) -> None:
    """The table: `id`, `pass_rate` (predicted), `measured` (of references, else null), `selected`."""
    import pyarrow
    import pyarrow.parquet

    known = dict(zip(references.tolist(), measured.tolist(), strict=True))
    table = pyarrow.table(
        {
            "id": pyarrow.array(ids, pyarrow.string()),
            "pass_rate": pyarrow.array(rates, pyarrow.float64()),
            "measured": pyarrow.array([known.get(i) for i in range(len(ids))], pyarrow.float64()),
            "selected": pyarrow.array(selected, pyarrow.bool_()),
        }
    )
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_alone(path, sink.getvalue())
