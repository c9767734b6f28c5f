"""The schema of a dataset: a task of made-up questions, named, on the hub or in a local file."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from repro import plugins
from repro.fields import LONGEST_NAME, MOST_QUESTIONS, HubId, PathText, Scalar, Seed, Strict, mistake, under
from repro.tasks import registry
from repro.tasks.catalogue import CATALOGUE, NAMES, DatasetName, TestName
from repro.tasks.task import Task
from repro.words import show

TEST_SHARE = 0.1
"""Share of train that becomes the test split where a dataset has none."""


class Limits(Strict):
    """Use only some questions of a split, the same ones in every arm: the first, or a sample of train."""

    train: int | None = Field(None, ge=1, le=MOST_QUESTIONS, description="training questions (the pool)")
    validation: int | None = Field(None, ge=1, le=MOST_QUESTIONS, description="validation questions")
    test: int | None = Field(None, ge=1, le=MOST_QUESTIONS, description="test questions")
    sample: Seed | None = Field(
        None, description="seed with which the training questions are drawn; not the first ones"
    )

    @field_validator("sample", mode="before")
    @classmethod
    def _seed(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError(f"got {show(value)}, expected the seed with which the questions are drawn, such as 0")
        return value

    @model_validator(mode="after")
    def _sample_of_some(self) -> Self:
        if self.sample is not None and self.train is None:
            raise ValueError(f"got sample {self.sample} without train, expected how many training questions to draw")
        return self


class Interval(Strict):
    """Numbers between two bounds, both included; a bound that is left out does not bind."""

    ANY_NUMBER: ClassVar[frozenset[str]] = frozenset({"min", "max"})

    min: float | None = Field(None, description="smallest value kept")
    max: float | None = Field(None, description="largest value kept")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("got neither min nor max, expected at least one of them")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"got min {self.min:g} and max {self.max:g}, expected min <= max")
        return self


def _filter_kind(value: Any) -> str:
    if isinstance(value, dict | Interval):
        return "<interval>"
    return "<list>" if isinstance(value, list | tuple) else "<value>"


Filter = Annotated[
    Annotated[Interval, Tag("<interval>")]
    | Annotated[list[Scalar], Field(min_length=1), Tag("<list>")]
    | Annotated[Scalar, Tag("<value>")],
    Discriminator(_filter_kind),
]
"""What a field of a row must be: a value, one of several, or a number between two bounds."""


class DatasetSpec(Strict):
    """Questions with known answers: exactly one of a task, `named`, `hub` or `path`.

    A built-in task is written `{arithmetic: {its fields}}`, any other `{task: module:Name, its fields}`, with `name`
    and `limits` beside them; the strings `arithmetic`, `module:Name` and the names of known datasets are short for
    `{arithmetic: {}}`, `{task: module:Name}` and `{named: gsm8k}`. A name stands for the fields of its entry in
    `repro.tasks.catalogue`; what is written beside it goes before them, `path` for a local copy and `hub` for another
    copy with the same layout too.
    """

    NO_RESULT: ClassVar[frozenset[str]] = frozenset({"name", "path", "test_path"})
    ANY_NUMBER: ClassVar[frozenset[str]] = frozenset({"filters"})  # what stands in the rows of somebody's data

    procedural: Task | None = Field(None, description="made-up questions; written as a built-in name or `task`")
    named: DatasetName | None = Field(None, description="a dataset whose fields are known; offline via REPRO_DATA")
    hub: HubId | None = Field(None, description="a Hugging Face dataset id")
    path: PathText | None = Field(
        None, description="a .jsonl, .json, .parquet or .csv file, or a directory with train/test files"
    )
    config: str | None = Field(None, description="configuration of the hub dataset")
    revision: str | None = Field(None, description="commit, tag or branch of the hub dataset")
    train_split: str = Field("train", description="hub split or file stem for training")
    test_split: str | None = Field("test", description="hub split or file stem for testing; none: cut from train")
    test_path: PathText | None = Field(None, description="a separate local file with the test questions")
    test_named: TestName | None = Field(None, description="a named dataset whose test questions are used")
    question: str = Field("question", description="field with the question; a dotted path reaches into nested fields")
    answer: str = Field("answer", description="field with the gold answer (text after #### where present)")
    solution: str | None = Field(None, description="field with a worked solution")
    id: str | None = Field(None, description="field with a unique id (default: a digest of the question)")
    filters: dict[str, Filter] = Field(
        default_factory=dict, description="field -> the value, values or {min, max} of the training rows that are kept"
    )
    without: tuple[TestName, ...] = Field(
        (), strict=False, description="named evaluation sets whose questions are dropped from train"
    )
    decontaminate: Literal["warn", "drop", "off"] = Field(
        "warn", description="training questions much like one of the test questions or of `without`"
    )
    too_long: Literal["refuse", "drop"] = Field(
        "refuse", description="questions beyond train.max_prompt_tokens or the model's context"
    )
    unreadable: Literal["refuse", "drop"] = Field(
        "refuse", description="rows that hold no question with an answer, or cannot be read"
    )
    validation_fraction: float = Field(0.1, ge=0, lt=1, description="share of train held back for validation")
    limits: Limits = Field(default_factory=Limits, description="use only the first n questions of a split")
    stand_in: bool = Field(False, description="made-up rows in place of what is on the hub, as --smoke uses them")
    name: str | None = Field(
        None, max_length=LONGEST_NAME, description="label in tables and figures (default: derived)"
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = shorthand(value) or value
        if not isinstance(value, dict):
            return value
        if not isinstance(value.get("procedural"), Task | None):
            names = ", ".join(registry.built_in())
            text = f"got a field of that name, expected a task under its own ({names}), or task"
            raise mistake(text, value["procedural"], "procedural")
        value = {key: inner for key, inner in value.items() if inner is not None or key not in sources()}
        given = [key for key in sources() if key in value]
        tasks = [key for key in given if key not in ("named", "hub", "path")]
        if "task" in tasks:
            return _own_task(value)
        if len(given) > 1 and tasks:
            raise ValueError(_one_of(given))
        if not tasks:
            known = CATALOGUE.get(value["named"]) if isinstance(value.get("named"), str) else None
            return value if known is None else {**known.defaults(), **value}
        (name,) = tasks
        task = value.pop(name)
        if not isinstance(task, Task):
            try:
                task = registry.built_in()[name].model_validate(task)
            except ValidationError as error:
                raise under(error, name) from None
        return {**value, "procedural": task}

    @model_validator(mode="after")
    def _one_source(self) -> DatasetSpec:
        given = [key for key in ("named", "hub", "path") if getattr(self, key) is not None]
        made = [registry.task_name(type(self.procedural))] if self.procedural is not None else []
        if len(given) + len(made) != 1 and (made or given not in (["named", "path"], ["named", "hub"])):
            raise ValueError(_one_of([*made, *given]))
        if self.test_named is not None and self.test_path is not None:
            raise ValueError("got test_named and test_path, expected at most one of them")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """As a spec writes it: a built-in task under its name, another one's fields beside `task`."""
        fields: dict[str, Any] = handler(self)
        fields.pop("procedural", None)
        if self.procedural is None:
            return fields
        name = registry.task_name(type(self.procedural))
        own = self.procedural.model_dump(mode=info.mode, exclude_none=info.exclude_none)
        if name in registry.built_in():
            return {name: own, **fields}
        return {"task": name, **own, **{key: fields[key] for key in ("name", "limits") if key in fields}}

    def result_fields(self) -> dict[str, Any]:
        """Of a task: its own under its name, and the limits."""
        fields = super().result_fields()
        if self.procedural is None:
            return fields
        name = registry.task_name(type(self.procedural))
        return {name: fields["procedural"], **{key: fields[key] for key in ("limits",) if key in fields}}

    def written_out(self) -> dict[str, Any]:
        """Plain data that gives the same spec again: no empty fields but those whose absence means something else."""
        fields = self.model_dump(mode="json", exclude_none=True)
        if self.procedural is None and self.test_split is None:
            fields["test_split"] = None
        if self.named is not None and self.solution is None:
            fields["solution"] = None
        return fields

    @property
    def label(self) -> str:
        """Short name for tables and figures."""
        if self.name:
            return self.name
        if self.procedural is not None:
            return type(self.procedural).__name__.lower()
        return self.named or str(self.hub or self.path).rstrip("/").rsplit("/", 1)[-1].split(".")[0]

    def task_field(self, name: str) -> tuple[str, ...]:
        """Where a field of the task is written, in the dataset's section."""
        task = None if self.procedural is None else registry.task_name(type(self.procedural))
        return (task, name) if task in registry.built_in() else (name,)


def sources() -> tuple[str, ...]:
    """The fields that say where questions come from."""
    return (*registry.built_in(), "task", "named", "hub", "path")


def shorthand(word: str) -> dict[str, Any] | None:
    """What a single word stands for as a dataset: a task, `module:Name` or a known dataset; None for another word."""
    if word in registry.built_in():
        return {word: {}}
    if word in NAMES:
        return {"named": word}
    return {"task": word} if plugins.is_door(word) or word in registry.names() else None


def _own_task(value: dict[str, Any]) -> dict[str, Any]:
    """`{task: ..., fields beside it}` as the fields of a dataset."""
    own = {key: inner for key, inner in value.items() if key not in registry.RESERVED}
    try:
        task = registry.find(value["task"])
    except ValueError as error:
        raise mistake(str(error), value["task"], "task") from None
    fields: dict[str, Any] = {key: value[key] for key in ("name", "limits") if key in value}
    return {**fields, "procedural": task.model_validate(own)}


def _one_of(given: list[str]) -> str:
    return f"got {' and '.join(given) or 'none of them'}, expected exactly one of {', '.join(sources())}"
