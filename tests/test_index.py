"""The opened index: tail and snapshot together, filters, views, and threads beside a writer."""

from __future__ import annotations

import random
import shutil
import sys
import threading
import time
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from conftest import HARBOUR, MATCH, RICE, WordEncoder, make_article, write_index
from index_state import ENCODER, assert_agrees, assert_sound, messages, write

import qa.index
import qa.writer
from qa.errors import IndexCorruptError, IndexMismatchError, IndexMissingError
from qa.index import NewsIndex, check_fingerprint, verify_index
from qa.retriever import HybridRetriever
from qa.snapshot import SNAPSHOTS, publish
from qa.store import DATABASE
from qa.types import Article, Filters
from qa.writable_store import WritableStore
from qa.writer import IndexWriter, remove_articles

WORDS = (
    "beras gula minyak kedelai pasar pelabuhan kapal nelayan gelombang dermaga menteri gubernur desa panen "
    "padi jagung harga naik turun stabil pekan bulan tim pelatih final gol kereta stasiun jalan banjir"
).split()


def news(count: int, seed: int = 1) -> list[tuple[str, Article]]:
    """Articles of random words, so that rankings differ, some equal in words, with dates and outlets."""
    chance = random.Random(seed)
    located = []
    for number in range(count):
        text = f"{' '.join(chance.choices(WORDS, k=12)).capitalize()} nomor{number}."
        article = make_article(
            text,
            f"{number}.txt",
            title=chance.choice([None, f"Kabar {chance.choice(WORDS)}"]),
            published_at=chance.choice([None, *(date(2023, 5, day) for day in range(17, 22))]),
            source=chance.choice([None, "Contoh", "CONTOH", "Contoh Lain"]),
        )
        located.append((f"/berita/{number}.txt", article))
    return located


@pytest.fixture
def folder(ram_path: Path) -> Path:
    return ram_path / "index"


QUESTIONS = ["harga beras naik", "kapal nelayan di pelabuhan", "tim pelatih gol final", "banjir", "nomor7"]


def rankings(index: NewsIndex, k: int = 15, filters: Filters | None = None) -> list[list[tuple[str, float]]]:
    """What both legs and the retriever find, by article; keys differ between indexes, articles do not."""
    found = []
    for question in QUESTIONS:
        query = ENCODER.encode_queries([question])[0]
        for pairs in (
            index.search_dense(query, k, filters),
            index.search_lexical(question, k, filters),
        ):
            chunks = index.chunks([key for key, _ in pairs])
            found.append([(chunks[key][0].id, round(score, 4)) for key, score in pairs])
        hits = HybridRetriever(index, ENCODER).search(question, k=k, filters=filters)
        found.append([(hit.chunk.id, round(hit.score, 6)) for hit in hits])
    return found


def test_a_tail_gives_the_same_results_as_a_fresh_snapshot(folder: Path) -> None:
    located = news(60)
    write(folder, located[:25])
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    write(folder, located[25:40])
    assert index.refresh()
    write(folder, located[40:])
    assert index.refresh()
    assert (len(index.view.base), len(index.view.tail)) == (25, 35)
    with NewsIndex.open(folder) as reopened:
        assert (len(reopened.view.base), len(reopened.view.tail)) == (25, 35)
        by_tail, by_reopened = rankings(index), rankings(reopened)
    publish(folder)
    with NewsIndex.open(folder) as fresh:
        assert (len(fresh.view.base), len(fresh.view.tail)) == (60, 0)
        assert rankings(fresh) == by_tail == by_reopened
    index.close()


def test_equal_scores_are_cut_off_in_the_same_place_with_and_without_a_tail(folder: Path) -> None:
    """Twelve passages of the same words: the first five are those with the lowest keys, however they are stored."""
    located = [
        (f"/x/{n}.txt", make_article(f"Harga beras naik lagi. {'A' * (n + 3)}", f"{n}.txt"))
        for n in range(12)
    ]
    write(folder, located[:3])
    index = NewsIndex.open(folder)
    for part in (located[3:7], located[7:]):
        write(folder, part)
        index.refresh()
    assert [key for key, _ in index.search_lexical("harga beras", 5)] == [1, 2, 3, 4, 5]
    assert len({score for _, score in index.search_lexical("harga beras", 12)}) == 1
    index.close()


