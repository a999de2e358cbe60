"""Question to answer: retrieve, read, decide whether the archive says it, cite.

Knows hits and candidates; knows nothing of pages or storage. A better reader takes the place of the one here
through ``types.Reader``; whatever it finds is quoted verbatim or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from qa.chunking import Span
from qa.config import Settings
from qa.corpus.dates import resolved_dates
from qa.errors import InputError
from qa.fusion import dense_weights
from qa.index import NewsIndex
from qa.reader import SpanReader
from qa.retriever import HybridRetriever
from qa.sentences import sentence_around
from qa.spans import SpanModel
from qa.store import Store
from qa.terms import detect_language
from qa.types import Alternative, Answer, Article, Candidate, Citation, Filters, Hit, Language, Reader

if TYPE_CHECKING:
    from embeddings.encoder import SentenceEncoder

MAX_QUESTION_CHARACTERS = 1_000

THRESHOLD: dict[Language, float] = {"en": 0.24, "id": 0.29}
"""Least probability at which the best candidate is given as the answer.

Where eight in ten of the development questions without an answer among their passages are refused; see
``benchmarks/fit_reader.py``.
"""

PASSAGES = 8
"""Passages that are read for a question."""

CITATIONS = 3
"""Most quotes of an answer: the sentence it is from, and others that say the same."""

ALTERNATIVES = 2
ALTERNATIVE_SHARE = 0.4
"""Another answer is named if it is at least this share as probable as the one given."""


@dataclass(frozen=True, slots=True)
class Found:
    """What retrieval and reading made of a question, before it is decided whether that answers it."""

    question: str
    language: Language
    candidates: Sequence[Candidate]
    hits: Sequence[Hit]
    timings: dict[str, float]


class QuestionAnswerer:
    """Answers questions over one index. Safe to use from several threads.

    ``thresholds``: the least probability, by language, at which something is answered.
    """

    def __init__(
        self,
        index: NewsIndex,
        retriever: HybridRetriever,
        reader: Reader,
        thresholds: Mapping[Language, float] = THRESHOLD,
    ) -> None:
        self.index = index
        self.retriever = retriever
        self.reader = reader
        self.thresholds = thresholds

    @classmethod
    def open(cls, folder: Path, *, model: str | None = None) -> Self:
        """Open the index in ``folder`` with the model that made it; naming ``model`` checks that it is that one."""
        return cls.from_settings(Settings.read(index=folder, model=model))

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Open the index of ``settings`` with the model that made it, or the one named there.

        Raises:
            IndexMissingError, IndexMismatchError, IndexCorruptError: see ``NewsIndex.open``.
            EmbeddingError: the model is not on this machine or cannot be used.
        """
        encoder = load_encoder_of(settings)
        index = NewsIndex.open(settings.index, encoder.fingerprint)
        retriever = HybridRetriever(index, encoder, dense_weights(settings.dense_weight))
        reader = SpanReader(SpanModel.load_default(), index.rarity)
        return cls(index, retriever, reader, thresholds(settings.threshold))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.index.close()

    def ask(self, question: str, *, filters: Filters | None = None, k: int = 5) -> Answer:
        """Answer ``question``, or abstain; what a writer has added is seen at once.

        Args:
            question: in English or Indonesian.
            filters: which articles may answer.
            k: how many passages the answer carries; ``PASSAGES`` are read even if it is less.

        Raises:
            InputError: the question is empty or longer than ``MAX_QUESTION_CHARACTERS``.
        """
        return self.decide(self.find(question, filters=filters, k=k))

    def find(self, question: str, *, filters: Filters | None = None, k: int = 5) -> Found:
        """Retrieve and read as ``ask`` does, and leave it to ``decide`` what is answered.

        Raises:
            InputError: as ``ask``.
        """
        question = check_question(question)
        started = time.perf_counter()
        self.index.refresh()
        language = detect_language(question)
        retrieved = self.retriever.retrieve(question, k=max(k, PASSAGES), filters=filters)
        begun = time.perf_counter()
        reading = self.reader.read(question, language, retrieved.hits)
        ended = time.perf_counter()
        timings = {**retrieved.timings, "read": (ended - begun) * 1000, "total": (ended - started) * 1000}
        return Found(question, language, reading.candidates, reading.hits[:k], timings)

    def decide(self, found: Found) -> Answer:
        """Answer from the best of what was found, or abstain."""
        threshold = self.thresholds[found.language]
        return compose(found.question, found.language, found.candidates, found.hits, found.timings, threshold)

    def batch(
        self, questions: Iterable[str], *, filters: Filters | None = None, k: int = 5
    ) -> Iterator[Answer]:
        """Yield the answer to each of ``questions`` in turn."""
        for question in questions:
            yield self.ask(question, filters=filters, k=k)


