"""Question sets: each form, and rows that are broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qa.config import sample_folder
from qa.errors import InputError
from qa.evaluation.questions import Question, context_id, read_questions


def write(file: Path, *rows: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_our_own_form(tmp_path: Path) -> None:
    file = write(
        tmp_path / "soal.jsonl",
        {
            "id": "a",
            "question": " Who  won?",
            "lang": "en",
            "answers": ["Tim putri", "tim"],
            "article": "final.txt",
        },
        {"id": 2, "question": "Kapan pelabuhan dibuka?", "answers": [], "article": None},
        "",
        {"question": "Siapa?", "article": ["x", "y"]},
    )
    assert read_questions(file).questions == (
        Question("a", "Who won?", "en", ("Tim putri", "tim"), {"final.txt": 1}, "row 1"),
        Question("2", "Kapan pelabuhan dibuka?", "id", (), {}, "row 2"),
        Question("4", "Siapa?", "id", None, {"x": 1, "y": 1}, "row 4"),
    )


def test_broken_rows_are_told_by_number(tmp_path: Path) -> None:
    file = write(
        tmp_path / "soal.jsonl",
        {"id": "a", "question": "Siapa?"},
        '{"id": "b", "question": ',
        "[1]",
        {"id": "c"},
        {"id": "d", "question": "  "},
        {"id": "e", "question": "Qui?", "lang": "fr"},
        {"id": "f", "question": "Siapa?", "answers": "Redaksi"},
        {"id": "g", "question": "Siapa?", "answers": [""]},
        {"id": "h", "question": "Siapa?", "article": 7},
        {"id": "i", "question": "Siapa?", "article": {"x": 0}},
        {"id": "a", "question": "Kapan?"},
        {"id": ["j"], "question": "Kapan?"},
        '{"id": "s", "question": "\\ud800 siapa?"}',
        {"id": "k", "question": "Kapan?"},
    )
    found = read_questions(file)
    assert [question.id for question in found.questions] == ["a", "k"]
    assert [problem.row for problem in found.broken] == [f"row {number}" for number in range(2, 14)]
    reasons = [problem.reason for problem in found.broken]
    assert reasons[2] == "it has no question"
    assert "fr" in reasons[4]
    assert reasons[9] == "id 'a' is that of row 1 too"


def test_csv(tmp_path: Path) -> None:
    file = tmp_path / "soal.csv"
    file.write_text(
        "question,answers,article,lang\n"
        '"Berapa harga beras, per kilogram?",Rp 14.500|14.500,beras.txt,id\n'
        "What is the capital of Peru?,,,en\n"
        ",x,,\n",
        encoding="utf-8-sig",
    )
    found = read_questions(file)
    assert found.questions == (
        Question(
            "1",
            "Berapa harga beras, per kilogram?",
            "id",
            ("Rp 14.500", "14.500"),
            {"beras.txt": 1},
            "row 1",
        ),
        Question("2", "What is the capital of Peru?", "en", (), {}, "row 2"),
    )
    assert [(problem.row, problem.reason) for problem in found.broken] == [("row 3", "it has no question")]


def test_csv_without_an_answer_column_knows_no_answers(tmp_path: Path) -> None:
    file = tmp_path / "soal.csv"
    file.write_text("question,article\nSiapa?,final.txt\n", encoding="utf-8")
    assert read_questions(file).questions[0].answers is None


def test_squad_1_and_2(tmp_path: Path) -> None:
    context = "Pelabuhan ditutup sejak Senin."
    questions = [
        {
            "id": "1",
            "question": "Kapan?",
            "answers": [{"text": "Senin", "answer_start": 24}, {"text": "Senin", "answer_start": 24}],
        },
        {"id": "2", "question": "Berapa?", "answers": [], "is_impossible": True},
        {"id": "3", "question": "Siapa?"},
    ]
    file = write(
        tmp_path / "dev.json",
        {"data": [{"title": "x", "paragraphs": [{"context": context, "qas": questions}]}]},
    )
    found = read_questions(file)
    assert found.questions == (
        Question("1", "Kapan?", "id", ("Senin",), {context_id(context): 1}, "question 1"),
        Question("2", "Berapa?", "id", (), {}, "question 2"),
    )
    assert [problem.row for problem in found.broken] == ["question 3"]


def test_beir(tmp_path: Path) -> None:
    queries = [{"_id": name, "text": f"Siapa {name}?"} for name in ("q1", "q2", "q3")]
    write(tmp_path / "queries.jsonl", *queries)
    write(
        tmp_path / "qrels/test.tsv",
        "query-id\tcorpus-id\tscore",
        "q1\td1\t2",
        "q1\td2\t0",
        "q1\td3\t1",
        "q9\td1\t1",
        "q2\td1",
        "q3\td2\t1",
    )
    write(tmp_path / "qrels/dev.tsv", "query-id\tcorpus-id\tscore", "q2\td9\t1")
    found = read_questions(tmp_path)
    assert found.questions == (
        Question("q1", "Siapa q1?", "id", None, {"d1": 2, "d3": 1}, "queries.jsonl row 1"),
        Question("q3", "Siapa q3?", "id", None, {"d2": 1}, "queries.jsonl row 3"),
    )
    assert [problem.row for problem in found.broken] == ["test.tsv row 5", "test.tsv row 6"]
    dev = read_questions(tmp_path / "qrels/dev.tsv")
    assert [(question.id, question.articles) for question in dev.questions] == [("q2", {"d9": 1})]
    assert dev.digest != found.digest


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tiada.jsonl", None, "there is no question set"),
        ("soal.xlsx", "x", "is no question set that can be read"),
        ("soal.jsonl", "\n", "there is no question in"),
        ("soal.jsonl", "{}\n", "row 1: it has no question"),
        ("soal.csv", "a,b\n1,2\n", "has no column question"),
        ("soal.json", "[]", "is no SQuAD file"),
        ("soal.json", '{"data": [{"paragraphs": 1}]}', "is no SQuAD file"),
        ("folder/x.txt", "x", "is no BEIR folder"),
        ("qrels/test.tsv", "q\td\t1\n", "which is not there"),
    ],
)
def test_what_is_no_question_set(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    file = tmp_path / name
    if content is not None:
        write(file, content.rstrip("\n"))
    with pytest.raises(InputError, match=message):
        read_questions(file.parent if name.startswith("folder") else file)


def test_several_judgements_must_be_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "queries.jsonl", {"_id": "q1", "text": "Siapa?"})
    for name in ("dev", "train"):
        write(tmp_path / f"qrels/{name}.tsv", "q1\td1\t1")
    with pytest.raises(InputError, match=r"dev\.tsv, train\.tsv.*Name one: tanya evaluate .*dev\.tsv"):
        read_questions(tmp_path)


def test_utf_16_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "soal.jsonl"
    file.write_text('{"question": "Siapa?"}', encoding="utf-16")
    with pytest.raises(InputError, match="cannot be read as UTF-8 text"):
        read_questions(file)


def test_the_bundled_set_is_whole() -> None:
    found = read_questions(sample_folder() / "questions.jsonl")
    assert (len(found.questions), found.broken) == (80, ())
    assert sum(not question.is_answerable for question in found.questions) == 15
