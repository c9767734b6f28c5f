"""Fits the towers to the pass rates of other policies, as they will be used: from references drawn anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.predictor_spec import FitSpec, TowersSpec

if TYPE_CHECKING:
    from torch import Tensor

    from repro.difficulty.towers import Towers

Progress = Callable[[int, int], None]
"""`progress(done, total)` updates."""

VALIDATION_DRAWS = 4
"""Sets of references behind a validation loss; the same ones in every epoch."""

STREAM, TORCH_STREAM = 21, 22
"""Set the draws of a fit apart from all others of its seed."""


def fit_predictor(
    embeddings: np.ndarray,
    pass_rates: np.ndarray,
    towers: TowersSpec,
    fit: FitSpec,
    *,
    embedder: str,
    provenance: Mapping[str, Any],
    progress: Progress | None = None,
) -> DifficultyPredictor:
    """A predictor fitted on N questions and the pass rates of P policies (DOTS, appendix on the predictor).

    embeddings (N, W), row i of the question of column i of pass_rates (P, N), in [0, 1]. An example is a pair of
    policy and question; its target is the failure rate (or the pass rate, see `TowersSpec.rates`), its loss the
    soft-label cross-entropy. Each update draws its references, by default among the questions that are not in its
    batch, and every example attends over the rates of its own policy on them: the towers see each policy only through
    its references, which is why they carry over to another.

    A share of the questions is held back (`fit.held_out`), and their loss recorded per epoch. Nothing stops early and
    the last weights stay: the learning rate has fallen to 0 by then. Where the pool is small, batch and references
    shrink so that half of the fitted questions can be references (the record says to what). The same seed gives the
    same bits under one thread; the global generators stay as they were.

    Raises:
        ValueError: shapes that do not fit, values that are not finite or outside [0, 1], fewer than 5 questions.
    """
    import torch

    from repro.difficulty.towers import Towers

    _check(embeddings, pass_rates)
    started = time.perf_counter()
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([fit.seed, STREAM])))
    split = _split(len(embeddings), fit, generator)
    rows = torch.from_numpy(np.ascontiguousarray(embeddings, dtype=np.float32))  # (N, W)
    targets = pass_rates if towers.rates == "pass_rate" else 1.0 - pass_rates
    rates = torch.from_numpy(targets.astype(np.float32))  # (P, N)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([fit.seed, TORCH_STREAM]).generate_state(1)[0]))
        model = Towers(rows.shape[1], towers)
        if towers.standardise:
            _standardise(model, rows[torch.from_numpy(split.fitted)])
        curves = _optimise(model, rows, rates, fit, split, generator, progress)
    training = {
        "fit": fit.model_dump(),
        "questions": len(rows),
        "validation_questions": len(split.validation),
        "policies": len(rates),
        "batch_size": split.batch,
        "references": split.references,
        "seconds": time.perf_counter() - started,
        **curves,
    }
    return DifficultyPredictor(model, embedder=embedder, provenance=provenance, training=training)


@dataclass(frozen=True)
class _Split:
    """Which questions are fitted and which held back; batch + references never exceed the fitted.

    `validation` may be empty.
    """

    fitted: np.ndarray  # (F,) rows
    validation: np.ndarray  # (V,) rows
    validation_references: np.ndarray  # (VALIDATION_DRAWS, K) rows among the fitted
    batch: int
    references: int


def _split(size: int, fit: FitSpec, generator: np.random.Generator) -> _Split:
    order = generator.permutation(size)  # (N,)
    held = max(1, round(fit.held_out * size)) if fit.held_out else 0
    fitted = order[held:]
    references = min(fit.references, len(fitted) // 2)
    draws = [generator.choice(fitted, size=references, replace=False) for _ in range(VALIDATION_DRAWS)]
    batch = min(fit.batch_size, len(fitted) - references)
    return _Split(fitted, order[:held], np.stack(draws), batch, references)


def _check(embeddings: np.ndarray, pass_rates: np.ndarray) -> None:
    if embeddings.ndim != 2 or pass_rates.ndim != 2 or len(embeddings) != pass_rates.shape[1] or not len(pass_rates):
        raise ValueError(
            f"embeddings {embeddings.shape} and pass rates {pass_rates.shape}, expected (N, W) and (P, N), P >= 1"
        )
    if len(embeddings) < 5:
        raise ValueError(f"{len(embeddings)} questions, expected at least 5")
    if not np.isfinite(embeddings).all():
        raise ValueError(f"row {int(np.argmin(np.isfinite(embeddings).all(axis=1)))} of the embeddings is not finite")
    if not ((pass_rates >= 0) & (pass_rates <= 1)).all():
        raise ValueError(f"pass rates are {pass_rates.min():g} to {pass_rates.max():g}, expected 0 to 1")


def _standardise(model: Towers, fitted: Tensor) -> None:
    """Set the statistics of the embeddings; a feature that does not vary becomes 0."""
    import torch

    deviation = fitted.double().std(0, unbiased=False)  # (W,)
    varies = deviation > 1e-6 * deviation.max().clamp(min=1e-12)
    model.mean.copy_(fitted.double().mean(0))
    model.scale.copy_(torch.where(varies, deviation, torch.inf))


def _optimise(
    model: Towers,
    rows: Tensor,
    rates: Tensor,
    fit: FitSpec,
    split: _Split,
    generator: np.random.Generator,
    progress: Progress | None,
) -> dict[str, Any]:
    """Adam over all epochs; returns the number of updates and the curves."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    pairs = len(rates) * len(split.fitted)
    per_epoch = -(-pairs // split.batch)
    updates = fit.epochs * per_epoch
    optimizer = torch.optim.Adam(model.parameters(), lr=fit.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: _rate(done, updates, fit))
    train_loss: list[float] = []
    validation: list[tuple[float, float | None]] = []
    for epoch in range(fit.epochs):
        model.train()
        order, total = generator.permutation(pairs), 0.0
        for start in range(0, pairs, split.batch):
            policy, place = np.divmod(order[start : start + split.batch], len(split.fitted))  # (B,), (B,)
            among = np.delete(split.fitted, place) if fit.references_among == "others" else split.fitted
            references = torch.from_numpy(generator.choice(among, size=split.references, replace=False))  # (K,)
            policies, questions = torch.from_numpy(policy), torch.from_numpy(split.fitted[place])  # (B,), (B,)
            truth = rates[policies.unsqueeze(1), references]  # (B, K)
            logits = model(rows[questions], rows[references], truth)  # (B,)
            loss = binary_cross_entropy_with_logits(logits, rates[policies, questions])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(policy)
            if progress is not None:
                progress(epoch * per_epoch + start // split.batch + 1, updates)
        train_loss.append(total / pairs)
        if len(split.validation):
            validation.append(_validate(model, rows, rates, split))
    return {
        "updates": updates,
        "train_loss": train_loss,
        "validation_loss": [loss for loss, _ in validation],
        "validation_pearson": [pearson for _, pearson in validation],
        "validation_loss_of_mean": _loss_of_mean(rates, split, model.spec.clip) if len(split.validation) else None,
    }


def _rate(done: int, updates: int, fit: FitSpec) -> float:
    """Share of the peak learning rate of the update after `done`: up to 1 over the warm-up, then down towards 0."""
    rising = min(round(fit.warm_up * updates), fit.warm_up_most)
    if done < rising:
        return (done + int(fit.warm_up_from == "first")) / rising
    return (updates - done) / max(1, updates - rising)


def _validate(model: Towers, rows: Tensor, rates: Tensor, split: _Split) -> tuple[float, float | None]:
    """Cross-entropy per pair of policy and held-back question, and Pearson's r within a policy, averaged.

    The correlation is None where no policy's rates vary among the held-back questions.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    model.eval()
    losses, correlations = [], []
    known = rates[:, torch.from_numpy(split.validation)].T  # (V, P)
    with torch.inference_mode():
        queries = model.queries(rows[torch.from_numpy(split.validation)])  # (V, h)
        for draw in torch.from_numpy(split.validation_references):
            truth = rates[:, draw]  # (P, K)
            weights = model.weights(queries, model.references(rows[draw]))  # (V, K)
            logits = model.calibrated(weights @ truth.T, truth.mean(1), model.deviation(truth))  # (V, P)
            losses.append(binary_cross_entropy_with_logits(logits, known).item())
            both = torch.stack([torch.sigmoid(logits), known]).double()  # (2, V, P)
            both = both - both.mean(1, keepdim=True)
            norms = both.norm(dim=1)  # (2, P)
            varies = norms[1] > 1e-9
            if varies.any():
                r = (both[0] * both[1]).sum(0) / (norms[0] * norms[1]).clamp(min=1e-12)  # (P,)
                correlations.append(r[varies].mean().item())
    return float(np.mean(losses)), float(np.mean(correlations)) if correlations else None


def _loss_of_mean(rates: Tensor, split: _Split, clip: float) -> float:
    """The validation loss of the references' mean as everyone's prediction: what the towers must beat."""
    import torch
    from torch.nn.functional import binary_cross_entropy

    known = rates[:, torch.from_numpy(split.validation)]  # (P, V)
    losses = []
    for draw in torch.from_numpy(split.validation_references):
        mean = rates[:, draw].mean(1, keepdim=True).clamp(clip, 1 - clip)  # (P, 1)
        losses.append(binary_cross_entropy(mean.expand_as(known), known).item())
    return float(np.mean(losses))
