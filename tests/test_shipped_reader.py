"""The reader that comes with Tanya, as it lies in the package: its files, its number formats, what it reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForQuestionAnswering

from embeddings.checksums import SUMS_FILE, read_sums
from embeddings.errors import ModelError
from qa import spans
from qa.spans import Passage, ScoredSpan, SpanModel, default_reader_folder

FOLDER = default_reader_folder()

TALKS = Passage(
    "Menteri Luar Negeri Rusia Sergei Lavrov menengahi perundingan Armenia dan Azerbaijan di Moskow pada Jumat (19/5). "
    "Pertemuan yang berlangsung tiga jam itu juga dihadiri Wakil Perdana Menteri Mher Grigoryan.",
    "Rusia Tengahi Perundingan",
)
RICE = Passage(
    "Harga beras di Pasar Induk Cipinang naik menjadi Rp 14.500 per kilogram akibat gagal panen di Jawa Timur."
)
PASSAGES = [TALKS, RICE]


@pytest.fixture(scope="module")
def model() -> SpanModel:
    return SpanModel.load_default()


def best(model: SpanModel, question: str) -> tuple[str, ScoredSpan]:
    span = model.score(question, PASSAGES)[0]
    return PASSAGES[span.passage].text[span.start : span.end], span


def test_one_reader_ships_and_its_files_are_those_of_its_sums() -> None:
    assert [file.parent for file in FOLDER.parent.glob("*/config.json")] == [FOLDER]
    held = {file.name for file in FOLDER.iterdir()}
    assert held - set(read_sums(FOLDER)) <= {SUMS_FILE, "LICENSE", "README.md"}
    assert (FOLDER / "model.safetensors").stat().st_size <= 50e6
    with safe_open(FOLDER / "model.safetensors", framework="pt") as opened:
        assert {opened.get_slice(name).get_dtype() for name in opened.keys()} == {"F16"}  # noqa: SIM118


def test_the_card_names_the_checksum() -> None:
    assert read_sums(FOLDER)["model.safetensors"] in (FOLDER / "README.md").read_text("utf-8")


def test_transformers_loads_it_in_float32() -> None:
    theirs = AutoModelForQuestionAnswering.from_pretrained(FOLDER)
    assert {parameter.dtype for parameter in theirs.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Siapa yang menengahi perundingan Armenia dan Azerbaijan?", "Sergei Lavrov"),
        ("Who mediated the talks between Armenia and Azerbaijan?", "Sergei Lavrov"),
        ("In which city did Armenia and Azerbaijan talk?", "Moskow"),
        ("Berapa lama perundingan Armenia dan Azerbaijan berlangsung?", "tiga jam"),
        ("How much does a kilogram of rice cost at Cipinang market?", "Rp 14.500"),
        ("Mengapa harga beras naik?", "gagal panen"),
    ],
)
def test_it_reads_both_languages(model: SpanModel, question: str, answer: str) -> None:
    found, _ = best(model, question)
    assert answer in found
    assert len(found) <= 60


@pytest.mark.parametrize(
    "question",
    [
        "Siapa yang memenangi Piala Dunia 2018?",
        "What is the population of Peru?",
        "Kapan gedung itu dibangun?",
    ],
)
def test_it_finds_no_answer_where_there_is_none(model: SpanModel, question: str) -> None:
    assert best(model, question)[1].odds < 0


def test_both_number_formats_read_the_same() -> None:
    question = "Who mediated the talks between Armenia and Azerbaijan?"
    exact, rounded = (
        SpanModel.load(FOLDER, dtype).score(question, PASSAGES)[0] for dtype in ("float32", "bfloat16")
    )
    assert (exact.start, exact.end) == (rounded.start, rounded.end)
    assert exact.odds == pytest.approx(rounded.odds, abs=0.5)


def test_damage_is_named_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "reader"))
    monkeypatch.setattr(spans, "default_reader_folder", lambda: folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "num_hidden_layers": 5}))
    with pytest.raises(
        ModelError, match=r"default reader is damaged: the SHA-256 of .*config\.json.*(git|pip)"
    ):
        SpanModel.load_default()
    shutil.rmtree(folder)
    with pytest.raises(ModelError, match=r"default reader is missing.*(git|pip)"):
        SpanModel.load_default()
