"""Reciprocal rank fusion, to the fraction."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.fusion import RRF_K, reciprocal_rank_fusion


def test_scores_are_the_sums_of_reciprocal_ranks() -> None:
    assert RRF_K == 60
    assert reciprocal_rank_fusion([[7, 3, 5], [3, 9]]) == [
        (3, 1 / 62 + 1 / 61),
        (7, 1 / 61),
        (9, 1 / 62),
        (5, 1 / 63),
    ]


def test_weights_and_k() -> None:
    assert reciprocal_rank_fusion([[1, 2], [2, 1]], weights=[2.0, 1.0], k=1) == [
        (1, 2 / 2 + 1 / 3),
        (2, 2 / 3 + 1 / 2),
    ]


def test_equal_scores_are_ordered_by_key() -> None:
    assert [key for key, _ in reciprocal_rank_fusion([[9, 4], [4, 9]])] == [4, 9]
    assert [key for key, _ in reciprocal_rank_fusion([[8], [2], [5]])] == [2, 5, 8]


def test_nothing_to_fuse() -> None:
    assert reciprocal_rank_fusion([]) == []
    assert reciprocal_rank_fusion([[], []]) == []


def test_as_many_weights_as_rankings() -> None:
    with pytest.raises(ValueError, match="zip"):
        reciprocal_rank_fusion([[1], [2]], weights=[1.0])


RANKINGS = st.lists(st.lists(st.integers(1, 20), unique=True, max_size=12), max_size=4)


@given(RANKINGS)
def test_every_key_once_with_its_exact_score_best_first(rankings: list[list[int]]) -> None:
    fused = reciprocal_rank_fusion(rankings)
    assert {key for key, _ in fused} == {key for ranking in rankings for key in ranking}
    assert len(dict(fused)) == len(fused)
    for key, score in fused:
        exact = sum(
            (Fraction(1, 61 + ranking.index(key)) for ranking in rankings if key in ranking), Fraction()
        )
        assert score == pytest.approx(float(exact), abs=1e-12)
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))


@given(RANKINGS.filter(lambda rankings: len(rankings) == 2))
def test_the_order_of_two_rankings_does_not_matter(rankings: list[list[int]]) -> None:
    assert reciprocal_rank_fusion(rankings) == reciprocal_rank_fusion(rankings[::-1])
