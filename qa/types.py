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
class Hit:
    """A retrieved chunk with its article. Lists of hits are best first; a higher ``score`` is better."""

    chunk: Chunk
    article: Article
    score: float
    origin: Origin


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place in an article that may answer: ``hit.article.text[start:end]``, right with ``probability`` (0 to 1)."""

    hit: Hit
    start: int
    end: int
    probability: float


@dataclass(frozen=True, slots=True)
class Citation:
    """Proof: ``article.text[start:end] == quote``. Markers count from 1 in the order of the answer."""

    marker: int
    article: Article
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question.

    ``text`` is verbatim article text, or ``None`` when the archive does not say; ``hits`` holds the nearest
    passages either way. ``confidence`` is the probability (0 to 1) that the best candidate is right, given
    also for a refusal. ``timings`` are milliseconds by stage.
    """

    question: str
    language: Language
    text: str | None
    confidence: float
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def abstained(self) -> bool:
        """Whether the archive was judged not to answer."""
        return self.text is None


@dataclass(frozen=True, slots=True)
class Filters:
    """Restricts retrieval: dates inclusive, outlets compared without case. Undated articles fail a date filter."""

    date_from: date | None = None
    date_to: date | None = None
    sources: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.date_from is not None or self.date_to is not None or bool(self.sources)


class Reader(Protocol):
    """Finds in retrieved passages what answers a question."""

    def read(self, question: str, language: Language, hits: Sequence[Hit]) -> list[Candidate]:
        """Return candidates from ``hits``, the most probable first."""
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
