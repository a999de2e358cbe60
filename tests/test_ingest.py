"""Files to a changed index: added, updated, moved, pruned, skipped, rebuilt."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from conftest import HARBOUR, MATCH, RICE, WordEncoder
from index_state import ENCODER, assert_sound, contents

from qa.errors import IndexMismatchError, InputError
from qa.index import NewsIndex
from qa.ingest import Report, estimate_articles, index_paths


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "arsip"
    (folder / "utara").mkdir(parents=True)
    (folder / "utara" / "a.txt").write_text(HARBOUR)
    (folder / "b.txt").write_text(RICE)
    rows = [
        {"text": MATCH, "title": "Final", "id": "f-1"},
        {"text": "Banjir di Kota Contoh mulai surut sore ini."},
    ]
    (folder / "baris.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def paths_of(folder: Path) -> list[str]:
    state = contents(folder)
    assert state is not None
    return sorted(row[1] for row in state["files"])


def test_a_folder_is_indexed_once(archive: Path, folder: Path) -> None:
    done: list[int] = []
    report = index_paths([archive], folder, ENCODER, progress=done.append)
    assert dict(report.changes) == {"added": 4}
    assert (report.skips, report.pruned, sum(done)) == ([], 0, 4)
    assert paths_of(folder) == ["b.txt", "baris.jsonl#1", "baris.jsonl#2", "utara/a.txt"]
    assert dict(index_paths([archive], folder, ENCODER).changes) == {"unchanged": 4}
    assert_sound(folder)


def test_updates_duplicates_skips_and_pruning(archive: Path, folder: Path) -> None:
    index_paths([archive], folder, ENCODER)
    (archive / "b.txt").write_text(RICE.replace("14.500", "15.000"))
    (archive / "salinan.txt").write_text(HARBOUR)
    (archive / "laporan.pdf").write_bytes(b"%PDF-1.7 \0\1")
    (archive / "baris.jsonl").write_text(json.dumps({"text": MATCH, "title": "Final", "id": "f-1"}) + "\n")
    report = index_paths([archive], folder, ENCODER, prune=True)
    assert dict(report.changes) == {"updated": 1, "duplicate": 1, "unchanged": 2}
    assert [skip.path for skip in report.skips] == ["laporan.pdf"]
    assert report.pruned == 1
    assert paths_of(folder) == ["b.txt", "baris.jsonl#1", "salinan.txt", "utara/a.txt"]
    with NewsIndex.open(folder) as index:
        keys = [key for key, _ in index.search_lexical("harga beras per kilogram banjir", 9)]
        assert [article.path for _, article in index.chunks(keys).values()] == ["b.txt"]
    assert_sound(folder)


def test_what_cannot_be_read_today_is_not_pruned(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive / "lama.zip", "w") as archived:
        archived.writestr("dalam.txt", "Berita dari arsip lama tentang panen padi di desa.")
    index_paths([archive], folder, ENCODER)
    (archive / "lama.zip").write_bytes(b"PK\3\4 rusak")
    (archive / "b.txt").write_bytes(b"")
    before = contents(folder)
    report = index_paths([archive], folder, ENCODER, prune=True)
    assert sorted(skip.path for skip in report.skips) == ["b.txt", "lama.zip"]
    assert report.pruned == 0
    assert contents(folder) == before
    assert_sound(folder)


def test_a_renamed_folder_keeps_its_articles(archive: Path, folder: Path) -> None:
    index_paths([archive], folder, ENCODER)
    renamed = archive.rename(archive.with_name("arsip-baru"))
    report = index_paths([renamed], folder, ENCODER, prune=True)
    assert dict(report.changes) == {"unchanged": 4}
    state = contents(folder)
    assert state is not None
    assert all(row[0].startswith(f"{renamed.resolve()}/") for row in state["files"])
    assert_sound(folder)


def test_two_folders_with_the_same_names_and_one_pruned(archive: Path, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "lain"
    other.mkdir()
    (other / "b.txt").write_text(MATCH.replace("3-1", "2-0"))
    report = index_paths([archive, other], folder, ENCODER)
    assert dict(report.changes) == {"added": 5}
    (archive / "b.txt").unlink()
    assert index_paths([archive], folder, ENCODER, prune=True).pruned == 1
    assert paths_of(folder) == ["b.txt", "baris.jsonl#1", "baris.jsonl#2", "utara/a.txt"]
    assert_sound(folder)


def test_overlapping_paths_and_single_files(archive: Path, folder: Path) -> None:
    report = index_paths([archive, archive / "utara", archive / "b.txt"], folder, ENCODER)
    assert dict(report.changes) == {"added": 4, "unchanged": 2}
    state = contents(folder)
    assert state is not None
    assert len(state["files"]) == 4
    assert_sound(folder)


def test_rebuilding_with_another_model(archive: Path, folder: Path) -> None:
    index_paths([archive], folder, ENCODER)
    other = WordEncoder("lain")
    with pytest.raises(IndexMismatchError, match=r"words.*lain"):
        index_paths([archive], folder, other)
    (archive / "b.txt").unlink()
    report = index_paths([archive], folder, other, model="lain", rebuild=True)
    assert dict(report.changes) == {"added": 3}
    assert_sound(folder, other)


def test_a_failed_rebuild_leaves_the_old_index(archive: Path, folder: Path) -> None:
    class FailingEncoder(WordEncoder):
        def encode_passages(self, texts: list[str]) -> object:  # type: ignore[override]
            raise MemoryError

    index_paths([archive], folder, ENCODER)
    before = contents(folder)
    with pytest.raises(MemoryError):
        index_paths([archive], folder, FailingEncoder(), rebuild=True)
    assert contents(folder) == before
    assert_sound(folder)


def test_an_interrupted_run_keeps_what_was_reported_and_goes_on(
    archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa.writer.BATCH_CHUNKS", 1)

    def interrupt(count: int) -> None:
        if sum(report.changes.values()) == 2:
            raise KeyboardInterrupt

    report = Report()
    with pytest.raises(KeyboardInterrupt):
        index_paths([archive], folder, ENCODER, progress=interrupt, report=report)
    assert dict(report.changes) == {"added": 2}
    assert len(paths_of(folder)) == 2
    assert_sound(folder)
    assert dict(index_paths([archive], folder, ENCODER).changes) == {"unchanged": 2, "added": 2}
    assert_sound(folder)


def test_a_report_of_the_caller_is_filled_in_even_if_nothing_came_before(archive: Path, folder: Path) -> None:
    report = Report()
    assert index_paths([archive], folder, ENCODER, report=report) is report
    assert sum(report.changes.values()) == 4


def test_text_no_database_can_hold_is_no_traceback(folder: Path, tmp_path: Path) -> None:
    """JSON may spell half a surrogate pair, or the character zero."""
    rows = [
        '{"text": "Harga \\ud83d beras naik lagi."}',
        '{"text": "Nol \\u0000 di tengah kalimat berita ini."}',
    ]
    (tmp_path / "aneh.jsonl").write_text("\n".join([*rows, json.dumps({"text": RICE})]))
    report = index_paths([tmp_path / "aneh.jsonl"], folder, ENCODER)
    assert report.changes["added"] + len(report.skips) == 3
    assert "aneh.jsonl#3" in paths_of(folder)
    assert_sound(folder)


def test_a_missing_path_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tidak-ada"):
        index_paths([tmp_path / "tidak-ada"], folder, ENCODER)


def test_estimates(archive: Path) -> None:
    assert estimate_articles([archive]) == 4
    assert estimate_articles([archive / "b.txt", archive / "baris.jsonl"]) == 3
    (archive / "rusak.zip").write_bytes(b"bukan zip")
    assert estimate_articles([archive]) == 5
