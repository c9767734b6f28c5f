"""A study whose policy, questions and reward are files of one's own: quick to load, and groups have a gradient."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from repro.models.policy import SHIPPED
from repro.tasks.made.arithmetic import Arithmetic

REWARD = '''\
import zlib


def coin(completion, problem):
    """By the text alone, so that groups have different rewards."""
    return zlib.crc32(completion.encode()) % 2
'''
STUDY = """\
name: trial
model: {path: policy, name: local}
dataset: {path: rows.jsonl, name: rows, test_split: null, validation_fraction: 0, decontaminate: "off"}
train: {steps: 2, questions_per_step: 4, group_size: 4, minibatches: 2, max_completion_tokens: 16}
evaluate: {every: 1, samples: 2, questions: 6, pool_samples: 2, base_temperatures: []}
reward: coin_of_mine:coin
arms: {full: {}}
seeds: [0, 1]
"""


def write_study(folder: Path, text: str = STUDY) -> Path:
    """Write `study.yaml`, `rows.jsonl`, `policy/` and `coin_of_mine.py`; the path of the spec."""
    shutil.copytree(SHIPPED, folder / "policy")
    rows = [
        {"id": problem.id, "question": problem.question, "answer": problem.answer}
        for problem in Arithmetic(pool=40, test=4, validation=0).load().train
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "coin_of_mine.py").write_text(REWARD)
    (folder / "study.yaml").write_text(text)
    return folder / "study.yaml"
