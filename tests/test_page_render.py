"""What the page writes: nothing an article says may become markup, and every quote is highlighted exactly."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_samples import HOSTILE, PAYLOAD, RICE, TRAIN, SharedWords, article

from qa.page.conversation import (
    MAX_TURNS,
    Conversation,
    conversation_panel,
    evidence_of,
    examples_panel,
    header_panel,
    place_markers,
    plain_answer,
)
from qa.page.render import ARTICLE_CHARACTERS, escape, evidence_panel, highlighted, passage_around, safe_url
from qa.page.strings import ENGLISH, INDONESIAN, article_count, long_date
from qa.types import Alternative, Answer, Article, Chunk, Citation, Hit, Ranks, ResolvedDate

ALLOWED_TAGS = set(
    "section article header footer h1 h2 h3 p div span bdi time blockquote mark button a ol ul li q br "
    "form fieldset legend label input details summary".split()
)
ALLOWED_ATTRIBUTES = set(
    "class id lang dir role title href target rel datetime tabindex type popover popovertarget "
    "popovertargetaction aria-label aria-hidden aria-live data-turn data-status data-show data-marker data-copy "
    "name value checked data-unfilter data-save data-document data-edit data-copied data-question".split()
)


class Markup(HTMLParser):
    """Reads markup as a browser would: elements, attributes and the text a reader sees."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.marked: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("br", "input"):
            self.open.append(tag)
        if tag == "mark":
            self.marked.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "mark" in self.open:
            self.marked[-1] += data

    def values(self, attribute: str) -> list[str | None]:
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


def assert_inert(markup: str) -> Markup:
    """Only the page's own elements and attributes are there, properly nested, and links go to the web."""
    read = Markup(markup)
    assert read.open == []
    assert {tag for tag, _ in read.elements} <= ALLOWED_TAGS
    assert {name for _, attributes in read.elements for name in attributes} <= ALLOWED_ATTRIBUTES
    assert all(re.match("https?://", link or "") for link in read.values("href"))
    return read


def answered(
    *citations: Citation, text: str | None = None, language: str = "en", question: str = "Q?"
) -> Answer:
    said = " ".join(one.quote for one in citations) if text is None else text
    return Answer(question, language, said, 0.9, citations, ())  # type: ignore[arg-type]


def cite(one: Article, quote: str, marker: int = 1) -> Citation:
    start = one.text.index(quote)
    return Citation(marker, one, start, start + len(quote), quote)


def refused(*found: Article, language: str = "id") -> Answer:
    hits = tuple(
        Hit(Chunk(f"{one.id}-0", one.id, 0, one.text, 0, len(one.text)), one, 1.0, "both") for one in found
    )
    return Answer("Siapa?", language, None, 0.1, (), hits)  # type: ignore[arg-type]


@given(st.text())
def test_escaped_text_is_text_wherever_it_stands(text: str) -> None:
    read = Markup(f'<p title="{escape(text)}">{escape(text)}</p>')
    assert [tag for tag, _ in read.elements] == ["p"]
    expected = html.unescape(html.escape(text.replace("\x00", "\ufffd")))
    assert read.text.replace("\r\n", "\n") == expected.replace("\r\n", "\n")


def test_unpaired_surrogates_can_be_sent() -> None:
    assert escape("a\ud800b").encode("utf-8") == b"a?b"


@pytest.mark.parametrize(
    "url", ["https://contoh.example/a?b=1&c=2#d", "http://contoh.example", "HTTPS://contoh.example/"]
)
def test_web_links_are_kept(url: str) -> None:
    assert safe_url(f" {url} ") == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        " javascript://contoh.example/%0aalert(1)",
        "data:text/html,<script>1</script>",
        "//contoh.example/a",
        "/a",
        "http://",
        "https:///a",
        "ftp://contoh.example/a",
        'https://contoh.example/"onmouseover=alert(1)',
        "https://contoh.example/a b",
        "https://contoh.example\\@lain.example/",
        "http://[::1",
    ],
)
def test_other_links_are_refused(url: str | None) -> None:
    assert safe_url(url) is None


