"""Kinds of values on the command line, for `argparse`: numbers, files and folders."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable
from pathlib import Path

from repro.user_paths import absence, user_path

DIGITS = 18  # more can be meant for no count
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number as YAML and shells write it: `float` takes `1_0` and digits of every script as well."""


def whole_number(least: int, most: int = 10_000) -> Callable[[str], int]:
    """An argparse type: a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        plain = text.isascii() and text.isdecimal() and len(text) <= DIGITS
        if not plain or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"got {text[:40]!r}, expected a whole number >= {least} and <= {most:,}")
        return int(text)

    return parse


def plain_number(text: str) -> float:
    """The number that a text is; NaN, which lies in no range, where it is none."""
    return float(text) if NUMBER.fullmatch(text) else math.nan


def file_path(text: str) -> Path:
    """An argparse type: a file, whether it is there or not."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a file")
    return user_path(text)


def folder(text: str) -> Path:
    """An argparse type: a folder, or a place where one can be made."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a folder")
    path = user_path(text)
    for place in (path, *path.parents):
        if os.path.isdir(place):  # noqa: PTH112  (Path.is_dir raises for a name that is too long)
            break
        if os.path.lexists(place):
            what = absence(place) if os.path.islink(place) else "is a file"  # noqa: PTH114
            raise argparse.ArgumentTypeError(f"got {text!r}, but {place} {what}, expected a folder")
    return path
