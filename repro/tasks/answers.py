"""Final answers as text: finding the one that counts in a completion, and undressing it for comparison."""

from __future__ import annotations

import re
import unicodedata

from repro.tasks.final_number import final_number
from repro.tasks.notation import ascii_signs, standard
from repro.tasks.phrases import phrased_answer
from repro.tasks.refusals import nothing_said, refuses
from repro.tasks.thinking import after_thinking

LONGEST_ANSWER = 10_000
"""Characters; what is longer is no answer."""

BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?:\{|\Z)")
TOGETHER = re.compile(
    r"[\s$]*(?:,|,?\s?(?:and|or)\b|\\(?:quad|text\s?\{\s*,?\s*(?:and|or)\s*\}))[\s$]*(?:[A-Za-z]\s?=\s?)?"
)
"""What stands between two boxes that are offered together."""
EMPTY = re.compile(r"\s*\}")
"""What closes a box that holds nothing, as a prompt writes it: `put the answer in \\boxed{}`."""
BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
SPACES = re.compile(r"(?:(?<!\\)\\[,;: ]|~|[\s\x00-\x1f\x7f])+")
WRAPPERS = [("**", "**"), ("```", "```"), ("`", "`"), ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")]
WRAPPERS += [("“", "”"), ("‘", "’"), ("«", "»"), ("„", "“"), ("「", "」")]
# Signs that only look different, and marks that nobody sees; not the ones that turn the direction of the text around.
LOOKALIKES = (
    {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | str.maketrans(
        "−‐‑–﹣⁄∕º˚\u00a0\u2007\u2009\u202f", "-----//°°    ", "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
    )
    | {ord("。"): ". ", 0xB5: "μ", 0x2126: "Ω", 0x212A: "K", 0x212B: "Å", 0x2103: "°C", 0x2109: "°F"}
)
HEADING = re.compile(
    r"[\s*_]*(?:(?:step|part|case|method|approach)\b.*|(?:\d+[.)]\s*)?(?:(?:the|final|detailed|our) )*"
    r"(?:answer|solution|conclusion|result|explanation|verification|check|calculation|summary|reasoning)s?\b[^\d$\\]*)",
    re.IGNORECASE,
)
"""A line after `####` that is a heading of Markdown and no answer."""
CLOSED_HEADING = re.compile(r"(####[^\n#]*[^\s#])[^\S\n]*#{4,}[^\S\n]*$", re.MULTILINE)
BOLD = re.compile(r"(?<![\w)\]}*])\*{2,3}(?=[^\s*])|(?<=[^\s*])\*{2,3}(?![\w(\\*]|-\d)|(?<!\w)__(?=\w)|(?<=\w)__(?!\w)")
"""Where bold text of Markdown begins and ends; `x**2` is a power."""
BULLET = re.compile(r"^ {0,8}[-*•] {1,4}(?=\*\*)", re.MULTILINE)
"""What opens an item of a list that begins in bold, and is no minus."""
BOLD_TEXT = re.compile(r"\\(?:textbf|textit|mathbf|emph|underline)\s?\{([^{}]*)\}")
PICTURES = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff\ufe0f]")
LEADING = re.compile(r"^(?:≈|\\(?:approx|therefore|implies|Longrightarrow|Rightarrow|rightarrow|to)(?![A-Za-z]))\s*")
"""What may stand before an answer and says nothing of its value."""
GOES_ON = re.compile(r"(?<![\d.])(\d*\.\d*?)(\d)\2{2,}\s?(?:\.{3}|…|\\[lc]?dots(?![A-Za-z]))\Z")
"""A digit that is written three times or more and then goes on: `0.333...`."""
GROUPED = re.compile(r"(?<=\d)['’](?=\d{3}(?!\d))")
DOTTED = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?!\.?\d)")


