"""A question and passages to character spans that may answer, each with its odds: the model of the reader.

A BERT body over ``[CLS] question [SEP] title [SEP] passage [SEP]`` with two outputs a token, as
``BertForQuestionAnswering`` has them (Devlin et al. 2019): where an answer starts and where it ends. ``[CLS]`` stands
for "this passage does not say". The segments tell more than BERT's do: words of the question that stand in title or
passage, as themselves, in another form or translated, and the words there that they stand as, have segments of their
own, if the model knows four.
Knows texts and tensors; knows nothing of articles or thresholds.
"""

from __future__ import annotations

import importlib
import json
import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import cpu_has_bfloat16
from embeddings.errors import ModelError
from embeddings.model_folder import check_shipped
from qa.chunking import sentence_spans
from qa.terms import located_words, read_terms, stem

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

MAX_TOKENS = 256
"""Longest window, question and marks included: a chunk of 90 words takes about 150."""
QUESTION_TOKENS = 64
TITLE_TOKENS = 32
OVERLAP_TOKENS = 64
"""How much of a window is in the next one too: no answer is longer."""
ANSWER_TOKENS = 40
"""Longest answer: of those in the training data 99 % are shorter."""
SPANS = 4
"""Spans returned of a passage, none of which overlaps a better one."""
BATCH_TOKENS = 2_048
"""Tokens computed at once, padding included."""

IN_QUESTION, IN_PASSAGE, SHARED_IN_PASSAGE, SHARED_IN_QUESTION = range(4)
"""The segments; title counts as passage."""

