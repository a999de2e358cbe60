"""``python -m benchmarks``: measures Tanya beside today's usual LangChain pipeline and prints a table.

Exit codes: 0 measured, 1 a reported error, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.plan import Options, RunStep, check_baseline, measure, run_in_process
from benchmarks.table import render
from benchmarks.work import BenchmarkError, find_work

DEFAULT_CHUNKS = 2000
DEFAULT_SAMPLE = 1500


def main(argv: Sequence[str] | None = None, run: RunStep = run_in_process) -> int:
    """Measure and print; ``run`` runs the steps. Return the exit code."""
    given = _parser().parse_args(argv)
    options = Options(
        given.texts,
        given.chunks,
        given.sample,
        baseline=not given.skip_baseline,
        dtype=given.dtype,
        only=given.only,
    )
    try:
        if options.baseline:
            check_baseline()
        work = find_work(given.out, given.texts, given.chunks, given.dtype)
        print(render(measure(work, options, run)))
        print(f"\nRaw figures: {work.figures(given.only)}")
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on with what is indexed", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Tanya beside today's usual LangChain pipeline on the same text. See docs/speed.md.",
    )
    parser.add_argument(
        "--texts",
        type=Path,
        metavar="FILE",
        help="JSON Lines, plain or .gz, of title and paragraphs or text (default: the bundled sample, shuffled)",
    )
    parser.add_argument(
        "--chunks",
        type=_positive,
        default=DEFAULT_CHUNKS,
        metavar="N",
        help="chunks to index (default: %(default)s)",
    )
    parser.add_argument(
        "--sample",
        type=_positive,
        default=DEFAULT_SAMPLE,
        metavar="N",
        help="paragraphs that both systems embed (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path(".tanya/bench"), metavar="DIR", help="(default: %(default)s)"
    )
    parser.add_argument("--skip-baseline", action="store_true", help="measure Tanya alone")
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="the number format Tanya computes in (default: bfloat16 where the CPU has it)",
    )
    parser.add_argument(
        "--only", choices=("encoding",), help="only the rows on encoding, which need no index: a few minutes"
    )
    return parser


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return number


if __name__ == "__main__":
    sys.exit(main())
