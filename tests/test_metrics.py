"""Retrieval metrics and intervals, against plain implementations of the same definitions."""

from __future__ import annotations

import math
import random
import sys

import numpy as np
import pytest

from embeddings.errors import MetricError
from embeddings.metrics import (
    Estimate,
    area_under_risk_coverage,
    estimate,
    mean,
    percentile,
    retrieval_scores,
)


def plain_scores(ranking: list[str], grades: dict[str, int]) -> dict[str, float]:
    """The definitions, written down: gain is the grade, discounted by log2(rank + 1)."""
    gains = [max(grades.get(document, 0), 0) for document in ranking]
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)

    def discounted(values: list[int]) -> float:
        return sum(value / math.log2(rank + 1) for rank, value in enumerate(values[:10], start=1))

    relevant = sum(grade > 0 for grade in grades.values())
    first = next((rank for rank, gain in enumerate(gains[:10], start=1) if gain), None)
    return {
        "ndcg@10": discounted(gains) / discounted(ideal),
        "recall@1": sum(gain > 0 for gain in gains[:1]) / relevant,
        "recall@5": sum(gain > 0 for gain in gains[:5]) / relevant,
        "mrr@10": 1 / first if first else 0.0,
    }


def test_random_runs_agree_with_the_definitions() -> None:
    chance = random.Random(3)
    rankings, relevant = {}, {}
    for number in range(200):
        documents = [f"d{document}" for document in range(chance.randint(1, 120))]
        chance.shuffle(documents)
        rankings[f"q{number}"] = documents[: chance.randint(1, 100)]
        grades = {
            document: chance.randint(0, 3) for document in chance.sample(documents, len(documents) // 3)
        }
        relevant[f"q{number}"] = grades | {f"d{chance.randint(0, 150)}": 1}
    scores = retrieval_scores(rankings, relevant)
    for metric, by_query in scores.items():
        assert by_query.keys() == relevant.keys()
        for query, value in by_query.items():
            expected = plain_scores(rankings[query], relevant[query])[metric]
            assert value == pytest.approx(expected, abs=1e-6), (metric, query)


def test_the_order_given_counts_even_where_names_would_sort_otherwise() -> None:
    scores = retrieval_scores({"q": ["a", "z", "m"]}, {"q": {"z": 1}})
    assert scores["mrr@10"]["q"] == 0.5


def test_what_is_not_found_counts_as_missed_and_what_is_not_judged_does_not_count() -> None:
    scores = retrieval_scores(
        {"empty": [], "eleventh": [f"d{n}" for n in range(11)], "unjudged": ["x"]},
        {"absent": {"a": 1}, "empty": {"a": 1}, "eleventh": {"d10": 1}, "nothing": {"a": 0}},
    )
    assert scores["mrr@10"] == {"absent": 0.0, "empty": 0.0, "eleventh": 0.0}
    assert scores["ndcg@10"] == {"absent": 0.0, "empty": 0.0, "eleventh": 0.0}


def test_a_document_ranked_twice_is_no_ranking() -> None:
    with pytest.raises(MetricError, match="'q' names a document twice"):
        retrieval_scores({"q": ["a", "b", "a"]}, {"q": {"a": 1}})


def test_without_trec_eval_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytrec_eval", None)
    with pytest.raises(MetricError, match="pip install pytrec-eval-terrier"):
        retrieval_scores({"q": ["a"]}, {"q": {"a": 1}})


def test_few_rows() -> None:
    assert estimate(mean, []) == Estimate(None, None, None, 0)
    assert estimate(mean, [0.25]) == Estimate(0.25, None, None, 1)
    assert estimate(mean, [1.0, 1.0, 1.0]) == Estimate(1.0, 1.0, 1.0, 3)


def test_an_interval_is_the_same_every_time_and_near_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    first = estimate(mean, values)
    assert first == estimate(mean, values)
    error = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert first.value == pytest.approx(values.mean())
    assert first.low == pytest.approx(values.mean() - error, abs=0.05)
    assert first.high == pytest.approx(values.mean() + error, abs=0.05)


def test_percentiles_are_bounded_by_their_interval() -> None:
    figure = estimate(percentile(95), np.arange(1.0, 201.0))
    assert figure.value == pytest.approx(190.05)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < 190.05 < figure.high <= 200


@pytest.mark.parametrize(
    ("confidence", "loss", "expected"),
    [
        ([0.9, 0.8, 0.1], [0, 0, 1], (0 + 0 + 1 / 3) / 3),
        ([0.1, 0.8, 0.9], [0, 0, 1], (1 + 1 / 2 + 1 / 3) / 3),
        ([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 1], 0.5),
        ([0.9, 0.5, 0.5], [0, 1, 0], (0 + 0.25 + 1 / 3) / 3),
    ],
)
def test_area_under_risk_coverage(confidence: list[float], loss: list[float], expected: float) -> None:
    assert area_under_risk_coverage(np.array(confidence), np.array(loss)) == pytest.approx(expected)


def test_area_is_the_same_row_by_row() -> None:
    generator = np.random.default_rng(5)
    confidence = generator.integers(0, 4, (20, 30)) / 4
    loss = generator.integers(0, 2, (20, 30)).astype(float)
    together = area_under_risk_coverage(confidence, loss)
    assert together.tolist() == pytest.approx(
        [area_under_risk_coverage(*row) for row in zip(confidence, loss, strict=True)]
    )


def test_equally_confident_questions_count_as_if_shuffled() -> None:
    confidence = np.array([0.9, 0.4, 0.4, 0.4, 0.4])
    loss = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    generator = np.random.default_rng(2)
    shuffled = []
    for _ in range(4000):
        order = np.concatenate([[0], 1 + generator.permutation(4)])
        shuffled.append((np.cumsum(loss[order]) / np.arange(1, 6)).mean())
    assert area_under_risk_coverage(confidence, loss) == pytest.approx(np.mean(shuffled), abs=0.01)
