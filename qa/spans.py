"""A question and passages to character spans that may answer, each with its odds: the model of the reader.

A BERT body over ``[CLS] question [SEP] title [SEP] passage [SEP]`` with two outputs a token, as
``BertForQuestionAnswering`` has them (Devlin et al. 2019): where an answer starts and where it ends. ``[CLS]`` stands
for "this passage does not say".
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

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
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

    ``offsets``: characters in the passage of each of its tokens, which begin at ``first`` in ``ids``; ``second``: where
    the second segment begins, that is title and passage. ``inside``: whether a token goes on with the word before it.
    ``sentences``: the number in the passage of the sentence that a token is in.
    """

    passage: int
    ids: list[int]
    second: int
    first: int
    offsets: list[tuple[int, int]]
    inside: list[bool]
    sentences: list[int]


class Windows:
    """Cuts questions with passages into windows for one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._start, self._end = (_id_of(tokenizer, mark) for mark in ("[CLS]", "[SEP]"))

    def cut(self, question: str, passages: Sequence[Passage]) -> list[Window]:
        """Return the windows of all passages, in their order; a text without a token has none."""
        texts = [question, *(passage.title for passage in passages), *(passage.text for passage in passages)]
        encoded = self._tokenizer.encode_batch([_clean(text) for text in texts], add_special_tokens=False)
        asked, titles, bodies = encoded[0], encoded[1 : len(passages) + 1], encoded[len(passages) + 1 :]
        question_ids = [self._start, *asked.ids[:QUESTION_TOKENS], self._end]
        windows = []
        for number, (title, body) in enumerate(zip(titles, bodies, strict=True)):
            head = [*question_ids]
            if title.ids:
                head += [*title.ids[:TITLE_TOKENS], self._end]
            starts = [start for start, _ in sentence_spans(_clean(passages[number].text))]
            windows += self._windows(number, head, len(question_ids), body, starts)
        return windows

    def _windows(
        self, number: int, head: list[int], second: int, body: Encoding, starts: list[int]
    ) -> list[Window]:
        room = MAX_TOKENS - len(head) - 1
        windows = []
        for begin in range(0, max(len(body.ids) - OVERLAP_TOKENS, 1), room - OVERLAP_TOKENS):
            end = min(begin + room, len(body.ids))
            words = body.word_ids
            inside = [
                place > 0 and words[place] is not None and words[place] == words[place - 1]
                for place in range(begin, end)
            ]
            if end > begin:
                ids = [*head, *body.ids[begin:end], self._end]
                offsets = body.offsets[begin:end]
                sentences = [bisect_right(starts, start) for start, _ in offsets]
                windows.append(Window(number, ids, second, len(head), offsets, inside, sentences))
        return windows


class SpanModel:
    """Scores spans of passages for a question; safe to use from several threads."""

    def __init__(
        self, network: Any, tokenizer: Tokenizer, dtype: Literal["float32", "bfloat16"] = "float32"
    ) -> None:
        self.network = network
        self.windows = Windows(tokenizer)
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
        segments[row, window.second : length] = 1
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
    """Return up to ``spans`` spans of a window, best first: whole words of one sentence, none overlapping another.

    ``start``, ``end``: float32 logits of the window's tokens, shape ``(tokens,)``.
    """
    count = len(window.offsets)
    starts = start[window.first : window.first + count] - start[0]
    ends = end[window.first : window.first + count] - end[0]
    within = np.array(window.inside)
    starts = np.where(within, -np.inf, starts)
    ends = np.where(np.append(within[1:], False), -np.inf, ends)
    length = np.arange(count)[None, :] - np.arange(count)[:, None]
    sentences = np.array(window.sentences)
    allowed = (length >= 0) & (length < ANSWER_TOKENS) & (sentences[:, None] == sentences[None, :])
    odds = np.where(allowed, starts[:, None] + ends[None, :], -np.inf)
    found = []
    for _ in range(spans):
        first, last = np.unravel_index(int(np.argmax(odds)), odds.shape)
        best = float(odds[first, last])
        if best == float("-inf"):
            break
        found.append(ScoredSpan(window.passage, window.offsets[first][0], window.offsets[last][1], best))
        odds[: last + 1, first:] = -np.inf
    return found


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
