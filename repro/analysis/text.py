"""Numbers as people read them: percentages, points, intervals, amounts, ratios, and lists of arms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from repro.analysis.equal_cost import Saving, reasons
from repro.analysis.statistics import Interval

MINUS = "\u2212"
NOTHING = "–"


def number(value: float, digits: int = 1, sign: bool = False) -> str:
    """A fixed number of decimals with a real minus sign; NaN is a dash."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(text) == 0:
        text = f"{0:.{digits}f}"
    return text.replace("-", MINUS)


def spread(interval: Interval, scale: float = 1.0, digits: int = 1, sign: bool = False) -> str:
    """`62.0 [58.1, 65.9]`, or the value alone where no interval is possible."""
    text = number(interval.value * scale, digits, sign)
    if not interval.known:
        return text
    return f"{text} {brackets(interval, scale, digits, sign)}"


def brackets(interval: Interval, scale: float = 1.0, digits: int = 1, sign: bool = False) -> str:
    """`[58.1, 65.9]`, or `[no interval: n = 1]`."""
    if not interval.known:
        return f"[no interval: n = {interval.n}]"
    return f"[{number(interval.low * scale, digits, sign)}, {number(interval.high * scale, digits, sign)}]"


def percent(interval: Interval, digits: int = 1) -> str:
    """A share in 0..1 as percent with its interval: `62.0 % [58.1, 65.9]`."""
    return f"{number(interval.value * 100, digits)} % {brackets(interval, 100, digits)}"


def points(interval: Interval, digits: int = 1) -> str:
    """A difference of shares as signed percentage points with its interval; no bound off 0 reads 0."""
    return spread(interval, 100, digits_beside(interval, (0.0,), 100, digits), sign=True)


def digits_beside(interval: Interval, bars: Sequence[float], scale: float, digits: int) -> int:
    """Decimals with which no bound that lies off a bar reads as the bar: up to three more than `digits`."""
    for more in range(4):
        if not any(
            bound != bar and number(bound * scale, digits + more) == number(bar * scale, digits + more)
            for bound in (interval.low, interval.high)
            for bar in bars
            if not math.isinf(bar) and not math.isnan(bound)
        ):
            return digits + more
    return digits


def amount(value: float) -> str:
    """Three significant digits with k, M, G, T, P: `1.23 M`."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞"
    size = abs(value)
    for factor, suffix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= factor * 0.9995:
            return f"{_three(value / factor)} {suffix}"
    if size == round(size):
        return f"{value:.0f}"
    return _three(value)


def score_value(value: float) -> str:
    """A score in 0..1 with three decimals, a small one with two significant digits: `0.103`, `0.00042`."""
    return (
        f"{value:.2g}" if 1e-4 <= abs(value) < 0.01 else f"{value:.1e}" if 0 < abs(value) < 1e-4 else number(value, 3)
    )


def seconds(value: float) -> str:
    """Seconds as people read them: `0.30`, `20.3`, `6,827`."""
    return NOTHING if math.isnan(value) else f"{value:,.0f}" if abs(value) >= 99.95 else amount(value)


def between(values: Iterable[float], told: Callable[[float], str] = amount) -> str:
    """The smallest and the largest, once where they read alike: `181 k to 287 k`; a dash without any."""
    found = sorted(values)
    return " to ".join(dict.fromkeys((told(found[0]), told(found[-1])))) if found else NOTHING


def p_value(value: float) -> str:
    """`0.031`, `< 0.001`, or a dash."""
    return NOTHING if math.isnan(value) else "< 0.001" if value < 0.001 else number(value, 3)


def _three(value: float) -> str:
    size = abs(value)
    return f"{value:.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def time_or_more(time: float, budget: float) -> str:
    """A time to target: `20`, or `> 40` where it was not reached in the budget."""
    return f"> {amount(budget)}" if math.isnan(time) else amount(time)


NOT_REACHED = "not reached"


def ratio(value: Saving) -> str:
    """`1.60× [1.20, 2.10]`, `not reached, < 0.90×`, or a dash where it is withheld. The interval's ends are 0 or ∞
    where the runs leave them open."""
    if not value.known:
        return NOTHING
    if math.isnan(value.value):
        return not_reached(value.high, digits_beside(Interval(1.0, 1.0, value.high, 0), (1.0,), 1, 2), "×")
    return f"{number(value.value, 2)}× [{number(value.low, 2)}, {number(value.high, 2)}]"


def not_reached(high: float, digits: int, unit: str = "") -> str:
    """`not reached, < 0.90×`: no interval, for its upper end may be no more than the place where the runs end."""
    return NOT_REACHED if math.isinf(high) else f"{NOT_REACHED}, < {number(high, digits)}{unit}"


def withheld(found: Iterable[Saving | None]) -> str:
    """Why ratios are not told, for a caption; empty where all are."""
    why = reasons(one for one in found if one is not None)
    return f" Not told, where a dash stands: {joined(why)}." if why else ""


def names(items: Sequence[str]) -> str:
    """`a`, `b` and `c`, each in backquotes."""
    quoted = [f"`{item}`" for item in items]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + f" and {quoted[-1]}" if quoted else ""


def joined(parts: Sequence[str], last: str = "and") -> str:
    """`x, y and z`."""
    parts = list(parts)
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" {last} {parts[-1]}" if parts else ""


def sentence(text: str) -> str:
    """First letter large, a full stop at the end."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ":")) else text + "."
