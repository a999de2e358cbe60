"""Word translations read off the aligned space, to mix languages inside a text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

Lexicon = Mapping[str, tuple[str, ...]]
"""Translations of a lower-case word, best first."""

NEIGHBOURS = 10
MINIMUM_COSINE = 0.4
KEPT = 3
MARGIN = 0.1
"""A translation further than this from the best one, in cosine, is left out."""


def make_lexicon(
    words: Sequence[str], aligned: np.ndarray, source: np.ndarray, target: np.ndarray
) -> Lexicon:
    """Return the translations of whole words, nearest by CSLS (Conneau et al. 2018).

    Args:
        words: the tokens of the vocabulary, by id.
        aligned: their vectors, ``(tokens, dimension)``.
        source, target: ids of the words of the one and the other language.
    """
    unit = aligned / np.maximum(np.linalg.norm(aligned, axis=1, keepdims=True), 1e-9)
    cosines = unit[source] @ unit[target].T
    crowd = np.sort(cosines, axis=0)[-NEIGHBOURS:].mean(axis=0)
    adjusted = cosines - crowd / 2
    best = np.argsort(-adjusted, axis=1)[:, :KEPT]
    found: dict[str, tuple[str, ...]] = {}
    for row, word in enumerate(source):
        top = cosines[row, best[row]]
        if top[0] >= MINIMUM_COSINE:
            chosen = [
                words[target[number]]
                for number, cosine in zip(best[row], top, strict=True)
                if cosine >= top[0] - MARGIN
            ]
            found[words[word]] = tuple(chosen)
    return found


def mix(text: str, lexicon: Lexicon, rate: float, chance: np.random.Generator) -> str:
    """Return ``text`` with about ``rate`` (0 to 1) of its words that have translations replaced by one of them."""

    def replace(match: re.Match[str]) -> str:
        known = lexicon.get(match[0].lower())
        return known[int(chance.integers(len(known)))] if known and chance.random() < rate else match[0]

    return re.sub(r"[^\W\d_]+", replace, text)
