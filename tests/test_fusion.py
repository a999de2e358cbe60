"""The weighted sum of two legs' scores, to the fraction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.fusion import DENSE_WEIGHT, convex_combination


def test_scores_are_the_weighted_sums_of_scaled_scores() -> None:
    dense = [(7, 0.8), (3, 0.6), (5, 0.3)]
    lexical = [(3, 12.0), (9, 3.0)]
    assert convex_combination(dense, lexical, dense_weight=0.2) == [
        (3, pytest.approx(0.2 * 0.6 + 0.8)),
        (7, pytest.approx(0.2)),
        (9, pytest.approx(0.8 * 0.25)),
        (5, 0.0),
    ]


def test_by_default_words_weigh_more() -> None:
    assert DENSE_WEIGHT < 0.5
    assert [key for key, _ in convex_combination([(1, 0.9), (2, 0.1)], [(2, 5.0)])] == [2, 1]


def test_one_leg_alone_keeps_its_order() -> None:
    assert [key for key, _ in convex_combination([(4, 0.9), (2, 0.5), (9, -0.1)], [])] == [4, 2, 9]
    assert [key for key, _ in convex_combination([], [(4, 9.0), (2, 5.0), (9, 1.0)])] == [4, 2, 9]
    assert convex_combination([], []) == []


def test_equal_scores_are_ordered_by_key() -> None:
    assert convex_combination([(9, 0.5), (4, 0.5)], [], dense_weight=0.3) == [(4, 0.3), (9, 0.3)]
    assert [key for key, _ in convex_combination([], [(8, 2.0), (2, 2.0), (5, 2.0)])] == [2, 5, 8]


def leg(low: float, high: float) -> st.SearchStrategy[list[tuple[int, float]]]:
    pairs = st.tuples(st.integers(1, 20), st.floats(low, high, allow_nan=False))
    return st.lists(pairs, max_size=12, unique_by=lambda pair: pair[0])


@given(leg(-1, 1), leg(0, 50), st.floats(0, 1))
def test_every_key_once_between_0_and_1_best_first(
    dense: list[tuple[int, float]], lexical: list[tuple[int, float]], weight: float
) -> None:
    fused = convex_combination(dense, lexical, dense_weight=weight)
    assert dict(fused).keys() == {key for key, _ in [*dense, *lexical]}
    assert len(dict(fused)) == len(fused)
    assert all(0 <= score <= 1 + 1e-9 for _, score in fused)
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))


@given(leg(-1, 1), leg(0.1, 50))
def test_being_better_in_one_leg_never_hurts(
    dense: list[tuple[int, float]], lexical: list[tuple[int, float]]
) -> None:
    scores = dict(convex_combination(dense, lexical))
    in_lexical = dict(lexical)
    for key, score in dense:
        for other, lower in dense:
            if score > lower and in_lexical.get(key, 0.0) >= in_lexical.get(other, 0.0):
                assert scores[key] >= scores[other] - 1e-12
