"""Running a question set: rows, resuming after a kill, what is refused."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evaluation_set
import pytest
from conftest import HARBOUR, MATCH, RICE, WordEncoder, make_article, write_index
from evaluation_set import QUESTIONS, make_index, write_questions

from qa.answering import QuestionAnswerer
from qa.errors import InputError
from qa.evaluation import SYSTEMS, SystemName
from qa.evaluation.archive import Names, check_against
from qa.evaluation.metrics import compute_metrics
from qa.evaluation.predictions import holding, read_predictions
from qa.evaluation.questions import read_questions
from qa.evaluation.run import RunSettings, run_questions
from qa.evaluation.systems import build_system
from qa.index import NewsIndex


@pytest.fixture
def index(tmp_path: Path) -> Iterator[NewsIndex]:
    make_index(tmp_path / "index")
    with NewsIndex.open(tmp_path / "index") as opened:
        yield opened


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "soal.jsonl")


def run(
    index: NewsIndex, questions: Path, out: Path, settings: RunSettings | None = None
) -> list[dict[str, Any]]:
    settings = settings or RunSettings()
    system = build_system(settings.system, index, WordEncoder())
    with holding(out):
        run_questions(read_questions(questions), system, settings, out, "test")
    return read_predictions(out / "predictions.jsonl")


def untimed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without what differs from run to run."""
    for row in rows:
        row["latency_ms"] = None
        row["answer"]["timings_ms"] = None
    return rows


def test_a_row_holds_all_that_a_metric_needs(index: NewsIndex, questions: Path, tmp_path: Path) -> None:
    rows = {row["id"]: row for row in run(index, questions, tmp_path / "out")}
    assert list(rows) == [question["id"] for question in QUESTIONS]
    rice = rows["beras"]
    assert rice["best"] == rice["answer"]["answer"]
    assert "Rp 14.500" in rice["best"]
    quotes = [citation["quote"] for citation in rice["answer"]["citations"]]
    assert quotes == ["Harga beras naik menjadi Rp 14.500 per kilogram di Pasar Induk."]
    assert rice["verbatim"] == [True]
    assert rice["relevant"] == {make_article(RICE).id: 1}
    assert rice["ranking"][0]["path"] == "arsip/beras.txt"
    assert rice["latency_ms"] == rice["answer"]["timings_ms"]["total"] > 0
    assert rows["uap"]["answer"]["abstained"] is True
    assert rows["uap"]["relevant"] == {}
    assert rows["x 1"]["answers"] is None
    # Reading puts the passages in another order, but reads none that was not ranked.
    for row in rows.values():
        passages = {passage["article_id"] for passage in row["answer"]["passages"]}
        assert passages <= {place["article_id"] for place in row["ranking"]}


def test_an_article_is_found_by_any_of_its_names(index: NewsIndex) -> None:
    names = Names.of(index.store)
    match = make_article(MATCH).id
    for name in (
        "d3",
        "d9",
        "salinan.txt",
        "arsip/salinan.txt",
        "final.txt",
        "berita/final.txt",
        "arsip/berita/final.txt",
    ):
        assert names.find(name) == {match}, name
    for name in ("inal.txt", "arsip", "lain/final.txt", "d1"):
        assert names.find(name) == set(), name


def test_run_files_name_a_document_as_the_question_does(tmp_path: Path, index: NewsIndex) -> None:
    rows = [{"id": "a", "question": "Pelatih memuji apa?", "article": name} for name in ("d9",)]
    found = run(index, write_questions(tmp_path / "soal.jsonl", rows), tmp_path / "out")
    assert found[0]["ranking"][0]["document"] == "d9"
    assert found[0]["ranking"][0]["external_id"] == "d3"


def test_a_missing_article_counts_as_missed(tmp_path: Path, index: NewsIndex) -> None:
    rows = [{"id": "a", "question": "Pelatih memuji apa?", "article": ["d3", "tiada.txt"]}]
    found = run(index, write_questions(tmp_path / "soal.jsonl", rows), tmp_path / "out", RunSettings(k=1))
    assert found[0]["relevant"] == {make_article(MATCH).id: 1, "missing:tiada.txt": 1}
    assert compute_metrics(found)["retrieval.recall@5"]["value"] == 0.5


def test_check_tells_what_the_index_does_not_bear_out(tmp_path: Path) -> None:
    write_index(
        tmp_path / "index",
        [
            make_article(RICE, "a/beras.txt"),
            make_article(HARBOUR, "b/beras.txt"),
            make_article(MATCH, "final.txt"),
        ],
    )
    rows = [
        {"id": "1", "question": "Siapa?", "answers": ["Tim  putri"], "article": "final.txt"},
        {"id": "2", "question": "Berapa?", "answers": ["3 - 1", "Tim putra"], "article": "final.txt"},
        {"id": "3", "question": "Berapa?", "answers": ["x"], "article": "tiada.txt"},
        {"id": "4", "question": "Berapa?", "answers": ["x"], "article": "beras.txt"},
        {"id": "5", "question": "Berapa?", "answers": [], "article": None},
    ]
    with NewsIndex.open(tmp_path / "index") as index:
        names = Names.of(index.store)
        asked = read_questions(write_questions(tmp_path / "soal.jsonl", rows)).questions
        problems = [problem for question in asked for problem in check_against(index.store, question, names)]
    assert [(problem.row, problem.reason) for problem in problems] == [
        ("row 2", "answer 'Tim putra' is not in the text of final.txt"),
        ("row 3", "article 'tiada.txt' is not in the index"),
        ("row 4", "article 'beras.txt' names several articles of the index"),
    ]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_answers_what_the_words_say(
    index: NewsIndex, questions: Path, tmp_path: Path, name: SystemName
) -> None:
    rows = {row["id"]: row for row in run(index, questions, tmp_path / "out", RunSettings(system=name))}
    said = rows["beras"]["answer"]
    assert "Rp 14.500" in said["answer"]
    assert said["citations"][0]["quote"] == "Harga beras naik menjadi Rp 14.500 per kilogram di Pasar Induk."
    assert 0 < said["confidence"] <= 1
    origins = {"tanya": None, "bm25-sentence": "lexical", "dense-only": "dense"}
    hits = build_system(name, index, WordEncoder()).retriever.search("Berapa harga beras?")
    assert {hit.origin for hit in hits} == {origins[name]} or name == "tanya"


