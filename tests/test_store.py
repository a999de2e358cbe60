"""The store: what put means, what is found again, and what damage to the database does."""

from __future__ import annotations

import random
import shutil
import sqlite3
import threading
from contextlib import closing, suppress
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HARBOUR, MATCH, RICE, make_article
from index_state import ENCODER, assert_sound, contents, messages, write

from qa.chunking import chunk_article
from qa.errors import IndexCorruptError, IndexMismatchError, IndexMissingError, StoreError
from qa.index import NewsIndex, verify_index
from qa.store import DATABASE, Store, source_key
from qa.types import Article, Chunk, Filters
from qa.writable_store import WritableStore
from qa.writer import IndexWriter

FULL = make_article(
    HARBOUR,
    "utara/a.txt",
    title="Pelabuhan ditutup",
    source="Contoh",
    place="Kota Contoh",
    published_at=date(2023, 5, 19),
    date_inferred=True,
    url="https://contoh.example/a",
    external_id="17",
)


def put(store: WritableStore, article: Article, location: str) -> str:
    chunks = chunk_article(article)
    vectors = ENCODER.encode_passages([chunk.text for chunk in chunks])
    with store.transaction():
        return store.put(article, location, chunks, vectors)


@pytest.fixture
def store(tmp_path: Path) -> WritableStore:
    return WritableStore.create(tmp_path / "index", ENCODER.fingerprint, "model")


def test_what_is_put_is_found_again_whole(store: WritableStore) -> None:
    assert put(store, FULL, "/berita/utara/a.txt") == "added"
    assert store.articles([FULL.id, "missing"]) == {FULL.id: FULL}
    assert store.chunks([1, 99]) == {1: (chunk_article(FULL)[0], FULL)}
    assert store.counts() == (1, 1)
    assert store.generation() == 2
    assert store.meta("model") == "model"
    assert store.sources() == ["Contoh"]
    (row,) = store.chunk_rows()
    assert (row.key, row.text, row.title, row.published_at) == (1, HARBOUR, FULL.title, FULL.published_at)
    np.testing.assert_allclose(row.vector, ENCODER.encode_passages([HARBOUR])[0], atol=1e-3)
    assert abs(float(np.linalg.norm(row.vector)) - 1) < 1e-6
    assert store.verify() == []


def test_an_article_of_nothing_but_id_text_and_path_is_found_again(store: WritableStore) -> None:
    bare = make_article(RICE, "b.txt", source=None, published_at=None)
    put(store, bare, "/berita/b.txt")
    assert store.articles([bare.id]) == {bare.id: bare}
    assert store.sources() == []
    assert store.count_undated() == 1


@pytest.mark.parametrize(
    "text",
    ["Sebelum\x00sesudah nol. Kalimat kedua.", "Beras 🍚 naik. Nelayan 👩‍👩‍👧 melaut.", "e\u0301kspor naik."],
)
def test_texts_that_databases_stumble_over(store: WritableStore, text: str) -> None:
    article = make_article(text)
    put(store, article, "/a.txt")
    assert [row.text for row in store.chunk_rows()] == [chunk.text for chunk in chunk_article(article)]
    assert store.articles([article.id])[article.id].text == text
    assert store.verify() == []


def test_rows_come_in_batches_without_gaps(store: WritableStore) -> None:
    for number in range(7):
        put(store, make_article(f"Berita nomor {number}.", f"{number}.txt"), f"/{number}.txt")
    for batch in (1, 2, 3, 7, 8):
        assert [row.key for row in store.chunk_rows(batch=batch)] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.key for row in store.chunk_rows(after=5, batch=1)] == [6, 7]


