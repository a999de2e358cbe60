"""``tanya evaluate`` and ``tanya read`` as people script them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import HARBOUR, RICE, WordEncoder
from evaluation_set import QUESTIONS, make_index, write_questions

import embeddings.encoder
from qa import cli
from qa.evaluation.reading import current_reader, read_answer


@pytest.fixture(autouse=True)
def words_for_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands load the encoder of the tests, which needs no weights."""

    def load(model: str | None = None, **prompts: str | None) -> WordEncoder:
        return WordEncoder("words")

    monkeypatch.setattr(embeddings.encoder.SentenceEncoder, "load", staticmethod(load))
    monkeypatch.delenv("TANYA_INDEX", raising=False)
    monkeypatch.delenv("TANYA_MODEL", raising=False)
    monkeypatch.delenv("TANYA_DENSE_WEIGHT", raising=False)
    monkeypatch.delenv("TANYA_THRESHOLD", raising=False)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    make_index(tmp_path / "index")
    return tmp_path / "index"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_evaluate_writes_figures_report_and_run(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = write_questions(tmp_path / "soal.jsonl", [*QUESTIONS, {"id": "rusak"}])
    out = tmp_path / "out"
    code, printed, err = run(capsys, "evaluate", questions, "--index", index, "--out", out)
    assert code == 0
    assert err == "  skipped row 6: it has no question\n"
    assert printed.startswith("retrieval.ndcg@10")
    assert printed.endswith(f"Written to {out}\n")
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["retrieval.recall@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 4}
    assert metrics["citation.verbatim"]["value"] == 1.0
    assert metrics["slices"]["answerability"]["unanswerable"]["abstention.refused_unanswerable"] == {
        "value": 1.0,
        "low": None,
        "high": None,
        "n": 1,
    }
    trec = (out / "run.trec").read_text(encoding="utf-8").splitlines()
    assert trec[0] == "beras Q0 arsip/beras.txt 1 0 tanya"
    assert "x%201 Q0 d3 1 0 tanya" in trec
    assert "`answer.f1`" in (out / "report.md").read_text(encoding="utf-8")
    before = metrics, (out / "predictions.jsonl").read_bytes()
    assert run(capsys, "evaluate", questions, "--index", index, "--out", out)[0] == 0
    again = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert (again, (out / "predictions.jsonl").read_bytes()) == before


def test_limit_and_system(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = write_questions(tmp_path / "soal.jsonl")
    out = tmp_path / "out"
    arguments = ("evaluate", questions, "--index", index, "--out", out, "--limit", 2)
    assert run(capsys, *arguments, "--system", "bm25-sentence", "--k", 3)[0] == 0
    rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == ["beras", "kapal"]
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (record["system"], record["k"], record["limit"]) == ("bm25-sentence", 3, 2)
    code, printed, err = run(capsys, *arguments)
    assert (code, printed) == (1, "")
    assert "holds a run of something else" in err


def test_runs_with_other_weights_are_other_runs(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ("evaluate", write_questions(tmp_path / "soal.jsonl"), "--index", index, "--out", out)
    assert run(capsys, *arguments, "--dense-weight", 0.0)[0] == 0
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["dense_weights"] == {"en": 0.0, "id": 0.0}
    assert set(record["thresholds"]) == {"en", "id"}
    rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert [place["path"] for place in rows[0]["ranking"]] == ["arsip/beras.txt"], "words alone find no other"
    code, _, err = run(capsys, *arguments)
    assert code == 1
    assert "dense_weights: {'en': 0.0, 'id': 0.0} against" in err
    code, _, err = run(capsys, *arguments, "--dense-weight", 0.5, "--system", "dense-only")
    assert code == 1
    assert "the system dense-only takes no --dense-weight, got 0.5" in err


def test_a_missing_article_is_said(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = write_questions(tmp_path / "soal.jsonl", [QUESTIONS[0] | {"article": "tiada.txt"}])
    code, _, err = run(capsys, "evaluate", questions, "--index", index, "--out", tmp_path / "out")
    assert code == 0
    assert err == "1 questions name an article that is not in the index: see --check\n"


def test_check(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = write_questions(tmp_path / "soal.jsonl")
    assert run(capsys, "evaluate", questions, "--index", index, "--check") == (
        0,
        "",
        "5 questions, 0 problems\n",
    )
    write_questions(
        questions, [QUESTIONS[0] | {"answers": ["gratis"]}, QUESTIONS[1] | {"article": "x"}, {"id": 1}]
    )
    code, printed, err = run(capsys, "evaluate", questions, "--index", index, "--check")
    assert code == 1
    assert printed.splitlines() == [
        "row 3: it has no question",
        "row 1: answer 'gratis' is not in the text of beras.txt",
        "row 2: article 'x' is not in the index",
    ]
    assert err == "2 questions, 3 problems\n"


def test_check_without_an_index_looks_at_the_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    questions = write_questions(tmp_path / "soal.jsonl")
    code, _, err = run(capsys, "evaluate", questions, "--check")
    assert code == 0
    assert "only the form of the questions is checked" in err
    code, _, err = run(capsys, "evaluate", questions, "--check", "--index", tmp_path / "tiada")
    assert code == 1
    assert "no index in" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["soal.jsonl"],
        ["soal.jsonl", "--out", "x", "--check"],
        ["soal.jsonl", "--out", "x", "--limit", "0"],
        ["soal.jsonl", "--out", "x", "--system", "gpt"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["evaluate", *arguments])
    assert stop.value.code == 2


def test_a_beir_folder_from_corpus_to_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beir = tmp_path / "beir"
    (beir / "qrels").mkdir(parents=True)
    documents = [("d 1", HARBOUR), ("d2", RICE), ("d3", RICE)]
    lines = [json.dumps({"_id": name, "title": "", "text": text}) for name, text in documents]
    (beir / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    queries = {"q1": "Kapan nelayan boleh melaut?", "q2": "Berapa harga beras?", "q3": "Siapa?"}
    lines = [json.dumps({"_id": name, "text": text}) for name, text in queries.items()]
    (beir / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    judged = "query-id\tcorpus-id\tscore\nq1\td 1\t1\nq2\td2\t1\nq2\td3\t2\n"
    (beir / "qrels/test.tsv").write_text(judged, encoding="utf-8")
    assert run(capsys, "index", beir / "corpus.jsonl", "--index", tmp_path / "index")[0] == 0
    code, printed, err = run(
        capsys, "evaluate", beir, "--index", tmp_path / "index", "--out", tmp_path / "out", "--retrieval-only"
    )
    assert (code, err) == (0, "")
    assert "answer.f1" not in printed
    metrics = json.loads((tmp_path / "out/metrics.json").read_text(encoding="utf-8"))
    # d2 and d3 have one text, so finding one is finding both.
    assert metrics["retrieval.recall@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}
    trec = (tmp_path / "out/run.trec").read_text(encoding="utf-8").splitlines()
    assert [line.split()[2] for line in trec if line.split()[3] == "1"] == ["d%201", "d2"]


def test_interrupted_it_says_how_to_go_on(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qa.evaluation.run.predict", interrupted)
    questions = write_questions(tmp_path / "soal.jsonl")
    code, _, err = run(capsys, "evaluate", questions, "--index", index, "--out", tmp_path / "out")
    assert code == 130
    assert "The same command goes on" in err


def test_an_unusable_folder_is_named(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = write_questions(tmp_path / "soal.jsonl")
    code, _, err = run(capsys, "evaluate", questions, "--index", index, "--out", questions / "out")
    assert code == 1
    assert "cannot be written to" in err


def test_read_answers_each_row_from_its_context(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.jsonl"
    lines = [
        {
            "id": 7,
            "question": "Berapa harga beras per kilogram di Pasar Induk?",
            "context": RICE,
            "answers": [],
        },
        {"id": "b", "question": "Siapa penemu mesin uap?", "context": HARBOUR},
        {"id": "c", "question": "Siapa?"},
        {"id": "d", "question": "Siapa?", "context": ""},
        {"id": "e", "question": "Siapa?", "context": "\ud800"},
    ]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{\n", encoding="utf-8")
    out = tmp_path / "predictions.jsonl"
    code, printed, err = run(capsys, "read", rows, "--out", out)
    assert (code, printed) == (0, "")
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "  skipped row 3",
        "  skipped row 5",
        "  skipped row 6",
    ]
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [list(row) for row in found] == [["id", "answer", "score", "no_answer_probability"]] * 3
    assert [(row["id"], row["answer"]) for row in found] == [
        (7, "Rp 14.500"),
        ("b", ""),
        ("d", ""),
    ]
    for row in found:
        assert row["score"] + row["no_answer_probability"] == pytest.approx(1.0)
    assert found[0]["score"] > found[1]["score"]
    assert found[2]["score"] == 0.0
    assert not out.with_name("predictions.jsonl.part").exists()


def test_read_of_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "predictions.jsonl"
    code, _, err = run(capsys, "read", tmp_path / "tiada.jsonl", "--out", out)
    assert code == 1
    assert "cannot be read as UTF-8 text" in err
    (tmp_path / "kosong.jsonl").write_text("\n", encoding="utf-8")
    code, _, err = run(capsys, "read", tmp_path / "kosong.jsonl", "--out", out)
    assert code == 1
    assert "there is no row" in err
    assert not out.exists()


def test_an_answer_is_verbatim_text_of_the_context() -> None:
    answer = read_answer("Kenapa Pelabuhan Tanjung Contoh ditutup?", HARBOUR, current_reader())
    assert answer["answer"]
    assert answer["answer"] in HARBOUR
