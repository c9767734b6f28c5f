"""Kinds of values on the command line, for `argparse`: whole numbers and folders."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

DIGITS = 18  # more can be meant for no count


def whole_number(least: int, most: int = 10_000) -> Callable[[str], int]:
    """An argparse type: a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        plain = text.isascii() and text.isdecimal() and len(text) <= DIGITS
        if not plain or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"got {text[:40]!r}, expected a whole number >= {least} and <= {most:,}")
        return int(text)

    return parse


def folder(text: str) -> Path:
    """An argparse type: a folder, or a place where one can be made."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a folder")
    path = Path(text)
    for place in (path, *path.parents):
        if os.path.isdir(place):  # noqa: PTH112  (Path.is_dir raises for a name that is too long)
            break
        if os.path.lexists(place):
            what = "a link that leads nowhere" if os.path.islink(place) else "a file"  # noqa: PTH114
            raise argparse.ArgumentTypeError(f"got {text!r}, but {place} is {what}, expected a folder")
    return path