def test_retrieval_only_answers_nothing(index: NewsIndex, questions: Path, tmp_path: Path) -> None:
    rows = run(index, questions, tmp_path / "out", RunSettings(retrieval_only=True))
    assert all("answer" not in row for row in rows)
    metrics = compute_metrics(rows)
    assert metrics["retrieval.recall@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 4}
    assert metrics["answer.f1"] == {"value": None, "low": None, "high": None, "n": 0}
    assert metrics["latency.p50_ms"]["n"] == 5


def test_a_finished_run_asks_nothing_again(
    index: NewsIndex, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(index, questions, tmp_path / "out")

    def ask(*_: object, **__: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(QuestionAnswerer, "find", ask)
    assert run(index, questions, tmp_path / "out") == first


@pytest.mark.parametrize("cut", [1, 40])
def test_a_torn_last_line_is_mended(index: NewsIndex, questions: Path, tmp_path: Path, cut: int) -> None:
    whole = untimed(run(index, questions, tmp_path / "out"))
    file = tmp_path / "out/predictions.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    assert untimed(run(index, questions, tmp_path / "out")) == whole


def test_another_run_in_the_folder_is_refused(index: NewsIndex, questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(index, questions, out)
    before = (out / "predictions.jsonl").read_bytes()
    with pytest.raises(
        InputError, match=r"something else \(k: 5 against 3\)\. Name another folder: --out DIR"
    ):
        run(index, questions, out, RunSettings(k=3))
    write_questions(questions, QUESTIONS[:2])
    with pytest.raises(InputError, match="questions: "):
        run(index, questions, out)
    write_questions(questions)
    write_index(tmp_path / "index", [make_article("Hujan turun di pesisir.", "hujan.txt")])
    index.refresh()
    with pytest.raises(InputError, match="generation: "):
        run(index, questions, out)
    assert (out / "predictions.jsonl").read_bytes() == before


def test_damage_in_the_middle_is_refused(index: NewsIndex, questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(index, questions, out)
    lines = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (out / "predictions.jsonl").write_text("".join([lines[0], lines[1][:50] + "\n", *lines[2:]]), "utf-8")
    with pytest.raises(InputError, match=r"line 2 of .* is damaged\. Name another folder"):
        run(index, questions, out)
    (out / "predictions.jsonl").write_text("".join([lines[1], lines[0]]), "utf-8")
    with pytest.raises(InputError, match="answers other questions"):
        run(index, questions, out)
    (out / "run.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        run(index, questions, out)
    (out / "run.json").unlink()
    with pytest.raises(InputError, match=r"but not the run\.json"):
        run(index, questions, out)


def test_an_index_that_changes_under_way_stops_the_run(
    index: NewsIndex, questions: Path, tmp_path: Path
) -> None:
    system = build_system("tanya", index, WordEncoder())

    def done(count: int) -> None:
        if count:
            write_index(tmp_path / "index", [make_article("Hujan turun di pesisir.", "hujan.txt")])

    out = tmp_path / "out"
    with holding(out), pytest.raises(InputError, match="was changed during the evaluation"):
        run_questions(read_questions(questions), system, RunSettings(), out, "test", done)
    assert len(read_predictions(out / "predictions.jsonl")) == 1


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        holding(tmp_path / "out"),
        pytest.raises(InputError, match="another evaluation writes to"),
        holding(tmp_path / "out"),
    ):
        pass


def test_a_run_killed_three_times_equals_one_that_was_not(tmp_path: Path) -> None:
    make_index(tmp_path / "index")
    rows = [{**question, "id": f"{question['id']}{n}"} for n in range(60) for question in QUESTIONS]
    questions = write_questions(tmp_path / "soal.jsonl", rows)
    chance = random.Random()
    for _ in range(3):
        wanted = chance.randint(2, 80)
        with start(tmp_path, questions, "killed") as process:
            assert process.stdout is not None
            for _ in range(wanted):
                process.stdout.readline()
            process.kill()
        assert process.returncode == -9
    with start(tmp_path, questions, "killed") as process:
        process.communicate()
    assert process.returncode == 0
    with start(tmp_path, questions, "whole") as process:
        process.communicate()
    killed, whole = (
        untimed(read_predictions(tmp_path / name / "predictions.jsonl")) for name in ("killed", "whole")
    )
    assert len(whole) == 300
    assert killed == whole
    record = (tmp_path / "killed/run.json").read_text(encoding="utf-8")
    assert json.loads(record) == json.loads((tmp_path / "whole/run.json").read_text(encoding="utf-8"))


def start(folder: Path, questions: Path, out: str) -> subprocess.Popen[str]:
    """Start an evaluation of its own; it tells each question that is done."""
    command = [sys.executable, evaluation_set.__file__, folder / "index", questions, folder / out]
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
