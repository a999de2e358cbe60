"""Folders, files and zip archives to articles, one at a time.

A path given by the user is read in a fixed order (names sorted by their bytes). Whatever cannot be used is a
``Skip`` that says where and why; only a path that does not exist is an error. Hidden files and ``__MACOSX`` are
passed over in silence.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from qa.corpus.cleaning import Cleaned, clean
from qa.corpus.deletion import raw_offsets
from qa.corpus.documents import SUFFIXES, Document, read_documents, too_large
from qa.errors import InputError
from qa.types import Article, Skip

MAX_BYTES = 20_000_000
MAX_MEMBERS = 100_000
#: An archive may unpack to this many times the limit of one file; a zip bomb stops there.
ARCHIVE_FACTOR = 100

_READS = "Tanya reads .txt, .md, .html, .jsonl, .csv and .zip"
_CONVERT = "save its text as .txt or .html first"
_UNSUPPORTED = {
    **dict.fromkeys((".pdf",), f"PDF is not supported: {_CONVERT}"),
    **dict.fromkeys(
        (".doc", ".docx", ".odt", ".rtf"), f"a word processor's document is not supported: {_CONVERT}"
    ),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "a spreadsheet is not supported: save it as .csv first"),
    **dict.fromkeys((".ppt", ".pptx", ".epub"), f"this kind of document is not supported: {_CONVERT}"),
    **dict.fromkeys(
        (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg", ".heic"),
        "an image is not supported: its text would have to be typed or recognised first",
    ),
    **dict.fromkeys(
        (".mp3", ".mp4", ".wav", ".mov", ".avi", ".mkv", ".m4a"), "sound and video are not supported"
    ),
    **dict.fromkeys(
        (".gz", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar"), "this archive is not supported: unpack it"
    ),
    ".json": "JSON is not supported: write one object a line as .jsonl",
    ".parquet": "Parquet is not supported: save it as .jsonl or .csv first",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file found while walking: where it is on disk, and what its articles' paths begin with."""

    location: str
    path: str
    follow: bool


def read_articles(paths: Sequence[Path], *, max_bytes: int = MAX_BYTES) -> Iterator[Article | Skip]:
    """Read every article under ``paths``, in the order given, and say what was skipped.

    ``Article.path`` is relative to its PATH (to the parent, if PATH is a file). A file that two PATHs reach is
    read once. When two files would have the same path, the later one gets the name of its PATH in front
    ("arsip/x.txt"), and "~2", "~3" at its end if that is taken, too. Bytes of a file name that are not UTF-8
    are written as ``\\xff``. ``max_bytes`` bounds a file, a member of an archive, or a row of JSONL or CSV.

    Raises:
        InputError: a path does not exist; raised at once, before anything is read.
    """
    _check(paths)
    return (_article(item) if isinstance(item, Document) else item for item in _documents(paths, max_bytes))


def explain(path: Path, *, max_bytes: int = MAX_BYTES) -> Iterator[str]:
    """Show, line by line for a terminal, what cleaning made of a file and why.

    Lines begin with "  " (what is known), "- " (removed, with its reason) or "+ " (kept, one a paragraph).

    Raises:
        InputError: the path does not exist.
    """
    _check([path])
    return _explanations(path, max_bytes)


def _explanations(path: Path, max_bytes: int) -> Iterator[str]:
    for item in _documents([path], max_bytes):
        if isinstance(item, Skip):
            yield f"{_printable(item.path)}: skipped, {_printable(item.reason)}"
            continue
        cleaned = _clean(item)
        article = _article(item, cleaned)
        yield _printable(item.path)
        if isinstance(article, Skip):
            yield f"  skipped, {article.reason}"
        else:
            yield from _known(article)
        # Removed and kept pieces are shown in reading order, so that the page can be followed.
        shown = [(removal.start, f"- [{removal.reason}] {removal.text}") for removal in cleaned.removals]
        shown = [(start, line) for start, line in shown if not line.startswith("- [whitespace]")]
        paragraphs = list(re.finditer(r"\S[^\n\r]*", cleaned.text))
        places = raw_offsets(cleaned.kept, [paragraph.start() for paragraph in paragraphs])
        shown += [
            (place, f"+ {paragraph.group()}") for place, paragraph in zip(places, paragraphs, strict=True)
        ]
        yield from (
            _printable(" ".join(line.split())) for _, line in sorted(shown, key=lambda piece: piece[0])
        )


