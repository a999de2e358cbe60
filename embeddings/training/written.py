"""The questions that were written for Tanya to train on, about passages of DATA.

Two tables, fields separated by tabs. ``questions.tsv``: passage, question in English, the same in Indonesian, what the
passage says in an English sentence or two. ``answers.tsv``, about other passages: passage, question in both languages,
the answer as it stands in the passage, and in both languages a question that the passage invites and does not answer.
The passages themselves stay in DATA: the first field names each of their paragraphs by ``name_of`` and joins them by
``+``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from embeddings.glosses import Glosses, read_table
from embeddings.training.data import encyclopedia, news_articles

QUESTIONS = Path(__file__).with_name("questions.tsv")
ANSWERS = Path(__file__).with_name("answers.tsv")
DEVELOPMENT_SHARE = 16
"""One passage in so many, drawn by its name, is for development: neither it nor its question trains."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question in both languages and the Indonesian passage that answers it.

    ``gist``: what the passage says in English; the English question where nobody wrote that. ``paragraphs``: those of
    the passage. ``title``: that of the encyclopedia's article, empty for news.
    """

    english: str
    indonesian: str
    gist: str
    paragraphs: tuple[str, ...]
    title: str
    development: bool

    @property
    def passage(self) -> str:
        """The text to be found."""
        return " ".join(self.paragraphs)


def name_of(paragraph: str) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of a paragraph as ``data`` reads it."""
    return hashlib.sha256(paragraph.encode()).hexdigest()[:12]


def to_indonesian(glosses: Glosses, most: int = 3) -> Glosses:
    """Return up to ``most`` Indonesian words for each English one, those that mean it first of all before others."""
    found: dict[str, list[tuple[int, str]]] = {}
    for word, meanings in glosses.items():
        for place, meaning in enumerate(meanings):
            if " " not in meaning:
                found.setdefault(meaning, []).append((place, word))
    return {
        meaning: tuple(word for place, word in words if place == min(words)[0])[:most]
        for meaning, words in found.items()
    }


def read_questions(data: Path) -> list[Question]:
    """Read the questions of both tables whose passage is in the folder ``data``.

    Those about another edition of its texts are left out.

    Raises:
        DataError: the table is malformed, or a file of ``data`` cannot be read.
    """
    rows = list(read_table(QUESTIONS, 4))
    rows += [[*row[:3], row[1]] for row in read_table(ANSWERS, 6)]
    found = find_passages(data, [row[0] for row in rows])
    questions = []
    for passage, english, indonesian, gist in rows:
        if passage in found:
            title, paragraphs = found[passage]
            questions.append(Question(english, indonesian, gist, paragraphs, title, is_development(passage)))
    return questions


def is_development(passage: str) -> bool:
    """Whether the passage of this name is for development."""
    return int(passage[:8], 16) % DEVELOPMENT_SHARE == 0


def find_passages(data: Path, passages: Collection[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return title and paragraphs of each of ``passages``, by their names joined by ``+``; those not in ``data`` lack.

    Raises:
        DataError: a file of ``data`` cannot be read.
    """
    wanted = {name for passage in passages for name in passage.split("+")}
    found: dict[str, tuple[str, str]] = {}
    for title, paragraph in _paragraphs(data):
        if (name := name_of(paragraph)) in wanted:
            found.setdefault(name, (title, paragraph))
    whole = {}
    for passage in passages:
        parts = [found[name] for name in passage.split("+") if name in found]
        if len(parts) == passage.count("+") + 1:
            whole[passage] = (parts[0][0], tuple(text for _, text in parts))
    return whole


def _paragraphs(data: Path) -> Iterator[tuple[str, str]]:
    for title, paragraphs in encyclopedia(data):
        yield from ((title, text) for text in paragraphs)
    for _, paragraphs, _ in news_articles(data):
        yield from (("", text) for text in paragraphs)
