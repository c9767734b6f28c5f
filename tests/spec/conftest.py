"""Fixtures that write a spec to a file and load it, or collect its mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from repro.errors import UserError
from repro.study.load import LoadedSpec, load_spec

HEAD = "name: study\nmodel: tiny\ndataset: arithmetic\n"  # lines 1 to 3

Load = Callable[..., LoadedSpec]
Mistakes = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """`load(text, overrides)`: text after the head, or a whole spec where it names itself."""

    def run(text: str, overrides: Sequence[str] = (), smoke: bool = False) -> LoadedSpec:
        path = tmp_path / "spec.yaml"
        path.write_text(text if "name:" in text else HEAD + text, encoding="utf-8")
        return load_spec(path, overrides, smoke)

    return run


@pytest.fixture
def mistakes(load: Load, tmp_path: Path) -> Mistakes:
    """The lines of the error that loading raises, with the folder of the file left out; [] where it loads."""

    def run(text: str, overrides: Sequence[str] = ()) -> list[str]:
        try:
            load(text, overrides)
        except UserError as error:
            return str(error).replace(f"{tmp_path}/", "").splitlines()
        return []

    return run
