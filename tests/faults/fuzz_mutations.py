"""Invents mistakes: in the fields and the text of specs, in tables and data files, and in command lines."""

from __future__ import annotations

import copy
import json
import struct
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import yaml
from hypothesis import strategies as st

from repro.spec.document import FieldPath, read_document, walk

ROOT = Path(__file__).parents[2]
SPECS = sorted(path for path in (ROOT / "experiments").rglob("*.yaml") if path.parent.name != "accelerate")

VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 3, 0.5, -0.5, 1.5, 1e-320, 1e300, -1e300, 2**31, 2**63, 10**30, 10**399),
    *(float("inf"), float("-inf"), float("nan"), "", " ", "x", "tiny", "a.b", "../..", "/", "~", "no/such/file.jsonl"),
    *("x" * 300, "x" * 5000, "🙂", "\u202e", "\x1b[2J", "a:b", "os:getcwd", "=1+1", "{x}", "%s", "[bold]", "null"),
    *([], [1], ["x", None], [[]], {}, {"x": 1}, {"": {}}, {"method": "random"}, {"method": 3}, {"float": [1]}),
    *({"float": [2, 1]}, {"int": [0.5, 2]}, {"choice": []}, {"extends": "dots"}, {"low": 0.9, "high": 0.1}),
    *({"path": "."}, {"path": "/dev/null"}, {"path": ""}, {"hub": ""}, {"hub": "a/b/c"}, ["tiny", "tiny"], [0, 0]),
    *([{}] * 3, list(range(100)), {str(i): i for i in range(300)}),
)
OPTIONS = ("train.steps", "selection.fraction", "arms", "seeds", "model", "dataset.limits.train", "axes.train.steps")


@st.composite
def specs(draw: st.DrawFn) -> bytes:
    """A shipped spec with one to four mistakes in its fields, then perhaps one in its text."""
    data = copy.deepcopy(read_document(draw(st.sampled_from(SPECS))).data)
    for _ in range(draw(st.integers(0, 4))):
        _damage_field(draw, data)
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")
    return _damage_text(draw, text) if draw(st.booleans()) else text


def _damage_field(draw: st.DrawFn, data: Any) -> None:
    places: list[FieldPath] = [path for path in walk(data) if path]
    if not places:
        return
    path = draw(st.sampled_from(places))
    parent = data
    for part in path[:-1]:
        parent = parent[part]
    key = path[-1]
    kind = draw(st.sampled_from(["value", "value", "misspelt", "gone", "added", "wrapped"]))
    value = copy.deepcopy(draw(st.sampled_from(VALUES)))
    if kind == "value":
        parent[key] = value
    elif kind == "wrapped":
        parent[key] = [parent[key]]
    elif kind == "gone":
        del parent[key]
    elif isinstance(parent, dict):
        if kind == "misspelt":
            name = str(key)
            at = draw(st.integers(0, len(name)))
            parent[name[:at] + draw(st.sampled_from(["", "x", "_", " "])) + name[at + 1 :]] = parent.pop(key)
        else:
            parent[draw(st.sampled_from(["x", "", "<<", "extends", "selection", "steps", "a b", "ä"]))] = value


def _damage_text(draw: st.DrawFn, text: bytes) -> bytes:
    """YAML-level damage: cut, doubled, shifted or strange lines and characters, and what is no YAML at all."""
    lines = text.split(b"\n")
    at = draw(st.integers(0, len(lines) - 1))
    kind = draw(st.sampled_from(["cut", "twice", "gone", "indent", "insert", "bytes", "encoding", "bomb", "whole"]))
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))]
    if kind == "twice":
        lines.insert(at, lines[at])
    elif kind == "gone":
        del lines[at]
    elif kind == "indent":
        lines[at] = draw(st.sampled_from([b" ", b"\t", b"   "])) + lines[at]
    elif kind == "insert":
        odd = [
            b"- x",
            b": x",
            b"? [a]",
            b"&a *a",
            b"!!python/name:os.system x",
            b"--- ",
            b"%TAG",
            b"@",
            b"`",
            b'"',
            b"{",
        ]
        lines.insert(at, draw(st.sampled_from(odd)))
    elif kind == "bytes":
        place = draw(st.integers(0, len(text)))
        return text[:place] + draw(st.binary(min_size=1, max_size=8)) + text[place:]
    elif kind == "encoding":
        coding = draw(st.sampled_from(["utf-16", "utf-32", "utf-8-sig", "latin-1"]))
        return text.decode("utf-8", "replace").encode(coding, "replace")
    elif kind == "bomb":
        width, depth = draw(st.integers(2, 12)), draw(st.integers(2, 40))
        bomb = "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * width if i else ['x'])}]\n" for i in range(depth))
        return text + b"\n" + bomb.encode()
    else:
        deep = draw(st.integers(1, 5000))
        odd_files = [
            b"",
            b"# only words\n",
            b"\x00" * 100,
            b"[" * deep,
            b"a: " * 3,
            b"x",
            b"[1, 2]",
            b"\x7fELF\x02\x01",
        ]
        return draw(st.sampled_from([*odd_files, b"{a: " * deep, b"name: " + b"9" * deep * 20]))
    return b"\n".join(lines)


# ---------------------------------------------------------------- values in rows

CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["", "a\0b", "\ud800", "1e999", "NaN", "#### ", "x" * 3000, 10**400, [], {}, [[1]], {"a": 1}]),
)  # fmt: skip


def rows(names: tuple[str, ...]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """A few rows of a table with these columns; some lack one or have another."""
    whole = st.fixed_dictionaries(dict.fromkeys(names, CELLS))
    torn = st.dictionaries(st.sampled_from([*names, "x", "", "ID"]), CELLS, max_size=4)
    return st.lists(st.one_of(whole, torn), max_size=6)


@st.composite
def json_files(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[str, bytes]:
    """(suffix, content) of a .jsonl or .json file."""
    suffix = draw(st.sampled_from([".jsonl", ".json"]))
    made = draw(rows(names))
    text = "\n".join(map(json.dumps, made)) if suffix == ".jsonl" else json.dumps(made)
    return suffix, _damage_bytes(draw, text.encode())


@st.composite
def csv_files(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[str, bytes]:
    """(suffix, content) of a .csv file."""
    cell = st.sampled_from(["", "1", "0.5", "nan", "inf", "x", '"', '"a\nb"', "\0", "é", "1,2", "-1", "1e999"])
    lines = [",".join(names), *(",".join(row) for row in draw(st.lists(st.lists(cell, max_size=4), max_size=5)))]
    return ".csv", _damage_bytes(draw, "\n".join(lines).encode())


@st.composite
def parquet_files(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[str, bytes]:
    """(suffix, content) of a .parquet file with columns of one type each."""
    kinds: list[Any] = ["a", 1, 0.5, float("nan"), None, True, [1], {"a": 1}, b"\xff", 2**62]
    count = draw(st.integers(0, 3))
    chosen = draw(st.lists(st.sampled_from([*names, "x"]), unique=True, max_size=4))
    columns = {name: pyarrow.array([draw(st.sampled_from(kinds))] * count) for name in chosen}
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    return ".parquet", _damage_bytes(draw, sink.getvalue().to_pybytes())


def _damage_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    kind = draw(st.sampled_from(["whole", "whole", "cut", "flipped", "bytes", "deep", "encoding", "empty"]))
    at = draw(st.integers(0, len(content)))
    if kind == "cut":
        return content[:at]
    if kind == "flipped" and content:
        at = min(at, len(content) - 1)
        return content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
    if kind == "bytes":
        return content[:at] + draw(st.binary(max_size=8)) + content[at:]
    if kind == "deep":
        return content + b'\n{"id": ' + b"[" * draw(st.integers(1, 100_000))
    if kind == "encoding":
        return content.decode("utf-8", "replace").encode(draw(st.sampled_from(["utf-16", "utf-8-sig"])))
    return b"" if kind == "empty" else content


@st.composite
def safetensors(draw: st.DrawFn) -> bytes:
    """A weights file whose header has a wild length or wild words."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [draw(st.integers(-1, 2**62))], "data_offsets": [0, 4]}})
    length = draw(st.one_of(st.just(len(header)), st.integers(0, 2**64 - 1)))
    return struct.pack("<Q", length) + header.encode() + draw(st.binary(max_size=16))


# ---------------------------------------------------------------- command lines

OPTION_VALUES = (
    *("", "=", "x", "0", "-1", "1", "2", "1e9", "9" * 5000, "²", "nan", "inf", "a=b", "../x", "missing.yaml", "."),
    *(
        "spec.yaml",
        "file",
        "file/x",
        "x" * 300,
        "/proc/none/x",
        "--",
        "🙂",
        "\udcff",
        "{",
        "[1, 2",
        "link",
        "/dev/null",
    ),
)
ASSIGNMENTS = (
    *("", "=", "=1", "a", "a=", ".=1", "a..b=1", "train.steps", "train.steps=", "train.stepz=1", "train.steps=-1"),
    *("arms.x.y.z=1", "seeds=[", "seeds=" + "[" * 200, "seeds=[" + "1," * 3000 + "1]", "name=" + "9" * 5000),
    *("axes.train.steps=[1]", "model=", "model=null", "dataset={path: file}", "arms=[]", "train=3", "seeds.0.0=1"),
    *(".".join("a" * 400) + "=1", "selection.fraction=2", "replay.fresh=x", "seeds.99999999999=1"),
)


@st.composite
def command_lines(draw: st.DrawFn, names: dict[str, tuple[str, ...]]) -> list[str]:
    """Words after `repro`: a command (or no such), a spec or none, its own and other options with odd values.

    Args:
        names: command -> its options.
    """
    command = draw(st.sampled_from([*names, "rnu", ""]))
    words = [command]
    for _ in range(draw(st.integers(0, 3))):
        every = sorted({option for options in names.values() for option in options})
        option = draw(st.sampled_from([*(names.get(command) or every), "--no-such", "-x"]))
        if option in ("--help", "-h", "--version"):
            continue
        value = draw(st.sampled_from(ASSIGNMENTS if option in ("-S", "--set") else OPTION_VALUES))
        words += draw(st.sampled_from([[option], [option, value], [f"{option}={value}"]]))
    for _ in range(draw(st.integers(0, 2))):
        words.insert(draw(st.integers(1, len(words))), draw(st.sampled_from(OPTION_VALUES)))
    return words
