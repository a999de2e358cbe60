"""The command line: reads options, calls the library, prints.

Exit codes: 0 done (answered or refused), 1 a reported error, 2 wrong usage, 130 interrupted. Results go to
standard output, everything else to standard error. Models are imported by the commands that need them only.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.errors import EmbeddingError
from qa.config import Settings, read_share
from qa.errors import IndexMissingError, InputError, TanyaError
from qa.evaluation.command import add_evaluate_options, add_read_options
from qa.output import printable
from qa.types import Filters

if TYPE_CHECKING:
    from qa.ingest import Report

EPILOG = """\
examples:
  tanya index ~/articles               index a folder, a file or a .zip
  tanya ask "Siapa yang menengahi?"    answer with its proof
  tanya serve                          the chat page, in the browser
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tanya``; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["serve"]:
        from app import main as serve

        return serve(arguments[1:])
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        return int(options.command(options))
    except (TanyaError, EmbeddingError) as error:
        print(f"tanya: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as in `tanya search … | head`; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command but ``serve``, which ``app.py`` parses."""
    parser = argparse.ArgumentParser(
        prog="tanya",
        description="Ask an archive of Indonesian news, in English or Indonesian, and see the proof.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tanya {_version('tanya')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    index = _command(commands, "index", index_command, "add and update articles from files, folders and .zip")
    index.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    index.add_argument("--prune", action="store_true", help="drop articles whose file is gone")
    index.add_argument(
        "--rebuild", action="store_true", help="make the index anew, of these PATHs alone (another model)"
    )
    index.add_argument(
        "--explain", action="store_true", help="show what would be kept, what removed, and why; index nothing"
    )
    _add_model_options(index)

    remove = _command(commands, "remove", remove_command, "drop articles from the index")
    remove.add_argument("ids", nargs="+", metavar="ID", help="an article's id, as ask and search print it")

    for name, command, text in (
        ("ask", ask_command, "answer a question, with its proof"),
        ("search", search_command, "find passages, without an answer"),
    ):
        question = _command(commands, name, command, text)
        question.add_argument("question")
        question.add_argument(
            "--k", type=_count, default=5, metavar="N", help="passages (default: %(default)s)"
        )
        question.add_argument(
            "--from", type=_day, dest="date_from", metavar="DATE", help="first day, YYYY-MM-DD"
        )
        question.add_argument("--to", type=_day, dest="date_to", metavar="DATE", help="last day, YYYY-MM-DD")
        question.add_argument(
            "--source", action="append", default=[], metavar="S", help="only this outlet; may be repeated"
        )
        question.add_argument("--json", action="store_true", help="print one JSON object")
        _add_model_options(question)
        _add_weight_option(question)
        if name == "ask":
            _add_threshold_option(question)

    evaluate = _command(
        commands, "evaluate", evaluate_command, "measure how often it is right, on a question set"
    )
    add_evaluate_options(evaluate, _count)
    _add_model_options(evaluate)
    _add_weight_option(evaluate)
    _add_threshold_option(evaluate)
    text = "answer SQuAD-style rows, each from its own context"
    read = commands.add_parser("read", help=text, description=text[0].upper() + text[1:] + ".")
    read.set_defaults(command=read_command)
    add_read_options(read)

    doctor = _command(commands, "doctor", doctor_command, "check the installation, the model and the index")
    _add_model_options(doctor)
    commands.add_parser(
        "serve", help="open the chat page in the browser (see tanya serve --help)", add_help=False
    )
    return parser


def index_command(options: argparse.Namespace) -> int:
    """``tanya index``: 0 even if files were skipped, which are listed; 130 if interrupted."""
    if options.explain:
        return explain_command(options)
    from embeddings.encoder import SentenceEncoder
    from qa.answering import load_encoder_of
    from qa.ingest import Report, estimate_articles, index_paths

    settings = _settings(options)
    _check_paths(options.paths)
    try:
        if options.rebuild:
            raise IndexMissingError("an index being rebuilt remembers no model")
        encoder = load_encoder_of(settings)
    except IndexMissingError:
        encoder = SentenceEncoder.load(
            settings.model, query_prompt=settings.query_prompt, passage_prompt=settings.passage_prompt
        )
    report = Report()
    try:
        with _progress(estimate_articles(options.paths)) as progress:
            index_paths(
                options.paths,
                settings.index,
                encoder,
                model=_absolute_model(settings.model),
                prune=options.prune,
                rebuild=options.rebuild,
                progress=progress,
                report=report,
            )
    except KeyboardInterrupt:
        print(f"\nInterrupted. {_interrupted(options.rebuild)}", file=sys.stderr)
        return 130
    _print_report(report, settings.index)
    return 0


def explain_command(options: argparse.Namespace) -> int:
    """``tanya index --explain``: the before/after view of each file; indexes nothing."""
    from qa.corpus import explain

    for path in options.paths:
        for line in explain(path):
            print(line)
    return 0


def remove_command(options: argparse.Namespace) -> int:
    """``tanya remove``: 1 if an id is unknown; the others are removed all the same."""
    from qa.writer import remove_articles

    settings = _settings(options)
    unknown = 0
    for article_id, removed in remove_articles(settings.index, options.ids):
        if removed is None:
            unknown += 1
            print(f"tanya: no article {article_id} in {settings.index}", file=sys.stderr)
        else:
            print(f"removed {removed}")
    return 1 if unknown else 0


def ask_command(options: argparse.Namespace) -> int:
    """``tanya ask``: 0 whether answered or refused."""
    from qa.answering import QuestionAnswerer, check_question
    from qa.output import answer_as_json, answer_as_text

    check_question(options.question)
    filters = _filters(options)
    with QuestionAnswerer.from_settings(_settings(options)) as answerer:
        _report_undated(options, answerer.index.store.count_undated())
        answer = answerer.ask(options.question, filters=filters, k=options.k)
    print(json.dumps(answer_as_json(answer), ensure_ascii=False) if options.json else answer_as_text(answer))
    return 0


def search_command(options: argparse.Namespace) -> int:
    """``tanya search``: passages only."""
    from qa.answering import QuestionAnswerer, check_question
    from qa.output import hits_as_json, hits_as_text
    from qa.terms import detect_language

    question = check_question(options.question)
    filters = _filters(options)
    with QuestionAnswerer.from_settings(_settings(options)) as answerer:
        _report_undated(options, answerer.index.store.count_undated())
        retrieved = answerer.retriever.retrieve(question, k=options.k, filters=filters)
    language = detect_language(question)
    if options.json:
        timings = {name: round(value, 2) for name, value in retrieved.timings.items()}
        found = {"question": question, "language": language, "passages": hits_as_json(retrieved.hits)}
        print(json.dumps(found | {"timings_ms": timings}, ensure_ascii=False))
    else:
        print(hits_as_text(retrieved.hits, language))
    return 0


def evaluate_command(options: argparse.Namespace) -> int:
    """``tanya evaluate``: 0 measured; with ``--check`` 1 if anything is wrong with the questions."""
    from qa.evaluation.command import evaluate

    return evaluate(options, _settings(options), _version("tanya"))


def read_command(options: argparse.Namespace) -> int:
    """``tanya read``: 0 even if rows were skipped, which are listed."""
    from qa.evaluation.command import read

    return read(options)


def doctor_command(options: argparse.Namespace) -> int:
    """``tanya doctor``: 0 if everything works without a network, 1 if something does not."""
    from qa.doctor import examine

    sound = True
    for finding in examine(_settings(options)):
        print(f"{'ok ' if finding.sound else 'BAD'}  {finding.text}")
        sound = sound and finding.sound
    return 0 if sound else 1


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(command=function)
    parser.add_argument(
        "--index", type=Path, metavar="DIR", help="the index (default: $TANYA_INDEX, else .tanya/default)"
    )
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="NAME", help="a sentence-transformers name or folder (default: the index's own)"
    )
    parser.add_argument("--query-prompt", metavar="TEXT", help="put before a question, if the model wants it")
    parser.add_argument(
        "--passage-prompt", metavar="TEXT", help="put before a passage, if the model wants it"
    )


def _add_weight_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dense-weight",
        type=_share,
        metavar="W",
        help="how much meaning counts beside words, from 0 (words alone) to 1 (default: $TANYA_DENSE_WEIGHT, else "
        "by the question's language, as fits the bundled model)",
    )