def test_a_transaction_is_all_or_nothing_and_counts_once(store: WritableStore) -> None:
    before = store.generation()

    def interrupted() -> None:
        with store.transaction():
            store.put(FULL, "/a.txt", chunk_article(FULL), ENCODER.encode_passages([HARBOUR]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (store.counts(), store.generation()) == ((0, 0), before)
    with store.transaction(), store.transaction():
        store.put(FULL, "/a.txt", chunk_article(FULL), ENCODER.encode_passages([HARBOUR]))
    assert (store.counts(), store.generation()) == ((1, 1), before + 1)


def test_after_a_failed_rollback_nothing_passes_for_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = False

    class Disk(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            if broken and arguments[0] in ("COMMIT", "ROLLBACK"):
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(*arguments)

    original = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: original(*args, factory=Disk, **named))
    store = WritableStore.create(tmp_path, ENCODER.fingerprint)
    broken = True
    with pytest.raises(StoreError, match="disk I/O error"):
        put(store, FULL, "/a.txt")
    broken = False
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        put(store, FULL, "/a.txt")
    reopened = WritableStore.open(tmp_path)
    assert reopened.counts() == (0, 0)
    assert put(reopened, FULL, "/a.txt") == "added"


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((1, 256), dtype=np.float32),
        np.full((1, 256), np.nan, dtype=np.float32),
        np.ones((1, 256), dtype=np.float32),
        np.eye(1, 255, dtype=np.float32),
        np.eye(2, 256, dtype=np.float32),
        np.empty((0, 256), dtype=np.float32),
    ],
)
def test_vectors_that_would_spoil_the_index_are_refused_before_they_are_stored(
    store: WritableStore, vectors: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="vectors"), store.transaction():
        store.put(FULL, "/a.txt", chunk_article(FULL), vectors)
    assert store.counts() == (0, 0)


def test_filters_agree_with_going_through_every_article(store: WritableStore) -> None:
    chance = random.Random(5)
    days = [None, *(date(2023, 5, day) for day in (18, 19, 20, 21))]
    sources = [None, "Contoh", "contoh ", "CONTOH Lain", "Straße", "  "]
    for number in range(60):
        article = make_article(
            f"Berita nomor {number}.",
            f"{number}.txt",
            published_at=chance.choice(days),
            source=chance.choice(sources),
        )
        put(store, article, f"/{number}.txt")
    every = {row.key: row for row in store.chunk_rows()}
    for filters in FILTERS:
        expected = [key for key, row in every.items() if passes(row.published_at, row.source, filters)]
        assert store.matching_keys(filters).tolist() == expected, filters
    assert store.matching_keys(Filters()).tolist() == list(every)


FILTERS = [
    Filters(date_from=date(2023, 5, 19)),
    Filters(date_to=date(2023, 5, 19)),
    Filters(date_from=date(2023, 5, 19), date_to=date(2023, 5, 20)),
    Filters(date_from=date(2023, 5, 20), date_to=date(2023, 5, 20)),
    Filters(date_from=date(2023, 5, 21), date_to=date(2023, 5, 18)),
    Filters(date_from=date.min, date_to=date.max),
    Filters(sources=("contoh",)),
    Filters(sources=("CONTOH", "contoh lain")),
    Filters(sources=("STRASSE",)),
    Filters(sources=("tidak ada",)),
    Filters(sources=(" Contoh ",), date_to=date(2023, 5, 18)),
]


def passes(published_at: date | None, source: str | None, filters: Filters) -> bool:
    if filters.date_from or filters.date_to:
        if published_at is None:
            return False
        if not (filters.date_from or date.min) <= published_at <= (filters.date_to or date.max):
            return False
    if not filters.sources:
        return True
    return source is not None and source_key(source) in {source_key(name) for name in filters.sources}


def test_reading_from_many_threads(store: WritableStore) -> None:
    for number in range(20):
        put(store, make_article(f"Berita nomor {number}.", f"{number}.txt"), f"/{number}.txt")
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(30):
                with store.reading():
                    assert len(list(store.chunk_rows(batch=7))) == store.counts()[1]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_missing_or_half_made_store_is_missing(tmp_path: Path) -> None:
    with pytest.raises(IndexMissingError, match="tanya index PATH --index"):
        Store.open(tmp_path)
    sqlite3.connect(tmp_path / DATABASE).close()
    (tmp_path / DATABASE).touch()
    with pytest.raises(IndexMissingError, match="tanya index"):
        Store.open(tmp_path)
    assert write(tmp_path, [("/a.txt", FULL)]) == ["added"]
    assert_sound(tmp_path)


def test_another_schema_is_named_with_the_remedy(store: WritableStore, tmp_path: Path) -> None:
    with store.transaction():
        store._run("UPDATE meta SET value = '99' WHERE name = 'schema'")
    store.close()
    with pytest.raises(IndexMismatchError, match=r"schema 99.*--rebuild"):
        Store.open(tmp_path / "index")


# Damage to the database itself


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "index"
    texts = [HARBOUR, RICE, MATCH, *(f"Berita nomor {n} tentang panen padi di desa {n}." for n in range(40))]
    located = [
        (f"/berita/{n}.txt", make_article(text, f"{n}.txt", title=f"Judul {n}"))
        for n, text in enumerate(texts)
    ]
    write(folder, located)
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


@pytest.fixture
def folder(made: Path, ram_path: Path) -> Path:
    shutil.copytree(made, ram_path / "index")
    return ram_path / "index"


