"""English for Indonesian words: the table as it is read, and the one that comes with Tanya."""

from __future__ import annotations

from pathlib import Path

import pytest

from embeddings import glosses as glosses_module
from embeddings.errors import DataError
from embeddings.glosses import read_glosses


def test_glosses_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "glosses.tsv").write_text("harga\tprice; value\nberas\trice\n", "utf-8")
    monkeypatch.setattr(glosses_module, "GLOSSES", tmp_path / "glosses.tsv")
    assert list(read_glosses().items()) == [("harga", ("price", "value")), ("beras", ("rice",))]


@pytest.mark.parametrize("line", ["harga", "harga\tprice\tmore", "harga\t", "\tprice", ""])
def test_a_malformed_line_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    (tmp_path / "glosses.tsv").write_text(f"beras\trice\n{line}\n", "utf-8")
    monkeypatch.setattr(glosses_module, "GLOSSES", tmp_path / "glosses.tsv")
    with pytest.raises(DataError, match=r"glosses\.tsv, line 2: 2 fields"):
        read_glosses()


def test_the_glosses_that_come_with_tanya_are_whole() -> None:
    glosses = read_glosses()
    assert len(glosses) > 8_700
    assert glosses["gempa"][0] == "earthquake"
    for word, meanings in glosses.items():
        assert word == word.lower().strip()
        assert len(set(meanings)) == len(meanings)
        assert all(meaning == meaning.strip() for meaning in meanings)
