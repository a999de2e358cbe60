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
    """Which index folder, which model, and how much meaning counts beside words.

    ``model``: a sentence-transformers name or folder, ``None`` for the index's own. ``dense_weight``: share of the
    meaning in every question's search, 0 to 1, ``None`` for the bundled model's weights by language.
    """

    index: Path
    index_was_named: bool
    model: str | None = None
    query_prompt: str | None = None
    passage_prompt: str | None = None
    dense_weight: float | None = None

    @classmethod
    def read(
        cls,
        *,
        index: Path | None = None,
        model: str | None = None,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        dense_weight: float | None = None,
    ) -> Self:
        """Return the flags given, filled up from ``$TANYA_INDEX``, ``$TANYA_MODEL`` and ``$TANYA_DENSE_WEIGHT``.

        Raises:
            InputError: ``$TANYA_DENSE_WEIGHT`` is not a number from 0 to 1.
        """
        weight = os.environ.get("TANYA_DENSE_WEIGHT")
        if dense_weight is None and weight:
            try:
                dense_weight = read_share(weight)
            except ValueError as error:
                raise InputError(f"$TANYA_DENSE_WEIGHT: {error}. Set another, or unset it") from error
        named = index or (Path(os.environ["TANYA_INDEX"]) if os.environ.get("TANYA_INDEX") else None)
        return cls(
            index=named or Path(DEFAULT_INDEX),
            index_was_named=named is not None,
            model=model or os.environ.get("TANYA_MODEL") or None,
            query_prompt=query_prompt,
            passage_prompt=passage_prompt,
            dense_weight=dense_weight,
        )


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