def thresholds(threshold: float | None) -> Mapping[Language, float]:
    """Return the threshold of each language: ``threshold`` for both, or those of ``THRESHOLD``."""
    return THRESHOLD if threshold is None else {"en": threshold, "id": threshold}


def load_encoder_of(settings: Settings) -> SentenceEncoder:
    """Load the model that the index was made with, or the one that ``settings`` name.

    Prompts not named are those that the index remembers.

    Raises:
        IndexMissingError: there is no index.
        EmbeddingError: the model is not on this machine or cannot be used.
    """
    from embeddings.encoder import SentenceEncoder

    store = Store.open(settings.index)
    try:
        stored, remembered = store.fingerprint(), store.meta("model")
    finally:
        store.close()
    named, query, passage = settings.model, settings.query_prompt, settings.passage_prompt
    if named is None:
        query = stored.get("query_prompt") if query is None else query
        passage = stored.get("passage_prompt") if passage is None else passage
    return SentenceEncoder.load(named or remembered or None, query_prompt=query, passage_prompt=passage)


def check_question(question: str) -> str:
    """Return the question without outer blanks; raise ``InputError`` if it is empty or too long."""
    stripped = " ".join(question.split())
    if not stripped:
        raise InputError('the question is empty. Ask something: tanya ask "Siapa …?"')
    if len(stripped) > MAX_QUESTION_CHARACTERS:
        raise InputError(
            f"the question has {len(stripped)} characters, the limit is {MAX_QUESTION_CHARACTERS}"
        )
    return stripped


def compose(
    question: str,
    language: Language,
    candidates: Sequence[Candidate],
    hits: Sequence[Hit],
    timings: dict[str, float],
    threshold: float,
) -> Answer:
    """Make the answer of candidates, best first: their text verbatim and cited, or none if the best is too unsure.

    ``threshold``: the least probability of an answer, 0 to 1.
    """
    confidence = candidates[0].probability if candidates else 0.0
    if confidence < threshold or not candidates:
        return Answer(question, language, None, confidence, (), tuple(hits), timings, (), threshold)
    best, *others = candidates
    alternatives = tuple(
        Alternative(other.text, other.probability, _citations(other)[0])
        for other in others
        if other.probability >= ALTERNATIVE_SHARE * confidence
    )[:ALTERNATIVES]
    return Answer(
        question,
        language,
        best.text,
        confidence,
        _citations(best),
        tuple(hits),
        timings,
        alternatives,
        threshold,
    )


def _citations(candidate: Candidate) -> tuple[Citation, ...]:
    """Return the sentences that prove a candidate, each once, its own first."""
    places = (candidate.place, *candidate.others)
    spans = [(place.hit.article, sentence_around(place)) for place in places]
    distinct = {(article.id, span): (article, span) for article, span in spans}
    return tuple(
        _cite(marker, article, span)
        for marker, (article, span) in enumerate(list(distinct.values())[:CITATIONS], start=1)
    )


def _cite(marker: int, article: Article, span: Span) -> Citation:
    quote = article.text[slice(*span)]
    return Citation(marker, article, *span, quote, tuple(resolved_dates(quote, article.published_at)))
