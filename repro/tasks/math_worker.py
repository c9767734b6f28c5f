"""A process that answers `are these two mathematical answers equal?`: started by path, so it imports nothing of ours.

One JSON list [number, gold, answer] per line on stdin, one [number, outcome] per line on stdout; it ends with its
stdin or its parent. Outcomes: equal, unequal, or why nobody knows: time, memory, crash, wall, killed.

Symbolic algebra can run for ever on a short input, also inside one C call that no Python signal handler interrupts.
So the process that has the libraries never computes: it forks one that does, under the system's own timers (whose
default action ends a process), a limit on memory and none of the means to write anywhere. When that one ends, its
parent says why and forks the next, which costs milliseconds where importing sympy again costs seconds.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import re
import resource
import select
import signal
import sys
from typing import Any, NoReturn

RETIRE = 512 << 20  # bytes; one that has grown so far ends after its answer, so that the next finds the memory free
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of what getrusage counts
ATTEMPTS = 5  # ends in a row before the first question, after which something is wrong with us
OUT_OF_MEMORY, RETIRED = 3, 4  # exit codes
REASONS: dict[int, str] = {
    signal.SIGPROF: "time",
    signal.SIGXCPU: "time",
    signal.SIGALRM: "wall",
    signal.SIGKILL: "killed",
}
# Parsed before the first fork: the parser learns its grammar as it goes, which takes longer than most answers.
WARM_UP = [("x+1", "1+x"), (r"\frac{\sqrt{3}}{2}", r"2\pi"), ("[2,5)", "(-1, 3]"), ("3,5", r"\{5,3\}")]
CLOSE = 1e-3  # relative; what is called equal by rounding must be at least so close
ROUGHLY = 1e-2  # relative; what `\\approx` may leave
SAME = 1e-40  # relative; numbers that agree so far are one number
NEAR_ZERO = 1e-60  # below, a number may be a zero that was not recognised
LETTER = re.compile("[A-Za-z]")
BINOMIAL = r"\\[dt]?binom(?![a-z])"
PRODUCT = re.compile(
    rf"(?P<left>(?<![\w.^{{\\])\d+|(?<=\d)\)|{BINOMIAL}\{{[^{{}}]*\}}\{{[^{{}}]*\}})\s?"
    rf"(?={BINOMIAL}|(?:\\left\s?)?[(\[]\s?(?:\d+(?:\.\d+)?|\\[dt]?frac\{{\d+\}}\{{\d+\}})\s?(?:\\right\s?)?[)\]])"
)
"""What multiplies a number in brackets or a binomial behind it."""
IMPROPER = re.compile(r"(?<![\w.^{\\])(\d+)\s?(\\[dt]?frac\{(\d+)\}\{(\d+)\})")
APPROXIMATELY = re.compile(r"\\(?:approx|simeq|sim|cong|equiv)(?![A-Za-z])")
SEVERAL = re.compile(r"[,;]|\\text\s?\{\s*(?:and|or)\s*\}|\b(?:and|or)\b")
WORD = r"(?:\\?[A-Za-z]+|\\(?:text|mathrm|mbox|operatorname)\{[^{}]*\})"
NAME = re.compile(WORD + r"(?:_\{?\w+\}?)?'*(?:\s?\^\s?\{?-1\}?)?(?:\s?\([A-Za-z, ]+\))?")
NO_EQUATION = re.compile(r"(?:[<>\\]|(?<![\d)])!)\Z")
"""What before an equals sign makes it part of another one; `5!` is a factorial."""
TOKEN = re.compile(
    r"\\(?:text|textrm|mathrm|mbox|operatorname|mathbb|begin|end)\s?\{[^{}]*\}|\\(?P<command>[A-Za-z]+)|(?P<letter>[A-Za-z])"
)
"""Words in text and names of environments as a whole, commands, and letters one by one."""
GREEK = ("gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega")
"""Letters with a capital of their own."""
UNKNOWNS = "kntuvwxyz"
"""Letters that multiply a number on one side of an equation: `x = 3t`."""
SPARE = "abcfghjklmnopqrstuvwxyz"
"""Letters that may stand for another one: not those of constants and differentials."""
ADDED_CONSTANT, ADDED_SMALL = re.compile(r"\+\s?C\s*\Z"), re.compile(r"\+\s?c\s*\Z")
"""A constant of integration at the end: `x^2 + C`."""
ASSIGNED = re.compile(r"[A-Za-z](?=\s?=)")
"""The letter that an equation gives a value: `x = 5`."""
NUMBER_WORDS = re.compile(
    r"\\(?:[dt]?frac|sqrt|pi|cdot|times|div|pm|left|right|log|ln|sin|cos|tan|circ|infty)(?![a-z])"
)


def equal(gold: str, answer: str) -> bool:
    """Is the tidied answer equal to the gold one? An equation must hold: `7 = 5` states no 5, `x = 2 + 3 = 5` does."""
    gold, answer = capitals_apart(gold, answer)
    exact, *rounded = [answer] if APPROXIMATELY.search(gold) else APPROXIMATELY.split(answer)
    if rounded and is_name(exact, gold):
        return all(equal(gold, value) for value in rounded)
    if rounded:
        return equal(gold, exact) and all(near(exact, value) for value in rounded)
    sides = split_equation(answer)
    if len(sides) == 1 or len(split_equation(gold)) > 1:
        return same(gold, answer)
    parts = SEVERAL.split(answer)
    if len(parts) > 1:  # several equations; only their last sides are looked at
        return all(len(split_equation(part)) <= 2 for part in parts) and same(gold, answer)
    values = [side for side in sides if not is_name(side, gold)] or sides[-1:]
    return all(same(gold, value) for value in values)


def capitals_apart(gold: str, answer: str) -> tuple[str, str]:
    """Both texts with other letters in place of capitals where case matters; math-verify reads `M` and `m` as one.

    It matters for every letter: `R^2` is no `r^2`. Only a constant of integration may be `C` or `c`, and the name of a
    value (`x = 5`) may be either.
    """
    ours, theirs = ASSIGNED.match(gold), ASSIGNED.match(answer)
    if ours and theirs and ours[0].lower() == theirs[0].lower():
        answer = ours[0] + answer[theirs.end() :]
    if ADDED_CONSTANT.search(gold):
        answer = ADDED_SMALL.sub("+ C", answer)
    small, large, both = set[str](), set[str](), False
    for text in (gold, answer):
        letters = {found["letter"] for found in TOKEN.finditer(text) if found["letter"]}
        commands = {found["command"] for found in TOKEN.finditer(text) if found["command"]}
        both |= any(letter.swapcase() in letters for letter in letters)
        small |= {letter for letter in letters if letter.islower()} | commands.intersection(GREEK)
        large |= {letter for letter in letters if letter.isupper()}
        large |= {name for name in commands if name.lower() in GREEK and name not in GREEK}
    apart = [name for name in sorted(large) if name.lower() in small or (both and len(name) == 1)]
    spare = [letter for letter in SPARE if letter not in small and letter.upper() not in large - set(apart)]
    if not apart or len(apart) > len(spare):
        return gold, answer
    new = dict(zip(apart, spare, strict=False))

    def renamed(found: re.Match[str]) -> str:
        name = found["letter"] or found["command"] or ""
        return f"{new[name]} " if name in new else found[0]

    return TOKEN.sub(renamed, gold), TOKEN.sub(renamed, answer)


def split_equation(text: str) -> list[str]:
    """The sides of an equation or a chain of them, one if it is none; `=` inside brackets does not count."""
    sides, depth = [""], 0
    for place, sign in enumerate(text):
        depth += (sign in "{([") - (sign in "})]")
        if sign == "=" and depth <= 0 and not NO_EQUATION.search(text, max(0, place - 2), place):
            sides.append("")
        else:
            sides[-1] += sign
    return [side.strip() for side in sides]


def is_name(side: str, gold: str) -> bool:
    """Does a side of an equation name what was asked for, and state no value of it?

    Where the gold answer is a number: letters without a digit, but in brackets or beside a letter (`f(2)`, `a_{10}`).
    """
    if LETTER.search(NUMBER_WORDS.sub("", gold)):
        return NAME.fullmatch(side.strip()) is not None
    if side.lstrip().startswith("-"):
        return False
    bare = re.sub(r"[_^]\{?\w+\}?|\([^()]*\)", "", side)
    return LETTER.search(NUMBER_WORDS.sub("", bare)) is not None and not re.search(r"\d", bare)


def near(exact: str, rounded: str) -> bool:
    """Is a number that is said to be another one, roughly, within a hundredth of it?"""
    left, right = (parsed[0].doit().evalf(30) for parsed in (parse(exact), parse(rounded)))
    return bool(abs(left - right) <= ROUGHLY * abs(left))


def same(gold: str, answer: str) -> bool:
    """math-verify's word on two tidied answers; gold first, because its `verify` is not symmetric."""
    import math_verify

    parsed = parse(gold), parse(answer)
    if is_statement(parsed[0]):
        return same(split_equation(gold)[-1], split_equation(answer)[-1])
    if not all(map(is_sound, parsed)):
        return False
    exact = "." not in gold and "." not in answer
    if exact and (verdict := same_rational(*parsed)) is not None:
        return verdict
    if bool(math_verify.verify(*parsed, timeout_seconds=None)) and not far_apart(*parsed):
        return not other_curve(*parsed)
    return identical(*parsed)


