"""The command line as people script it: exit codes, what is printed where, the JSON to the letter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HARBOUR, MATCH, RICE, WordEncoder

import embeddings.encoder
from qa import cli
from qa.index import verify_index

ARTICLES = {
    "pelabuhan.txt": f"Pelabuhan Tutup\n\nContoh - Jumat, 19 Mei 2023 | 14:20 WIB\n\n{HARBOUR}\n\nEditor : Redaksi\n",
    "beras.txt": f"Harga Beras Naik\n\nContoh - Senin, 22 Mei 2023 | 09:00 WIB\n\n{RICE}\n",
    "final.txt": f"{MATCH}\n",
}


@pytest.fixture(autouse=True)
def words_for_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands load the encoder of the tests, which needs no weights."""

    def load(model: str | None = None, **prompts: str | None) -> WordEncoder:
        return WordEncoder(model or "words")

    monkeypatch.setattr(embeddings.encoder.SentenceEncoder, "load", staticmethod(load))
    monkeypatch.delenv("TANYA_INDEX", raising=False)
    monkeypatch.delenv("TANYA_MODEL", raising=False)
    monkeypatch.delenv("TANYA_DENSE_WEIGHT", raising=False)
    monkeypatch.delenv("TANYA_THRESHOLD", raising=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "berita"
    folder.mkdir()
    for name, text in ARTICLES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def index(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "index"
    assert cli.main(["index", str(corpus), "--index", str(folder)]) == 0
    capsys.readouterr()
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_answers_without_loading_models() -> None:
    program = "import sys\nfrom qa.cli import build_parser\nbuild_parser().format_help()\n"
    program += (
        "print(sorted(m for m in ('torch', 'gradio', 'faiss', 'sentence_transformers') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [[], ["ask"], ["ask", "x", "--from", "19/5/2023"], ["ask", "x", "--k", "0"], ["sing"], ["index"]],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2


def test_index_reports_what_changed(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "index"
    (corpus / "salinan.txt").write_text(ARTICLES["beras.txt"], encoding="utf-8")
    (corpus / "gambar.pdf").write_bytes(b"%PDF-1.7 ...")
    code, out, err = run(capsys, "index", corpus, "--index", folder)
    assert code == 0
    assert out == f"3 added, 0 updated, 1 duplicate, 0 unchanged, 0 pruned, 1 skipped in {folder}\n"
    assert "skipped gambar.pdf" in err
    assert "PDF" in err

    (corpus / "final.txt").write_text(MATCH.replace("3-1", "3-2"), encoding="utf-8")
    (corpus / "pelabuhan.txt").unlink()
    _, out, _ = run(capsys, "index", corpus, "--index", folder, "--prune")
    assert out.startswith("0 added, 1 updated, 0 duplicate, 2 unchanged, 1 pruned, 1 skipped")
    assert verify_index(folder) == []


def test_index_of_a_path_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "index", tmp_path / "tiada", "--index", tmp_path / "index")
    assert (code, out) == (1, "")
    assert err == f"tanya: there is no file or folder {tmp_path / 'tiada'}\n"
    assert not (tmp_path / "index").exists()


def test_explain_shows_and_indexes_nothing(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "index", "--explain", corpus / "pelabuhan.txt", "--index", tmp_path / "index")
    assert code == 0
    assert "Pelabuhan Tutup" in out
    assert "Editor : Redaksi" in out
    assert not (tmp_path / "index").exists()


def test_ask_json_is_one_object_of_the_contract(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, "ask", "Berapa harga beras per kilogram di Pasar Induk?", "--index", index, "--json"
    )
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert list(answer) == [
        "question",
        "language",
        "answer",
        "abstained",
        "confidence",
        "sureness",
        "citations",
        "alternatives",
        "passages",
        "timings_ms",
    ]
    assert answer["language"] == "id"
    assert answer["abstained"] is False
    assert 0 <= answer["confidence"] <= 1
    citation = answer["citations"][0]
    assert list(citation) == [
        "marker",
        "article_id",
        "title",
        "source",
        "published_at",
        "path",
        "start",
        "end",
        "quote",
        "dates",
    ]
    assert citation["quote"] == "Harga beras naik menjadi Rp 14.500 per kilogram di Pasar Induk."
    assert citation["end"] - citation["start"] == len(citation["quote"])
    assert (citation["marker"], citation["path"], citation["published_at"]) == (1, "beras.txt", "2023-05-22")
    assert answer["answer"] in citation["quote"]
    assert list(answer["passages"][0]) == [
        "article_id",
        "external_id",
        "chunk_id",
        "path",
        "score",
        "ranks",
        "start",
        "end",
        "text",
    ]
    assert answer["passages"][0]["chunk_id"] == f"{citation['article_id']}-0"


def test_ask_refuses_off_topic_questions_with_exit_0(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "ask", "Siapa penemu mesin uap?", "--index", index, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["answer"] is None
    assert answer["abstained"] is True
    assert answer["citations"] == []
    _, out, _ = run(capsys, "ask", "Who invented the steam engine?", "--index", index)
    assert out.startswith("The archive does not say.")


def test_filters_narrow_and_undated_are_counted_on_standard_error(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = "pelabuhan beras final"
    code, out, err = run(capsys, "search", question, "--index", index, "--from", "2023-05-20", "--json")
    assert code == 0
    assert [passage["path"] for passage in json.loads(out)["passages"]] == ["beras.txt"]
    assert err == "1 articles have no date and are left out by --from and --to\n"
    _, out, err = run(capsys, "search", question, "--index", index, "--source", "CONTOH", "--json")
    assert {passage["path"] for passage in json.loads(out)["passages"]} == {"beras.txt", "pelabuhan.txt"}
    assert err == ""
    code, _, err = run(
        capsys, "search", question, "--index", index, "--from", "2024-01-02", "--to", "2024-01-01"
    )
    assert code == 1
    assert "2024-01-02" in err


def test_remove_by_id_and_by_the_id_before_an_update(
    index: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(capsys, "search", "beras", "--index", index, "--json")
    old = json.loads(out)["passages"][0]["article_id"]
    (corpus / "beras.txt").write_text(ARTICLES["beras.txt"].replace("14.500", "15.000"), encoding="utf-8")
    run(capsys, "index", corpus, "--index", index)
    code, out, err = run(capsys, "remove", old, "0123456789abcdef", "--index", index)
    assert code == 1
    assert out.startswith("removed ")
    assert old not in out
    assert err == f"tanya: no article 0123456789abcdef in {index}\n"
    _, out, _ = run(capsys, "search", "harga beras", "--index", index, "--json")
    assert "beras.txt" not in [passage["path"] for passage in json.loads(out)["passages"]]


@pytest.mark.parametrize("command", [["ask", "Siapa?"], ["search", "Siapa?"], ["remove", "x"]])
def test_a_missing_index_is_one_line_with_the_remedy(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *command, "--index", tmp_path / "tiada")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert f"tanya index PATH --index {tmp_path / 'tiada'}" in err
    assert not (tmp_path / "tiada").exists()


def test_an_empty_question_is_an_error(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "ask", "   ", "--index", index)
    assert code == 1
    assert "empty" in err


def test_another_model_is_refused_and_both_are_named(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "ask", "Siapa?", "--index", index, "--model", "lain")
    assert code == 1
    assert "words" in err
    assert "lain" in err
    assert "--rebuild" in err


def test_rebuild_takes_another_model_and_later_commands_know_it(
    index: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "index", corpus, "--index", index, "--rebuild", "--model", "lain")
    assert code == 0
    assert out.startswith("3 added")
    code, out, _ = run(capsys, "ask", "Berapa harga beras di Pasar Induk?", "--index", index, "--json")
    assert code == 0
    assert json.loads(out)["passages"][0]["path"] == "beras.txt"


def test_the_environment_names_the_index(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANYA_INDEX", str(index))
    code, out, _ = run(capsys, "search", "harga beras", "--json")
    assert code == 0
    assert json.loads(out)["passages"][0]["path"] == "beras.txt"


def test_the_weight_of_meaning_is_a_flag_first_then_the_environment(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ways_found(*flags: object) -> set[str]:
        code, out, _ = run(capsys, "search", "Mengapa pelabuhan ditutup?", "--index", index, "--json", *flags)
        assert code == 0
        # By meaning every passage is found, by words only the one that shares them.
        return {passage["path"] for passage in json.loads(out)["passages"]}

    assert ways_found() == set(ARTICLES)
    assert ways_found("--dense-weight", "0") == {"pelabuhan.txt"}
    monkeypatch.setenv("TANYA_DENSE_WEIGHT", "0")
    assert ways_found() == {"pelabuhan.txt"}
    assert ways_found("--dense-weight", "0.5") == set(ARTICLES)


@pytest.mark.parametrize("weight", ["1.5", "-0.1", "nan", "banyak"])
def test_a_weight_that_is_no_share_is_refused(
    weight: str, index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["search", "beras", "--index", str(index), f"--dense-weight={weight}"])
    assert f"{weight!r} is not a number from 0 to 1" in capsys.readouterr().err
    monkeypatch.setenv("TANYA_DENSE_WEIGHT", weight)
    code, out, err = run(capsys, "search", "beras", "--index", index)
    assert (code, out) == (1, "")
    assert f"$TANYA_DENSE_WEIGHT: {weight!r} is not a number from 0 to 1" in err


def test_a_threshold_decides_what_is_answered(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def abstained(*flags: object) -> bool:
        question = "Berapa harga beras per kilogram di Pasar Induk?"
        code, out, _ = run(capsys, "ask", question, "--index", index, "--json", *flags)
        assert code == 0
        return bool(json.loads(out)["abstained"])

    assert not abstained()
    assert abstained("--threshold", "1")
    monkeypatch.setenv("TANYA_THRESHOLD", "1")
    assert abstained()
    assert not abstained("--threshold", "0")
    monkeypatch.setenv("TANYA_THRESHOLD", "ya")
    code, out, err = run(capsys, "ask", "beras?", "--index", index)
    assert (code, out) == (1, "")
    assert "$TANYA_THRESHOLD: 'ya' is not a number from 0 to 1" in err


def test_ctrl_c_keeps_what_was_indexed_and_says_how_to_go_on(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import qa.writer

    monkeypatch.setattr(qa.writer, "BATCH_CHUNKS", 1)
    folder = tmp_path / "index"
    encode = WordEncoder.encode_passages

    def interrupted(self: WordEncoder, texts: list[str]) -> object:
        if len(self.encoded) >= 2:
            raise KeyboardInterrupt
        return encode(self, texts)

    monkeypatch.setattr(WordEncoder, "encode_passages", interrupted)
    code, _, err = run(capsys, "index", corpus, "--index", folder)
    assert code == 130
    assert "run the same command again" in err
    monkeypatch.setattr(WordEncoder, "encode_passages", encode)
    _, out, _ = run(capsys, "index", corpus, "--index", folder)
    assert out.startswith("1 added, 0 updated, 0 duplicate, 2 unchanged")
    assert verify_index(folder) == []


def test_article_text_cannot_drive_the_terminal(
    index: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / "jahat.txt").write_text(
        f"Menara \x1b[2J\x1b]0;diambil alih\x07 Contoh \u202eroboh kemarin.\n{HARBOUR * 3}", encoding="utf-8"
    )
    run(capsys, "index", corpus, "--index", index)
    for command in ("ask", "search"):
        _, out, _ = run(capsys, command, "Menara Contoh roboh?", "--index", index)
        assert "Menara" in out
        assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_doctor_finds_a_sound_index_sound_and_a_damaged_one_not(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "doctor", "--index", index)
    assert code == 0, out
    assert "3 articles, 3 passages" in out
    database = index / "tanya.db"
    database.write_bytes(b"x" * 5000)
    code, out, _ = run(capsys, "doctor", "--index", index)
    assert code == 1
    assert "--rebuild" in out
