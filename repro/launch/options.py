"""The options of `run` and `sweep` that say where jobs run, checked before anything is loaded.

Imports the standard library only. What one launcher alone understands is in its module of `repro.launch.launchers`.
"""

from __future__ import annotations

import argparse

from repro.arguments import file_path, whole_number
from repro.errors import UserError
from repro.launch.launchers import launchers
from repro.launch.where import Where, add_options, owners


def add_launch_options(parser: argparse.ArgumentParser, detach: bool) -> None:
    """Add the options that say where jobs run; `detach` where a command need not stay."""
    kinds = launchers()
    group = parser.add_argument_group("where jobs run")
    *others, last = (kind.HELP for kind in kinds.values())
    text = f"{', '.join(others)}, or {last}"
    group.add_argument("--launcher", choices=list(kinds), default="local", help=text)
    group.add_argument(
        "--processes", type=whole_number(1), default=1, metavar="N",
        help="processes that train one cell together, each on a GPU of its own where there are any (default: 1)",
    )  # fmt: skip
    group.add_argument(
        "--accelerate", type=file_path, metavar="FILE",
        help="how they share the policy: a configuration of `accelerate`, e.g. experiments/accelerate/fsdp.yaml",
    )  # fmt: skip
    add_options(group, kinds, detach)


def where(options: argparse.Namespace) -> Where:
    """What the parsed options say.

    Raises:
        UserError: options of another launcher, values that do not fit together, or a package that is not installed.
    """
    kinds = launchers()
    given = {}
    for option, names in owners(kinds).items():
        value = getattr(options, option.name, None)
        if value is None:
            continue
        if options.launcher not in names:
            raise UserError(
                f"{option.flag}: got it with --launcher {options.launcher}, expected --launcher {' or '.join(names)}"
            )
        given[option.name] = value
    if options.accelerate is not None and options.processes == 1:
        raise UserError(
            f"--accelerate: got {options.accelerate} with one process, expected it with --processes 2 or more"
        )
    kind = kinds[options.launcher]
    found = kind.parsed(options.jobs, options.processes, options.accelerate, given)
    kind.check_installed()
    return found