def _known(article: Article) -> Iterator[str]:
    day = article.published_at.isoformat() if article.published_at else None
    how = " (year inferred)" if article.date_inferred else ""
    facts = {
        "title": article.title,
        "outlet": article.source,
        "place": article.place,
        "date": day + how if day else None,
        "url": article.url,
    }
    for name, value in facts.items():
        yield f"  {name}: {_printable(value) if value else '-'}"


def _printable(text: str) -> str:
    """Escape what a terminal would obey: an archive's text may hold escape sequences."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _check(paths: Sequence[Path]) -> None:
    for path in paths:
        if not os.path.lexists(path):
            raise InputError(f"no such file or folder: {_printable(_storable(str(path)))}")


def _clean(document: Document) -> Cleaned:
    return clean(document.text, headline=document.title, markdown=document.markdown)


def _article(document: Document, cleaned: Cleaned | None = None) -> Article | Skip:
    try:
        digest = hashlib.sha256(document.identity.encode()).hexdigest()
        "\n".join(filter(None, (document.text, document.title, document.source, document.url))).encode()
    except UnicodeEncodeError:
        return Skip(document.path, "broken characters (lone surrogates) that cannot be stored")
    cleaned = cleaned or _clean(document)
    if not any(character.isalnum() for character in cleaned.text):
        return Skip(document.path, "nothing is left after cleaning")
    return Article(
        id=digest[:16],
        title=document.title or cleaned.title,
        text=cleaned.text,
        source=document.source or cleaned.source,
        place=cleaned.place,
        published_at=document.published_at or cleaned.published_at,
        date_inferred=cleaned.date_inferred and document.published_at is None,
        url=document.url or cleaned.url,
        path=document.path,
        external_id=document.external_id,
    )


def _documents(paths: Sequence[Path], max_bytes: int) -> Iterator[Document | Skip]:
    taken: set[str] = set()
    visited: set[str] = set()
    for root in paths:
        for found in _walk(root):
            if isinstance(found, Skip):
                yield found
                continue
            real = os.path.realpath(found.location)
            if real in visited:
                continue
            visited.add(real)
            path = _free_path(found.path, _storable(Path(os.path.abspath(root)).name), taken)
            yield from _read_file(found, path, max_bytes)


def _free_path(path: str, root_name: str, taken: set[str]) -> str:
    candidate = path if path not in taken else f"{root_name}/{path}"
    number = 2
    while candidate in taken:
        candidate = f"{root_name}/{path}~{number}"
        number += 1
    taken.add(candidate)
    return candidate


def _storable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace(os.sep, "/")


def _walk(root: Path) -> Iterator[_File | Skip]:
    """List the files under a path given by the user; links in it may not lead anywhere else."""
    if not root.is_dir():
        yield _File(str(root), _storable(root.name), follow=True)
        return
    top = os.path.realpath(root)
    folders = [top]
    while folders:
        folder = folders.pop()
        relative = "" if folder == top else os.path.relpath(folder, top) + os.sep
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            yield Skip(_storable(relative) or ".", f"this folder cannot be read: {_cause(error)}")
            continue
        inner: list[str] = []
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            path = _storable(relative + entry.name)
            if entry.is_symlink():
                yield Skip(path, _about_link(entry.path, top))
            elif entry.is_dir(follow_symlinks=False):
                inner.append(entry.path)
            else:
                yield _File(entry.path, path, follow=False)
        folders.extend(reversed(inner))


def _about_link(link: str, top: str) -> str:
    """Say why a link inside a folder is not followed; what it leads to inside is read at its own place."""
    try:
        target = os.path.realpath(link, strict=True)
    except OSError as error:
        return "a link that leads in a circle" if error.errno == errno.ELOOP else "a link that leads nowhere"
    if os.path.commonpath([target, top]) != top:
        return "a link that leads out of the given folder"
    return f"a link to {_storable(os.path.relpath(target, top))}, which is read at its own place"


def _cause(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, FileNotFoundError):
        return "it vanished while reading"
    return error.strerror or type(error).__name__


def _read_file(file: _File, path: str, max_bytes: int) -> Iterator[Document | Skip]:
    suffix = _suffix(file.path)
    reason = None if suffix == ".zip" else _unsupported(suffix)
    if reason:
        yield Skip(path, reason)
        return
    try:
        with _open(file) as stream:
            if suffix == ".zip":
                yield from _read_archive(stream, path, max_bytes)
            else:
                yield from read_documents(stream, path, suffix, max_bytes)
    except OSError as error:
        yield Skip(path, f"cannot be read: {_cause(error)}")


def _unsupported(suffix: str) -> str | None:
    if suffix in SUFFIXES:
        return None
    if suffix in _UNSUPPORTED:
        return _UNSUPPORTED[suffix]
    return (
        f"files of type {suffix} are not supported: {_READS}"
        if suffix
        else f"no file type in its name: {_READS}"
    )


def _open(file: _File) -> IO[bytes]:
    """Open a regular file; never wait for a pipe, never follow a link put there after the folder was listed."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not file.follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(file.location, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return os.fdopen(descriptor, "rb")


