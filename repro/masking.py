"""Masks secrets in text that leaves the program: passwords and tokens in addresses, headers, settings and options.

It is applied where text leaves (terminal, log, error file, record), so that it does not depend on who raised an error
or wrote a warning. Two ways work together: the secrets this process was given, from its environment, are known and
masked wherever they turn up; others are recognised by the form they have.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import quote, unquote

MASK = "***"

_LEAST, _WORD = 4, 8  # characters of a known secret, and of one of letters only: shorter ones are ordinary words
_SECRET_KEY = (
    r"(?:[\w.-]{0,60}[-_.])?"
    r"(?:token|password|passwd|passphrase|pass|pwd|secret|signature|credentials?|api-?key|key)"
)
_SECRET_QUERY = rf"(?:{_SECRET_KEY}|sig|sas|auth|code|jwt|apikey|accesskey|accesstoken|awsaccesskeyid)"
_WORDS = "password|passwd|passphrase|secret|api_?key|access_?key|secret_?key"
_QUOTED = r"""(?:"[^"\n]*"|'[^'\n]*'|[^\s"'&,;)}}\]]+)"""
_VARIABLE = re.compile(r"(?:TOKEN|PASSWORD|PASSWD|_PWD|SECRET|API_KEY|ACCESS_KEY|SECRET_KEY|CREDENTIALS?)$")

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # user:password@ and token@ of an address; a password may hold any sign that should have been written as %XX
        (r"(:[/\\]{2,})[^\s/\\@:'\"<>]{0,200}:(?!\d{1,5}(?:[/?#:;,.\s)\]]|$))"
         r"(?:[^\s'\"<>]{0,400}|[^'\"<>\n@]{0,200})@", rf"\1{MASK}@"),
        (r"(:[/\\]{2,})[^\s/\\?#'\"<>]{0,400}@", rf"\1{MASK}@"),
        (r"(?<![\w.+%-])[\w.+%-]{0,200}:[^\s'\"<>/\\:@,(){}\[\]]{1,400}@(?=[\w\[])", f"{MASK}@"),
        # values of a query or fragment, by their names
        (rf"([?&;#]{_SECRET_QUERY}=)[^&\s'\"<>#;]+", rf"\1{MASK}"),
        # headers
        (r"\b((?:proxy-)?authorization|private-token|x-api-key|x-auth-token|set-cookie|cookie)(['\"]?\s*[:=]\s*)"
         r"['\"]?(?:(?:bearer|basic|token|digest)\s+)?[^\s'\",]+", rf"\1\2{MASK}"),
        (r"\b(bearer|basic)\s+(?=[^\s'\"]*[\d=])[\w.~+/=-]{8,}", rf"\1 {MASK}"),
        # settings and options: password=..., "api_key": "...", HF_TOKEN=..., --token ...
        (rf"(?<![\w<])((?:\w{{0,60}}_)?(?:{_WORDS}|pwd|(?<!pad_)(?<!eos_)(?<!bos_)(?<!unk_)token)"
         rf"['\"]?=){_QUOTED}", rf"\1{MASK}"),
        (rf"(?<![\w<])(['\"]?(?:\w{{0,60}}_)?(?:{_WORDS}|auth_token|access_token|hf_token)"
         rf"['\"]?\s*:\s+){_QUOTED}", rf"\1{MASK}"),
        (rf"(--?(?:\w{{1,60}}[-_])?(?:password|passwd|token|secret|api-?key)[ =]){_QUOTED}", rf"\1{MASK}"),
        # tokens by their form: Hugging Face, GitHub, GitLab, OpenAI, AWS, Google, Slack, Databricks, W3C web tokens
        (r"\bhf_[A-Za-z0-9]{16,}", MASK),
        (r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|xox[abpr]-[\w-]{10,}|"
         r"dapi[0-9a-f]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)", MASK),
    )
)  # fmt: skip

_SHORT = re.compile(r"\d{1,5}")
_IS_SECRET = re.compile(_SECRET_QUERY, re.IGNORECASE)
_USER_INFO = re.compile(r"^[\w+.-]*:?[/\\]*(.*)@", re.DOTALL)