WORDS = st.lists(
    st.sampled_from(["beras", "turun", "di", "pasar\n", "\n\n", "Rp 5,3 T.", "<b>", "&amp;", "x" * 70])
)


@given(WORDS, st.data())
def test_a_passage_holds_the_quote_and_breaks_no_word(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    context = data.draw(st.integers(0, 80))
    shown = passage_around(text, start, end, context)
    assert start - context <= shown.start <= start
    assert end <= shown.end <= end + context
    assert shown.start in (0, start) or text[shown.start - 1].isspace()
    assert shown.end in (end, len(text)) or text[shown.end].isspace()
    assert shown.cut_before == bool(text[: shown.start].strip())
    assert shown.cut_after == bool(text[shown.end :].strip())


@given(WORDS, st.data())
def test_highlighting_marks_exactly_the_quotes_and_keeps_every_character(
    words: list[str], data: st.DataObject
) -> None:
    text = " ".join(words)
    place = st.integers(0, len(text))
    marks = [tuple(sorted(pair)) for pair in data.draw(st.lists(st.tuples(place, place), max_size=3))]
    read = Markup(highlighted(text, 0, len(text), marks))  # type: ignore[arg-type]
    kept = [line for line in text.split("\n") if line.strip()]
    assert read.text == "".join(kept)
    covered = sorted({position for low, high in marks for position in range(low, high)})
    lines = [(match.start(), match.end()) for match in re.finditer(r"[^\n]+", text) if match.group().strip()]
    shown = [position for position in covered if any(low <= position < high for low, high in lines)]
    assert "".join(read.marked) == "".join(text[position] for position in shown)


def test_only_the_focused_mark_takes_the_focus_and_only_once() -> None:
    text = "satu dua\ntiga empat lima"
    quotes = [(0, 4), (5, 13)]
    read = Markup(highlighted(text, 0, len(text), quotes, focus=5))
    assert read.marked == ["satu", "dua", "tiga"]
    assert [attributes for tag, attributes in read.elements if tag == "mark"] == [{}, {"tabindex": "-1"}, {}]


def test_a_card_shows_headline_outlet_date_place_link_and_the_highlighted_quote() -> None:
    quote = "harga beras turun dua persen"
    read = assert_inert(evidence_panel(answered(cite(RICE, quote)), "en", key="7"))
    card, whole = read.text.split("Read the article")
    assert "1Harga beras turun di pasar induk" in card
    assert "Contoh · 19 May 2023 · Jakarta" in card
    assert read.marked == [quote, quote]
    assert "Pemerintah akan menambah pasokan dari gudang di tiga provinsi." in whole
    assert "File: beras.txt" in whole
    assert read.values("href") == ["https://contoh.example/beras?a=1&b=2"]
    assert read.values("rel") == ["noopener noreferrer nofollow"]
    assert read.values("datetime") == ["2023-05-19", "2023-05-19"]
    assert set(read.values("popovertarget")) == {"article-7-1"}
    assert "card-7-1" in read.values("id")
    assert "article-7-1" in read.values("id")


def test_what_is_unknown_or_inferred_is_said() -> None:
    unknown = Markup(evidence_panel(answered(cite(TRAIN, "lima puluh menit")), "id")).text
    assert "1bandara.txtmedia tidak diketahui · tanpa tanggal" in unknown
    inferred = article("Jumat (19/5).", date_inferred=True)
    read = Markup(evidence_panel(answered(cite(inferred, "Jumat")), "id"))
    assert "19 Mei 2023 tanggal disimpulkan" in read.text
    assert INDONESIAN.date_inferred_help in read.values("title")


def test_an_article_opens_with_all_its_quotes_and_the_focus_on_the_cards_own() -> None:
    first, second = cite(RICE, "dua persen", 1), cite(RICE, "tiga provinsi", 2)
    read = assert_inert(evidence_panel(answered(first, second), "en"))
    assert read.marked == [
        "dua persen",
        *["dua persen", "tiga provinsi"],
        "tiga provinsi",
        *["dua persen", "tiga provinsi"],
    ]
    focused = [index for index, (tag, attributes) in enumerate(read.elements) if tag == "mark" and attributes]
    marks = [index for index, (tag, _) in enumerate(read.elements) if tag == "mark"]
    assert [marks.index(index) for index in focused] == [1, 5]


def test_hostile_articles_stay_text_in_evidence_conversation_and_clipboard() -> None:
    quote = next(line for line in HOSTILE.text.split("\n") if "mermaid" not in line and "onerror" in line)
    answer = answered(cite(HOSTILE, quote), question=PAYLOAD, language="id")
    read = assert_inert(evidence_panel(answer, "en"))
    assert read.marked == [quote, quote]
    assert f"Judul {PAYLOAD}</h3>" in read.text
    assert HOSTILE.source in read.text
    assert HOSTILE.path in read.text
    assert read.values("href") == []
    for line in HOSTILE.text.split("\n"):
        assert line in read.text
    said = assert_inert(conversation_panel(Conversation().ask(PAYLOAD).answer(answer), "id"))
    assert quote in said.text
    assert PAYLOAD in said.text
    assert said.values("data-copy") == [plain_answer(answer)]
    assert_inert(conversation_panel(Conversation().ask(PAYLOAD).fail(PAYLOAD), "en"))
    assert assert_inert(examples_panel([PAYLOAD], "en")).values("data-question") == [PAYLOAD]
    assert_inert(evidence_panel(refused(HOSTILE), "en"))


def test_a_refusal_shows_the_nearest_articles_once_each_and_highlights_nothing_on_the_cards() -> None:
    read = assert_inert(evidence_panel(refused(RICE, RICE, TRAIN, HOSTILE, article("Lain.")), "id"))
    assert read.text.startswith(f"{INDONESIAN.nearest}untuk “Siapa?”{INDONESIAN.nearest_note}")
    cards = [attributes for tag, attributes in read.elements if tag == "article"]
    assert [attributes["id"] for attributes in cards] == ["card-0-n1", "card-0-n2", "card-0-n3"]
    # One mark an article, and that inside its dialog: an underlined place, not a highlighted quote.
    assert read.marked == [*_lines(RICE), *_lines(TRAIN), *_lines(HOSTILE)]
    without_dialogs = re.sub(
        r"<div popover.*?</div></article>", "", evidence_panel(refused(RICE, TRAIN), "id")
    )
    assert "<mark" not in without_dialogs
    assert "Pedagang di pasar induk" in without_dialogs


def _lines(one: Article) -> list[str]:
    return [line for line in one.text.split("\n") if line.strip()]


def test_a_very_long_article_is_shown_around_its_quote_and_says_so() -> None:
    long = article("kata " * 20_000 + "penentu " + "kata " * 20_000)
    panel = evidence_panel(answered(cite(long, "penentu")), "en")
    assert len(panel) < ARTICLE_CHARACTERS + 5_000
    assert Markup(panel).marked == ["penentu", "penentu"]
    assert ENGLISH.shortened in panel


def test_without_an_answer_the_panel_says_what_will_be_there() -> None:
    assert Markup(evidence_panel(None, "id")).text == INDONESIAN.evidence + INDONESIAN.evidence_empty


@given(st.text("ab \n", max_size=30), st.data())
def test_markers_leave_the_answer_as_it_was(text: str, data: st.DataObject) -> None:
    place = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(place, place), max_size=4))
    quotes = [text[min(pair) : max(pair)] for pair in pairs]
    citations = [Citation(n, RICE, 0, 0, quote) for n, quote in enumerate(quotes, 1)]
    pieces = place_markers(text, citations)
    assert "".join(piece for piece, _ in pieces) == text
    assert sorted(marker for _, markers in pieces for marker in markers) == list(range(1, len(quotes) + 1))


