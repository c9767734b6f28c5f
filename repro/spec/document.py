"""Reads YAML into plain data that remembers on which line every field stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from repro.errors import UserError
from repro.system_errors import explain
from repro.user_paths import no_file, waits
from repro.words import nearest, show, unwritable

FieldPath = tuple[str | int, ...]

BYTES = 1_000_000  # of a file; more is no study that somebody wrote
DEPTH = 40  # levels of lists and mappings; a study has about eight
VALUES = 50_000  # with every alias written out

MERGE = "<<"
MERGE_TEXT = (
    "got a merge key, expected the fields themselves (YAML 1.2 has none); an alias (*name) repeats a whole value, and "
    "an arm takes over another's fields by `extends`"
)


@dataclass(frozen=True)
class Origin:
    """Where a value was written: `where` is `file:line` or the `-S` option, `path` the field as the user wrote it."""

    where: str
    path: FieldPath


@dataclass(frozen=True)
class Problem:
    """One mistake. `path` is the field it is shown at; a mistake in any field of `uses` makes it doubtful."""

    path: FieldPath
    text: str
    uses: tuple[FieldPath, ...] = ()


@dataclass
class Document:
    """Plain data (dict, list, scalars), the origin of every field, and the mistakes met so far."""

    data: Any
    origins: dict[FieldPath, Origin]
    problems: list[Problem] = field(default_factory=list)

    def origin(self, path: FieldPath) -> Origin:
        """Origin of a field, or of its nearest written ancestor with the rest of the path appended."""
        for cut in range(len(path), -1, -1):
            found = self.origins.get(path[:cut])
            if found is not None:
                return Origin(found.where, found.path + path[cut:])
        return Origin("spec", path)

    def move(self, old: FieldPath, new: FieldPath) -> None:
        """The subtree at `old` now lives at `new`; its fields keep the names the user wrote."""
        moved = {new + p[len(old) :]: self.origins.pop(p) for p in list(self.origins) if p[: len(old)] == old}
        self.origins.update(moved)

    def forget(self, path: FieldPath) -> None:
        """The subtree at `path` is about to be replaced."""
        for known in [p for p in self.origins if p[: len(path)] == path]:
            del self.origins[known]


def walk(value: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    """Paths of `value` and of everything in it."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, (*path, index))


def dotted(path: FieldPath) -> str:
    """`('seeds', 0)` -> `seeds.0`."""
    return ".".join(map(str, path))


class _AbsurdError(yaml.MarkedYAMLError):
    """A document that is too deep or too large to be a study."""


class _Bounded(yaml.composer.Composer):
    """Makes nodes of the events of a parser, up to absurd sizes."""

    depth = count = 0
    peek_event: Callable[[], Any]  # of the parser that it is put before

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """See `yaml.composer.Composer`. _AbsurdError for more than `DEPTH` levels or `VALUES` values."""
        self.depth += 1
        self.count += 1
        if self.depth > DEPTH or self.count > 2 * VALUES:  # keys count too
            what = f"nested deeper than {DEPTH} levels" if self.depth > DEPTH else f"more than {VALUES:,} values"
            raise _AbsurdError(problem=what, problem_mark=self.peek_event().start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _CoreLoader(_Bounded, yaml.BaseLoader):
    """YAML 1.2's core types: `1e-4` is a number, `on`, `off`, `yes` and `no` are words; plus `2_000_000`."""


_TAG = "tag:yaml.org,2002:"
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_RESOLVERS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (rf"[-+]?{_DIGITS}|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        rf"[-+]?(?:\.{_DIGITS}|{_DIGITS}(?:\.(?:{_DIGITS})?)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
}
for _kind, (_pattern, _first) in _RESOLVERS.items():
    _CoreLoader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), _first)


def _compose(text: str) -> yaml.Node | None:
    """The root node of a document, None where it is empty. Raises yaml.YAMLError.

    libyaml is five times as fast; what it does not take is read again by the parser whose messages users know.
    """
    if yaml.__with_libyaml__:
        try:
            return yaml.compose(text, Loader=_FastLoader)
        except _AbsurdError:
            raise
        except (yaml.YAMLError, UnicodeEncodeError):
            pass
    return yaml.compose(text, Loader=_CoreLoader)


if yaml.__with_libyaml__:

    class _FastLoader(_Bounded, yaml.CBaseLoader):
        """The same language, with libyaml's parser."""

        yaml_implicit_resolvers = _CoreLoader.yaml_implicit_resolvers

        def __init__(self, stream: str) -> None:
            yaml.CBaseLoader.__init__(self, stream)
            yaml.composer.Composer.__init__(self)


def parse_scalar(text: str) -> Any:
    """A YAML value written on the command line (`0.1`, `[1, 2]`, `{method: random}`). Raises UserError."""
    try:
        node = _compose(text)
    except yaml.YAMLError as error:
        raise UserError(f"{text!r} is no YAML value: {_reason(error)}") from None
    document = Document(None, {})
    value = _construct(node, (), "", document, ()) if node is not None else None
    if document.problems:
        raise UserError(f"{text!r}: {document.problems[0].text}")
    return value


