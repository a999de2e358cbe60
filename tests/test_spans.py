"""The model of the reader: windows of a question and its passages, and the spans that its logits say."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import WORDS, word_tokenizer
from transformers import BertConfig, BertForQuestionAnswering

from embeddings.errors import ModelError
from qa import spans
from qa.spans import Passage, SpanModel, Window, Windows, best_spans, make_network, run_network
from qa.training.export import export

CONFIG = BertConfig(
    vocab_size=len(WORDS),
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=64,
    initializer_range=0.5,
    type_vocab_size=4,
).to_dict()
QUESTION = "siapa memimpin rapat ?"


@pytest.fixture(scope="module")
def model() -> SpanModel:
    torch.manual_seed(3)
    return SpanModel(make_network(CONFIG).eval(), word_tokenizer(with_markers=False))


@pytest.fixture
def windows() -> Windows:
    return Windows(word_tokenizer(with_markers=False))


def names(ids: list[int]) -> str:
    return " ".join(WORDS[one] for one in ids)


def test_a_window_is_question_title_and_passage_between_marks(windows: Windows) -> None:
    passage = Passage("Menteri membuka rapat.", "Harga beras naik")
    (window,) = windows.cut(QUESTION, [passage])
    assert names(window.ids) == (
        "[CLS] siapa memimpin rapat ? [SEP] harga beras naik [SEP] menteri membuka rapat . [SEP]"
    )
    assert WORDS[window.ids[window.first]] == "menteri"
    assert [passage.text[start:end] for start, end in window.offsets] == ["Menteri", "membuka", "rapat", "."]
    (plain,) = windows.cut(QUESTION, [Passage("Menteri membuka rapat.")])
    assert names(plain.ids) == "[CLS] siapa memimpin rapat ? [SEP] menteri membuka rapat . [SEP]"
    assert len(plain.segments) == len(plain.ids)


def segments_of(windows: Windows, question: str, passage: Passage) -> dict[int, list[str]]:
    (window,) = windows.cut(question, [passage])
    found: dict[int, list[str]] = {}
    for token, segment in zip(window.ids, window.segments, strict=True):
        found.setdefault(segment, []).append(WORDS[token])
    return found


def test_words_that_question_and_passage_share_have_segments_of_their_own(windows: Windows) -> None:
    found = segments_of(windows, QUESTION, Passage("Menteri membuka rapat.", "Harga beras naik"))
    assert found[spans.IN_QUESTION] == ["[CLS]", "siapa", "memimpin", "?", "[SEP]"]
    assert found[spans.SHARED_IN_QUESTION] == ["rapat"]
    assert found[spans.SHARED_IN_PASSAGE] == ["rapat"]
    assert found[spans.IN_PASSAGE] == [
        "harga", "beras", "naik", "[SEP]", "menteri", "membuka", ".", "[SEP]"
    ]  # fmt: skip
    # A word of the title counts; a function word does not, nor a word that only another passage has.
    both = windows.cut("di pasar harga ?", [Passage("rapat di kota", "harga"), Passage("pasar")])
    assert [
        [WORDS[token] for token, kind in zip(each.ids, each.segments, strict=True) if kind > 1]
        for each in both
    ] == [
        ["harga", "harga"],
        ["pasar", "pasar"],
    ]


def test_a_model_of_two_segments_is_told_nothing_of_shared_words() -> None:
    plain = make_network({**CONFIG, "type_vocab_size": 2}).eval()
    known = SpanModel(plain, word_tokenizer(with_markers=False))
    (window,) = known.windows.cut(QUESTION, [Passage("Menteri membuka rapat.", "Harga beras naik")])
    assert set(window.segments) == {spans.IN_QUESTION, spans.IN_PASSAGE}
    assert known.score(QUESTION, [Passage("Menteri membuka rapat.")])


def test_an_english_word_is_shared_with_its_translation() -> None:
    texts = spans._Terms("Who mediated the rice price talks ?")
    passage = "Harga beras: Lavrov menjadi penengah"
    offsets = [(found.start(), found.end()) for found in re.finditer(r"\w+", passage)]
    shared = [bool(terms) for terms in texts.of_tokens(passage, offsets)]
    assert shared == [True, True, False, False, True]


def test_a_long_passage_is_cut_into_windows_that_overlap_and_lose_nothing(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "MAX_TOKENS", 16)
    monkeypatch.setattr(spans, "OVERLAP_TOKENS", 3)
    text = "harga beras naik di pasar menteri perdagangan membuka rapat siapa yang memimpin perundingan rapat"
    cut = windows.cut("harga ?", [Passage("di pasar"), Passage(text)])
    assert [window.passage for window in cut] == [0, 1, 1]
    assert all(len(window.ids) <= 16 for window in cut)
    first, second = cut[1:]
    assert first.offsets[-3:] == second.offsets[:3]
    assert (first.offsets[0][0], second.offsets[-1][1]) == (0, len(text))


def test_an_empty_passage_and_half_a_surrogate_pair_do_no_harm(model: SpanModel) -> None:
    assert model.score(QUESTION, []) == []
    assert model.score(QUESTION, [Passage("")]) == []
    found = model.score("siapa \ud800?", [Passage("rapat \ud800 menteri")])
    assert found
    assert all(0 <= span.start < span.end <= len("rapat x menteri") for span in found)


def test_only_the_passage_and_the_mark_of_no_answer_have_logits(model: SpanModel) -> None:
    window, other = model.windows.cut(QUESTION, [Passage("rapat di pasar", "harga"), Passage("beras")])
    for logits in run_network(model.network, [window, other]):
        open_places = torch.isfinite(logits)
        assert open_places[0].nonzero().flatten().tolist() == [0, *range(window.first, window.first + 3)]
        assert open_places[1].nonzero().flatten().tolist() == [0, other.first]


def test_a_passage_has_the_same_spans_whatever_is_read_beside_it(model: SpanModel) -> None:
    asked = Passage("menteri perdagangan membuka rapat di pasar", "harga beras")
    alone = model.score(QUESTION, [asked])
    beside = model.score(QUESTION, [Passage("beras " * 30), asked, Passage("naik")])
    again = [span for span in beside if span.passage == 1]
    assert [(span.start, span.end) for span in again] == [(span.start, span.end) for span in alone]
    assert [span.odds for span in again] == pytest.approx([span.odds for span in alone], abs=1e-4)
    assert [span.odds for span in beside] == sorted((span.odds for span in beside), reverse=True)


def test_spans_of_overlapping_windows_do_not_overlap(
    model: SpanModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "MAX_TOKENS", 16)
    monkeypatch.setattr(spans, "OVERLAP_TOKENS", 3)
    text = "harga beras naik di pasar menteri perdagangan membuka rapat siapa yang memimpin perundingan rapat"
    found = model.score("harga ?", [Passage(text)], spans=3)
    assert len(found) == 3
    ordered = sorted((span.start, span.end) for span in found)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(ordered))


def window(words: int, inside: tuple[int, ...] = (), borders: tuple[int, ...] = ()) -> Window:
    """A window of a question of one token and a passage of two-letter words."""
    offsets = [(3 * number, 3 * number + 2) for number in range(words)]
    inner = [row in inside for row in range(words)]
    numbers = [sum(row >= border for border in borders) for row in range(words)]
    return Window(0, [2, 9, 3, *range(words), 3], [0] * 3 + [1] * (words + 1), 3, offsets, inner, numbers)


def logits(words: int, no_answer: float, **places: float) -> np.ndarray:
    found = np.full(words + 4, -20.0, np.float32)
    found[0] = no_answer
    for place, value in places.items():
        found[3 + int(place[1:])] = value
    return found


def test_the_best_span_has_the_highest_sum_measured_from_no_answer() -> None:
    start, end = logits(6, 1.0, w1=5.0, w4=3.0), logits(6, 2.0, w2=4.0, w4=6.0)
    best = best_spans(window(6), start, end, 3)
    assert (best[0].start, best[0].end, best[0].odds) == (3, 14, pytest.approx(5 + 6 - 3))
    assert all(span.end <= 3 or span.start >= 14 for span in best[1:])
    # An end before its start is none.
    start, end = logits(6, 0.0, w4=5.0), logits(6, 0.0, w1=5.0)
    assert best_spans(window(6), start, end, 1)[0].odds < 0


def test_no_span_begins_or_ends_inside_a_word() -> None:
    start, end = logits(4, 0.0, w1=9.0, w0=2.0), logits(4, 0.0, w1=9.0, w2=3.0)
    assert [(span.start, span.end) for span in best_spans(window(4), start, end, 1)] == [(3, 5)]
    whole = best_spans(window(4, inside=(1, 2)), start, end, 1)
    assert [(span.start, span.end) for span in whole] == [(0, 8)]


def test_no_span_goes_on_in_the_next_sentence() -> None:
    start, end = logits(6, 0.0, w1=9.0, w3=4.0), logits(6, 0.0, w4=9.0, w2=3.0)
    assert [(span.start, span.end) for span in best_spans(window(6), start, end, 1)] == [(3, 14)]
    apart = best_spans(window(6, borders=(3,)), start, end, 2)
    assert [(span.start, span.end) for span in apart] == [(9, 14), (3, 8)]


def test_sentences_are_those_of_the_passage(windows: Windows) -> None:
    (cut,) = windows.cut(QUESTION, [Passage("Menteri membuka rapat. Harga beras naik.\nDi pasar")])
    assert cut.sentences == [1] * 4 + [2] * 4 + [3] * 2


def test_no_span_is_longer_than_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "ANSWER_TOKENS", 2)
    best = best_spans(window(5), logits(5, 0.0, w0=9.0), logits(5, 0.0, w4=9.0, w1=1.0), 1)
    assert (best[0].start, best[0].end) == (0, 5)


def test_a_saved_reader_is_loaded_by_us_and_by_transformers(model: SpanModel, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    word_tokenizer(with_markers=False).save(str(encoder / "tokenizer.json"))
    (encoder / "tokenizer_config.json").write_text("{}")
    folder = tmp_path / "reader"
    export(model.network, encoder, folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"
    passages = [Passage("menteri membuka rapat di pasar"), Passage("harga beras naik")]
    expected = model.score(QUESTION, passages)
    found = SpanModel.load(folder, "float32").score(QUESTION, passages)
    assert [(span.passage, span.start, span.end) for span in found] == [
        (span.passage, span.start, span.end) for span in expected
    ]
    assert [span.odds for span in found] == pytest.approx([span.odds for span in expected], abs=0.05)
    theirs = BertForQuestionAnswering.from_pretrained(folder)
    assert theirs.qa_outputs.weight.dtype == torch.float32


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_reader_is_named(model: SpanModel, tmp_path: Path, name: str) -> None:
    word_tokenizer(with_markers=False).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    export(model.network, tmp_path, tmp_path / "reader")
    file = tmp_path / "reader" / name
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ModelError, match="reader"):
        SpanModel.load(tmp_path / "reader")
    file.unlink()
    with pytest.raises(ModelError, match="reader"):
        SpanModel.load(tmp_path / "reader")


def test_another_architecture_is_refused() -> None:
    with pytest.raises(ModelError, match="'gpt2'"):
        make_network({"model_type": "gpt2"})
