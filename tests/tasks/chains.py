"""Questions of the built-in tasks read back as the chains that they were written from."""

from __future__ import annotations


def arithmetic_chain(question: str) -> tuple[int, tuple[tuple[str, int], ...]]:
    """(7, (("*", 5), ("-", 9))) for `7*5-9?`."""
    body = question.removesuffix("?")
    return int(body[0]), tuple((body[i], int(body[i + 1])) for i in range(1, len(body), 2))


def shuffle_chain(question: str) -> tuple[str, str]:
    """("badc", "RLS") for `badc:RLS?`."""
    word, operations = question.removesuffix("?").split(":")
    return word, operations


def variables_chain(question: str) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, str, str], ...]]:
    """((("e", 3), ("f", 5)), (("g", "-", "e"),)) for `e=3;f=5;g=f-e;fg?`."""
    parts = question.split(";")[:-1]
    given = tuple((part[0], int(part[2])) for part in parts[:2])
    return given, tuple((part[0], part[3], part[4]) for part in parts[2:])
