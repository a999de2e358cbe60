"""One WordPiece vocabulary for both languages: learnt pieces for Indonesian, the teacher's own for English."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SIZE = 34_000
"""Rows of the embedding matrix; with MiniLM's body they make 47.8 MB in float16."""

INDONESIAN_SIZE = 24_000
"""Of these, learnt from Indonesian text: 1.36 tokens a word in news, 1.35 in English (learnt jointly: the same)."""

ALPHABET = 300
LAST_LATIN = 0x24F
UNKNOWN = "[UNK]"
SPECIAL = ("[PAD]", UNKNOWN, "[CLS]", "[SEP]", "[MASK]")
UNUSED = 999
"""BERT's vocabulary begins with as many special and unused entries; the rest follows frequency."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Which token of the vocabulary is used how; arrays have one value a token.

    ``english`` and ``indonesian`` are shares of the tokens of a text in that language, ``kept`` the tokens that stand
    for the same in English as in the teacher's vocabulary, which are then used as the teacher uses them.
    """

    tokens: list[str]
    english: NDArray[np.float64]
    indonesian: NDArray[np.float64]
    kept: NDArray[np.bool_]

    @classmethod
    def count(
        cls, tokenizer: Tokenizer, teacher: Iterable[str], english: Iterable[str], indonesian: Iterable[str]
    ) -> Usage:
        """Count the tokens of texts in both languages; ``teacher`` is the teacher's vocabulary."""
        ids = tokenizer.get_vocab()
        tokens = sorted(ids, key=ids.__getitem__)
        in_english, in_indonesian = (_shares(tokenizer, texts) for texts in (english, indonesian))
        used = (in_english > 0) & (in_english >= in_indonesian / 2)
        taken_over = np.arange(len(tokens)) >= INDONESIAN_SIZE
        wordless = np.array([token in SPECIAL or not any(map(str.isalpha, token)) for token in tokens])
        known = np.isin(tokens, list(teacher))
        return cls(tokens, in_english, in_indonesian, known & (used | taken_over | wordless))


def _shares(tokenizer: Tokenizer, texts: Iterable[str]) -> NDArray[np.float64]:
    counted: Counter[int] = Counter()
    for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
        counted.update(encoding.ids)
    counts = np.array([counted[number] for number in range(tokenizer.get_vocab_size())], dtype=np.float64)
    shares: NDArray[np.float64] = counts / max(counts.sum(), 1)
    return shares


def teacher_vocabulary(teacher: Path) -> list[str]:
    """Return the tokens of the BERT model in the folder ``teacher``, by id."""
    vocabulary: dict[str, int] = json.loads((teacher / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    return sorted(vocabulary, key=vocabulary.__getitem__)


def make_tokenizer(indonesian: Iterable[str], english: list[str], *, max_tokens: int) -> Tokenizer:
    """Return a lower-casing BERT tokenizer of ``SIZE`` tokens.

    Args:
        indonesian: text to learn ``INDONESIAN_SIZE`` pieces from.
        english: the teacher's vocabulary. Its most frequent tokens are taken over unchanged until ``SIZE`` is
            reached, so that English is split as the teacher splits it.
        max_tokens: longest input, in tokens; what is beyond is cut.
    """
    indonesian = list(indonesian)
    learnt = _bert(models.WordPiece(unk_token=UNKNOWN))
    # Equally frequent pairs are merged in the order of their numbers, and the trainer numbers pieces of one letter in
    # the order of a hash table unless they are given.
    letters = _letters(learnt, indonesian)
    given = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=INDONESIAN_SIZE, special_tokens=given, limit_alphabet=len(letters), show_progress=False
    )
    learnt.train_from_iterator(indonesian, trainer)
    pieces = learnt.get_vocab()
    vocabulary = dict.fromkeys(sorted(pieces, key=pieces.__getitem__))
    for token in english[UNUSED:]:
        if len(vocabulary) == SIZE:
            break
        if all(ord(character) <= LAST_LATIN for character in token):
            vocabulary.setdefault(token)
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = _bert(models.WordPiece(vocab=ids, unk_token=UNKNOWN, max_input_chars_per_word=100))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, ids[name]) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _letters(tokenizer: Tokenizer, texts: Iterable[str]) -> list[str]:
    """Return the ``ALPHABET`` most frequent characters, as the tokenizer normalises them."""
    counted: Counter[str] = Counter()
    for text in texts:
        counted.update(tokenizer.normalizer.normalize_str(text))
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return sorted([letter for letter, _ in ranked if not letter.isspace()][:ALPHABET])


def _bert(model: models.Model) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
