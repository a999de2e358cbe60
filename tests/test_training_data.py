"""The training data as it is read: what is kept out of it, whole text from tokens, windows."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from embeddings.errors import DataError
from embeddings.training.data import (
    PARALLEL_NAMES,
    Example,
    detokenise,
    encyclopedia,
    examples,
    held_back,
    news_articles,
    normalised,
    parallel,
    read_rows,
)
from embeddings.training.tasks import Corpus, sentences, window
from tests.training_samples import (
    one_side,
    reading_row,
    sentence_pairs,
    write_rows,
    write_training_data,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_data(tmp_path_factory.mktemp("data"))


def shouted(text: str) -> str:
    """The same text as a reader sees it, in other characters."""
    return f"  {text.upper().replace(' ', '  ')} !"


def test_development_questions_passages_and_sentences_never_train(tmp_path: Path) -> None:
    data = write_training_data(tmp_path)
    dev = read_rows(data, "reading/squad_en_id.dev")
    facqa, idk_mrc = read_rows(data, "reading/facqa.valid"), read_rows(data, "reading/idk_mrc.valid")
    ntrex = read_rows(data, "parallel_dev/ntrex")
    fresh_texts = sentence_pairs(6, seed=99, words=5)
    fresh = [reading_row(90_000 + number, *pair) for number, pair in enumerate(fresh_texts)]
    before = Corpus.read(data, seed=1)

    def add(name: str, rows: list[dict[str, object]]) -> None:
        write_rows(data, name, [*read_rows(data, name), *rows])

    add(
        "reading/squad_en_id.train",
        [
            dev[0] | {key: shouted(value) for key, value in dev[0].items() if isinstance(value, str)},
            # A passage of a development set under a new question, and a question of it over a new passage.
            fresh[0] | {f"context_{side}": dev[1][f"context_{side}"] for side in ("en", "id")},
            fresh[1] | {f"question_{side}": shouted(dev[2][f"question_{side}"]) for side in ("en", "id")},
            fresh[2],
        ],
    )
    add("reading/squad_en.train", [one_side(fresh[3], "en") | {"context": shouted(dev[3]["context_en"])}])
    add("reading/facqa.train", [one_side(fresh[4], "id") | {"question": facqa[0]["question"]}])
    add("reading/idk_mrc.train", [one_side(fresh[5], "id") | {"context": idk_mrc[0]["context"]}])
    add(
        "parallel/squad_mt",
        [
            {"en": shouted(dev[4]["question_en"]), "id": "Kalimat lain"},
            {"en": "Another sentence", "id": dev[5]["context_id"]},
            {"en": ntrex[0]["en"], "id": ntrex[0]["id"]},
            {"en": "Yet another", "id": shouted(ntrex[1]["id"])},
            {"en": " ", "id": "Tanpa pasangan"},
            {"en": "The judge is here", "id": "Hakim ada di sini"},
        ],
    )

    after = Corpus.read(data, seed=1)
    assert after.translated[:-1] == before.translated
    assert [[pair[0].query for pair in group] for group in after.translated[-1:]] == [
        [fresh[2]["question_en"]]
    ]
    assert after.english == before.english
    assert after.indonesian == before.indonesian
    assert after.pairs["squad_mt"] == [
        *before.pairs["squad_mt"],
        ("The judge is here", "Hakim ada di sini"),
    ]


def test_what_is_held_back_is_every_text_of_the_development_sets(data: Path) -> None:
    held = held_back(data)
    for name, row in (
        ("reading/squad_en_id.dev", {"question_en", "question_id", "context_en", "context_id"}),
        ("reading/facqa.valid", {"question", "context"}),
        ("reading/idk_mrc.valid", {"question", "context"}),
        ("parallel_dev/ntrex", {"en", "id"}),
    ):
        assert held >= {normalised(line[field]) for line in read_rows(data, name) for field in row}
    assert all(
        held.isdisjoint(map(normalised, pair)) for pairs in parallel(data, held).values() for pair in pairs
    )
    assert set(parallel(data, held)) == set(PARALLEL_NAMES)


def test_questions_without_an_answer_are_no_examples() -> None:
    row = one_side(reading_row(7, "rice", "beras"), "id")
    found = examples([row | {"question": " Apa beras ? "}, row | {"answers": []}], frozenset())
    assert found == [Example("Apa beras ?", "Soal beras adalah 7 .", 18, "7")]


def test_a_translated_row_is_left_out_if_one_of_its_languages_is_held_back(tmp_path: Path) -> None:
    data = write_training_data(tmp_path)
    before = Corpus.read(data, seed=1).translated
    dev = read_rows(data, "reading/squad_en_id.dev")[0]
    row = reading_row(90_000, "judge court", "hakim sidang") | {"question_en": dev["question_en"]}
    write_rows(data, "reading/squad_en_id.train", [row, *read_rows(data, "reading/squad_en_id.train")])
    assert Corpus.read(data, seed=1).translated == before


def test_a_row_without_a_field_is_named(tmp_path: Path) -> None:
    data = write_training_data(tmp_path)
    write_rows(data, "parallel/tico19", [{"en": "The flood", "id": "Banjir"}, {"en": "The rain"}])
    with pytest.raises(DataError, match=r"tico19\.jsonl\.gz"):
        Corpus.read(data, seed=1)


@pytest.mark.parametrize(
    ("apart", "joined"),
    [
        ('kata " ya " , ujarnya .', 'kata "ya", ujarnya.'),
        ("`` Harga naik '' , kata menteri .", '"Harga naik", kata menteri.'),
        ('" Satu " dan " dua " .', '"Satu" dan "dua".'),
        ("Rabu ( 14 / 9 ) , naik 2 % :  sekian", "Rabu (14/9), naik 2%: sekian"),
        ("dua - tiga", "dua-tiga"),
        ("tanpa apa pun", "tanpa apa pun"),
        ("Apa ? Tidak !", "Apa? Tidak!"),
        ("", ""),
    ],
)
def test_detokenise_joins_what_a_tokeniser_set_apart(apart: str, joined: str) -> None:
    assert detokenise(apart) == joined


def test_news_has_headlines_and_whole_text_and_the_encyclopedia_real_titles(tmp_path: Path) -> None:
    write_rows(
        tmp_path,
        "news/indosum",
        [
            {"id": "1501-harga-beras-naik", "paragraphs": ["Harga naik ."], "summary": ["Naik .", "Turun ."]},
            {"id": "banjir", "paragraphs": [], "summary": "Air ( kini ) surut ."},
        ],
    )
    write_rows(
        tmp_path,
        "wiki/id_wikipedia_leads",
        [{"title": 1998, "paragraphs": ["Tahun."]}, {"title": "Beras", "paragraphs": ["Padi.", None]}],
    )
    assert list(news_articles(tmp_path)) == [
        ("harga beras naik", ["Harga naik."], "Naik. Turun."),
        ("banjir", [], "Air (kini) surut."),
    ]
    assert list(encyclopedia(tmp_path)) == [("Beras", ["Padi."])]


@pytest.mark.parametrize("damage", ["missing", "cut", "not gzip", "no json", "a list"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "news" / "indosum.jsonl.gz"
    file.parent.mkdir()
    whole = gzip.compress(json.dumps({"id": "a" * 400}).encode())
    if damage != "missing":
        file.write_bytes(
            {
                "cut": whole[:-9],
                "not gzip": b"{}",
                "no json": gzip.compress(b"{"),
                "a list": gzip.compress(b"[]"),
            }[damage]
        )
    with pytest.raises(DataError, match=re.escape(str(file))):
        read_rows(tmp_path, "news/indosum")


def test_a_window_holds_the_word_of_the_answer_and_the_words_as_they_stand() -> None:
    passage = "  ".join(f"kata{number}," for number in range(200)) + "\n"
    start = passage.index("kata120,")
    positions = set()
    for seed in range(60):
        cut = window(Example("", passage, start), np.random.default_rng(seed), 10)
        words = cut.split()
        assert cut in passage
        assert len(words) == 10
        positions.add(words.index("kata120,"))
    # Anywhere in it, or the model would learn the place.
    assert len(positions) >= 8


@pytest.mark.parametrize(("start", "words"), [(0, range(10)), (10_000, range(10)), ("end", range(40, 50))])
def test_a_window_does_not_leave_the_passage(start: int | str, words: range) -> None:
    passage = " ".join(f"kata{number}" for number in range(50))
    at = len(passage) - 1 if start == "end" else int(start)
    for seed in range(20):
        cut = window(Example("", passage, at), np.random.default_rng(seed), 10).split()
        assert len(cut) == 10
        assert set(cut) & {f"kata{number}" for number in words}
    assert window(Example("", " pendek saja ", 0), np.random.default_rng(0), 10) == " pendek saja "


def test_sentences_are_split_and_never_none() -> None:
    assert sentences("Harga naik. Berapa? Rp 14.500!") == ["Harga naik.", "Berapa?", "Rp 14.500!"]
    assert sentences("") == [""]
