"""What happens when someone asks, retries, stops, clears or chooses: the page's event handlers.

Each takes what the browser sent and returns what changes on the page. No Gradio here: a handler is a plain
function, or a generator where the page should change before the work is done.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from embeddings.errors import EmbeddingError
from qa.errors import InputError, TanyaError
from qa.output import answer_as_json
from qa.page import conversation as talk
from qa.page.examples import Examples
from qa.page.filters import filter_panel, is_date, read_filters, without
from qa.page.strings import article_count, strings_for
from qa.suggestions import SampledIndex
from qa.types import Answer, Filters, Language

log = logging.getLogger("tanya")

STOP_SECONDS = 0.05
"""How soon a waiting question notices that it was given up."""

BUSY_SECONDS = 60.0
"""How long a question waits for the models before its asker is told that there are too many."""


KEEP = {"__type__": "update"}
"""Gradio's word for leaving a part of the page as it is."""

Change = tuple[Any, Any, Any, Any]
"""New values of the question's box, the conversation as data and as HTML, and the evidence; or ``KEEP``."""


class CountedIndex(SampledIndex, Protocol):
    """What the page needs of a ``NewsIndex``."""

    def count_articles(self) -> int:
        """Return how many articles there are."""
        ...

    def sources(self) -> list[str]:
        """Return the outlets."""
        ...


class PageAnswerer(Protocol):
    """What the page needs of a ``QuestionAnswerer``."""

    @property
    def index(self) -> CountedIndex:
        """The archive."""
        ...

    def ask(self, question: str, *, filters: Filters | None = None) -> Answer:
        """Answer a question from the articles that pass."""
        ...


