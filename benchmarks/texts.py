"""The texts that both systems index, and the questions that both are asked; the same in every run."""

from __future__ import annotations

import gzip
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.work import BenchmarkError, Work, read_json, write_json
from qa.chunking import chunk_article, sentence_spans
from qa.config import sample_folder
from qa.corpus import read_articles
from qa.types import Article

SEED = 20230519
QUESTIONS = 360
"""Different questions generated, if there are articles enough: 120 for each of three repetitions."""

SENTENCES = (3, 5)
"""Least and most sentences of an article shuffled together from the bundled sample."""

_ENGLISH = (
    "Who is {}?",
    "What is {}?",
    "Where is {} located?",
    "When did {} begin?",
    "Why is {} well known?",
    "What does the archive say about {}?",
)

READ_PASSAGES = 8
READ_WORDS = 120
"""What is read for a question when reading is timed."""


def prepare(work: Work, *, texts: str | None, chunks: int) -> dict[str, Any]:
    """Write ``work.articles`` and the questions, unless they are there; return what was written, in figures.

    Every paragraph becomes an article of its own until there are ``chunks`` chunks, as Tanya cuts them, or no
    paragraph is left. Paragraphs that repeat an earlier one are left out.

    Raises:
        BenchmarkError: ``texts`` holds no paragraph, or a row that is no such thing.
    """
    if work.prepared.exists():
        return dict(read_json(work.prepared))
    paragraphs = sample_paragraphs() if texts is None else read_paragraphs(Path(texts))
    counted = words = articles = 0
    seen: set[int] = set()
    building = work.articles.with_suffix(".building")
    with building.open("w", encoding="utf-8") as stream:
        for title, text in paragraphs:
            if counted >= chunks:
                break
            if hash(text) in seen:
                continue
            seen.add(hash(text))
            counted += len(chunk_article(as_article(title, text)))
            words += len(with_title(title, text).split())
            articles += 1
            stream.write(json.dumps({"title": title, "text": text}, ensure_ascii=False) + "\n")
    if not articles:
        raise BenchmarkError(f"{texts} holds no text. Its rows need `title` and `paragraphs` or `text`")
    building.replace(work.articles)
    questions = make_questions(list(read_rows(work)))
    prepared = {"articles": articles, "chunks": counted, "words": words, "questions": questions}
    write_json(work.prepared, prepared)
    return prepared


def read_paragraphs(file: Path) -> Iterator[tuple[str | None, str]]:
    """Yield title and text of every paragraph of a JSON Lines file, plain or gzipped.

    Raises:
        BenchmarkError: a row has neither ``paragraphs`` nor ``text``.
    """
    open_file = gzip.open if file.suffix == ".gz" else open
    with open_file(file, "rt", encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            row = json.loads(line)
            if "paragraphs" not in row and "text" not in row:
                raise BenchmarkError(f"{file}, row {number}: neither `paragraphs` nor `text`")
            paragraphs = row["paragraphs"] if "paragraphs" in row else [row["text"]]
            yield from ((row.get("title"), text) for text in paragraphs if text.strip())


def sample_paragraphs(seed: int = SEED) -> Iterator[tuple[str, str]]:
    """Yield, without end, articles shuffled together from the sentences and headlines of the bundled sample."""
    articles = [item for item in read_articles([sample_folder()]) if isinstance(item, Article)]
    titles = [article.title for article in articles if article.title]
    sentences = [
        article.text[start:end] for article in articles for start, end in sentence_spans(article.text)
    ]
    chance = random.Random(seed)
    while True:
        chance.shuffle(sentences)
        rest = iter(sentences)
        while taken := list(itertools.islice(rest, chance.randint(*SENTENCES))):
            yield chance.choice(titles), " ".join(taken)


def make_questions(rows: list[tuple[str | None, str]], count: int = QUESTIONS, seed: int = SEED) -> list[str]:
    """Return up to ``count`` different questions about ``rows``, Indonesian and English in turn.

    An Indonesian one is a beginning cut off a headline and first sentence and asked, an English one is a template
    around a headline.
    """
    chance = random.Random(seed)
    order = list(range(len(rows)))
    chance.shuffle(order)
    questions: dict[str, None] = {}
    for position, row in enumerate(order):
        if len(questions) >= count:
            break
        title, text = rows[row]
        subject = title or " ".join(text.split()[:5])
        if position % 2:
            template = _ENGLISH[(position // 2) % len(_ENGLISH)]
            questions[template.format(subject)] = None
        else:
            words = text[: sentence_spans(text)[0][1]].split()
            cut = words[: max(4, min(12, len(words) * 2 // 3))]
            questions[" ".join(cut).rstrip(".,;:") + "?"] = None
    return list(questions)


def read_rows(work: Work) -> Iterator[tuple[str | None, str]]:
    """Yield title and text of the prepared articles, in order."""
    with work.articles.open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            yield row["title"], row["text"]


def passages_to_read(work: Work) -> list[str]:
    """Return ``READ_PASSAGES`` passages of ``READ_WORDS`` words each, cut from the prepared articles in order."""
    words: list[str] = []
    for _, text in itertools.cycle(read_rows(work)):
        words += text.split()
        if len(words) >= READ_PASSAGES * READ_WORDS:
            break
    return [" ".join(words[READ_WORDS * number :][:READ_WORDS]) for number in range(READ_PASSAGES)]


def as_article(title: str | None, text: str) -> Article:
    """Return an article of a prepared row, for what looks at its text alone."""
    return Article("", title, text, None, None, None, False, None, "")


def with_title(title: str | None, text: str) -> str:
    """Return the headline above the text: what both systems get to read, and what words are counted in."""
    return f"{title}\n{text}" if title else text


def new_article(rows: list[tuple[str | None, str]], number: int) -> tuple[str, str]:
    """Return title and text of an article that no index holds, made of four paragraphs of ``rows``."""
    title = f"Percobaan nomor {number} menambah satu artikel"
    chosen = [rows[(4 * number + offset) % len(rows)][1] for offset in range(4)]
    return title, "\n".join(
        [f"Redaksi mencatat percobaan nomor {number} dengan sandi zx{number}qv.", *chosen]
    )
