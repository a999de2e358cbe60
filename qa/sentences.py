"""Which sentence of the retrieved passages answers the question, and how sure that is.

A logistic regression over features that can be named: shared rare words, shared names, the passage's rank, the kind of
thing asked for. The reader of exact words asks it which sentences explain most.
Knows hits and sentences; knows nothing of pages or stores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qa.chunking import Span, sentence_spans
from qa.terms import query_terms, stem, words
from qa.types import Candidate, Hit, Language, Place, Reading

FEATURES = (
    "sentence_words",
    "passage_words",
    "sentence_names",
    "passage_names",
    "no_name",
    "reciprocal_rank",
    "expected_kind",
    "log_length",
)
COEFFICIENTS: dict[Language, tuple[float, ...]] = {
    "en": (4.277, -0.847, 0.028, 0.378, -1.523, 2.771, 0.986, 0.619),
    "id": (4.336, 0.235, -0.775, 1.018, -0.552, 3.810, 1.500, 0.258),
}
INTERCEPTS: dict[Language, float] = {"en": -8.168, "id": -9.805}
"""Fitted on training splits alone: 1,600 questions of FacQA and IDK-MRC, 1,400
English ones on Indonesian passages; the five best passages of 8,523, a quarter of the right ones left out."""

_NAME = re.compile(r"(?<![^\W_])(?:[A-Z][\w’'-]*|\d[\d.,:/]*)")
_DATE = re.compile(
    r"\b(?:\d{1,2}/\d{1,2}|\d{1,2} (?:jan|feb|mar|apr|mei|jun|jul|agu|sep|okt|nov|des)\w*|(?:19|20)\d\d|"
    r"senin|selasa|rabu|kamis|jumat|sabtu|minggu|pukul|kemarin|pekan|bulan|tahun)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d+(?:[.,:/]\d+)*|\b(?:satu|dua|tiga|empat|lima|enam|tujuh|delapan|sembilan|sepuluh|belas|puluh|ratus|ribu|juta)",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\b(?:di|ke|dari|asal) [A-Z]")
_REASON = re.compile(r"\b(?:karena|sebab|akibat|lantaran|agar|supaya|untuk|demi|disebabkan)\b", re.IGNORECASE)
_PERSON = re.compile(
    r"[A-Z][\w’'.-]+(?: [A-Z][\w’'.-]+)+|"
    r"(?<=[a-z,] )(?:presiden|menteri|menlu|gubernur|bupati|ketua|direktur|kepala|pelatih|juru bicara) [A-Z][\w’'-]+"
)
_WHOEVER = re.compile(r"(?<=[\w,] )[A-Z][\w’'-]+")

_KINDS: tuple[tuple[re.Pattern[str], tuple[re.Pattern[str], ...]], ...] = (
    (
        re.compile(
            r"\b(?:when|what (?:date|day|year|month|time)|kapan\w*|tanggal berapa|tahun berapa|hari apa)\b"
        ),
        (_DATE,),
    ),
    (
        re.compile(
            r"\b(?:how (?:many|much|long|old|far|high|large|big)|berapa\w*|what (?:percentage|number))\b"
        ),
        (_NUMBER,),
    ),
    (
        re.compile(r"\b(?:where|what (?:city|country|place)|di ?mana\w*|ke ?mana\w*|dari mana\w*)\b"),
        (_PLACE,),
    ),
    (re.compile(r"\b(?:why|mengapa\w*|kenapa|apa (?:sebab|alasan|penyebab)\w*)\b"), (_REASON,)),
    (re.compile(r"\b(?:who|whom|whose|siapa\w*)\b"), (_PERSON, _WHOEVER)),
)


@dataclass(frozen=True, slots=True)
class SentenceReader:
    """Scores the sentences of the retrieved passages one by one.

    ``rarity``: how rare a word of ``terms.words()`` is in the archive, as ``NewsIndex.rarity`` tells; 0 or more.
    """

    rarity: Callable[[str], float]

    def read(self, question: str, language: Language, hits: Sequence[Hit]) -> Reading:
        """Return the sentences of ``hits`` as candidates, the most probable first."""
        places, features = self.features(question, language, hits)
        if not places:
            return Reading([], list(hits))
        logits = features @ np.array(COEFFICIENTS[language]) + INTERCEPTS[language]
        probabilities = 1.0 / (1.0 + np.exp(-logits))
        candidates = [
            Candidate(Place(hit, *span), float(probability), sentences=True)
            for (hit, span), probability in zip(places, probabilities, strict=True)
        ]
        return Reading(sorted(candidates, key=lambda candidate: -candidate.probability), list(hits))

    def features(
        self, question: str, language: Language, hits: Sequence[Hit]
    ) -> tuple[list[tuple[Hit, Span]], np.ndarray]:
        """Return places (hit and character span in its article) and their float64 features ``(places, FEATURES)``."""
        asked = Asked.of(question, language, self.rarity)
        places: dict[tuple[str, int], tuple[Hit, Span, int]] = {}
        for rank, hit in enumerate(hits, start=1):
            for start, end in sentence_spans(hit.chunk.text):
                span = (hit.chunk.start + start, hit.chunk.start + end)
                places.setdefault((hit.article.id, span[0]), (hit, span, rank))
        passages = {hit.chunk.id: f"{hit.article.title or ''}\n{hit.chunk.text}" for hit in hits}
        shared = {chunk_id: asked.shared(text) for chunk_id, text in passages.items()}
        rows = []
        for hit, (start, end), rank in places.values():
            sentence = hit.article.text[start:end]
            in_sentence, in_passage = asked.shared(sentence), shared[hit.chunk.id]
            rows.append(
                (
                    in_sentence[0],
                    in_passage[0],
                    in_sentence[1],
                    in_passage[1],
                    float(bool(asked.names) and in_passage[1] == 0.0),
                    1.0 / rank,
                    asked.kind_found(sentence),
                    float(np.log1p(len(sentence.split()))),
                )
            )
        features = np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURES))
        return [(hit, span) for hit, span, _ in places.values()], features


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question gives to compare with: terms with their rarity, names, and the kind of thing wanted.

    A term is the set of stems any of which stands for it: a word, or an English word and its translations.
    """

    terms: tuple[tuple[frozenset[str], float], ...]
    names: tuple[frozenset[str], ...]
    kinds: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, question: str, language: Language, rarity: Callable[[str], float]) -> Asked:
        """Take a question apart; ``rarity`` gives the inverse document frequency of a word."""
        _, _, rest = question.partition(" ")
        capitalised = {word for name in _NAME.findall(rest) for word in words(name)}
        terms, names = [], []
        for alternatives in query_terms(question, language):
            stems = frozenset(map(stem, alternatives))
            terms.append((stems, min(map(rarity, alternatives))))
            if alternatives[0] in capitalised:
                names.append(stems)
        lowered = question.lower()
        kinds = next((found for asked, found in _KINDS if asked.search(lowered)), ())
        return cls(tuple(terms), tuple(names), kinds)

    def shared(self, text: str) -> tuple[float, float]:
        """Return the shares (0 to 1) of the question's rare words, and of its names, that ``text`` has."""
        found = {stem(word) for word in words(text)}
        total = sum(rarity for _, rarity in self.terms)
        weight = sum(rarity for stems, rarity in self.terms if stems & found)
        names = sum(bool(stems & found) for stems in self.names) / len(self.names) if self.names else 0.0
        return (weight / total if total else 0.0), names

    def kind_found(self, sentence: str) -> float:
        """Return 1 if the sentence holds the kind of thing asked for, beyond what the question said; else 0.

        0.5 is for a question that asks for no kind we know, and for a name that may or may not be somebody's.
        """
        if not self.kinds:
            return 0.5
        said = frozenset[str]().union(*(stems for stems, _ in self.terms))
        for kind, worth in zip(self.kinds, (1.0, 0.5), strict=False):
            if any(not set(map(stem, words(found.group()))) & said for found in kind.finditer(sentence)):
                return worth
        return 0.0


def sentence_around(place: Place) -> Span:
    """Return the sentence, or the sentences, of its chunk that ``place`` stands in, as offsets in the article."""
    offset = place.hit.chunk.start
    touched = [
        (offset + start, offset + end)
        for start, end in sentence_spans(place.hit.chunk.text)
        if offset + start < place.end and offset + end > place.start
    ]
    if not touched:
        return place.start, place.end
    return min(touched[0][0], place.start), max(touched[-1][1], place.end)
