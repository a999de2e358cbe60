"""Fit the numbers of ``qa.reader`` on development data: ``python -m benchmarks.fit_reader DATA --index DIR``.

DATA, DIR and --model as for ``benchmarks.fit_fusion``, whose index is used: choose the weights there first, because the
hits come from the retriever as it is. For each language of question the coefficients and the threshold are fitted on
one half and the other half reports what they are worth. Every fourth passage is hidden from its questions, so that a
quarter has no answer among the hits. The halves are small (about 290 English, 700 Indonesian questions): mind the
intervals.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.development import Development, Question, for_each_language, with_interval
from embeddings.metrics import area_under_risk_coverage
from qa.evaluation.metrics import answers_rightly
from qa.reader import FEATURES, Group, SpanReader
from qa.retriever import HybridRetriever
from qa.spans import Passage, ScoredSpan, SpanModel
from qa.types import Hit, Language

K = 8
GROUPS = 3
"""Groups of a question that coefficients are fitted to: the strongest and those that might take its place."""
WEIGHTS = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 20.0)
"""Retrieval weights that are tried."""
REFUSED = 0.8
"""Share of the questions without an answer that a threshold refuses, where it is fitted."""


@dataclass(frozen=True, slots=True)
class Read:
    """What the reader made of one question.

    ``features``: float64, shape ``(groups, FEATURES)``; ``right``: bool, shape ``(groups,)``, whether a group answers;
    ``answerable``: whether an answer stands in one of the hits.
    """

    features: np.ndarray
    right: np.ndarray
    answerable: bool


@dataclass(frozen=True, slots=True)
class Fitted:
    """The numbers of one language."""

    weight: float
    coefficients: tuple[float, ...]
    intercept: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Arrays over questions: probability of the best group, whether it answers, whether there was an answer."""

    probability: np.ndarray
    right: np.ndarray
    answerable: np.ndarray


def is_hidden(question: Question) -> bool:
    """Whether the question is asked as if its passage were not in the index, as every fourth is."""
    # By another digit than the halves, so that both have a quarter.
    return int(question.article_id[-1], 16) % 4 == 0


def hits_for(found: Development, question: Question) -> list[Hit]:
    """Return the ``K`` best hits, without the passage of a hidden question."""
    hits = HybridRetriever(found.index, found.encoder).search(question.text, k=2 * K)
    if is_hidden(question):
        hits = [hit for hit in hits if hit.article.id != question.article_id]
    return hits[:K]


def read(found: Development, reader: SpanReader, question: Question, hits: Sequence[Hit]) -> Read:
    """Read the hits of one question, and tell which of the groups answer it."""
    groups: Sequence[Group] = reader.groups(question.text, found.language, hits)[:GROUPS]
    right = [answers_rightly(group.places[0].text, question.answers) for group in groups]
    present = bool(question.answers) and any(hit.article.id == question.article_id for hit in hits)
    features = reader.features(question.text, found.language, hits, groups)
    return Read(features, np.array(right, dtype=bool), present)


def judge(rows: Sequence[Read], coefficients: np.ndarray, intercept: float) -> Judged:
    """Apply coefficients to what was read."""
    probability, right = [], []
    for row in rows:
        logits = row.features @ coefficients + intercept
        probability.append(float(1 / (1 + np.exp(-logits.max()))) if len(logits) else 0.0)
        right.append(bool(len(logits)) and bool(row.right[logits.argmax()]))
    return Judged(np.array(probability), np.array(right), np.array([row.answerable for row in rows]))


def choose_threshold(judged: Judged) -> float:
    """Return the least probability, in hundredths, that refuses ``REFUSED`` of the questions without an answer."""
    return float(np.ceil(100 * np.quantile(judged.probability[~judged.answerable], REFUSED)) / 100)


class Remembering:
    """A model that reads every question's passages once, however often it is asked."""

    def __init__(self, model: SpanModel) -> None:
        self._model = model
        self._known: dict[tuple[str, tuple[Passage, ...]], list[ScoredSpan]] = {}

    def score(self, question: str, passages: Sequence[Passage]) -> list[ScoredSpan]:
        """Return what the model said."""
        key = question, tuple(passages)
        if key not in self._known:
            self._known[key] = self._model.score(question, passages)
        return self._known[key]


