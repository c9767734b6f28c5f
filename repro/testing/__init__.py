"""Checks of what methods of your own must keep, and a small world to check them in."""

from repro.testing.rewards import check_reward
from repro.testing.selections import SELECTION_CHECKS
from repro.testing.tasks import check_task
from repro.testing.world import World

__all__ = ["SELECTION_CHECKS", "World", "check_reward", "check_task"]
