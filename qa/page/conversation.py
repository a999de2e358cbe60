"""The conversation: what was asked and what came of it, as data and as HTML.

A ``Conversation`` is a value: every step returns a new one, so that a half-finished step never shows. The
page keeps one per browser session, on the server.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from qa.followups import Exchange, standalone
from qa.page.export import as_html, as_markdown
from qa.page.filters import filter_names
from qa.page.render import escape, evidence_panel, outlet_and_date
from qa.page.strings import strings_for
from qa.types import Answer, Article, Citation, Filters, Language

MAX_QUESTION_CHARACTERS = 1000
"""The longest question that is answered, checked on the server."""

MAX_TURNS = 40
"""How many turns a session keeps; the oldest go first, so that a long session cannot fill the memory."""

_LONGEST_UNBROKEN = 30

Status = Literal["pending", "answered", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One question. ``answer`` is set when answered, ``problem`` (words for the reader) when failed.

    ``asked`` is what is looked up: the question, or what a follow-up was made into to stand alone. ``filters``: which
    articles may answer.
    ``given_up`` tells whoever works on the answer that nobody waits for it any more.
    """

    number: int
    question: str
    asked: str
    filters: Filters = field(default_factory=Filters)
    status: Status = "pending"
    answer: Answer | None = None
    problem: str = ""
    given_up: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Conversation:
    """The turns of a session and the number of the one whose evidence is shown (``None``: none yet).

    ``filters``: which articles may answer the next question.
    """

    turns: tuple[Turn, ...] = ()
    shown: int | None = None
    next_number: int = 1
    filters: Filters = field(default_factory=Filters)

    @property
    def pending(self) -> bool:
        """Whether the last question still waits for its answer."""
        return bool(self.turns) and self.turns[-1].status == "pending"

    @property
    def evidence(self) -> Turn | None:
        """The turn whose evidence is shown."""
        return next((turn for turn in self.turns if turn.number == self.shown and turn.answer), None)

    def ask(self, question: str, *, as_typed: bool = False) -> Conversation:
        """Add a question that waits for its answer; a follow-up is made to stand alone, unless wanted ``as_typed``."""
        before = [Exchange(turn.asked, turn.answer.text) for turn in self.turns if turn.answer]
        asked = question if as_typed else standalone(question, before) or question
        turns = (*self.turns, Turn(self.next_number, question, asked, self.filters))[-MAX_TURNS:]
        return replace(self, turns=turns, next_number=self.next_number + 1)

    def answer(self, answer: Answer) -> Conversation:
        """Answer the waiting question and show its evidence."""
        return self._finish("answered", answer=answer)

    def fail(self, problem: str) -> Conversation:
        """Say in words for the reader why the waiting question has no answer."""
        return self._finish("failed", problem=problem)

    def stop(self) -> Conversation:
        """Give the waiting question up; without one, change nothing."""
        if not self.pending:
            return self
        self.turns[-1].given_up.set()
        return self._finish("stopped")

    def without_last(self) -> Conversation:
        """Take the last turn back, to ask it again."""
        return replace(self, turns=self.turns[:-1])

    def show(self, number: int) -> Conversation:
        """Show the evidence of a turn; a number that has none changes nothing."""
        chosen = replace(self, shown=number)
        return chosen if chosen.evidence else self

    def _finish(self, status: Status, *, answer: Answer | None = None, problem: str = "") -> Conversation:
        last = replace(self.turns[-1], status=status, answer=answer, problem=problem)
        shown = last.number if answer else self.shown
        return replace(self, turns=(*self.turns[:-1], last), shown=shown)


def place_markers(text: str, citations: Sequence[Citation]) -> list[tuple[str, tuple[int, ...]]]:
    """Split an answer where its quotes end: verbatim pieces of ``text``, each with the markers that follow it.

    A quote that does not occur in the answer (a sentence that proves a shorter answer) has its marker at the
    end. Joining the pieces gives ``text`` again.
    """
    markers: dict[int, list[int]] = {}
    searched = 0
    for citation in citations:
        found = text.find(citation.quote, searched)
        if found >= 0:
            searched = found + len(citation.quote)
        markers.setdefault(searched if found >= 0 else len(text), []).append(citation.marker)
    pieces = []
    position = 0
    for end in sorted({*markers, len(text)}):
        pieces.append((text[position:end], tuple(markers.get(end, ()))))
        position = end
    return pieces


