"""What is installed, which model and index are used, and whether all of it works without a network."""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata

from embeddings.errors import EmbeddingError
from qa.config import Settings, sample_folder
from qa.errors import IndexMissingError, TanyaError
from qa.spans import DEFAULT_NAME, Passage, SpanModel

_PACKAGES = ("tanya", "torch", "sentence-transformers", "faiss-cpu", "tantivy", "gradio", "langchain-core")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, and whether it is as it should be."""

    sound: bool
    text: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield findings from the bottom up: packages, model, index, a question asked with the network cut off."""
    yield Finding(True, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in _PACKAGES:
        try:
            yield Finding(True, f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            yield Finding(False, f"{package} is not installed. Install Tanya: pip install .")
    yield Finding(sample_folder().is_dir(), f"bundled articles in {sample_folder()}")
    with _without_network():
        yield from _model(settings)
        yield from _reader()
        yield from _index(settings)


def _model(settings: Settings) -> Iterator[Finding]:
    from embeddings.encoder import SentenceEncoder

    try:
        encoder = SentenceEncoder.load(settings.model)
        encoder.encode_queries(["Siapa?"])
    except EmbeddingError as error:
        yield Finding(False, str(error))
        return
    name, dtype = " ".join(filter(None, map(encoder.fingerprint.get, ("name", "revision")))), encoder.dtype
    yield Finding(True, f"model {name}, {encoder.dimension} dimensions, computes in {dtype}, loaded offline")


def _reader() -> Iterator[Finding]:
    try:
        model = SpanModel.load_default()
    except EmbeddingError as error:
        yield Finding(False, str(error))
        return
    found = model.score(
        "Siapa yang memimpin rapat?", [Passage("Rapat itu dipimpin oleh Menteri Perdagangan.")]
    )
    yield Finding(bool(found), f"reader {DEFAULT_NAME}, computes in {model.dtype}, loaded offline")


def _index(settings: Settings) -> Iterator[Finding]:
    from qa.answering import QuestionAnswerer
    from qa.index import verify_index

    try:
        problems = verify_index(settings.index)
    except IndexMissingError as error:
        # Before the first `tanya index` there is nothing to be wrong.
        yield Finding(not settings.index_was_named, str(error))
        return
    except TanyaError as error:
        yield Finding(False, str(error))
        return
    for problem in problems:
        yield Finding(False, problem)
    try:
        with QuestionAnswerer.open(settings.index, model=settings.model) as answerer:
            articles, chunks = answerer.index.store.counts()
            answer = answerer.ask("Siapa yang hadir dalam pertemuan itu?")
    except (TanyaError, EmbeddingError) as error:
        yield Finding(False, str(error))
        return
    yield Finding(True, f"index {settings.index}: {articles} articles, {chunks} passages")
    yield Finding(True, f"a question was answered offline in {answer.timings['total']:.0f} ms")


@contextmanager
def _without_network() -> Iterator[None]:
    """Make every attempt to reach another machine fail while inside."""
    connect: Callable[..., object] = socket.socket.connect

    def refuse(self: socket.socket, address: object) -> None:
        raise OSError(f"tanya doctor allows no connection, one to {address} was tried")

    socket.socket.connect = refuse  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign, assignment]
