"""What can be set, read at entry points only: flags first, then the environment, then the defaults here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from qa.errors import InputError

DEFAULT_INDEX = ".tanya/default"


@dataclass(frozen=True, slots=True)
class Settings:
    """Which index folder, which model, how much meaning counts beside words, and how sure an answer must be.

    ``model``: a sentence-transformers name or folder, ``None`` for the index's own. ``dense_weight``: share of the
    meaning in every question's search, 0 to 1, ``None`` for the bundled model's weights by language. ``threshold``:
    least probability of an answer, 0 to 1, ``None`` for the thresholds by language of ``qa.answering``.
    """

    index: Path
    index_was_named: bool
    model: str | None = None
    query_prompt: str | None = None
    passage_prompt: str | None = None
    dense_weight: float | None = None
    threshold: float | None = None

    @classmethod
    def read(
        cls,
        *,
        index: Path | None = None,
        model: str | None = None,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        dense_weight: float | None = None,
        threshold: float | None = None,
    ) -> Self:
        """Return the flags given, filled up from the environment.

        Its variables are ``$TANYA_INDEX``, ``$TANYA_MODEL``, ``$TANYA_DENSE_WEIGHT`` and ``$TANYA_THRESHOLD``.

        Raises:
            InputError: ``$TANYA_DENSE_WEIGHT`` or ``$TANYA_THRESHOLD`` is not a number from 0 to 1.
        """
        named = index or (Path(os.environ["TANYA_INDEX"]) if os.environ.get("TANYA_INDEX") else None)
        return cls(
            index=named or Path(DEFAULT_INDEX),
            index_was_named=named is not None,
            model=model or os.environ.get("TANYA_MODEL") or None,
            query_prompt=query_prompt,
            passage_prompt=passage_prompt,
            dense_weight=_share_of("TANYA_DENSE_WEIGHT") if dense_weight is None else dense_weight,
            threshold=_share_of("TANYA_THRESHOLD") if threshold is None else threshold,
        )


def _share_of(variable: str) -> float | None:
    value = os.environ.get(variable)
    try:
        return read_share(value) if value else None
    except ValueError as error:
        raise InputError(f"${variable}: {error}. Set another, or unset it") from error


def read_share(text: str) -> float:
    """Return the number from 0 to 1 that ``text`` is.

    Raises:
        ValueError: it is no such number.
    """
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{text!r} is not a number from 0 to 1")
    return share


def sample_folder() -> Path:
    """Return the folder of the articles that come with Tanya, installed or in its source tree."""
    package = Path(__file__).resolve().parent
    installed = package / "sample"
    return installed if installed.is_dir() else package.parent / "corpus"