def _read_archive(stream: IO[bytes], path: str, max_bytes: int) -> Iterator[Document | Skip]:
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        yield Skip(path, f"a damaged zip archive: {error}")
        return
    with archive:
        yield from _read_members(archive, path, max_bytes)


def _read_members(archive: zipfile.ZipFile, path: str, max_bytes: int) -> Iterator[Document | Skip]:
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) > MAX_MEMBERS:
        yield Skip(path, f"too many files in this archive: {len(members):,}, the limit is {MAX_MEMBERS:,}")
        return
    budget = ARCHIVE_FACTOR * max_bytes
    declared = sum(info.file_size for info in members if _suffix(info.filename) in SUFFIXES)
    if declared > budget:
        yield Skip(path, f"too large when unpacked: {declared:,} bytes, the limit is {budget:,}")
        return
    taken: set[str] = set()
    for info in sorted(members, key=lambda member: member.filename.encode("utf-8", "surrogatepass")):
        name = info.filename.replace("\\", "/")
        parts = name.split("/")
        if any(part.startswith(".") and part not in (".", "..") for part in parts) or "__MACOSX" in parts:
            continue
        place = f"{path}!/{_free_path(name, 'again', taken)}"
        reason = _refuse_member(info, name, max_bytes)
        if reason:
            yield Skip(place, reason)
            continue
        data = _unpack(archive, info, max_bytes)
        if isinstance(data, str):
            yield Skip(place, data)
            continue
        budget -= len(data)
        if budget < 0:
            yield Skip(path, "too large when unpacked: nothing more was read from this archive")
            return
        yield from read_documents(io.BytesIO(data), place, _suffix(name), max_bytes)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _refuse_member(info: zipfile.ZipInfo, name: str, max_bytes: int) -> str | None:
    if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
        return "a path that leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link in an archive"
    if _suffix(name) == ".zip":
        return "an archive inside an archive: unpack it first"
    if _unsupported(_suffix(name)):
        return _unsupported(_suffix(name))
    if info.flag_bits & 0x1:
        return "protected by a password: unpack the archive first"
    return too_large(info.file_size, max_bytes) if info.file_size > max_bytes else None


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes | str:
    """Return a member's bytes, or the reason why there are none; the declared size is not trusted."""
    try:
        with archive.open(info) as member:
            data = member.read(max_bytes + 1)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
        zlib.error,
    ) as error:
        return f"damaged in the archive: {error}"
    return data if len(data) <= max_bytes else f"too large when unpacked: more than {max_bytes:,} bytes"