DEFAULT_NAME = "tanya-reader-en-id"
CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"
WEIGHTS_FILE = "model.safetensors"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Passage:
    """What is read: ``title`` is context, no answer is taken from it."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """``text[start:end]`` of passage number ``passage``.

    ``odds``: how much likelier the model holds it to be the answer than that its window has none, as a natural
    logarithm.
    """

    passage: int
    start: int
    end: int
    odds: float


@dataclass(frozen=True, slots=True)
class Window:
    """The tokens of a question with a part of a passage.

    ``segments``: as long as ``ids``. ``offsets``: characters in the passage of each of its tokens, which begin at
    ``first`` in ``ids``. ``inside``: whether a token goes on with the word before it.
    ``sentences``: the number in the passage of the sentence that a token is in.
    """

    passage: int
    ids: list[int]
    segments: list[int]
    first: int
    offsets: list[tuple[int, int]]
    inside: list[bool]
    sentences: list[int]


class Windows:
    """Cuts questions with passages into windows for one tokenizer.

    ``shared``: whether shared words have segments of their own, as the model must know them.
    """

    def __init__(self, tokenizer: Tokenizer, *, shared: bool = True) -> None:
        self._shared = shared
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._start, self._end = (_id_of(tokenizer, mark) for mark in ("[CLS]", "[SEP]"))

    def cut(self, question: str, passages: Sequence[Passage]) -> list[Window]:
        """Return the windows of all passages, in their order; a text without a token has none."""
        question = _clean(question)
        titles, texts = [_clean(each.title) for each in passages], [_clean(each.text) for each in passages]
        encoded = self._tokenizer.encode_batch([question, *titles, *texts], add_special_tokens=False)
        asked = encoded[0]
        terms = _Terms(question if self._shared else "")
        question_terms = terms.of_tokens(question, asked.offsets[:QUESTION_TOKENS])
        windows = []
        for number, (title, body) in enumerate(
            zip(encoded[1 : len(passages) + 1], encoded[len(passages) + 1 :], strict=True)
        ):
            head = [self._start, *asked.ids[:QUESTION_TOKENS], self._end]
            title_terms = []
            if title.ids:
                head += [*title.ids[:TITLE_TOKENS], self._end]
                title_terms = [*terms.of_tokens(titles[number], title.offsets[:TITLE_TOKENS]), ()]
            starts = [start for start, _ in sentence_spans(texts[number])]
            body_terms = terms.of_tokens(texts[number], body.offsets)
            room = MAX_TOKENS - len(head) - 1
            for begin in range(0, max(len(body.ids) - OVERLAP_TOKENS, 1), room - OVERLAP_TOKENS):
                end = min(begin + room, len(body.ids))
                if end > begin:
                    words = body.word_ids
                    inside = [
                        place > 0 and words[place] is not None and words[place] == words[place - 1]
                        for place in range(begin, end)
                    ]
                    offsets = body.offsets[begin:end]
                    windows.append(
                        Window(
                            number,
                            [*head, *body.ids[begin:end], self._end],
                            _segments(question_terms, [*title_terms, *body_terms[begin:end]]),
                            len(head),
                            offsets,
                            inside,
                            [bisect_right(starts, start) for start, _ in offsets],
                        )
                    )
        return windows


class _Terms:
    """The words of a question worth comparing, numbered, and where they stand in other texts."""

    def __init__(self, question: str) -> None:
        self._terms: dict[str, tuple[int, ...]] = {}
        for number, alternatives in enumerate(read_terms(question)):
            for found in set(map(stem, alternatives)):
                self._terms[found] = (*self._terms.get(found, ()), number)

    def of_tokens(self, text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
        """Return for each token of ``text``, by its characters, the terms that its word stands for."""
        found: list[tuple[int, ...]] = [()] * len(offsets)
        if not self._terms:
            return found
        token = 0
        for start, end, word in located_words(text):
            if terms := self._terms.get(stem(word)):
                while token < len(offsets) and offsets[token][1] <= start:
                    token += 1
                while token < len(offsets) and offsets[token][0] < end:
                    found[token] = terms
                    token += 1
        return found


def _segments(question: Sequence[tuple[int, ...]], read: Sequence[tuple[int, ...]]) -> list[int]:
    """Return the segments of ``[CLS] question [SEP] read [SEP]`` by the terms of their tokens."""
    shared = {term for terms in question for term in terms} & {term for terms in read for term in terms}
    return [
        IN_QUESTION,
        *(IN_QUESTION if shared.isdisjoint(terms) else SHARED_IN_QUESTION for terms in question),
        IN_QUESTION,
        *(IN_PASSAGE if shared.isdisjoint(terms) else SHARED_IN_PASSAGE for terms in read),
        IN_PASSAGE,
    ]


class SpanModel:
    """Scores spans of passages for a question; safe to use from several threads."""

    def __init__(
        self, network: Any, tokenizer: Tokenizer, dtype: Literal["float32", "bfloat16"] = "float32"
    ) -> None:
        self.network = network
        self.windows = Windows(tokenizer, shared=network.config.type_vocab_size > SHARED_IN_QUESTION)
        self.dtype = dtype
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path, dtype: Literal["auto", "float32", "bfloat16"] = "auto") -> Self:
        """Load the model in ``folder``; "auto" computes in bfloat16 where the CPU has it.

        Raises:
            ModelError: the folder is no such model, or it is damaged.
        """
        torch = importlib.import_module("torch")
        tokenizers = importlib.import_module("tokenizers")
        if dtype == "auto":
            dtype = "bfloat16" if cpu_has_bfloat16() else "float32"
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER_FILE))
            network = make_network(json.loads((folder / CONFIG_FILE).read_bytes()))
            network.load_state_dict(
                importlib.import_module("safetensors.torch").load_file(folder / WEIGHTS_FILE)
            )
        # The libraries raise whatever comes up in a damaged folder.
        except Exception as error:
            raise ModelError(f"The reader in {folder} cannot be loaded: {error}") from error
        network.to(getattr(torch, dtype)).eval()
        return cls(network, tokenizer, dtype)

    @classmethod
    def load_default(cls) -> Self:
        """Load the reader that ships, after its checksums.

        Raises:
            ModelError: it is missing or damaged; the message names the command that mends it.
        """
        folder = default_reader_folder()
        check_shipped(folder, "default reader")
        return cls.load(folder)

    def score(self, question: str, passages: Sequence[Passage], spans: int = SPANS) -> list[ScoredSpan]:
        """Return up to ``spans`` spans of every passage, the likeliest of all first; they do not overlap."""
        windows = self.windows.cut(question, passages)
        found = [
            span
            for window, start, end in self._logits(windows)
            for span in best_spans(window, start, end, spans)
        ]
        found.sort(key=lambda span: -span.odds)
        kept: dict[int, list[ScoredSpan]] = {}
        for span in found:
            others = kept.setdefault(span.passage, [])
            if len(others) < spans and all(
                span.end <= other.start or other.end <= span.start for other in others
            ):
                others.append(span)
        return sorted((span for others in kept.values() for span in others), key=lambda span: -span.odds)

    def _logits(self, windows: Sequence[Window]) -> list[tuple[Window, Floats, Floats]]:
        """Return the start and end logits of every window's tokens, float32, those of like length computed together."""
        torch = importlib.import_module("torch")
        order = sorted(range(len(windows)), key=lambda number: len(windows[number].ids))
        found: dict[int, tuple[Floats, Floats]] = {}
        for part in _parts(order, [len(window.ids) for window in windows]):
            with self._lock, torch.inference_mode():
                start, end = run_network(self.network, [windows[number] for number in part])
            for row, number in enumerate(part):
                length = len(windows[number].ids)
                found[number] = (
                    start[row, :length].float().cpu().numpy(),
                    end[row, :length].float().cpu().numpy(),
                )
        return [(window, *found[number]) for number, window in enumerate(windows)]


