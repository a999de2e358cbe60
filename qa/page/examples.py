"""The example questions of the page, found in the background while the page already serves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from embeddings.errors import EmbeddingError
from qa.errors import TanyaError
from qa.suggestions import Answerer, SampledIndex, sample_questions, suggest_questions
from qa.types import Answer, Language

log = logging.getLogger("tanya")

SHOWN = 5
IN_OTHER_LANGUAGE = 1
"""How many of the examples show that the other language works too."""

WAIT_SECONDS = 25.0

Finder = Callable[[Language], list[str]]


class Examples:
    """Example questions by language; ``wait`` returns those of a language once they are found."""

    def __init__(self, find: Finder) -> None:
        self._find = find
        self._found: dict[Language, list[str]] = {"en": [], "id": []}
        self._ready: dict[Language, threading.Event] = {"en": threading.Event(), "id": threading.Event()}

    @classmethod
    def for_archive(
        cls, answerer: Answerer, questions_file: Path, slot: threading.Semaphore | None = None
    ) -> Examples:
        """Find examples for an archive: those of the sample when it is loaded, else made from its articles.

        ``slot`` is held while a model works, so that readers' questions and these take turns.
        """
        patient = InTurn(answerer, slot or threading.Semaphore(1))

        def find(language: Language) -> list[str]:
            if questions_file.is_file():
                known = sample_questions(patient, SHOWN, questions_file, language=language)
                if known:
                    return known
            return suggest_questions(patient, SHOWN, language=language)

        return cls(find)

    def start(self, first: Language = "en") -> None:
        """Begin to look, in a thread of its own, in one language first."""
        threading.Thread(target=self.find, args=(first,), name="examples", daemon=True).start()

    def find(self, first: Language = "en") -> None:
        """Look for examples in both languages; an archive that cannot be asked simply has none."""
        languages: tuple[Language, ...] = ("en", "id") if first == "en" else ("id", "en")
        for language in languages:
            try:
                self._found[language] = self._find(language)
            except (TanyaError, EmbeddingError, OSError, ValueError) as error:
                log.warning("No example questions: %s", error)
            except Exception:
                # Nobody waits for this thread's errors, and the page is of use without examples.
                log.exception("No example questions")
            finally:
                self._ready[language].set()

    def wait(self, language: Language, *, seconds: float = WAIT_SECONDS) -> list[str]:
        """Return the examples for a page in a language, waiting for them at most ``seconds``.

        The last ones are in the other language, if some are known by then.
        """
        self._ready[language].wait(seconds)
        other: Language = "id" if language == "en" else "en"
        own, foreign = self._found[language], self._found[other][:IN_OTHER_LANGUAGE]
        return [*own[: SHOWN - len(foreign)], *foreign]


class InTurn:
    """An answerer that waits for its turn at the models."""

    def __init__(self, answerer: Answerer, slot: threading.Semaphore) -> None:
        self._answerer = answerer
        self._slot = slot

    @property
    def index(self) -> SampledIndex:
        """The archive."""
        return self._answerer.index

    def ask(self, question: str) -> Answer:
        """Answer a question when no other is being answered."""
        with self._slot:
            return self._answerer.ask(question)
