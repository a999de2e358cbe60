"""SQuAD-style rows to answers: each context is an archive of its own, with one passage.

Knows rows and a reader; knows nothing of indexes. This is how anyone measures reading apart from retrieval.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from qa.answering import Found, check_question, compose
from qa.errors import InputError
from qa.evaluation.questions import Problem
from qa.reader import PASSAGE_THRESHOLD, PassageReader
from qa.spans import SpanModel
from qa.terms import detect_language
from qa.types import Answer, Article, Chunk, Hit, Reader


def current_reader() -> PassageReader:
    """Return the reader that answers, apart from retrieval.

    Raises:
        ModelError: it is missing or damaged.
    """
    return PassageReader(SpanModel.load_default())


def find_in(question: str, context: str, reader: Reader) -> Found:
    """Read ``context`` as the one passage found for ``question``.

    Raises:
        InputError: the question is empty or too long.
    """
    question = check_question(question)
    language = detect_language(question)
    identity = hashlib.sha256(context.encode()).hexdigest()[:16]
    article = Article(identity, None, context, None, None, None, False, None, identity)
    hit = Hit(Chunk(f"{identity}-0", identity, 0, context, 0, len(context)), article, 1.0, "both")
    return Found(question, language, reader.read(question, language, [hit]).candidates, [hit], {})


def decide(found: Found) -> Answer:
    """Answer from the best of what was found in a context, or say that it does not say."""
    timings = found.timings
    return compose(found.question, found.language, found.candidates, found.hits, timings, PASSAGE_THRESHOLD)


def read_answer(question: str, context: str, reader: Reader) -> dict[str, Any]:
    """Return ``{"answer", "score", "no_answer_probability"}``; ``answer`` is "" if the context does not say.

    ``score`` is the probability (0 to 1) that the best candidate is right, ``no_answer_probability`` the rest of 1.

    Raises:
        InputError: the question is empty or too long.
    """
    found = find_in(question, context, reader)
    answer = decide(found)
    return {
        "answer": answer.text or "",
        "score": answer.confidence,
        "no_answer_probability": 1.0 - answer.confidence,
    }


def read_rows(file: Path) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Return the rows ``{"id", "question", "context", …}`` of a JSON Lines file, and those that are none.

    Raises:
        InputError: there is no such file, or it is not UTF-8 text.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as UTF-8 text: {error}") from error
    rows, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(_checked(json.loads(line)))
        except (ValueError, InputError) as error:
            problems.append(Problem(f"row {number}", str(error)))
    return rows, problems


def answer_rows(rows: Iterable[dict[str, Any]], reader: Reader) -> Iterator[dict[str, Any]]:
    """Yield ``{"id", "answer", "score", "no_answer_probability"}`` for each row."""
    for row in rows:
        yield {"id": row["id"], **read_answer(row["question"], row["context"], reader)}


def _checked(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict) or "id" not in row:
        raise ValueError('it is no JSON object with "id", "question" and "context"')
    for name in ("question", "context"):
        if not isinstance(row.get(name), str):
            raise ValueError(f"{name} is {row.get(name)!r}, it must be text")
    check_question(row["question"])
    # Half a surrogate pair can be written in JSON, but is no text.
    json.dumps(row, ensure_ascii=False).encode()
    return row
