"""Every statement, commit and step of publishing fails in turn: the index opens as exactly the old or the new state."""

from __future__ import annotations

import builtins
import errno
import os
import pathlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import HARBOUR, MATCH, RICE, make_article
from index_state import ENCODER, assert_agrees, assert_sound, contents, messages, write

import qa.index
import qa.writer
from qa.errors import StoreError
from qa.index import NewsIndex
from qa.lexical import LexicalIndex
from qa.snapshot import SNAPSHOTS, publish
from qa.writer import IndexWriter, remove_articles

HARBOUR_FILE = ("/berita/a.txt", make_article(HARBOUR, "a.txt", title="Pelabuhan ditutup"))
RICE_FILE = ("/berita/b.txt", make_article(RICE, "b.txt"))
MATCH_FILE = ("/berita/c.txt", make_article(MATCH, "c.txt", external_id="17"))
NEW_RICE = ("/berita/b.txt", make_article(RICE.replace("14.500", "15.000"), "b.txt"))
COPIED_RICE = ("/berita/salinan.txt", make_article(RICE, "salinan.txt"))


class Fault:
    """Fails the ``at``-th counted step: before it, after it was done, or it and every later one."""

    def __init__(self, at: int, mode: str, error: Callable[[], Exception]) -> None:
        self.at, self.mode, self.error = at, mode, error
        self.count = 0

    def around(self, step: Callable[[], Any]) -> Any:
        self.count += 1
        if self.count == self.at and self.mode == "after":
            done = step()
            if hasattr(done, "close"):
                done.close()
            raise self.error()
        if self.count == self.at or (self.count > self.at and self.mode == "from then on"):
            raise self.error()
        return step()

    @property
    def reached(self) -> bool:
        return self.count >= self.at


def disk_full() -> sqlite3.Error:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


@contextmanager
def failing_sql(monkeypatch: pytest.MonkeyPatch, at: int, mode: str) -> Iterator[Fault]:
    fault = Fault(at, mode, disk_full)

    class Faulty(sqlite3.Connection):
        def execute(self, *arguments: Any) -> Any:
            return fault.around(lambda: super(Faulty, self).execute(*arguments))

        def executemany(self, *arguments: Any) -> Any:
            return fault.around(lambda: super(Faulty, self).executemany(*arguments))

    original = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *args, **named: original(*args, factory=Faulty, **named))
        yield fault


def add(folder: Path, acknowledged: list[str]) -> None:
    write(folder, [MATCH_FILE, COPIED_RICE], acknowledged=acknowledged)


def update(folder: Path, acknowledged: list[str]) -> None:
    write(folder, [NEW_RICE], acknowledged=acknowledged)


def move(folder: Path, acknowledged: list[str]) -> None:
    write(folder, [("/pindah/b.txt", RICE_FILE[1])], acknowledged=acknowledged)


def remove(folder: Path, acknowledged: list[str]) -> None:
    list(remove_articles(folder, [RICE_FILE[1].id]))


def prune(folder: Path, acknowledged: list[str]) -> None:
    with IndexWriter.open(folder, ENCODER) as writer:
        writer.prune(Path("/berita"), {HARBOUR_FILE[0]}, set())


def rebuild(folder: Path, acknowledged: list[str]) -> None:
    with IndexWriter.open(folder, ENCODER, rebuild=True) as writer:
        assert [change for _, change in writer.replace_all([MATCH_FILE, HARBOUR_FILE])] == ["added"] * 2


OPERATIONS = [add, update, move, remove, prune, rebuild]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two articles with a snapshot, closed."""
    folder = tmp_path_factory.mktemp("before") / "index"
    write(folder, [HARBOUR_FILE, RICE_FILE])
    return folder


def fresh_copy(before: Path, ram_path: Path) -> Path:
    folder = ram_path / "index"
    shutil.rmtree(folder, ignore_errors=True)
    if before.exists():
        shutil.copytree(before, folder)
    return folder


@pytest.mark.parametrize("mode", ["before", "after", "from then on"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_failing_statement_leaves_the_old_or_the_new_state(
    operation: Callable[[Path, list[str]], None],
    mode: str,
    before: Path,
    ram_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = fresh_copy(before, ram_path)
    old = contents(folder)
    operation(folder, [])
    new = contents(folder)
    assert old != new
    seen = set()
    for at in range(1, 1000):
        folder = fresh_copy(before, ram_path)
        acknowledged: list[str] = []
        with failing_sql(monkeypatch, at, mode) as fault, suppress(StoreError):
            operation(folder, acknowledged)
        if not fault.reached:
            break
        state = contents(folder)
        assert state in (old, new), f"statement {at}"
        assert state is not None
        assert {row[0] for row in state["articles"]} >= set(acknowledged), f"statement {at}"
        seen.add(state == new)
        if (
            at % 4 == 0 or state == new
        ):  # opening takes the most time, and most failures end in the same state
            assert_sound(folder)
        if state == old:
            operation(folder, [])
            assert contents(folder) == new
    else:
        pytest.fail("the operation never ends")
    assert False in seen
    if mode == "after":  # the commit was done, though it was said to have failed
        assert True in seen


@pytest.mark.parametrize("mode", ["before", "after", "from then on"])
def test_a_failing_statement_while_an_index_is_made(
    mode: str, ram_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = ram_path / "done"
    write(done, [MATCH_FILE])
    empty = ram_path / "empty"
    with IndexWriter.open(empty, ENCODER):
        pass
    for at in range(1, 1000):
        folder = fresh_copy(ram_path / "nothing", ram_path)
        acknowledged: list[str] = []
        with failing_sql(monkeypatch, at, mode) as fault, suppress(StoreError):
            write(folder, [MATCH_FILE], acknowledged=acknowledged)
        if not fault.reached:
            break
        state = contents(folder)
        assert state in (None, contents(empty), contents(done)), f"statement {at}"
        assert not acknowledged or state == contents(done)
        write(folder, [MATCH_FILE])
        assert contents(folder) == contents(done)
    else:
        pytest.fail("the operation never ends")
    assert_sound(folder)


def test_what_was_acknowledged_before_a_failure_stays(
    before: Path, ram_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qa.writer, "BATCH_CHUNKS", 1)
    many = [(f"/berita/{n}.txt", make_article(f"Berita nomor {n} hari ini.", f"{n}.txt")) for n in range(6)]
    sizes = set()
    for at in range(1, 1000, 3):
        folder = fresh_copy(before, ram_path)
        acknowledged: list[str] = []
        with failing_sql(monkeypatch, at, "from then on") as fault, suppress(StoreError):
            write(folder, many, acknowledged=acknowledged)
        if not fault.reached:
            break
        state = contents(folder)
        assert state is not None
        stored = {row[0] for row in state["articles"]}
        expected = [article.id for _, article in [HARBOUR_FILE, RICE_FILE, *many]]
        # One commit may have happened whose acknowledgement was cut off; articles enter in order, whole.
        assert stored in (set(expected[: 2 + len(acknowledged)]), set(expected[: 3 + len(acknowledged)]))
        sizes.add(len(acknowledged))
    assert sizes >= {0, 1, 2, 3, 4, 5}
    assert_sound(folder)


class TornFile:
    """A file that takes half of the first block written to it."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def write(self, data: bytes) -> int:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        raise OSError(errno.ENOSPC, "No space left on device")

    def __enter__(self) -> TornFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@contextmanager
