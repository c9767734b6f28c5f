r"""One notation for the many in which people and models write the same mathematics.

Gold answers and completions write `\pi`, `pi` and `π`, `x^2` and `x**2`, `\mathrm{e}` and `e`, `\varnothing` and
`\emptyset`. What comes out of `standard` is LaTeX that math-verify reads as it was meant.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

GREEK = "alpha beta gamma delta epsilon theta lambda mu nu rho sigma tau phi psi omega Delta Gamma Omega Phi Sigma"
# Signs that mean what a command means.
SIGNS = {"π": r"\pi", "∞": r"\infty", "×": r"\times", "·": r"\cdot", "⋅": r"\cdot", "∙": r"\cdot", "∗": r"\cdot"}
SIGNS |= {"÷": r"\div", "±": r"\pm", "∓": r"\mp", "°": r"^\circ", "≤": r"\leq", "⩽": r"\leq", "≥": r"\geq"}
SIGNS |= {"⩾": r"\geq", "≠": r"\neq", "≈": r"\approx", "∪": r"\cup", "∩": r"\cap", "∈": r"\in", "∉": r"\notin"}
SIGNS |= {"∅": r"\emptyset", "Ø": r"\emptyset", "⊂": r"\subset", "⊆": r"\subseteq", "→": r"\to", "⇒": r"\Rightarrow"}
SIGNS |= {"ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}"}
SIGNS |= {"∠": r"\angle", "△": r"\triangle", "…": r"\ldots", "∓": r"\mp", "⟨": r"\langle", "⟩": r"\rangle"}
SIGNS |= dict(zip("αβγδεθλμνρστφψωΔΓΩΦΣ", (f"\\{name}" for name in GREEK.split()), strict=True))
COMMANDS = str.maketrans({sign: f"{command} " for sign, command in SIGNS.items()})
RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ"
LOWERED = "₀₁₂₃₄₅₆₇₈₉"
SUPERSCRIPT = re.compile(f"[{RAISED}]+")
SUBSCRIPT = re.compile(f"[{LOWERED}]+")
SCRIPTS = str.maketrans(RAISED + LOWERED, "0123456789+-n0123456789")
VULGAR = re.compile("[¼½¾⅐-⅞]")
ROOT = re.compile(r"([√∛∜])\s?(\d+|[A-Za-z]|\([^()]*\)|\\[a-z]+\s)")
DEGREES_OF_ROOT = {"√": r"\sqrt", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]"}

UPRIGHT = re.compile(
    r"\\(?:mathrm|mathit|mathbf|boldsymbol|operatorname|text|rm)(?:\s?\{\s?(e|i|\\pi)\s?\}|\s+(e|i)(?![A-Za-z]))"
)
EMPTY = re.compile(r"\\varnothing(?![A-Za-z])|\\\{\s*\\\}")
EMPTY_IN_WORDS = re.compile(r"(?:\\text\s?\{\s*)?(?:the )?(?:empty|null) set(?:\s*\})?", re.IGNORECASE)
_SMALL_O = r"\\(?:text|textrm|mathrm)\s?\{\s?o\s?\}"
DEGREE = re.compile(rf"\\degrees?(?![A-Za-z])|\^\s?\{{\s?(?:\\circ|\\degree|{_SMALL_O})\s?\}}|\^\s?{_SMALL_O}")
RAISED_O = re.compile(r"(?<=\d)\s?\^\s?(?:\{\s?o\s?\}|o(?![A-Za-z]))")
FIELD = re.compile(r"\\(?:mathbf|bm|boldsymbol)\s?\{\s?([RZNQC])\s?\}(?!\w)")
"""A set of numbers in bold print."""
NEGATIVE_ROOT = re.compile(r"(\\sqrt\s?\[\s?[3579]\s?\])\s?\{\s?-\s?(\d+)\s?\}")
"""A real root of a negative number, which algebra takes for a complex one."""
MEASURED = re.compile(r"\\(?:SI|qty)\s?\{(?P<number>[^{}]*)\}\s?\{(?P<unit>[^{}]*)\}")
"""A quantity of the package siunitx."""
BARE_BAR = re.compile(r"\\(overline|bar|dot)\s?(\d)")
NATURAL = re.compile(r"\\log\s?_\s?(?:\{\s?e\s?\}|e(?![A-Za-z]))")
ROW_SPACE = re.compile(r"\\\\\[\s?-?[\d.]+\s?[a-z]{2}\s?\]")
LONE_MINUS = re.compile(r"\{\s?-\s?\}")
PLUS_MINUS = re.compile(r"\+\s?/\s?-")
BARE_ROOT = re.compile(r"\\sqrt\s?(\[[^\[\]]*\])\s?(\w|\\pi)")
SAME_COMMAND = [
    (re.compile(rf"\\{old}(?![A-Za-z])"), new)
    for old, new in {
        "le": r"\\leq", "ge": r"\\geq", "ne": r"\\neq", "leqslant": r"\\leq", "geqslant": r"\\geq", "cfrac": r"\\frac",
        "varepsilon": r"\\epsilon", "varphi": r"\\phi", "lparen": "(", "rparen": ")", "lbrack": "[", "rbrack": "]",
        "dots": r"\\ldots", "cdots": r"\\ldots", "dotsc": r"\\ldots", "dotsb": r"\\ldots", "hdots": r"\\ldots",
        "displaystyle": "", "textstyle": "", "limits": "", "middle": "", "lbrace": r"\\{", "rbrace": r"\\}",
        "langle": "(", "rangle": ")",
        "nicefrac": r"\\frac", "sfrac": r"\\frac", "flatfrac": r"\\frac", "checkmark": "", "blacksquare": "",
        "square": "", "qed": "", "Box": "", "tiny": "", "small": "", "normalsize": "", "large": "", "Large": "",
        "LARGE": "", "huge": "", "Huge": "", "bfseries": "", "boldmath": "",
    }.items()
]  # fmt: skip
STYLES = re.compile(
    r"\\(?:underline|bm|boldsymbol|pmb|mathbf|mathsf|mathtt|textsf|texttt|ensuremath|textcolor\s?\{\w*\})\s?(?=\{)"
    r"|\\color\s?\{\w*\}\s?(?=(\{)?)"
)
"""Commands that only change how their argument looks."""
SWITCH = re.compile(
    r"\{\s?\\(?:bf|rm|it|sf|tt|em)(?![A-Za-z])\s?([^{}]*)\}|\\(?:bf|rm|it|sf|tt|em)(?![A-Za-z])\s?(?:\{([^{}]*)\}|(?=\d))"
)
"""The older way to change how something looks: `{\\bf 18}`, `\\bf 18`."""
INNER_MATHS = re.compile(r"\\(?:text|textrm|mbox)\s?\{\s?\$([^${}]*(?:\{[^${}]*\}[^${}]*)*)\$\s?\}")
NUMBER_IN_TEXT = re.compile(r"\\(?:text|textrm|textbf|mbox|mathrm|mathit)\s?\{\s?([-+\d.,:/%]+)\s?\}")
COLON = re.compile(r"\{:\}")
E_NOTATION = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?|\.\d+)[eE]([+-]?\d{1,2})(?![\w.])")
REPEATING = re.compile(
    r"(?<![\d.])(\d*)\.(?:\((\d+)\)"
    r"|(\d*)(?:\\(?:overline|bar)\s?\{\s?(\d+)\s?\}|\\dot\s?\{\s?(\d)\s?\}(?![\d\\])))"
)
POINT_ZERO = re.compile(r"(?<![\d.])(\d+)\.(?!000,\d)0+(?!\.?\d|\\overline|\\dot|\()")
ONE_TIMES_I = re.compile(r"(?<![\w.^_{])1\s?i(?![A-Za-z])")
# What programmers and plain text write.
POWER = re.compile(r"\s?\*\*\s?")
TEX_ROOT = re.compile(r"\\root\s?(\d+|[a-z]|\{[^{}]*\})\s?\\of\s?(\d|[a-z]|\{[^{}]*\})")
BARE_FRACTION = re.compile(r"\\([dt]?frac)\s?(\d)\s?(\d)(?!\d)")
BARE_BINOMIAL = re.compile(r"\\([dt]?binom)\s?(\d)\s?(\d)(?!\d)")
FRACTION_OF = re.compile(
    r"(?<![\w.}/^)])(\d+)/(\d+)\s(?=\\(?:pi|sqrt|ln|log|sin|cos|tan)(?![A-Za-z])|[a-z](?![A-Za-z.]))"
)
"""A fraction in plain text beside a factor: `1/2 pi` is a half of it; `1/2pi` says it less clearly."""
IN_DEGREES = re.compile(
    r"\\(?P<function>sin|cos|tan|cot|sec|csc)\s?(?P<power>\^\s?(?:\{\s?\d\s?\}|\d))?\s?(?P<open>\\left\s?\(|[({])?\s?"
    r"(?P<degrees>-?\d+(?:\.\d+)?)\s?\^\s?\{?\s?\\circ\s?\}?\s?(?(open)(?:\\right\s?\)|[)}]))"
)
"""A function of an angle in degrees, which math-verify reads as one in radians."""
ZERO_CENTS = re.compile(r"(?<![\d.,])(\d+),00(?![\d,])")
RAISED_TO = re.compile(r"\^\s?(-?\d+\.\d+|-?\d{2,}|-\d|-[A-Za-z](?![A-Za-z]))")
DECIMAL_POWER = re.compile(r"\^\s?\{\s?(-?\d{0,3}\.\d{1,3})\s?\}")
POWER_OPENS = re.compile(r"\^\s?(?=\()")
CALLS = re.compile(r"(?<![A-Za-z\\])(sqrt|cbrt|exp|abs)\s?\(")
PLAIN_ROOT = re.compile(r"(?<![A-Za-z\\])sqrt\s?(\d+|[a-z](?![a-z]))")
PRODUCT = re.compile(r"(?<=[\w)}\]])\s?\*\s?(?=[\w(\\{])")
FACTOR = re.compile(r"(?<=\d)\s?\*\s?(?=[A-Za-z](?![A-Za-z]))")
TIMES = re.compile(r"(?<=\d) [xX] (?=\d)|(?<=\d)[xX](?=10\^)")
CONSTANT = re.compile(r"(?<![A-Za-z\\])[Pp]i(?![A-Za-z])")
INFINITY = re.compile(r"(?<![A-Za-z\\])(?:infinity|inf|oo)(?![A-Za-z])", re.IGNORECASE)
LETTERS = re.compile(rf"(?<![A-Za-z\\])(?:{'|'.join(GREEK.split())})(?![A-Za-z])")
FUNCTIONS = "sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|ln|log"
WORD = re.compile(rf"(?<!\\)\b(?!(?:{FUNCTIONS})\b)[A-Za-z]{{4,}}")
NAMED_FUNCTION = re.compile(rf"\\(?:operatorname|mathrm|textrm|text)\*?\s?\{{\s?({FUNCTIONS}|exp)\s?\}}")
NUMBERED_LOG = re.compile(r"(?<![A-Za-z\\])log(2|10)\s?(?=\()")
INFINITE_TEXT = re.compile(r"\\(?:text|mathrm)\s?\{\s*(\\infty)\s*\}")
BARE_ARGUMENT = re.compile(rf"\\({FUNCTIONS})\s(\d* ?[a-z])(?![\w(^\\_{{])")
"""A function of a letter without brackets; math-verify takes the `t` of `\\cos 2t` for a unit."""
FUNCTION = re.compile(rf"(?<![A-Za-z\\])({FUNCTIONS})(?=[\s(\d\\^_]|[a-z](?![a-z]))")
ORDER = [
    (re.compile(r"(?<![<=])<=(?!>)"), r"\\leq "),
    (re.compile(r"(?<!>)>=(?!=)"), r"\\geq "),
    (re.compile(r"(?<![\d)])!=|(?<=[\d)]) !="), r"\\neq "),
]
CLOSING = {"(": ")", "[": "]", "{": "}"}


LONGEST = 1000
"""Characters; what is longer is compared as text and stays as it is."""


def standard(text: str) -> str:
    """The same mathematics in LaTeX as math-verify reads it; text without mathematics as it is."""
    if len(text) > LONGEST:
        return text
    if EMPTY_IN_WORDS.fullmatch(text):
        return r"\emptyset"
    if not text.isascii():
        text = ascii_signs(text)
    text = NEGATIVE_ROOT.sub(r"-\1{\2}", FIELD.sub(r"\\mathbb{\1}", text))
    text = MEASURED.sub(_measured, text)
    text = LONE_MINUS.sub("-", PLUS_MINUS.sub(r"\\pm ", text))
    if "\\" in text:
        text = SWITCH.sub(_in_text, text)
        text = NUMBER_IN_TEXT.sub(r"\1", INNER_MATHS.sub(r"\1", _without_styles(text)))
        text = UPRIGHT.sub(lambda found: f"{found[1] or found[2]} ", NAMED_FUNCTION.sub(r"\\\1 ", text))
        text = NATURAL.sub(r"\\ln ", BARE_BAR.sub(r"\\\1{\2}", ROW_SPACE.sub(r"\\\\", text)))
        text = DEGREE.sub(r"^\\circ", EMPTY.sub(r"\\emptyset ", text))
        for pattern, new in SAME_COMMAND:
            text = pattern.sub(new, text)
        text = TEX_ROOT.sub(_root, BARE_ROOT.sub(r"\\sqrt\1{\2}", text))
        text = BARE_BINOMIAL.sub(r"\\\1{\2}{\3}", BARE_FRACTION.sub(r"\\\1{\2}{\3}", text))
    if any(c.isalpha() for c in text):
        text = _plain_words(RAISED_O.sub(r"^\\circ ", text))
    text = E_NOTATION.sub(lambda number: rf"{number[1]} \times 10^{{{int(number[2])}}}", COLON.sub(":", text))
    text = POWER.sub("^", text)
    text = _braced_powers(RAISED_TO.sub(r"^{\1}", text))
    text = DECIMAL_POWER.sub(lambda power: f"^{{{Fraction(power[1])}}}", text)
    text = FACTOR.sub(" ", TIMES.sub(r" \\times ", text))
    text = PRODUCT.sub(r" \\cdot ", text)
    for pattern, new in ORDER:
        text = pattern.sub(new, text)
    text = BARE_ARGUMENT.sub(r"\\\1(\2)", text)
    text = IN_DEGREES.sub(_in_radians, FRACTION_OF.sub(r"\\frac{\1}{\2} ", text))
    text = ZERO_CENTS.sub(r"\1", REPEATING.sub(_fraction, text))
    text = POINT_ZERO.sub(r"\1", text)
    return ONE_TIMES_I.sub("i", text).strip()


def ascii_signs(text: str) -> str:
    """Mathematical signs, raised and lowered digits, roots and vulgar fractions as LaTeX commands."""
    text = SUPERSCRIPT.sub(lambda found: f"^{{{found[0].translate(SCRIPTS)}}}", text)
    text = SUBSCRIPT.sub(lambda found: f"_{{{found[0].translate(SCRIPTS)}}}", text)
    text = VULGAR.sub(_vulgar, text)
    text = ROOT.sub(lambda root: f"{DEGREES_OF_ROOT[root[1]]}{{{root[2]}}}", text)
    return re.sub(" {2,}", " ", text.translate(COMMANDS))


def _vulgar(sign: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", sign[0]).partition("\N{FRACTION SLASH}")
    return rf"\frac{{{top}}}{{{bottom}}}"


def _in_text(switch: re.Match[str]) -> str:
    said: str = switch[1] or switch[2] or ""
    return rf"\text{{{said.strip()}}}" if any(c.isalpha() for c in said) and "\\" not in said else said.strip()


def _measured(quantity: re.Match[str]) -> str:
    unit = quantity["unit"].replace(r"\per", "/").replace("\\", " ").split()
    return rf"{quantity['number']} \text{{{' '.join(unit).replace(' / ', '/')}}}"


def _root(root: re.Match[str]) -> str:
    return rf"\sqrt[{root[1].strip('{}')}]{{{root[2].strip('{}')}}}"


def _in_radians(angle: re.Match[str]) -> str:
    part = Fraction(angle["degrees"]) / 180
    return rf"\{angle['function']}{angle['power'] or ''}(\frac{{{part.numerator}\pi}}{{{part.denominator}}})"


def _plain_words(text: str) -> str:
    place = 0
    while found := CALLS.search(text, place):
        end = _closing(text, found.end() - 1)
        if end is None:
            place = found.end()
            continue
        inside = text[found.end() : end]
        new = {
            "sqrt": rf"\sqrt{{{inside}}}", "cbrt": rf"\sqrt[3]{{{inside}}}", "exp": f"e^{{{inside}}}",
            "abs": rf"\left|{inside}\right|",
        }[found[1]]  # fmt: skip
        text = text[: found.start()] + new + text[end + 1 :]
        place = found.start() + 1
    text = NUMBERED_LOG.sub(r"\\log_{\1}", PLAIN_ROOT.sub(r"\\sqrt{\1}", text))
    text = INFINITE_TEXT.sub(r"\1 ", INFINITY.sub(r"\\infty ", CONSTANT.sub(r"\\pi ", text)))
    if not WORD.search(LETTERS.sub("", text)):
        text = LETTERS.sub(lambda letter: f"\\{letter[0]} ", text)
        text = FUNCTION.sub(r"\\\1", text)
    return text


def _without_styles(text: str) -> str:
    place = 0
    while found := STYLES.search(text, place):
        opening = found.end()
        end = _closing(text, opening) if text[opening : opening + 1] == "{" else None
        if end is None:
            text, place = text[: found.start()] + text[opening:], found.start() + 1
        else:
            text, place = f"{text[: found.start()]}{text[opening + 1 : end]}{text[end + 1 :]}", found.start()
    return text


def _braced_powers(text: str) -> str:
    place = 0
    while found := POWER_OPENS.search(text, place):
        end = _closing(text, found.end())
        if end is None:
            break
        text = f"{text[: found.start()]}^{{{text[found.end() + 1 : end]}}}{text[end + 1 :]}"
        place = found.start() + 1
    return text


def _closing(text: str, start: int) -> int | None:
    """Where the bracket that opens at `start` closes, None where it never does."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == text[start]) - (text[place] == CLOSING[text[start]])
        if not depth:
            return place
    return None


def _fraction(decimal: re.Match[str]) -> str:
    r"""A repeating decimal as a fraction: `0.1\overline{6}` is 15/90."""
    whole, before = decimal[1] or "0", decimal[3] or ""
    period = decimal[2] or decimal[4] or decimal[5]
    if len(before) + len(period) > 40:
        return decimal[0]
    bottom = (10 ** len(period) - 1) * 10 ** len(before)
    top = int(whole + before + period) - int(whole + before)
    return rf"\frac{{{top}}}{{{bottom}}}"
