"""What is measured of today's usual LangChain pipeline, with its defaults: the counterpart of ``benchmarks.tanya``.

``RecursiveCharacterTextSplitter(1000, 200)``, ``HuggingFaceEmbeddings`` with all-MiniLM-L6-v2 on the CPU, the ``FAISS``
vector store.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from benchmarks.baseline_model import NAME, baseline_model_folder
from benchmarks.tanya import WARM_UP_TEXTS, timed
from benchmarks.texts import as_article, new_article, passages_to_read, read_rows, with_title
from benchmarks.work import BenchmarkError, Work, folder_bytes, read_json, write_json
from qa.chunking import MAX_WORDS, chunk_article
from qa.spans import default_reader_folder
from qa.store import Store

CHUNK_SIZE = 1000
CHUNK_OVERLAP = 200
K = 5


class StoredOnly(Embeddings):
    """Stands where a vector store wants a model that it is not going to use."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Refuse: whoever gets here has measured the wrong thing."""
        raise NotImplementedError("the vectors are stored; nothing is embedded here")

    def embed_query(self, text: str) -> list[float]:
        """Refuse: whoever gets here has measured the wrong thing."""
        raise NotImplementedError("the vectors are stored; nothing is embedded here")


def load_embeddings() -> Embeddings:
    """Load all-MiniLM-L6-v2 as LangChain does; tests put a small stand-in here."""
    from langchain_huggingface import HuggingFaceEmbeddings

    return HuggingFaceEmbeddings(model_name=str(baseline_model_folder()), model_kwargs={"device": "cpu"})


def embed(work: Work, *, first: int, last: int, part: int) -> dict[str, Any]:
    """Split and embed the prepared articles ``first`` to ``last`` (exclusive); the vectors are kept as a part."""
    model = load_embeddings()
    rows = list(read_rows(work))[first:last]
    model.embed_documents([with_title(*row) for row in rows[:WARM_UP_TEXTS]])
    started = time.perf_counter()
    pieces = [piece for row in rows for piece in split(*row)]
    vectors = model.embed_documents(pieces)
    seconds = time.perf_counter() - started
    building = work.baseline_vectors(part).with_suffix(".building.npy")
    np.save(building, np.array(vectors, dtype=np.float32))
    building.replace(work.baseline_vectors(part))
    words = sum(len(with_title(*row).split()) for row in rows)
    return {"seconds": seconds, "words": words, "passages": len(pieces)}


def encode(work: Work, *, warm_up: Sequence[str], questions: Sequence[str]) -> dict[str, Any]:
    """Time ``embed_query`` question by question, after the warm-up ones; no index is opened."""
    model = load_embeddings()
    for question in warm_up:
        model.embed_query(question)
    latencies, _ = timed(model.embed_query, questions)
    return {"ms": latencies}


def read(work: Work, *, warm_up: Sequence[str], questions: Sequence[str]) -> dict[str, Any]:
    """Time ``AutoModelForQuestionAnswering`` over the passages that Tanya reads, one after the other, in float32."""
    read_one = load_reader()
    passages = passages_to_read(work)
    for question in warm_up:
        for passage in passages:
            read_one(question, passage)
    latencies, _ = timed(lambda question: [read_one(question, passage) for passage in passages], questions)
    return {"ms": latencies}


def load_reader() -> Callable[[str, str], str]:
    """Load Tanya's reader as transformers' users do; tests put a small stand-in here."""
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    folder = default_reader_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32).eval()

    def read_one(question: str, passage: str) -> str:
        inputs = tokenizer(question, passage, truncation="only_second", max_length=512, return_tensors="pt")
        with torch.no_grad():
            outputs = model(**inputs)
        start, end = int(outputs.start_logits.argmax()), int(outputs.end_logits.argmax())
        return str(tokenizer.decode(inputs["input_ids"][0][start : end + 1]))

    return read_one


