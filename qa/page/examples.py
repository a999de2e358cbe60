"""The example questions of the page, found in the background while the page already serves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from qa.errors import TanyaError
from qa.suggestions import Answerer, sample_questions, suggest_questions
from qa.types import Language

log = logging.getLogger("tanya")

SHOWN = 5
IN_OTHER_LANGUAGE = 1
"""How many of the examples show that the other language works too."""

WAIT_SECONDS = 25.0

Finder = Callable[[Language], list[str]]


class Examples:
    """Example questions by language; ``wait`` returns them once they are found."""

    def __init__(self, find: Finder) -> None:
        self._find = find
        self._ready = threading.Event()
        self._found: Mapping[Language, list[str]] = {"en": [], "id": []}

    @classmethod
    def for_archive(cls, answerer: Answerer, questions_file: Path) -> Examples:
        """Find examples for an archive: those of the sample when it is loaded, else made from its articles."""

        def find(language: Language) -> list[str]:
            if questions_file.is_file():
                known = sample_questions(answerer, SHOWN, questions_file, language=language)
                if known:
                    return known
            return suggest_questions(answerer, SHOWN, language=language)

        return cls(find)

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        threading.Thread(target=self.find, name="examples", daemon=True).start()

    def find(self) -> None:
        """Look for examples in both languages; an archive that cannot be asked simply has none."""
        try:
            self._found = {"en": self._find("en"), "id": self._find("id")}
        except (TanyaError, OSError, ValueError) as error:
            log.warning("No example questions: %s", error)
        finally:
            self._ready.set()

    def wait(self, language: Language, *, seconds: float = WAIT_SECONDS) -> list[str]:
        """Return the examples for a page in a language, waiting for them at most ``seconds``."""
        self._ready.wait(seconds)
        other: Language = "id" if language == "en" else "en"
        own, foreign = self._found[language], self._found[other][:IN_OTHER_LANGUAGE]
        return [*own[: SHOWN - len(foreign)], *foreign]
