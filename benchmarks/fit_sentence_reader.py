"""Fit ``qa.reader.COEFFICIENTS`` on development data: ``python -m benchmarks.fit_sentence_reader DATA --index DIR``.

DATA, DIR and --model as for ``benchmarks.fit_fusion``, whose index is used: choose the weights there first, because the
hits come from the retriever as it is. For each language of question coefficients and threshold are fitted on one half
and the other half reports what they are worth. Every fourth passage is hidden from its questions, so that a quarter has
no answer among the hits. The halves are small (about 290 English, 700 Indonesian questions): mind the intervals.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.development import Development, Question, for_each_language, with_interval
from qa.reader import FEATURES, SentenceReader
from qa.retriever import HybridRetriever
from qa.types import Hit, Language

K = 5
THRESHOLDS = tuple(step / 100 for step in range(2, 61))


@dataclass(frozen=True, slots=True)
class Read:
    """What the reader sees of one question.

    ``features``: float64, shape ``(sentences, FEATURES)``; ``right``: bool, shape ``(sentences,)``, whether a sentence
    is of the right passage and holds an answer; ``found``: whether the right passage is among the hits and answers.
    """

    features: np.ndarray
    right: np.ndarray
    found: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """Arrays over questions: probability of the best sentence, whether it answers, what there was to find."""

    probability: np.ndarray
    first_is_right: np.ndarray
    some_is_right: np.ndarray
    found: np.ndarray

    def refused(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Return for the questions whose passage was found, and for the others, whether each is refused."""
        refused = self.probability < threshold
        return refused[self.found], refused[~self.found]


def is_hidden(question: Question) -> bool:
    """Whether the question is asked as if its passage were not in the index, as every fourth is."""
    # By another digit than the halves, so that both have a quarter.
    return int(question.article_id[-1], 16) % 4 == 0


def read(found: Development, reader: SentenceReader, question: Question) -> Read:
    """Retrieve for one question, and tell which of the sentences answer it."""
    right_id = question.article_id
    hits = HybridRetriever(found.index, found.encoder).search(question.text, k=2 * K)
    if is_hidden(question):
        hits = [hit for hit in hits if hit.article.id != right_id]
    hits = hits[:K]
    places, features = reader.features(question.text, found.language, hits)
    right = [hit.article.id == right_id and _holds(hit, span, question) for hit, span in places]
    present = bool(question.answers) and any(hit.article.id == right_id for hit in hits)
    return Read(features, np.array(right, dtype=bool), present)


def judge(rows: Sequence[Read], coefficients: np.ndarray, intercept: float) -> Judged:
    """Apply a model to what was read."""
    probability, first, some = [], [], []
    for row in rows:
        logits = row.features @ coefficients + intercept
        probability.append(float(1 / (1 + np.exp(-logits.max()))) if len(logits) else 0.0)
        first.append(bool(len(logits)) and bool(row.right[logits.argmax()]))
        some.append(bool(row.right.any()))
    return Judged(
        np.array(probability), np.array(first), np.array(some), np.array([row.found for row in rows])
    )


def choose_threshold(judged: Judged) -> float:
    """Return where as many are refused although their passage was found as are answered although it was not."""

    def imbalance(threshold: float) -> float:
        with_passage, without = judged.refused(threshold)
        return abs(float(with_passage.mean()) - float(1 - without.mean()))

    return min(THRESHOLDS, key=imbalance)


def fit(found: Development) -> tuple[list[float], float, float]:
    """Fit on the one half, print the figures of both; return coefficients, intercept and threshold, rounded."""
    from sklearn.linear_model import LogisticRegression

    reader = SentenceReader(found.index.rarity)
    rows = [read(found, reader, question) for question in found.choosing]
    model = LogisticRegression(C=1.0, max_iter=5000).fit(
        np.vstack([row.features for row in rows]), np.concatenate([row.right for row in rows])
    )
    coefficients, intercept = model.coef_[0].round(3), float(model.intercept_[0].round(3))
    judged = judge(rows, coefficients, intercept)
    threshold = choose_threshold(judged)
    print(f"\n{found.language}: {', '.join(FEATURES)}")
    report(f"fitted on {len(rows)} questions", judged, threshold)
    rows = [read(found, reader, question) for question in found.reporting]
    report(f"reported on {len(rows)} others", judge(rows, coefficients, intercept), threshold)
    return coefficients.tolist(), intercept, threshold


def report(title: str, judged: Judged, threshold: float) -> None:
    """Print what a model is worth on one half."""
    with_passage, without = judged.refused(threshold)
    answered = judged.first_is_right[judged.probability >= threshold]
    print(f"  {title}")
    for label, values in (
        ("right passage among five", judged.found),
        ("best sentence answers, where one does", judged.first_is_right[judged.some_is_right]),
        (f"refused below {threshold}, the passage found", with_passage),
        (f"refused below {threshold}, not found", without),
        ("right, of those answered", answered),
    ):
        print(f"    {label:45}{with_interval(values)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures of every language, and the lines for the code; return the exit code."""
    fitted: dict[Language, tuple[list[float], float, float]] = {}

    def step(found: Development) -> None:
        fitted[found.language] = fit(found)

    code = for_each_language(__doc__, step, argv)
    if code == 0:
        print("\nFor qa/reader.py:\nCOEFFICIENTS: dict[Language, tuple[float, ...]] = {")
        for language, (coefficients, _, _) in fitted.items():
            print(f'    "{language}": ({", ".join(f"{value:.3f}" for value in coefficients)}),')
        intercepts = ", ".join(f'"{language}": {one[1]:.3f}' for language, one in fitted.items())
        print(f"}}\nINTERCEPTS: dict[Language, float] = {{{intercepts}}}")
        thresholds = ", ".join(f'"{language}": {one[2]}' for language, one in fitted.items())
        print(f"\nFor qa/answering.py:\nTHRESHOLD: dict[Language, float] = {{{thresholds}}}")
    return code


def _holds(hit: Hit, span: tuple[int, int], question: Question) -> bool:
    return any(text in hit.article.text[span[0] : span[1]] for text in question.answers)


if __name__ == "__main__":
    sys.exit(main())
