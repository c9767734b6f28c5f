"""What the trained towers have to beat, given its best chance."""

from __future__ import annotations

import numpy as np

from repro.difficulty import attention
from repro.difficulty.baselines import PENALTIES, Surface, ridge, surface_labels, surface_references, untrained
from tests.difficulty.worlds import planted


def sums(count: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Questions whose failure rate is a line in their number of operators."""
    generator = np.random.default_rng(seed)
    texts = ["".join(generator.choice(list("12 +*A"), generator.integers(4, 12))) for _ in range(count)]
    operators = np.array([sum(c in "+*" for c in text) for text in texts])
    return texts, np.clip(0.1 + 0.08 * operators, 0, 1)


def test_surface_counts_length_symbols_and_upper_case() -> None:
    surface = Surface(["1+1", "F(2) + é"])
    assert surface.symbols == ["(", ")", "+", "F"]
    np.testing.assert_allclose(surface(["1+1", "F(2) + é"]), [[-1, -1, -1, 0, -1], [1, 1, 1, 0, 1]])
    assert surface(["++"])[0, 3] == 0, "a count that never varied says nothing"


def test_ridge_equals_the_normal_equations_at_the_penalty_of_least_left_out_error() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((12, 3)), generator.random(12)

    def solve(rows: np.ndarray, penalty: float) -> np.ndarray:
        a = np.column_stack([np.ones(len(rows)), x[rows]])
        return np.linalg.solve(a.T @ a + penalty * np.diag([0.0, 1, 1, 1]), a.T @ y[rows])

    everything = np.arange(12)

    def left_out_error(penalty: float) -> float:
        fits = [(i, solve(np.delete(everything, i), penalty)) for i in everything]
        return float(np.mean([(w[0] + x[i] @ w[1:] - y[i]) ** 2 for i, w in fits]))

    best = min(PENALTIES, key=left_out_error)
    np.testing.assert_allclose(ridge(x, y), solve(everything, float(best)), atol=1e-9)


def test_a_line_in_the_operators_is_found_from_labels_and_from_references() -> None:
    fitted, known = sums(200, 0)
    texts, truth = sums(60, 1)
    rows = np.arange(16)
    for method in (surface_labels(texts, fitted, known), surface_references(texts)):
        np.testing.assert_allclose(method(rows, truth[rows]), truth, atol=0.02)
    flipped = surface_labels(texts, fitted, 1 - known)(rows, truth[rows])
    np.testing.assert_allclose(flipped, truth[rows].mean(), err_msg="a slope is never below 0")


def test_untrained_is_attention_over_whitened_embeddings() -> None:
    embeddings, rates = planted(50, 1)
    rows = np.arange(0, 50, 4)
    expected = attention.predict(attention.whiten(embeddings), rows, 1 - rates[0, rows]).failure
    np.testing.assert_array_equal(untrained(embeddings)(rows, 1 - rates[0, rows]), expected)
