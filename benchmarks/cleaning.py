"""What cleaning takes away: ``python -m benchmarks.cleaning FILE.jsonl.gz``.

FILE holds articles as rows with ``paragraphs``, tokenised or not (IndoSum, for one). Every paragraph of which nothing
left is printed with the reason, to be looked at; the counts come last.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from qa.corpus.cleaning import Cleaned, clean

_SPACING = (
    (re.compile(r"\s*-\s+-\s*"), " -- "),
    (re.compile(r"([(\[])\s+"), r"\1"),
    (re.compile(r"\s+([)\].,;:!?%])"), r"\1"),
    (re.compile(r"(\d) ?/ ?(\d)"), r"\1/\2"),
    (re.compile(r"\s+/\s+"), "/"),
    (re.compile(r" +"), " "),
)


def detokenise(text: str) -> str:
    """Put punctuation back where people write it; text that is not tokenised stays nearly as it is."""
    for pattern, replacement in _SPACING:
        text = pattern.sub(replacement, text)
    # Quotation marks open and close by turns: the blank inside goes.
    parts = text.split('"')
    for number in range(1, len(parts), 2):
        parts[number] = parts[number].strip()
    return '"'.join(parts).strip()


def lost(paragraphs: list[str], raw: str, cleaned: Cleaned) -> Iterator[tuple[str, str]]:
    """Yield reason and text of each paragraph of which no character is left but blanks."""
    start = 0
    for paragraph in paragraphs:
        end = start + len(paragraph)
        kept = "".join(raw[max(span.start, start) : min(span.end, end)] for span in cleaned.kept)
        if paragraph.strip() and not kept.strip():
            reasons = [
                removal.reason
                for removal in cleaned.removals
                if removal.start < end and removal.end > start and removal.reason != "whitespace"
            ]
            yield reasons[0], paragraph
        start = end + 1


def main() -> None:
    """Clean every article of the file and print what was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    with gzip.open(options.file, "rt", encoding="utf-8") as lines:
        articles = [[detokenise(text) for text in json.loads(line)["paragraphs"]] for line in lines]
    started = time.perf_counter()
    cleaned = [clean("\n".join(paragraphs)) for paragraphs in articles]
    seconds = time.perf_counter() - started
    counts: Counter[str] = Counter()
    for paragraphs, result in zip(articles, cleaned, strict=True):
        for reason, paragraph in lost(paragraphs, "\n".join(paragraphs), result):
            counts[reason] += 1
            print(f"{reason}\t{paragraph[:200]}")
    total = sum(map(len, articles))
    print(
        f"{sum(counts.values())} of {total} paragraphs are gone, {total / seconds:,.0f} paragraphs a second"
    )
    for reason, count in counts.most_common():
        print(f"  {count:5} {reason}")


if __name__ == "__main__":
    main()
