"""The development bench: ``python -m embeddings.training.bench DATA``, or ``evaluate_model`` on a model in memory.

Questions against passages, and sentences against their translations, for any number of models beside the English
teacher and BM25, searched exactly. It measures on development splits alone, so that a model may be chosen by it;
what decides whether a model is good enough is measured elsewhere.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import SentenceEncoder, Vectors
from embeddings.errors import DataError, EmbeddingError, ModelError
from embeddings.metrics import Estimate, estimate, retrieval_scores
from embeddings.training.data import encyclopedia, news_articles, normalised, read_rows
from embeddings.training.student import teacher_folder
from embeddings.training.vector_cache import VectorCache, progress
from embeddings.training.word_search import word_search
from embeddings.training.written import read_questions

Encode = Callable[[list[str]], Vectors]
"""Texts to float32 unit rows, shape ``(len(texts), dimension)``."""

Rows = NDArray[np.int64]
Figures = dict[str, dict[str, Estimate]]
"""By task, then by metric."""

DEPTH = 10
MIN_WORDS = 15
"""Shorter paragraphs are headings and stubs, which compete with nothing."""
WIKI_DISTRACTORS = 50_000
QUICK_DISTRACTORS = 2_000
QUICK_SENTENCES = 1_000
SEED = 20_230_519

RETRIEVAL = ("ndcg@10", "recall@1", "recall@5", "recall@10")
ACCURACY = ("accuracy",)

_BLOCK_SCORES = 16_000_000
"""Scores held at a time: 64 MB of float32."""


@dataclass(frozen=True, slots=True)
class Task:
    """Questions with one relevant text each, and the texts searched for it; all are rows of ``BenchData``'s lists.

    ``questions`` and ``relevant`` are of equal length, ``pool`` has each row once. ``side`` says which list ``pool``
    and ``relevant`` are rows of: sentences that translate each other are all encoded alike, as queries.
    """

    name: str
    questions: Rows
    relevant: Rows
    pool: Rows
    side: Literal["queries", "passages"] = "passages"
    metrics: tuple[str, ...] = RETRIEVAL


@dataclass(frozen=True, slots=True)
class BenchData:
    """All texts of the bench, each once, and the tasks over them."""

    queries: list[str]
    passages: list[str]
    tasks: tuple[Task, ...]

    @classmethod
    def read(cls, data: Path, *, quick: bool = False) -> Self:
        """Read the bench from a data folder; the same folder gives the same bench.

        Args:
            data: the folder that ``read_rows`` takes.
            quick: draw 2,000 paragraphs of each source of distractors instead of 50,000 and all, and take the
                first 1,000 pairs of sentences only.

        Raises:
            DataError: a file is missing, cannot be read, or lacks a field.
        """
        squad = _fields(
            data, "reading/squad_en_id.dev", "question_en", "question_id", "context_en", "context_id"
        )
        facqa = _fields(data, "reading/facqa.valid", "question", "context")
        sentences = _fields(data, "parallel_dev/ntrex", "en", "id")[: QUICK_SENTENCES if quick else None]
        written = [question for question in read_questions(data) if question.development]
        wiki = (text for _, paragraphs in encyclopedia(data) for text in paragraphs)
        news = (text for _, paragraphs, _ in news_articles(data) for text in paragraphs)
        taken = {normalised(text) for row in squad for text in row[2:]} | {
            normalised(row[1]) for row in facqa
        }
        taken |= {normalised(text) for question in written for text in question.paragraphs}
        encyclopedic = _distractors(wiki, taken, QUICK_DISTRACTORS if quick else WIKI_DISTRACTORS)
        newspaper = _distractors(news, taken, QUICK_DISTRACTORS if quick else None)

        queries, passages = _Numbered(), _Numbered()
        in_english, in_indonesian = (
            queries.rows(row[0] for row in squad),
            queries.rows(row[1] for row in squad),
        )
        english, indonesian = passages.rows(row[2] for row in squad), passages.rows(row[3] for row in squad)
        from_news = queries.rows(row[0] for row in facqa)
        articles = passages.rows(row[1] for row in facqa)
        paragraphs = passages.rows(newspaper)
        crowd = np.concatenate([passages.rows(encyclopedic), paragraphs])
        wanted = passages.rows(question.passage for question in written)
        written_en, written_id = (
            queries.rows(question.english for question in written),
            queries.rows(question.indonesian for question in written),
        )
        left, right = queries.rows(row[0] for row in sentences), queries.rows(row[1] for row in sentences)
        tasks = (
            Task("en-id", in_english, indonesian, _pool(indonesian, crowd)),
            Task("id-id", in_indonesian, indonesian, _pool(indonesian, crowd)),
            Task("facqa", from_news, articles, _pool(articles, paragraphs)),
            Task("written en-id", written_en, wanted, _pool(wanted, crowd)),
            Task("written id-id", written_id, wanted, _pool(wanted, crowd)),
            Task("en-en", in_english, english, _pool(english)),
            Task("en-id small", in_english, indonesian, _pool(indonesian)),
            Task("id-id small", in_indonesian, indonesian, _pool(indonesian)),
            Task("ntrex en-id", left, right, _pool(right), "queries", ACCURACY),
            Task("ntrex id-en", right, left, _pool(left), "queries", ACCURACY),
        )
        return cls(queries.texts, passages.texts, tuple(task for task in tasks if len(task.questions)))


def evaluate_model(encode_queries: Encode, encode_passages: Encode, bench: BenchData) -> dict[str, float]:
    """Return the figures (0 to 1) of a model in memory, named ``"en-id ndcg@10"``, ``"ntrex en-id accuracy"``, ….

    Args:
        encode_queries: used for questions, and for both sides of the translated sentences.
        encode_passages: used for passages.
        bench: read once with ``BenchData.read``; the quick one suits a training loop.

    Raises:
        ModelError: an encoder returned something else than one float32 unit row for each text.
    """
    figures = measure(rankings(encode_queries, encode_passages, bench), bench, intervals=False)
    return {
        f"{task} {metric}": found.value
        for task, metrics in figures.items()
        for metric, found in metrics.items()
        if found.value is not None
    }


def rankings(encode_queries: Encode, encode_passages: Encode, bench: BenchData) -> dict[str, Rows]:
    """Return, by task, the rows of the ten texts most similar to each question, best first, equal ones by row.

    Raises:
        ModelError: an encoder returned something else than one float32 unit row for each text.
    """
    queries = _checked(encode_queries(bench.queries), bench.queries)
    sides = {"queries": queries, "passages": _checked(encode_passages(bench.passages), bench.passages)}
    return {task.name: nearest(queries[task.questions], sides[task.side], task.pool) for task in bench.tasks}


def nearest(questions: Vectors, texts: Vectors, pool: Rows, depth: int = DEPTH) -> Rows:
    """Return the rows of ``pool`` with the largest products, best first, equal ones in the order of ``pool``.

    Args:
        questions: float32 unit rows, shape ``(n, dimension)``.
        texts: float32 unit rows, shape ``(m, dimension)``.
        pool: the rows of ``texts`` that are searched.
        depth: how many are wanted.

    Returns:
        Shape ``(n, min(depth, len(pool)))``.
    """
    searched = texts[pool]
    depth = min(depth, len(pool))
    found = np.empty((len(questions), depth), dtype=np.int64)
    step = max(1, _BLOCK_SCORES // max(1, len(pool)))
    for start in range(0, len(questions), step):
        scores = questions[start : start + step] @ searched.T
        for row, line in enumerate(scores, start=start):
            # Everything that is no worse than the last one wanted, so that equal scores are cut by order alone.
            bar = np.partition(line, len(line) - depth)[len(line) - depth]
            candidates = np.flatnonzero(line >= bar)
            found[row] = pool[candidates[np.argsort(-line[candidates], kind="stable")[:depth]]]
    return found


def word_rankings(bench: BenchData) -> dict[str, Rows]:
    """Return what ``rankings`` returns, by BM25 over lower-cased words; -1 where fewer texts share a word."""
    found: dict[str, Rows] = {}
    indexes: dict[bytes, Callable[[str], list[int]]] = {}
    for task in bench.tasks:
        texts = bench.queries if task.side == "queries" else bench.passages
        key = task.side.encode() + task.pool.tobytes()
        if key not in indexes:
            indexes[key] = word_search(texts, task.pool, DEPTH)
        lines = [indexes[key](bench.queries[row]) for row in task.questions]
        found[task.name] = np.array([line + [-1] * (DEPTH - len(line)) for line in lines], dtype=np.int64)
    return found


def measure(ranked: dict[str, Rows], bench: BenchData, *, intervals: bool) -> Figures:
    """Return the figures of rankings; intervals resample the relevant texts, each with all its questions.

    Questions on one passage are found or missed together, so resampling them one by one would promise too much.

    Raises:
        MetricError: trec_eval is not installed.
    """
    return {task.name: _measure_task(ranked[task.name], task, intervals) for task in bench.tasks}


def _measure_task(ranked: Rows, task: Task, intervals: bool) -> dict[str, Estimate]:
    names = [str(number) for number in range(len(task.questions))]
    by_metric = retrieval_scores(
        {name: [str(row) for row in line if row >= 0] for name, line in zip(names, ranked, strict=True)},
        {name: {str(row): 1} for name, row in zip(names, task.relevant, strict=True)},
    )
    values = {metric: np.array([scores[name] for name in names]) for metric, scores in by_metric.items()}
    values["recall@10"] = (ranked == task.relevant[:, None]).any(axis=1).astype(np.float64)
    values["accuracy"] = values["recall@1"]
    return {metric: _estimated(values[metric], task.relevant, intervals) for metric in task.metrics}


def _estimated(values: NDArray[np.float64], groups: Rows, intervals: bool) -> Estimate:
    if not intervals:
        return Estimate(float(values.mean()), None, None, len(values))
    group = np.unique(groups, return_inverse=True)[1]
    found = estimate(_share, np.bincount(group, weights=values), np.bincount(group))
    return Estimate(found.value, found.low, found.high, len(values))


def _share(sums: NDArray[np.float64], counts: NDArray[np.float64], axis: int = -1) -> Any:
    return np.sum(sums, axis=axis) / np.sum(counts, axis=axis)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, or 1 for a reported error."""
    options = _parser().parse_args(arguments)
    try:
        with ExitStack() as stack:
            cache = options.cache or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            bench = BenchData.read(options.data, quick=options.quick)
            figures = _all_figures(options.model or [None], bench, cache, intervals=not options.quick)
        print(_table(figures, bench))
        if options.json:
            written = json.dumps(_as_json(figures, bench, options.quick), indent=1)
            options.json.write_text(written + "\n", encoding="utf-8")
    except (EmbeddingError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m embeddings.training.bench", description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of training and development data")
    parser.add_argument(
        "--model",
        action="append",
        metavar="FOLDER",
        help="sentence-transformers model, may be given again (default: Tanya's)",
    )
    parser.add_argument("--quick", action="store_true", help="few distractors, no intervals")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="keep vectors there for the next run (default: nowhere)"
    )
    return parser


