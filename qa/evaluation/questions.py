"""Question sets on disk to questions: JSON Lines of our own, CSV, SQuAD, BEIR.

Knows rows; knows nothing of an index. A broken row is reported by number and left out.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qa.answering import check_question
from qa.errors import InputError
from qa.terms import detect_language
from qa.types import Language

FORMATS = ".jsonl, .csv, SQuAD .json, or a BEIR folder with queries.jsonl and qrels/*.tsv"


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what is known of its answer.

    ``answers``: texts any of which is right; empty if the archive does not answer; ``None`` if nothing is known.
    ``articles``: the right ones with their grade, each by file name, end of path or external id.
    ``row``: where it stood in the file, for messages.
    """

    id: str
    text: str
    language: Language
    answers: tuple[str, ...] | None
    articles: Mapping[str, int]
    row: str

    @property
    def is_answerable(self) -> bool:
        """Whether the archive answers: it holds the answer or the right article."""
        return bool(self.answers or self.articles)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row: where, and in words for the user."""

    row: str
    reason: str


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions in file order, the rows that are none, and a digest of the files they came from."""

    questions: tuple[Question, ...]
    broken: tuple[Problem, ...]
    digest: str


@dataclass(slots=True)
class _Rows:
    """Collects questions and problems; ids must differ."""

    questions: dict[str, Question] = field(default_factory=dict)
    broken: list[Problem] = field(default_factory=list)

    def add(self, row: str, fields: Mapping[str, Any]) -> None:
        try:
            # Half a surrogate pair can be written in JSON, but is no text that could be stored.
            json.dumps(fields, ensure_ascii=False).encode()
            question = _question(row, fields)
            if question.id in self.questions:
                raise ValueError(f"id {question.id!r} is that of {self.questions[question.id].row} too")
            self.questions[question.id] = question
        except (ValueError, InputError) as error:
            self.broken.append(Problem(row, str(error)))


def read_questions(path: Path) -> QuestionSet:
    """Read a question set; its form is told by the name: see ``FORMATS``.

    Raises:
        InputError: there is no such set, it cannot be read as a whole, or not one question is in it.
    """
    rows = _Rows()
    files = _files(path)
    texts = {file: _text(file) for file in files}
    if len(files) > 1 or path.is_dir():
        _read_beir(texts[files[0]], texts[files[1]], files[1].name, rows)
    elif path.suffix == ".csv":
        _read_csv(texts[path], rows)
    elif path.suffix == ".json":
        _read_squad(path, texts[path], rows)
    else:
        for number, fields in _json_lines(texts[path], "row", rows):
            rows.add(number, fields)
    if not rows.questions:
        first = f" ({rows.broken[0].row}: {rows.broken[0].reason})" if rows.broken else ""
        raise InputError(f"there is no question in {path}{first}")
    digest = hashlib.sha256("\0".join(texts.values()).encode("utf-8", "surrogatepass")).hexdigest()
    return QuestionSet(tuple(rows.questions.values()), tuple(rows.broken), digest)


def context_id(context: str) -> str:
    """Return the external id under which the article that is just this SQuAD context is looked for."""
    return hashlib.sha256(context.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    """Return the files of the set: one, or queries and judgements of a BEIR folder (or of one of its .tsv files)."""
    if not path.exists():
        raise InputError(f"there is no question set {path}. It may be {FORMATS}")
    if path.is_dir():
        found = sorted((path / "qrels").glob("*.tsv"))
        chosen = [file for file in found if file.name == "test.tsv"] or found
        if not (path / "queries.jsonl").is_file() or not chosen:
            raise InputError(f"{path} is no BEIR folder: it needs queries.jsonl and qrels/*.tsv")
        if len(chosen) > 1:
            names = ", ".join(file.name for file in chosen)
            raise InputError(f"{path / 'qrels'} has {names}. Name one: tanya evaluate {chosen[0]}")
        return [path / "queries.jsonl", chosen[0]]
    if path.suffix == ".tsv":
        queries = path.parent.parent / "queries.jsonl"
        if not queries.is_file():
            raise InputError(f"{path} judges the queries of {queries}, which is not there")
        return [queries, path]
    if path.suffix not in (".jsonl", ".csv", ".json"):
        raise InputError(f"{path} is no question set that can be read. It may be {FORMATS}")
    return [path]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as UTF-8 text: {error}") from error


def _question(row: str, fields: Mapping[str, Any]) -> Question:
    text = fields.get("question")
    if not isinstance(text, str):
        raise ValueError("it has no question")
    text = check_question(text)
    language = fields.get("lang") or detect_language(text)
    if language not in ("en", "id"):
        raise ValueError(f'lang is {language!r}, it must be "en" or "id"')
    identity = fields.get("id")
    if identity in (None, ""):
        identity = row.rpartition(" ")[2]
    if not isinstance(identity, str | int):
        raise ValueError(f"id is {identity!r}, it must be text or a number")
    return Question(
        str(identity), text, language, _answers(fields.get("answers")), _articles(fields.get("article")), row
    )


def _answers(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(answer, str) and answer.strip() for answer in value):
        raise ValueError(f"answers is {value!r}, it must be a list of texts; [] if the archive does not say")
    return tuple(value)


def _articles(value: Any) -> dict[str, int]:
    if value is None or value == "":
        return {}
    if isinstance(value, dict) and all(isinstance(grade, int) and grade > 0 for grade in value.values()):
        return {str(name): grade for name, grade in value.items()}
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"article is {value!r}, it must be a file name, an external id or null")
    return dict.fromkeys(names, 1)


