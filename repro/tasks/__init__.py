"""Questions, their answers and who checks them. A task of your own is made of `Task`, `Problem` and `AnswerFormat`."""

from repro.tasks.problem import AnswerFormat, Problem
from repro.tasks.task import Task

__all__ = ["AnswerFormat", "Problem", "Task"]