def _all_figures(
    models: Sequence[str | None], bench: BenchData, cache: Path, *, intervals: bool
) -> dict[str, Figures]:
    """Return the figures by system: the models as they were named, then all-MiniLM-L6-v2, then BM25.

    A model that was measured under another name is not measured again.
    """
    vectors = VectorCache(cache)
    figures: dict[str, Figures] = {}
    measured = []
    named = [(model, model) for model in models]
    for name, model in [*named, (None, str(teacher_folder()))]:
        encoder = SentenceEncoder.load(model)
        if encoder.fingerprint in measured:
            continue
        measured.append(encoder.fingerprint)
        ranked = rankings(vectors.through(encoder, "queries"), vectors.through(encoder, "passages"), bench)
        figures[name or encoder.fingerprint["name"]] = measure(ranked, bench, intervals=intervals)
    progress("BM25")
    figures["BM25"] = measure(word_rankings(bench), bench, intervals=intervals)
    progress("")
    return figures


def _as_json(figures: dict[str, Figures], bench: BenchData, quick: bool) -> dict[str, Any]:
    return {
        "quick": quick,
        "tasks": {
            task.name: {"questions": len(task.questions), "texts": len(task.pool)} for task in bench.tasks
        },
        "systems": {
            system: {
                task: {metric: asdict(found) for metric, found in metrics.items()}
                for task, metrics in by_task.items()
            }
            for system, by_task in figures.items()
        },
    }


