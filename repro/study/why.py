"""Explains what makes a run a new one: the fields in which it differs from the nearest finished run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repro.canonical import canonical
from repro.errors import UserError
from repro.spec.schema import Cell
from repro.study.identity import result_fields
from repro.study.load import LoadedSpec, load_spec
from repro.study.neighbours import FinishedRun
from repro.study.plan import STATUS_WORDS, finished_runs
from repro.study.stored import stored_run
from repro.words import listed, show, unknown

ABSENT = "(off)"
SPEC_TARGET = re.compile(r"(?P<path>.+\.ya?ml)(?::(?P<arm>[^:]+))?(?::(?P<seed>[^:]+))?")
SHOWN = 6


def why(target: str, runs_dir: Path, overrides: Sequence[str] = (), smoke: bool = False) -> str:
    """Explains a run (an identity or the beginning of it) or the cells of `exp.yaml[:arm[:seed]]`.

    Raises UserError for a run, arm or seed that does not exist.
    """
    finished = finished_runs(runs_dir)
    match = SPEC_TARGET.fullmatch(target)
    if match is None:
        folder, cell = stored_run(target, runs_dir, " or SPEC.yaml:ARM:SEED")
        return _explain(folder.name, cell, finished, folder.parent, {})
    from repro.study.expand import expand_study

    loaded = load_spec(Path(match["path"]), overrides, smoke)
    spec = loaded.spec
    if match["arm"] is not None and match["arm"] not in spec.arms:
        raise UserError(f"{target}: {unknown(match['arm'], list(spec.arms), 'an arm')}")
    seeds = spec.seeds if match["arm"] is None else spec.seeds_of(match["arm"])
    seed = None if match["seed"] is None else _seed(match["seed"])
    if match["seed"] is not None and seed not in seeds:
        raise UserError(f"{target[:200]}: got {match['seed'][:40]}, expected a seed ({listed(seeds)})")
    wanted = [
        (expanded.identity, expanded.cell.model_copy(update={"arm": place.arm, "axis_point": place.axis_point}))
        for expanded in expand_study(spec)
        for place in expanded.places
        if match["arm"] in (None, place.arm) and seed in (None, place.seed)
    ]
    texts = [_explain(key, cell, finished, runs_dir, origins(loaded, cell)) for key, cell in wanted[:SHOWN]]
    if len(wanted) > SHOWN:
        texts.append(f"… and {len(wanted) - SHOWN} more cells: name an arm and a seed, {match['path']}:ARM:SEED")
    return "\n\n".join(texts)


def _seed(text: str) -> int | None:
    """A seed as a spec would have it, None for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def differences(here: Cell, there: Cell) -> dict[str, tuple[Any, Any]]:
    """Dotted path -> (value here, value there) of the fields that make the results differ."""
    ours, theirs = _flat(result_fields(here)), _flat(result_fields(there))
    whole = _written_out(here), _written_out(there)
    paths = [
        path
        for path in dict.fromkeys([*ours, *theirs])
        if canonical(ours.get(path, ABSENT)) != canonical(theirs.get(path, ABSENT))
        and not any(other.startswith(f"{path}.") for other in (*ours, *theirs))  # a section that both have
    ]
    ours, theirs = {**whole[0], **ours}, {**whole[1], **theirs}
    return {path: (ours.get(path, ABSENT), theirs.get(path, ABSENT)) for path in paths}


def _written_out(cell: Cell) -> dict[str, Any]:
    """Dotted path -> value of every field, defaults included."""
    return _flat(cell.model_dump(mode="json", exclude_none=True))


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    if not value:
        return {prefix: "on"}  # a section with every field at its default
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else key)
    return flat


def origins(loaded: LoadedSpec, cell: Cell) -> dict[str, str]:
    """Field of the cell -> where the spec says it, for the fields that are written there."""
    found: dict[str, str] = {}
    for path in _flat(result_fields(cell)):
        head, _, rest = path.partition(".")
        prefixes = [f"arms.{cell.arm}.{path}", path]
        if head in ("model", "dataset"):
            specs = getattr(loaded.spec, head)
            index = next((i for i, item in enumerate(specs) if item.label == getattr(cell, head).label), 0)
            prefixes = [f"{head}.{index}.{rest}"]
        if path in cell.axis_point:
            prefixes = [f"axes.{path}"]
        written = next((loaded.lines[prefix] for prefix in prefixes if prefix in loaded.lines), None)
        if written:
            found[path] = written
    return found


def _explain(
    identity: str, cell: Cell, finished: Sequence[FinishedRun], runs_dir: Path, written: Mapping[str, str]
) -> str:
    from repro.tracking.damage import damaged_run, run_damage
    from repro.tracking.run_status import run_status

    status = run_status(runs_dir / identity)
    lines = [f"{identity} ({_name(cell)}): {STATUS_WORDS[status]}"]
    if status == "damaged":
        lines.append(str(damaged_run(runs_dir / identity, run_damage(runs_dir / identity))))
    others = [run for run in finished if run.identity != identity]
    if not others:
        return "\n".join([*lines, f"no other finished run in {runs_dir}"])
    compared = [(differences(cell, run.cell), run) for run in others]
    fields, nearest = min(compared, key=lambda pair: (len(pair[0]), pair[1].cell.arm != cell.arm, pair[1].identity))
    count = f"{len(fields)} field{'s differ' if len(fields) != 1 else ' differs'}"
    lines.append(f"nearest finished run: {nearest.identity} ({_name(nearest.cell)}), {count}")
    for path, (ours, theirs) in fields.items():
        where = f"   [{written[path]}]" if path in written else ""
        lines.append(f"  {path}: {_value(ours)} here, {_value(theirs)} there{where}")
    if not fields:
        lines.append("  the content of a local model or dataset changed, or the version of a recipe did")
    return "\n".join(lines)


def _value(value: Any) -> str:
    return ABSENT if value == ABSENT else show(value)


def _name(cell: Cell) -> str:
    axes = "".join(f" {path}={value}" for path, value in cell.axis_point.items())
    return f"{cell.spec}: {cell.model.label}, {cell.dataset.label}, {cell.arm}{axes}, seed {cell.seed}"
