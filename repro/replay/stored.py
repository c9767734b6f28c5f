"""The files of a replay buffer: its groups in `replay.safetensors`, and what else it remembers in `replay.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from repro.replay.group import Group

VERSION = 3
READABLE = (1, 2, 3)
"""Version 1 has no count of expired groups: nothing expired. Up to version 2 a buffer held whole groups only."""


def write_groups(directory: Path, groups: Sequence[Group], state: Mapping[str, Any]) -> None:
    """Write groups, oldest first, and a JSON-able state into `directory` (made if missing), bit for bit.

    Not atomic: a kill leaves half of them, so the caller marks what is whole, as a checkpoint does.
    """
    directory.mkdir(parents=True, exist_ok=True)
    completions = [row for group in groups for row in group.completion_ids]
    logps = [row for group in groups for row in group.behaviour_logps]
    empty_ids, empty_logps = np.zeros(0, np.int64), np.zeros(0, np.float32)
    arrays = {
        "prompt_ids": np.concatenate([empty_ids, *(group.prompt_ids for group in groups)]),
        "prompt_lengths": np.array([len(group.prompt_ids) for group in groups], np.int64),
        "completion_ids": np.concatenate([empty_ids, *completions]),
        "completion_lengths": np.array([len(row) for row in completions], np.int64),
        "behaviour_logps": np.concatenate([empty_logps, *logps]),
        "rewards": np.concatenate([np.zeros(0), *(group.rewards for group in groups)]),
        "advantages": np.concatenate([empty_logps, *(group.advantages for group in groups)]),
        "group_sizes": np.array([len(group.completion_ids) for group in groups], np.int64),
        "fields": np.array([[g.question, g.step, g.uses] for g in groups], np.int64).reshape(-1, 3),
    }
    reference = [row for group in groups for row in group.reference_logps or ()]
    if reference:  # of all groups or of none: the KL term of a run is on or off
        arrays["reference_logps"] = np.concatenate([empty_logps, *reference])
    save_file(arrays, directory / "replay.safetensors")
    (directory / "replay.json").write_text(json.dumps({"version": VERSION, "groups": len(groups), **state}))


def read_groups(directory: Path) -> tuple[list[Group], dict[str, Any]]:
    """Groups and state as `write_groups` wrote them; what earlier versions lack is filled in.

    ValueError for another version, or where the two files do not belong together.
    """
    state = json.loads((directory / "replay.json").read_text())
    arrays = load_file(directory / "replay.safetensors")
    if state["version"] not in READABLE:
        raise ValueError(f"{directory}: replay version is {state['version']}, expected one of {READABLE}")
    if state["groups"] != len(arrays["fields"]):
        raise ValueError(f"{directory}: {len(arrays['fields'])} groups on disk, replay.json says {state['groups']}")
    prompts = _split(arrays["prompt_ids"], arrays["prompt_lengths"])
    completions = _split(arrays["completion_ids"], arrays["completion_lengths"])
    logps = _split(arrays["behaviour_logps"], arrays["completion_lengths"])
    rewards = _split(arrays["rewards"], arrays["group_sizes"])
    advantages = _split(arrays["advantages"], arrays["group_sizes"])
    reference = None
    if "reference_logps" in arrays:
        reference = _split(arrays["reference_logps"], arrays["completion_lengths"])
    groups, first = [], 0
    for row, (question, step, uses) in enumerate(arrays["fields"].tolist()):
        last = first + int(arrays["group_sizes"][row])
        tokens, behaviour = completions[first:last], logps[first:last]
        again = None if reference is None else reference[first:last]
        groups.append(
            Group(question, prompts[row], tokens, rewards[row], advantages[row], behaviour, step, uses, again)
        )
        first = last
    return groups, {"unit": "group", **state, "counts": {"expired": 0, **state["counts"]}}


def _split(flat: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Cut a concatenation back into its rows."""
    return np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else []
