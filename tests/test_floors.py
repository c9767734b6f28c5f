"""Who may import whom: a file imports from its own room or from rooms below, and no two files import each other.

Rooms are the folders of `repro/` and the files beside them, from the bottom up in `FLOORS`. Imports are read from the
source, those inside functions too; only imports under `if TYPE_CHECKING:` may point upwards, because nothing runs
them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = (
    ("spreadsheets",),
    ("errors", "masking", "words", "arithmetic", "digests", "user_paths", "hub"),
    (
        *("canonical", "fields", "files", "checksums", "cache", "draws", "plugins", "groups", "numbers"),
        *("system_errors", "arguments"),
    ),
    ("tasks",),
    ("models",),
    ("tracking",),
    ("difficulty",),
    ("scoring",),
    ("selection",),
    ("replay",),
    ("spec",),
    ("study",),
    ("diagnose",),
    ("training",),
    ("launch",),
    ("verify",),
    ("sweep",),
    ("testing",),
    ("analysis",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""From the bottom up. Files of one floor may import each other, as long as no circle comes of it."""

ANALYSIS = "repro.analysis"
PAPERS = ("repro.analysis.dots_rr", "repro.analysis.ufo_rl")
GATHERING = ("repro.analysis.artefacts", "repro.analysis.page")
"""The general modules of `repro/analysis/` that may import a paper's folder."""

READ = (
    "repro.study",
    "repro.spec",
    "repro.tracking",
    "repro.replay",
    "repro.selection",
    "repro.difficulty",
    "repro.diagnose",
)
"""The highest rooms that `repro/analysis/` may import; everything below them too."""

STILL_WRONG: frozenset[tuple[str, str]] = frozenset()
"""(file, module it imports) that break a rule today. May only shrink."""


@dataclass(frozen=True)
class Import:
    """One module that a file imports."""

    file: str  # relative to the root
    line: int
    source: str  # dotted name of the file
    target: str  # dotted name of the imported module

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"


def read_imports(root: Path) -> tuple[list[Import], set[str]]:
    """(imports between the modules of `repro` under `root`, names of all modules there)."""
    files = {_dotted(path.relative_to(root)): path for path in (root / "repro").rglob("*.py")}
    found = []
    for source, path in sorted(files.items()):
        package = source if path.name == "__init__.py" else source.rpartition(".")[0]
        for node in _run(ast.parse(path.read_text(encoding="utf-8"))):
            for target in _targets(node, package, files):
                if target != source:
                    found.append(Import(path.relative_to(root).as_posix(), node.lineno, source, target))
    return found, set(files)