def plain_answer(answer: Answer) -> str:
    """Write an answer as plain text with its sources, for the clipboard."""
    if answer.text is None:
        return strings_for(answer.language).refused
    body = "".join(
        text + "".join(f" [{marker}]" for marker in markers)
        for text, markers in place_markers(answer.text, answer.citations)
    )
    sources = []
    for article, markers in _by_article(answer.citations):
        title = f"{article.title}. " if article.title else ""
        numbers = " ".join(f"[{marker}]" for marker in markers)
        sources.append(f"{numbers} {title}{outlet_and_date(article, answer.language)}")
    return "\n".join((body, "", *sources)) if sources else body


def _by_article(citations: Sequence[Citation]) -> list[tuple[Article, list[int]]]:
    """The articles cited, each once, with the markers of its quotes."""
    found: dict[str, tuple[Article, list[int]]] = {}
    for one in citations:
        found.setdefault(one.article.id, (one.article, []))[1].append(one.marker)
    return list(found.values())


def conversation_panel(conversation: Conversation, language: Language) -> str:
    """Write the conversation; before the first question, a word of welcome."""
    words = strings_for(language)
    if not conversation.turns:
        return (
            f'<div class="t-welcome"><h2>{escape(words.welcome_title)}</h2>'
            f"<p>{escape(words.welcome_text)}</p></div>"
        )
    turns = "".join(_turn(turn, conversation.shown, language) for turn in conversation.turns)
    return (
        f'<div class="t-turns" role="log" aria-live="polite" aria-label="{escape(words.conversation_label)}">'
        f"{turns}</div>"
    )


def _turn(turn: Turn, shown: int | None, language: Language) -> str:
    words = strings_for(language)
    if turn.answer is not None:
        reply = _reply(turn.answer, turn.number, language, current=turn.number == shown)
    elif turn.status == "pending":
        dots = '<span class="t-dots" aria-hidden="true"></span>'
        reply = f'<p class="t-pending">{dots}{escape(words.searching)}</p>'
    else:
        problem = turn.problem if turn.status == "failed" else words.stopped
        reply = f'<p class="t-problem">{escape(problem)}</p>'
    current = " t-current" if turn.number == shown else ""
    return (
        f'<section class="t-turn{current}" data-turn="{turn.number}" data-status="{turn.status}">'
        f'<p class="t-question" dir="auto"><span class="t-unseen">{escape(words.you_asked)}: </span>'
        f"{escape(turn.question)}</p>{_understood(turn, language)}"
        f'<div class="t-reply"><span class="t-unseen">{escape(words.answered)}: </span>{reply}</div>'
        "</section>"
    )


def _understood(turn: Turn, language: Language) -> str:
    """What a follow-up was taken to mean, to be changed or turned down, and where its answer was looked for."""
    words, asked = strings_for(language), escape(turn.asked)
    among = ""
    if turn.filters:
        named = ", ".join(text for _, text in filter_names(turn.filters, language))
        among = f'<p class="t-understood">{escape(words.only_among.format(filters=named))}</p>'
    if turn.asked == turn.question:
        return among
    return (
        f'<p class="t-understood">{escape(words.understood)} <q dir="auto">{asked}</q> '
        f'<button type="button" data-edit="{asked}">{escape(words.edit_question)}</button> '
        f'<button type="button" data-question="{escape(turn.question)}">'
        f"{escape(words.ask_as_typed)}</button></p>{among}"
    )


