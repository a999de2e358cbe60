"""The systems that can be evaluated: Tanya, and the two simple things it must be better than.

Each is a ``QuestionAnswerer`` made of the same parts, so that a difference in figures is one of method.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qa.answering import QuestionAnswerer, thresholds
from qa.chunking import sentence_spans
from qa.errors import InputError
from qa.evaluation import SystemName
from qa.fusion import dense_weights
from qa.index import NewsIndex
from qa.reader import SpanReader
from qa.retriever import HybridRetriever
from qa.sentences import Asked
from qa.spans import SpanModel
from qa.types import Candidate, Encoder, Hit, Language, Place, Reading

_NEVER_REFUSES: dict[Language, float] = {"en": 0.0, "id": 0.0}


@dataclass(frozen=True, slots=True)
class RareWordsReader:
    """The sentence with the most of the question's rare words; the share of their rarity it has is its probability.

    An English word counts as found where one of its Indonesian translations is, as in the lexical search.
    """

    rarity: Callable[[str], float]

    def read(self, question: str, language: Language, hits: Sequence[Hit]) -> Reading:
        """Return one candidate, from the best-ranked passage if several sentences have as much."""
        asked = Asked.of(question, language, self.rarity)
        return _best(hits, hits, lambda sentences: [asked.shared(sentence)[0] for sentence in sentences])


@dataclass(frozen=True, slots=True)
class NearestSentenceReader:
    """The sentence of the first passage that is nearest in meaning; its cosine, if positive, is its probability."""

    encoder: Encoder

    def read(self, question: str, language: Language, hits: Sequence[Hit]) -> Reading:
        """Return one candidate, of the first hit alone."""

        def cosines(sentences: list[str]) -> list[float]:
            vectors = self.encoder.encode_passages(sentences)
            found = vectors @ self.encoder.encode_queries([question])[0]
            return [float(cosine) for cosine in np.clip(found, 0.0, 1.0)]

        return _best(hits[:1], hits, cosines)


def build_system(
    name: SystemName,
    index: NewsIndex,
    encoder: Encoder,
    dense_weight: float | None = None,
    threshold: float | None = None,
) -> QuestionAnswerer:
    """Return the system of this name over ``index``, whose vectors are those of ``encoder``.

    ``tanya`` is what ``tanya ask`` uses. ``bm25-sentence`` finds passages by words alone and answers with the sentence
    that shares most rare words; ``dense-only`` finds them by meaning alone and answers with the nearest sentence of
    the first. These two never refuse unless nothing is found. ``dense_weight`` and ``threshold`` are what
    ``Settings`` say of them.

    Raises:
        InputError: ``dense_weight`` is given for a system that searches in one way alone, or ``threshold`` for one
            that never refuses.
    """
    if name != "tanya" and dense_weight is not None:
        raise InputError(
            f"the system {name} takes no --dense-weight, got {dense_weight:g}. Leave it out (and unset "
            "$TANYA_DENSE_WEIGHT), or use --system tanya"
        )
    if name != "tanya" and threshold is not None:
        raise InputError(
            f"the system {name} never refuses and takes no --threshold, got {threshold:g}. Leave it out (and unset "
            "$TANYA_THRESHOLD), or use --system tanya"
        )
    if name == "bm25-sentence":
        lexical = HybridRetriever(index, encoder, dense_weights(0.0))
        return QuestionAnswerer(index, lexical, RareWordsReader(index.rarity), _NEVER_REFUSES)
    if name == "dense-only":
        dense = HybridRetriever(index, encoder, dense_weights(1.0))
        return QuestionAnswerer(index, dense, NearestSentenceReader(encoder), _NEVER_REFUSES)
    both = HybridRetriever(index, encoder, dense_weights(dense_weight))
    reader = SpanReader(SpanModel.load_default(), index.rarity)
    return QuestionAnswerer(index, both, reader, thresholds(threshold))


def _best(read: Sequence[Hit], hits: Sequence[Hit], score: Callable[[list[str]], list[float]]) -> Reading:
    places = [
        Place(hit, hit.chunk.start + start, hit.chunk.start + end)
        for hit in read
        for start, end in sentence_spans(hit.chunk.text)
    ]
    if not places:
        return Reading([], list(hits))
    scores = score([place.text for place in places])
    best = max(range(len(places)), key=lambda place: scores[place])
    return Reading([Candidate(places[best], scores[best], sentences=True)], list(hits))