def is_sound(parsed: list[Any]) -> bool:
    """Has an expression no division by zero in it? All of those are one value to sympy."""
    import sympy

    return not (parsed and isinstance(parsed[0], sympy.Basic) and parsed[0].has(sympy.zoo, sympy.nan))


def same_rational(gold: list[Any], answer: list[Any]) -> bool | None:
    """Are two exact numbers equal, or one the percent of the other? None where one is no rational number."""
    import sympy

    if not (gold and answer and getattr(gold[0], "is_number", False) and getattr(answer[0], "is_number", False)):
        return None
    left, right = (parsed[0].doit() for parsed in (gold, answer))
    if not (isinstance(left, sympy.Rational) and isinstance(right, sympy.Rational)):
        return None
    return left == right or ("%" in f"{gold[-1]}{answer[-1]}" and right in (left * 100, left / 100))


def other_curve(gold: list[Any], answer: list[Any]) -> bool:
    """Are both equations of polynomials without real solutions, and unlike? All of those are one to math-verify."""
    import sympy

    if not (gold and answer and isinstance(gold[0], sympy.Eq) and isinstance(answer[0], sympy.Eq)):
        return False
    free = sorted(gold[0].free_symbols | answer[0].free_symbols, key=str)
    try:
        left, right = (sympy.Poly(one[0].lhs - one[0].rhs, *free) for one in (gold, answer))
        parts = [one.sqf_part().monic() for one in (left, right)]
    except (sympy.polys.polyerrors.BasePolynomialError, NotImplementedError, TypeError, ValueError):
        return False
    if parts[0] == parts[1]:
        return False
    return len(free) > 1 or (left.count_roots() == 0 and right.count_roots() == 0)


