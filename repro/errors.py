"""The one exception for mistakes a user can make and mend, and what its messages call the fields of a spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_options: ContextVar[Mapping[str, str] | None] = ContextVar("options", default=None)


class UserError(Exception):
    """Something in a spec, a file or on the command line is wrong: shown without a traceback, exit code 2.

    The message is what the user reads, on at most one screen: where (file and field path), the value found,
    what was expected, and the nearest valid name or the command that helps.
    """


class TryAgainError(UserError):
    """What stands in the way is not the command: once what the message names is mended, the same command goes on."""


def setting(path: str, value: str | None = None) -> str:
    """What a message calls a field of a spec: `dataset.answer`, with a value `dataset.answer: gold`.

    Inside `options_for` it is the option that stands for the field: `--answer`, with a value `--answer gold`.
    """
    option = (_options.get() or {}).get(path)
    if option is None:
        return path if value is None else f"{path}: {value}"
    return option if value is None else f"{option} {value}"


def on_command_line() -> bool:
    """Whether the user gives fields on the command line and not in a spec, as inside `options_for`."""
    return _options.get() is not None


@contextmanager
def options_for(options: Mapping[str, str]) -> Iterator[None]:
    """Within the block the user gives these fields (path -> option) on the command line and not in a spec."""
    token = _options.set(options)
    try:
        yield
    finally:
        _options.reset(token)
