"""Ways to choose questions. A method of your own is a subclass of `Selection` that builds a `Selector`."""

from repro.selection.base import Observation, Resources, Run, Selector
from repro.selection.method import Selection
from repro.selection.stateful import StatefulSelector
from repro.selection.subset import SubsetSelector

__all__ = ["Observation", "Resources", "Run", "Selection", "Selector", "StatefulSelector", "SubsetSelector"]
