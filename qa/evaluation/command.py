"""``tanya evaluate`` and ``tanya read``: options to calls, results to files and to the terminal.

Imported by every command for its options, so models and measures are imported where they are used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qa.config import Settings
from qa.errors import IndexMissingError, InputError
from qa.evaluation import SYSTEMS
from qa.output import printable

if TYPE_CHECKING:
    from qa.evaluation.questions import Problem, QuestionSet

_SHOWN_PROBLEMS = 20


def add_evaluate_options(parser: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    """Add what ``tanya evaluate`` takes beside an index and a model; ``count`` reads a number of passages."""
    parser.add_argument(
        "questions",
        type=Path,
        metavar="QUESTIONS",
        help=".jsonl, .csv, SQuAD .json, or a BEIR folder (or one of its qrels/*.tsv)",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write; a run that was stopped goes on there"
    )
    what.add_argument(
        "--check", action="store_true", help="only say what is wrong with the questions; 1 if anything is"
    )
    parser.add_argument(
        "--system", choices=SYSTEMS, default="tanya", help="what answers (default: %(default)s)"
    )
    parser.add_argument(
        "--k", type=count, default=5, metavar="N", help="passages read (default: %(default)s)"
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N questions")
    parser.add_argument("--retrieval-only", action="store_true", help="find passages, answer nothing")
    parser.add_argument(
        "--rules",
        choices=("indonesian", "squad"),
        default="indonesian",
        help="how answers are compared: squad for an archive in English (default: %(default)s)",
    )


def add_read_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``tanya read`` takes."""
    parser.add_argument("rows", type=Path, metavar="ROWS", help='JSON Lines of {"id", "question", "context"}')
    parser.add_argument("--out", type=Path, required=True, metavar="PREDICTIONS", help="the file to write")


def evaluate(options: argparse.Namespace, settings: Settings, version: str) -> int:
    """``tanya evaluate``: 0 done, 1 if ``--check`` finds anything wrong, 130 if interrupted."""
    from qa.evaluation.questions import read_questions

    questions = read_questions(options.questions)
    if options.check:
        return _check(questions, settings)
    _print_problems(questions.broken, "skipped ")
    from qa.answering import load_encoder_of
    from qa.evaluation.predictions import holding
    from qa.evaluation.run import RunSettings, run_questions
    from qa.evaluation.systems import build_system
    from qa.index import NewsIndex

    chosen = RunSettings(options.system, options.k, options.retrieval_only, options.limit)
    with holding(options.out):
        encoder = load_encoder_of(settings)
        with NewsIndex.open(settings.index, encoder.fingerprint) as index:
            system = build_system(options.system, index, encoder, settings.dense_weight, settings.threshold)
            total = len(questions.questions[: options.limit])
            try:
                with progress_of(total, " questions") as done:
                    run_questions(questions, system, chosen, options.out, version, done)
            except KeyboardInterrupt:
                print("\nInterrupted. The same command goes on with the questions left.", file=sys.stderr)
                return 130
        print(_score(options))
    return 0


def read(options: argparse.Namespace) -> int:
    """``tanya read``: 0 done, also if rows were skipped, which are listed."""
    from qa.evaluation.reading import answer_rows, current_reader, read_rows

    rows, problems = read_rows(options.rows)
    _print_problems(problems, "skipped ")
    if not rows:
        raise InputError(f'there is no row {{"id", "question", "context"}} in {options.rows}')
    part = options.out.with_name(options.out.name + ".part")
    try:
        with (
            part.open("w", encoding="utf-8", newline="\n") as file,
            progress_of(len(rows), " questions") as done,
        ):
            done(0)
            for answer in answer_rows(rows, current_reader()):
                file.write(json.dumps(answer, ensure_ascii=False) + "\n")
                done(1)
        part.replace(options.out)
    except OSError as error:
        raise InputError(f"{options.out} cannot be written: {error}") from error
    return 0


@contextmanager
def progress_of(total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show progress with the time left on standard error, where that is a terminal.

    What it yields is told how many more are done; the first time, how many were done before the start.
    """
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, file=sys.stderr, disable=None, dynamic_ncols=True) as bar:
        earlier = True

        def done(count: int) -> None:
            nonlocal earlier
            # The first call tells what an earlier run did, which must not make this one look faster.
            bar.initial = count if earlier else bar.initial
            earlier = False
            bar.update(count)

        yield done


def _check(questions: QuestionSet, settings: Settings) -> int:
    from qa.evaluation.archive import Names, check_against
    from qa.store import Store

    problems = list(questions.broken)
    try:
        store = Store.open(settings.index)
    except IndexMissingError:
        if settings.index_was_named:
            raise
        print(f"no index in {settings.index}: only the form of the questions is checked", file=sys.stderr)
    else:
        try:
            names = Names.of(store)
            for question in questions.questions:
                problems += check_against(store, question, names)
        finally:
            store.close()
    for problem in problems:
        print(f"{printable(problem.row)}: {printable(problem.reason)}")
    print(f"{len(questions.questions)} questions, {len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0


def _score(options: argparse.Namespace) -> str:
    """Compute the figures of the predictions in ``--out`` alone and write them; return the table."""
    from qa.evaluation.metrics import compute_metrics
    from qa.evaluation.predictions import PREDICTIONS, RUN, read_predictions, write_text
    from qa.evaluation.report import report, table, trec_lines

    folder = options.out
    rows = read_predictions(folder / PREDICTIONS)
    run = json.loads((folder / RUN).read_text(encoding="utf-8"))
    missing = sum(any(name.startswith("missing:") for name in row["relevant"]) for row in rows)
    if missing:
        print(f"{missing} questions name an article that is not in the index: see --check", file=sys.stderr)
    metrics = compute_metrics(rows, options.rules)
    write_text(folder / "run.trec", trec_lines(rows, run["system"]))
    write_text(folder / "report.md", [report(metrics, rows, run, options.rules)])
    write_text(folder / "metrics.json", [json.dumps(metrics, ensure_ascii=False, indent=2), "\n"])
    return f"{table(metrics)}\n\nWritten to {folder}"


def _print_problems(problems: Sequence[Problem], prefix: str) -> None:
    for problem in problems[:_SHOWN_PROBLEMS]:
        print(f"  {prefix}{printable(problem.row)}: {printable(problem.reason)}", file=sys.stderr)
    if len(problems) > _SHOWN_PROBLEMS:
        print(f"  … and {len(problems) - _SHOWN_PROBLEMS} more", file=sys.stderr)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)