class Page:
    """The page's event handlers: each takes what the browser sent and returns what changes."""

    def __init__(self, answerer: PageAnswerer, examples: Examples, slot: threading.Semaphore) -> None:
        self.answerer = answerer
        self.examples = examples
        self.slot = slot

    def ask(
        self, question: str | None, said: talk.Conversation, language: Language, *, as_typed: bool = False
    ) -> Iterator[Change]:
        """Answer a question in two steps, so that the page shows it at once and can be stopped in between.

        ``as_typed``: it is no follow-up, whatever it looks like.
        """
        question = (question or "").strip()
        if not question or said.pending:
            yield question, said, *self.panels(said, language)
            return
        words = strings_for(language)
        if len(question) > talk.MAX_QUESTION_CHARACTERS:
            problem = words.too_long.format(length=len(question), limit=talk.MAX_QUESTION_CHARACTERS)
            said = said.ask(question[: talk.MAX_QUESTION_CHARACTERS] + "…", as_typed=True).fail(problem)
            yield question, said, *self.panels(said, language)
            return
        said = said.ask(question, as_typed=as_typed)
        yield "", said, *self.panels(said, language)
        turn = said.turns[-1]
        outcome: list[talk.Conversation] = []
        # Work that runs in a model cannot be interrupted, but the wait for it can: what it finds is then dropped.
        worker = threading.Thread(
            target=lambda: outcome.append(self.answered(said, language)), name="answer", daemon=True
        )
        worker.start()
        while worker.is_alive() and not turn.given_up.is_set():
            worker.join(STOP_SECONDS)
        if turn.given_up.is_set():
            # Who gave it up has shown so; without this, Gradio would show the last step again at the end.
            yield KEEP, KEEP, KEEP, KEEP
        else:
            yield "", outcome[0], *self.panels(outcome[0], language)

    def answered(self, said: talk.Conversation, language: Language) -> talk.Conversation:
        """Finish the waiting turn with an answer, or with words on why there is none."""
        words = strings_for(language)
        turn = said.turns[-1]
        deadline = time.monotonic() + BUSY_SECONDS
        while not self.slot.acquire(timeout=STOP_SECONDS):
            if turn.given_up.is_set() or time.monotonic() > deadline:
                return said.fail(words.busy)
        try:
            return said.answer(self.answerer.ask(turn.asked, filters=turn.filters))
        except InputError as error:
            return said.fail(words.turned_away.format(reason=error))
        except (TanyaError, EmbeddingError) as error:
            log.error("A question could not be answered: %s", error)
            return said.fail(words.turned_away.format(reason=error))
        except Exception:
            # The reader is told where to look; the page must not show a stack trace.
            log.exception("A question failed")
            return said.fail(words.failed)
        finally:
            self.slot.release()

    def ask_for_program(self, question: str, date_from: str, date_to: str, sources: list[str]) -> str:
        """Answer a question as ``tanya ask --json`` does: one object as JSON.

        ``date_from``, ``date_to``: ISO dates, empty for none; ``sources``: outlets, all if there are none.

        It stays text because ``gradio_client`` takes every object with a "path" for a file and tries to fetch it.

        Raises:
            InputError: the question is empty or too long, a date is none, or too many others wait.
            TanyaError, EmbeddingError: it cannot be answered.
        """
        for day in filter(None, (date_from, date_to)):
            if not is_date(day):
                raise InputError(f"{day!r} is no date. Write it as 2023-05-19")
        filters = read_filters({"from": date_from, "to": date_to, "sources": sources})
        if not self.slot.acquire(timeout=BUSY_SECONDS):
            raise InputError(strings_for("en").busy)
        try:
            answer = answer_as_json(self.answerer.ask(question, filters=filters))
        finally:
            self.slot.release()
        return json.dumps(answer)

    def example(self, said: talk.Conversation, language: Language, sent: object) -> Iterator[Change]:
        """Ask the example that was chosen, or a question once more as it was typed; neither is a follow-up."""
        question = _sent(sent, "question")
        yield from self.ask(question if isinstance(question, str) else "", said, language, as_typed=True)

    def retry(self, said: talk.Conversation, language: Language) -> Iterator[Change]:
        """Ask the last question again."""
        if said.pending or not said.turns:
            yield "", said, *self.panels(said, language)
            return
        last = said.turns[-1]
        as_typed = last.asked == last.question
        yield from self.ask(last.question, said.without_last(), language, as_typed=as_typed)

    def stop(self, said: talk.Conversation, language: Language) -> tuple[talk.Conversation, str]:
        """Give up waiting."""
        said = said.stop()
        return said, talk.conversation_panel(said, language)

    def clear(self, said: talk.Conversation, language: Language) -> Change:
        """Start over; an answer that is still being worked on is not waited for."""
        said.stop()
        said = talk.Conversation(filters=said.filters)
        return "", said, *self.panels(said, language)

    def filter(
        self, said: talk.Conversation, language: Language, sent: object
    ) -> tuple[talk.Conversation, str]:
        """Take what the form of filters sent, for the questions to come."""
        said = replace(said, filters=read_filters(sent))
        return said, self.filters(said, language)

    def unfilter(
        self, said: talk.Conversation, language: Language, sent: object
    ) -> tuple[talk.Conversation, str]:
        """Remove one filter."""
        said = replace(said, filters=without(said.filters, _sent(sent, "filter")))
        return said, self.filters(said, language)

    def filters(self, said: talk.Conversation, language: Language) -> str:
        """Write the filters."""
        return filter_panel(said.filters, self.answerer.index.sources(), language)

    def show(
        self, said: talk.Conversation, language: Language, sent: object
    ) -> tuple[talk.Conversation, str, str]:
        """Show the evidence of another turn."""
        number = _sent(sent, "turn")
        said = said.show(number) if isinstance(number, int) else said
        return said, *self.panels(said, language)

    def panels(self, said: talk.Conversation, language: Language) -> tuple[str, str]:
        """Write conversation and evidence."""
        return talk.conversation_panel(said, language), talk.evidence_of(said, language)

    def header(self, language: Language) -> str:
        """Write the page's head."""
        return talk.header_panel(article_count(self.answerer.index.count_articles(), language), language)

    def example_buttons(self, language: Language) -> str:
        """Write the examples, once they are known."""
        return talk.examples_panel(self.examples.wait(language), language)


def _sent(sent: object, name: str) -> Any:
    """One thing the browser sent along with an event: of any type, as it can be forged."""
    return sent.get(name) if isinstance(sent, dict) else None