def read_document(path: Path) -> Document:
    """Parses a file. Syntax errors and absurd sizes raise UserError; duplicate keys are collected as problems."""
    text = _text(path)
    try:
        node = _compose(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}:{_line(error, text)}: not valid YAML: {_reason(error)}") from None
    document = Document({}, {(): Origin(f"{path}:1", ())})
    if node is None:
        return document
    document.data = _construct(node, (), str(path), document, ())
    document.origins.setdefault((), Origin(f"{path}:1", ()))
    return document


def _text(path: Path) -> str:
    """The content of a file, or of a pipe that a shell has opened (`<(...)`). Raises UserError."""
    try:
        if waits(path):
            raise UserError(f"{path}: {no_file(path)}, expected a YAML file")
        with path.open("rb") as file:
            content = file.read(BYTES + 1)
    except FileNotFoundError:
        raise UserError(_missing(path)) from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a directory, expected a YAML file") from None
    except (OSError, ValueError) as error:
        told = explain(error) or f"cannot be read: {error}"
        raise UserError(told if told.startswith(f"{path}: ") else f"{path}: {told}") from None
    if len(content) > BYTES:
        raise UserError(f"{path}: is larger than {BYTES:,} bytes, expected a study in YAML")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        line = content.count(b"\n", 0, error.start) + 1
        what = "is UTF-16" if utf_16 else f"holds the byte 0x{content[error.start]:02x}, which is not UTF-8"
        raise UserError(f"{path}:{line}: {what}; expected text in UTF-8") from None


def _line(error: yaml.YAMLError, text: str) -> int:
    """The line of a syntax error, counted from 1."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return int(mark.line) + 1 if mark else 1
    position = getattr(error, "position", 0)  # of a character that YAML does not take
    return text.count("\n", 0, position) + 1


def _missing(path: Path) -> str:
    siblings = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    near = nearest(path.name, siblings)
    return f"{path}: no such file" + (f", did you mean {path.parent / near}?" if near else "")


def _reason(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        if "'\\t'" in str(error.problem):
            return "a tab, expected spaces: YAML indents with them alone"
        return ", ".join(part for part in (error.context, error.problem) if part)
    return str(error).splitlines()[0]


def _construct(node: yaml.Node, path: FieldPath, file: str, document: Document, above: tuple[int, ...]) -> Any:
    """The plain value of a node; notes its line. `above` guards against an alias that contains itself."""
    where = f"{file}:{node.start_mark.line + 1}" if file else f"line {node.start_mark.line + 1}"
    if len(document.origins) > VALUES:
        raise UserError(f"{where}: got more than {VALUES:,} values (every alias written out), expected fewer")
    document.origins.setdefault(path, Origin(f"{file}:{node.start_mark.line + 1}", path))
    if id(node) in above:
        document.problems.append(Problem(path, "got an alias of something that contains it, expected a finite value"))
        return None
    above = (*above, id(node))
    if not isinstance(node, yaml.ScalarNode) and node.tag not in (_TAG + "map", _TAG + "seq"):
        document.problems.append(Problem(path, f"got the YAML tag {node.tag}, expected a plain value"))
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = f"{file}:{key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                document.problems.append(Problem(path, "got a key that is a list or mapping, expected a name"))
                continue
            key = str(key_node.value)
            if unwritable(key):
                document.problems.append(Problem(path, f"got the key {show(ascii(key))}, expected a name"))
                continue
            inner = (*path, key)
            if key == MERGE:
                document.origins.setdefault(inner, Origin(where, inner))
                document.problems.append(Problem(inner, MERGE_TEXT))
                continue
            if key in mapping:
                first = document.origins[inner].where
                document.problems.append(Problem(inner, f"got the key twice (again at {where}), expected it once"))
                document.origins[inner] = Origin(first, inner)
                continue
            document.origins[inner] = Origin(where, inner)
            mapping[key] = _construct(value_node, inner, file, document, above)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*path, index), file, document, above) for index, item in enumerate(node.value)]
    return _scalar(node, path, document)


def _scalar(node: yaml.Node, path: FieldPath, document: Document) -> Any:
    text = str(node.value)
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        value = 0 if len(text) > 300 else int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if len(text) > 300 or abs(value) >= 10**300:  # no float holds more
            document.problems.append(Problem(path, f"got a number of {len(text)} digits, expected fewer"))
            return 0
        return value
    if kind == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if kind != "str":
        document.problems.append(Problem(path, f"got the YAML tag {node.tag}, expected a plain value"))
    if unwritable(text):
        document.problems.append(
            Problem(path, f"got {show(ascii(text))}, expected text without NUL and half characters")
        )
        return ""
    return text