def test_markers_follow_their_quotes_or_the_whole_answer() -> None:
    first, second = cite(RICE, "dua persen", 1), cite(RICE, "tiga provinsi", 2)
    assert place_markers("dua persen, tiga provinsi", (first, second)) == [
        ("dua persen", (1,)),
        (", tiga provinsi", (2,)),
    ]
    assert place_markers("dua", (first, second)) == [("dua", (1, 2))]


def test_the_clipboard_gets_answer_markers_and_sources() -> None:
    answer = answered(cite(RICE, "dua persen"), language="id")
    assert (
        plain_answer(answer) == "dua persen [1]\n\n[1] Harga beras turun di pasar induk. Contoh, 19 Mei 2023"
    )
    assert plain_answer(refused(RICE)) == INDONESIAN.refused


def test_an_article_quoted_twice_is_one_source() -> None:
    answer = answered(cite(RICE, "dua persen", 1), cite(TRAIN, "tiket", 2), cite(RICE, "tiga provinsi", 3))
    assert plain_answer(answer).split("\n\n")[1].split("\n") == [
        "[1] [3] Harga beras turun di pasar induk. Contoh, 19 May 2023",
        "[2] outlet unknown, undated",
    ]
    said = Markup(conversation_panel(Conversation().ask("Q?").answer(answer), "en")).text
    assert "[1][3]Contoh, 19 May 2023[2]outlet unknown, undated" in said


