"""Refuses to write over a file that this suite has not written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from repro.checksums import checksums
from repro.errors import UserError
from repro.files import dump_json, read_object, write_alone

MANIFEST = "written.json"


class Outputs:
    """The files of a folder that a user has named with --out: those that a manifest in it vouches for are ours."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self, paths: Iterable[Path]) -> None:
        """UserError where one of these files, or of a folder among them, is there and was written by somebody else."""
        known = read_object(self.root / MANIFEST)
        for path in paths:
            for file in _files(path):
                name = file.relative_to(self.root).as_posix()
                if known.get(name) != checksums(self.root, [name])[name]:
                    raise UserError(
                        f"--out: {file} exists and was not written here, expected another folder, or remove it"
                    )

    def record(self, paths: Iterable[Path]) -> None:
        """Vouch for files, or for all of a folder, that have just been written."""
        names = [file.relative_to(self.root).as_posix() for path in paths for file in _files(path)]
        known = read_object(self.root / MANIFEST) | checksums(self.root, names)
        write_alone(self.root / MANIFEST, dump_json(known))


def _files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path] * path.exists()