def everything(folder: Path) -> object:
    """What a user can get out of an index: searches, every article, every passage."""
    with NewsIndex.open(folder, ENCODER.fingerprint) as index:
        query = ENCODER.encode_queries(["harga beras"])[0]
        dense = [(key, round(score, 4)) for key, score in index.search_dense(query, 60)]
        lexical = [(key, round(score, 4)) for key, score in index.search_lexical("harga beras panen", 60)]
        narrowed = index.search_dense(query, 60, Filters(sources=("contoh",), date_to=date(2023, 5, 19)))
        chunks = index.chunks([key for key, _ in dense])
        articles = [index.get_article(article.id) for _, article in chunks.values()]
        return dense, lexical, [key for key, _ in narrowed], chunks, articles, index.count_articles()


def test_a_flipped_bit_is_never_shown_as_an_article(folder: Path, made: Path) -> None:
    """A typed error, or the right results, or (rows lost from an internal table) a problem that ``verify`` names."""
    right = everything(folder)
    right_contents = contents(folder)
    good = (made / DATABASE).read_bytes()
    chance = random.Random(11)
    places = [*range(0, 100, 9), *(chance.randrange(len(good)) for _ in range(130))]
    unhelpful = 0
    outcomes = {"error": 0, "right": 0, "reported": 0}
    for place in places:
        data = bytearray(good)
        data[place] ^= 1 << chance.randrange(8)
        for path in folder.glob(f"{DATABASE}*"):
            path.unlink()
        (folder / DATABASE).write_bytes(data)
        try:
            found = everything(folder)
        except StoreError as error:
            unhelpful += "--rebuild" not in str(error)
            outcomes["error"] += 1
            continue
        if found == right:
            outcomes["right"] += 1
            continue
        with suppress(StoreError):
            assert verify_index(folder) != [], f"byte {place}"
        assert shown_texts(found) <= shown_texts(right), f"byte {place}"
        outcomes["reported"] += 1
    assert unhelpful == 0
    assert outcomes["error"] > 10
    assert outcomes["right"] > 10
    assert contents(made) == right_contents


def shown_texts(found: object) -> set[tuple[Chunk, Article]]:
    return set(found[3].values())  # type: ignore[index]


def garbage(size: int) -> bytes:
    return random.Random(3).randbytes(size)


@pytest.mark.parametrize("keep", [1, 15, 16, 99, 100, 1000, 4096, 5000, 8192, 20_000, -1, -4096])
def test_a_truncated_database_is_refused_and_rebuilding_mends_it(keep: int, folder: Path) -> None:
    data = (folder / DATABASE).read_bytes()
    assert_refused_then_rebuilt(folder, data[:keep])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 4096,
        b"SQLite format 3\0",
        b"Ini bukan basis data, hanya catatan redaksi.\n" * 200,
        b"SQLite format 3\0" + garbage(9000),
        garbage(5000),
    ],
    ids=["empty", "zeros", "magic only", "a text", "magic and garbage", "garbage"],
)
def test_what_is_no_database_is_refused_and_rebuilding_mends_it(data: bytes, folder: Path) -> None:
    assert_refused_then_rebuilt(folder, data)


@pytest.mark.parametrize("page", [1, 2, 3, 5, 8])
def test_an_overwritten_page_is_refused_and_rebuilding_mends_it(page: int, folder: Path) -> None:
    data = bytearray((folder / DATABASE).read_bytes())
    data[page * 4096 : (page + 1) * 4096] = garbage(4096)
    (folder / DATABASE).write_bytes(data)
    with suppress(StoreError):
        assert verify_index(folder) != []
    rebuild(folder)


def assert_refused_then_rebuilt(folder: Path, data: bytes) -> None:
    (folder / DATABASE).write_bytes(data)
    with pytest.raises((IndexCorruptError, IndexMissingError), match="tanya index PATH --index"):
        everything(folder)
    rebuild(folder)


def rebuild(folder: Path) -> None:
    with messages() as said, IndexWriter.open(folder, ENCODER, rebuild=True) as writer:
        assert [change for _, change in writer.replace_all([("/berita/a.txt", FULL)])] == ["added"]
    state = contents(folder)
    assert state is not None
    assert [row[0] for row in state["articles"]] == [FULL.id]
    aside = list(folder.glob(f"damaged-*-{DATABASE}"))
    assert len(aside) == sum("kept as" in line for line in said)
    with messages() as said:
        assert_sound(folder)
    assert said == []