def test_an_answer_is_shown_verbatim_with_markers_outlet_and_date() -> None:
    answer = answered(cite(RICE, "harga beras turun dua persen pada Mei."), language="en")
    read = assert_inert(conversation_panel(Conversation().ask("Q?").answer(answer), "id"))
    assert "harga beras turun dua persen pada Mei.[1][1]Contoh, 19 May 2023" in read.text
    assert read.values("aria-label").count("Lihat bukti 1") == 2


def test_a_refusal_speaks_the_questions_language_whatever_the_pages() -> None:
    said = Markup(conversation_panel(Conversation().ask("Siapa?").answer(refused(RICE)), "en")).text
    assert INDONESIAN.refused in said
    assert ENGLISH.refused not in said
    assert ENGLISH.copy in said


def test_a_conversation_goes_from_pending_to_answered_failed_or_stopped() -> None:
    pending = Conversation().ask("Q1?")
    assert pending.pending
    assert ENGLISH.searching in conversation_panel(pending, "en")
    answer = answered(cite(RICE, "dua persen"))
    done = pending.answer(answer)
    assert (done.pending, done.shown, done.turns[0].answer) == (False, 1, answer)
    stopped = done.ask("Q2?").stop()
    assert stopped.turns[-1].status == "stopped"
    assert stopped.stop() is stopped
    assert ENGLISH.stopped in conversation_panel(stopped, "en")
    failed = stopped.ask("Q3?").fail("Tidak bisa.")
    assert failed.shown == 1
    assert "Tidak bisa." in conversation_panel(failed, "en")
    assert failed.without_last().turns[-1].question == "Q2?"


def test_what_a_follow_up_was_taken_for_is_text_and_can_be_changed() -> None:
    said = Conversation().ask(f"Siapa pendiri {PAYLOAD}?").answer(answered(cite(RICE, "dua persen")))
    read = assert_inert(conversation_panel(said.ask("Di mana?"), "id"))
    standing = f"Di mana pendiri {PAYLOAD}?"
    assert read.values("data-edit") == [standing]
    assert read.values("data-question") == ["Di mana?"]
    assert f"{INDONESIAN.understood} {standing}" in read.text
    assert not Markup(conversation_panel(said.ask("Di mana?", as_typed=True), "id")).values("data-edit")


def test_every_passage_says_why_it_is_shown() -> None:
    def found(one: Article, ranks: Ranks) -> Hit:
        return Hit(Chunk(f"{one.id}-0", one.id, 0, one.text, 0, len(one.text)), one, 1.0, "both", ranks)

    hits = (found(TRAIN, Ranks(None, 1, 2)), found(RICE, Ranks(3, 2, 1)))
    answer = Answer("Q?", "en", "dua persen", 0.613, (cite(RICE, "dua persen"),), hits, {}, (), 0.24)
    read = assert_inert(evidence_panel(answer, "en"))
    for line in (
        "By meaning: rank 3",
        "By words: rank 2",
        "By both together: rank 1",
        "After reading: rank 2",
        "a probability of 61 %",
        "below 24 %",
    ):
        assert line in read.text
    # The hit that a quote is from may not be among those that the answer carries.
    assert "By meaning" not in Markup(evidence_panel(replace(answer, hits=()), "en")).text
    refused = assert_inert(evidence_panel(replace(answer, text=None, citations=()), "id"))
    assert f"Menurut makna: {INDONESIAN.no_rank}" in refused.text
    assert refused.text.count("di bawah 24 %") == 2