def _table(figures: dict[str, Figures], bench: BenchData) -> str:
    """Return one Markdown table, a line a task and system, intervals in brackets; accuracy stands as recall@1."""
    heads = ["task", "questions", "texts", "system", *RETRIEVAL]
    lines = [heads, ["---"] * len(heads)]
    for task in bench.tasks:
        for system, by_task in figures.items():
            found = dict(by_task[task.name])
            if "accuracy" in found:
                found["recall@1"] = found["accuracy"]
            cells = [_cell(found.get(metric)) for metric in RETRIEVAL]
            lines.append([task.name, f"{len(task.questions):,}", f"{len(task.pool):,}", system, *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _cell(found: Estimate | None) -> str:
    if found is None or found.value is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


class _Numbered:
    """Texts, each once, with their rows."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._rows: dict[str, int] = {}

    def rows(self, texts: Iterable[str]) -> Rows:
        found = []
        for text in texts:
            row = self._rows.setdefault(text, len(self.texts))
            if row == len(self.texts):
                self.texts.append(text)
            found.append(row)
        return np.array(found, dtype=np.int64)


def _pool(*parts: Rows) -> Rows:
    return np.unique(np.concatenate(parts))


def _fields(data: Path, name: str, *fields: str) -> list[tuple[str, ...]]:
    found = []
    for number, row in enumerate(read_rows(data, name), start=1):
        values = tuple(row.get(field) for field in fields)
        if not all(isinstance(value, str) for value in values):
            raise DataError(f"{data / name}.jsonl.gz, row {number}: {', '.join(fields)} must be texts")
        found.append(tuple(str(value).strip() for value in values))
    if not found:
        raise DataError(f"{data / name}.jsonl.gz holds no rows")
    return found


def _distractors(texts: Iterable[str], taken: set[str], wanted: int | None) -> list[str]:
    """Return ``wanted`` of the texts that are long enough, or all, in an order drawn with a fixed seed, each once.

    ``taken`` holds the relevant passages, ``normalised``: the same text again cannot distract from them.
    """
    listed = list(texts)
    seen = set(taken)
    found: list[str] = []
    for row in np.random.default_rng(SEED).permutation(len(listed)).tolist():
        if len(found) == wanted:
            break
        text = listed[row]
        if len(text.split()) >= MIN_WORDS and (key := normalised(text)) not in seen:
            seen.add(key)
            found.append(text)
    return found


def _checked(vectors: Vectors, texts: list[str]) -> Vectors:
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or len(vectors) != len(texts):
        shape = getattr(vectors, "shape", type(vectors).__name__)
        raise ModelError(f"an encoder must return an array of {len(texts)} rows, got {shape}")
    # Rows of other lengths would be ranked by length too; of rounded ones the length is within 1 %.
    lengths = np.linalg.norm(vectors, axis=1)
    if vectors.dtype != np.float32 or not (np.abs(lengths - 1) < 0.01).all():
        raise ModelError(
            f"an encoder must return float32 rows of length 1, got {vectors.dtype} rows of length "
            f"{lengths.min():.3f} to {lengths.max():.3f}"
        )
    return vectors


if __name__ == "__main__":
    sys.exit(main())
