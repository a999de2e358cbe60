"""Which words of the retrieved passages answer the question, and how sure that is.

Every passage is read by ``spans.SpanModel``; the spans of all of them compete under one normalisation, those that say
the same are counted together, and a logistic regression over features with names makes a probability of it. A question
for an explanation, or for a yes or no, gets sentences instead: the reader points, it does not conclude.
Knows hits and spans; knows nothing of pages or stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qa.chunking import Span
from qa.questions import kind_of
from qa.sentences import Asked, SentenceReader, sentence_around
from qa.spans import Passage, ScoredSpan, SpanModel
from qa.terms import stem, words
from qa.types import Candidate, Hit, Language, Place, Reading

RETRIEVAL_WEIGHT: dict[Language, float] = {"en": 12.0, "id": 12.0}
"""What the retrieval score (0 to 1) of its passage adds to the odds of a span. Chosen, as all these numbers, by
``benchmarks/fit_reader.py``."""

FEATURES = (
    "group_odds",
    "span_odds",
    "retrieval",
    "first_place",
    "margin",
    "passage_words",
    "sentence_words",
    "no_name",
    "expected_kind",
)
COEFFICIENTS: dict[Language, tuple[float, ...]] = {
    "en": (0.73, 0.041, 2.934, 0.16, -0.435, -0.11, 1.523, 0.123, 0.402),
    "id": (0.497, 0.125, 2.368, 0.52, -0.28, 0.094, 0.761, -0.861, 0.09),
}
INTERCEPTS: dict[Language, float] = {"en": -4.575, "id": -4.412}

PASSAGE_CALIBRATION = (0.230, 0.072)
"""Slope and intercept that make a probability of the odds of a span in a passage that was given, not found."""
PASSAGE_THRESHOLD = 0.4
"""Least probability at which such a passage is said to answer: three quarters of the unanswerable questions of IDK-MRC
valid, those nearest to answerable ones, are below 0.389."""

SUPPORT_MARGIN = 3.0
"""How much weaker another place may be that is cited for the same words: a mere mention of a name proves nothing."""

SENTENCES = 3
"""Most sentences of an explanation."""
SENTENCE_SHARE = 0.4
"""A further sentence of an explanation is at least this share as probable as the best of its passage."""


@dataclass(frozen=True, slots=True)
class Group:
    """Places that say the same, the strongest first; ``share`` is what they have of the one normalisation (0 to 1).

    ``strengths``: of each place its odds with the retrieval counted in; ``odds``: of the strongest place, as
    ``ScoredSpan`` has them.
    """

    places: tuple[Place, ...]
    strengths: tuple[float, ...]
    share: float
    odds: float

    @property
    def strength(self) -> float:
        """That of the strongest place."""
        return self.strengths[0]


@dataclass(frozen=True, slots=True)
class SpanReader:
    """Finds the exact words. Safe to use from several threads.

    ``rarity``: how rare a word of ``terms.words()`` is in the archive, as ``NewsIndex.rarity`` tells; 0 or more.
    """

    model: SpanModel
    rarity: Callable[[str], float]
    retrieval_weight: Mapping[Language, float] = field(default_factory=lambda: RETRIEVAL_WEIGHT)

    def read(self, question: str, language: Language, hits: Sequence[Hit]) -> Reading:
        """Return what may answer, and the hits by the strength of their best span."""
        groups = self.groups(question, language, hits)
        if not groups:
            return Reading([], list(hits))
        logits = self.features(question, language, hits, groups) @ np.array(COEFFICIENTS[language])
        probabilities = 1.0 / (1.0 + np.exp(-(logits + INTERCEPTS[language])))
        order = sorted(range(len(groups)), key=lambda number: -probabilities[number])
        found = [_candidate(groups[number], float(probabilities[number])) for number in order]
        kind = kind_of(question, language)
        if kind == "yes_no":
            found = _once([_in_sentences(each, [sentence_around(each.place)]) for each in found])
        elif kind == "explanation":
            found = _once([self._explained(question, language, each) for each in found])
        return Reading(found, _reranked(hits, groups))

    def groups(self, question: str, language: Language, hits: Sequence[Hit]) -> list[Group]:
        """Return the spans of ``hits``, those that say the same together, the strongest first."""
        scored: dict[tuple[str, int, int], tuple[float, float, Place]] = {}
        for span in self.model.score(question, _passages(hits)):
            hit = hits[span.passage]
            place = _place(hit, span)
            strength = span.odds + self.retrieval_weight[language] * hit.score
            key = (hit.article.id, place.start, place.end)
            # A sentence that two chunks share is read twice and counts once.
            if key not in scored or scored[key][0] < strength:
                scored[key] = (strength, span.odds, place)
        return _grouped(sorted(scored.values(), key=lambda each: -each[0]))

    def features(
        self, question: str, language: Language, hits: Sequence[Hit], groups: Sequence[Group]
    ) -> np.ndarray:
        """Return the float64 features ``(groups, FEATURES)`` of groups found in ``hits``."""
        asked = Asked.of(question, language, self.rarity)
        ranks = {hit.chunk.id: rank for rank, hit in enumerate(hits)}
        rows = []
        for group in groups:
            place = group.places[0]
            hit = place.hit
            others = [other.strength for other in groups[:2] if other is not group]
            sentence = hit.article.text[slice(*sentence_around(place))]
            in_passage = asked.shared(f"{hit.article.title or ''}\n{hit.chunk.text}")
            rows.append(
                (
                    float(np.log(group.share / (1 - group.share))),
                    group.odds,
                    hit.score,
                    float(ranks[hit.chunk.id] == 0),
                    float(np.clip(group.strength - others[0], -10, 10)) if others else 10.0,
                    in_passage[0],
                    asked.shared(sentence)[0],
                    float(bool(asked.names) and in_passage[1] == 0.0),
                    asked.kind_found(place.text),
                )
            )
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURES))

    def _explained(self, question: str, language: Language, candidate: Candidate) -> Candidate:
        """Return the sentence of a span with those of its passage that explain most, in reading order."""
        hit = candidate.place.hit
        own = sentence_around(candidate.place)
        ranked = SentenceReader(self.rarity).read(question, language, [hit]).candidates
        best = ranked[0].probability if ranked else 0.0
        others = [
            (each.place.start, each.place.end)
            for each in ranked
            if each.probability >= SENTENCE_SHARE * best
            and (each.place.end <= own[0] or each.place.start >= own[1])
        ]
        return _in_sentences(candidate, sorted([own, *others[: SENTENCES - 1]]))


@dataclass(frozen=True, slots=True)
class PassageReader:
    """Finds the exact words in passages apart from any retrieval, as ``tanya read`` does."""

    model: SpanModel

    def read(self, question: str, language: Language, hits: Sequence[Hit]) -> Reading:
        """Return spans, the most probable first, and the hits as they are."""
        spans = self.model.score(question, _passages(hits))
        slope, intercept = PASSAGE_CALIBRATION
        found = [
            Candidate(
                _place(hits[span.passage], span),
                float(1.0 / (1.0 + np.exp(-(slope * span.odds + intercept)))),
            )
            for span in spans
        ]
        return Reading(found, list(hits))


def _passages(hits: Sequence[Hit]) -> list[Passage]:
    return [Passage(hit.chunk.text, hit.article.title or "") for hit in hits]


def _place(hit: Hit, span: ScoredSpan) -> Place:
    return Place(hit, hit.chunk.start + span.start, hit.chunk.start + span.end)


def _grouped(scored: Sequence[tuple[float, float, Place]]) -> list[Group]:
    """Put places together whose words are the same, or whose words are all in those of a stronger one, or hold them.

    ``scored``: strength, odds and place, the strongest first.
    """
    strengths = np.array([0.0, *(strength for strength, _, _ in scored)])
    shares = np.exp(strengths - strengths.max())
    shares = shares[1:] / shares.sum()
    groups: list[tuple[tuple[str, ...], list[int]]] = []
    for number, (_, _, place) in enumerate(scored):
        said = tuple(stem(word) for word in words(place.text))
        for known, numbers in groups:
            if _say_the_same(said, known):
                numbers.append(number)
                break
        else:
            groups.append((said, [number]))
    found = [
        Group(
            tuple(scored[number][2] for number in numbers),
            tuple(scored[number][0] for number in numbers),
            float(np.clip(sum(shares[number] for number in numbers), 1e-6, 1 - 1e-6)),
            scored[numbers[0]][1],
        )
        for _, numbers in groups
    ]
    return sorted(found, key=lambda group: -group.share)


def _say_the_same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the words of one are those of the other, or a run in them: "Lavrov" and "Menlu Sergei Lavrov"."""
    shorter, longer = sorted((one, other), key=len)
    if not shorter:
        return False
    starts = range(len(longer) - len(shorter) + 1)
    near = len(longer) <= 3 * len(shorter) + 2
    return near and any(longer[start : start + len(shorter)] == shorter for start in starts)


def _candidate(group: Group, probability: float) -> Candidate:
    supporting = tuple(
        place
        for place, strength in zip(group.places[1:], group.strengths[1:], strict=True)
        if strength >= group.strength - SUPPORT_MARGIN
    )
    return Candidate(group.places[0], probability, supporting)


def _in_sentences(candidate: Candidate, sentences: Sequence[Span]) -> Candidate:
    hit = candidate.place.hit
    first, *others = [Place(hit, *span) for span in sentences]
    return replace(candidate, place=first, others=tuple(others), sentences=True)


def _reranked(hits: Sequence[Hit], groups: Sequence[Group]) -> list[Hit]:
    """Return the hits by the strength of the best span in each."""
    best: dict[str, float] = {}
    for group in groups:
        for place, strength in zip(group.places, group.strengths, strict=True):
            best[place.hit.chunk.id] = max(strength, best.get(place.hit.chunk.id, -np.inf))
    return sorted(hits, key=lambda hit: -best.get(hit.chunk.id, -np.inf))


def _once(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates without those whose first sentence a better one has."""
    kept: dict[tuple[str, int], Candidate] = {}
    for candidate in candidates:
        kept.setdefault((candidate.place.hit.article.id, candidate.place.start), candidate)
    return list(kept.values())