def is_statement(gold: list[Any]) -> bool:
    """Is it an equation of numbers, `\\log_2 8 = 3`? Any two that hold are equal to math-verify."""
    import sympy

    return bool(gold) and isinstance(gold[0], sympy.Eq) and not gold[0].free_symbols


def parse(text: str) -> list[Any]:
    """What math-verify makes of a text: an expression and its LaTeX, or its LaTeX alone where that cannot be read.

    math-verify adds a whole number to what stands right behind it, as in `3\\frac{1}{2}`; `2(3)` and `2\\binom{6}{3}`
    are products. Only the whole of a text is parsed. By default math-verify would go on to pick a part that it can
    read, or what follows `final answer is`, out of an answer that says something else.
    """
    import math_verify
    import sympy
    from math_verify.parser import LatexExtractionConfig

    text = _with_last_factor(text)
    text = IMPROPER.sub(_times_improper, PRODUCT.sub(r"\g<left> \\cdot ", text))
    whole = [LatexExtractionConfig(boxed_match_priority=0)]
    parsed = list(math_verify.parse(f"\\boxed{{{text}}}", whole, extraction_mode="first_match", parsing_timeout=None))
    if parsed and hasattr(parsed[0], "free_symbols"):  # `4i` and `4 i` are read with two symbols that are not equal
        units = [symbol for symbol in parsed[0].free_symbols if getattr(symbol, "name", "") == "i"]
        parsed[0] = parsed[0].subs([(unit, sympy.I) for unit in units])
    return parsed


def _with_last_factor(text: str) -> str:
    """The last letter of a formula with other letters in braces: math-verify would drop the `h` of `\\pi r^2 h` as a
    unit."""
    tokens = list(TOKEN.finditer(text))
    if not tokens or not tokens[-1]["letter"] or tokens[-1].end() < len(text):
        return text
    side = text.rfind("=") + 1
    other = any(token["letter"] for token in tokens[:-1] if token.start() >= side)
    other |= side > 0 and text[-1] in UNKNOWNS and text[-2] != " "
    return f"{text[:-1].rstrip()}{{{text[-1]}}}" if other and text[-2] not in "_^" else text


