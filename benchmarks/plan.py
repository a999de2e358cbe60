"""The order of a benchmark: prepare, build both indexes, then measure both by turns, each step in its own process.

Turns keep a busy moment of the machine from falling on one system alone. Imports nothing heavy: what a process
has resident when it starts another counts as that one's on Linux.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.baseline_model import baseline_model_folder
from benchmarks.work import BenchmarkError, Work, read_json, write_json

REPETITIONS = 3
WARM_UPS = 20
ADDITIONS = 5
BASELINE_PACKAGES = (
    "langchain_community",
    "langchain_huggingface",
    "langchain_text_splitters",
)

Figures = dict[str, Any]
RunStep = Callable[[str, Work, Figures], Figures]
"""Runs a step (``"tanya.ask"``) in a work folder with keyword arguments, and returns its figures."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure: texts (``None`` for the bundled sample), chunks to index, paragraphs to embed by both.

    ``dtype``: the number format that Tanya computes in. ``only``: ``"encoding"`` for the rows that need no index.
    """

    texts: Path | None
    chunks: int
    sample: int
    baseline: bool
    dtype: str = "auto"
    only: str | None = None


def measure(work: Work, options: Options, run: RunStep) -> Figures:
    """Run every step and return the raw figures, which are also written to ``work.figures(options.only)``."""
    figures: Figures = {"machine": machine.describe(), "repetitions": REPETITIONS, "warm_ups": WARM_UPS}
    systems = ["tanya", "baseline"] if options.baseline else ["tanya"]
    figures |= {system: {} for system in systems}
    _say("preparing the texts")
    texts = str(options.texts.resolve()) if options.texts else None
    prepared = run("texts.prepare", work, {"texts": texts, "chunks": options.chunks})
    sample = min(options.sample, prepared["articles"])
    questions = prepared["questions"]
    figures["texts"] = {
        "file": options.texts.name if options.texts else None,
        "articles": prepared["articles"],
        "chunks": prepared["chunks"],
        "words": prepared["words"],
        "sample": sample,
        "questions": len(questions),
    }
    in_format = {"dtype": options.dtype}
    figures["settings"] = in_format | {"only": options.only}
    run = _forcing(in_format, run)
    parts = split_evenly(0, sample)
    _measure_encoding(work, figures, systems, parts, questions, run)
    if options.only is None:
        _measure_indexes(work, figures, systems, parts, prepared["articles"], questions, run)
    write_json(work.figures(options.only), figures)
    return figures


def split_evenly(first: int, last: int, parts: int = REPETITIONS) -> list[tuple[int, int]]:
    """Return up to ``parts`` ranges ``(first, last)``, last exclusive, that make up the whole; none is empty."""
    borders = [first + (last - first) * part // parts for part in range(parts + 1)]
    return [pair for pair in itertools.pairwise(borders) if pair[0] < pair[1]]


def run_in_process(step: str, work: Work, arguments: Figures) -> Figures:
    """Run a step in a process of its own, offline and untraced.

    Raises:
        BenchmarkError: the step failed; its traceback is on standard error.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "figures.json"
        command = [
            sys.executable,
            "-m",
            "benchmarks.worker",
            step,
            str(work.root),
            json.dumps(arguments),
            str(result),
        ]
        # What a step prints is no figure, and standard output is the table's.
        ended = subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, check=False)
        if ended.returncode:
            raise BenchmarkError(f"the step {step} failed with exit code {ended.returncode}; see above")
        return dict(read_json(result))


