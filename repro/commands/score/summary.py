"""From mean log-probs to the table, and to the summary that says how its numbers came about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from repro import __version__
from repro.commands.score.output import TYPES
from repro.commands.score.request import Request
from repro.numbers import pearson, spearman
from repro.scoring.store import Stored
from repro.selection.bands import band_center, band_indices, center_of
from repro.selection.pool import new_generator
from repro.selection.ties import tie_places

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def select(columns: Mapping[str, np.ndarray], request: Request) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The table with `score` and `selected` of the request's band, and what the summary says about them.

    `columns` has `id`, `confidence`, `target_tokens` and `prompt_tokens`, (N,) each. The score is UFO-RL's fuzziness
    1 - (s - centre)^2; a band without a centre of its own has the mean there. Ties at its cut are drawn, the same for
    the same ids.
    """
    s = np.exp(columns["confidence"])  # (N,) in [0, 1]: a very long unlikely target may underflow
    center = band_center(s, request.band)
    center = center_of(s, "mean") if center is None else center
    selected = np.zeros(len(s), dtype=bool)
    places = tie_places(columns["id"].tolist(), new_generator(0, "ties"))
    selected[band_indices(s, request.band, request.fraction, places)] = True
    made = {**columns, "s": s, "score": 1.0 - (s - center) ** 2, "selected": selected}
    table = {name: made[name] for name in TYPES}
    return table, {"selection": request.selection, "center": center, "selected": int(selected.sum())}


def statistics(columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Distribution of s, and whether it follows the length of the target rather than difficulty."""
    s = np.exp(columns["confidence"])
    quantiles = dict(zip(map("{:g}".format, QUANTILES), np.quantile(s, QUANTILES).tolist(), strict=True))
    lengths = columns["target_tokens"]
    return {
        "questions": len(s),
        "s": {"mean": float(s.mean()), "std": float(s.std()), "quantiles": quantiles},
        "correlation_of_s_with_target_tokens": {
            "pearson": _known(pearson(s, lengths)),
            "spearman": _known(spearman(s, lengths)),
        },
        "target_tokens": {"mean": float(lengths.mean()), "min": int(lengths.min()), "max": int(lengths.max())},
    }


def _known(value: float) -> float | None:
    """JSON has no NaN: null where one side does not vary."""
    return None if math.isnan(value) else value


def describe(request: Request, stored: Stored) -> dict[str, Any]:
    """What was asked, as the summary holds it (model, dataset, prompt and target with their digests), and how the
    scores were made, whoever made them."""
    fields, card = request.fields, stored.card
    tokens = card["tokens"]
    without = {"name", "dtype", "revision", "system_prompt", "trust_remote_code"}
    return {
        "key": request.key,
        "target": request.asked.target,
        "prompt": {
            "style": request.asked.prompt,
            "system_prompt": fields["system_prompt"],
            "example": card["example"],
        },
        "model": {
            **request.model.model_dump(mode="json", exclude_none=True, exclude=without),
            "revision": fields["revision"],
            "dtype": fields["dtype"],
            "digest": fields["policy"],
            **card["model"],
        },
        "dataset": {
            **request.dataset.model_dump(mode="json", exclude_none=True, exclude={"validation_fraction", "name"}),
            "digest": fields["questions"],
        },
        "request": dict(fields),
        "tokens": {**tokens, "shared": card["shared_tokens"], "padding_share": card["padding_share"]},
        "seconds": dict(card["seconds"]),
        "tokens_per_second": (tokens["prompt"] + tokens["target"]) / max(card["seconds"]["pass"], 1e-9),
        "taken_over": card["taken_over"],
        "machine": card["machine"],
        "repro": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
