"""Derived indexes on disk: a snapshot of the store at one generation.

A snapshot is written to a new folder, fsynced, described by a manifest with checksums (written last) and
published by one rename. It can always be made again from the store, so anything doubtful about it is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from embeddings.errors import EmbeddingError
from embeddings.vector_index import VectorIndex
from qa.errors import StoreError
from qa.lexical import LexicalIndex
from qa.store import ChunkRow, Store

SNAPSHOTS = "snapshots"
_MANIFEST = "manifest.json"
_VECTORS = "vectors.faiss"
_LEXICAL = "lexical"
_BATCH = 8192


class SnapshotError(StoreError):
    """A snapshot is missing a file or does not match its checksums."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot holds: the chunks with ``key <= max_key`` at ``generation``.

    ``store`` is the identity of the store; ``files`` maps names to SHA-256.
    """

    store: str
    generation: int
    max_key: int
    count: int
    dimension: int
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot verified and read: exact vector search in memory, BM25 in the private folder it was copied to."""

    manifest: Manifest
    vectors: VectorIndex
    lexical: LexicalIndex


def write_snapshot(store: Store, folder: Path) -> Manifest:
    """Write the store's chunks as a snapshot into the new folder ``folder``; the manifest comes last."""
    (folder / _LEXICAL).mkdir(parents=True)
    with store.reading():
        generation, max_key = store.generation(), store.max_key()
        dimension = int(store.fingerprint()["dimension"])
        vectors = VectorIndex.empty(dimension)
        lexical = LexicalIndex.create(folder / _LEXICAL)
        lexical.update(_adding_vectors(store, vectors))
    vectors.save(folder / _VECTORS)
    files = {name: _fsynced_checksum(folder / name) for name in _file_names(folder)}
    manifest = Manifest(store.meta("identity"), generation, max_key, len(vectors), dimension, files)
    _write_synced(folder / _MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
    _sync_folder(folder / _LEXICAL)
    _sync_folder(folder)
    return manifest


def publish(index_folder: Path) -> Path:
    """Write a snapshot of the store and make it the newest by one rename; older ones are deleted afterwards.

    The caller holds the writer lock. Returns the published folder.
    """
    store = Store.open(index_folder, writable=True)
    try:
        published = _publish(store, index_folder)
        store.purge_removed_keys(up_to=read_manifest(published).max_key)
        return published
    finally:
        store.close()


def _publish(store: Store, index_folder: Path) -> Path:
    root = index_folder / SNAPSHOTS
    root.mkdir(exist_ok=True)
    for leftover in root.glob(".building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    building = root / f".building-{uuid.uuid4().hex}"
    try:
        manifest = write_snapshot(store, building)
        published = root / f"{manifest.generation:012d}-{uuid.uuid4().hex[:8]}"
        os.rename(building, published)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    _sync_folder(root)
    for older in published_snapshots(index_folder):
        if older != published:
            shutil.rmtree(older, ignore_errors=True)
    return published


def published_snapshots(index_folder: Path) -> list[Path]:
    """Return the folders of published snapshots, newest generation first."""
    root = index_folder / SNAPSHOTS
    if not root.is_dir():
        return []
    return sorted((path for path in root.iterdir() if path.name[:1].isdigit()), reverse=True)


def newest_manifest(store: Store, index_folder: Path) -> Manifest | None:
    """Return the manifest of the newest readable snapshot made from this store, without checking its files."""
    identity = store.meta("identity")
    for path in published_snapshots(index_folder):
        try:
            manifest = read_manifest(path)
        except SnapshotError:
            continue
        if manifest.store == identity:
            return manifest
    return None


def read_snapshot(folder: Path, private: Path) -> Snapshot:
    """Verify the snapshot in ``folder`` and read it; its lexical part is copied to the new folder ``private``.

    tantivy takes locks and may write in the folder it opens, so the published one stays untouched.

    Raises:
        SnapshotError: a file is missing or differs from its checksum.
    """
    manifest = read_manifest(folder)
    private.mkdir(parents=True)
    try:
        for name, checksum in manifest.files.items():
            if name != _VECTORS:
                data = (folder / name).read_bytes()
                _check(data, checksum, folder / name)
                (private / Path(name).name).write_bytes(data)
        vectors = VectorIndex.load(folder / _VECTORS, sha256=manifest.files[_VECTORS])
        lexical = LexicalIndex.open(private)
    except (OSError, ValueError, RuntimeError, EmbeddingError) as error:
        raise SnapshotError(f"{folder} cannot be read ({error})") from error
    if not len(vectors) == len(lexical) == manifest.count:
        raise SnapshotError(
            f"{folder} holds {len(vectors)} vectors and {len(lexical)} texts, not {manifest.count}"
        )
    return Snapshot(manifest, vectors, lexical)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of the snapshot in ``folder``; raises ``SnapshotError`` if it is missing or malformed."""
    try:
        manifest = Manifest(**json.loads((folder / _MANIFEST).read_bytes()))
        names = [Path(name) for name in manifest.files]
        numbers = (manifest.generation, manifest.max_key, manifest.count, manifest.dimension)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SnapshotError(f"{folder / _MANIFEST} cannot be read ({error})") from error
    if any(name.is_absolute() or ".." in name.parts for name in names) or _VECTORS not in manifest.files:
        raise SnapshotError(f"{folder / _MANIFEST} names files that cannot be there")
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise SnapshotError(f"{folder / _MANIFEST} holds impossible numbers")
    return manifest


def _adding_vectors(store: Store, vectors: VectorIndex) -> Iterator[ChunkRow]:
    """Pass the store's chunks on, adding their vectors to ``vectors`` batch by batch on the way."""
    rows = store.chunk_rows()
    while batch := list(islice(rows, _BATCH)):
        vectors.add(
            np.array([row.key for row in batch], dtype=np.int64), np.stack([row.vector for row in batch])
        )
        yield from batch


def _file_names(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _check(data: bytes, checksum: str, path: Path) -> None:
    if hashlib.sha256(data).hexdigest() != checksum:
        raise SnapshotError(f"{path} does not match its checksum")


def _fsynced_checksum(path: Path) -> str:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open a folder; its renames are journalled
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
