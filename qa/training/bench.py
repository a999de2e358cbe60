"""How well a reader reads: F1 by SQuAD's rule on development questions, each with its own passage.

``python -m qa.training.bench DATA --model DIR``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embeddings.errors import EmbeddingError
from embeddings.metrics import estimate, mean
from qa.evaluation.metrics import answers_rightly
from qa.evaluation.normalise import exact_match, f1
from qa.spans import SpanModel
from qa.training.rows import Row, development_rows

LEAST_ODDS = -30.0
"""Of a row in which nothing was found."""
REFUSED = 0.75
"""Share of the unanswerable questions that a threshold must refuse."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a reader made of the rows of a set, arrays over rows.

    ``f1`` and ``exact`` (match), 0 to 1, of its best span by SQuAD's rule, and ``odds`` of that span, float64; whether
    it is ``right`` as ``tanya evaluate`` judges it, and whether the row is ``answerable``, bool.
    """

    f1: np.ndarray
    exact: np.ndarray
    odds: np.ndarray
    right: np.ndarray
    answerable: np.ndarray

    @property
    def threshold(self) -> float:
        """The least odds at which ``REFUSED`` of the unanswerable are refused; minus infinity without any."""
        odds = self.odds[~self.answerable]
        return float(np.quantile(odds, REFUSED)) if len(odds) else float("-inf")

    def f1_at(self, threshold: float) -> np.ndarray:
        """Return the F1 of the answerable questions, 0 where the span is below ``threshold``."""
        kept: np.ndarray = np.where(self.odds > threshold, self.f1, 0.0)[self.answerable]
        return kept


def judge_rows(model: SpanModel, rows: Sequence[Row]) -> Judged:
    """Read every row with its own passage."""
    scores, exact, odds, right = [], [], [], []
    for row in rows:
        spans = model.score(row.question, [row.passage], 1)
        best = spans[0] if spans else None
        text = row.passage.text[best.start : best.end] if best else ""
        scores.append(f1(text, row.texts, "squad"))
        exact.append(exact_match(text, row.texts, "squad"))
        odds.append(best.odds if best else LEAST_ODDS)
        right.append(answers_rightly(text, row.texts, "squad"))
    return Judged(
        np.array(scores),
        np.array(exact),
        np.array(odds),
        np.array(right),
        np.array([bool(row.answers) for row in rows]),
    )


def describe(name: str, reading: Judged) -> str:
    """Return a line with the figures of a set, 95 % intervals in brackets."""
    found = estimate(mean, reading.f1[reading.answerable])
    line = (
        f"{name:16}{reading.answerable.sum():6} answerable: F1 {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
        f"  exact {reading.exact[reading.answerable].mean():.3f}"
    )
    if not reading.answerable.all():
        threshold = reading.threshold
        line += (
            f"; {(~reading.answerable).sum()} unanswerable: with {REFUSED:.0%} of them refused (odds over "
            f"{threshold:.2f}) F1 {reading.f1_at(threshold).mean():.3f}"
        )
    return line


def calibrate(judged: Sequence[Judged]) -> tuple[float, float]:
    """Return slope and intercept that make of odds the probability that a span is right (Platt 1999).

    What is right is as ``tanya evaluate`` judges it. Every set counts as much as any other.
    """
    from sklearn.linear_model import LogisticRegression

    odds = np.concatenate([reading.odds for reading in judged])
    right = np.concatenate([reading.right for reading in judged])
    weights = np.concatenate([np.full(len(reading.odds), 1 / len(reading.odds)) for reading in judged])
    model = LogisticRegression(C=1e6).fit(odds[:, None], right, len(odds) * weights / weights.sum())
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of every development set; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m qa.training.bench", description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the training data")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="folder of the reader")
    options = parser.parse_args(arguments)
    try:
        model = SpanModel.load(options.model)
        judged = []
        for name, rows in development_rows(options.data).items():
            judged.append(judge_rows(model, rows))
            print(describe(name, judged[-1]), flush=True)
        slope, intercept = calibrate(judged)
        print(f"For qa/reader.py: PASSAGE_CALIBRATION = ({slope:.3f}, {intercept:.3f})")
    except EmbeddingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
