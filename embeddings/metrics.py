"""How good a ranking is, and how sure that is: retrieval metrics by trec_eval, bootstrap intervals by scipy.

Knows names of queries and documents, and arrays of values; knows nothing of articles, models or files. Pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embeddings.errors import MetricError

RETRIEVAL_METRICS = ("ndcg@10", "recall@1", "recall@5", "mrr@10")

RESAMPLES = 1_000
CONFIDENCE = 0.95
SEED = 20_230_519

_BATCH_VALUES = 2_000_000
"""Values resampled at a time: 16 MB of float64 a column."""

Statistic = Callable[..., Any]
"""Columns of equal shape ``(…, n)`` to the statistic of each row, shape ``(…)``; must take ``axis``."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over ``n`` questions with the bounds of its 95 % interval; ``None`` where there is too little to say."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def retrieval_scores(
    rankings: Mapping[str, Sequence[str]], relevant: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, float]]:
    """Return ``RETRIEVAL_METRICS`` (0 to 1) of every query of ``relevant`` that has a relevant document.

    Args:
        rankings: document names by query, best first, each once; a query that is missing found nothing.
        relevant: grades by query and document; 0 and less mean not relevant. nDCG takes the grade as gain.

    Returns:
        By metric, then by query. A document that is relevant but not ranked counts as missed.

    Raises:
        MetricError: trec_eval is not installed, or a ranking names a document twice.
    """
    judged = {
        query: {document: int(grade) for document, grade in grades.items()}
        for query, grades in relevant.items()
        if any(grade > 0 for grade in grades.values())
    }
    scores: dict[str, dict[str, float]] = {metric: dict.fromkeys(judged, 0.0) for metric in RETRIEVAL_METRICS}
    runs = {query: _as_run(query, rankings[query]) for query in judged if rankings.get(query)}
    if not runs:
        return scores
    whole = _trec_eval(judged, runs, {"ndcg_cut.10", "recall.1,5"})
    # trec_eval knows no cut for the reciprocal rank: it gets the first ten alone.
    firsts = {query: _as_run(query, rankings[query][:10]) for query in runs}
    reciprocal = _trec_eval(judged, firsts, {"recip_rank"})
    for query, found in whole.items():
        scores["ndcg@10"][query] = found["ndcg_cut_10"]
        scores["recall@1"][query] = found["recall_1"]
        scores["recall@5"][query] = found["recall_5"]
        scores["mrr@10"][query] = reciprocal[query]["recip_rank"]
    return scores


def estimate(statistic: Statistic, *columns: Sequence[float] | np.ndarray, seed: int = SEED) -> Estimate:
    """Return ``statistic(*columns)`` with its percentile bootstrap interval, resampling the rows of ``columns``.

    Args:
        statistic: see ``Statistic``; ``mean`` and ``area_under_risk_coverage`` are two.
        columns: equally long, one value a question.
        seed: the same seed gives the same interval.

    With no rows there is no value, with one row no interval. Rows that are all alike give an interval of no width,
    which says that resampling cannot tell, not that the figure is certain.
    """
    from scipy.stats import bootstrap

    data = tuple(np.asarray(column, dtype=np.float64) for column in columns)
    n = len(data[0])
    if n == 0:
        return Estimate(None, None, None, 0)
    value = float(statistic(*data, axis=-1))
    if n == 1:
        return Estimate(value, None, None, 1)
    interval = bootstrap(
        data,
        statistic,
        n_resamples=RESAMPLES,
        batch=max(1, min(RESAMPLES, _BATCH_VALUES // n)),
        vectorized=True,
        paired=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), n)


def mean(values: np.ndarray, axis: int = -1) -> Any:
    """Return the mean along ``axis``."""
    return np.mean(values, axis=axis)


def percentile(share: float) -> Statistic:
    """Return the statistic that is the ``share``-th percentile (0 to 100), interpolated."""

    def statistic(values: np.ndarray, axis: int = -1) -> Any:
        return np.percentile(values, share, axis=axis)

    return statistic


def area_under_risk_coverage(confidence: np.ndarray, loss: np.ndarray, axis: int = -1) -> Any:
    """Return the mean over k of the mean loss of the k most confident: 0 is best, the mean loss is what chance gives.

    Equally confident questions count as if shuffled: each is given the mean loss of all of them.
    ``axis`` must be the last, along which both have the same length.
    """
    confidence, loss = np.atleast_2d(confidence), np.atleast_2d(loss)
    order = np.argsort(-confidence, axis=-1, kind="stable")
    confidence = np.take_along_axis(confidence, order, axis=-1)
    loss = np.take_along_axis(loss, order, axis=-1)
    starts = np.ones(confidence.shape, dtype=bool)
    starts[:, 1:] = confidence[:, 1:] != confidence[:, :-1]
    tie = np.cumsum(starts.ravel()) - 1  # every row starts a tie of its own, so none spans two rows
    shared = (np.bincount(tie, weights=loss.ravel()) / np.bincount(tie))[tie].reshape(loss.shape)
    risks = np.cumsum(shared, axis=-1) / np.arange(1, loss.shape[-1] + 1)
    areas = risks.mean(axis=-1)
    return areas if areas.size > 1 else areas[0]


def _as_run(query: str, documents: Sequence[str]) -> dict[str, float]:
    """Return scores that keep the given order: trec_eval sorts by score, and equal ones by name."""
    run = {document: float(-rank) for rank, document in enumerate(documents)}
    if len(run) < len(documents):
        raise MetricError(f"the ranking of query {query!r} names a document twice")
    return run


def _trec_eval(
    judged: Mapping[str, Mapping[str, int]], runs: Mapping[str, Mapping[str, float]], measures: set[str]
) -> dict[str, dict[str, float]]:
    try:
        import pytrec_eval
    except ImportError as error:
        raise MetricError(
            "retrieval metrics need trec_eval, which is not installed: "
            "pip install pytrec-eval-terrier (where it has no wheel, with a C compiler)"
        ) from error
    asked = {query: judged[query] for query in runs}
    evaluated: dict[str, dict[str, float]] = pytrec_eval.RelevanceEvaluator(asked, measures).evaluate(runs)
    return evaluated
