"""The weighted sum of two legs' scores, to the fraction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.fusion import DENSE_WEIGHTS, convex_combination, dense_weights


def test_scores_are_the_weighted_sums_of_scaled_scores() -> None:
    dense = [(7, 0.8), (3, 0.6), (5, 0.3)]
    lexical = [(3, 12.0), (9, 3.0)]
    assert convex_combination(dense, lexical, dense_weight=0.2) == [
        (3, pytest.approx(0.2 * 0.6 + 0.8)),
        (7, pytest.approx(0.2)),
        (9, pytest.approx(0.8 * 0.25)),
        (5, 0.0),
    ]


@pytest.mark.parametrize(("weight", "order"), [(0.4, [2, 1]), (0.6, [1, 2])])
def test_the_heavier_leg_decides(weight: float, order: list[int]) -> None:
    fused = convex_combination([(1, 0.9), (2, 0.1)], [(2, 5.0)], dense_weight=weight)
    assert [key for key, _ in fused] == order


def test_one_share_holds_for_every_language_and_none_is_the_table() -> None:
    assert set(DENSE_WEIGHTS) == {"en", "id"}
    assert all(0 <= weight <= 1 for weight in DENSE_WEIGHTS.values())
    assert dense_weights(None) == DENSE_WEIGHTS
    assert dense_weights(0.0) == {"en": 0.0, "id": 0.0}


def test_one_leg_alone_keeps_its_order() -> None:
    dense, lexical = [(4, 0.9), (2, 0.5), (9, -0.1)], [(4, 9.0), (2, 5.0), (9, 1.0)]
    assert [key for key, _ in convex_combination(dense, [], dense_weight=0.3)] == [4, 2, 9]
    assert [key for key, _ in convex_combination([], lexical, dense_weight=0.3)] == [4, 2, 9]
    assert convex_combination([], [], dense_weight=0.3) == []


def test_equal_scores_are_ordered_by_key() -> None:
    assert convex_combination([(9, 0.5), (4, 0.5)], [], dense_weight=0.3) == [(4, 0.3), (9, 0.3)]
    lexical = [(8, 2.0), (2, 2.0), (5, 2.0)]
    assert [key for key, _ in convex_combination([], lexical, dense_weight=0.3)] == [2, 5, 8]


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


@given(leg(-1, 1), leg(0.1, 50), st.floats(0, 1))
def test_being_better_in_one_leg_never_hurts(
    dense: list[tuple[int, float]], lexical: list[tuple[int, float]], weight: float
) -> None:
    scores = dict(convex_combination(dense, lexical, dense_weight=weight))
    in_lexical = dict(lexical)
    for key, score in dense:
        for other, lower in dense:
            if score > lower and in_lexical.get(key, 0.0) >= in_lexical.get(other, 0.0):
                assert scores[key] >= scores[other] - 1e-12
