"""What a diagnosis knows of each question, one row a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from repro.diagnose.measured import Measured
from repro.tasks.problem import Problem


def question_rows(problems: Sequence[Problem], measured: Measured) -> list[dict[str, Any]]:
    """Every scored question in the order of the pool: id, question, answer, `s`, `score` (1 - (s - mean)^2),
    `target_tokens`, `in_band`, `pass_rate` and `samples` (None for a question that was not sampled)."""
    sampled = {
        int(index): (float(rate), part.rewards.shape[1])
        for part in (measured.in_band, measured.drawn)
        for index, rate in zip(part.indices, part.rates, strict=True)
    }
    scored = measured.scored
    score = 1.0 - (scored.s - scored.s.mean()) ** 2  # (M,)
    rows = []
    for place, index in enumerate(scored.indices.tolist()):
        rate, samples = sampled.get(index, (None, None))
        problem = problems[index]
        rows.append(
            {
                "id": problem.id,
                "question": problem.question,
                "answer": problem.answer,
                "s": float(scored.s[place]),
                "score": float(score[place]),
                "target_tokens": int(scored.target_tokens[place]),
                "in_band": bool(measured.kept[place]),
                "pass_rate": rate,
                "samples": samples,
            }
        )
    return rows
