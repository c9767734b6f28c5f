"""The trained difficulty predictor at work: projections to be cached, failure rates of a pool, and its folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from repro.canonical import digest
from repro.difficulty.predictor_spec import TowersSpec
from repro.errors import UserError
from repro.files import dump_json, read_json, write_alone
from repro.numbers import softmax

if TYPE_CHECKING:
    from repro.difficulty.towers import Towers

VERSION = 1
WEIGHTS, CARD = "towers.safetensors", "card.json"
FIRST_FIELDS = ("width", "layers", "dropout", "shared", "calibration")
"""Fields of the towers that enter a digest always; later ones only where they are not at their default, so that a
predictor of before keeps its digest."""
ROWS, PROJECTED = 256, 512
"""Queries predicted and embeddings projected at once: what lies between two operations stays in a core's cache."""


@dataclass(frozen=True)
class Projections:
    """What the towers make of a pool's embeddings. They change only with the predictor: compute once, keep."""

    query: np.ndarray  # (N, h) float32
    reference: np.ndarray  # (N, h) float32, the same array where the towers are one


class DifficultyPredictor:
    """Predicts failure rates of a pool from those of K references under the policy at hand (DOTS, section 3).

    What could be got wrong: rows of embeddings and of the pool must line up (the caller aligns them by question id),
    the embeddings must come from the `embedder` it was fitted on, and the K references are projected once per refresh,
    never once per query. Rates are failure rates: 1 - pass rate.

    Attributes:
        embedder: identity of the model that embedded the questions.
        provenance: where the labels came from. Plain JSON.
        training: record of the fit with its curves. Plain JSON.
    """

    def __init__(
        self, towers: Towers, *, embedder: str, provenance: Mapping[str, Any], training: Mapping[str, Any]
    ) -> None:
        self._towers = towers.eval().requires_grad_(False)
        self.embedder = embedder
        self.provenance = dict(provenance)
        self.training = dict(training)

    @property
    def spec(self) -> TowersSpec:
        """The towers' widths, calibration and rates."""
        return self._towers.spec

    @property
    def width_in(self) -> int:
        """Width of the embeddings it takes."""
        return len(self._towers.mean)

    @property
    def parameters(self) -> int:
        """How many numbers were fitted."""
        return sum(parameter.numel() for parameter in self._towers.parameters())

    @property
    def digest(self) -> str:
        """SHA-256 of what fixes its predictions: towers, embedder, weights."""
        towers = {name: getattr(self.spec, name) for name in FIRST_FIELDS} | self.spec.result_fields()
        content = {"version": VERSION, "towers": towers, "embedder": self.embedder}
        weights = {
            name: [str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()]
            for name, array in self._weights().items()
        }
        return digest({**content, "weights": weights}, 64)

    def _weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.numpy() for name, tensor in self._towers.state_dict().items()}

    # ------------------------------------------------------------ prediction

    def project(self, embeddings: np.ndarray) -> Projections:
        """Queries and references of a pool's embeddings (N, width_in), rows in the same order.

        ValueError for another width or a value that is not finite.
        """
        import torch

        rows = np.ascontiguousarray(embeddings, dtype=np.float32)  # (N, W)
        if rows.ndim != 2 or rows.shape[1] != self.width_in:
            raise ValueError(f"embeddings have shape {rows.shape}, expected (N, {self.width_in})")
        if not np.isfinite(rows).all():
            raise ValueError(f"row {int(np.argmin(np.isfinite(rows).all(axis=1)))} of the embeddings is not finite")
        with torch.inference_mode():
            parts = torch.from_numpy(rows).split(PROJECTED)
            query = torch.cat([self._towers.queries(part) for part in parts]).numpy()  # (N, h)
            if self.spec.shared:
                return Projections(query, query)
            reference = torch.cat([self._towers.references(part) for part in parts]).numpy()  # (N, h)
        return Projections(query, reference)

    def predict(self, projections: Projections, references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """(N,) float64 failure rates in [0, 1] of all rows, references included.

        references (K,) distinct rows; truth (K,) their failure rates under the policy at hand. A reference is predicted
        like any other question, so that its own measurement takes part with the weight that attention gives it;
        `left_out` is for judging the predictor. ValueError for rows outside the pool and rates outside [0, 1].
        """
        truth = self._rates(_checked(projections, references, truth, least=1))
        keys = self._keys(projections, references)  # (h, K)
        sums = np.stack([truth, np.ones(len(truth))], axis=1).astype(np.float32)  # (K, 2)
        out = np.empty((len(projections.query), 2), dtype=np.float32)
        buffer = np.empty((ROWS, len(truth)), dtype=np.float32)  # (ROWS, K)
        for start in range(0, len(out), ROWS):
            queries = projections.query[start : start + ROWS]
            scores = np.matmul(queries, keys, out=buffer[: len(queries)])
            scores -= scores.max(axis=1, keepdims=True)
            np.exp(scores, out=scores)
            np.matmul(scores, sums, out=out[start : start + ROWS])
        rates = out[:, 0].astype(np.float64) / out[:, 1]  # (N,)
        return self._calibrated(rates, truth)

    def left_out(self, projections: Projections, references: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """(K,) float64 failure rate of each reference from the other K - 1, calibrated by their mean and deviation.

        What an honest recalibration is fitted on. Arguments and errors as in `predict`; K >= 2.
        """
        truth = self._rates(_checked(projections, references, truth, least=2))
        count = len(truth)
        scores = (projections.query[references] @ self._keys(projections, references)).astype(np.float64)  # (K, K)
        np.fill_diagonal(scores, -np.inf)
        others = np.broadcast_to(truth, (count, count))[~np.eye(count, dtype=bool)].reshape(count, count - 1)
        return self._calibrated(softmax(scores) @ truth, others)

    def attention(self, projections: Projections, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """(Q, K) float64 weights of references (K,) for queries (Q,), rows of the pool; each row sums to 1."""
        scores = projections.query[queries] @ self._keys(projections, references)  # (Q, K)
        return softmax(scores.astype(np.float64))

    def _keys(self, projections: Projections, references: np.ndarray) -> np.ndarray:
        keys = projections.reference[references] / np.sqrt(np.float32(projections.reference.shape[1]))
        return np.ascontiguousarray(keys.T, dtype=np.float32)  # (h, K)

    def _rates(self, rates: np.ndarray) -> np.ndarray:
        """Failure rates as the towers have rates, and what the towers say as failure rates."""
        return rates if self.spec.rates == "failure_rate" else 1.0 - rates

    def _calibrated(self, rates: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """(n,) float64 failure rates from the attention's rates (n,); truth (K,) of all or (n, K) of each."""
        import torch

        deviation = truth.std(axis=-1, ddof=int(self.spec.deviation == "sample" and truth.shape[-1] > 1))
        with torch.inference_mode():
            statistics = (torch.as_tensor(value, dtype=torch.float32) for value in (truth.mean(axis=-1), deviation))
            logits = self._towers.calibrated(torch.from_numpy(rates), *statistics)
            out: np.ndarray = torch.sigmoid(logits).numpy()
        return self._rates(out)

    # ------------------------------------------------------------ folder

    def save(self, folder: Path) -> None:
        """Write the weights and then the card, each in one step; the folder is made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        card = {
            "version": VERSION,
            "digest": self.digest,
            "embedder": self.embedder,
            "width_in": self.width_in,
            "towers": self.spec.model_dump(),
            "parameters": self.parameters,
            "labels": self.provenance,
            "training": self.training,
        }
        write_alone(folder / WEIGHTS, save(self._weights()))
        write_alone(folder / CARD, dump_json(card))

    @classmethod
    def load(cls, folder: Path, *, embedder: str | None = None) -> DifficultyPredictor:
        """What `save` wrote, bit for bit; with `embedder`, only if it was fitted on the embeddings of that one.

        Raises:
            UserError: no predictor is there, it has another version or embedder, or its files do not belong together.
        """
        from repro.difficulty.towers import Towers

        card = read_json(folder / CARD)
        if not isinstance(card, dict):
            raise UserError(f"{folder}: no {CARD} of a difficulty predictor, expected what `predictor train` writes")
        if card.get("version") != VERSION:
            raise UserError(f"{folder / CARD}: version is {card.get('version')!r}, expected {VERSION}; train it again")
        if embedder is not None and card.get("embedder") != embedder:
            raise UserError(
                f"{folder / CARD}: fitted on embeddings of {card.get('embedder')!r}, but the questions are embedded by "
                f"{embedder!r}; embed them with the former or train a predictor on the latter"
            )
        try:
            towers = Towers(card["width_in"], TowersSpec.model_validate(card["towers"]))
            _fill(towers, load((folder / WEIGHTS).read_bytes()))
            predictor = cls(towers, embedder=card["embedder"], provenance=card["labels"], training=card["training"])
        except (OSError, SafetensorError, KeyError, TypeError, ValidationError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{folder}: not a whole difficulty predictor ({reason})") from error
        if predictor.digest != card.get("digest"):
            raise UserError(f"{folder}: {WEIGHTS} is not the file that {CARD} describes (its digest differs)")
        return predictor


def _fill(towers: Towers, weights: Mapping[str, np.ndarray]) -> None:
    import torch

    towers.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})


def _checked(projections: Projections, references: np.ndarray, truth: np.ndarray, *, least: int) -> np.ndarray:
    """`truth` as (K,) float64. ValueError where references and rates do not fit each other or the pool."""
    rows, rates = np.asarray(references), np.asarray(truth, dtype=np.float64)
    size = len(projections.query)
    if rows.ndim != 1 or rows.shape != rates.shape or len(rows) < least:
        raise ValueError(f"references {rows.shape} and rates {rates.shape}, expected two equal (K,), K >= {least}")
    if rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= size:
        raise ValueError(f"references are {rows.min()} to {rows.max()}, expected row numbers below {size}")
    if len(np.unique(rows)) != len(rows):
        raise ValueError(f"{len(rows) - len(np.unique(rows))} references occur twice, expected distinct rows")
    if not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError(f"failure rates of references are {rates.min():g} to {rates.max():g}, expected 0 to 1")
    return rates
