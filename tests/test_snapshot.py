"""Snapshots damaged, forged, deleted, borrowed or outdated: the index opens with right results and says what it did."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from conftest import HARBOUR, MATCH, RICE, make_article
from index_state import ENCODER, assert_sound, messages, write

import qa.snapshot
from qa.index import NewsIndex, verify_index
from qa.locking import lock_folder
from qa.snapshot import SNAPSHOTS, SnapshotError, publish, read_manifest, read_snapshot
from qa.store import DATABASE, Store
from qa.writer import remove_articles

HARBOUR_FILE = ("/berita/a.txt", make_article(HARBOUR, "a.txt", title="Pelabuhan ditutup"))
RICE_FILE = ("/berita/b.txt", make_article(RICE, "b.txt"))
MATCH_FILE = ("/berita/c.txt", make_article(MATCH, "c.txt"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "index"
    write(folder, [HARBOUR_FILE, RICE_FILE])
    return folder


@pytest.fixture
def folder(made: Path, ram_path: Path) -> Path:
    shutil.copytree(made, ram_path / "index")
    return ram_path / "index"


def snapshot_of(folder: Path) -> Path:
    (snapshot,) = (folder / SNAPSHOTS).iterdir()
    return snapshot


def flip(path: Path, seed: int) -> None:
    data = bytearray(path.read_bytes())
    chance = random.Random(seed)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "one byte short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "first bytes only": lambda path: path.write_bytes(path.read_bytes()[:5]),
    "one byte long": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "deleted": lambda path: path.unlink(),
    "a folder instead": lambda path: (path.unlink(), path.mkdir()),
    **{f"bit flipped, seed {seed}": lambda path, seed=seed: flip(path, seed) for seed in range(6)},
}


def test_a_snapshot_is_as_described_and_read_back(folder: Path, tmp_path: Path) -> None:
    snapshot = snapshot_of(folder)
    manifest = read_manifest(snapshot)
    assert (manifest.generation, manifest.max_key, manifest.count, manifest.dimension) == (2, 2, 2, 256)
    on_disk = {
        path.relative_to(snapshot).as_posix()
        for path in snapshot.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }
    assert set(manifest.files) == on_disk - {"manifest.json"}
    read = read_snapshot(snapshot, tmp_path / "private")
    assert read.vectors.ids.tolist() == [1, 2]
    assert len(read.lexical) == 2
    with messages() as said:
        assert_sound(folder)
    assert said == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_rebuilt_with_a_message_and_then_it_is_quiet(
    damage: str, folder: Path, made: Path
) -> None:
    names = [*read_manifest(snapshot_of(made)).files, "manifest.json"]
    assert {"vectors.faiss", "lexical/meta.json", "manifest.json"} <= set(names)
    for name in names:
        shutil.rmtree(folder)
        shutil.copytree(made, folder)
        DAMAGES[damage](snapshot_of(folder) / name)
        problems = verify_index(folder)
        assert problems, name
        with messages() as said:
            NewsIndex.open(folder).close()
        assert [line for line in said if "nothing is lost" in line], name
        with messages() as said:
            assert_sound(folder)
        assert said == [], name


def test_nothing_is_parsed_before_its_checksum_was_compared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAISS and tantivy may abort the process over forged bytes, so they must not see them."""
    import faiss

    def refuse(*arguments: object) -> None:
        pytest.fail("damaged bytes reached a parser")

    snapshot = snapshot_of(folder)
    for name in ("vectors.faiss", "lexical/meta.json"):
        good = (snapshot / name).read_bytes()
        (snapshot / name).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with monkeypatch.context() as patch:
            patch.setattr(faiss, "read_index", refuse)
            patch.setattr(qa.snapshot.LexicalIndex, "open", refuse)
            with pytest.raises(SnapshotError, match=r"cannot be read|does not match"):
                read_snapshot(snapshot, folder.parent / name.replace("/", "-"))
        (snapshot / name).write_bytes(good)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"../../secret.txt": "0" * 64, "vectors.faiss": "0" * 64}},
        {"files": {"/etc/hostname": "0" * 64, "vectors.faiss": "0" * 64}},
        {"files": ["vectors.faiss"]},
        {"files": {"vectors.faiss": 7}},
        {"files": {}},
        {"dimension": 10**30},
        {"max_key": -1},
        {"count": "two"},
        {"generation": None},
        {"store": ["another"]},
        {"surplus": 1},
    ],
)
def test_a_forged_manifest_is_refused(changes: dict[str, object], folder: Path) -> None:
    path = snapshot_of(folder) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(SnapshotError, match=r"manifest\.json does not match its checksum"):
        read_manifest(path.parent)
    with messages() as said:
        assert_sound(folder)
    assert len(said) == 1


