"""The development bench: what it searches, what it counts, and what it keeps."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embeddings.errors import DataError, EmbeddingError, ModelError
from embeddings.training import bench as bench_module
from embeddings.training import student, vector_cache
from embeddings.training.bench import (
    BenchData,
    Task,
    VectorCache,
    evaluate_model,
    main,
    measure,
    nearest,
    rankings,
    word_rankings,
)
from tests.tiny_models import make_bert
from tests.training_samples import write_rows as write

RICE = "Harga beras di pasar induk naik dua persen."
TALKS = "Menteri perdagangan memimpin perundingan ekspor di ibu kota."
QUAKE = "Gempa mengguncang pesisir selatan pada dini hari."
FLOOD = "Banjir merendam jalan utama kota selama tiga hari."
FILLER = "dan yang di ke dari pada untuk dengan oleh dalam itu ini juga sudah akan"  # 15 words

MEANINGS = [
    set(pair.split("/"))
    for pair in (
        "rice/beras price/harga talks/perundingan minister/menteri earthquake/gempa flood/banjir coast/pesisir "
        "road/jalan leads/memimpin market/pasar"
    ).split()
]


def by_meaning(texts: list[str]) -> np.ndarray:
    """A bilingual encoder: a direction a meaning, whatever its language, and one for texts that have none."""
    rows = np.zeros((len(texts), len(MEANINGS) + 1), dtype=np.float32)
    for row, text in enumerate(texts):
        words = set(text.lower().replace(".", " ").replace("?", " ").split())
        for column, meaning in enumerate(MEANINGS):
            rows[row, column] = len(words & meaning)
        rows[row, -1] = 0.1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def english_only(texts: list[str]) -> np.ndarray:
    """An encoder that takes every Indonesian text for the same."""
    kept = [text if "the" in text.lower().split() else "" for text in texts]
    return by_meaning(kept)


def question(en: str, id: str, context_en: str, context_id: str) -> dict[str, Any]:
    return {"question_en": en, "question_id": id, "context_en": context_en, "context_id": context_id}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    rice_en, talks_en = "The price of rice at the market rose.", "The minister of trade leads the talks."
    write(
        folder,
        "reading/squad_en_id.dev",
        [
            question("Where is the price of rice set?", "Di mana harga beras naik?", rice_en, RICE),
            question("Who leads the talks?", "Siapa memimpin perundingan?", talks_en, TALKS),
            question("What has the minister begun?", "Apa yang menteri mulai?", talks_en, TALKS),
        ],
    )
    write(
        folder,
        "reading/facqa.valid",
        [
            {"question": "Kapan gempa mengguncang pesisir?", "context": QUAKE},
            {"question": "Jalan mana terendam banjir?", "context": FLOOD},
        ],
    )
    write(
        folder,
        "parallel_dev/ntrex",
        [
            {"en": "The flood hit the coast.", "id": "Banjir di pesisir."},
            {"en": "The earthquake hit the road.", "id": "Gempa di jalan."},
        ],
    )
    wiki = [f"Pasar lama {FILLER}.", "Terlalu pendek.", f"  PASAR lama: {FILLER}", f"Sungai besar {FILLER}."]
    write(folder, "wiki/id_wikipedia_leads", [{"title": "Pasar", "paragraphs": wiki}])
    news = [f'Banjir surut , kata " dia " {FILLER} .', QUAKE.upper(), f"Rapat {FILLER} ."]
    write(folder, "news/indosum", [{"id": "1-banjir-surut", "paragraphs": news, "summary": "Banjir surut ."}])
    return folder


def texts_of(bench: BenchData, name: str) -> list[str]:
    task = next(task for task in bench.tasks if task.name == name)
    listed = bench.queries if task.side == "queries" else bench.passages
    return [listed[row] for row in task.pool]


def test_pools_hold_the_passages_and_each_long_distractor_once(data: Path) -> None:
    bench = BenchData.read(data)
    news = [f'Banjir surut, kata "dia" {FILLER}.', f"Rapat {FILLER}."]
    wide = texts_of(bench, "en-id")
    river = f"Sungai besar {FILLER}."
    # Of the two paragraphs on the old market, which differ in case and punctuation, one is there.
    assert sum("pasar lama" in text.lower() for text in wide) == 1
    assert sorted(text for text in wide if "pasar lama" not in text.lower()) == sorted(
        [RICE, TALKS, river, *news]
    )
    assert wide == texts_of(bench, "id-id")
    assert sorted(texts_of(bench, "facqa")) == sorted([QUAKE, FLOOD, *news])
    assert texts_of(bench, "en-id small") == [RICE, TALKS]
    assert texts_of(bench, "id-id small") == [RICE, TALKS]
    assert texts_of(bench, "en-en") == [
        "The price of rice at the market rose.",
        "The minister of trade leads the talks.",
    ]
    assert texts_of(bench, "ntrex en-id") == ["Banjir di pesisir.", "Gempa di jalan."]


def test_a_long_paragraph_that_is_a_relevant_passage_is_no_distractor(data: Path) -> None:
    passage = f"Harga beras {FILLER}."
    write(data, "reading/facqa.valid", [{"question": "Harga apa?", "context": passage}])
    paragraphs = [f"HARGA beras: {FILLER} .", f"Harga kedelai {FILLER} ."]
    write(data, "news/indosum", [{"id": "1-harga", "paragraphs": paragraphs, "summary": ""}])
    write(data, "wiki/id_wikipedia_leads", [{"title": "Beras", "paragraphs": [passage]}])
    bench = BenchData.read(data)
    assert texts_of(bench, "facqa") == [passage, f"Harga kedelai {FILLER}."]
    # Nor in the other task, where it would only be a paragraph: one rule for both.
    assert passage not in texts_of(bench, "en-id")


def test_quick_draws_the_same_few_of_each_kind(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paragraphs = [f"Laporan nomor {number} {FILLER}." for number in range(30)]
    write(data, "wiki/id_wikipedia_leads", [{"title": "A", "paragraphs": paragraphs}])
    articles = [
        {"id": f"{n}-berita", "paragraphs": [f"Berita {n} {FILLER} ."], "summary": ""} for n in range(30)
    ]
    write(data, "news/indosum", articles)
    monkeypatch.setattr(bench_module, "QUICK_DISTRACTORS", 3)
    monkeypatch.setattr(bench_module, "QUICK_SENTENCES", 1)
    bench = BenchData.read(data, quick=True)
    assert BenchData.read(data, quick=True).passages == bench.passages
    drawn = [text for text in texts_of(bench, "en-id") if text not in (RICE, TALKS)]
    assert [sum(text.startswith(kind) for text in drawn) for kind in ("Laporan", "Berita")] == [3, 3]
    assert [text for text in drawn if text.startswith("Laporan")] != paragraphs[:3]
    assert len(texts_of(bench, "facqa")) == 2 + 3
    assert texts_of(bench, "ntrex id-en") == ["The flood hit the coast."]
    assert len(BenchData.read(data).passages) == 6 + 30 + 30


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        ("reading/facqa.valid", [{"question": "Apa?"}], "facqa.valid.jsonl.gz, row 1: question, context"),
        (
            "parallel_dev/ntrex",
            [{"en": "A", "id": "B"}, {"en": "A", "id": 7}],
            "ntrex.jsonl.gz, row 2: en, id",
        ),
        ("reading/squad_en_id.dev", [], "squad_en_id.dev.jsonl.gz holds no rows"),
    ],
)
def test_rows_that_cannot_be_used_are_named(data: Path, name: str, rows: list[Any], said: str) -> None:
    write(data, name, rows)
    with pytest.raises(DataError, match=said):
        BenchData.read(data)


def test_an_encoder_that_knows_both_languages_finds_everything(data: Path) -> None:
    figures = evaluate_model(by_meaning, by_meaning, BenchData.read(data))
    retrieval = [
        f"{task} {metric}"
        for task in ("en-id", "id-id", "facqa", "en-en", "en-id small", "id-id small")
        for metric in ("ndcg@10", "recall@1", "recall@5", "recall@10")
    ]
    assert figures == dict.fromkeys([*retrieval, "ntrex en-id accuracy", "ntrex id-en accuracy"], 1.0)


def test_an_encoder_that_knows_english_finds_english_alone(data: Path) -> None:
    figures = evaluate_model(english_only, english_only, BenchData.read(data))
    assert figures["en-en recall@1"] == 1.0
    # All Indonesian texts are alike: the first in the pool is named, which is right for one question of three.
    assert figures["en-id small recall@1"] == pytest.approx(1 / 3)
    assert figures["en-id small ndcg@10"] == pytest.approx((1 + 2 / math.log2(3)) / 3)
    assert figures["en-id small recall@5"] == 1.0
    assert figures["ntrex en-id accuracy"] == 0.5


def test_each_side_is_encoded_by_its_own_function_once(data: Path) -> None:
    bench = BenchData.read(data)
    asked: list[list[str]] = []
    stored: list[list[str]] = []

    def queries(texts: list[str]) -> np.ndarray:
        asked.append(texts)
        return by_meaning(texts)

    def passages(texts: list[str]) -> np.ndarray:
        stored.append(texts)
        return by_meaning(texts)

    rankings(queries, passages, bench)
    assert asked == [bench.queries]
    assert stored == [bench.passages]
    assert "Banjir di pesisir." in bench.queries
    assert RICE in bench.passages


@pytest.mark.parametrize(
    ("encode", "said"),
    [
        (lambda texts: by_meaning(texts)[1:], "rows, got"),
        (lambda texts: by_meaning(texts).tolist(), "rows, got list"),
        (lambda texts: by_meaning(texts) * np.float32(2), "length 2.000 to 2.000"),
        (lambda texts: by_meaning(texts) * np.float32("nan"), "length nan"),
        (lambda texts: by_meaning(texts).astype(np.float64), "float64"),
    ],
)
def test_vectors_that_would_be_ranked_wrongly_are_refused(data: Path, encode: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        evaluate_model(by_meaning, encode, BenchData.read(data))


@pytest.mark.parametrize("block", [1, 50, 16_000_000])
def test_search_is_exact_and_breaks_ties_in_the_order_of_the_pool(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(bench_module, "_BLOCK_SCORES", block)
    chance = np.random.default_rng(5)
    # Few values, so that many scores are equal; all products are exact.
    texts = chance.integers(-1, 2, (40, 3)).astype(np.float32)
    questions = chance.integers(-1, 2, (7, 3)).astype(np.float32)
    pool = chance.permutation(40)[:25]
    expected = [
        sorted(pool.tolist(), key=lambda row: (-float(line @ texts[row]), pool.tolist().index(row)))[:10]
        for line in questions
    ]
    assert nearest(questions, texts, pool).tolist() == expected
    assert nearest(questions, texts, pool[:4], depth=10).shape == (7, 4)


def bench_of(questions: list[str], passages: list[str], relevant: list[int]) -> BenchData:
    rows = np.arange(len(questions)), np.array(relevant), np.arange(len(passages))
    return BenchData(questions, passages, (Task("t", *rows),))


def test_words_of_a_question_are_words_and_never_syntax() -> None:
    questions = [
        'BERAS: NOT -harga "pasar',  # words alone, though it reads like a query
        "row:1 OR *",
        "?!",
        "gempa",
    ]
    passages = ["Harga beras di pasar.", "Gempa di pesisir.", "Menteri rapat.", "Gempa."]
    found = word_rankings(bench_of(questions, passages, [0, 0, 0, 3]))["t"]
    assert found.shape == (4, 10)
    assert [[row for row in line if row >= 0] for line in found.tolist()] == [[0], [], [], [3, 1]]


def test_word_search_gives_only_rows_of_the_pool() -> None:
    bench = bench_of(["gempa"], ["Gempa satu.", "Gempa dua.", "Gempa tiga."], [1])
    task = Task("t", np.array([0]), np.array([1]), np.array([1, 2]))
    found = word_rankings(BenchData(bench.queries, bench.passages, (task,)))["t"]
    assert found.tolist() == [[1, 2] + [-1] * 8]


def test_figures_of_a_known_ranking() -> None:
    bench = bench_of(["a", "b", "c"], [str(n) for n in range(12)], [0, 1, 2])
    ranked = {
        "t": np.array(
            [
                [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],  # found first
                [0, 2, 3, 4, 5, 1, 6, 7, 8, 9],  # found sixth
                [3, 4, 5, 6, 7, 8, 9, 10, 11, -1],  # not found
            ]
        )
    }
    figures = measure(ranked, bench, intervals=False)["t"]
    assert {metric: found.value for metric, found in figures.items()} == pytest.approx(
        {"ndcg@10": (1 + 1 / math.log2(7)) / 3, "recall@1": 1 / 3, "recall@5": 1 / 3, "recall@10": 2 / 3}
    )
    assert {(found.low, found.high, found.n) for found in figures.values()} == {(None, None, 3)}


def test_intervals_resample_passages_with_all_their_questions() -> None:
    # Two passages, fifty questions each: one passage is always found, the other never.
    bench = bench_of([f"q{n}" for n in range(100)], ["a", "b"], [0] * 50 + [1] * 50)
    ranked = {"t": np.zeros((100, 1), dtype=np.int64)}
    found = measure(ranked, bench, intervals=True)["t"]["recall@1"]
    # Both draws may fall on the same passage. Question by question the interval would be 0.4 to 0.6.
    assert (found.value, found.low, found.high, found.n) == (0.5, 0.0, 1.0, 100)


def test_passages_weigh_by_their_questions() -> None:
    bench = bench_of(["a", "b", "c", "d"], ["x", "y"], [0, 0, 0, 1])
    ranked = {"t": np.zeros((4, 1), dtype=np.int64)}
    found = measure(ranked, bench, intervals=True)["t"]
    assert found["recall@1"].value == 0.75
    assert found["recall@10"].value == 0.75


class CountingEncoder:
    """An encoder by meaning that tells what it was given."""

    dimension = len(MEANINGS) + 1
    dtype = "float32"

    def __init__(self, name: str) -> None:
        self.fingerprint = {"name": name}
        self.encoded: list[str] = []

    def encode_queries(self, texts: list[str]) -> np.ndarray:
        self.encoded += texts
        return by_meaning(texts)

    encode_passages = encode_queries


def test_the_cache_encodes_no_text_of_a_model_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_cache, "_CHUNK", 2)
    cache, first = VectorCache(tmp_path / "cache"), CountingEncoder("first")
    encode = cache.through(first, "passages")  # type: ignore[arg-type]
    texts = [RICE, TALKS, QUAKE]
    expected = by_meaning(texts)
    assert np.array_equal(encode(texts), expected)
    assert np.array_equal(encode(texts), expected)
    assert first.encoded == texts
    encode([RICE, TALKS, FLOOD])
    assert first.encoded == [*texts, FLOOD]
    # Another model, or the same one's queries, are other vectors.
    other = CountingEncoder("other")
    cache.through(other, "passages")(texts)  # type: ignore[arg-type]
    assert other.encoded == texts
    cache.through(first, "queries")(texts)  # type: ignore[arg-type]
    assert first.encoded == [*texts, FLOOD, *texts]


@pytest.mark.parametrize("damage", ["cut", "other shape", "pickle"])
def test_a_damaged_cache_file_is_named(tmp_path: Path, damage: str) -> None:
    encode = VectorCache(tmp_path).through(CountingEncoder("first"), "passages")  # type: ignore[arg-type]
    encode([RICE, TALKS])
    (file,) = tmp_path.glob("*.npy")
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-8])
    elif damage == "other shape":
        np.save(file, np.zeros((1, 3), dtype=np.float32))
    else:
        np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=rf"{file.name}.*Delete it"):
        encode([RICE, TALKS])


def test_the_command_prints_a_table_and_writes_json(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, teacher = make_bert(tmp_path / "model"), make_bert(tmp_path / "teacher", seed=1)
    monkeypatch.setattr(bench_module, "teacher_folder", lambda: teacher)
    written, cache = tmp_path / "figures.json", tmp_path / "cache"
    command = [str(data), "--model", str(model), "--json", str(written), "--cache", str(cache)]
    assert main(command) == 0
    table = capsys.readouterr().out
    figures = json.loads(written.read_text(encoding="utf-8"))
    systems = list(figures["systems"])
    assert [systems[0], systems[2]] == [str(model), "BM25"]
    assert figures["tasks"]["en-id"] == {"questions": 3, "texts": 6}
    assert figures["quick"] is False
    # Two of three questions share the word "menteri" or "perundingan" with their passage, the first "harga".
    assert figures["systems"]["BM25"]["id-id small"]["recall@1"]["value"] == 1.0
    assert set(figures["systems"]["BM25"]["ntrex en-id"]) == {"accuracy"}
    assert len(table.splitlines()) == 2 + 8 * 3
    shown = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert shown[0] == [
        "task",
        "questions",
        "texts",
        "system",
        "ndcg@10",
        "recall@1",
        "recall@5",
        "recall@10",
    ]
    assert ["id-id small", "3", "2", "BM25", *["1.000 [1.000, 1.000]"] * 4] in shown
    kept = {file: file.stat().st_mtime_ns for file in cache.iterdir()}
    assert main([*command, "--quick"]) == 0
    quick = json.loads(written.read_text(encoding="utf-8"))
    assert quick["systems"][str(model)]["en-id"]["ndcg@10"]["low"] is None
    # So few texts that the quick bench is the whole one: nothing was encoded again.
    assert {file: file.stat().st_mtime_ns for file in cache.iterdir()} == kept


def test_a_model_that_is_the_teacher_is_measured_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_bert(tmp_path / "model")
    monkeypatch.setattr(bench_module, "teacher_folder", lambda: model)
    assert main([str(data), "--model", str(model), "--quick"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 8 * 2


def test_errors_are_reported_and_not_raised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "squad_en_id.dev.jsonl.gz" in said.err


def test_a_missing_teacher_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(student, "TEACHER_PACKAGE", "no_such_package_is_installed")
    with pytest.raises(EmbeddingError, match=r"pip install 'tanya\[training\]'"):
        student.teacher_folder()