def failing_files(monkeypatch: pytest.MonkeyPatch, folder: Path, at: int, mode: str) -> Iterator[Fault]:
    """Opening, writing, syncing, renaming, making and listing under ``folder`` are the steps that fail."""
    fault = Fault(at, "before" if mode == "torn" else mode, lambda: OSError(errno.ENOSPC, "No space left"))

    def step(original: Any) -> Any:
        def wrapped(*args: Any, **named: Any) -> Any:
            place = args[0]
            ours = isinstance(place, int) or str(place).startswith(str(folder / SNAPSHOTS))
            if not ours:
                return original(*args, **named)
            if mode == "torn" and "wb" in args:
                fault.count += 1
                file = original(*args, **named)
                return TornFile(file) if fault.count == at else file
            return fault.around(lambda: original(*args, **named))

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", step(os.fsync))
        patch.setattr(os, "rename", step(os.rename))
        patch.setattr(os, "open", step(os.open))
        patch.setattr(builtins, "open", step(builtins.open))
        for name in ("open", "mkdir", "iterdir", "read_bytes"):
            patch.setattr(pathlib.Path, name, step(getattr(pathlib.Path, name)))
        yield fault


@pytest.mark.parametrize("mode", ["before", "after", "from then on", "torn"])
def test_a_failing_step_of_publishing_changes_nothing(
    mode: str, before: Path, ram_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = ram_path / "changed"
    shutil.copytree(before, changed)
    write(changed, [MATCH_FILE, NEW_RICE])
    expected = contents(changed)
    for at in range(1, 1000):
        folder = fresh_copy(changed, ram_path)
        with failing_files(monkeypatch, folder, at, mode) as fault, suppress(OSError, StoreError):
            publish(folder)
        if not fault.reached:
            break
        assert contents(folder) == expected
        with messages() as said:
            assert_sound(folder)
        assert said == [], f"step {at}: the old or the new snapshot serves"
        publish(folder)
        assert len(list((folder / SNAPSHOTS).iterdir())) == 1, f"step {at}: leftovers"
    else:
        pytest.fail("publishing never ends")
    assert at > (2 if mode == "torn" else 10)


@pytest.mark.parametrize("mode", ["before", "after", "from then on"])
def test_a_failing_statement_of_publishing_changes_nothing(
    mode: str, before: Path, ram_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = ram_path / "changed"
    shutil.copytree(before, changed)
    write(changed, [MATCH_FILE, NEW_RICE])
    list(remove_articles(changed, [HARBOUR_FILE[1].id]))
    expected = contents(changed)
    for at in range(1, 1000):
        folder = fresh_copy(changed, ram_path)
        with failing_sql(monkeypatch, at, mode) as fault, suppress(StoreError):
            publish(folder)
        if not fault.reached:
            break
        assert contents(folder) == expected
        assert_sound(folder)
    else:
        pytest.fail("publishing never ends")
    assert at > 10


def test_a_failure_of_the_lexical_engine_while_publishing(
    before: Path, ram_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fresh_copy(before, ram_path)
    snapshots = list((folder / SNAPSHOTS).iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(LexicalIndex, "updated", _no_space)
        with pytest.raises(OSError, match="No space"):
            publish(folder)
    assert list((folder / SNAPSHOTS).iterdir()) == snapshots
    assert_sound(folder)


def test_an_index_opens_where_no_snapshot_can_be_written(
    before: Path, ram_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fresh_copy(before, ram_path)
    shutil.rmtree(folder / SNAPSHOTS)
    with monkeypatch.context() as patch, messages() as said:
        patch.setattr(qa.index, "publish", _no_space)
        with NewsIndex.open(folder) as index:
            assert [key for key, _ in index.search_lexical("harga beras", 5)] == [2]
            assert_agrees(index)
            write(folder, [MATCH_FILE, NEW_RICE])
            assert index.refresh()
            assert_agrees(index)
    assert any("No space left on device" in line for line in said)


def _no_space(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