def default_reader_folder() -> Path:
    """Return where the reader lies that ships; ``SpanModel.load_default`` checks that it is there."""
    return Path(__file__).resolve().parent / "models" / DEFAULT_NAME


def make_network(config: dict[str, Any]) -> Any:
    """Return an untrained ``BertForQuestionAnswering`` without dropout, attention by plain matrix products.

    Raises:
        ModelError: the settings are not those of a BERT model.
    """
    if config.get("model_type") != "bert":
        raise ModelError(f"a reader must be a BERT model, got the model_type {config.get('model_type')!r}")
    transformers = importlib.import_module("transformers")
    settings = transformers.BertConfig(**{**config, "num_labels": 2})
    settings.hidden_dropout_prob = settings.attention_probs_dropout_prob = 0.0
    settings._attn_implementation = "eager"
    return transformers.BertForQuestionAnswering(settings)


def run_network(network: Any, windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """Return start and end logits ``(windows, tokens)``; what is no answer and not ``[CLS]`` is minus infinity."""
    torch = importlib.import_module("torch")
    longest = max(len(window.ids) for window in windows)
    ids = np.zeros((len(windows), longest), dtype=np.int64)
    present, segments = np.zeros_like(ids), np.zeros_like(ids)
    allowed = np.zeros((len(windows), longest), dtype=bool)
    for row, window in enumerate(windows):
        length = len(window.ids)
        ids[row, :length] = window.ids
        present[row, :length] = 1
        segments[row, :length] = window.segments
        allowed[row, 0] = True
        allowed[row, window.first : length - 1] = True
    device = next(network.parameters()).device
    output = network(
        input_ids=torch.from_numpy(ids).to(device),
        attention_mask=torch.from_numpy(present).to(device),
        token_type_ids=torch.from_numpy(segments).to(device),
    )
    barred = ~torch.from_numpy(allowed).to(device)
    start: Tensor = output.start_logits.float().masked_fill(barred, float("-inf"))
    end: Tensor = output.end_logits.float().masked_fill(barred, float("-inf"))
    return start, end


def best_spans(window: Window, start: Floats, end: Floats, spans: int = SPANS) -> list[ScoredSpan]:
    """Return up to ``spans`` of the allowed spans of a window, best first, none overlapping another.

    ``start``, ``end``: float32 logits of the window's tokens, shape ``(tokens,)``.
    """
    body = slice(window.first, window.first + len(window.offsets))
    odds = np.where(
        allowed_spans(window), (start[body] - start[0])[:, None] + (end[body] - end[0])[None, :], -np.inf
    )
    found = []
    for _ in range(spans):
        first, last = np.unravel_index(int(np.argmax(odds)), odds.shape)
        best = float(odds[first, last])
        if best == float("-inf"):
            break
        found.append(ScoredSpan(window.passage, window.offsets[first][0], window.offsets[last][1], best))
        odds[: last + 1, first:] = -np.inf
    return found


def allowed_spans(window: Window) -> NDArray[np.bool_]:
    """Return which tokens of the passage may begin and which end one answer, ``(tokens, tokens)``.

    Answers are whole words of one sentence, at most ``ANSWER_TOKENS`` long.
    """
    within = np.array(window.inside)
    sentences = np.array(window.sentences)
    places = np.arange(len(within))
    length = places[None, :] - places[:, None]
    allowed: NDArray[np.bool_] = (length >= 0) & (length < ANSWER_TOKENS)
    allowed &= sentences[:, None] == sentences[None, :]
    allowed &= ~within[:, None] & ~np.append(within[1:], False)[None, :]
    return allowed


def _id_of(tokenizer: Tokenizer, mark: str) -> int:
    found: int | None = tokenizer.token_to_id(mark)
    if found is None:
        raise ModelError(f"the tokenizer of a reader must have {mark}, this one has not")
    return found


def _clean(text: str) -> str:
    """Replace lone surrogates, which tokenizers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _parts(order: list[int], lengths: list[int]) -> list[list[int]]:
    """Split windows, shortest first, into parts of at most ``BATCH_TOKENS``."""
    parts: list[list[int]] = []
    for number in order:
        if not parts or lengths[number] * (len(parts[-1]) + 1) > BATCH_TOKENS:
            parts.append([])
        parts[-1].append(number)
    return parts