def test_a_tail_with_removals_finds_the_same_passages(folder: Path) -> None:
    located = news(60)
    write(folder, located[:40])
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    write(folder, located[40:])
    list(remove_articles(folder, [article.id for _, article in located[::7]]))
    index.refresh()
    assert_agrees(index)
    with_tail = rankings(index, k=99)
    publish(folder)
    with NewsIndex.open(folder) as fresh:
        without = rankings(fresh, k=99)
    index.close()
    assert with_tail[::3] == without[::3]  # the dense leg, to the digit
    # BM25 counts removed passages in its statistics until the next snapshot: the same passages, scores apart.
    assert [{chunk for chunk, _ in part} for part in with_tail] == [
        {chunk for chunk, _ in part} for part in without
    ]


def test_a_new_snapshot_is_written_when_the_tail_is_long(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qa.writer, "TAIL_LIMIT", 4)
    monkeypatch.setattr(qa.index, "TAIL_LIMIT", 4)
    located = news(12)
    snapshots = []
    for number in range(0, 12, 2):
        write(folder, located[number : number + 2])
        snapshots.append(next((folder / SNAPSHOTS).iterdir()).name)
    assert [len(set(snapshots[:3])), len(set(snapshots[3:]))] == [1, 1]
    assert snapshots[2] != snapshots[3]
    list(remove_articles(folder, [article.id for _, article in located[:6]]))
    with messages() as said:
        assert_sound(folder)
    assert any("behind its store" in line for line in said)
    assert next((folder / SNAPSHOTS).iterdir()).name != snapshots[-1]
    with messages() as said:
        assert_sound(folder)
    assert said == []


FILTERS = [
    Filters(date_from=date(2023, 5, 19)),
    Filters(date_to=date(2023, 5, 18)),
    Filters(date_from=date(2023, 5, 18), date_to=date(2023, 5, 20)),
    Filters(date_from=date(2023, 5, 20), date_to=date(2023, 5, 18)),
    Filters(sources=("contoh",)),
    Filters(sources=("contoh lain", "tidak ada")),
    Filters(sources=("CONTOH",)),
    Filters(sources=("contoh",), date_from=date(2023, 5, 21)),
    Filters(sources=("tidak ada",)),
]


