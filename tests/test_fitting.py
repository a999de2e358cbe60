"""The scripts that choose weights and coefficients: what they fit on, what they report on, what they print."""

from __future__ import annotations

import ast
import gzip
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import WordEncoder

from benchmarks import development, fit_fusion, fit_reader
from benchmarks.development import HALVES, Development, Question, build, passages, read_questions
from qa.evaluation.archive import Names, check_against
from qa.evaluation.questions import read_questions as read_set
from qa.fusion import dense_weights
from qa.index import NewsIndex
from qa.reader import FEATURES, SpanReader
from qa.retriever import HybridRetriever
from qa.spans import Passage, ScoredSpan
from qa.store import Store

GOODS = "beras gula garam kopi teh jagung kedelai cabai bawang minyak telur susu".split()
MARKETS = "Ambon Binjai Cirebon Dumai".split()


def context(good: str, market: str) -> str:
    number = 100 * GOODS.index(good) + MARKETS.index(market)
    return (
        f"Harga {good} naik di Pasar {market}. Pedagang {good} di {market} meminta Rp {number} per kilogram. "
        f"Pembeli mengeluh."
    )


def answer(good: str, market: str) -> dict[str, Any]:
    text = f"Rp {100 * GOODS.index(good) + MARKETS.index(market)}"
    return {"text": text, "answer_start": context(good, market).index(text)}


