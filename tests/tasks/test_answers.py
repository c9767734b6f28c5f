"""Final answers as text: where they are found, and what is left of them once undressed."""

from __future__ import annotations

import pytest

from repro.tasks.answers import braced, extract_answer, tidy


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("48/2 = 24 clips.\n48+24 = 72.\n#### 72", "72"),
        ("#### 10\nNo, wait.\n#### 12\nDone with 99.", "12"),  # the last marker, to the end of its line
        ("####\n 72", "72"),
        ("#### $1,080.", "$1,080"),
        (r"so \boxed{3} #### \boxed{4}", "4"),
        (r"first \boxed{1}, then \boxed{\frac{1}{\sqrt{2}}}. Done 5.", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\text{a}_{1}}", r"\text{a}_{1}"),
        (r"we get $\boxed{\boxed{7}}$", "7"),
        ("<think>2 + 2</think>\n<answer> 4 </answer>", "4"),
        ("<answer>1</answer> or rather <answer>2</answer>", "2"),
        ("She has 3 apples and 12 pears", "12"),
        ("The total is $1,250.50.", "$1,250.50"),
        ("10-3", "10-3"),  # never a part of an expression
        ("it fell to -3", "-3"),
        (r"half, \frac{1}{2}, of it", r"\frac{1}{2}"),
        ("3/4 of them", "3/4"),
        ("50% of them", "50%"),
        ("المجموع ٧٢", "72"),
        ("#### ７２", "72"),
        (r"\boxed{3} #### 4", "4"),  # the marker that comes last
        ("#### Step 1\n2+2\n#### Step 2\nso \\boxed{4}", "4"),
        (r"<answer>\boxed{4}</answer>", "4"),
        (r"<think>\boxed{3}</think> \boxed{4}", "4"),
        (r"<think>it may be 3</think> 4", "4"),
        (r"\boxed{4}, in \boxed notation", "4"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),  # braces that are printed group nothing
    ],
)
def test_the_final_answer_is_found(completion, answer):
    assert extract_answer(completion) == answer


@pytest.mark.parametrize(
    "completion",
    [
        *("", "   \n", "no idea", "12 eggs\n####", "12 eggs\n#### \n", r"12 eggs, \boxed{1", r"\boxed", "<answer> 1"),
        *(r"\boxed{1} and \boxed{", r"<think>\boxed{1}", "<think>a</think> 1 <think>", "#### " + "1" * 20_000),
    ],
)
def test_a_missing_or_cut_off_answer_is_empty_whatever_numbers_come_before(completion):
    assert extract_answer(completion) == ""


def test_braces_are_matched():
    assert braced("f{a{b}c}d}", 0) == "a{b}c"
    assert braced("f{a{b}c", 0) is None
    assert braced("none", 0) is None


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (r" $\boxed{ 7 }$. ", "7"),
        ("= = 7 . .", "7"),
        (r"1,\!000", "1,000"),
        (r"1\,000", "1 000"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),  # rows stay apart
        ("（１，２）", "(1,2)"),
        ("7\u200b\u200f", "7"),
        ("7\x008", "7 8"),
        ("√2 ≤ 2π", r"\sqrt{2} \leq 2\pi"),
        ("3½", r"3\frac{1}{2}"),
    ],
)
def test_an_answer_is_undressed(text, left):
    assert tidy(text) == left