@pytest.mark.parametrize("filters", FILTERS)
def test_both_legs_filter_as_going_through_every_article_does(
    filters: Filters, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    located = news(50)
    write(folder, located[:30])
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    write(folder, located[30:])
    list(remove_articles(folder, [located[4][1].id, located[34][1].id]))
    index.refresh()

    def passes(article: Article) -> bool:
        day = article.published_at
        if (filters.date_from or filters.date_to) and day is None:
            return False
        low, high = filters.date_from or date.min, filters.date_to or date.max
        named = not filters.sources or (article.source or "").casefold() in {
            source.casefold() for source in filters.sources
        }
        return (day is None or low <= day <= high) and named

    allowed = {article.id for _, article in located if passes(article)} - {
        located[4][1].id,
        located[34][1].id,
    }
    query = ENCODER.encode_queries(["harga beras"])[0]
    dense = index.search_dense(query, 99, filters)
    assert {article.id for _, article in index.chunks([key for key, _ in dense]).values()} == allowed
    unfiltered = dict(index.search_dense(query, 99))
    assert dense == sorted(dense, key=lambda pair: (-pair[1], pair[0]))
    assert all(unfiltered[key] == score for key, score in dense)
    question = " ".join(WORDS)
    lexical = index.search_lexical(question, 99, filters)
    assert {article.id for _, article in index.chunks([key for key, _ in lexical]).values()} == allowed
    unfiltered = dict(index.search_lexical(question, 99))
    assert all(unfiltered[key] == pytest.approx(score) for key, score in lexical)
    few = index.search_dense(query, 3, filters)
    assert few == dense[:3]
    index.close()


def test_a_reader_keeps_its_view_until_it_refreshes(folder: Path) -> None:
    write(folder, [("/x/a.txt", make_article(HARBOUR, "a.txt"))])
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    generation, before = index.generation, rankings(index)
    write(folder, [("/x/b.txt", make_article(RICE, "b.txt")), ("/x/c.txt", make_article(MATCH, "c.txt"))])
    publish(folder)
    assert (index.generation, rankings(index)) == (generation, before)
    assert index.refresh()
    assert index.generation == generation + 1
    assert_agrees(index)
    assert not index.refresh()
    index.close()


def test_a_view_in_use_is_not_changed_by_a_refresh(folder: Path) -> None:
    write(folder, news(5))
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    view = index.view
    query = ENCODER.encode_queries(["harga beras"])[0]
    question = " ".join(WORDS)

    def seen() -> object:
        return index.search_dense(query, 99, view=view), index.search_lexical(question, 99, view=view)

    before = seen()
    write(folder, news(30, seed=2))
    index.refresh()
    assert seen() == before
    publish(folder)
    write(folder, news(31, seed=3))
    index.refresh()
    assert seen() == before
    assert_agrees(index)
    index.close()


def test_private_copies_do_not_pile_up(folder: Path) -> None:
    write(folder, news(5))
    index = NewsIndex.open(folder)
    private = index.view.private.parent
    for seed in (2, 3, 4):
        write(folder, news(5, seed))
        publish(folder)
        index.refresh()
    assert [path for path in private.iterdir() if path.is_dir()] == [index.view.private]
    index.close()
    assert not private.exists()


def test_an_empty_index_answers_with_nothing(folder: Path) -> None:
    write(folder, [])
    with messages() as said:
        assert_sound(folder)
    assert said == []
    with NewsIndex.open(folder) as index:
        assert HybridRetriever(index, ENCODER).search("harga beras") == []
        assert (index.count_articles(), index.sources(), index.sample_articles(3)) == (0, [], [])
        write(folder, [("/x/b.txt", make_article(RICE, "b.txt"))])
        assert index.refresh()
        assert_agrees(index)


def test_rarity_is_the_inverse_document_frequency(folder: Path) -> None:
    write(folder, [("/x/b.txt", make_article(RICE, "b.txt")), ("/x/c.txt", make_article(MATCH, "c.txt"))])
    with NewsIndex.open(folder) as index:
        assert index.rarity("beras") == pytest.approx(np.log(1 + 1.5 / 1.5))
        assert index.rarity("tidakada") == pytest.approx(np.log(1 + 2.5 / 0.5))


def test_articles_by_hand(folder: Path) -> None:
    article = make_article(RICE, "b.txt")
    write(folder, [("/x/b.txt", article)])
    with NewsIndex.open(folder) as index:
        chunk, owner = index.chunks([1])[1]
        assert owner == article
        assert article.text[chunk.start : chunk.end] == chunk.text
        assert index.sample_articles(5) == [article]
        assert index.get_article("0" * 16) is None


def test_a_missing_index_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(IndexMissingError, match="tanya index PATH"):
        NewsIndex.open(tmp_path / "tidak-ada")
    assert not (tmp_path / "tidak-ada").exists()


OLD_MODEL = {
    "name": "all-MiniLM-L6-v2",
    "revision": "",
    "dimension": "256",
    "weights_sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "query_prompt": "",
}
NEW_MODEL = OLD_MODEL | {
    "name": "tanya-en-id",
    "revision": "553c9ff2a4d9",
    "weights_sha256": "553c9ff2a4d9" * 5 + "0000",
}


def test_an_index_of_before_an_update_says_which_models_and_how_to_make_it_anew(folder: Path) -> None:
    old, new = WordEncoder(), WordEncoder()
    old.fingerprint, new.fingerprint = OLD_MODEL, NEW_MODEL
    write_index(folder, [article for _, article in news(5)], old)
    with pytest.raises(IndexMismatchError) as refused:
        NewsIndex.open(folder, new.fingerprint)
    assert str(refused.value) == (
        f"the index in {folder} was made with the model all-MiniLM-L6-v2, the model now is tanya-en-id 553c9ff2a4d9 "
        "(name 'all-MiniLM-L6-v2' against 'tanya-en-id', revision '' against '553c9ff2a4d9', "
        "weights_sha256 '53aa51172d14' against '553c9ff2a4d9'). "
        "Vectors of two models cannot be compared; the index is left as it is. "
        "If Tanya was updated, or to change the model, make it anew from the articles in PATH: "
        f"tanya index PATH --index {folder} --rebuild. "
        "To go on with the model that made it, name that one: --model NAME"
    )
    with NewsIndex.open(folder, old.fingerprint) as index:
        assert index.count_articles() == 5
    with IndexWriter.open(folder, new, rebuild=True) as writer:
        assert [change for _, change in writer.replace_all(news(3))] == ["added"] * 3
    with NewsIndex.open(folder, new.fingerprint) as index:
        assert index.count_articles() == 3


def test_models_that_differ_in_their_prompts_alone_are_told_apart_by_them(tmp_path: Path) -> None:
    with pytest.raises(
        IndexMismatchError,
        match=r"model tanya-en-id 553c9ff2a4d9, the model now is tanya-en-id 553c9ff2a4d9 "
        r"\(query_prompt '' against 'query: '\)",
    ):
        check_fingerprint(tmp_path, NEW_MODEL, NEW_MODEL | {"query_prompt": "query: "})


def test_rows_lost_from_the_store_are_not_passed_over(folder: Path) -> None:
    write(folder, news(5))
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    store = WritableStore.open(folder)
    for statement in ("DROP TRIGGER chunk_removed", "DELETE FROM chunks WHERE key = 2"):
        store._run(statement)
    store.close()
    assert any("holds 5 chunks" in problem for problem in verify_index(folder))
    with pytest.raises(IndexCorruptError, match="--rebuild"):
        HybridRetriever(index, ENCODER).search(" ".join(WORDS), k=5)
    index.close()


def test_an_index_in_a_folder_that_is_only_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, news(5))
    for path in folder.glob(f"{DATABASE}-*"):
        path.unlink()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with NewsIndex.open(folder, ENCODER.fingerprint) as index:
        assert_agrees(index)
    assert not list(folder.glob(f"{DATABASE}-*"))


