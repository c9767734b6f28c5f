"""Whatever a file holds, loading gives a spec or a UserError: never another exception, never silence about junk."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from repro.errors import UserError
from repro.spec.document import FieldPath, dotted, read_document, walk
from repro.study.expand import expand
from repro.study.load import load_spec
from tests.study.test_smoke import HARD

JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 3, 0.5, 1e300, "", "x", "tiny", "a.b", [], [1], ["x", None], [[]], {}, {"x": 1}),
    *({"method": "random"}, {"method": 3}, {"tiny": None}, {"low": 0.2}, {"low": 0.9, "high": 0.1}, {"float": [1]}),
    *({"float": [0.2, 0.4]}, {"extends": "dots"}, {"": {}}, "🙂", 10**30, {"center": None}, {"band": 3}),
)


def mutate(data: Any, generator: np.random.Generator) -> FieldPath:
    """Replaces, removes or adds one field somewhere; returns where."""
    places = [path for path in walk(data) if path]
    path = places[generator.integers(len(places))]
    parent = data
    for part in path[:-1]:
        parent = parent[part]
    kind = generator.integers(4)
    if kind == 0 and isinstance(parent, dict):
        del parent[path[-1]]
    elif kind == 1 and isinstance(parent, dict):
        parent[str(JUNK[generator.integers(len(JUNK))])] = copy.deepcopy(JUNK[generator.integers(len(JUNK))])
    else:
        parent[path[-1]] = copy.deepcopy(JUNK[generator.integers(len(JUNK))])
    return path


def test_junk_anywhere_gives_a_spec_or_a_mistake_of_the_user(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    path = tmp_path / "spec.yaml"
    path.write_text(HARD)
    sound = read_document(path).data
    outcomes = {"valid": 0, "refused": 0}
    for _ in range(250):
        data = copy.deepcopy(sound)
        for _ in range(generator.integers(1, 4)):
            mutate(data, generator)
        path.write_text(yaml.safe_dump(data, allow_unicode=True))
        try:
            spec = load_spec(path).spec
            assert expand(spec)
            load_spec(path, smoke=True)
        except UserError as error:
            outcomes["refused"] += 1
            assert all(": got " in line or line.startswith("…") for line in str(error).splitlines()), str(error)
        else:
            outcomes["valid"] += 1
    assert outcomes["valid"] > 5
    assert outcomes["refused"] > 150


def test_junk_in_options_gives_a_spec_or_a_mistake_of_the_user(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    path = tmp_path / "spec.yaml"
    path.write_text(HARD)
    places = [dotted(place) for place in walk(read_document(path).data) if place]
    values = ["3", "", "[1]", "{a: 1}", "x", "null", "-1", "[", "{method: random}", "tiny"]
    refused = 0
    for _ in range(200):
        words = places[generator.integers(len(places))].split(".")
        if generator.integers(3) == 0:
            words = [*words[: generator.integers(1, len(words) + 1)], "junk"]
        option = f"{'.'.join(words)}={values[generator.integers(len(values))]}"
        try:
            load_spec(path, [option])
        except UserError as error:
            refused += 1
            assert "got " in str(error) or "no YAML value" in str(error)
    assert refused > 60
