"""The encoder with the default model where meaning counts, with tiny models where behaviour does."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny_models
import torch
from langchain_core.embeddings import Embeddings
from sentence_transformers import SentenceTransformer

from embeddings import encoder as encoder_module
from embeddings.checksums import read_sums
from embeddings.encoder import SentenceEncoder
from embeddings.errors import ModelError
from embeddings.model_folder import default_model_folder
from qa.types import Encoder

NEWS = [
    "The Minister of Trade opened a rice market in the capital on Monday.",
    "Scientists found water ice at the south pole of the moon.",
    "The football team won the final after a penalty shoot-out.",
]
TEXTS = [
    "harga beras naik",
    "menteri membuka rapat di pasar",
    "siapa",
    "who will talks ?",
    "the price of rice",
]


@pytest.fixture(scope="module")
def default() -> SentenceEncoder:
    return SentenceEncoder.load()


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny_models.make_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **named):
        raise AssertionError(f"the network was asked: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def assert_unit_rows(vectors: np.ndarray, shape: tuple[int, int]) -> None:
    assert (vectors.dtype, vectors.shape) == (np.float32, shape)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_default_model_finds_the_sentence_that_is_meant(default):
    passages = default.encode_passages(NEWS)
    assert_unit_rows(passages, (3, 384))
    questions = [
        "Is there frozen water on the moon?",
        "Who opened the rice market?",
        "How was the match decided?",
    ]
    queries = default.encode_queries(questions)
    assert_unit_rows(queries, (3, 384))
    assert np.argmax(queries @ passages.T, axis=1).tolist() == [1, 0, 2]


def test_the_default_fingerprint(default):
    fingerprint = default.fingerprint
    weights = read_sums(default_model_folder())["model.safetensors"]
    assert len(fingerprint["settings_sha256"]) == 64
    assert {**fingerprint, "settings_sha256": ""} == {
        "name": "tanya-en-id",
        "revision": weights[:12],
        "dimension": "384",
        "weights_sha256": weights,
        "settings_sha256": "",
        "query_prompt": "",
        "passage_prompt": "",
        "dtype_family": "float32/bfloat16",
    }
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    fingerprint["name"] = "changed"
    assert default.fingerprint["name"] == "tanya-en-id"
    assert default.dimension == 384


def test_bfloat16_and_float32_agree_on_the_default_model(default):
    exact = SentenceEncoder.load(dtype="float32")
    rounded = SentenceEncoder.load(dtype="bfloat16")
    assert (exact.dtype, rounded.dtype) == ("float32", "bfloat16")
    assert exact.fingerprint == rounded.fingerprint == default.fingerprint
    texts = [*NEWS, "Banjir merendam ribuan rumah di pesisir utara. " * 60, "?"]
    cosines = np.sum(exact.encode_passages(texts) * rounded.encode_passages(texts), axis=1)
    assert cosines.min() > 0.99
    assert not np.array_equal(exact.encode_passages(texts), rounded.encode_passages(texts))


def test_it_is_what_langchain_and_qa_expect(default):
    encoder: Encoder = default
    assert isinstance(default, Embeddings)
    rows = default.embed_documents(NEWS)
    assert rows == encoder.encode_passages(NEWS).tolist()
    assert default.embed_query("Who?") == encoder.encode_queries(["Who?"])[0].tolist()
    assert all(type(value) is float for value in rows[0])


def test_importing_the_module_does_not_import_torch():
    code = "import sys, embeddings.encoder; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_no_texts_give_no_rows(default):
    assert_unit_rows(default.encode_passages([]), (0, 384))
    assert default.embed_documents([]) == []


def test_rows_keep_the_order_of_the_texts_across_batches(bert):
    encoder = SentenceEncoder.load(str(bert), dtype="float32", batch_size=3)
    texts = TEXTS * 4
    together = encoder.encode_passages(texts)
    assert_unit_rows(together, (20, 32))
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(encoder.encode_passages([text])[0], row, atol=1e-5)


def test_odd_texts_are_encoded(default):
    assert_unit_rows(default.encode_queries(["", " \n", "\ud800 harga", "\0", "😀" * 50]), (5, 384))


def test_a_long_text_is_cut_before_the_tokenizer_and_keeps_its_vector(bert, monkeypatch):
    encoder = SentenceEncoder.load(str(bert), dtype="float32")
    seen = []
    original = encoder_module._raw_vectors

    def spy(model, texts, prompt):
        seen.extend(len(text) for text in texts)
        return original(model, texts, prompt)

    monkeypatch.setattr(encoder_module, "_raw_vectors", spy)
    beginning = "harga beras naik di pasar " * 5
    long, short = encoder.encode_passages([" " * 5000 + beginning * 10_000, beginning])
    np.testing.assert_allclose(long, short, atol=1e-5)
    assert max(seen) == 24 * encoder_module.CHARACTERS_PER_TOKEN
    other = encoder.encode_passages(["siapa " + beginning])[0]
    assert other @ short < 0.9999


def test_prompts_of_the_folder_are_used_and_flags_win(tmp_path, bert):
    plain = SentenceEncoder.load(str(bert), dtype="float32")
    folder = tiny_models.make_bert(
        tmp_path / "prompted", prompts={"query": "query: ", "passage": "passage: ", "other": "the "}
    )
    prompted = SentenceEncoder.load(str(folder), dtype="float32")

    def same(left: np.ndarray, right: np.ndarray) -> bool:
        return bool(np.abs(left - right).max() < 1e-5)

    bare = plain.encode_passages(TEXTS)
    queries, passages = (plain.encode_passages([p + t for t in TEXTS]) for p in ("query: ", "passage: "))
    assert same(prompted.encode_queries(TEXTS), queries)
    assert same(prompted.encode_passages(TEXTS), passages)
    assert not same(queries, passages)
    assert (prompted.fingerprint["query_prompt"], prompted.fingerprint["passage_prompt"]) == (
        "query: ",
        "passage: ",
    )
    swapped = SentenceEncoder.load(str(folder), dtype="float32", query_prompt="passage: ", passage_prompt="")
    assert same(swapped.encode_queries(TEXTS), passages)
    assert same(swapped.encode_passages(TEXTS), bare)
    assert swapped.fingerprint != prompted.fingerprint
    added = SentenceEncoder.load(str(bert), dtype="float32", query_prompt="query: ")
    assert same(added.encode_queries(TEXTS), queries)
    assert same(added.encode_passages(TEXTS), bare)


def test_a_document_prompt_is_a_passage_prompt(tmp_path):
    prompts = {"document": "the ", "passage": "passage: "}
    folder = tiny_models.make_bert(tmp_path / "model", prompts=prompts)
    assert SentenceEncoder.load(str(folder)).fingerprint["passage_prompt"] == "the "


def test_loading_asks_no_network_and_says_nothing(bert, no_network, capfd, caplog):
    from huggingface_hub import constants
    from transformers.utils import logging as transformers_logging

    def switches():
        level = logging.getLogger("sentence_transformers").level
        bar = transformers_logging.is_progress_bar_enabled()
        return constants.HF_HUB_OFFLINE, transformers_logging.get_verbosity(), bar, level

    before = switches()
    assert_unit_rows(SentenceEncoder.load(str(bert)).encode_passages(TEXTS), (5, 32))
    assert switches() == before
    assert capfd.readouterr() == ("", "")


def half_of(bert, folder, *, dtype):
    """A copy whose weights are kept in float16, while its config says ``dtype``."""
    tiny_models.copy_of(bert, folder)
    tiny_models.change_weights(folder, lambda weights: {k: v.half() for k, v in weights.items()})
    config = json.loads((folder / "config.json").read_text())
    tiny_models.write_json(folder / "config.json", {**config, "dtype": dtype})
    return folder


@pytest.mark.parametrize("half", ["float16", "float32", "static"])
def test_float16_weights_never_compute_in_float16(tmp_path, bert, half):
    if half != "static":
        folder = half_of(bert, tmp_path / "half", dtype=half)
        exact = SentenceEncoder.load(str(bert), dtype="float32")
    else:
        folder = tiny_models.make_static(tmp_path / "half", dtype=torch.float16)
        exact = SentenceEncoder.load(str(tiny_models.make_static(tmp_path / "full")), dtype="float32")
    for dtype in ("auto", "float32", "bfloat16"):
        encoder = SentenceEncoder.load(str(folder), dtype=dtype)
        formats = {parameter.dtype for parameter in encoder._model.parameters()}
        assert formats == {getattr(torch, encoder.dtype)}
        assert encoder.dtype in ("float32", "bfloat16")
        texts = TEXTS[:3]
        cosines = np.sum(encoder.encode_passages(texts) * exact.encode_passages(texts), axis=1)
        assert cosines.min() > (0.9999 if encoder.dtype == "float32" else 0.99)


def test_float16_weights_whose_config_says_float32_compute_so_in_the_plain_library_too(tmp_path, bert):
    folder = half_of(bert, tmp_path / "half", dtype="float32")
    tiny_models.write_json(
        folder / "config_sentence_transformers.json", {"prompts": {"query": "", "document": ""}}
    )
    plain = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    assert {parameter.dtype for parameter in plain.parameters()} == {torch.float32}
    encoder = SentenceEncoder.load(str(folder), dtype="float32")
    for vectors, expected in [
        (plain.encode_query(TEXTS, normalize_embeddings=True), encoder.encode_queries(TEXTS)),
        (plain.encode_document(TEXTS, normalize_embeddings=True), encoder.encode_passages(TEXTS)),
    ]:
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
    without = half_of(bert, tmp_path / "without", dtype="float16")
    careless = SentenceTransformer(str(without), device="cpu", local_files_only=True)
    assert {parameter.dtype for parameter in careless.parameters()} == {torch.float16}


def test_auto_takes_bfloat16_only_where_the_cpu_has_it_and_the_vectors_agree(bert, monkeypatch):
    monkeypatch.setattr(encoder_module, "cpu_has_bfloat16", lambda: True)
    assert SentenceEncoder.load(str(bert)).dtype == "bfloat16"
    monkeypatch.setattr(encoder_module, "cpu_has_bfloat16", lambda: False)
    assert SentenceEncoder.load(str(bert)).dtype == "float32"
    monkeypatch.setattr(encoder_module, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(encoder_module, "DTYPE_TOLERANCE", 1e-9)
    assert SentenceEncoder.load(str(bert)).dtype == "float32"
    with pytest.raises(ModelError, match=r"gives other vectors in bfloat16 .* Use float32"):
        SentenceEncoder.load(str(bert), dtype="bfloat16")


def test_the_cpu_is_judged_by_what_torch_says_of_it(monkeypatch):
    for flags, expected in [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False}, False),
        ({}, False),
    ]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        assert encoder_module.cpu_has_bfloat16() is expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert encoder_module.cpu_has_bfloat16() is False


def test_missing_and_damaged_weights_are_refused(tmp_path, bert):
    name = "encoder.layer.1.output.dense.weight"
    lacking = tiny_models.copy_of(bert, tmp_path / "lacking")
    tiny_models.change_weights(lacking, lambda weights: {k: v for k, v in weights.items() if k != name})
    with pytest.raises(ModelError, match=f"lacks weights: {name}"):
        SentenceEncoder.load(str(lacking))
    pooler = tiny_models.copy_of(bert, tmp_path / "pooler")
    tiny_models.change_weights(
        pooler, lambda weights: {k: v for k, v in weights.items() if not k.startswith("pooler.")}
    )
    np.testing.assert_array_equal(
        SentenceEncoder.load(str(pooler)).encode_passages(TEXTS),
        SentenceEncoder.load(str(bert)).encode_passages(TEXTS),
    )
    cut = tiny_models.copy_of(bert, tmp_path / "cut")
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="cut cannot be loaded"):
        SentenceEncoder.load(str(cut))


def test_vectors_that_mean_nothing_are_refused(tmp_path, bert):
    spoiled = tiny_models.copy_of(bert, tmp_path / "spoiled")
    tiny_models.change_weights(spoiled, lambda weights: {k: v * float("nan") for k, v in weights.items()})
    with pytest.raises(ModelError, match="vector of length nan"):
        SentenceEncoder.load(str(spoiled))
    words = SentenceEncoder.load(str(tiny_models.make_static(tmp_path / "static")))
    assert_unit_rows(words.encode_passages(["harga beras"]), (1, 16))
    with pytest.raises(ModelError, match="vector of length 0 for the text that starts 'xyz'"):
        words.encode_passages(["harga beras", "xyz"])
    assert words.max_tokens == encoder_module.UNLIMITED_TOKENS


def test_threads_share_one_encoder(bert):
    encoder = SentenceEncoder.load(str(bert), dtype="float32", batch_size=2)
    expected = {text: encoder.encode_queries([text])[0] for text in TEXTS}

    def ask(row: int) -> float:
        texts = [TEXTS[row % 5], TEXTS[(row * 3 + 1) % 5], TEXTS[(row + 2) % 5]]
        found = encoder.encode_queries(texts)
        return max(float(np.abs(expected[text] - one).max()) for text, one in zip(texts, found, strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(ask, range(200))) < 1e-5


def test_wrong_arguments_are_named(bert):
    encoder = SentenceEncoder.load(str(bert))
    with pytest.raises(TypeError, match="got a single str"):
        encoder.encode_passages("harga")
    with pytest.raises(ModelError, match="batch_size must be at least 1, got 0"):
        SentenceEncoder.load(str(bert), batch_size=0)
    with pytest.raises(ModelError, match=r"dtype must be .* got 'float16'"):
        SentenceEncoder.load(str(bert), dtype="float16")
