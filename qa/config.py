"""What can be set, read at entry points only: flags first, then the environment, then the defaults here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DEFAULT_INDEX = ".tanya/default"


@dataclass(frozen=True, slots=True)
class Settings:
    """Which index folder and which model: a sentence-transformers name or folder, ``None`` for the index's own."""

    index: Path
    index_was_named: bool
    model: str | None = None
    query_prompt: str | None = None
    passage_prompt: str | None = None

    @classmethod
    def read(
        cls,
        *,
        index: Path | None = None,
        model: str | None = None,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
    ) -> Self:
        """Return the flags given, filled up from ``$TANYA_INDEX`` and ``$TANYA_MODEL``."""
        named = index or (Path(os.environ["TANYA_INDEX"]) if os.environ.get("TANYA_INDEX") else None)
        return cls(
            index=named or Path(DEFAULT_INDEX),
            index_was_named=named is not None,
            model=model or os.environ.get("TANYA_MODEL") or None,
            query_prompt=query_prompt,
            passage_prompt=passage_prompt,
        )


def sample_folder() -> Path:
    """Return the folder of the articles that come with Tanya, installed or in its source tree."""
    package = Path(__file__).resolve().parent
    installed = package / "sample"
    return installed if installed.is_dir() else package.parent / "corpus"
