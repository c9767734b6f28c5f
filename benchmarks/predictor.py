"""Milliseconds to predict 10,000 questions from 256 references, beside the matrix products that it needs at least.

    python benchmarks/predictor.py --rounds 30

One thread, CPU time. From cached projections the only product is queries x references; from cached embeddings those of
both towers come on top, for all questions, so that any may be a reference later. Each round times the prediction and
its bare products one after the other, in alternating order. Prints JSON: medians over rounds with 95 % intervals.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.predictor_spec import TowersSpec
from repro.difficulty.towers import Towers

EMBEDDING = {128: 96, 896: 1536}
"""Tower width -> embedding width: the tiny policy's, and that of the paper's embedder."""


def main() -> None:
    """Time both widths and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=10_000, help="questions to predict")
    parser.add_argument("--references", type=int, default=256, help="measured references")
    parser.add_argument("--rounds", type=int, default=30, help="pairs from cached projections")
    parser.add_argument("--slow-rounds", type=int, default=3, help="pairs from embeddings at width 896")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {
        "machine": f"{platform.machine()}, one thread, numpy {np.__version__}, torch {torch.__version__}",
        "questions": options.questions,
        "references": options.references,
        "load_average": os.getloadavg()[0],
    }
    for width, width_in in EMBEDDING.items():
        rounds = options.rounds if width == 128 else options.slow_rounds
        found[f"width_{width}"] = measured(width, width_in, options, rounds)
    print(json.dumps(found, indent=1))


def measured(width: int, width_in: int, options: argparse.Namespace, slow_rounds: int) -> dict[str, Any]:
    """The two ways in, each beside its products."""
    generator = np.random.default_rng(0)
    embeddings = generator.standard_normal((options.questions, width_in), dtype=np.float32)  # (N, W)
    references = generator.choice(options.questions, options.references, replace=False)  # (K,)
    truth = generator.integers(0, 9, options.references) / 8  # (K,)
    spec = TowersSpec(width=width)
    predictor = DifficultyPredictor(Towers(width_in, spec), embedder="random", provenance={}, training={})
    projections = predictor.project(embeddings)
    keys = np.ascontiguousarray(projections.reference[references].T)  # (h, K)
    first, layer = torch.randn(width, width_in), torch.randn(width, width)
    rows = torch.from_numpy(embeddings)

    def attention() -> None:
        projections.query @ keys

    def towers() -> None:
        with torch.inference_mode():
            for _ in range(2):
                z = rows @ first.T  # (N, h)
                for _ in range(spec.layers - 1):
                    z = z @ layer.T
        attention()

    def from_projections() -> None:
        predictor.predict(projections, references, truth)

    def from_embeddings() -> None:
        predictor.predict(predictor.project(embeddings), references, truth)

    return {
        "embedding_width": width_in,
        "from_projections": pairs(from_projections, attention, options.rounds),
        "from_embeddings": pairs(from_embeddings, towers, slow_rounds),
    }


def pairs(whole: Callable[[], None], products: Callable[[], None], rounds: int) -> dict[str, Any]:
    """Milliseconds of both and their ratio, each with its spread over rounds."""
    times: dict[str, list[float]] = {"milliseconds": [], "products_milliseconds": []}
    whole(), products()  # warm-up
    for number in range(rounds):
        order = list(zip(times, (whole, products), strict=True))
        for name, work in order if number % 2 == 0 else order[::-1]:
            started = time.process_time()
            work()
            times[name].append(1000 * (time.process_time() - started))
    ratio = [a / b for a, b in zip(*times.values(), strict=True)]
    return {name: spread(values) for name, values in times.items()} | {"ratio": spread(ratio), "rounds": rounds}


def spread(values: list[float]) -> dict[str, float]:
    """Median, and its 95 % interval by a bootstrap over rounds."""
    generator = np.random.default_rng(0)
    medians = np.median(generator.choice(values, size=(2000, len(values))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    named = {"median": np.median(values), "low": low, "high": high}
    return {name: round(float(value), 3) for name, value in named.items()}


if __name__ == "__main__":
    main()