def _add_threshold_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threshold",
        type=_share,
        metavar="P",
        help="answer only what is right with at least this probability, from 0 to 1 (default: $TANYA_THRESHOLD, else "
        "by the question's language)",
    )


def _settings(options: argparse.Namespace) -> Settings:
    return Settings.read(
        index=options.index,
        model=getattr(options, "model", None),
        query_prompt=getattr(options, "query_prompt", None),
        passage_prompt=getattr(options, "passage_prompt", None),
        dense_weight=getattr(options, "dense_weight", None),
        threshold=getattr(options, "threshold", None),
    )


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    from tqdm import tqdm

    with tqdm(total=total, unit=" articles", file=sys.stderr, disable=None, dynamic_ncols=True) as bar:

        def done(count: int) -> None:
            bar.update(count)

        yield done


def _print_report(report: Report, folder: Path) -> None:
    changes = report.changes
    counts = [f"{changes[change]} {change}" for change in ("added", "updated", "duplicate", "unchanged")]
    print(", ".join([*counts, f"{report.pruned} pruned", f"{len(report.skips)} skipped"]), "in", folder)
    for skip in report.skips:
        print(f"  skipped {printable(skip.path)}: {printable(skip.reason)}", file=sys.stderr)
    if not changes and not report.pruned:
        print("tanya: no article was found there", file=sys.stderr)


def _interrupted(rebuild: bool) -> str:
    if rebuild:
        return "The index is as it was before; run the same command again to rebuild it."
    return (
        "Everything indexed so far is kept and can be asked; run the same command again to go on from there."
    )


def _check_paths(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no file or folder {path}")


def _filters(options: argparse.Namespace) -> Filters:
    first, last = options.date_from, options.date_to
    if first and last and first > last:
        raise InputError(f"--from {first} is after --to {last}")
    return Filters(first, last, tuple(options.source))


def _report_undated(options: argparse.Namespace, undated: int) -> None:
    if undated and (options.date_from or options.date_to):
        print(f"{undated} articles have no date and are left out by --from and --to", file=sys.stderr)


def _absolute_model(model: str | None) -> str | None:
    return str(Path(model).resolve()) if model and Path(model).is_dir() else model


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2023-05-19") from None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100")
    return int(text)


def _share(text: str) -> float:
    try:
        return read_share(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"