def _json_lines(text: str, word: str, rows: _Rows) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError as error:
            rows.broken.append(Problem(f"{word} {number}", f"it is no JSON: {error}"))
            continue
        if isinstance(fields, dict):
            yield f"{word} {number}", fields
        else:
            rows.broken.append(Problem(f"{word} {number}", "it is no JSON object"))


def _read_csv(text: str, rows: _Rows) -> None:
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    if "question" not in (reader.fieldnames or ()):
        raise InputError(
            "the CSV file has no column question. Its first line must name: question,answers,article,lang"
        )
    try:
        for number, fields in enumerate(reader, start=1):
            known: dict[str, Any] = {
                name: value
                for name, value in fields.items()
                if name in ("id", "question", "article", "lang") and value
            }
            if fields.get("answers") is not None:
                known["answers"] = [
                    part.strip() for part in str(fields["answers"]).split("|") if part.strip()
                ]
            rows.add(f"row {number}", known)
    except csv.Error as error:
        rows.broken.append(
            Problem(f"line {reader.line_num}", f"the CSV cannot be read from here on: {error}")
        )


def _read_squad(path: Path, text: str, rows: _Rows) -> None:
    """SQuAD 1.1 and 2.0. The right article is the one whose external id is ``context_id`` of the context."""
    try:
        articles = json.loads(text)["data"]
        asked = [
            (paragraph["context"], question)
            for article in articles
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no SQuAD file: {error!r}") from error
    for number, (context, question) in enumerate(asked, start=1):
        row = f"question {number}"
        try:
            answers = (
                []
                if question.get("is_impossible")
                else list(dict.fromkeys(answer["text"] for answer in question["answers"]))
            )
            fields = {"id": question["id"], "question": question["question"], "answers": answers}
            rows.add(row, fields | ({"article": context_id(context)} if answers else {}))
        except (AttributeError, KeyError, TypeError) as error:
            rows.broken.append(Problem(row, f"it is no SQuAD question: {error!r}"))


def _read_beir(queries: str, judgements: str, name: str, rows: _Rows) -> None:
    """Read the queries that are judged; others of ``queries.jsonl`` belong to another part of the set."""
    texts = {
        str(fields["_id"]): (row, fields.get("text"))
        for row, fields in _json_lines(queries, "queries.jsonl row", rows)
        if "_id" in fields
    }
    relevant: dict[str, dict[str, int]] = {}
    for number, line in enumerate(judgements.split("\n"), start=1):
        parts = line.rstrip("\r").split("\t")
        if not line.strip() or (number == 1 and parts[-1] == "score"):
            continue
        if len(parts) != 3 or not parts[2].strip().lstrip("-").isdigit():
            reason = "it is not query-id, corpus-id and a whole number, parted by tabs"
        elif parts[0] not in texts:
            reason = f"query {parts[0]!r} is not in queries.jsonl"
        else:
            if int(parts[2]) > 0:
                relevant.setdefault(parts[0], {})[parts[1]] = int(parts[2])
            continue
        rows.broken.append(Problem(f"{name} row {number}", reason))
    for identity, articles in relevant.items():
        row, text = texts[identity]
        rows.add(row, {"id": identity, "question": text, "article": articles})