def _times_improper(number: re.Match[str]) -> str:
    top, bottom = int(number[3]), int(number[4])
    return rf"{number[1]} \cdot {number[2]}" if top >= bottom else number[0]


def far_apart(gold: list[Any], answer: list[Any]) -> bool:
    """Are both plain numbers whose difference is no matter of rounding? math-verify takes 2^-100 for 3^-100."""
    if not (gold and answer and getattr(gold[0], "is_number", False) and getattr(answer[0], "is_number", False)):
        return False
    left, right = (parsed[0].doit().evalf(30) for parsed in (gold, answer))
    size = max(abs(left), abs(right))
    if not size.is_finite or size < NEAR_ZERO:
        return False
    return bool(min(abs(left - right * factor) for factor in (1, 100, 1 / 100)) > CLOSE * size)  # 50% may mean 50


def identical(gold: list[Any], answer: list[Any]) -> bool:
    """Are both plain numbers, complex ones too, that agree in 40 digits? math-verify does not expand all of them."""
    if not (gold and answer and getattr(gold[0], "is_number", False) and getattr(answer[0], "is_number", False)):
        return False
    left, right = (parsed[0].doit().evalf(50) for parsed in (gold, answer))
    size = max(abs(left), abs(right))
    return bool(size.is_finite and size > NEAR_ZERO and abs(left - right) <= SAME * size)


def compute(cpu_seconds: float, wall_seconds: float, memory: int, replies: int, busy: int) -> None:
    """Answer questions until stdin closes; `busy` hears the number of a question while it is worked on."""
    for limit, size in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        resource.setrlimit(limit, (size, resource.getrlimit(limit)[1]))
    starter = os.getppid()
    while os.getppid() == starter:
        if not select.select([0], [], [], 5)[0]:
            continue
        line = read_line(0)
        if not line:
            return
        number, gold, answer = json.loads(line)
        os.write(busy, b"%d\n" % number)
        signal.setitimer(signal.ITIMER_REAL, wall_seconds)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            outcome = "equal" if equal(gold, answer) else "unequal"
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except Exception:  # what sympy cannot make sense of, it raises something of its own for: no proof of equality
            outcome = "unequal"
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(replies, json.dumps([number, outcome]).encode() + b"\n")
        os.write(busy, b"\n")
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT > RETIRE:
            os._exit(RETIRED)


def read_line(source: int) -> bytes:
    """A line byte by byte: what another process is to read next must not end in our buffer."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(source, 1)
        if not byte:
            return b""
        line += byte
    return line


def supervise(cpu_seconds: float, wall_seconds: float, memory: int, parent: int, replies: int) -> None:
    """Keep one computing process at work until it finds stdin closed, or `parent` is ours no more."""
    unused = 0
    while unused < ATTEMPTS:
        ears, busy = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ears)
            with contextlib.suppress(BaseException):
                compute(cpu_seconds, wall_seconds, memory, replies, busy)
                os._exit(0)
            os._exit(1)
        os.close(busy)
        heard = b""
        while True:
            if select.select([ears], [], [], 1)[0]:
                news = os.read(ears, 4096)
                if not news:  # it has ended
                    break
                heard = (heard + news)[-64:]
            elif os.getppid() != parent:
                os.kill(child, signal.SIGKILL)
                return
        os.close(ears)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            return
        unused = 0 if heard else unused + 1
        question = heard.split(b"\n")[-2:-1]
        if question and question[0]:  # else it ended between two questions, which says nothing about either
            reason = "memory" if status == OUT_OF_MEMORY else REASONS.get(-status, "crash")
            os.write(replies, json.dumps([int(question[0]), reason]).encode() + b"\n")


def main(cpu_seconds: float, wall_seconds: float, memory: int, parent: int) -> NoReturn:
    """Import, say so with an empty list, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    logging.disable(logging.CRITICAL)
    replies = os.dup(1)
    os.dup2(2, 1)  # a stray print of a library must not pass for a reply
    for gold, answer in WARM_UP:
        same(gold, answer)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)  # nobody reads it any more, and a full pipe would block us
    gc.freeze()  # shared with the processes we fork
    os.write(replies, b"[]\n")
    supervise(cpu_seconds, wall_seconds, memory, parent, replies)
    os._exit(0)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
