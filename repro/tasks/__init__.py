"""Questions, their answers and who checks them. `Task` and `Problem` are what a task of your own is made of."""

from repro.tasks.problem import Problem
from repro.tasks.task import Task

__all__ = ["Problem", "Task"]
