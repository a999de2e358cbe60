"""Puts the tokens of both languages into one space: a bag of words trained to find translations.

An embedding a token, texts as their mean, InfoNCE in both directions (Oord et al. 2018) over parallel texts and
other pairs that mean the same. What is near here means the same, which is what the transplant needs to know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from embeddings.errors import DataError
from embeddings.training.data import TextPair
from embeddings.training.student import Student
from embeddings.training.vocabulary import Usage

SCALE = 20.0
BATCH = 1_024
LEARNING_RATE = 0.02
EPOCHS = 8
DROPPED = 0.4
"""Share of the tokens of a text that are left out, drawn anew in every epoch."""
MAX_TOKENS = 64
"""Longest text in tokens; of a longer one the beginning counts."""


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of every text without special tokens, at most ``MAX_TOKENS``."""
    return [
        encoding.ids[:MAX_TOKENS]
        for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)
    ]


def anchored(teacher: Student, usage: Usage, seed: int) -> np.ndarray:
    """Return where the alignment starts, float32 ``(tokens, dimension)``.

    A token kept from the teacher starts as the teacher's vector of it alone, longer the rarer it is (as Model2Vec
    weighs them, Tulkens & van Dongen 2024); others start at random.
    """
    dimension = teacher.body.config.hidden_size
    rows = np.random.default_rng(seed).normal(0, 0.05, (len(usage.tokens), dimension)).astype(np.float32)
    kept = np.flatnonzero(usage.kept)
    rows[kept] = teacher.encode_tokens([usage.tokens[number] for number in kept])
    rarity = np.log(2 + 1 / np.maximum(usage.english, 1e-7))
    started: np.ndarray = rows * (rarity / rarity.mean())[:, None].astype(np.float32)
    return started


def align(
    tokenizer: Tokenizer,
    pairs: Sequence[TextPair],
    initial: np.ndarray,
    *,
    epochs: int = EPOCHS,
    seed: int,
    report: Callable[[str], None],
) -> np.ndarray:
    """Return aligned token vectors, float32 ``(tokens, dimension)``, starting from ``initial`` of that shape."""
    left, right = (token_ids(tokenizer, [pair[side] for pair in pairs]) for side in (0, 1))
    kept = [number for number in range(len(pairs)) if left[number] and right[number]]
    if len(kept) < BATCH:
        raise DataError(
            f"The alignment needs at least {BATCH} pairs of texts, got {len(kept)}. Add parallel data."
        )
    table = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(initial.copy()), freeze=False, mode="mean")
    optimizer = torch.optim.Adam(table.parameters(), lr=LEARNING_RATE, fused=True)
    chance = np.random.default_rng(seed)
    steps = epochs * (len(kept) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    for epoch in range(epochs):
        order = chance.permutation(kept)
        total = 0.0
        for start in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[start : start + BATCH]
            one, other = (
                _vectors(table, [_thinned(side[number], chance) for number in batch])
                for side in (left, right)
            )
            scores = SCALE * one @ other.T
            target = torch.arange(len(batch))
            loss = torch.nn.functional.cross_entropy(scores, target) + torch.nn.functional.cross_entropy(
                scores.T, target
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        report(f"alignment: epoch {epoch + 1} of {epochs}, loss {total / (len(order) // BATCH):.3f}")
    return table.weight.detach().numpy()


def _thinned(tokens: list[int], chance: np.random.Generator) -> list[int]:
    """Drop tokens at random, at least one stays: a text must be found by any part of it, not by its rarest word."""
    kept = np.flatnonzero(chance.random(len(tokens)) >= DROPPED)
    return [tokens[place] for place in kept] if len(kept) else tokens


def _vectors(table: torch.nn.EmbeddingBag, texts: list[list[int]]) -> torch.Tensor:
    flat = torch.tensor([token for text in texts for token in text])
    starts = torch.tensor(np.cumsum([0] + [len(text) for text in texts[:-1]]))
    return torch.nn.functional.normalize(table(flat, starts), dim=1)
