"""One file's bytes to the documents in it: whole pages (txt, md, html) or rows (jsonl, csv).

Here is what each format carries; what the text itself says is left to ``cleaning.py``. A file or row that
cannot be used becomes a ``Skip`` with a reason, never an exception.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import IO, Any

from qa.corpus.dates import parse_date
from qa.corpus.decoding import NotTextError, decode, utf16_name
from qa.types import Skip

TEXT_SUFFIXES = frozenset((".txt", ".text"))
MARKDOWN_SUFFIXES = frozenset((".md", ".markdown"))
HTML_SUFFIXES = frozenset((".html", ".htm", ".xhtml"))
SUFFIXES = TEXT_SUFFIXES | MARKDOWN_SUFFIXES | HTML_SUFFIXES | {".jsonl", ".ndjson", ".csv"}

_FIELDS = {
    "title": ("title", "headline", "judul"),
    "text": ("text", "content", "body", "isi", "paragraphs"),
    "date": ("date", "published_at", "tanggal"),
    "source": ("source", "outlet", "media", "sumber"),
    "url": ("url", "link"),
    "external_id": ("id", "_id"),
}
_HEAD = 65536


@dataclass(frozen=True, slots=True)
class Document:
    """A text before cleaning, with what its format says about it.

    ``identity`` is what the article's id is hashed from: the decoded file, or the row as it stands.
    """

    path: str
    identity: str
    text: str
    markdown: bool = False
    title: str | None = None
    source: str | None = None
    published_at: date | None = None
    url: str | None = None
    external_id: str | None = None


def read_documents(stream: IO[bytes], path: str, suffix: str, max_bytes: int) -> Iterator[Document | Skip]:
    """Read a seekable stream as the format that ``suffix`` names.

    ``max_bytes`` bounds a whole text, Markdown or HTML file, and a single row of JSONL or CSV.
    """
    try:
        if suffix in (".jsonl", ".ndjson"):
            yield from _usable_rows(_jsonl_rows(_lines(stream, max_bytes), path), path)
        elif suffix == ".csv":
            yield from _usable_rows(_csv_rows(_lines(stream, max_bytes), path, max_bytes), path)
        else:
            yield _page(_read_all(stream, max_bytes), path, suffix)
    except NotTextError as error:
        yield Skip(path, str(error))


def too_large(size: int, max_bytes: int) -> str:
    """Word the reason for skipping what is over the limit; sizes in bytes."""
    return f"too large: {size:,} bytes, the limit is {max_bytes:,}"


def _read_all(stream: IO[bytes], max_bytes: int) -> str:
    data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        size = stream.seek(0, io.SEEK_END)
        raise NotTextError(too_large(size, max_bytes))
    text = decode(data)
    if not text.strip():
        raise NotTextError("empty")
    return text


def _page(text: str, path: str, suffix: str) -> Document | Skip:
    if suffix in HTML_SUFFIXES:
        return _html(text, path)
    return Document(path, text, text, markdown=suffix in MARKDOWN_SUFFIXES)


def _html(text: str, path: str) -> Document | Skip:
    """Leave the page's structure to trafilatura; its metadata come from the page's own tags."""
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it could not read is said below
    try:
        found: Any = trafilatura.bare_extraction(
            text,
            with_metadata=True,
            include_comments=False,
            date_extraction_params={"extensive_search": False, "original_date": True},
        )
    except Exception as error:  # hostile markup raises whatever the parser below happens to raise
        return Skip(path, f"this HTML cannot be read ({type(error).__name__})")
    body = getattr(found, "text", None)
    if not found or not body or not body.strip():
        return Skip(path, "no article text found in this HTML")
    return Document(
        path=path,
        identity=text,
        text=body,
        title=_words(found.title),
        source=_words(found.sitename),
        published_at=parse_date(found.date),
        url=_words(found.url),
    )


def _lines(stream: IO[bytes], max_bytes: int) -> Iterator[str | None]:
    """Yield decoded lines with their endings; ``None`` stands for one that is too long or no text."""
    head = stream.read(_HEAD)
    stream.seek(0)
    if utf16_name(head):
        yield from io.StringIO(_read_all(stream, max_bytes), newline="")
        return
    decode(head[: head.rfind(b"\n") + 1] or head)  # a binary file is one reason, not one for every line
    while line := stream.readline(max_bytes + 1):
        if len(line) > max_bytes:
            while line and not line.endswith(b"\n"):
                line = stream.readline(_HEAD)
            yield None
            continue
        try:
            yield decode(line)
        except NotTextError:
            yield None


def _jsonl_rows(lines: Iterable[str | None], path: str) -> Iterator[Document | Skip]:
    for number, line in enumerate(lines, start=1):
        place = f"{path}#{number}"
        if line is None:
            yield Skip(place, "this row is too long or no text")
            continue
        raw = line.rstrip("\r\n")
        if not raw.strip():
            continue
        try:
            row = json.loads(raw)
        except (ValueError, RecursionError) as error:
            yield Skip(place, f"broken JSON: {error}")
            continue
        if not isinstance(row, dict):
            yield Skip(place, "this row is no JSON object")
            continue
        yield _row(row, place, raw)


def _csv_rows(lines: Iterable[str | None], path: str, max_bytes: int) -> Iterator[Document | Skip]:
    """Read rows under a header line; a row that is no text counts as broken and ends the file."""
    readable = _until_broken(lines)
    first = next(readable, "")
    if not first.strip():
        yield Skip(path, "empty")
        return
    # The module's own limit is 131,072 characters a field, less than a long article.
    csv.field_size_limit(max(csv.field_size_limit(), max_bytes))
    delimiter = max(",;\t|", key=first.count)
    rows = csv.reader(_chain(first, readable), delimiter=delimiter, strict=False)
    header = [name.strip().casefold() for name in next(rows)]
    if not set(header) & set(_FIELDS["text"]):
        yield Skip(path, f"no text column: the first line names {', '.join(header)[:200]}")
        return
    number = 0
    try:
        for fields in rows:
            if not fields:
                continue
            number += 1
            identity = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
            yield _row(dict(zip(header, fields, strict=False)), f"{path}#{number}", identity)
    except (csv.Error, NotTextError) as error:
        yield Skip(f"{path}#{number + 1}", f"broken CSV, nothing read from here on: {error}")


def _until_broken(lines: Iterable[str | None]) -> Iterator[str]:
    for line in lines:
        if line is None:
            raise NotTextError("a row is too long or no text")
        yield line


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _row(row: Mapping[str, object], place: str, identity: str) -> Document | Skip:
    named = {name.casefold(): value for name, value in row.items() if isinstance(name, str)}
    text = _row_text(named)
    if text is None:
        return Skip(place, _NO_TEXT)
    if "\x00" in text:
        return Skip(place, "binary: it holds NUL characters")
    return Document(
        path=place,
        identity=identity,
        text=text,
        title=_words(_field(named, "title")),
        source=_words(_field(named, "source")),
        published_at=parse_date(_field(named, "date")),
        url=_words(_field(named, "url")),
        external_id=_words(_field(named, "external_id")),
    )


_NO_TEXT = "no text field (text, content, body, isi or paragraphs)"


def _field(row: Mapping[str, object], name: str) -> object:
    return next((row[key] for key in _FIELDS[name] if row.get(key) not in (None, "")), None)


def _row_text(row: Mapping[str, object]) -> str | None:
    value = _field(row, "text")
    if isinstance(value, list):
        return "\n".join(value) if value and all(isinstance(part, str) for part in value) else None
    return value if isinstance(value, str) else None


def _words(value: object) -> str | None:
    """One line of a metadata field; numbers are written out, lists and objects are no such thing."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    return " ".join(str(value).split()) or None


def _usable_rows(rows: Iterable[Document | Skip], path: str) -> Iterator[Document | Skip]:
    """Pass rows on; a file in which no row at all can be used is one reason instead of one for each row."""
    waiting: list[Skip] = []
    answered = False
    for row in rows:
        if not answered and isinstance(row, Skip) and row.path != path:
            waiting.append(row)
            continue
        if not answered:
            answered = True
            yield from waiting
        yield row
    if answered:
        return
    if all(row.reason == _NO_TEXT for row in waiting):
        reason = f"{_NO_TEXT} in any of its {len(waiting):,} rows" if waiting else "empty"
    else:
        reason = f"no usable row among {len(waiting):,}; the first: {waiting[0].reason}"
    yield Skip(path, reason)