def environment() -> dict[str, str]:
    """Return the variables for a step: no network, no tracing, no index or model of the user's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LANGSMITH_", "LANGCHAIN_", "TANYA_"))
    }
    # The baseline's packages warn at every start that they are being retired, and draw a bar for every load.
    return kept | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONWARNINGS": "ignore"}


def check_baseline() -> None:
    """Raise ``BenchmarkError`` naming the extra, if the baseline's packages or its model are not installed."""
    missing = [name for name in BASELINE_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchmarkError(
            f"the baseline needs {', '.join(missing)}. Install it with: pip install 'tanya[bench]', "
            "or leave it out with --skip-baseline"
        )
    baseline_model_folder()


def cold_commands(work: Work, system: str, question: str) -> list[str]:
    """Return the command line that asks one question from a standing start."""
    if system == "tanya":
        return [sys.executable, "-m", "qa", "ask", question, "--index", str(work.tanya)]
    script = "benchmarks.cold_baseline"
    return [sys.executable, "-m", script, str(work.baseline), str(baseline_model_folder()), question]


def _forcing(in_format: Figures, run: RunStep) -> RunStep:
    """Return ``run`` with the number format for every step of Tanya's that loads a model."""

    def step(name: str, work: Work, arguments: Figures) -> Figures:
        loads = name.startswith("tanya.") and name != "tanya.open_index"
        return run(name, work, arguments | (in_format if loads else {}))

    return step


def _measure_encoding(
    work: Work,
    figures: Figures,
    systems: Sequence[str],
    parts: Sequence[tuple[int, int]],
    questions: Sequence[str],
    run: RunStep,
) -> None:
    """Embed the sample and single questions, and read given passages, by turns; needs no index."""
    for number, (first, last) in enumerate(parts):
        for system in systems:
            _say(f"embedding part {number + 1} of {len(parts)} of the sample: {system}")
            arguments = {"first": first, "last": last} | ({"part": number} if system == "baseline" else {})
            _append(figures[system], "embed", run(f"{system}.embed", work, arguments))
    for number, asked in enumerate(_repetitions(questions)):
        _say(f"encoding questions, repetition {number + 1}")
        for system in systems:
            _append(figures[system], "encode", run(f"{system}.encode", work, asked))
        _say(f"reading, repetition {number + 1}")
        for system in systems:
            _append(figures[system], "read", run(f"{system}.read", work, asked))


def _measure_indexes(
    work: Work,
    figures: Figures,
    systems: Sequence[str],
    parts: Sequence[tuple[int, int]],
    articles: int,
    questions: Sequence[str],
    run: RunStep,
) -> None:
    """Build both indexes, then open, ask and add to them by turns."""
    _say("indexing: tanya")
    figures["tanya"]["build"] = run("tanya.build", work, {"articles": articles})
    if "baseline" in systems:
        _say("filling the index: baseline")
        figures["baseline"]["build"] = run("baseline.build", work, {"parts": parts})
    _measure_questions(work, figures, systems, questions, run)
    for system in systems:
        _say(f"adding an article: {system}")
        figures[system]["add"] = run(f"{system}.add", work, {"times": ADDITIONS})
    _measure_cold(work, figures, systems, questions[:REPETITIONS])


def _measure_questions(
    work: Work, figures: Figures, systems: Sequence[str], questions: Sequence[str], run: RunStep
) -> None:
    """Open and ask by turns."""
    for number, asked in enumerate(_repetitions(questions)):
        _say(f"opening and asking, repetition {number + 1}")
        for system in systems:
            _append(figures[system], "open", run(f"{system}.open_index", work, {}))
            _append(figures[system], "search", run(f"{system}.search", work, asked))
        _append(figures["tanya"], "ask", run("tanya.ask", work, asked))


def _repetitions(questions: Sequence[str]) -> list[Figures]:
    """Return what each repetition asks: the same to warm up, then questions that no other repetition asks."""
    warm_up, rest = questions[:WARM_UPS], questions[WARM_UPS:] or questions
    return [{"warm_up": warm_up, "questions": rest[first:last]} for first, last in split_evenly(0, len(rest))]


def _measure_cold(work: Work, figures: Figures, systems: Sequence[str], questions: Sequence[str]) -> None:
    _say("asking from a standing start")
    for question in questions:
        for system in systems:
            command = cold_commands(work, system, question)
            started = time.perf_counter()
            ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - started
            if ended.returncode or not ended.stdout.strip():
                raise BenchmarkError(f"{' '.join(command)} gave nothing:\n{ended.stderr}")
            _append(figures[system], "cold", {"seconds": seconds})


def _append(figures: Figures, name: str, one: Figures) -> None:
    figures.setdefault(name, []).append(one)


def _say(step: str) -> None:
    print(f"{step} …", file=sys.stderr, flush=True)