def mask(text: str) -> str:
    """The text with every secret that is known or recognised replaced by `***`; masking twice changes nothing."""
    for secret in _known():
        text = text.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def mask_values(value: Any) -> Any:
    """A copy of JSON-like data with every text masked, and whatever stands under the name of a secret."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {
            key: MASK if isinstance(item, str) and item and _names_a_secret(key) else mask_values(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [mask_values(item) for item in value]
    return value


def secrets_of(address: str) -> set[str]:
    """The parts of an address that no one else may see, as they stand, decoded, and in the pieces of a broken one.

    The address may be malformed: everything between its scheme and the last `@` counts, and every value of a
    query but a short number under a harmless name, such as a timeout: such numbers stand everywhere.
    """
    found: set[str] = set()
    before = _USER_INFO.match(address)
    if before and before.group(1):
        _, colon, password = before.group(1).partition(":")
        secret = password if colon and password else before.group(1).rstrip(":")
        found |= {before.group(1), secret, *re.split(r"[/\\?#@:\s]", secret)}
    _, mark, query = address.partition("?")
    if mark:
        pairs = [pair.partition("=") for pair in re.split(r"[&;#]", query)]
        found |= {
            value or name for name, _, value in pairs if not _SHORT.fullmatch(value) or _IS_SECRET.fullmatch(name)
        }
    found |= {change(secret) for secret in found for change in (unquote, lambda text: quote(text, safe=""))}
    found |= {repr(secret)[1:-1] for secret in found}
    return {secret for secret in found if _is_telling(secret)}


def _known() -> list[str]:
    """The secrets in this process's environment, the longest first."""
    found: set[str] = set()
    for name, value in os.environ.items():
        if name == "MLFLOW_TRACKING_URI" or (name.upper().endswith(("_URI", "_URL", "_PROXY")) and "@" in value):
            found |= secrets_of(value)
        elif _VARIABLE.search(name.upper()) and _is_telling(value):
            found |= {value, repr(value)[1:-1], quote(value, safe="")}
    return sorted(found, key=len, reverse=True)


def _is_telling(secret: str) -> bool:
    return len(secret) >= (_WORD if secret.isalpha() else _LEAST) and secret != MASK


def _names_a_secret(name: object) -> bool:
    return isinstance(name, str) and bool(re.fullmatch(_SECRET_KEY, name, re.IGNORECASE)) and name.lower() != "key"


# ---------------------------------------------------------------- where text leaves

_STREAMS = {"<stdout>": "standard output", "<stderr>": "standard error"}


class MaskedStream:
    """A text stream that masks what is written to it; everything else is the stream's own.

    A reader that leaves a pipe early, such as `head`, ends no work: from then on the stream leads nowhere. What else
    refuses the text, as a full disk does, is an OSError that names the stream in place of a file.

    Attributes:
        refused: the last such error, also where whoever printed has passed over it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.refused: OSError | None = None

    def write(self, text: str) -> int:
        """Write masked text; the length of the text as it was, which is what callers count."""
        with self._told():
            self._stream.write(mask(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with self._told():
            self._stream.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            lead_nowhere(self._stream.fileno())
        except OSError as error:
            name = _STREAMS.get(getattr(self._stream, "name", ""), "an output")
            self.refused = OSError(error.errno, error.strerror, f"{name} could not be written")
            raise self.refused from error

    def writelines(self, lines: Any) -> None:
        """Write each line masked."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lead_nowhere(descriptor: int) -> None:
    """What is still in the buffer of a stream that takes nothing must not fail when the process ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def mask_streams() -> None:
    """Mask what this process prints and logs from here to its end, tracebacks included."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, MaskedStream):
            setattr(sys, name, MaskedStream(stream))
    sys.excepthook = _masked_traceback
    for reference in getattr(
        logging, "_handlerList", ()
    ):  # libraries that were imported before print to the streams as they were
        handler = reference() if isinstance(reference, weakref.ref) else None
        if type(handler) is logging.StreamHandler and not isinstance(handler.stream, MaskedStream):
            with suppress(OSError, ValueError, AttributeError):
                if handler.stream.fileno() in (1, 2):
                    handler.setStream(MaskedStream(handler.stream))


@contextmanager
def masked_output() -> Iterator[None]:
    """Mask what is printed inside the block; a traceback that leaves it is masked too."""
    before = sys.stdout, sys.stderr
    mask_streams()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _masked_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(mask("".join(traceback.format_exception(kind, error, trace))))
