"""Small things that have a meaning, shared by the tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from qa.terms import query_words, stem
from qa.types import Article
from qa.writer import IndexWriter

# Tests leave nothing beside the code, and a busy machine is no failure.
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "tanya-hypothesis")
settings.register_profile("tanya", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tanya")


class WordEncoder:
    """An encoder with a meaning: every stem has its own direction, so cosine counts shared words."""

    dimension = 256
    dtype = "float32"

    def __init__(self, name: str = "words") -> None:
        self.fingerprint = {"name": name, "dimension": str(self.dimension)}
        self.encoded: list[str] = []

    def encode_passages(self, texts: list[str]) -> np.ndarray:
        self.encoded += texts
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in query_words(text) or ["-"]:
                digest = hashlib.sha256(stem(word).encode()).digest()
                row[int.from_bytes(digest[:4], "big") % self.dimension] += 1.0
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    encode_queries = encode_passages


def make_article(text: str, path: str = "a.txt", **fields: object) -> Article:
    """An article of this text; its id is that of a file holding just the text."""
    values: dict[str, object] = {
        "id": hashlib.sha256(text.encode()).hexdigest()[:16],
        "title": None,
        "text": text,
        "source": "Contoh",
        "place": None,
        "published_at": date(2023, 5, 19),
        "date_inferred": False,
        "url": None,
        "path": path,
    }
    return Article(**(values | fields))  # type: ignore[arg-type]


def write_index(folder: Path, articles: list[Article], encoder: WordEncoder | None = None) -> dict[str, str]:
    """Index articles as if read under /berita; return what each path's article changed."""
    with IndexWriter.open(folder, encoder or WordEncoder()) as writer:
        located = ((f"/berita/{article.path}", article) for article in articles)
        return {article.path: change for article, change in writer.add(located)}


@pytest.fixture
def ram_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory where the system has one, for tests that sync thousands of files; also for private ones."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=memory))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def encoder() -> WordEncoder:
    return WordEncoder()


HARBOUR = (
    "Pelabuhan Tanjung Contoh ditutup sejak Senin karena gelombang setinggi empat meter. "
    "Kepala Pelabuhan mengatakan kapal penumpang menunggu di dermaga.\n"
    "Nelayan diminta tidak melaut sampai Kamis."
)
RICE = (
    "Harga beras naik menjadi Rp 14.500 per kilogram di Pasar Induk. "
    "Menteri Perdagangan menjanjikan operasi pasar pekan depan."
)
MATCH = "Tim putri Contoh mengalahkan tim tamu 3-1 di final. Pelatih memuji pertahanan timnya."
