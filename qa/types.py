"""The data of Tanya: made once, passed on, never converted back.

files -> Article -> Chunk -> stored; question -> Hit -> Answer -> screen.
Only the standard library is imported here; numpy is named for the type checker alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np

Language = Literal["en", "id"]
Origin = Literal["dense", "lexical", "both"]
Sureness = Literal["sure", "likely", "unsure"]

SURE = 0.75
LIKELY = 0.5
"""Confidence from which an answer is called sure, or likely; docs/answers.md tells how often such answers are right."""


@dataclass(frozen=True, slots=True)
class Article:
    """One news article, cleaned.

    ``text`` is what the source said with page furniture deleted; no character of what is kept was rewritten.
    ``id`` is the first 16 hex digits of the SHA-256 of the decoded file (or row) before cleaning, as UTF-8.
    ``path`` is POSIX, relative to the path given when indexing; ``a.zip!/x.txt`` for archive members,
    ``f.jsonl#12`` for rows (counted from 1). Only ``id``, ``text`` and ``path`` are always known.
    """

    id: str
    title: str | None
    text: str
    source: str | None
    place: str | None
    published_at: date | None
    date_inferred: bool
    url: str | None
    path: str
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of an article: ``article.text[start:end] == text``, offsets in characters.

    ``id`` is ``"{article_id}-{ordinal}"``; ordinals count from 0 in reading order.
    """

    id: str
    article_id: str
    ordinal: int
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where retrieval found a chunk, from 1: by meaning, by words, and by both together; ``None``: not there."""

    dense: int | None = None
    lexical: int | None = None
    fused: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved chunk with its article. Lists of hits are best first; a higher ``score`` is better."""

    chunk: Chunk
    article: Article
    score: float
    origin: Origin
    ranks: Ranks = field(default_factory=Ranks)


@dataclass(frozen=True, slots=True)
class Place:
    """Words of an article, in characters: ``hit.article.text[start:end]``, within the chunk of ``hit``."""

    hit: Hit
    start: int
    end: int

    @property
    def text(self) -> str:
        """The words."""
        return self.hit.article.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may answer a question, right with ``probability`` (0 to 1).

    Exact words: those of ``place``; ``others`` say the same elsewhere. ``sentences``: the sentence of ``place`` and
    those of ``others``, in reading order, are the answer together.
    """

    place: Place
    probability: float
    others: tuple[Place, ...] = ()
    sentences: bool = False

    @property
    def text(self) -> str:
        """The words that answer."""
        places = (self.place, *self.others) if self.sentences else (self.place,)
        return " ".join(place.text for place in places)


@dataclass(frozen=True, slots=True)
class ResolvedDate:
    """A day that a quote names only relative to its article: ``quote[start:end]`` ("kemarin") is ``day``."""

    start: int
    end: int
    day: date


@dataclass(frozen=True, slots=True)
class Citation:
    """Proof: ``article.text[start:end] == quote``. Markers count from 1 in the order of the answer.

    ``dates``: days that the quote names without their year or relative to the article's date, worked out.
    """

    marker: int
    article: Article
    start: int
    end: int
    quote: str
    dates: tuple[ResolvedDate, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another answer that was nearly given, right with ``confidence`` (0 to 1); its citation has marker 1."""

    text: str
    confidence: float
    citation: Citation


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question.

    ``text`` is verbatim article text, or ``None`` when the archive does not say; ``hits`` holds the nearest
    passages either way, ``alternatives`` what was nearly answered instead. ``confidence`` is the probability
    (0 to 1) that the best candidate is right, given also for a refusal; below ``threshold`` nothing is answered.
    ``timings`` are milliseconds by stage.
    """

    question: str
    language: Language
    text: str | None
    confidence: float
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    timings: Mapping[str, float] = field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()
    threshold: float = 0.0

    @property
    def abstained(self) -> bool:
        """Whether the archive was judged not to answer."""
        return self.text is None

    @property
    def sureness(self) -> Sureness | None:
        """How sure an answer is, in a word, by ``SURE`` and ``LIKELY``; ``None`` for a refusal."""
        if self.abstained:
            return None
        if self.confidence >= SURE:
            return "sure"
        return "likely" if self.confidence >= LIKELY else "unsure"


@dataclass(frozen=True, slots=True)
class Filters:
    """Restricts retrieval: dates inclusive, outlets compared without case. Undated articles fail a date filter."""

    date_from: date | None = None
    date_to: date | None = None
    sources: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.date_from is not None or self.date_to is not None or bool(self.sources)


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading made of retrieved passages: candidates, the most probable first, and the hits, the best first."""

    candidates: list[Candidate]
    hits: list[Hit]


class Reader(Protocol):
    """Finds in retrieved passages what answers a question."""

    def read(self, question: str, language: Language, hits: Sequence[Hit]) -> Reading:
        """Read all of ``hits``; those of the outcome are the same in an order that reading may have changed."""
        ...


@dataclass(frozen=True, slots=True)
class Skip:
    """Something that was not indexed: where, and why in words for the user."""

    path: str
    reason: str


class Encoder(Protocol):
    """Text to unit vectors. ``fingerprint`` tells two models apart; their vectors must never mix."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Name, revision, dimension, weight hash, prompts and dtype family of the model."""
        ...

    def encode_passages(self, texts: list[str]) -> np.ndarray:
        """Return float32 unit rows, shape ``(len(texts), dimension)``."""
        ...

    def encode_queries(self, texts: list[str]) -> np.ndarray:
        """Return float32 unit rows, shape ``(len(texts), dimension)``."""
        ...
