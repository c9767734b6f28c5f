"""The tasks that a spec may name: the built-in ones, installed ones by entry point, and one's own as `module:Name`.

A file in `repro/tasks/made/` that holds a subclass of `Task` is a built-in task under the file's name.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import lru_cache
from typing import Any

from repro import plugins
from repro.fields import Strict
from repro.tasks import made
from repro.tasks.task import Task, Teacher
from repro.words import unknown

GROUP = "repro.tasks"
"""Entry points of this group are tasks by name."""
RESERVED = ("task", "name", "limits")
"""Fields of a dataset that stand beside those of a task of one's own."""


@lru_cache(maxsize=1)
def built_in() -> dict[str, type[Task]]:
    """Name -> class of the built-in tasks, in alphabetical order."""
    found: dict[str, type[Task]] = {}
    for module_info in pkgutil.iter_modules(made.__path__):
        module = importlib.import_module(f"{made.__name__}.{module_info.name}")
        classes = [thing for thing in vars(module).values() if inspect.isclass(thing) and issubclass(thing, Task)]
        (found[module_info.name],) = (task for task in classes if task.__module__ == module.__name__)
    return found


def names() -> list[str]:
    """What a spec may call a task by, doors left out."""
    return [*built_in(), *plugins.installed(GROUP)]


def find(text: object) -> type[Task]:
    """The class of a task: a built-in or installed name, or `module:Name`.

    Raises:
        ValueError: there is no such name (with the nearest), module or class, or the class lacks a verb.
    """
    if isinstance(text, str) and text in built_in():
        return built_in()[text]
    door = plugins.installed(GROUP).get(text) if isinstance(text, str) else None
    if door is None and not plugins.is_door(text):
        raise ValueError(unknown(text, names(), "a task or module:Name"))
    return _checked(plugins.load(door or str(text), "a task"), str(text))


def task_name(task: type[Task]) -> str:
    """The name of a built-in task, `module:Name` of another."""
    own = next((name for name, one in built_in().items() if one is task), None)
    return own or f"{task.__module__}:{task.__qualname__}"


def question_content(task: Task) -> dict[str, Any]:
    """What decides the questions of a task: its fields, and the version of a built-in task or the source of another."""
    name = task_name(type(task))
    fields = task.model_dump(mode="json")
    if name in built_in():
        return {name: fields, "version": task.version}
    return {"task": type(task).__qualname__, "fields": fields, "source": plugins.source_digest(type(task))}


def lesson_content(task: Task) -> Any:
    """What decides the lessons of a task beside its teacher: nothing but its name where it is built in, else all that
    decides its questions."""
    name = task_name(type(task))
    return name if name in built_in() else question_content(task)


def _checked(found: Any, door: str) -> type[Task]:
    """`found` as a task class. Raises ValueError that says what it lacks."""
    if not inspect.isclass(found) or not issubclass(found, Task):
        kind = "a class, but no subclass" if inspect.isclass(found) else f"a {type(found).__name__}, not a subclass"
        raise ValueError(f"got {door!r}, {kind} of repro.tasks.task.Task")
    if found.problems is Task.problems:
        raise ValueError(f"got {door!r}, which lacks `problems`: expected def problems(self, split, generator)")
    taken = [name for name in RESERVED if name in found.model_fields]
    if taken:
        raise ValueError(f"got {door!r}, whose field {taken[0]!r} is one of the dataset: expected another name for it")
    if not inspect.isclass(found.teacher) or not issubclass(found.teacher, Strict):
        raise ValueError(f"got {door!r}, whose `teacher` is no class of fields: expected a subclass of Strict")
    if found.lessons is Task.lessons and not issubclass(found.teacher, Teacher):
        raise ValueError(
            f"got {door!r}, whose `teacher` has not the fields of the default lessons: expected a subclass of "
            f"repro.tasks.task.Teacher, or `lessons` of its own"
        )
    return found
