"""Public sets: each form read, reading measured, an archive written that Tanya can index and be asked about."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from conftest import HARBOUR, MATCH, RICE, WordEncoder

from benchmarks.public_sets import main, read_rows
from benchmarks.work import BenchmarkError
from qa.evaluation.archive import Names, check_against
from qa.evaluation.questions import read_questions
from qa.ingest import index_paths
from qa.store import Store

ROWS = [
    {
        "id": "1",
        "question": "Berapa harga beras per kilogram di Pasar Induk?",
        "context": RICE,
        "answers": [{"text": "Rp 14.500", "answer_start": 25}],
    },
    {"id": "2", "question": "Siapa penemu mesin uap?", "context": HARBOUR, "answers": []},
]
EXPECTED = [ROWS[0] | {"answers": ["Rp 14.500"]}, ROWS[1]]


def write_lines(file: Path, rows: list[dict[str, object]]) -> Path:
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    return file


def test_json_lines(tmp_path: Path) -> None:
    assert read_rows(write_lines(tmp_path / "rows.jsonl.gz", ROWS)) == EXPECTED
    renamed = [
        {"id": 1, "question_en": "Who?", "context_id": MATCH, "answers_id": ["Tim putri", "Tim putri"]}
    ]
    file = write_lines(tmp_path / "en.jsonl.gz", renamed)
    assert read_rows(file, "question_en,context_id,answers_id") == [
        {"id": "1", "question": "Who?", "context": MATCH, "answers": ["Tim putri"]}
    ]


def test_squad(tmp_path: Path) -> None:
    paragraphs = [
        {"context": row["context"], "qas": [{key: row[key] for key in ("id", "question", "answers")}]}
        for row in ROWS
    ]
    file = tmp_path / "dev.json"
    file.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    assert read_rows(file) == EXPECTED


def test_facqa(tmp_path: Path) -> None:
    file = tmp_path / "valid.csv"
    passage = ["Ketua", "Panitia", "(", "Redaksi", ")", "tiba", "Senin", "."]
    labels = ["B", "I", "O", "O", "O", "O", "O", "O"]
    file.write_text(
        f'question,passage,seq_label\n"{["Siapa", "tiba", "?"]}","{passage}","{labels}"\n', encoding="utf-8"
    )
    assert read_rows(file) == [
        {
            "id": "valid-0",
            "question": "Siapa tiba?",
            "context": "Ketua Panitia (Redaksi) tiba Senin.",
            "answers": ["Ketua Panitia"],
        }
    ]


def test_another_form_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.json"
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"x\.json is not of a form"):
        read_rows(file)
    assert main(["read", str(file)]) == 1
    assert "x.json is not of a form" in capsys.readouterr().err


def test_reading_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", str(write_lines(tmp_path / "rows.jsonl.gz", ROWS))]) == 0
    out = capsys.readouterr().out
    figures = {line.split()[0]: line.split()[1] for line in out.split("\n\n")[0].splitlines()}
    assert figures == {
        "answer.exact_match": "1.000",
        "answer.f1": "1.000",
        "abstention.refused_unanswerable": "1.000",
        "abstention.refused_answerable": "0.000",
        "abstention.aurc": "0.250",
        "citation.verbatim": "1.000",
        "citation.holds_answer": "1.000",
    }
    assert "answerability: unanswerable" in out


def test_an_archive_can_be_indexed_and_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = write_lines(tmp_path / "rows.jsonl.gz", ROWS)
    others = write_lines(tmp_path / "wiki.jsonl.gz", [{"paragraphs": [MATCH, "Hujan."]}, {"text": "x"}])
    arguments = [str(rows), "--out", str(tmp_path / "set"), "--distractors", str(others)]
    assert main(["archive", *arguments, "--distractor-count", "1"]) == 0
    assert capsys.readouterr().out == f"3 texts and 2 questions in {tmp_path / 'set'}\n"
    index_paths([tmp_path / "set/corpus.jsonl"], tmp_path / "index", WordEncoder())
    store = Store.open(tmp_path / "index")
    try:
        names = Names.of(store)
        asked = read_questions(tmp_path / "set/questions.jsonl").questions
        assert [problem for question in asked for problem in check_against(store, question, names)] == []
        assert [len(question.articles) for question in asked] == [1, 0]
        assert store.counts()[0] == 3
    finally:
        store.close()
