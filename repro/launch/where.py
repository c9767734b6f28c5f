"""Where jobs run: the base class of every launcher's options, and how a launcher describes them to the command line.

Imports the standard library only: the command line asks every launcher for its options.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from repro.arguments import plain_number, whole_number
from repro.errors import UserError
from repro.launch.devices import default_jobs

if TYPE_CHECKING:
    from repro.launch.protocol import Launcher
    from repro.launch.worker import Target


def ignore(text: str) -> None:
    """Drop a line for the user."""


@dataclass(frozen=True)
class Option:
    """A command line option of a launcher. Launchers that have an equal one share it.

    Attributes:
        flag: e.g. `--retries`; its value arrives as `retries`.
        help: without the names of the launchers.
        arguments: name-value pairs, further arguments of `argparse.ArgumentParser.add_argument`.
        detached: for commands only that need not stay until the jobs have ended.
    """

    flag: str
    help: str
    arguments: tuple[tuple[str, Any], ...]
    detached: bool = False

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")


@dataclass(frozen=True)
class Where(ABC):
    """The options of one launcher, checked; none of them changes a result.

    A launcher is a module of `repro.launch.launchers` with a subclass of this called `LAUNCHER`: its fields are what
    its options say, and it makes the object that runs jobs.
    """

    NAME: ClassVar[str]
    """What `--launcher` takes."""
    HELP: ClassVar[str]
    """Where it runs jobs, for the help of `--launcher`."""
    OPTIONS: ClassVar[tuple[Option, ...]] = ()
    NEEDS: ClassVar[tuple[str, str] | None] = None
    """The module that must be installed, and the extra of this package that installs it."""

    here: ClassVar[bool] = False
    """Whether it runs them on this machine, so that what is found here counts."""

    jobs: int | None = None  # at a time; None: what the machine or the cluster has room for
    processes: int = 1  # that train one cell together
    accelerate: Path | None = None  # how they share the policy
    detach: bool = False  # submit the jobs and return

    @classmethod
    def parsed(cls, jobs: int | None, processes: int, accelerate: Path | None, given: Mapping[str, Any]) -> Self:
        """From the shared options and those of `OPTIONS` that were given, by name.

        Raises:
            UserError: they contradict each other or this machine.
        """
        return cls(jobs=jobs, processes=processes, accelerate=accelerate, **given)

    @classmethod
    def check_installed(cls) -> None:
        """UserError with the line that installs what the launcher needs, where it is missing."""
        if cls.NEEDS is not None and importlib.util.find_spec(cls.NEEDS[0]) is None:
            module, extra = cls.NEEDS
            raise UserError(
                f"--launcher {cls.NAME}: {module} is not installed; install it with: pip install 'repro[{extra}]'"
            )

    @property
    def local_jobs(self) -> int:
        """Jobs at a time where this machine runs them."""
        return self.jobs or default_jobs(self.processes)

    @property
    def jobs_at_a_time(self) -> int | None:
        """At most so many jobs run at a time; None where the launcher sets no bound."""
        return self.jobs

    @abstractmethod
    def words(self) -> str:
        """The end of a sentence on the cells to train, e.g. `on SLURM, 4 at a time`."""

    def launcher(
        self,
        runs_dir: Path,
        *,
        target: Target | None = None,
        fail_fast: bool = False,
        store_uri: str | None = None,
        note: Callable[[str], None] = ignore,
    ) -> Launcher:
        """The object that runs one set of tasks.

        Args:
            target: called in the job's process with (cell, identity, run_dir, runs_dir); importable by name. None:
                train the cell.
            fail_fast: stop at the first job that fails.
            store_uri: MLflow store that the jobs deliver to.
            note: gets lines for the user.

        Raises:
            UserError: the launcher cannot be reached or cannot run such jobs.
        """
        if target is None and self.processes > 1:
            from repro.launch.ranked import target_of

            target = target_of(self.processes, self.accelerate)
        return self._launcher(runs_dir, target, fail_fast, store_uri, note)

    @abstractmethod
    def _launcher(
        self,
        runs_dir: Path,
        target: Target | None,
        fail_fast: bool,
        store_uri: str | None,
        note: Callable[[str], None],
    ) -> Launcher: ...

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Around a command: what its sets of tasks share, such as a connection, ends with the block."""
        yield


def at_a_time(jobs: int | None) -> str:
    """`, 4 at a time` or nothing."""
    return f", {jobs} at a time" if jobs else ""


def add_options(group: Any, launchers: Mapping[str, type[Where]], detach: bool) -> None:
    """Add the options of all launchers to an argument group; `detach`: also those for commands that need not stay."""
    for option, names in owners(launchers).items():
        if detach or not option.detached:
            group.add_argument(option.flag, help=f"{', '.join(names)}: {option.help}", **dict(option.arguments))


def owners(launchers: Mapping[str, type[Where]]) -> dict[Option, list[str]]:
    """Option -> names of the launchers that understand it. ValueError where two options share a flag."""
    found: dict[Option, list[str]] = {}
    for name, kind in launchers.items():
        for option in kind.OPTIONS:
            found.setdefault(option, []).append(name)
    if len({option.flag for option in found}) < len(found):
        raise ValueError(f"two launchers have different options of one flag: {sorted(o.flag for o in found)}")
    return found


# ---------------------------------------------------------------- kinds of values


def amount(text: str) -> float:
    """An argparse type: a whole number above 0, or a share between 0 and 1."""
    value = plain_number(text)
    if not 1e-3 <= value < 1e6 or (value > 1 and value != int(value)):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number or a share between 0 and 1")
    return value


def amount_or_zero(text: str) -> float:
    """An argparse type: as `amount`, or 0."""
    return 0.0 if text == "0" else amount(text)


DEFAULT_RETRIES = 3
RETRIES = Option(
    "--retries",
    f"new attempts of a job lost with its node ({DEFAULT_RETRIES})",
    (("type", whole_number(0)), ("metavar", "N")),
)
"""Of launchers whose jobs run on other machines."""