def test_threads_search_while_a_writer_adds_updates_and_publishes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every state has one article per number, all of the same edition: a mixture would show two editions."""
    monkeypatch.setattr(qa.writer, "TAIL_LIMIT", 12)
    monkeypatch.setattr(qa.index, "TAIL_LIMIT", 40)
    numbers = range(6)

    def edition(n: int) -> list[tuple[str, Article]]:
        return [
            (f"/x/{i}.txt", make_article(f"Harga beras di pasar nomor{i} edisi{n}.", f"{i}.txt"))
            for i in numbers
        ]

    write(folder, edition(0))
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    retriever = HybridRetriever(index, ENCODER)
    failures: list[BaseException] = []
    seen: set[str] = set()
    done = threading.Event()

    def search(refreshing: bool) -> None:
        try:
            while not done.is_set():
                if refreshing:
                    index.refresh()
                hits = retriever.search("harga beras pasar", k=20)
                editions = {hit.chunk.text.rpartition(" ")[2] for hit in hits}
                assert len(editions) == 1, [hit.chunk.text for hit in hits]
                assert sorted(hit.article.path for hit in hits) == [f"{i}.txt" for i in numbers]
                assert all(hit.origin == "both" for hit in hits)
                seen.update(editions)
                view = index.view
                lexical = index.search_lexical("harga beras", 20, view=view)
                dense = index.search_dense(ENCODER.encode_queries(["harga beras"])[0], 20, view=view)
                assert {key for key, _ in lexical} == {key for key, _ in dense}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=search, args=(n % 2 == 0,)) for n in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for thread in threads:
            thread.start()
        for n in range(1, 16):
            assert write(folder, edition(n)) == ["updated"] * len(numbers)
            deadline = time.monotonic() + 20
            while n % 4 == 0 and f"edisi{n}." not in seen and not failures and time.monotonic() < deadline:
                time.sleep(0.01)
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert failures == []
    assert seen >= {"edisi4.", "edisi8.", "edisi12."}
    index.refresh()
    assert_agrees(index)
    index.close()
    assert_sound(folder)
    shutil.rmtree(folder)
