"""How a command ends: its exit code and its last words after a mistake, a system error, a signal or a closed pipe."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from repro import __version__
from repro.errors import UserError
from repro.masking import lead_nowhere, mask
from repro.system_errors import explain

EXIT_CODES = """
exit codes:
  0    done
  1    a cell failed, was not trained or was not delivered; or the hub lacks something (validate --online)
  2    a mistake in the command, a spec or a file, or something that the system refuses: one screen says what
  70   an error of this program: the screen names the file with the traceback
  130  interrupted by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP. The same command goes on
"""
EXIT_MISTAKE, EXIT_OUR_ERROR = 2, 70
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN = 0.05  # seconds after which a signal comes again that was lost
LINES, LENGTH, SIZE = 36, 1000, 7000  # of one screen: lines, characters of a line, characters in all


class Stopped(KeyboardInterrupt):
    """A signal asks the command to end. Attributes: `number`, the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def guarded(
    body: Callable[[], int], located: Callable[[str], str], places: Callable[[], Sequence[Path]], resumes: bool
) -> int:
    """Run a command and return its exit code, see `EXIT_CODES`; what went wrong is told on stderr.

    Args:
        located: adds the place in the spec to a mistake's message.
        places: where the command writes; a message on a full disk names those that are full.
        resumes: whether the same command goes on where it was interrupted.
    """
    _open_streams()
    try:
        code = _ended(body, located, places, resumes)
    except SystemExit:  # --help, which argparse ends where it printed nothing, too
        if _told_unprinted():
            return EXIT_MISTAKE
        raise
    return code or EXIT_MISTAKE if _told_unprinted() else code


def _ended(
    body: Callable[[], int], located: Callable[[str], str], places: Callable[[], Sequence[Path]], resumes: bool
) -> int:
    try:
        with _stoppable():
            return body()
    except UserError as error:
        tell(located(str(error)))
        return EXIT_MISTAKE
    except KeyboardInterrupt as stop:
        tell(f"interrupted{'; the same command goes on from here' if resumes else ''}")
        return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)
    except Exception as error:
        if error is getattr(sys.stdout, "refused", None):
            return EXIT_MISTAKE  # told with what else is not printed
        broken = _drop_broken_stdout()
        told = explain(error, ["standard output"] if broken else [*places(), Path(), *_temporary()])
        if told is not None:
            tell(told)
            return EXIT_MISTAKE
        tell(_our_error(error))
        return EXIT_OUR_ERROR


def tell(text: str) -> None:
    """Print at most one screen on stderr; a stderr that takes nothing is no error."""
    try:
        print(screen(text), file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        lead_nowhere(sys.stderr.fileno())


def screen(text: str) -> str:
    """The text without control characters, cut to one screen: long lines in their middle, many lines at the end."""
    lines = [_cut(_plain(line)) for line in text.split("\n")]
    kept: list[str] = []
    for line in lines:
        if len(kept) == LINES or sum(map(len, kept)) + len(line) > SIZE:
            break
        kept.append(line)
    if len(kept) < len(lines):
        kept.append(f"… and {len(lines) - len(kept)} more lines")
    return "\n".join(kept)


def _plain(line: str) -> str:
    """Control characters, with which a file could rewrite the terminal, as escapes."""
    return "".join(c if c.isprintable() or c in " \t" else repr(c)[1:-1] for c in line)


def _cut(line: str) -> str:
    return line if len(line) <= LENGTH else f"{line[: LENGTH * 2 // 3]} … {line[-LENGTH // 3 :]}"


def _our_error(error: Exception) -> str:
    text = mask("".join(traceback.format_exception(error)))
    head = f"an error of this program, repro {__version__}: {type(error).__name__}: {_cut(str(error))}"
    try:
        descriptor, name = tempfile.mkstemp(prefix="repro-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return f"{head}\n{text[-SIZE // 2 :]}"
    return f"{head}\n  the traceback is in {name}; please report it with this file"


# ---------------------------------------------------------------- signals


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Within the block a signal to end raises `Stopped`; a second one ends the process at once.

    A library in which it is raised may make another error of it, or lose it in a callback: the first counts as
    `Stopped`, after the second the signal comes again. Signals that are ignored stay so, as under `nohup`. Elsewhere
    than in the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: int | None = None
    timers: list[threading.Timer] = []

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked is not None:
            os._exit(128 + number)
        asked = number
        raise Stopped(number)

    def lost(found: sys.UnraisableHookArgs) -> None:
        nonlocal asked
        if not isinstance(found.exc_value, Stopped):
            tell_lost(found)
            return
        asked = None
        timers.append(threading.Timer(AGAIN, os.kill, (os.getpid(), found.exc_value.number)))
        timers[-1].daemon = True
        timers[-1].start()

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, stop)
    tell_lost, sys.unraisablehook = sys.unraisablehook, lost
    try:
        yield
    except Exception as error:
        if asked is not None:
            raise Stopped(asked) from error
        raise
    finally:
        for timer in timers:
            timer.cancel()
        sys.unraisablehook = tell_lost
        for number, handler in before.items():
            signal.signal(number, handler)


# ---------------------------------------------------------------- streams


def _open_streams() -> None:
    """Where a standard stream is closed, what is printed goes nowhere; characters it lacks are printed as escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _temporary() -> list[str]:
    """The folder of temporary files; none where each that could be it is full or cannot be written."""
    try:
        return [tempfile.gettempdir()]
    except OSError:
        return []


def _told_unprinted() -> bool:
    """Whether stdout did not take all that was printed, also where whoever printed has passed over it; then it is told
    and stdout leads nowhere from here on."""
    try:
        sys.stdout.flush()
        error = getattr(sys.stdout, "refused", None)
    except OSError as refused:
        error = refused
    if error is None:
        return False
    tell(explain(error, ["standard output"]) or f"standard output: {error}")
    with contextlib.suppress(OSError, ValueError):  # a stream in memory
        lead_nowhere(sys.stdout.fileno())
    return True


def _drop_broken_stdout() -> bool:
    """Whether nobody reads stdout or it takes nothing; then it leads nowhere from here on."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # a stream in memory
        return False
    try:
        look = select.poll()
        look.register(descriptor, 0)
        broken = any(event & (select.POLLERR | select.POLLNVAL) for _, event in look.poll(0))
        sys.stdout.flush()
    except OSError:
        broken = True
    if broken:
        lead_nowhere(descriptor)
    return broken