def test_the_evidence_of_an_earlier_turn_can_be_shown_again() -> None:
    first, second = answered(cite(RICE, "dua persen")), answered(cite(TRAIN, "tiket"))
    said = Conversation().ask("Q1?").answer(first).ask("Q2?").answer(second)
    assert "card-2-1" in evidence_of(said, "en")
    assert "card-1-1" in evidence_of(said.show(1), "en")
    assert said.show(99) is said
    buttons = Markup(conversation_panel(said, "en"))
    assert buttons.text.count(ENGLISH.show_evidence) == 1


def test_a_long_session_forgets_its_oldest_turns() -> None:
    said = Conversation()
    for number in range(MAX_TURNS + 3):
        said = said.ask(f"Q{number}?").stop()
    assert [turn.number for turn in said.turns] == list(range(4, MAX_TURNS + 4))


def test_counts_and_dates_are_written_as_the_language_does() -> None:
    assert (article_count(1, "en"), article_count(12_345, "en"), article_count(12_345, "id")) == (
        "1 article",
        "12,345 articles",
        "12.345 artikel",
    )
    assert (long_date(date(2022, 8, 1), "en"), long_date(date(2022, 8, 1), "id")) == (
        "1 August 2022",
        "1 Agustus 2022",
    )
    assert "12.345 artikel" in Markup(header_panel(article_count(12_345, "id"), "id")).text


def test_the_stand_in_answerer_cites_verbatim_and_abstains() -> None:
    answerer = SharedWords([RICE, TRAIN])
    answer = answerer.ask("Berapa persen harga beras turun?")
    citation = answer.citations[0]
    assert citation.article.text[citation.start : citation.end] == citation.quote == answer.text
    assert answerer.ask("Siapa penyanyi itu?").abstained


def answer_with(text: str, confidence: float, article: Article, *, alternative: str) -> Answer:
    end = article.text.index("\n")
    citation = Citation(1, article, 0, end, article.text[:end], (ResolvedDate(0, 7, date(2023, 5, 18)),))
    other = Alternative(alternative, 0.2, citation)
    return Answer("Who?", "en", text, confidence, (citation,), (), {}, (other,))


def test_how_sure_an_answer_is_and_what_else_it_might_be_is_said() -> None:
    for confidence, said in ((0.9, "Sure"), (0.6, "Likely"), (0.3, "Unsure")):
        answer = answer_with("Menteri Perdagangan", confidence, RICE, alternative="pedagang")
        panel = Markup(conversation_panel(Conversation().ask("Who?").answer(answer), "id"))
        assert (
            f"{said}. Estimated chance that this answer is right: {confidence:.0%}".replace("%", " %")
            in panel.text
        )
        assert "Or, less likely:pedagang Contoh, 19 May 2023" in panel.text
    refused = Answer("Who?", "en", None, 0.1, (), ())
    assert "Unsure" not in Markup(conversation_panel(Conversation().ask("Who?").answer(refused), "en")).text


def test_days_that_were_worked_out_stand_under_their_quote() -> None:
    answer = answer_with("Menteri Perdagangan", 0.9, RICE, alternative="pedagang")
    panel = Markup(evidence_panel(answer, "id"))
    assert "“JAKARTA” adalah 18 Mei 2023, disimpulkan dari tanggal artikel" in panel.text


def test_hostile_alternatives_and_days_stay_text() -> None:
    answer = answer_with(PAYLOAD, 0.4, HOSTILE, alternative=PAYLOAD)
    told = conversation_panel(Conversation().ask("Who?").answer(answer), "en") + evidence_panel(answer, "en")
    markup = Markup(told)
    assert {tag for tag, _ in markup.elements} <= ALLOWED_TAGS
    assert {name for _, attributes in markup.elements for name in attributes} <= ALLOWED_ATTRIBUTES
    assert markup.text.count(PAYLOAD) >= 3