def _dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _run(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements that can run: all but those under `if TYPE_CHECKING:`."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
        return
    only_checked = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    for child in node.orelse if isinstance(node, ast.If) and only_checked else ast.iter_child_nodes(node):
        yield from _run(child)


def _targets(node: ast.Import | ast.ImportFrom, package: str, files: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in files)
        return
    above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    for alias in node.names:
        target = f"{base}.{alias.name}" if f"{base}.{alias.name}" in files else base
        if target in files:
            yield target


def floor_of(module: str) -> int | None:
    """The floor of a module's room; None for `repro` itself, which belongs to none."""
    parts = module.split(".")
    if len(parts) == 1:
        return None
    room = parts[1]
    for height, rooms in enumerate(FLOORS):
        if room in rooms:
            return height
    raise AssertionError(f"{module}: the room {room!r} has no floor; give it one in FLOORS")


# ---------------------------------------------------------------- the rules, each a list of complaints


def upward(imports: Sequence[Import]) -> list[str]:
    """Imports from a room above."""
    out = []
    for one in imports:
        source, target = floor_of(one.source), floor_of(one.target)
        if source is not None and target is not None and target > source:
            out.append(f"{one}, a room above its own")
    return out


def unread(imports: Sequence[Import]) -> list[str]:
    """Imports of `repro/analysis/` from rooms above those that it reads."""
    highest = max(height for name in READ if (height := floor_of(name)) is not None)
    return [
        f"{one}: analysis reads repro.study and what lies below it"
        for one in imports
        if _inside(one.source, (ANALYSIS,)) and not _inside(one.target, (ANALYSIS,))
        if (floor_of(one.target) or 0) > highest
    ]


def across_papers(imports: Sequence[Import]) -> list[str]:
    """Imports of one paper's folder by the other's, or by a general module that does not gather them."""
    out = []
    for one in imports:
        paper = _inside(one.target, PAPERS)
        if not _inside(one.source, (ANALYSIS,)) or paper is None or _inside(one.source, (paper, *GATHERING)):
            continue
        who = "the other paper's folder" if _inside(one.source, PAPERS) else "a general module"
        out.append(f"{one}: {who} may not know {paper}")
    return out


def _inside(module: str, names: Sequence[str]) -> str | None:
    return next((name for name in names if module == name or module.startswith(f"{name}.")), None)


def circles(imports: Sequence[Import], rooms: bool = False) -> list[str]:
    """Circles of files, or of rooms: each as the imports that close it."""

    def node(module: str) -> str:
        return ".".join(module.split(".")[:2]) if rooms and module.startswith("repro.") else module

    edges: dict[str, dict[str, Import]] = {}
    for one in imports:
        source, target = node(one.source), node(one.target)
        if source != target and (not rooms or (one.source.startswith("repro.") and one.target.startswith("repro."))):
            edges.setdefault(source, {}).setdefault(target, one)
    out = []
    for group in _strong(edges):
        inside = sorted(str(one) for a in group for b, one in edges.get(a, {}).items() if b in group)
        out.append(f"a circle of {'rooms' if rooms else 'files'} ({', '.join(sorted(group))}): {'; '.join(inside)}")
    return out


def _strong(edges: Mapping[str, Mapping[str, Import]]) -> list[set[str]]:
    """Groups of two nodes or more of which each reaches every other."""
    reached = {start: _reach(edges, start) for start in edges}
    groups: list[set[str]] = []
    for start in edges:
        group = {other for other in reached[start] if start in reached.get(other, ())}
        if len(group) > 1 and group not in groups:
            groups.append(group)
    return groups


def _reach(edges: Mapping[str, Mapping[str, Import]], start: str) -> set[str]:
    """Every node that a walk of one step or more from `start` comes to."""
    found: set[str] = set()
    todo = list(edges[start])
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += edges.get(node, {})
    return found


# ---------------------------------------------------------------- this repository


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    found, _ = read_imports(ROOT)
    return [one for one in found if (one.file, one.target) not in STILL_WRONG]


def test_no_file_imports_from_a_room_above_its_own(imports: list[Import]) -> None:
    assert upward(imports) == []


def test_analysis_reads_the_study_and_below(imports: list[Import]) -> None:
    assert unread(imports) == []


def test_no_paper_knows_the_other_and_no_general_module_knows_a_paper(imports: list[Import]) -> None:
    assert across_papers(imports) == []


def test_no_files_import_each_other_in_a_circle(imports: list[Import]) -> None:
    assert circles(imports) == []


def test_no_rooms_import_each_other_in_a_circle(imports: list[Import]) -> None:
    assert circles(imports, rooms=True) == []


def test_what_is_still_wrong_is_really_there() -> None:
    found, _ = read_imports(ROOT)
    gone = STILL_WRONG - {(one.file, one.target) for one in found}
    assert not gone, "delete what has been mended from STILL_WRONG"


# ---------------------------------------------------------------- the rules notice what they are for


def tree(root: Path, files: Mapping[str, str]) -> list[Import]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_imports(root)[0]


def test_an_upward_import_is_named_with_file_line_and_module_also_inside_a_function(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        {
            "repro/tasks/a.py": "import os\n\ndef f():\n    from repro.spec.b import x\n",
            "repro/spec/b.py": "from repro.tasks import a\nx = 1\n",
        },
    )
    assert upward(found) == ["repro/tasks/a.py:4 imports repro.spec.b, a room above its own"]


def test_imports_for_type_checkers_alone_may_point_upwards_and_what_runs_instead_may_not(tmp_path: Path) -> None:
    text = "if TYPE_CHECKING:\n    from repro.cli import x\nelse:\n    import repro.cli\n"
    found = tree(tmp_path, {"repro/tasks/a.py": text, "repro/cli.py": "x = 1\n"})
    assert upward(found) == ["repro/tasks/a.py:4 imports repro.cli, a room above its own"]


def test_relative_imports_are_read(tmp_path: Path) -> None:
    files = {"repro/tasks/a.py": "from ..spec import b\n", "repro/spec/b.py": "", "repro/spec/__init__.py": ""}
    assert [one.target for one in tree(tmp_path, files)] == ["repro.spec.b"]


def test_a_circle_of_files_names_the_imports_that_close_it(tmp_path: Path) -> None:
    names = {"a": "b", "b": "c", "c": "a", "d": "a"}
    found = tree(tmp_path, {f"repro/tasks/{a}.py": f"import repro.tasks.{b}\n" for a, b in names.items()})
    (circle,) = circles(found)
    assert circle.startswith("a circle of files (repro.tasks.a, repro.tasks.b, repro.tasks.c): ")
    assert "repro/tasks/c.py:1 imports repro.tasks.a" in circle and "d.py" not in circle


def test_a_circle_of_rooms_is_noticed_where_no_files_make_one(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        {
            "repro/tasks/a.py": "import repro.models.b\n",
            "repro/models/b.py": "",
            "repro/models/c.py": "import repro.tasks.d\n",
            "repro/tasks/d.py": "",
        },
    )
    assert circles(found) == []
    (circle,) = circles(found, rooms=True)
    assert "repro/models/c.py:1 imports repro.tasks.d" in circle and "repro/tasks/a.py:1" in circle


def test_papers_that_know_each_other_and_general_modules_that_know_a_paper_are_noticed(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        {
            "repro/analysis/dots_rr/a.py": "import repro.analysis.ufo_rl.b\nimport repro.analysis.effects\n",
            "repro/analysis/ufo_rl/b.py": "",
            "repro/analysis/effects.py": "from repro.analysis.dots_rr.a import x\n",
            "repro/analysis/artefacts.py": "from repro.analysis.ufo_rl import b\n",
        },
    )
    assert across_papers(found) == [
        "repro/analysis/dots_rr/a.py:1 imports repro.analysis.ufo_rl.b: the other paper's folder may not know "
        "repro.analysis.ufo_rl",
        "repro/analysis/effects.py:1 imports repro.analysis.dots_rr.a: a general module may not know "
        "repro.analysis.dots_rr",
    ]


def test_analysis_that_reads_training_is_noticed(tmp_path: Path) -> None:
    files = {"repro/analysis/a.py": "import repro.training.b\nimport repro.study.c\n"}
    found = tree(tmp_path, files | {"repro/training/b.py": "", "repro/study/c.py": ""})
    assert unread(found) == [
        "repro/analysis/a.py:1 imports repro.training.b: analysis reads repro.study and what lies below it"
    ]


def test_a_new_room_must_be_given_a_floor(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"repro\.attic\.a: the room 'attic' has no floor"):
        upward(tree(tmp_path, {"repro/attic/a.py": "import repro.errors\n", "repro/errors.py": ""}))