def _reply(answer: Answer, number: int, language: Language, *, current: bool) -> str:
    words = strings_for(language)
    # What is said about an answer follows the question's language; the buttons follow the page's.
    in_answer = strings_for(answer.language)
    if answer.text is None:
        said = (
            f'<p class="t-refusal" lang="{answer.language}">{escape(in_answer.refused)}</p>'
            f'<p class="t-note" lang="{answer.language}">'
            f"{escape(in_answer.refused_note) if answer.hits else ''}</p>"
        )
    else:
        said = (
            f'<blockquote class="t-answer" dir="auto">{_answer_text(answer, number, language)}</blockquote>'
        )
        lines = (
            f"<li>{''.join(_marker_button(marker, number, language) for marker in markers)}"
            f"<bdi>{escape(outlet_and_date(article, answer.language))}</bdi></li>"
            for article, markers in _by_article(answer.citations)
        )
        said += f'<ol class="t-sources" lang="{answer.language}">{"".join(lines)}</ol>'
        said += _sureness(answer) + _alternatives(answer)
    show = (
        ""
        if current
        else f'<button type="button" data-show="{number}">{escape(words.show_evidence)}</button>'
    )
    return (
        f'{said}<p class="t-actions"><button type="button" data-copy="{escape(plain_answer(answer))}" '
        f'data-copied="{escape(words.copied)}">{escape(words.copy)}</button>'
        f"{_save(as_markdown(answer), 'md', words.save_markdown)}{_save(as_html(answer), 'html', words.save_html)}"
        f"{show}</p>"
    )


def _save(document: str, kind: str, label: str) -> str:
    return f'<button type="button" data-save="{kind}" data-document="{escape(document)}">{escape(label)}</button>'


def _sureness(answer: Answer) -> str:
    words, sureness = strings_for(answer.language), answer.sureness
    if sureness is None:
        return ""
    meaning = words.sureness_help.format(percent=round(100 * answer.confidence))
    return (
        f'<p class="t-sureness t-{sureness}" lang="{answer.language}" title="{escape(meaning)}">'
        f'{escape(words.sureness(sureness))}<span class="t-unseen">. {escape(meaning)}</span></p>'
    )


def _alternatives(answer: Answer) -> str:
    """What was nearly answered instead, with where it stands."""
    if not answer.alternatives:
        return ""
    lines = "".join(
        f'<li><q dir="auto">{escape(other.text)}</q> '
        f"<bdi>{escape(outlet_and_date(other.citation.article, answer.language))}</bdi></li>"
        for other in answer.alternatives
    )
    title = escape(strings_for(answer.language).alternatives)
    return f'<div class="t-alternatives" lang="{answer.language}"><p>{title}</p><ul>{lines}</ul></div>'


def _answer_text(answer: Answer, number: int, language: Language) -> str:
    written = []
    for text, markers in place_markers(answer.text or "", answer.citations):
        # The last word and its markers stay on one line, so that no line begins with a marker.
        words = text.rstrip()
        cut = max(words.rfind(" ") + 1, words.rfind("\n") + 1, len(words) - _LONGEST_UNBROKEN)
        buttons = "".join(_marker_button(marker, number, language) for marker in markers)
        written.append(f'{_lines(text[:cut])}<span class="t-together">{escape(words[cut:])}{buttons}</span>')
        written.append(_lines(text[len(words) :]))
    return "".join(written)


def _lines(text: str) -> str:
    return re.sub(r"\n+", "<br>", escape(text))


def _marker_button(marker: int, number: int, language: Language) -> str:
    label = strings_for(language).go_to_proof.format(marker=marker)
    return (
        f'<button type="button" class="t-cite" data-show="{number}" data-marker="{marker}" '
        f'aria-label="{escape(label)}">[{marker}]</button>'
    )


def evidence_of(conversation: Conversation, language: Language) -> str:
    """Write the evidence of the turn that is shown."""
    turn = conversation.evidence
    if turn is None:
        return evidence_panel(None, language)
    return evidence_panel(turn.answer, language, key=str(turn.number))


def examples_panel(questions: Sequence[str], language: Language) -> str:
    """Write the example questions as buttons; an empty place when there are none."""
    if not questions:
        return '<div class="t-examples"></div>'
    buttons = "".join(
        f'<button type="button" data-question="{escape(question)}" dir="auto">{escape(question)}</button>'
        for question in questions
    )
    return (
        f'<div class="t-examples"><p>{escape(strings_for(language).examples)}</p><div>{buttons}</div></div>'
    )


def header_panel(article_count_text: str, language: Language) -> str:
    """Write the page's head: the name, what it does and how much it knows."""
    words = strings_for(language)
    return (
        f'<div class="t-brand"><h1>Tanya</h1><p>{escape(words.tagline)} '
        f'<span class="t-size">{escape(article_count_text)}</span></p></div>'
    )
