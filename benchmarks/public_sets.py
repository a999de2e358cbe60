"""Public question answering sets, from files that you have: ``python -m benchmarks.public_sets read|archive FILE…``.

``read`` answers each question from its own context and prints the figures of reading alone. ``archive`` writes the
contexts of all files as ``corpus.jsonl`` and their questions as ``questions.jsonl``, for ``tanya index`` and
``tanya evaluate``. BEIR folders need none of this: index their ``corpus.jsonl``, evaluate the folder.

A file is SQuAD 1.1 or 2.0 ``.json`` (so is IDK-MRC), FacQA's ``.csv`` of IndoNLU, or JSON Lines (``.gz`` too) of
``{"id", "question", "context", "answers": [text or {"text": …}]}``; other field names by --fields.
"""

from __future__ import annotations

import argparse
import ast
import csv
import gzip
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.work import BenchmarkError
from qa.evaluation.command import progress_of
from qa.evaluation.metrics import compute_metrics
from qa.evaluation.questions import context_id
from qa.evaluation.reading import current_reader, decide, find_in
from qa.evaluation.report import table
from qa.output import answer_as_json
from qa.terms import detect_language

Row = dict[str, Any]
FIELDS = "question,context,answers"
_CLOSING = ".,;:!?)%"


def read_rows(file: Path, fields: str = FIELDS) -> list[Row]:
    """Return rows ``{"id", "question", "context", "answers": [text]}``; ``answers`` is empty if there is none.

    Raises:
        BenchmarkError: the file is of another form.
    """
    try:
        if file.suffix == ".csv":
            return list(_facqa(file))
        if file.suffix == ".json":
            return list(_squad(json.loads(file.read_text(encoding="utf-8-sig"))))
        return list(_json_lines(file, *fields.split(",")))
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        raise BenchmarkError(f"{file} is not of a form that can be read: {error!r}") from error


def measure_reading(rows: Sequence[Row], rules: str, done: Callable[[int], None]) -> dict[str, Any]:
    """Answer every row from its context; return the figures as ``metrics.json`` has them."""
    reader = current_reader()
    predictions = []
    done(0)
    for row in rows:
        found = find_in(row["question"], row["context"], reader)
        answer = decide(found)
        predictions.append(
            {
                "lang": found.language,
                "answers": row["answers"],
                "relevant": {},
                "copies": {},
                "ranking": [],
                "answer": answer_as_json(answer),
                "verbatim": [citation.quote in row["context"] for citation in answer.citations],
                "best": found.candidates[0].text if found.candidates else None,
                "latency_ms": 0.0,
            }
        )
        done(1)
    metrics = compute_metrics(predictions, "squad" if rules == "squad" else "indonesian")
    return {name: value for name, value in metrics.items() if not name.startswith("latency.")}


def write_archive(rows: Sequence[Row], distractors: Sequence[str], folder: Path) -> tuple[int, int]:
    """Write ``corpus.jsonl`` and ``questions.jsonl``; return the numbers of texts and of questions."""
    folder.mkdir(parents=True, exist_ok=True)
    contexts = dict.fromkeys([*(row["context"] for row in rows), *distractors])
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for context in contexts:
            file.write(json.dumps({"_id": context_id(context), "text": context}, ensure_ascii=False) + "\n")
    asked = {row["id"]: row for row in rows}
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as file:
        for identity, row in asked.items():
            known = row["answers"]
            question = {
                "id": identity,
                "question": row["question"],
                "lang": detect_language(row["question"]),
                "answers": known,
                "article": context_id(row["context"]) if known else None,
            }
            file.write(json.dumps(question, ensure_ascii=False) + "\n")
    return len(contexts), len(asked)


def read_distractors(file: Path, count: int) -> list[str]:
    """Return the first ``count`` texts of a JSON Lines file: its ``text``, or its ``paragraphs`` joined."""
    texts = []
    for row in _lines(file):
        texts.append(row["text"] if "text" in row else "\n".join(row["paragraphs"]))
        if len(texts) == count:
            break
    return texts


def _lines(file: Path) -> Iterator[Row]:
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _json_lines(file: Path, question: str, context: str, answers: str) -> Iterator[Row]:
    for row in _lines(file):
        yield {
            "id": str(row["id"]),
            "question": row[question],
            "context": row[context],
            "answers": _texts(row[answers]),
        }


def _squad(content: Any) -> Iterator[Row]:
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                known = [] if asked.get("is_impossible") else _texts(asked["answers"])
                yield {
                    "id": str(asked["id"]),
                    "question": asked["question"],
                    "context": paragraph["context"],
                    "answers": known,
                }


def _facqa(file: Path) -> Iterator[Row]:
    """FacQA: columns question, passage and seq_label, each a Python list; B and I mark the answer's tokens."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            question, passage, labels = (
                ast.literal_eval(row[name]) for name in ("question", "passage", "seq_label")
            )
            answer = _joined(
                [token for token, label in zip(passage, labels, strict=True) if label in ("B", "I")]
            )
            yield {
                "id": f"{file.stem}-{number}",
                "question": _joined(question),
                "context": _joined(passage),
                "answers": [answer] if answer else [],
            }


def _joined(tokens: Sequence[str]) -> str:
    """Return tokens as text: closing marks stand at the word before them."""
    text = ""
    for token in tokens:
        text += token if not text or token in _CLOSING or text.endswith("(") else f" {token}"
    return text


def _texts(answers: Sequence[Any]) -> list[str]:
    texts = [answer if isinstance(answer, str) else answer["text"] for answer in answers]
    return [text for text in dict.fromkeys(texts) if text.strip()]


def main(argv: Sequence[str] | None = None) -> int:
    """Read the options, measure or write; return the exit code: 0 done, 1 a reported error."""
    options = _parser().parse_args(argv)
    try:
        rows = [
            row
            for number, file in enumerate(options.files)
            for row in read_rows(file, options.fields[number] if number < len(options.fields) else FIELDS)
        ]
        if options.command == "archive":
            more = (
                read_distractors(options.distractors, options.distractor_count) if options.distractors else []
            )
            texts, questions = write_archive(rows, more, options.out)
            print(f"{texts} texts and {questions} questions in {options.out}")
            return 0
        with progress_of(len(rows), " questions") as done:
            metrics = measure_reading(rows, options.rules, done)
    except (BenchmarkError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(table(metrics))
    for kind, parts in metrics["slices"].items():
        for name, part in parts.items() if len(parts) > 1 else ():
            figures = {key: figure for key, figure in part.items() if not key.startswith("latency.")}
            print(f"\n{kind}: {name}\n{table(figures)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.public_sets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    read = commands.add_parser("read", help="measure reading, each question on its own context")
    archive = commands.add_parser("archive", help="write the contexts and questions for Tanya")
    for command in (read, archive):
        command.add_argument("files", nargs="+", type=Path, metavar="FILE")
        command.add_argument(
            "--fields",
            action="append",
            default=[],
            metavar="Q,C,A",
            help=f"names of question, context and answers, once a FILE in their order (default: {FIELDS})",
        )
    read.add_argument("--rules", choices=("indonesian", "squad"), default="indonesian")
    archive.add_argument("--out", type=Path, required=True, metavar="DIR")
    archive.add_argument("--distractors", type=Path, metavar="FILE", help="JSON Lines of texts to add")
    archive.add_argument("--distractor-count", type=int, default=5000, metavar="N")
    return parser


if __name__ == "__main__":
    sys.exit(main())
