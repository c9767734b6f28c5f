"""Finds a run that lies on disk by its identity, by the beginning of it, or by its folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from repro.errors import UserError
from repro.files import read_object
from repro.spec.schema import Cell
from repro.user_paths import user_path
from repro.words import did_you_mean, show


def stored_run(target: str, runs_dir: Path, otherwise: str = "") -> tuple[Path, Cell]:
    """The directory of a run and its cell.

    Args:
        otherwise: what else the command takes, for the message, e.g. ` or SPEC.yaml:ARM:SEED`.

    Raises:
        UserError: no run or several have such a name, or its cell is of another schema.
    """
    folder = user_path(target)
    if not (folder / "cell.json").is_file():
        names = [found.parent.name for found in runs_dir.glob("*/cell.json")]
        matches = [name for name in names if name == target] or [name for name in names if name.startswith(target)]
        if len(matches) != 1:
            what = (
                f"{len(matches)} runs begin so" if matches else f"{len(names)} runs there{did_you_mean(target, names)}"
            )
            raise UserError(f"got {show(target)}, expected one run of {runs_dir}{otherwise} ({what})")
        folder = runs_dir / matches[0]
    record = read_object(folder / "cell.json")
    try:
        return folder, Cell.model_validate(record.get("cell"))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"{folder / 'cell.json'}: {'.'.join(map(str, first['loc']))}: {first['msg']}; expected a cell of this "
            f"version, with its own rewards, selections and tasks in the current folder or installed"
        ) from None
