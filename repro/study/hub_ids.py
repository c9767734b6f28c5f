"""What a study takes from the hub: ids, revisions and fields, and `validate --online`, which looks them up there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.models.sources import resolved
from repro.spec.schema import Spec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.files import AnyRow, Unreadable
from repro.tasks.rows import BadItem, EmptyItem, filtered, problem_of
from repro.tasks.sources import Hub, evaluation_set, file_of, find_source, find_test, held_out_spec
from repro.tasks.values import plain

ROWS = 100
"""Rows of a split that are read to see whether fields and filters fit."""
UNPINNED = (None, "main")


@dataclass(frozen=True)
class Wanted:
    """One id and what is asked of it: `splits` are the splits of a dataset with the spec that maps their fields."""

    kind: Literal["model", "dataset"]
    id: str
    revision: str | None
    config: str | None = None
    splits: tuple[tuple[str, DatasetSpec], ...] = ()

    @property
    def label(self) -> str:
        """The id as a line names it."""
        config = f" ({self.config})" if self.config else ""
        return f"{self.kind} {self.id}{config}" + (f" at {self.revision}" if self.revision else "")


@dataclass(frozen=True)
class Found:
    """What the hub says about one id; `state` is ok, problem or unreachable."""

    wanted: Wanted
    state: Literal["ok", "problem", "unreachable"]
    text: str

    def line(self) -> str:
        """One line for the terminal."""
        state = "could not be reached" if self.state == "unreachable" else self.state
        return f"{self.wanted.label}: {state}: {self.text}"


def wanted_of(specs: Iterable[Spec]) -> list[Wanted]:
    """Every id that the studies would fetch, each once, models first; local copies and stand-ins are left out.

    Raises UserError where a local file is missing.
    """
    models: dict[tuple[str, str | None], Wanted] = {}
    datasets: dict[tuple[str, str | None, str | None], Wanted] = {}
    for spec in specs:
        for model in map(resolved, _models(spec)):
            if model.hub is not None:
                models.setdefault((model.hub, model.revision), Wanted("model", model.hub, model.revision))
        for hub, split, asked in _splits(spec):
            key = (hub.id, hub.config, hub.revision)
            known = datasets.get(key, Wanted("dataset", hub.id, hub.revision, hub.config))
            if (split, asked) not in known.splits:
                known = Wanted("dataset", hub.id, hub.revision, hub.config, (*known.splits, (split, asked)))
            datasets[key] = known
    return [*models.values(), *datasets.values()]


def _models(spec: Spec) -> Iterator[ModelSpec]:
    yield from spec.model
    predictors = [spec.predictor, *(arm.predictor for arm in spec.arms.values())]
    for predictor in predictors:
        if predictor is not None:
            yield from predictor.policies
            if predictor.path is None or predictor.embedder is not None:
                yield predictor.embedding_model


def _splits(spec: Spec) -> Iterator[tuple[Hub, str, DatasetSpec]]:
    for dataset in spec.dataset:
        if dataset.procedural is None:
            source = find_source(dataset, dataset.train_split)
            if isinstance(source, Hub) and file_of(dataset) is None:
                yield source, dataset.train_split, dataset
            yield from _test(dataset)
            for name in dataset.without:
                yield from _test(evaluation_set(name, dataset.stand_in))
    for benchmark in spec.evaluate.benchmarks:
        yield from _test(benchmark.dataset)


def _test(dataset: DatasetSpec) -> Iterator[tuple[Hub, str, DatasetSpec]]:
    source, held = find_test(dataset), held_out_spec(dataset)
    if isinstance(source, Hub) and held.test_split is not None:
        yield source, held.test_split, held.model_copy(update={"filters": {}})


def unpinned(wanted: Iterable[Wanted]) -> list[str]:
    """A warning per id whose revision is a moving one."""
    ids = dict.fromkeys(f"{one.kind} {one.id}" for one in wanted if one.revision in UNPINNED)
    return [f"warning: {name}: its revision is not pinned, so it can change: name a commit (revision)" for name in ids]


# ---------------------------------------------------------------- on the hub


def look_up(wanted: Wanted) -> Found:
    """Resolve an id and its revision to a commit and, for a dataset, read the first rows of each split that is used.

    Never raises for what the network or the hub does.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        DisabledRepoError,
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api = HfApi()
    info: Any
    try:
        if wanted.kind == "model":
            info = api.model_info(wanted.id, revision=wanted.revision)
        else:
            info = api.dataset_info(wanted.id, revision=wanted.revision)
    except GatedRepoError:
        return Found(wanted, "problem", "gated: accept its terms on the hub and log in (hf auth login)")
    except RepositoryNotFoundError:
        return Found(wanted, "problem", "the hub has no such repository, or keeps it private")
    except RevisionNotFoundError:
        return Found(wanted, "problem", f"it has no revision {wanted.revision!r}")
    except (DisabledRepoError, HFValidationError) as error:
        return Found(wanted, "problem", _first_line(error))
    except Exception as error:  # the library's own and its clients' errors share no base
        return Found(wanted, "unreachable", _first_line(error))
    text = f"commit {info.sha}"
    if wanted.kind == "dataset":
        licence = getattr(info.card_data, "license", None)
        text += f", licence {licence or 'not stated'}"
    mistakes = []
    for split, spec in wanted.splits:
        try:
            text += f"; {_read(wanted, split, spec)}"
        except UserError as error:
            mistakes.append(" ".join(str(error).split()))
        except Exception as error:  # as above; the commit was there a moment ago
            return Found(wanted, "unreachable", f"{text}; split {split}: {_first_line(error)}")
    return Found(wanted, "problem", "; ".join(mistakes)) if mistakes else Found(wanted, "ok", text)