def test_a_manifest_that_is_no_json_is_refused(folder: Path) -> None:
    (snapshot_of(folder) / "manifest.json").write_text("[" * 100_000)
    assert_sound(folder)


def test_without_any_snapshot_one_is_built(folder: Path) -> None:
    shutil.rmtree(folder / SNAPSHOTS)
    with messages() as said:
        assert_sound(folder)
    assert len(said) == 1
    assert "nothing is lost" in said[0]
    with messages() as said:
        assert_sound(folder)
    assert said == []


def test_a_snapshot_of_another_index_is_not_taken(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, [MATCH_FILE, ("/berita/d.txt", make_article("Banjir surut di Kota Contoh.", "d.txt"))])
    own_name = snapshot_of(folder).name
    foreign = snapshot_of(other)
    shutil.copytree(foreign, folder / SNAPSHOTS / foreign.name)
    with messages() as said:
        assert_sound(folder)
    assert said == []
    shutil.rmtree(folder / SNAPSHOTS / own_name)
    shutil.copytree(foreign, folder / SNAPSHOTS / own_name)
    with messages() as said:
        assert_sound(folder)
    assert len(said) == 1
    assert [path.name for path in (folder / SNAPSHOTS).iterdir()] != [own_name]


def copy_database(folder: Path, target: Path) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def test_an_older_database_under_newer_snapshots(folder: Path, tmp_path: Path) -> None:
    copy_database(folder, tmp_path / "copy.db")
    write(folder, [MATCH_FILE])
    list(remove_articles(folder, [RICE_FILE[1].id]))
    publish(folder)
    shutil.copy(tmp_path / "copy.db", folder / DATABASE)
    with messages() as said:
        assert_sound(folder)
    assert len(said) == 1
    with NewsIndex.open(folder) as index:
        assert index.get_article(RICE_FILE[1].id) is not None
        assert index.get_article(MATCH_FILE[1].id) is None


def test_an_older_database_that_has_overtaken_its_newer_snapshot(folder: Path, tmp_path: Path) -> None:
    """Keys and generations given anew after the copy was restored mean other chunks than the snapshot's."""
    copy_database(folder, tmp_path / "copy.db")
    lost = [(f"/berita/{n}.txt", make_article(f"Kabar lama nomor {n}.", f"{n}.txt")) for n in range(4)]
    write(folder, lost)
    publish(folder)
    shutil.copy(tmp_path / "copy.db", folder / DATABASE)
    for number in range(6):
        text = f"Kabar baru nomor {number} tentang panen."
        write(folder, [(f"/panen/{number}.txt", make_article(text, f"{number}.txt"))])
    assert_sound(folder)
    with NewsIndex.open(folder) as index:
        keys = [key for key, _ in index.search_lexical("kabar lama", 20)]
        assert all("lama" not in chunk.text for chunk, _ in index.chunks(keys).values())
        assert len(keys) == 6


def test_a_reader_behind_a_busy_writer_keeps_a_snapshot_of_its_own(folder: Path) -> None:
    shutil.rmtree(snapshot_of(folder))
    lock = lock_folder(folder)
    try:
        with messages() as said, NewsIndex.open(folder, ENCODER.fingerprint) as index:
            assert [key for key, _ in index.search_lexical("harga beras", 5)] == [2]
        assert list((folder / SNAPSHOTS).iterdir()) == []
        assert any("being written to" in line for line in said)
    finally:
        lock.release()
    assert_sound(folder)


def test_publishing_deletes_older_snapshots_and_leftovers(folder: Path) -> None:
    (folder / SNAPSHOTS / ".building-left").mkdir()
    (folder / SNAPSHOTS / "000000000001-old").mkdir()
    published = publish(folder)
    assert list((folder / SNAPSHOTS).iterdir()) == [published]
    assert re.fullmatch(r"000000000002-[0-9a-f]{64}", published.name)
    store = Store.open(folder)
    assert store.snapshot() == published.name
    store.close()


def test_nothing_here_reads_pickles() -> None:
    root = Path(qa.snapshot.__file__).parents[1]
    sources = [*root.glob("qa/**/*.py"), *root.glob("embeddings/**/*.py")]
    assert len(sources) > 20
    forbidden = re.compile(
        r"^\s*(?:import|from)\s+(?:pickle|cPickle|dill|cloudpickle|joblib|shelve|marshal)\b"
        r"|torch\.load\(|allow_pickle\s*=\s*True|allow_dangerous_deserialization|weights_only\s*=\s*False",
        re.MULTILINE,
    )
    assert [str(path) for path in sources if forbidden.search(path.read_text(encoding="utf-8"))] == []
    assert forbidden.search("import pickle")
