"""The last number of a text is read whole, or with all it is a part of, and names with digits are no numbers."""

from __future__ import annotations

import pytest

from repro.tasks.final_number import final_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She has 72, in total.", "72"),
        ("She has 72,\nas was asked.", "72"),
        ("It costs $1,200, tip included", "$1,200"),
        ("It costs \\$1{,}200", "\\$1{,}200"),
        ("400 000 people", "400 000"),
        ("so \\(18\\) dollars", "18"),
        ("Hence\n\\[\n18\n\\]", "18"),
        ("so $9 \\times 2 = 18$", "18"),
        ("\\begin{align*} x &= 9 \\\\ y &= 18 \\\\ \\end{align*}", "18"),
        ("it costs $5 and then $10", "$10"),
        ("3 1/2 cups", "3 1/2"),
        ("the area is 36pi.", "36pi"),
        ("the area is 36\\pi cm", "36\\pi"),
        ("it is 2\\sqrt{3}.", "2\\sqrt{3}"),
        ("it is 2*sqrt(3)", "2*sqrt(3)"),
        ("x = 24 + 48", "24 + 48"),
        ("24 + 48 = 72", "72"),
        ("at 5:30 they leave", "5:30"),
        ("the point (1, 2).", "(1, 2)"),
        ("in [0, 3)", "[0, 3)"),
        ("eighteen (18)", "18"),
        ("the cost - $72", "$72"),
        ("it fell to -3", "-3"),
        ("1.2 million people", "1.2 million"),
        ("minus 5", "minus 5"),
        ("it is 72 for the 3rd of x2 and COVID-19", "72"),
        ("1,2345,67", "1,2345,67"),
        ("solutions $x = 2, y = 3$", "x = 2, y = 3"),
        ("x2 and the 3rd", ""),
        ("none", ""),
    ],
)
def test_the_last_number_is_read_whole(text, number):
    assert final_number(text) == number
