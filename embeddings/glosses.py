"""English for Indonesian words, as they stand in text: what search, and the training of the encoder, translate by.

``glosses.tsv`` was written for Tanya, fields separated by a tab: word, then its glosses joined by ``; ``, the commonest
meaning first. The commonest words of news and encyclopedia come first; with names that need no gloss they make up 85 %
of the running words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from embeddings.errors import DataError

GLOSSES = Path(__file__).with_name("glosses.tsv")

Glosses = dict[str, tuple[str, ...]]
"""English for an Indonesian word, the commonest meaning first."""


def read_glosses() -> Glosses:
    """Read the English glosses of Indonesian words.

    Raises:
        DataError: the table is malformed.
    """
    return {word: tuple(glosses.split("; ")) for word, glosses in read_table(GLOSSES, 2)}


def read_table(path: Path, fields: int) -> Iterator[list[str]]:
    """Yield the rows of a table with ``fields`` fields a line, none of them empty, separated by tabs.

    Raises:
        DataError: a line has others.
    """
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        row = line.split("\t")
        if len(row) != fields or not all(row):
            raise DataError(
                f"{path}, line {number}: {fields} fields separated by tabs expected, got {line!r}"
            )
        yield row