def build(work: Work, *, parts: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Fill the FAISS store: its own vectors for the sample (``parts``, article numbers), Tanya's for the rest.

    Tanya's vectors are of another model. They stand there so that searching takes as long as it would; what is found
    among them means nothing and is not looked at.

    Returns figures with ``fill_seconds``: splitting what is not in the sample, filling and saving. Time spent
    on vectors is not among them.

    Raises:
        BenchmarkError: the two models' vectors differ in length, or ``work`` was broken off.
    """
    wanted = [list(part) for part in parts]
    if work.baseline_built.exists() and read_json(work.baseline_built)["parts"] == wanted:
        return dict(read_json(work.baseline_built))
    from langchain_community.vectorstores import FAISS

    rows = list(read_rows(work))
    sampled = [row for first, last in parts for row in range(first, last)]
    owned = [(number, piece) for number in sampled for piece in split(*rows[number])]
    vectors = list(np.concatenate([np.load(work.baseline_vectors(part)) for part in range(len(parts))]))
    if len(vectors) != len(owned):
        raise BenchmarkError(f"{work.root} is of another run that was broken off. Delete it and run again")
    rest = sorted(set(range(len(rows))) - set(sampled))
    started = time.perf_counter()
    others = [(number, piece) for number in rest for piece in split(*rows[number])]
    seconds = time.perf_counter() - started
    borrowed = list(_borrowed_vectors(work, rows, others))
    lengths = {len(vector) for vector in vectors + borrowed}
    if len(lengths) > 1:
        raise BenchmarkError(
            f"Tanya's vectors cannot fill the baseline's index: {NAME} and Tanya's model give vectors of "
            f"{' and '.join(map(str, sorted(lengths)))} numbers. Have all texts embedded: --sample {len(rows)}"
        )
    vectors += borrowed
    texts, metadata = [], []
    for number, piece in owned + others:
        texts.append(piece)
        metadata.append({"title": rows[number][0], "row": number})
    started = time.perf_counter()
    store = FAISS.from_embeddings(zip(texts, vectors, strict=True), StoredOnly(), metadatas=metadata)
    shutil.rmtree(work.baseline, ignore_errors=True)
    store.save_local(str(work.baseline))
    figures = {
        "parts": wanted,
        "fill_seconds": seconds + time.perf_counter() - started,
        "pieces": len(texts),
        "own_vectors": len(owned),
        "bytes": folder_bytes(work.baseline),
    }
    write_json(work.baseline_built, figures)
    return figures


def open_index(work: Work) -> dict[str, Any]:
    """Time ``FAISS.load_local``, once in this process; no model is loaded."""
    from langchain_community.vectorstores import FAISS

    started = time.perf_counter()
    FAISS.load_local(str(work.baseline), StoredOnly(), allow_dangerous_deserialization=True)
    return {"seconds": time.perf_counter() - started}


def search(work: Work, *, warm_up: Sequence[str], questions: Sequence[str]) -> dict[str, Any]:
    """Time ``similarity_search`` question by question, after the warm-up ones."""
    store = load_store(work)
    for question in warm_up:
        store.similarity_search(question, k=K)
    latencies, _ = timed(lambda question: store.similarity_search(question, k=K), questions)
    return {"ms": latencies}


def add(work: Work, *, times: int) -> dict[str, Any]:
    """Time adding one article until it is saved; the store in memory finds it at once.

    Raises ``RuntimeError`` if it is not found afterwards.
    """
    rows = list(read_rows(work))[:1000]
    folder = work.scratch / "baseline"
    store = load_store(work)
    store.embeddings.embed_documents([with_title(*row) for row in rows[:WARM_UP_TEXTS]])
    seconds = []
    try:
        for number in range(times):
            title, text = new_article(rows, number)
            started = time.perf_counter()
            pieces = split(title, text)
            store.add_documents(
                [Document(piece, metadata={"title": title, "row": -number - 1}) for piece in pieces]
            )
            store.save_local(str(folder))
            seconds.append(time.perf_counter() - started)
            found = store.similarity_search(pieces[0], k=K)
            if -number - 1 not in {document.metadata["row"] for document in found}:
                raise RuntimeError(f"the article added to {folder} is not found")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"seconds": seconds}


def load_store(work: Work) -> Any:
    """Return the saved store with its model."""
    from langchain_community.vectorstores import FAISS

    return FAISS.load_local(str(work.baseline), load_embeddings(), allow_dangerous_deserialization=True)


def split(title: str | None, text: str) -> list[str]:
    """Return the pieces of an article with its headline, as LangChain's usual splitter cuts them."""
    return list(_splitter().split_text(with_title(title, text)))


@cache
def _splitter() -> Any:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter(chunk_size=CHUNK_SIZE, chunk_overlap=CHUNK_OVERLAP)


def _borrowed_vectors(
    work: Work, rows: list[tuple[str | None, str]], pieces: list[tuple[int, str]]
) -> Iterator[np.ndarray]:
    """Yield for each piece Tanya's vector of the same place in the same article; the few it lacks are embedded."""
    stored = Store.open(work.tanya)
    try:
        by_text = {row.text: row.vector for row in stored.chunk_rows()} if pieces else {}
    finally:
        stored.close()
    model: Embeddings | None = None
    before, position = -1, 0
    for number, piece in pieces:
        position = position + 1 if number == before else 0
        before = number
        passages = _passages(*rows[number])
        vector = by_text.get(passages[min(position, len(passages) - 1)]) if passages else None
        if vector is None:
            model = model or load_embeddings()
            vector = np.array(model.embed_documents([piece])[0], dtype=np.float32)
        yield vector


def _passages(title: str | None, text: str) -> list[str]:
    if len(text.split()) <= MAX_WORDS:
        return [text.strip()]
    return [chunk.text for chunk in chunk_article(as_article(title, text))]
