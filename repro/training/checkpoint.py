"""What a checkpoint holds beside TRL's own files: selector, ledger, replay buffer, and the marker that it is whole."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from repro.checksums import Checksums, checksums, damage, is_sealed, listed, sealed
from repro.errors import UserError
from repro.files import dump_json, force_to_disk, force_tree_to_disk, read_json, write_atomically
from repro.replay.buffer import ReplayBuffer
from repro.selection.base import Selector
from repro.training.ledger import Ledger
from repro.training.ranks import Ranks

KEPT = 2
"""Checkpoints that are kept: the newest, and the one before it in case the newest is damaged."""
NAME = re.compile(r"checkpoint-\d+")
ASIDE = "damaged-"

COMPLETE = "complete.json"
"""Marker of a whole checkpoint, written last: {"step", "files": checksums of the checkpoint's other files, "rows":
checksums of the run's files that it goes on from}, and "processes" where there were several. Those of earlier versions
have neither "files" nor "rows" nor a seal."""


def save_state(
    folder: Path,
    step: int,
    selector: Selector,
    ledger: Ledger,
    buffer: ReplayBuffer | None,
    ranks: Ranks,
    marks: Callable[[], Checksums] = dict,
) -> None:
    """Complete the checkpoint of a step, keep the one before it, and remove older ones.

    Collective: each rank writes its share of the buffer. `marks`: puts the rows of the run on the disk and returns
    their checksums (`Journal.marks`).
    """
    spent = ledger.over(ranks)
    if buffer is not None:
        buffer.save(folder / _shard(ranks))
    if ranks.main:
        # None of the files has to be atomic or on the disk before the marker is.
        (folder / "selector.json").write_text(json.dumps(selector.state_dict()))
        (folder / "ledger.json").write_text(json.dumps(spent.state_dict()))
    force_tree_to_disk(folder)  # TRL's files too; each rank its own, which may lie on another machine
    ranks.wait()  # no file is missing when the marker comes
    if ranks.main:
        several = {"processes": ranks.count} if ranks.count > 1 else {}
        marker = {"step": step, **several, "files": checksums(folder, _files(folder)), "rows": marks()}
        write_atomically(folder / COMPLETE, dump_json(sealed(marker)))
        force_to_disk(folder.parent)
        _remove_old(folder.parent)


def restore_state(folder: Path, selector: Selector, ledger: Ledger, buffer: ReplayBuffer | None, ranks: Ranks) -> None:
    """Go on where `save_state` was called. UserError where another number of processes wrote the checkpoint."""
    written_by = marker_of(folder).get("processes", 1)
    if written_by != ranks.count:
        raise UserError(
            f"--processes: got {ranks.count}, expected {written_by}, the number that wrote {folder}: its replay buffer "
            f"and random numbers are split so. Go on with {written_by}, or remove {folder.parent} to begin anew"
        )
    selector.load_state_dict(json.loads((folder / "selector.json").read_text()))
    if ranks.main:  # the costs of all ranks lie with rank 0
        ledger.load_state_dict(json.loads((folder / "ledger.json").read_text()))
    if buffer is not None:
        buffer.load(folder / _shard(ranks))


def marker_of(folder: Path) -> dict[str, Any]:
    """The content of a whole checkpoint's marker, see `COMPLETE`."""
    marker: dict[str, Any] = json.loads((folder / COMPLETE).read_text())
    return marker


def last_checkpoint(
    root: Path,
    lost: Callable[[Mapping[str, Any]], list[str]] = lambda marker: [],
    say: Callable[[str], None] = lambda text: None,
) -> Path | None:
    """The newest checkpoint under a folder that is whole.

    Newer ones that a kill left half-written are removed without a word. Those that cannot be used because they are
    damaged, or because the run has lost the rows before them, are told by `say` and renamed to `damaged-...`, where
    they stay until the run ends.

    Args:
        lost: what the run no longer has of the rows that a checkpoint with this marker goes on from.
    """
    damaged: dict[Path, str] = {}
    found = None
    for folder in newest_first(root):
        if not (folder / COMPLETE).is_file():
            shutil.rmtree(folder)
            continue
        problems = _problems(folder, lost)
        if not problems:
            found = folder
            break
        damaged[folder] = f"{folder.name} cannot be used ({listed(problems)})"
    if damaged:
        then = "the run begins anew" if found is None else f"the run goes on from {found.name}"
        say(f"{', '.join(damaged.values())}: {then}")
    for folder in damaged:
        aside = folder.with_name(ASIDE + folder.name)
        if aside.exists():
            shutil.rmtree(aside)
        folder.rename(aside)
    return found


def tidy(root: Path, keep: bool) -> None:
    """Remove what a run does not need once it has ended: its checkpoints, or with `keep` all but the newest two."""
    for folder in root.glob(f"{ASIDE}checkpoint-*"):
        _remove(folder)
    _remove_old(root, KEPT if keep else 0)


def _remove_old(root: Path, kept: int = KEPT) -> None:
    """Keep the newest checkpoints. The marker of another goes first, so that a kill leaves none half removed."""
    for folder in newest_first(root)[kept:]:
        (folder / COMPLETE).unlink(missing_ok=True)
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder that another process may be removing as well."""
    while folder.exists():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)


def newest_first(root: Path) -> list[Path]:
    """The folders of checkpoints, half-written ones included."""
    folders = [folder for folder in root.glob("checkpoint-*") if NAME.fullmatch(folder.name) and folder.is_dir()]
    return sorted(folders, key=lambda folder: -int(folder.name.rsplit("-", 1)[1]))


def _problems(folder: Path, lost: Callable[[Mapping[str, Any]], list[str]]) -> list[str]:
    marker = read_json(folder / COMPLETE)
    if isinstance(marker, dict) and set(marker) <= {"step", "processes"} and isinstance(marker.get("step"), int):
        return lost(marker)  # of an earlier version
    if not is_sealed(marker):
        return [f"{COMPLETE} is not whole"]
    return damage(folder, marker["files"]) or lost(marker)


def _files(folder: Path) -> list[str]:
    """Names of the files of a checkpoint without its marker (an earlier one, where the step was done before)."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in names if name != COMPLETE]


def _shard(ranks: Ranks) -> str:
    return "buffer" if ranks.count == 1 else f"buffer-{ranks.index}-of-{ranks.count}"
