"""Moves the English teacher to the new vocabulary: WECHSEL (Minixhofer, Paischer & Rekabsaz 2022), with glosses.

A token that the teacher knows and English text uses keeps the teacher's row. Every other token starts as the
softmax-weighted mean of the rows of the tokens nearest to it in the aligned space; where it has English glosses, mostly
as the mean of theirs instead. Means are shorter than what they are made of, so new rows are stretched.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embeddings.glosses import Glosses
from embeddings.training.student import Student

NEIGHBOURS = 10
TEMPERATURE = 0.1
GLOSS_SHARE = 0.75
"""How much of the row of a token with glosses comes from them."""
FUNCTION_WORDS = frozenset(
    "the a an of to in on at by for is was be been are were it that this with from and or as he she his her their its "
    "they not have has had".split()
)
"""Left out of a gloss of several words."""


def transplant(
    rows: np.ndarray,
    aligned: np.ndarray,
    known: np.ndarray,
    *,
    neighbours: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> np.ndarray:
    """Return the new embedding matrix, float32 ``(tokens, dimension)``.

    Args:
        rows: the teacher's row of every known token, ``(tokens, dimension)``; others are ignored.
        aligned: vectors of all tokens in the aligned space, ``(tokens, any)``.
        known: bool ``(tokens,)``, which tokens keep their row.
    """
    unit = aligned / np.maximum(np.linalg.norm(aligned, axis=1, keepdims=True), 1e-9)
    made = rows.astype(np.float32, copy=True)
    anchors = np.flatnonzero(known)
    for block in np.array_split(np.flatnonzero(~known), 64):
        if not len(block):
            continue
        cosines = unit[block] @ unit[anchors].T
        nearest = np.argpartition(-cosines, neighbours, axis=1)[:, :neighbours]
        weights = np.exp(np.take_along_axis(cosines, nearest, axis=1) / temperature)
        weights /= weights.sum(axis=1, keepdims=True)
        made[block] = np.einsum("bn,bnd->bd", weights, rows[anchors[nearest]])
    return made


def explain(
    made: np.ndarray, tokens: Sequence[str], known: np.ndarray, glosses: Glosses, teacher: Student
) -> np.ndarray:
    """Return the matrix with what the glosses say of the tokens that are not known, float32 ``(tokens, dimension)``.

    Args:
        made: what ``transplant`` returned.
        tokens: the vocabulary, by id.
        known: bool ``(tokens,)``, which tokens keep their row.
        glosses: English for Indonesian words; the second one counts half as much as the first, the third a third.
        teacher: whose rows the words of a gloss have.
    """
    explained = made.copy()
    new = [int(number) for number in np.flatnonzero(~known) if tokens[int(number)] in glosses]
    pieces = {gloss: _pieces(teacher, gloss) for number in new for gloss in glosses[tokens[number]]}
    used = sorted({piece for parts in pieces.values() for piece in parts})
    row = dict(zip(used, teacher.rows(used), strict=True))
    for number in new:
        found = glosses[tokens[number]]
        meanings = [np.mean([row[piece] for piece in pieces[gloss]], axis=0) for gloss in found]
        meaning = np.average(meanings, axis=0, weights=[1 / place for place in range(1, len(found) + 1)])
        explained[number] = GLOSS_SHARE * meaning + (1 - GLOSS_SHARE) * made[number]
    return explained


def stretch(made: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the matrix with the rows of unknown tokens as long, on average, as those of ``known`` ones."""
    lengths = np.linalg.norm(made, axis=1)
    factor = lengths[known].mean() / lengths[~known].mean() if not known.all() else 1.0
    stretched: np.ndarray = made * np.where(known, 1.0, factor)[:, None].astype(np.float32)
    return stretched


def _pieces(teacher: Student, gloss: str) -> list[str]:
    words = [word for word in gloss.split() if word not in FUNCTION_WORDS] or gloss.split()
    pieces: list[str] = teacher.tokenizer.encode(" ".join(words), add_special_tokens=False).tokens
    return pieces