def _read(wanted: Wanted, split: str, spec: DatasetSpec) -> str:
    """The fields that the first rows of a split were read with. Raises UserError where they do not fit."""
    import datasets

    try:
        stream = datasets.load_dataset(wanted.id, wanted.config, split=split, revision=wanted.revision, streaming=True)
    except ValueError as error:  # an unknown split or configuration, with those that there are
        raise UserError(f"split {split}: {_first_line(error)}") from error
    rows: list[AnyRow] = [(f"row {number}", plain(dict(row))) for number, row in enumerate(islice(stream, ROWS), 1)]
    for where, row in filtered(rows, spec.filters, f"split {split}"):
        if isinstance(row, Unreadable):
            continue
        try:
            problem_of(row, spec)
        except EmptyItem:
            continue
        except BadItem as error:
            raise UserError(f"split {split}, {where}: {error}") from None
    return f"{split}: question from {spec.question}, answer from {spec.answer}"


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__


def check_online(wanted: Iterable[Wanted]) -> Iterator[Found]:
    """What the hub says about each id, in order. After three that could not be reached, the others are not tried."""
    failures = 0
    for one in wanted:
        if failures >= 3:
            yield Found(one, "unreachable", "not tried after three others")
            continue
        found = look_up(one)
        failures = failures + 1 if found.state == "unreachable" else 0
        yield found


def report_online(wanted: Sequence[Wanted], say: Callable[[str], None]) -> int:
    """Look every id up and tell each in a line: 0 all fit, 1 some could not be reached, 2 some do not fit."""
    states = []
    for found in check_online(wanted):
        say(found.line())
        states.append(found.state)
    if not wanted:
        say("nothing to look up: all models and datasets are local, made up, or part of the package")
    if "unreachable" in states:
        say(
            f"{states.count('unreachable')} of {len(states)} could not be reached: is there a connection? "
            "A mirror is named by HF_ENDPOINT; HF_HUB_OFFLINE must not be set."
        )
    return 2 if "problem" in states else 1 if "unreachable" in states else 0
