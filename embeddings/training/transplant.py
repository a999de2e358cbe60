"""Moves the English teacher to the new vocabulary: WECHSEL (Minixhofer, Paischer & Rekabsaz 2022).

A token that the teacher knows and English text uses keeps the teacher's row; every other token starts as the
softmax-weighted mean of the rows of the tokens nearest to it in the aligned space.
"""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 10
TEMPERATURE = 0.1


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
