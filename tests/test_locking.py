"""Two writers, killed writers, and the private folders of readers."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import RICE, make_article
from filelock import FileLock
from index_state import ENCODER, assert_sound, contents, messages, write
from killed_writer import located

import qa.writer
from qa.errors import IndexLockedError
from qa.index import NewsIndex, verify_index
from qa.lexical import LexicalIndex
from qa.locking import PrivateFolder, lock_folder, remove_folder
from qa.snapshot import SNAPSHOTS
from qa.writer import IndexWriter, remove_articles

TESTS = Path(__file__).parent
RICE_FILE = ("/berita/b.txt", make_article(RICE, "b.txt"))


def start(*arguments: object) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.fixture
def other_writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the writer lock of ``tmp_path/index`` until its input is closed."""
    code = (
        "import sys; from pathlib import Path; from conftest import WordEncoder; import qa.writer\n"
        "with qa.writer.IndexWriter.open(Path(sys.argv[1]), WordEncoder()):\n"
        "    print('ready', flush=True); sys.stdin.read()\n"
    )
    write(tmp_path / "index", [RICE_FILE])
    process = start("-c", code, tmp_path / "index")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.communicate()
    assert process.returncode == 0


def test_a_second_writer_is_told_who_the_first_is(
    other_writer: subprocess.Popen[str], tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    for attempt in (
        lambda: IndexWriter.open(folder, ENCODER),
        lambda: list(remove_articles(folder, [RICE_FILE[1].id])),
        lambda: lock_folder(folder),
    ):
        with pytest.raises(IndexLockedError, match=rf"process {other_writer.pid} is writing"):
            attempt()
    with NewsIndex.open(folder, ENCODER.fingerprint) as index:
        assert index.count_articles() == 1
    other_writer.communicate()
    assert write(folder, [RICE_FILE]) == ["unchanged"]


def test_a_lock_taken_in_one_thread_is_let_go_by_another(tmp_path: Path) -> None:
    writer = IndexWriter.open(tmp_path / "index", ENCODER)
    private = PrivateFolder.create()
    threads = [
        threading.Thread(target=writer.__exit__, args=(None, None, None)),
        threading.Thread(target=private.remove),
    ]
    for thread in threads:
        thread.start()
        thread.join()
    IndexWriter.open(tmp_path / "index", ENCODER).__exit__(None, None, None)
    assert not private.path.exists()


def test_a_writer_that_failed_lets_the_next_one_in(tmp_path: Path) -> None:
    class UnreadyError(Exception):
        pass

    def broken() -> Iterator[tuple[str, object]]:
        yield RICE_FILE
        raise UnreadyError

    def run() -> None:
        with IndexWriter.open(tmp_path, ENCODER) as writer:
            list(writer.add(broken()))  # type: ignore[arg-type]

    with pytest.raises(UnreadyError):
        run()
    assert write(tmp_path, [RICE_FILE]) == ["added"]


def test_kill_nine_five_times_loses_nothing_acknowledged(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    chance = random.Random(2)
    acknowledged: list[int] = []
    snapshots = set()
    for round_number in range(5):
        first = acknowledged[-1] + 1 if acknowledged else 0
        process = start(TESTS / "killed_writer.py", folder, first, 10_000)
        assert process.stdout is not None
        enough = chance.randrange(1, 40)
        for _ in range(enough):
            number, change = process.stdout.readline().split()
            # The last one of the round before may have been committed without being said.
            assert change == "added" or (change == "unchanged" and int(number) in range(first, first + 7))
            acknowledged.append(int(number))
        time.sleep(chance.random() * 0.1)
        process.kill()
        rest = process.stdout.read()  # not communicate(), which passes over what readline() has buffered
        process.communicate()
        complete = rest[: rest.rfind("\n") + 1]
        acknowledged += [int(line.split()[0]) for line in complete.splitlines()]
        state = contents(folder)
        assert state is not None
        stored = {row[0] for row in state["articles"]}
        assert {located(number)[1].id for number in acknowledged} <= stored, f"round {round_number}"
        assert len(stored) - len(acknowledged) <= 2  # one batch, committed and not yet said
        assert verify_index(folder) == []
        with NewsIndex.open(folder, ENCODER.fingerprint) as index:
            _, wanted = located(acknowledged[-1])
            ((lexical, _),) = index.search_lexical(f"nomor{acknowledged[-1]}", 1)
            dense = index.search_dense(ENCODER.encode_queries([wanted.text])[0], 1000)
            nearest = [key for key, score in dense if score == dense[0][1]]  # words may share a direction
            assert index.chunks([lexical])[lexical][1] == wanted
            assert lexical in nearest
        snapshots |= {path.name for path in (folder / SNAPSHOTS).glob("0*")}
    assert acknowledged == list(range(len(acknowledged)))
    assert len(snapshots) >= 3  # published in between, so kills could hit publishing too
    assert_sound(folder)
    assert write(folder, [located(len(acknowledged) + 100)]) == ["added"]


def test_an_index_killed_while_it_is_made_is_made_again(tmp_path: Path) -> None:
    code = (
        "import os, signal, sqlite3, sys; from pathlib import Path\n"
        "class Fatal(sqlite3.Connection):\n"
        "    def execute(self, *arguments):\n"
        "        if arguments[0] == 'COMMIT': os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().execute(*arguments)\n"
        "connect = sqlite3.connect\n"
        "sqlite3.connect = lambda *a, **named: connect(*a, factory=Fatal, **named)\n"
        "from conftest import WordEncoder; import qa.writer\n"
        "qa.writer.IndexWriter.open(Path(sys.argv[1]), WordEncoder())\n"
    )
    process = start("-c", code, tmp_path / "index")
    process.communicate()
    assert process.returncode == -9
    assert contents(tmp_path / "index") is None
    assert write(tmp_path / "index", [RICE_FILE]) == ["added"]
    assert_sound(tmp_path / "index")


def test_folders_of_killed_readers_are_swept_and_those_of_living_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / "tanya-private-dead"
    dead.mkdir()
    (dead / "alive.lock").touch()
    unlocked_yet = tmp_path / "tanya-private-new"
    unlocked_yet.mkdir()
    living = PrivateFolder.create()
    second = PrivateFolder.create()
    assert not dead.exists()
    assert {path.name for path in tmp_path.iterdir()} == {
        unlocked_yet.name,
        living.path.name,
        second.path.name,
    }
    living.remove()
    second.remove()
    assert list(tmp_path.iterdir()) == [unlocked_yet]


def test_folders_of_other_users_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``Path.exists`` raises where a folder may not be entered."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    foreign = tmp_path / "tanya-private-foreign"
    foreign.mkdir()
    original = Path.exists

    def exists(path: Path) -> bool:
        if path.parent == foreign:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(Path, "exists", exists)
    private = PrivateFolder.create()
    private.remove()
    assert foreign.is_dir()


@pytest.mark.parametrize("noticed", [True, False])
def test_a_private_folder_swept_while_it_is_made_is_made_again(
    noticed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    original = FileLock.acquire
    swept: list[Path] = []

    def acquire(lock: FileLock, *arguments: object, **named: object) -> object:
        if not swept:
            swept.append(Path(lock.lock_file).parent)
            swept[0].rmdir()
            if noticed:
                raise FileNotFoundError(2, "No such file or directory", lock.lock_file)
        return original(lock, *arguments, **named)  # makes the folder again

    monkeypatch.setattr(FileLock, "acquire", acquire)
    private = PrivateFolder.create()
    assert (private.path != swept[0]) == noticed
    assert private.path.stat().st_mode & 0o777 == 0o700
    private.remove()
    assert list(tmp_path.iterdir()) == []


def test_the_note_of_the_writer_may_be_missing(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)
    (tmp_path / "writer.pid").unlink()
    with messages() as said, pytest.raises(IndexLockedError, match=r"\(unknown\)"):
        lock_folder(tmp_path)
    lock.release()
    assert said == []
    assert qa.writer.BATCH_CHUNKS == 256


def test_a_lexical_index_leaves_nothing_behind_when_its_folder_is_removed(ram_path: Path) -> None:
    for number in range(200):
        folder = ram_path / str(number)
        folder.mkdir()
        LexicalIndex.create(folder)
        remove_folder(folder)
    assert list(ram_path.iterdir()) == []
