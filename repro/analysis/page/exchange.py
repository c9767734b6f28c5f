"""Swaps two folders, in one move where the system can."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_AT_WORKING_FOLDER = -100
_EXCHANGE = 2
"""RENAME_EXCHANGE of Linux, and RENAME_SWAP of macOS."""

_NOT_OFFERED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


def exchange(one: Path, other: Path, spare: Path) -> None:
    """Swap two folders of one file system. Where the system has no such call, `other` goes to `spare` first.

    After that second way `one` is gone and `spare` holds what `other` was. A kill between its two moves leaves
    `spare` and no `other`: whoever finds that has to move it back.

    Raises:
        OSError: nothing was moved.
    """
    try:
        _swap(one, other)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
        other.rename(spare)
        try:
            one.rename(other)
        except BaseException:
            spare.rename(other)
            raise


def _swap(one: Path, other: Path) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "darwin":
            failed = library.renamex_np(*names, ctypes.c_uint(_EXCHANGE))
        else:
            here = ctypes.c_int(_AT_WORKING_FOLDER)
            failed = library.renameat2(here, names[0], here, names[1], ctypes.c_uint(_EXCHANGE))
    except AttributeError as error:  # an older C library
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(other)) from error
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))