def extract_answer(completion: str) -> str:
    """The final answer of a completion, tidied; empty if there is none.

    What a thinking block holds does not count, and a completion that ends inside one has no answer.
    The marker that comes last decides: `####` (to the end of its line), `\\boxed{}` or `<answer></answer>`. Where there
    is none, it is what follows `answer is`, or the last number, read whole, but no number of a sentence that refuses to
    answer; `the limit does not exist` at the end is an answer, too. So one answer counts, whatever the gold
    answer is, and it is the one the completion ends with: to write several buys nothing. A marker whose answer is cut
    off yields no answer rather than an earlier one or a number from the reasoning.
    """
    text = after_thinking(completion)
    if text is None:
        return ""
    text = CLOSED_HEADING.sub(r"\1", text)
    boxes = [match.start() for match in BOX.finditer(text) if not EMPTY.match(text, match.end())]
    hashes, box, tag = _last_hashes(text), boxes[-1] if boxes else -1, text.rfind("<answer>")
    last = max(hashes, box, tag)
    if last < 0:
        text = ascii_signs(plain_text(BOLD_TEXT.sub(r"\1", BOLD.sub("", BULLET.sub("", text)))))
        found = phrased_answer(text) or nothing_said(text) or ("" if refuses(text) else final_number(text))
    elif last == hashes:
        found = next(iter(text[hashes + len("####") :].partition("</answer>")[0].strip().splitlines()), "")
    elif last == box:
        found = _boxed(text, boxes)
    else:
        inside, closing, _ = text[tag + len("<answer>") :].partition("</answer>")
        found = inside if closing else ""
    return tidy(found) if len(found) <= LONGEST_ANSWER else ""


def _boxed(text: str, boxes: list[int]) -> str:
    """What the last box holds, with what the boxes hold that are offered together with it: `\\boxed{2}` and
    `\\boxed{5}` are the two solutions `2, 5`."""
    last = braced(text, boxes[-1])
    if last is None:
        return ""
    found = [last]
    for before, box in zip(reversed(boxes[:-1]), reversed(boxes[1:]), strict=True):
        held = braced(text, before)
        if held is None or not TOGETHER.fullmatch(text, text.find("{", before) + len(held) + 2, box):
            break
        found.insert(0, held)
    return ", ".join(dict.fromkeys(found))


def _last_hashes(text: str) -> int:
    """Where the last `####` stands that is no heading, -1 without one."""
    place = text.rfind("####")
    while place >= 0:
        line, _, more = text[place + len("####") :].partition("\n")
        if not (more.strip() and HEADING.fullmatch(line)):
            return place
        place = text.rfind("####", 0, place)
    return -1


def tidy(text: str) -> str:
    """The same answer without what only dresses it: spaces, math delimiters, a box, a final full stop."""
    text = plain_text(BOLD.sub("", text)).replace(r"\!", "")
    text = GOES_ON.sub(r"\1\\overline{\2}", SPACES.sub(" ", text).strip())
    changed = True
    while changed:
        before = text
        text = LEADING.sub("", text.rstrip(". ").lstrip("= "))
        for left, right in WRAPPERS:
            inner = text[len(left) : len(text) - len(right)]
            if text.startswith(left) and text.endswith(right) and inner and left not in inner:
                text = inner.strip()
        if BOX.match(text) and text.endswith("}"):
            text = (braced(text, 0) or text).strip()
        changed = text != before
    return standard(text)


def braced(text: str, start: int) -> str | None:
    """What the first `{...}` at or after `start` holds, nested braces included; None if it never closes."""
    first = text.find("{", start)
    if first < 0:
        return None
    depth = 0
    for sign in BRACES.finditer(text, first):
        depth += {"{": 1, "}": -1}.get(sign[0], 0)
        if depth == 0:
            return text[first + 1 : sign.start()]
    return None


def plain_text(text: str) -> str:
    """`ascii_text` without pictures and without marks that only stand between thousands: 1'000, 1.000.000."""
    text = ascii_text(text if text.isascii() else PICTURES.sub(" ", text))
    text = GROUPED.sub("", text)
    return DOTTED.sub(lambda number: number[0].replace(".", ""), text)


def ascii_text(text: str) -> str:
    """Decimal digits of every script, full-width characters and signs that only look different, in ASCII.

    Invisible marks are dropped; superscripts and mathematical signs are kept.
    """
    if text.isascii():
        return text
    text = text.translate(LOOKALIKES)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
