"""What is measured of Tanya, one step a function; ``benchmarks.worker`` runs each in a process of its own.

Times in seconds by ``time.perf_counter``, those of single questions in milliseconds.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.machine import peak_memory, threads
from benchmarks.texts import as_article, new_article, passages_to_read, read_rows, with_title
from benchmarks.work import Work, folder_bytes, read_json, write_json
from qa.chunking import chunk_article
from qa.evaluation.systems import build_system
from qa.index import NewsIndex
from qa.ingest import index_paths
from qa.retriever import HybridRetriever
from qa.spans import Passage, SpanModel, default_reader_folder
from qa.store import Store
from qa.types import Article, Encoder
from qa.writer import BATCH_CHUNKS, IndexWriter, passage_text

if TYPE_CHECKING:
    from embeddings.encoder import Dtype
    from qa.answering import QuestionAnswerer

Result = TypeVar("Result")

WARM_UP_TEXTS = 32
NOTED_EVERY = 5.0
"""Seconds between notes of the time spent so far; what a killed run spent after the last one is not counted."""


def load_encoder(dtype: Dtype) -> Encoder:
    """Load the default model, computing in ``dtype``; tests put a small stand-in here."""
    from embeddings.encoder import SentenceEncoder

    return SentenceEncoder.load(dtype=dtype)


def load_reader(dtype: Dtype) -> SpanModel:
    """Load the default reader, computing in ``dtype``; tests put a small stand-in here."""
    return SpanModel.load(default_reader_folder(), dtype)


def embed(work: Work, *, dtype: Dtype, first: int, last: int) -> dict[str, Any]:
    """Cut and embed the prepared articles ``first`` to ``last`` (exclusive), as indexing does."""
    encoder = load_encoder(dtype)
    rows = list(read_rows(work))[first:last]
    encoder.encode_passages([with_title(*row) for row in rows[:WARM_UP_TEXTS]])
    started = time.perf_counter()
    passages = [
        passage_text(title, chunk.text)
        for title, text in rows
        for chunk in chunk_article(as_article(title, text))
    ]
    for start in range(0, len(passages), BATCH_CHUNKS):
        encoder.encode_passages(passages[start : start + BATCH_CHUNKS])
    seconds = time.perf_counter() - started
    words = sum(len(with_title(*row).split()) for row in rows)
    return {
        "seconds": seconds,
        "words": words,
        "passages": len(passages),
        "model": encoder.fingerprint["name"],
        "dtype": getattr(encoder, "dtype", "float32"),
        "threads": threads(),
    }


def encode(work: Work, *, dtype: Dtype, warm_up: Sequence[str], questions: Sequence[str]) -> dict[str, Any]:
    """Time ``encode_queries`` question by question, after the warm-up ones; no index is opened."""
    encoder = load_encoder(dtype)
    for question in warm_up:
        encoder.encode_queries([question])
    latencies, _ = timed(lambda question: encoder.encode_queries([question]), questions)
    return {"ms": latencies}


def read(work: Work, *, dtype: Dtype, warm_up: Sequence[str], questions: Sequence[str]) -> dict[str, Any]:
    """Time reading ``READ_PASSAGES`` given passages for a question, after the warm-up ones."""
    model = load_reader(dtype)
    passages = list(map(Passage, passages_to_read(work)))
    for question in warm_up:
        model.score(question, passages)
    latencies, _ = timed(lambda question: model.score(question, passages), questions)
    return {"ms": latencies}


def build(work: Work, *, dtype: Dtype, articles: int) -> dict[str, Any]:
    """Index the prepared articles, or go on where a killed run stopped; the model's loading is not counted.

    ``articles``: how many there are, for the progress lines. Returns the figures of the finished index.
    """
    if work.tanya_built.exists():
        return dict(read_json(work.tanya_built))
    before = read_json(work.tanya_progress) if work.tanya_progress.exists() else {"seconds": 0.0, "runs": 0}
    encoder = load_encoder(dtype)
    watch = _Stopwatch(work, articles, spent=float(before["seconds"]), runs=int(before["runs"]) + 1)
    index_paths([work.articles], work.tanya, encoder, progress=watch.advance)
    watch.note()
    store = Store.open(work.tanya)
    try:
        stored_articles, chunks = store.counts()
    finally:
        store.close()
    figures = {
        "seconds": watch.seconds(),
        "runs": watch.runs,
        "articles": stored_articles,
        "chunks": chunks,
        "bytes": folder_bytes(work.tanya),
        "peak_memory": peak_memory(),
    }
    write_json(work.tanya_built, figures)
    return figures


def open_index(work: Work) -> dict[str, Any]:
    """Time ``NewsIndex.open``, once in this process, with the files' checksums verified; no model is loaded."""
    store = Store.open(work.tanya)
    fingerprint = store.fingerprint()
    store.close()
    started = time.perf_counter()
    index = NewsIndex.open(work.tanya, fingerprint)
    seconds = time.perf_counter() - started
    index.close()
    return {"seconds": seconds}


