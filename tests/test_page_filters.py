"""Filters: what the browser sends is taken apart with care, and what is chosen is shown as text."""

from __future__ import annotations

import threading
from datetime import date

import pytest
from page_samples import PAYLOAD, RICE, TRAIN, SharedWords
from test_page_render import assert_inert

from qa.page.conversation import Conversation
from qa.page.examples import Examples
from qa.page.filters import MOST_SOURCES, filter_names, filter_panel, read_filters, without
from qa.page.handlers import Page
from qa.page.strings import ENGLISH, INDONESIAN
from qa.types import Filters

CHOSEN = Filters(date(2023, 5, 1), date(2023, 5, 31), ("Contoh", PAYLOAD))


def test_dates_and_outlets_are_read() -> None:
    sent = {"from": "2023-05-01", "to": "2023-05-31", "sources": ["Contoh", PAYLOAD]}
    assert read_filters(sent) == CHOSEN
    turned = {"from": "2023-05-31", "to": "2023-05-01", "sources": ["Contoh", PAYLOAD, " Contoh "]}
    assert read_filters(turned) == CHOSEN


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        "from",
        {},
        {"from": "", "to": "", "sources": []},
        {"from": "kemarin", "to": 5, "sources": "Contoh"},
        {"from": "2023-02-30", "to": None, "sources": [1, None, " ", {}]},
    ],
)
def test_what_is_no_filter_is_none(sent: object) -> None:
    assert not read_filters(sent)


def test_only_so_many_outlets_of_such_a_length_are_taken() -> None:
    found = read_filters({"sources": [f"{number} {'x' * 9_999}" for number in range(2 * MOST_SOURCES)]})
    assert len(found.sources) == MOST_SOURCES
    assert all(len(one) <= 500 for one in found.sources)


def test_every_chip_removes_its_filter() -> None:
    left = CHOSEN
    for name, _ in filter_names(CHOSEN, "en"):
        assert without(left, name) != left
        left = without(left, name)
    assert left == Filters()
    assert without(CHOSEN, "source:Lain") == without(CHOSEN, 7) == CHOSEN


def test_the_form_shows_what_is_chosen_as_text() -> None:
    read = assert_inert(filter_panel(CHOSEN, ["Antara", "Contoh"], "id"))
    assert read.values("data-unfilter") == ["from", "to", "source:Contoh", f"source:{PAYLOAD}"]
    assert "sejak 1 Mei 2023" in read.text
    values = read.values("value")
    assert values == ["2023-05-01", "2023-05-31", "Contoh", PAYLOAD, "Antara"]
    assert len(read.values("checked")) == 2
    assert INDONESIAN.filter in read.text
    assert not assert_inert(filter_panel(Filters(), [], "en")).values("data-unfilter")


def test_a_question_keeps_the_filters_it_was_asked_with() -> None:
    answerer = SharedWords([RICE, TRAIN])
    page = Page(answerer, Examples(lambda language: []), threading.Semaphore(1))
    question = "Berapa persen harga beras turun pada Mei?"
    said, shown = page.filter(Conversation(), "en", {"sources": ["Lain"]})
    assert "Lain" in shown
    *_, (_, said, panel, _) = page.ask(question, said, "en")
    assert answerer.filters == Filters(sources=("Lain",))
    assert said.turns[-1].answer is not None
    assert said.turns[-1].answer.abstained
    assert ENGLISH.only_among.format(filters="Lain") in panel
    said, shown = page.unfilter(said, "en", {"filter": "source:Lain"})
    assert "data-unfilter" not in shown
    *_, (_, said, panel, _) = page.ask(question, said, "en")
    assert not answerer.filters
    assert said.turns[-1].answer is not None
    assert not said.turns[-1].answer.abstained
    # Starting over keeps the filters: they are about the archive, not about what was said.
    said, _ = page.filter(said, "en", {"from": "2023-01-01"})
    assert page.clear(said, "en")[1].filters == Filters(date(2023, 1, 1))