def fit(found: Development) -> Fitted:
    """Fit on the one half, print the figures of both; return what was fitted, rounded."""
    from sklearn.linear_model import LogisticRegression

    remembering = Remembering(SpanModel.load_default())
    hits = {question.id: hits_for(found, question) for question in found.choosing + found.reporting}

    def read_half(asked: Sequence[Question], weight: float) -> list[Read]:
        reader = SpanReader(remembering, found.index.rarity, {found.language: weight})
        return [read(found, reader, question, hits[question.id]) for question in asked]

    print(f"\n{found.language}: right by retrieval weight, where an answer stands in one of the hits")
    weighed = {weight: read_half(found.choosing, weight) for weight in WEIGHTS}
    for weight, rows in weighed.items():
        print(f"  {weight:4.1f} {with_interval(strongest_right(rows))}")
    weight = max(WEIGHTS, key=lambda weight: strongest_right(weighed[weight]).mean())
    rows = weighed[weight]
    model = LogisticRegression(C=1.0, max_iter=5000).fit(
        np.vstack([row.features for row in rows]), np.concatenate([row.right for row in rows])
    )
    coefficients, intercept = model.coef_[0].round(3), float(model.intercept_[0].round(3))
    judged = judge(rows, coefficients, intercept)
    threshold = choose_threshold(judged)
    print(f"{found.language}, retrieval weight {weight}: {', '.join(FEATURES)}")
    report(f"fitted on {len(rows)} questions", rows, judged, threshold)
    rows = read_half(found.reporting, weight)
    report(f"reported on {len(rows)} others", rows, judge(rows, coefficients, intercept), threshold)
    return Fitted(weight, tuple(coefficients.tolist()), intercept, threshold)


def strongest_right(rows: Sequence[Read]) -> np.ndarray:
    """Return, for the questions with an answer in one of the hits, whether the strongest group is right."""
    return np.array([bool(row.right.any()) and bool(row.right[0]) for row in rows if row.answerable])


def report(title: str, rows: Sequence[Read], judged: Judged, threshold: float) -> None:
    """Print what coefficients are worth on one half."""
    answered = judged.probability >= threshold
    print(f"  {title}")
    for label, values in (
        ("an answer stands in one of the hits", judged.answerable),
        ("the strongest group is right, where one stands", strongest_right(rows)),
        ("the most probable group is right, where one stands", judged.right[judged.answerable]),
        (f"refused below {threshold}, an answer stands", ~answered[judged.answerable]),
        (f"refused below {threshold}, none stands", ~answered[~judged.answerable]),
        ("right, of those answered", judged.right[answered]),
    ):
        print(f"    {label:52}{with_interval(values)}")
    area = area_under_risk_coverage(judged.probability, 1.0 - judged.right)
    print(f"    {'area under risk and coverage':52}{area:.3f}")
    print(f"    {'probability: said, right, questions':52}{reliability(judged)}")


def reliability(judged: Judged) -> str:
    """Return for five bins of the probability what was said, what was right and how many questions fell into it."""
    parts = []
    for low in np.arange(0, 1, 0.2):
        inside = (judged.probability >= low) & (judged.probability < low + 0.2)
        if inside.any():
            said, right = judged.probability[inside].mean(), judged.right[inside].mean()
            parts.append(f"{said:.2f} {right:.2f} {inside.sum()}")
    return "; ".join(parts)


def by_language(fitted: dict[Language, Fitted], name: str) -> dict[Language, Any]:
    """Return one of the numbers of each language."""
    return {language: getattr(one, name) for language, one in fitted.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures of every language, and the lines for the code; return the exit code."""
    fitted: dict[Language, Fitted] = {}

    def step(found: Development) -> None:
        fitted[found.language] = fit(found)

    code = for_each_language(__doc__, step, argv)
    if code == 0:
        print("\nFor qa/reader.py:")
        print(f"RETRIEVAL_WEIGHT: dict[Language, float] = {by_language(fitted, 'weight')}")
        print(f"COEFFICIENTS: dict[Language, tuple[float, ...]] = {by_language(fitted, 'coefficients')}")
        print(f"INTERCEPTS: dict[Language, float] = {by_language(fitted, 'intercept')}")
        print("\nFor qa/answering.py:")
        print(f"THRESHOLD: dict[Language, float] = {by_language(fitted, 'threshold')}")
    return code


if __name__ == "__main__":
    sys.exit(main())
