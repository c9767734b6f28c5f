"""The log-probs that sampling told, in place of the pass over the completions of a step before its updates.

Up to rounding they are what that pass would give, as long as both compute in float32: the policy is the one that starts
the updates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from repro.training import merge


class SampledLogps:
    """Those of the fresh rows of one step, where they are known."""

    def __init__(self) -> None:
        self._rows: Sequence[Sequence[float]] | None = None
        self._awaited = False

    def keep(self, rows: Sequence[Sequence[float]] | None, awaited: bool) -> None:
        """The log-probs of each row's tokens, None where a pass has to compute them.

        `awaited`: TRL asks for the log-probs before the updates, first of all passes without a gradient.
        """
        self._rows, self._awaited = rows, awaited

    def forget(self) -> None:
        """The step's batch is complete."""
        self._rows = None

    @property
    def known(self) -> bool:
        """Are there any?"""
        return self._rows is not None

    def replace_next_pass(self) -> bool:
        """Whether the pass that is asked for now is the one they stand for; true at most once a step."""
        due = self.known and self._awaited
        self._awaited = self._awaited and not due
        return due

    def padded(self, width: int, device: torch.device) -> torch.Tensor:
        """(R, width), zeros after the end of a completion."""
        assert self._rows is not None, "sampling told no log-probs"
        return merge.pad_right([np.asarray(row) for row in self._rows], width, 0.0, torch.float32).to(device)
