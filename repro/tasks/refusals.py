"""Completions that give no number: those that say that they cannot, and those that say that there is none."""

from __future__ import annotations

import re

_CANNOT = r"(?:cannot|can['’]t|can not|could not|couldn['’]t)"
_FIND = (
    r"(?:determine|solve|answer|compute|calculate|evaluate|tell|say|know|deduce|infer|conclude|find|figure|give|provide"
    r"|help|assist|see|complete)"
)
_FOUND = r"(?:determined|answered|computed|calculated|inferred|deduced|evaluated|known|established)"
_FACTS = r"(?:information|data|details|context)"
_ASKED = r"(?:answer|solution|value|problem|question|exercise|task|equation|system|this|it|that)"
REFUSAL = re.compile(
    rf"\b(?:I|we|you|one)(?: \w+)? (?:{_CANNOT}|(?:am|are)(?: unable|(?: not|n['’]t) able) to) (?:\w+ )?{_FIND}\b"
    rf"|(?:\A|[.!?;:,\n]\s{{0,4}})(?:{_CANNOT}|unable to|not able to) (?:\w+ )?{_FIND}\b"
    rf"|\b(?:impossible|not possible|no way) to (?:\w+ )?{_FIND}\b"
    rf"|\b{_CANNOT} be (?:\w+ )?{_FOUND}\b|\b{_ASKED} {_CANNOT} be (?:solved|found)\b"
    rf"|(?:(?:\bnot|n['’]t(?: \w+)?) enough|\binsufficient|\btoo little|\bincomplete|\bno) (?:\w+ )?{_FACTS}\b"
    rf"|\b(?:need|needs|without) (?:more|further|additional) {_FACTS}\b"
    rf"|\b(?:more|further|additional) {_FACTS} (?:is|are|would be) (?:needed|required)\b"
    rf"|\b{_FACTS}\b[^.!?\n]{{0,40}}\b(?:insufficient|not (?:enough|sufficient)|incomplete|missing)\b"
    r"|\b(?:I|we) would (?:also )?need (?:to know|more|the|some)\b"
    r"|\b(?:I|we) (?:do not|don['’]t) (?:know|understand)\b|\bI(?: am|['’]m) (?:not (?:sure|certain)|unsure)\b"
    r"|\b(?:unsolvable|underdetermined|undeterminable)\b"
    r"|无法|不能确定|\bno se puede (?:determinar|resolver)\b|\b(?:kann|lässt sich) nicht (?:bestimm|berechne|gelöst)\w*"
    r"|\bimpossible de (?:déterminer|répondre)\b|\b(?:невозможно|нельзя) (?:определить|решить|сказать)\b",
    re.IGNORECASE,
)
"""Words by which a text says that it gives no answer, which a person of a story who `cannot solve 5 tasks` does not."""
NEVERTHELESS = re.compile(r"\b(?:but|so|however|therefore|thus|hence|yet|still|then|instead)\b", re.IGNORECASE)
"""What between a refusal and a number makes the number an answer: `we cannot tell them apart, so 12`."""
CONCEDED = re.compile(r"\b(?:although|though|even if)\b", re.IGNORECASE)
"""What between a number and a refusal leaves the number an answer: `12, although we cannot tell which`."""
SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")

_SUBJECT = (
    r"(?:(?:the|this|that|such an?|an?|its) )?(?:(?:given|original|real|whole|inverse) )?"
    r"(?:equation|system(?: of equations)?|limit|expression|problem|question|answer|inequality|function|value|integral"
    r"|derivative|sum|series|solution|slope|fraction|quotient|it|they|[a-z])s?"
)
_NO_SOLUTION = r"no (?:real |such |valid )?solutions?(?: exists?)?"
NO_SOLUTION = re.compile(rf"(?:there (?:is|are) |(?:{_SUBJECT} )?(?:has|have) )?{_NO_SOLUTION}", re.IGNORECASE)
NOT_DEFINED = re.compile(
    rf"(?:{_SUBJECT} )?(?:does not|do not|doesn['’]t|don['’]t) exist"
    rf"|(?:(?:{_SUBJECT} )?(?:is|are) )?(?:undefined|not defined)|dne|d\.n\.e",
    re.IGNORECASE,
)
LEADS = re.compile(
    r"(?:(?:so|thus|hence|therefore|then|finally|in conclusion|consequently|as a result|this means that|which means"
    r"|we conclude that|(?:the|final) answer is|that),?:? )+",
    re.IGNORECASE,
)
PREDICATE = re.compile(
    r"\d(?:(?!\b(?:and|but|while|since|because|other|so)\b)[^\d,.;!?\n]){0,60}?"
    r"\s(?P<said>(?:is|are) (?:undefined|not defined)"
    r"|(?:does not|do not|doesn['’]t|don['’]t) exist|(?:has|have) no (?:real )?solutions?)[.!*\s]*\Z",
    re.IGNORECASE,
)
"""What a sentence says of something whose name holds its last number: `The slope of $x = 3$ is undefined`."""
LAST_SENTENCE = re.compile(r"(?:\A|[.;!?]\s|\n|[,:]\s)(?P<said>[A-Za-z][A-Za-z ,.'’]{2,120}?)[.!*\s]*\Z")


def refuses(text: str) -> bool:
    """Does a text refuse to answer from the sentence of its last digit on, so that this number is no answer?"""
    digit = next((place for place in range(len(text) - 1, -1, -1) if "0" <= text[place] <= "9"), -1)
    before = max(0, digit - 500)
    start = max((end.end() for end in SENTENCE_END.finditer(text, before, max(digit, 0))), default=before)
    for refusal in REFUSAL.finditer(text, start):
        if refusal.end() <= digit:
            kept = NEVERTHELESS.search(text, refusal.end(), digit)
        else:
            kept = CONCEDED.search(text, digit, refusal.start()) if digit >= 0 else None
        if kept is None:
            return True
    return False


def nothing_said(text: str) -> str:
    """The end of a text that says that there is no such number (`the limit does not exist`); "" where it does not."""
    if (found := PREDICATE.search(text, max(0, len(text) - 120))) is not None:
        return found["said"]
    last = LAST_SENTENCE.search(text, max(0, len(text) - 200))
    return last["said"] if last and is_nothing(last["said"]) else ""


def is_nothing(words: str) -> bool:
    """Do words say that there is no solution, or no value?"""
    return _says(NO_SOLUTION, words) or _says(NOT_DEFINED, words)


def same_nothing(gold: str, answer: str) -> bool | None:
    """Do both plain texts say that there is nothing? None where the gold one does not.

    An empty set is what `no solution` leaves; it is not what `undefined` is.
    """
    if gold == r"\emptyset":
        return True if _says(NO_SOLUTION, answer) else None
    if not is_nothing(gold):
        return None
    return _says(NO_SOLUTION, gold) if answer == r"\emptyset" else is_nothing(answer)


def _says(pattern: re.Pattern[str], words: str) -> bool:
    match = LEADS.match(words)
    return pattern.fullmatch(words.rstrip(" ."), match.end() if match else 0) is not None
