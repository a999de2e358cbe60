"""Finds wrong passages that look right: what the model ranks high for a question and does not answer it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.training.data import Example, normalised
from embeddings.training.student import Student
from embeddings.training.tasks import Corpus
from embeddings.training.written import Question

DISTRACTORS = 12_000
"""Paragraphs of encyclopedia and of news, each, among which near misses are sought."""
DEPTH = 40
KEPT = 8
ALIKE = 24
"""How many written questions about like things are known of each."""
QUESTIONS = 2_048
"""Questions ranked at a time: their scores take about 250 MB."""


def mine(student: Student, corpus: Corpus, seed: int) -> dict[str, list[str]]:
    """Return up to ``KEPT`` wrong passages by question, nearest first.

    A passage that contains the answer is no miss. Indonesian questions are sought among all Indonesian passages of
    the corpus and ``DISTRACTORS``; English ones among the English passages.
    """
    chance = np.random.default_rng(seed)
    indonesian = [pair[1] for group in corpus.translated for pair in group]
    indonesian += [example for group in corpus.indonesian for example in group]
    crowd = [lead for _, lead in corpus.articles[:DISTRACTORS]]
    paragraphs = [text for _, article, _ in corpus.news for text in article]
    crowd += [paragraphs[number] for number in chance.permutation(len(paragraphs))[:DISTRACTORS]]
    found = dict(_misses(student, indonesian, crowd))
    found.update(_misses(student, [example for group in corpus.english for example in group], []))
    return found


def _misses(student: Student, asked: Sequence[Example], crowd: list[str]) -> Iterator[tuple[str, list[str]]]:
    passages = list(dict.fromkeys([*(example.passage for example in asked), *crowd]))
    vectors = student.encode(passages)
    plain = [f" {normalised(text)} " for text in passages]
    right: dict[str, list[Example]] = {}
    for example in asked:
        right.setdefault(example.query, []).append(example)
    for start in range(0, len(asked), QUESTIONS):
        part = asked[start : start + QUESTIONS]
        scores = student.encode([example.query for example in part]) @ vectors.T
        nearest = (
            np.argpartition(-scores, DEPTH, axis=1)[:, :DEPTH]
            if len(passages) > DEPTH
            else np.argsort(-scores)
        )
        for row, example in enumerate(part):
            ranked = sorted(nearest[row], key=lambda number: -scores[row, number])
            own = {other.passage for other in right[example.query]}
            answers = {f" {normalised(other.answer)} " for other in right[example.query]}
            wrong = [
                passages[number]
                for number in ranked
                if passages[number] not in own and not any(answer in plain[number] for answer in answers)
            ]
            yield example.query, wrong[:KEPT]


def alike(teacher: Student, questions: Sequence[Question]) -> NDArray[np.int64]:
    """Return for each question the ``ALIKE`` others whose gists are most similar, nearest first.

    Shape ``(questions, min(ALIKE, questions - 1))``.
    """
    wanted = min(ALIKE, max(len(questions) - 1, 0))
    found = np.empty((len(questions), wanted), dtype=np.int64)
    if not wanted:
        return found
    vectors = teacher.encode([question.gist for question in questions])
    for start in range(0, len(questions), QUESTIONS):
        scores = vectors[start : start + QUESTIONS] @ vectors.T
        for row, line in enumerate(scores, start=start):
            line[row] = -np.inf
            nearest = np.argpartition(-line, wanted - 1)[:wanted]
            found[row] = nearest[np.argsort(-line[nearest], kind="stable")]
    return found