def write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(exist_ok=True)
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-eight passages: those of two markets with questions of FacQA's form, the others of the bilingual set's."""
    folder = tmp_path_factory.mktemp("data")
    pairs = [(good, market) for good in GOODS for market in MARKETS]
    asked = [
        {
            "id": f"f-{good}-{market}",
            "question": f"Berapa harga {good} di Pasar {market}?",
            "context": context(good, market),
            "answers": [answer(good, market)],
        }
        for good, market in pairs
        if market in MARKETS[:2]
    ]
    both = [
        {
            "id": f"s-{good}-{market}",
            "question_en": f"What is the price that the traders of {good} ask in {market}?",
            "question_id": f"Berapa yang diminta pedagang {good} di {market}?",
            "context_id": context(good, market),
            "answers_id": [answer(good, market)],
        }
        for good, market in pairs
        if market not in MARKETS[:2]
    ]
    unanswerable = [asked[0] | {"id": "i-1", "question": "Siapa penemu mesin uap?", "answers": []}]
    write_rows(folder / "reading/facqa.valid.jsonl.gz", asked)
    write_rows(folder / "reading/idk_mrc.valid.jsonl.gz", unanswerable)
    write_rows(folder / "reading/squad_en_id.dev.jsonl.gz", both)
    write_rows(folder / "news/indosum.jsonl.gz", [{"paragraphs": ["Kapal tiba.", "Hujan."]}] * 3)
    leads = [{"paragraphs": [f"Desa{number} terletak di kaki gunung."]} for number in range(40)]
    write_rows(folder / "wiki/id_wikipedia_leads.jsonl.gz", leads)
    return folder


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> WordEncoder:
    encoder = WordEncoder()
    monkeypatch.setattr(development, "load_encoder", lambda model: encoder)
    return encoder


@pytest.fixture
def found(data: Path, tmp_path: Path) -> Development:
    questions = [question for question in read_questions(data) if question.language == "id"]
    build(tmp_path / "index", WordEncoder(), passages(questions, data, 20))
    halves = [[question for question in questions if question.half == half] for half in HALVES]
    return Development(NewsIndex.open(tmp_path / "index"), WordEncoder(), "id", *halves)


def test_a_passage_and_all_its_questions_are_in_one_half(data: Path) -> None:
    questions = read_questions(data)
    assert len(questions) == 24 + 1 + 2 * 24
    assert len({question.id for question in questions}) == len(questions)
    halves: dict[str, set[str]] = {}
    for question in questions:
        halves.setdefault(question.context, set()).add(question.half)
    assert all(len(found) == 1 for found in halves.values())
    sizes = [sum(found == {half} for found in halves.values()) for half in HALVES]
    assert sum(sizes) == 48
    assert min(sizes) >= 16, "the halves must be about as large"
    for half in HALVES:
        hidden = [fit_reader.is_hidden(question) for question in questions if question.half == half]
        assert set(hidden) == {True, False}, "both halves must have passages that are hidden"


def test_the_index_holds_every_passage_and_one_news_article_in_ten_distractors(data: Path) -> None:
    questions = read_questions(data)
    texts = list(passages(questions, data, 20))
    assert len(texts) == 48 + 20
    assert texts[48:50] == ["Kapal tiba.\nHujan."] * 2
    assert texts[50].startswith("Desa0")


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_what_is_measured_is_what_the_retriever_finds(found: Development, weight: float) -> None:
    asked = [question for question in found.choosing + found.reporting if question.answers]
    measured = fit_fusion.measure(found, asked, {"way": fit_fusion.weighted(weight)})["way"]
    retriever = HybridRetriever(found.index, found.encoder, dense_weights(weight))
    for k, metric in ((1, "recall@1"), (5, "recall@5")):
        hits = [retriever.search(question.text, k=k) for question in asked]
        right = [
            any(hit.article.id == question.article_id for hit in part)
            for question, part in zip(asked, hits, strict=True)
        ]
        assert measured[metric].tolist() == [float(one) for one in right]


def test_the_best_weight_that_keeps_both_legs_is_chosen() -> None:
    values = {0.0: 0.9, 0.2: 0.5, 0.4: 0.7, 0.6: 0.7, 0.8: 0.6, 1.0: 0.8}
    measured = {weight: {"ndcg@10": np.array([value, value])} for weight, value in values.items()}
    assert fit_fusion.choose(measured) == 0.4


def test_fitting_weights_prints_the_line_and_leaves_sets_that_can_be_evaluated(
    data: Path, tmp_path: Path, encoder: WordEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(data), "--index", str(tmp_path / "dev"), "--distractors", "20", "--model", "contoh/model"]
    assert fit_fusion.main(command) == 0
    printed = capsys.readouterr().out
    first, *_, last = printed.splitlines()
    # The two articles of the news are the same text, so one of them is all there is.
    assert first == "67 passages; model words"
    name, _, table = last.partition(" = ")
    assert name == "DENSE_WEIGHTS: Mapping[Language, float]"
    assert set(ast.literal_eval(table)) == {"en", "id"}
    assert set(ast.literal_eval(table).values()) <= set(fit_fusion.WEIGHTS)
    for row in ("words alone", "meaning alone", "fused", "fused − words alone", "fused − meaning alone"):
        assert printed.count(f"\n  {row:28}ndcg@10 ") == 2, row

    store = Store.open(tmp_path / "dev")
    try:
        assert store.meta("model") == "contoh/model"
        names = Names.of(store)
        sets = [read_set(development.questions_file(tmp_path / "dev", half)).questions for half in HALVES]
        every = [question for part in sets for question in part]
        assert len(every) == 24 + 1 + 2 * 24
        assert [problem for question in every for problem in check_against(store, question, names)] == []
    finally:
        store.close()

    before = len(encoder.encoded)
    assert fit_fusion.main(command) == 0
    assert capsys.readouterr().out == printed
    assert len(encoder.encoded) == before + len(every) - 1, (
        "the index is used again; only questions are encoded"
    )


class Prices:
    """Takes what looks like a price for the answer, surer where the question names the goods of the passage."""

    def score(self, question: str, passages: Sequence[Passage]) -> list[ScoredSpan]:
        found = [
            ScoredSpan(number, *match.span(), 2.0 if match.group(1) in question else -2.0)
            for number, passage in enumerate(passages)
            for match in [re.search(r"Pedagang (\w+) di \w+ meminta (Rp \d+)", passage.text)]
            if match
        ]
        return sorted(
            (
                ScoredSpan(
                    span.passage, span.end - len(self.price(passages[span.passage])), span.end, span.odds
                )
                for span in found
            ),
            key=lambda span: -span.odds,
        )

    @staticmethod
    def price(passage: Passage) -> str:
        return re.findall(r"Rp \d+", passage.text)[0]


def test_a_hidden_passage_is_not_among_the_hits_of_its_questions(found: Development) -> None:
    reader = SpanReader(Prices(), found.index.rarity)
    asked = [question for question in found.choosing + found.reporting if question.answers]
    assert {fit_reader.is_hidden(question) for question in asked} == {True, False}
    for question in asked:
        hits = fit_reader.hits_for(found, question)
        assert 3 < len(hits) <= fit_reader.K
        row = fit_reader.read(found, reader, question, hits)
        assert row.features.shape == (len(row.right), len(FEATURES))
        assert row.answerable == (not fit_reader.is_hidden(question))


def test_a_question_without_an_answer_has_none_among_its_hits(found: Development) -> None:
    good = next(question for question in found.choosing if not fit_reader.is_hidden(question))
    empty = Question(good.id, good.text, good.context, ())
    reader = SpanReader(Prices(), found.index.rarity)
    row = fit_reader.read(found, reader, empty, fit_reader.hits_for(found, empty))
    assert not row.answerable
    assert not row.right.any()


def test_the_threshold_refuses_most_of_what_has_no_answer() -> None:
    answerable = np.array([True] * 10 + [False] * 5)
    probability = np.array([0.15, 0.25, 0.35, *[0.9] * 7, 0.05, 0.05, 0.05, 0.22, 0.5])
    judged = fit_reader.Judged(probability, answerable, answerable)
    threshold = fit_reader.choose_threshold(judged)
    assert (probability[~answerable] < threshold).mean() == fit_reader.REFUSED
    assert 0.22 < threshold < 0.5
    assert fit_reader.reliability(judged) == "0.07 0.25 4; 0.27 0.67 3; 0.50 0.00 1; 0.90 1.00 7"


def test_fitting_the_reader_prints_the_lines_and_both_halves(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_reader.SpanModel, "load_default", Prices)
    assert fit_reader.main([str(data), "--index", str(tmp_path / "dev"), "--distractors", "20"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("fitted on ") == printed.count("reported on ") == 2
    code = printed[printed.index("RETRIEVAL_WEIGHT") :].replace("For qa/answering.py:", "")
    tables = {
        node.target.id: ast.literal_eval(node.value)
        for node in ast.parse(code).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
    }
    assert set(tables) == {"RETRIEVAL_WEIGHT", "COEFFICIENTS", "INTERCEPTS", "THRESHOLD"}
    for language in ("en", "id"):
        assert len(tables["COEFFICIENTS"][language]) == len(FEATURES)
        assert tables["RETRIEVAL_WEIGHT"][language] in fit_reader.WEIGHTS
        assert 0 < tables["THRESHOLD"][language] <= 1


def test_a_missing_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit_fusion.main([str(tmp_path), "--index", str(tmp_path / "dev")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "facqa.valid.jsonl.gz. DATA is the folder that holds reading/" in captured.err
    assert not (tmp_path / "dev").exists()


def test_a_language_without_questions_is_an_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in data.rglob("*.gz"):
        (tmp_path / file.parent.name).mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / file.parent.name)
    write_rows(tmp_path / "reading/squad_en_id.dev.jsonl.gz", [])
    command = [str(tmp_path), "--index", str(tmp_path / "dev"), "--distractors", "20"]
    assert fit_fusion.main(command) == 1
    assert "no question in 'en' is in the choosing half" in capsys.readouterr().err
