"""Development questions in two halves, and an index of their passages: what ``benchmarks.fit_*`` fit and report on.

No model of Tanya's is trained on these files: ``reading/facqa.valid``, ``reading/idk_mrc.valid`` and
``reading/squad_en_id.dev`` (``.jsonl.gz``; English and Indonesian questions on the same Indonesian passages), with
``news/indosum`` and ``wiki/id_wikipedia_leads`` as distractors. Figures are chosen on the one half and reported on the
other; a passage and all its questions are in one half, by the hash of the passage.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from benchmarks.work import BenchmarkError
from embeddings.encoder import SentenceEncoder
from embeddings.errors import EmbeddingError
from embeddings.metrics import estimate, mean
from qa.errors import TanyaError
from qa.evaluation.questions import context_id
from qa.index import NewsIndex
from qa.terms import detect_language
from qa.types import Article, Encoder, Language
from qa.writer import IndexWriter

Half = Literal["choosing", "reporting"]
HALVES: tuple[Half, ...] = get_args(Half)

DISTRACTORS = 10_000
NEWS_SHARE = 10
"""One distractor in so many is a news article of IndoSum, the others are leads of Indonesian Wikipedia."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its passage and the texts in it that answer; none if the passage does not."""

    id: str
    text: str
    context: str
    answers: tuple[str, ...]

    @property
    def article_id(self) -> str:
        """The id of its passage in the index."""
        return context_id(self.context)

    @property
    def language(self) -> Language:
        """The language by which Tanya would choose its weights for the question."""
        return detect_language(self.text)

    @property
    def half(self) -> Half:
        """The half that its passage belongs to."""
        return HALVES[int(self.article_id[0], 16) % 2]


@dataclass(frozen=True, slots=True)
class Development:
    """The questions of one language, and the index that holds their passages and the distractors."""

    index: NewsIndex
    encoder: Encoder
    language: Language
    choosing: list[Question]
    reporting: list[Question]


def read_questions(data: Path) -> list[Question]:
    """Return the questions of all sets, unanswerable ones of IDK-MRC among them.

    Raises:
        BenchmarkError: a file is missing.
    """
    found = []
    for name in ("facqa.valid", "idk_mrc.valid"):
        for row in _rows(data / f"reading/{name}.jsonl.gz"):
            found.append(_question(row["id"], row["question"], row["context"], row["answers"]))
    for row in _rows(data / "reading/squad_en_id.dev.jsonl.gz"):
        for language in ("en", "id"):
            identity, text = f"{row['id']}-{language}", row[f"question_{language}"]
            found.append(_question(identity, text, row["context_id"], row["answers_id"]))
    return found


def passages(questions: Sequence[Question], data: Path, distractors: int) -> Iterator[str]:
    """Yield the contexts of the questions, each once, then up to ``distractors`` other texts."""
    yield from dict.fromkeys(question.context for question in questions)
    news = distractors // NEWS_SHARE
    for file, count in (("news/indosum", news), ("wiki/id_wikipedia_leads", distractors - news)):
        for row in itertools.islice(_rows(data / f"{file}.jsonl.gz"), count):
            yield "\n".join(row["paragraphs"])


def build(folder: Path, encoder: Encoder, texts: Iterator[str], model: str | None = None) -> None:
    """Index the texts, one article each; a run that was stopped goes on.

    ``model``: how the encoder was named, so that ``tanya evaluate`` loads the same over this index.
    """
    located = (
        (f"/{identity}", Article(identity, None, text, None, None, None, False, None, identity, identity))
        for text in texts
        for identity in [context_id(text)]
    )
    with IndexWriter.open(folder, encoder, model=model) as writer:
        for number, (_, change) in enumerate(writer.add(located)):
            if number % 1000 == 0 and change == "added":
                print(f"{number} indexed", file=sys.stderr, flush=True)


def write_questions(file: Path, questions: Sequence[Question]) -> None:
    """Write the questions as ``tanya evaluate`` reads them."""
    with file.open("w", encoding="utf-8") as lines:
        for question in questions:
            row = {
                "id": question.id,
                "question": question.text,
                "lang": question.language,
                "answers": list(question.answers),
                "article": question.article_id if question.answers else None,
            }
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def questions_file(index: Path, half: Half) -> Path:
    """Return where the questions of ``half`` lie: beside the index."""
    return index.with_name(f"{index.name}-{half}.jsonl")


def for_each_language(
    description: str | None, step: Callable[[Development], None], argv: Sequence[str] | None = None
) -> int:
    """Read the options, index what is missing, write the halves, take ``step`` for each language.

    Returns the exit code: 0 done, 1 a reported error.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="the folder of the sets")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="made if it is not there")
    parser.add_argument("--model", metavar="NAME", help="a sentence-transformers name or folder")
    parser.add_argument(
        "--distractors",
        type=int,
        default=DISTRACTORS,
        metavar="N",
        help="other texts in the index (default: %(default)s)",
    )
    options = parser.parse_args(argv)
    model = (
        str(Path(options.model).resolve())
        if options.model and Path(options.model).is_dir()
        else options.model
    )
    try:
        questions = read_questions(options.data)
        encoder = load_encoder(model)
        build(options.index, encoder, passages(questions, options.data, options.distractors), model)
        for half in HALVES:
            asked = [question for question in questions if question.half == half]
            write_questions(questions_file(options.index, half), asked)
        with NewsIndex.open(options.index, encoder.fingerprint) as index:
            print(f"{index.count_articles():,} passages; model {encoder.fingerprint['name']}")
            for language in ("en", "id"):
                parts = {
                    half: [each for each in questions if each.half == half and each.language == language]
                    for half in HALVES
                }
                empty = [half for half in HALVES if not parts[half]]
                if empty:
                    raise BenchmarkError(
                        f"no question in {language!r} is in the {empty[0]} half of {options.data}"
                    )
                step(Development(index, encoder, language, **parts))
    except (BenchmarkError, EmbeddingError, TanyaError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def load_encoder(model: str | None) -> Encoder:
    """Load the model of this name, or the default one; tests put a small stand-in here."""
    return SentenceEncoder.load(model)


def with_interval(values: Sequence[float] | np.ndarray, sign: str = "") -> str:
    """Return the mean of ``values`` with its 95 % bounds; ``sign`` is ``"+"`` for differences."""
    found = estimate(mean, values)
    if found.value is None:
        return "–"
    bounds = "" if found.low is None else f" [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"
    return f"{found.value:{sign}.3f}{bounds}"


def _question(identity: str, text: str, context: str, answers: Sequence[dict[str, Any]]) -> Question:
    known = tuple(dict.fromkeys(answer["text"] for answer in answers if answer["text"]))
    return Question(identity, text, context, known)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
    except FileNotFoundError as error:
        raise BenchmarkError(
            f"there is no {file}. DATA is the folder that holds reading/, news/ and wiki/"
        ) from error
