"""The two towers of DOTS in torch: frozen embeddings to queries and references, attention, calibration."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repro.difficulty.predictor_spec import TowersSpec

TEMPERATURES = (0.01, 10.0)
"""Bounds of the temperature of `temperature_bias`, as in the paper's code."""

HIDDEN = 10
"""Units of the calibrator: 2 -> 10 -> 2."""

UNIT = math.log(math.e - 1)
"""softplus(UNIT) = 1: the calibrator starts as the identity."""


def _tower(width_in: int, spec: TowersSpec) -> nn.Sequential:
    """LayerNorm, `layers` linear layers with GELU and dropout between, LayerNorm."""
    parts: list[nn.Module] = [nn.LayerNorm(width_in)]
    for layer in range(spec.layers):
        if layer:
            parts += [nn.GELU(), nn.Dropout(spec.dropout)]
        parts.append(nn.Linear(spec.width if layer else width_in, spec.width))
    return nn.Sequential(*parts, nn.LayerNorm(spec.width))


class Towers(nn.Module):
    """d_q = sum_i softmax_i(z_q . z_i / sqrt(h)) d_i, calibrated by the references' mean and standard deviation.

    With `standardise`, each feature of an embedding gets the mean 0 and the deviation 1 that it had among the questions
    fitted on. Mean-pooled hidden states share a direction that dwarfs what tells questions apart; the LayerNorm that
    follows works within a row and could not remove it.

    d are failure rates, or pass rates where the spec says so. 1536 wide embeddings and towers of 896 are 5.98 M
    parameters, as in the authors' code; with one adapter for questions and references they are 2.99 M.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width_in: int, spec: TowersSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("mean", torch.zeros(width_in))  # (W,)
        self.register_buffer("scale", torch.ones(width_in))  # (W,)
        self.query = _tower(width_in, spec)
        self.reference = None if spec.shared else _tower(width_in, spec)
        self.calibrator = None
        if spec.calibration != "none":
            last = nn.Linear(HIDDEN, 2)
            if spec.identity_start:
                nn.init.zeros_(last.weight)
                with torch.no_grad():
                    last.bias.copy_(torch.tensor([UNIT, 0.0]))
            inside = nn.GELU() if spec.activation == "gelu" else nn.ReLU()
            self.calibrator = nn.Sequential(nn.Linear(2, HIDDEN), inside, last)

    def queries(self, embeddings: Tensor) -> Tensor:
        """(n, h) of embeddings (n, W)."""
        projected: Tensor = self.query((embeddings - self.mean) / self.scale)
        return projected

    def references(self, embeddings: Tensor) -> Tensor:
        """(n, h) of embeddings (n, W)."""
        tower = self.query if self.reference is None else self.reference
        projected: Tensor = tower((embeddings - self.mean) / self.scale)
        return projected

    @staticmethod
    def weights(queries: Tensor, references: Tensor) -> Tensor:
        """(n, K) attention of projected queries (n, h) over projected references (K, h)."""
        return torch.softmax(queries @ references.T / math.sqrt(queries.shape[1]), dim=1)

    def deviation(self, truth: Tensor) -> Tensor:
        """(...) standard deviation of the references' rates (..., K), as the spec counts it; 0 for one reference."""
        return truth.std(-1, unbiased=self.spec.deviation == "sample" and truth.shape[-1] > 1)

    def calibrated(self, rates: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        """Logits (...) of the attention's rates (...), given the mean and deviation (...) of the references."""
        logits = torch.logit(rates.clamp(self.spec.clip, 1 - self.spec.clip))
        if self.calibrator is None:
            return logits
        slope, bias = self.calibrator(torch.stack([mean, deviation], dim=-1)).unbind(-1)
        if self.spec.calibration == "slope_bias":
            return logits * F.softplus(slope) + torch.tanh(bias)
        return logits / F.softplus(slope).clamp(*TEMPERATURES) + torch.tanh(bias)

    def forward(self, embeddings: Tensor, references: Tensor, truth: Tensor) -> Tensor:
        """Logits (B,) of the rates of questions.

        embeddings (B, W) of the questions; references (K, W), shared by all rows; truth (B, K) their rates under the
        policy of each row.
        """
        weights = self.weights(self.queries(embeddings), self.references(references))  # (B, K)
        return self.calibrated((weights * truth).sum(1), truth.mean(1), self.deviation(truth))
