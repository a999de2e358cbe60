"""Indexes small articles one after another and says each that was committed; made to be killed (test_locking).

    python killed_writer.py INDEX FIRST COUNT

Runs are short, so that snapshots are published all the time too.
"""

from __future__ import annotations

import sys
from pathlib import Path

from conftest import WordEncoder, make_article

import qa.writer
from qa.types import Article

PER_RUN = 7


def located(number: int) -> tuple[str, Article]:
    """The article of this number, and where it lies."""
    text = f"Berita nomor{number} tentang panen padi. Warga desa nomor{number} menunggu hujan pekan depan."
    return f"/berita/{number}.txt", make_article(text, f"{number}.txt")


def main(folder: Path, first: int, count: int) -> None:
    """Add ``count`` articles from number ``first`` on."""
    qa.writer.BATCH_CHUNKS = 2
    qa.writer.TAIL_LIMIT = 3
    for start in range(first, first + count, PER_RUN):
        with qa.writer.IndexWriter.open(folder, WordEncoder()) as writer:
            articles = [located(number) for number in range(start, min(start + PER_RUN, first + count))]
            for article, change in writer.add(articles):
                print(article.path.removesuffix(".txt"), change, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