def ask(work: Work, *, dtype: Dtype, warm_up: Sequence[str], questions: Sequence[str]) -> dict[str, Any]:
    """Time ``QuestionAnswerer.ask`` question by question, after the warm-up ones."""
    with open_answerer(work, dtype) as answerer:
        for question in warm_up:
            answerer.ask(question)
        latencies, answers = timed(answerer.ask, questions)
    stages = {name: [answer.timings[name] for answer in answers] for name in answers[0].timings}
    return {"ms": latencies, "stages_ms": stages, "answered": sum(not answer.abstained for answer in answers)}


def search(work: Work, *, dtype: Dtype, warm_up: Sequence[str], questions: Sequence[str]) -> dict[str, Any]:
    """Time retrieval alone, question by question, after the warm-up ones."""
    with open_answerer(work, dtype) as answerer:
        for question in warm_up:
            answerer.retriever.search(question)
        latencies, _ = timed(answerer.retriever.search, questions)
    return {"ms": latencies}


def open_answerer(work: Work, dtype: Dtype) -> QuestionAnswerer:
    """Open what ``tanya ask`` uses over the index, with the default model computing in ``dtype``."""
    encoder = load_encoder(dtype)
    return build_system("tanya", NewsIndex.open(work.tanya, encoder.fingerprint), encoder)


def add(work: Work, *, dtype: Dtype, times: int) -> dict[str, Any]:
    """Time adding one article until it is committed to disk and found by an index already open.

    Works on a copy of the index. Raises ``RuntimeError`` if the article is not found afterwards.
    """
    rows = list(read_rows(work))[:1000]
    folder = work.scratch / "tanya"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work.tanya, folder)
    try:
        return {"seconds": _add_articles(folder, load_encoder(dtype), rows, times)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def timed(ask_one: Callable[[str], Result], questions: Sequence[str]) -> tuple[list[float], list[Result]]:
    """Return the milliseconds each question took, and what came of it."""
    latencies, results = [], []
    for question in questions:
        started = time.perf_counter()
        results.append(ask_one(question))
        latencies.append((time.perf_counter() - started) * 1000)
    return latencies, results


def _add_articles(
    folder: Path, encoder: Encoder, rows: list[tuple[str | None, str]], times: int
) -> list[float]:
    encoder.encode_passages([with_title(*row) for row in rows[:WARM_UP_TEXTS]])
    seconds = []
    with NewsIndex.open(folder, encoder.fingerprint) as index:
        retriever = HybridRetriever(index, encoder)
        for number in range(times):
            title, text = new_article(rows, number)
            article_id = hashlib.sha256(text.encode()).hexdigest()[:16]
            path = f"percobaan-{number}.txt"
            article = Article(article_id, title, text, "Contoh", None, None, False, None, path)
            started = time.perf_counter()
            with IndexWriter.open(folder, encoder) as writer:
                for _ in writer.add([(f"/{path}", article)]):
                    pass
            index.refresh()
            seconds.append(time.perf_counter() - started)
            passage = chunk_article(article)[0].text
            if article_id not in {hit.article.id for hit in retriever.search(passage)}:
                raise RuntimeError(f"the article added to {folder} is not found")
    return seconds


class _Stopwatch:
    """Seconds spent on an index over all runs, noted on disk now and then, and told to the user."""

    def __init__(self, work: Work, articles: int, *, spent: float, runs: int) -> None:
        self.runs = runs
        self._work = work
        self._articles = articles
        self._spent = spent
        self._done = 0
        self._started = self._noted = time.perf_counter()

    def seconds(self) -> float:
        return self._spent + time.perf_counter() - self._started

    def advance(self, count: int) -> None:
        self._done += count
        if time.perf_counter() - self._noted >= NOTED_EVERY:
            self.note()
            print(
                f"  indexed {self._done:,} of {self._articles:,} articles, {self.seconds():,.0f} s",
                file=sys.stderr,
                flush=True,
            )

    def note(self) -> None:
        self._noted = time.perf_counter()
        write_json(self._work.tanya_progress, {"seconds": self.seconds(), "runs": self.runs})
