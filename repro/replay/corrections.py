"""How the loss corrects replayed completions for the older policy that generated them, one entry per correction.

Each maps onto TRL's stock clipped loss, min(r A, clip(r, 1 - eps, 1 + eps) A) with
r = pi_theta / exp(old_per_token_logps): a correction chooses `old_per_token_logps` and the advantages of replayed rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    Rows = dict[str, torch.Tensor]
    Corrected = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Correction:
    """One correction.

    Attributes:
        name: what `replay.correction` says.
        help: one line for the schema.
        masks: whether the tokens with the largest ratios lose their advantage, so that the mean squared log-ratio of
            the others stays under `replay.second_moment`.
        apply: from replayed rows (`behaviour_logps` (R, T), `advantages` (R,), `completion_mask` (R, T)) and the
            log-probs (R, T) under the policy at the start of the step to `old_per_token_logps` (R, T) and advantages
            (R,) or (R, T).
    """

    name: str
    help: str
    apply: Callable[[Rows, torch.Tensor], Corrected]
    masks: bool = False


def _paper(rows: Rows, old_logps: torch.Tensor) -> Corrected:
    """The replay loss of the DOTS + RR paper."""
    return rows["behaviour_logps"], rows["advantages"]


def _proximal(rows: Rows, old_logps: torch.Tensor) -> Corrected:
    """What the code of the DOTS + RR authors does: each token's advantage is multiplied by pi_old / pi_behaviour."""
    log_ratio = (old_logps - rows["behaviour_logps"]) * rows["completion_mask"]  # (R, T)
    return old_logps, rows["advantages"].unsqueeze(1) * log_ratio.exp()


def _none(rows: Rows, old_logps: torch.Tensor) -> Corrected:
    """Replayed rows count as if the policy at the start of the step had generated them."""
    return old_logps, rows["advantages"]


CORRECTIONS: dict[str, Correction] = {
    each.name: each
    for each in (
        Correction("paper", "clip pi/pi_behaviour around 1", _paper),
        Correction("proximal", "clip pi/pi_behaviour around pi_old/pi_behaviour", _proximal),
        Correction("none", "no correction, clip pi/pi_old around 1", _none),
        Correction("second_moment", "as proximal, without the tokens of the largest ratios (M2PO)", _proximal, True),
    )
}
"""Name -> correction. The schema of `replay.correction` lists these names; a new one is one more entry."""
