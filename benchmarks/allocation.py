"""What an evaluation would gain by sharing out its samples by the noise of each question at the point before.

    python benchmarks/allocation.py

The embedded policy answers its test questions 64 times; the shares of right answers are taken for their pass rates.
Then evaluations with the same number of samples are simulated, k for each question or shared out, in proportion to the
standard deviation that the point before has told (at least one each). The variance is that of sampling alone, for mean
accuracy over the questions.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from repro.cache import Cache
from repro.models.model_spec import ModelSpec, TinyModel
from repro.models.policy import load_policy
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.prompts import PromptStyle
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger

ANSWERS, TRIALS = 64, 2000


def main() -> None:
    """Measure pass rates, simulate and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4, help="k of avg@k")
    k = parser.parse_args().samples
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    dataset = DatasetSpec(arithmetic=Arithmetic())
    data = load_dataset(dataset)
    policy = load_policy(ModelSpec(tiny=TinyModel()), dataset, data, Cache(Path(tempfile.mkdtemp())))
    sampler = Sampler(policy.model, policy.tokenizer, data, PromptStyle(), 96, Ledger())
    _, rewards = sampler.completions(data.test, ANSWERS, 1.0, 1.0, 0, "evaluate", accuracy=True)
    rates = np.mean(rewards, axis=1)  # (Q,)
    noise = np.sqrt(rates * (1 - rates))  # (Q,)
    print(f"{len(rates)} questions, mean pass rate {rates.mean():.3f}, avg@{k}")
    print(f"variance, shared out by the true noise: {noise.mean() ** 2 / np.mean(noise**2):.2f} of k for each")
    own, shared, truth = [], [], rates.mean()
    cost = []
    generator = np.random.default_rng(0)
    for _ in range(TRIALS):
        draws = generator.random((len(rates), 8 * k))  # (Q, most samples) numbers of the point before
        counts = shares(np.mean(draws[:, :k] < rates[:, None], axis=1), k, generator)
        cost.append(counts.mean() / k)
        own.append(accuracy(generator.random(draws.shape), rates, counts))
        shared.append(accuracy(draws, rates, counts))
    plain = np.sqrt(np.mean(noise**2) / k / len(rates))
    print(
        f"variance, shared out by {k} samples of the point before: {np.mean(cost) * (np.std(own) / plain) ** 2:.2f} "
        f"with numbers of their own; bias {100 * (np.mean(own) - truth):+.2f} points"
    )
    print(f"bias where both points share their random numbers: {100 * (np.mean(shared) - truth):+.2f} points")


def shares(seen: np.ndarray, k: int, generator: np.random.Generator) -> np.ndarray:
    """(Q,) samples of each question, k on average, by the share of right answers that was seen of it."""
    likely = (seen * k + 0.5) / (k + 1)
    wanted = np.sqrt(likely * (1 - likely))
    counts = np.maximum(1, k * wanted / wanted.mean())
    return np.clip(np.floor(counts * k / counts.mean() + generator.random(len(seen))), 1, 8 * k).astype(int)


def accuracy(draws: np.ndarray, rates: np.ndarray, counts: np.ndarray) -> float:
    """Mean over questions of the share of right answers among the first `counts` of each."""
    right = (draws < rates[:, None]) & (np.arange(draws.shape[1]) < counts[:, None])
    return float(np.mean(right.sum(axis=1) / counts))


if __name__ == "__main__":
    main()
