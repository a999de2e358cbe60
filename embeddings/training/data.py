"""Reads the training data and pairs its texts; keeps what is meant for measuring out of training.

A data folder holds gzip JSON Lines files; ``embeddings/training/README.md`` names them with origin and licence.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings.errors import DataError

Row = dict[str, Any]
TextPair = tuple[str, str]

PARALLEL_NAMES = (
    "geovedi tico19 talpco nusax tatoeba_anki gnome_docs quran pud gmmlu_q gmmlu_choice squad_mt "
    "wiktionary_dictionary"
).split()
DEVELOPMENT_READING = ("reading/facqa.valid", "reading/idk_mrc.valid", "reading/squad_en_id.dev")


@dataclass(frozen=True, slots=True)
class Example:
    """A question with the passage that answers it; ``start`` is the offset of ``answer`` in it, in characters."""

    query: str
    passage: str
    start: int = 0
    answer: str = ""


def read_rows(data: Path, name: str) -> list[Row]:
    """Read ``DATA/<name>.jsonl.gz``.

    Raises:
        DataError: the file is missing or is not gzip JSON Lines of objects.
    """
    path = data / f"{name}.jsonl.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as gzip JSON Lines: {error}") from error
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} must hold one JSON object a line.")
    return rows


def detokenise(text: str) -> str:
    """Join what a tokeniser has set apart: ``kata " ya " , ujarnya .`` becomes ``kata "ya", ujarnya.``"""
    text = re.sub(r"\s+", " ", text.replace("``", '"').replace("''", '"')).strip()
    text = re.sub(r'" ([^"]*?) ?"', r'"\1"', text)
    text = re.sub(r" ([.,;:!?%)\]}”’])", r"\1", text)
    text = re.sub(r"([(\[{“‘]) ", r"\1", text)
    return re.sub(r"(?<=\w) ([/-]) (?=\w)", r"\1", text)


def normalised(text: str) -> str:
    """Return the text as it is compared: lower case, words and digits alone."""
    return " ".join(re.findall(r"\w+", text.lower()))


def held_back(data: Path) -> frozenset[str]:
    """Return, normalised, every question and context of the development sets: none may be trained on."""
    texts: set[str] = set()
    for name in DEVELOPMENT_READING:
        for row in read_rows(data, name):
            texts.update(normalised(value) for value in row.values() if isinstance(value, str))
    for row in read_rows(data, "parallel_dev/ntrex"):
        texts.update((normalised(row["en"]), normalised(row["id"])))
    return frozenset(texts)


def text_pairs(data: Path, name: str) -> list[TextPair]:
    """Read the English and Indonesian texts of ``DATA/<name>.jsonl.gz``.

    Raises:
        DataError: the file cannot be read, or a row lacks one of them.
    """
    pairs = [(row.get("en"), row.get("id")) for row in read_rows(data, name)]
    for number, pair in enumerate(pairs, start=1):
        if not all(isinstance(text, str) for text in pair):
            raise DataError(f"{data / name}.jsonl.gz, row {number}: en, id must be texts")
    return [(str(english), str(indonesian)) for english, indonesian in pairs]


def parallel(data: Path, held: frozenset[str]) -> dict[str, list[TextPair]]:
    """Return English–Indonesian pairs by the name of their set, without those whose text is held back."""
    return {
        name: [
            (english, indonesian)
            for english, indonesian in text_pairs(data, f"parallel/{name}")
            if english.strip()
            and indonesian.strip()
            and held.isdisjoint((normalised(english), normalised(indonesian)))
        ]
        for name in PARALLEL_NAMES
    }


def examples(rows: Iterable[Row], held: frozenset[str], side: str = "") -> list[Example]:
    """Return the answerable rows as examples, without those held back; ``side`` ends the names of their fields."""
    found = []
    for row in rows:
        query, passage, answers = (row[name + side] for name in ("question", "context", "answers"))
        if answers and held.isdisjoint((normalised(query), normalised(passage))):
            found.append(Example(query.strip(), passage, answers[0]["answer_start"], answers[0]["text"]))
    return found


def news_articles(data: Path) -> Iterator[tuple[str, list[str], str]]:
    """Yield headline, paragraphs and summary of the IndoSum articles, detokenised; headlines come from slugs."""
    for row in read_rows(data, "news/indosum"):
        headline = re.sub(r"^\d+-", "", row["id"]).replace("-", " ")
        summary = row["summary"]
        summary = " ".join(summary) if isinstance(summary, list) else summary
        yield headline, [detokenise(text) for text in row["paragraphs"]], detokenise(summary)


def encyclopedia(data: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield title and paragraphs of the Wikipedia lead sections; a title that was read as a number is left out."""
    for row in read_rows(data, "wiki/id_wikipedia_leads"):
        if isinstance(row["title"], str):
            yield row["title"], [text for text in row["paragraphs"] if isinstance(text, str)]
