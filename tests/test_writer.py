"""What adding, updating, moving, pruning and removing mean, seen through search at once and after a new snapshot."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from conftest import HARBOUR, MATCH, RICE, WordEncoder, make_article
from index_state import ENCODER, assert_agrees, assert_sound, contents, write

import qa.writer
from qa.errors import IndexMismatchError, InputError
from qa.index import NewsIndex
from qa.retriever import HybridRetriever
from qa.snapshot import publish
from qa.store import Store
from qa.types import Article, Skip
from qa.writer import IndexWriter, absolute, location_of, passage_text, remove_articles

OLD = make_article(RICE, "b.txt")
NEW = make_article(RICE.replace("14.500", "15.000"), "b.txt")
NEWEST = make_article(RICE.replace("14.500", "16.000"), "b.txt")
OTHER = make_article(HARBOUR, "a.txt", title="Pelabuhan ditutup", external_id="7")


@pytest.fixture
def folder(ram_path: Path) -> Path:
    return ram_path / "index"


def found_by_both_legs(index: NewsIndex, question: str) -> set[str]:
    """Ids of the articles that either leg, or the retriever over both, brings up."""
    query = ENCODER.encode_queries([question])[0]
    keys = [key for key, _ in index.search_dense(query, 99)]
    keys += [key for key, _ in index.search_lexical(question, 99)]
    direct = {article.id for _, article in index.chunks(keys).values()}
    assert len(index.chunks(keys)) == len(set(keys)), "a leg found a chunk that is gone"
    assert {hit.article.id for hit in HybridRetriever(index, ENCODER).search(question, k=99)} <= direct
    return direct


def article_of(folder: Path, article_id: str) -> Article | None:
    with NewsIndex.open(folder) as index:
        return index.get_article(article_id)


def aliases(folder: Path, article_id: str) -> list[tuple[str, str | None]]:
    store = Store.open(folder)
    try:
        return store.aliases(article_id)
    finally:
        store.close()


def test_adding_twice_changes_nothing_and_encodes_once(folder: Path) -> None:
    encoder = WordEncoder()
    for expected in ("added", "unchanged"):
        with IndexWriter.open(folder, encoder) as writer:
            assert [change for _, change in writer.add([("/x/a.txt", OTHER)])] == [expected]
    assert encoder.encoded == [passage_text("Pelabuhan ditutup", HARBOUR)]
    assert_sound(folder)


def test_an_update_takes_the_place_of_the_old_article_everywhere(folder: Path) -> None:
    write(folder, [("/x/b.txt", OLD), ("/x/a.txt", OTHER)])
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    assert write(folder, [("/x/b.txt", NEW)]) == ["updated"]
    # Not refreshed by anybody: the search notices that what it found is gone.
    hits = HybridRetriever(index, ENCODER).search("harga beras per kilogram")
    assert hits[0].article.id == NEW.id
    assert OLD.id not in {hit.article.id for hit in hits}
    assert found_by_both_legs(index, "harga beras") == {NEW.id, OTHER.id}
    publish(folder)
    index.refresh()
    assert found_by_both_legs(index, "harga beras") == {NEW.id, OTHER.id}
    assert_agrees(index)
    index.close()
    assert article_of(folder, OLD.id) == NEW
    assert_sound(folder)


def test_old_ids_resolve_through_a_chain_of_updates(folder: Path) -> None:
    for article in (OLD, NEW, NEWEST):
        write(folder, [("/x/b.txt", article)])
    assert [article_of(folder, each.id) for each in (OLD, NEW, NEWEST)] == [NEWEST] * 3
    list(remove_articles(folder, [OLD.id]))
    assert [article_of(folder, each.id) for each in (OLD, NEW, NEWEST)] == [None] * 3
    assert_sound(folder)


def test_back_to_an_earlier_content(folder: Path) -> None:
    for article in (OLD, NEW, OLD):
        write(folder, [("/x/b.txt", article)])
    assert article_of(folder, OLD.id) == OLD
    assert article_of(folder, NEW.id) == OLD
    with NewsIndex.open(folder) as index:
        assert found_by_both_legs(index, "harga beras") == {OLD.id}
    assert_sound(folder)


def test_several_contents_of_one_place_in_one_batch(folder: Path) -> None:
    changes = write(folder, [("/x/b.txt", each) for each in (OLD, NEW, OLD, NEWEST)])
    assert changes == ["added", "updated", "updated", "updated"]
    assert [article_of(folder, each.id) for each in (OLD, NEW, NEWEST)] == [NEWEST] * 3
    assert_sound(folder)


def test_duplicates_keep_every_path_and_external_id(folder: Path) -> None:
    copies = [
        dataclasses.replace(OLD, path=f"{name}.txt", external_id=external_id)
        for name, external_id in (("satu", "1"), ("dua", None), ("tiga", "3"))
    ]
    assert write(folder, [(f"/x/{copy.path}", copy) for copy in copies[:2]]) == ["added", "duplicate"]
    assert write(folder, [("/x/tiga.txt", copies[2])]) == ["duplicate"]
    assert aliases(folder, OLD.id) == [("satu.txt", "1"), ("dua.txt", None), ("tiga.txt", "3")]
    assert article_of(folder, OLD.id) == copies[0]
    assert_sound(folder)


def test_updating_one_of_two_copies_keeps_the_other(folder: Path) -> None:
    write(folder, [("/x/b.txt", OLD), ("/x/salinan.txt", dataclasses.replace(OLD, path="salinan.txt"))])
    assert write(folder, [("/x/b.txt", NEW)]) == ["updated"]
    assert article_of(folder, OLD.id) == dataclasses.replace(OLD, path="salinan.txt")
    assert article_of(folder, NEW.id) == NEW
    assert_sound(folder)


@pytest.mark.parametrize("batch_chunks", [1, 256])
def test_two_files_swap_their_contents(
    batch_chunks: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qa.writer, "BATCH_CHUNKS", batch_chunks)
    at_b = dataclasses.replace(OTHER, path="b.txt")
    at_a = dataclasses.replace(OLD, path="a.txt")
    write(folder, [("/x/a.txt", OTHER), ("/x/b.txt", OLD)])
    assert write(folder, [("/x/a.txt", at_a), ("/x/b.txt", at_b)]) == ["updated", "updated"]
    assert article_of(folder, OTHER.id) == at_b
    assert article_of(folder, OLD.id) == at_a
    assert_sound(folder)


def test_a_renamed_folder_is_no_new_archive(folder: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "arsip", tmp_path / "arsip-2023"
    before.mkdir()
    for article in (OTHER, OLD):
        (before / article.path).write_text(article.text)
    write(folder, [(f"{before}/{article.path}", article) for article in (OTHER, OLD)])
    before.rename(after)
    assert write(folder, [(f"{after}/{OTHER.path}", OTHER), (f"{after}/{NEW.path}", NEW)]) == [
        "unchanged",
        "updated",
    ]
    state = contents(folder)
    assert state is not None
    assert [row[0] for row in state["files"]] == [f"{after}/a.txt", f"{after}/b.txt"]
    assert article_of(folder, OLD.id) == NEW
    assert_sound(folder)


def test_the_same_relative_path_under_two_roots_is_two_files(folder: Path, tmp_path: Path) -> None:
    for root, text in (("satu", RICE), ("dua", MATCH)):
        (tmp_path / root).mkdir()
        (tmp_path / root / "b.txt").write_text(text)
    assert write(folder, [(f"{tmp_path}/satu/b.txt", OLD)]) == ["added"]
    assert write(folder, [(f"{tmp_path}/dua/b.txt", make_article(MATCH, "b.txt"))]) == ["added"]
    assert article_of(folder, OLD.id) == OLD
    assert_sound(folder)


def test_pruning_drops_what_is_gone_and_nothing_else(folder: Path) -> None:
    located = {
        "/x/ada.txt": "Berita yang masih ada.",
        "/x/hilang.txt": "Berita yang berkasnya hilang.",
        "/x/rusak.jsonl#3": "Berita dari baris berkas yang kini rusak.",
        "/x/arsip.zip!/dalam.txt": "Berita dari arsip yang kini rusak.",
        "/x/baris.jsonl#1": "Berita baris satu.",
        "/x/baris.jsonl#2": "Berita baris dua.",
        "/xy/luar.txt": "Berita di luar folder.",
        "/x.txt": "Berita di berkas dengan nama serupa.",
    }
    write(folder, [(where, make_article(text, Path(where).name)) for where, text in located.items()])
    write(folder, [("/lain/salinan.txt", make_article(located["/x/hilang.txt"], "salinan.txt"))])
    with IndexWriter.open(folder, ENCODER) as writer:
        seen = {"/x/ada.txt", "/x/baris.jsonl#1"}
        assert writer.prune(Path("/x"), seen, {"/x/rusak.jsonl", "/x/arsip.zip"}) == 1
    state = contents(folder)
    assert state is not None
    kept = {row[0] for row in state["files"]}
    assert kept == (set(located) - {"/x/hilang.txt", "/x/baris.jsonl#2"}) | {"/lain/salinan.txt"}
    texts = {row[2] for row in state["articles"]}
    assert texts == set(located.values()) - {"Berita baris dua."}  # the copy elsewhere kept the other
    assert_sound(folder)


def test_removing_while_a_snapshot_holds_the_chunk(folder: Path) -> None:
    write(folder, [("/x/b.txt", OLD), ("/x/a.txt", OTHER)])
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    assert list(remove_articles(folder, [OLD.id, "ffffffffffffffff", OLD.id])) == [
        (OLD.id, OLD.id),
        ("ffffffffffffffff", None),
        (OLD.id, None),
    ]
    retriever = HybridRetriever(index, ENCODER)
    assert [hit.article.id for hit in retriever.search("harga beras")] == [OTHER.id]
    index.refresh()
    assert_agrees(index)
    assert found_by_both_legs(index, "harga beras") == {OTHER.id}
    with NewsIndex.open(folder) as fresh:  # the old snapshot with the removal beside it
        assert_agrees(fresh)
    publish(folder)
    assert write(folder, [("/x/c.txt", make_article(MATCH, "c.txt"))]) == ["added"]
    assert index.refresh()
    assert_agrees(index)
    index.close()
    assert_sound(folder)


def test_a_reader_that_missed_a_removal_and_the_snapshot_after_it(folder: Path) -> None:
    """Publishing forgets which keys were removed, so a reader must not go on from an older snapshot."""
    write(folder, [("/x/b.txt", OLD), ("/x/a.txt", OTHER)])
    index = NewsIndex.open(folder, ENCODER.fingerprint)
    list(remove_articles(folder, [OLD.id]))
    publish(folder)
    write(folder, [("/x/c.txt", make_article(MATCH, "c.txt"))])
    assert index.refresh()
    assert not index.refresh()
    assert_agrees(index)
    index.close()


def test_removing_by_an_older_id_and_adding_again(folder: Path) -> None:
    write(folder, [("/x/b.txt", OLD)])
    write(folder, [("/x/b.txt", NEW)])
    assert list(remove_articles(folder, [OLD.id])) == [(OLD.id, NEW.id)]
    assert_sound(folder)
    assert write(folder, [("/x/b.txt", NEW)]) == ["added"]
    assert article_of(folder, OLD.id) == NEW
    assert_sound(folder)


def test_chunk_keys_are_never_used_twice(folder: Path) -> None:
    for article in (OLD, NEW, OLD, NEWEST):
        write(folder, [("/x/b.txt", article)])
        publish(folder)
    store = Store.open(folder)
    assert [row.key for row in store.chunk_rows()] == [4]
    store.close()
    assert_sound(folder)


def test_another_model_is_refused_and_both_are_named(folder: Path) -> None:
    write(folder, [("/x/b.txt", OLD)])
    other = WordEncoder("lain")
    for opening in (
        lambda: IndexWriter.open(folder, other),
        lambda: NewsIndex.open(folder, other.fingerprint),
    ):
        with pytest.raises(IndexMismatchError, match=r"the model words, the model now is lain .*--rebuild"):
            opening()
    with IndexWriter.open(folder, ENCODER):  # the refused writer let go of the lock
        pass


def test_rebuilding_takes_another_model_and_drops_what_is_not_named(folder: Path) -> None:
    write(folder, [("/x/b.txt", OLD), ("/x/a.txt", OTHER)])
    reader = NewsIndex.open(folder, ENCODER.fingerprint)
    other = WordEncoder("lain")
    with IndexWriter.open(folder, other, model="lain", rebuild=True) as writer:
        assert [change for _, change in writer.replace_all([("/x/a.txt", OTHER)])] == ["added"]
        assert reader.get_article(OTHER.id) == OTHER
    assert_sound(folder, other)
    store = Store.open(folder)
    assert (store.counts(), store.meta("model")) == ((1, 1), "lain")
    store.close()
    reader.close()


def test_an_interrupted_rebuild_leaves_the_old_index(folder: Path) -> None:
    write(folder, [("/x/b.txt", OLD)])
    before = contents(folder)

    def interrupted() -> None:
        with IndexWriter.open(folder, ENCODER, rebuild=True) as writer:
            for _ in writer.replace_all([("/x/a.txt", OTHER), ("/x/c.txt", make_article(MATCH, "c.txt"))]):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert contents(folder) == before
    assert_sound(folder)


def test_a_rebuild_left_unfinished_by_its_caller(folder: Path) -> None:
    write(folder, [("/x/b.txt", OLD)])
    before = contents(folder)
    writer = IndexWriter.open(folder, ENCODER, rebuild=True)
    changes = writer.replace_all([("/x/a.txt", OTHER)])
    next(changes)
    writer.__exit__(KeyboardInterrupt, None, None)
    changes.close()
    assert contents(folder) == before
    assert_sound(folder)


def test_an_article_without_sentences_is_kept_and_found_by_id(folder: Path) -> None:
    empty = make_article("  \n ", "kosong.txt")
    assert write(folder, [("/x/kosong.txt", empty)]) == ["added"]
    assert article_of(folder, empty.id) == empty
    assert_sound(folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "berkas").write_text("bukan folder")
    with pytest.raises(InputError, match=r"cannot write to .*berkas.*--index DIR"):
        IndexWriter.open(tmp_path / "berkas", ENCODER)


def test_locations(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.jsonl").write_text("")
    (tmp_path / "c").symlink_to(tmp_path / "b")
    assert location_of(tmp_path / "b", "d/x.txt") == f"{absolute(tmp_path)}/b/d/x.txt"
    assert location_of(tmp_path / "b" / "x.jsonl", "x.jsonl#1") == f"{absolute(tmp_path)}/b/x.jsonl#1"
    assert location_of(tmp_path / "c", "x.txt") == f"{absolute(tmp_path)}/b/x.txt"
    assert Skip("a", "b").path == "a"


def test_what_the_encoder_reads() -> None:
    assert passage_text("Judul", "Isi.") == "Judul\nIsi."
    assert passage_text(None, "Isi.") == "Isi."
    assert passage_text("", "Isi.") == "Isi."
