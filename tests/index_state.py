"""The complete content of an index folder, and whether its search agrees with it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from conftest import WordEncoder

from qa.index import NewsIndex, verify_index
from qa.store import DATABASE
from qa.types import Article
from qa.writer import IndexWriter, passage_text

ENCODER = WordEncoder()

Contents = dict[str, list[tuple[Any, ...]]]


def contents(folder: Path) -> Contents | None:
    """Everything the store says of articles, read beside the code under test; ``None`` if there is no index."""
    path = folder / DATABASE
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            return None
        statements = {
            "articles": "SELECT id, title, text, source, place, published_at, date_inferred, url FROM articles",
            "files": "SELECT location, path, external_id, article_id FROM files",
            "successors": "SELECT old_id, new_id FROM successors",
            "chunks": "SELECT article_id, ordinal, start, end, vector FROM chunks",
            "model": "SELECT value FROM meta WHERE name IN ('fingerprint', 'model')",
        }
        return {
            name: sorted(connection.execute(statement), key=repr) for name, statement in statements.items()
        }


def assert_sound(folder: Path, encoder: WordEncoder = ENCODER) -> None:
    """The index opens; dense and lexical search find exactly the stored chunks, in the order computed by hand."""
    with NewsIndex.open(folder, encoder.fingerprint) as index:
        assert_agrees(index, encoder)
    assert verify_index(folder) == []


def assert_agrees(index: NewsIndex, encoder: WordEncoder = ENCODER) -> None:
    """Dense search equals a sum over the stored chunks' own words; every chunk is found by its words, no other."""
    rows = list(index.store.chunk_rows())
    keys = [row.key for row in rows]
    assert index.generation == index.store.generation()
    assert len(index.view.lexical) == len(keys)
    if not rows:
        assert index.search_dense(encoder.encode_queries(["beras"])[0], 9) == []
        assert index.search_lexical("beras", 9) == []
        return
    vectors = encoder.encode_passages([passage_text(row.title, row.text) for row in rows])
    query = encoder.encode_queries([rows[-1].text])[0]
    found = dict(index.search_dense(query, len(keys) + 10))
    assert sorted(found) == keys
    np.testing.assert_allclose([found[key] for key in keys], vectors @ query, atol=0.01)
    for row in rows:
        lexical = dict(index.search_lexical(row.text, len(keys) + 10))
        assert row.key in lexical
        assert set(lexical) <= set(keys)


def write(
    folder: Path, located: list[tuple[str, Article]], *, acknowledged: list[str] | None = None, **options: Any
) -> list[str]:
    """Add articles at absolute locations; return their changes. ``acknowledged`` gets the ids as they are yielded."""
    changes = []
    with IndexWriter.open(folder, ENCODER, **options) as writer:
        for article, change in writer.add(located):
            changes.append(change)
            if acknowledged is not None:
                acknowledged.append(article.id)
    return changes


@contextmanager
def messages() -> Iterator[list[str]]:
    """Collect what the logger ``tanya`` says."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("tanya")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
