"""The answer of a completion without a marker, where its words say which it is: `the answer is 72`, `答案：B`."""

from __future__ import annotations

import re

from repro.tasks.final_number import DELIMITED, JOINS, final_number

WORDS = r"\b(?:answer|ответ|respuesta|réponse|antwort|risposta|resposta|odpowiedź)|答案|答え|정답"
PHRASE = re.compile(
    rf"(?:{WORDS})\s*(?:\b(?:is|es|est|ist|è|é|to)\b\s*:?|[是为は은]\s*:?|:|=|\*{{0,2}}[^\S\n]*\n)[\s*]*", re.IGNORECASE
)
CHOICE = re.compile(
    r"\b(?i:option|choice)(?i: is):?[\s*]*(\(?[A-J]\)?)(?=[*.]*(?:\s|$))"
    r"|\b(?i:option|choice)[\s*]+(\(?[A-J]\)?)(?=[*]*\s(?i:is (?:the )?(?:correct|right|best|answer)\b))"
)
"""`the correct choice is (B)`, `choice B is correct`: one letter, where `option is` begins many other sentences."""
ONLY_CHOICE = re.compile(r"\*{0,2}(?:\([A-J]\)|[A-J](?:[).](?=\s|\*|\Z)|(?=\*{0,2}\Z)))[^\n]{0,80}")
"""A completion that is a choice and no more: `B`, `(B)`, `B. The mitochondria`."""
FORMULA = re.compile(
    r"(?:[^\W\d_]{1,2}\s?=\s?)?(?=.*[\^+*/])(?=.*\d)"
    r"(?:[-+*/^()\[\]{}|!\d. ]|\\[A-Za-z]+|(?<![A-Za-z])[A-Za-z]{1,2}(?![A-Za-z])"
    r"|(?:sqrt|sin|cos|tan|log|exp)(?![A-Za-z]))+"
)
"""A formula in plain text, without a word: `2e^(2\\pi i/3)`, `x^2 + 1`."""
LABELLED = re.compile(r"\([A-J]\)|[A-J](?=[).:]|[*\s]*\Z)\)?")
STARTS = re.compile(
    r"[\s*(:]*(?:(?:about|approximately|exactly|therefore|thus|simply|just|equal to|indeed)\s)?"
    r"(?:\\?[A-Za-z]\w{0,2}\s?=\s?)?"
)
"""What may stand between the phrase and its number."""
FIRST_ITEM = re.compile(r"\A1[.)]\s+(?=[^\n\d]*\d[^\n=]*=)")
"""The number of the first item of a list, before an equation."""
SENTENCE_END = re.compile(r"\n|[.!?](?=\s|$)")
TAKEN_BACK = re.compile(
    r"\b(?:wait|actually|hmm+|oops|mistake\w*|errors?|wrong|incorrect|correction|instead|sorry|should|however|but|no|not"
    r"|re-?(?:check|consider|compute|calculate)\w*)\b|不对|等等|错",
    re.IGNORECASE,
)
"""Words after an answer by which it may be given up."""


def phrased_answer(text: str) -> str:
    """What follows the last `answer is` or `answer:`, also where a check of it or a last remark comes behind.

    Mathematics in delimiters, the only number of the sentence, the letter of a choice, or words without a digit. Empty
    where more of the sentence has a digit, or where what follows may take the answer back: then the number counts that
    the text ends with.
    """
    if ONLY_CHOICE.fullmatch(text.strip()):
        return text.strip().strip("* ")
    phrases = list(PHRASE.finditer(text))
    chosen = list(CHOICE.finditer(text))
    if not phrases and not chosen:
        return ""
    if chosen and (not phrases or chosen[-1].end() > phrases[-1].end()):
        return "" if _digits(text[chosen[-1].end() :]) else chosen[-1][1] or chosen[-1][2]
    rest = text[phrases[-1].end() :]
    if "\n" in phrases[-1][0]:
        rest = FIRST_ITEM.sub("", rest)
    maths = DELIMITED.match(rest)
    while maths and (more := JOINS.match(rest, maths.end())):
        further = DELIMITED.match(rest, more.end())
        if further is None:
            break
        maths = further
    end = maths.end() if maths else 0
    sentence_end = SENTENCE_END.search(rest, end)
    whole = rest[: sentence_end.start() if sentence_end else len(rest)]
    if not maths and FORMULA.fullmatch(whole.strip("* ")) and not _digits(rest[len(whole) :]):
        return whole.strip("* ")
    said, left, after = (rest[:end], whole[end:], rest[len(whole) :]) if maths else (whole, "", rest[len(whole) :])
    if _digits(left) or (not maths and _digits(said) and not LABELLED.match(said) and not _one_number(said)):
        return ""
    certain = _digits(said) or LABELLED.fullmatch(said.strip("* ")) is not None
    if _digits(after) and (not certain or _given_up(after)):
        return ""
    if not maths and _digits(said) and not LABELLED.match(said):
        return final_number(said)
    return said.strip("* ")


def _one_number(sentence: str) -> bool:
    """Does it begin with a number, and has no digit outside it?"""
    found = final_number(sentence)
    if not found:
        return False
    before, _, after = sentence.partition(found)
    return STARTS.fullmatch(before) is not None and not _digits(after)


def _given_up(after: str) -> bool:
    return _digits(after) and TAKEN_BACK.search(after) is not None


def _digits(text: str) -> bool:
    return any(c.isdigit() for c in text)
