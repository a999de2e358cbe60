"""What the reader is trained on: questions with passages, where in them the answer stands, or that they have none.

Sets of DATA, the written ``answers.tsv`` of ``embeddings/training``, and ``spans.tsv`` beside this file: passage (named
as there), question in English, the same in Indonesian, the answer as it stands in the passage or ``-`` if it has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embeddings.glosses import read_table
from embeddings.training.data import Row as DataRow
from embeddings.training.data import held_back, normalised, read_rows
from embeddings.training.written import ANSWERS, find_passages, is_development
from qa.spans import Passage
from qa.types import Language

SPANS = Path(__file__).with_name("spans.tsv")
NO_ANSWER = "-"

WEIGHTS = {"idk_mrc": 3.0, "facqa": 0.7, "squad_en": 2.0, "squad_en_id": 2.0, "written": 7.0}
"""How often a row is drawn from each set."""
MISS_SHARE = 0.2
"""How many answerable questions meet a passage instead that looks right and does not answer."""
UNTITLED_SHARE = 0.3
"""How many passages with a title are read without it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A question and a passage; ``answers`` are the character spans in it that answer, none if it does not say.

    ``language``: that of the passage.
    """

    question: str
    passage: Passage
    answers: tuple[tuple[int, int], ...]
    language: Language

    @property
    def texts(self) -> list[str]:
        """The answers as they stand in the passage."""
        return [self.passage.text[start:end] for start, end in self.answers]

    @property
    def key(self) -> str:
        """A name of the answer: passage and places, whatever was asked."""
        return hashlib.sha256(f"{self.passage.text}\t{self.answers}".encode()).hexdigest()[:16]


def training_rows(data: Path) -> dict[str, list[Row]]:
    """Return the rows to train on by the name of their set; none shares question or passage with a development set.

    Raises:
        DataError: a file cannot be read, or a table is malformed.
    """
    held = held_back(data)
    pairs = read_rows(data, "reading/squad_en_id.train")
    sides: list[tuple[str, Language]] = [("_en", "en"), ("_id", "id")]
    sets = {
        "idk_mrc": list(_rows(read_rows(data, "reading/idk_mrc.train"), "id")),
        "facqa": list(_rows(read_rows(data, "reading/facqa.train"), "id")),
        "squad_en": list(_rows(read_rows(data, "reading/squad_en.train"), "en")),
        "squad_en_id": [
            row
            for asked, _ in sides
            for side, language in sides
            for row in _rows(pairs, language, asked, side)
        ],
        "written": written_rows(data, development=False),
    }
    return {
        name: [
            row for row in rows if held.isdisjoint((normalised(row.question), normalised(row.passage.text)))
        ]
        for name, rows in sets.items()
    }


def development_rows(data: Path) -> dict[str, list[Row]]:
    """Return the rows to measure with, by the name of their set; see ``training_rows``."""
    pairs = read_rows(data, "reading/squad_en_id.dev")
    written = written_rows(data, development=True)
    sets = {
        "IDK-MRC": list(_rows(read_rows(data, "reading/idk_mrc.valid"), "id")),
        "FacQA": list(_rows(read_rows(data, "reading/facqa.valid"), "id")),
        "SQuAD en→id": list(_rows(pairs, "id", "_en", "_id")),
        "SQuAD id→id": list(_rows(pairs, "id", "_id", "_id")),
        "SQuAD en→en": list(_rows(pairs, "en", "_en", "_en")),
        "written en→id": written[::2],
        "written id→id": written[1::2],
    }
    return {name: rows for name, rows in sets.items() if rows}


def written_rows(data: Path, *, development: bool) -> list[Row]:
    """Return the written questions whose answer is marked, each in English and then in Indonesian."""
    questions = []
    for name, english, indonesian, answer, *invited in read_table(ANSWERS, 6):
        questions.append((name, english, indonesian, answer))
        questions.append((name, invited[0], invited[1], NO_ANSWER))
    if SPANS.exists():
        questions += [(row[0], row[1], row[2], row[3]) for row in read_table(SPANS, 4)]
    wanted = [row for row in questions if is_development(row[0]) == development]
    found = find_passages(data, list(dict.fromkeys(row[0] for row in wanted)))
    rows = []
    for name, english, indonesian, answer in wanted:
        if name in found:
            title, paragraphs = found[name]
            passage = Passage(" ".join(paragraphs), title)
            answers = () if answer == NO_ANSWER else tuple(_everywhere(passage.text, answer))
            rows += [Row(question, passage, answers, "id") for question in (english, indonesian)]
    return rows


class Sampler:
    """Draws rows: sets by their weight, some answerable questions with a passage that does not answer them.

    ``misses``: such passages by ``Row.key``.
    """

    def __init__(self, sets: dict[str, list[Row]], misses: dict[str, list[Passage]]) -> None:
        self._sets = {name: rows for name, rows in sets.items() if rows}
        self._misses = misses
        weights = np.array([WEIGHTS[name] for name in self._sets])
        self._shares = weights / weights.sum()

    def draw(self, count: int, chance: np.random.Generator) -> list[Row]:
        """Return ``count`` rows."""
        names = chance.choice(list(self._sets), size=count, p=self._shares)
        rows = []
        for name in names:
            row = self._sets[name][int(chance.integers(len(self._sets[name])))]
            misses = self._misses.get(row.key, []) if row.answers else []
            if misses and chance.random() < MISS_SHARE:
                row = replace(row, passage=misses[int(chance.integers(len(misses)))], answers=())
            if chance.random() < UNTITLED_SHARE:
                row = replace(row, passage=Passage(row.passage.text))
            rows.append(row)
        return rows


def _rows(rows: Iterable[DataRow], language: Language, asked: str = "", side: str = "") -> Iterator[Row]:
    for row in rows:
        spans = [
            (answer["answer_start"], answer["answer_start"] + len(answer["text"]))
            for answer in row[f"answers{side}"]
        ]
        yield Row(
            row[f"question{asked}"].strip(),
            Passage(row[f"context{side}"]),
            tuple(sorted(set(spans))),
            language,
        )


def _everywhere(text: str, answer: str) -> Iterator[tuple[int, int]]:
    """Yield the places where ``answer`` stands in ``text`` as words of its own."""
    start = text.find(answer)
    while start >= 0:
        end = start + len(answer)
        before, after = text[:start][-1:], text[end : end + 1]
        if not (before and (before + answer[0]).isalnum()) and not (after and (answer[-1] + after).isalnum()):
            yield start, end
        start = text.find(answer, start + 1)


def passages_of(sets: Iterable[Sequence[Row]], language: Language) -> list[Passage]:
    """Return the passages in ``language``, each once."""
    return list(dict.fromkeys(row.passage for rows in sets for row in rows if row.language == language))
