"""An answer as a document: complete, and inert whatever the articles hold."""

from __future__ import annotations

import datetime
import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from page_samples import HOSTILE, PAYLOAD, RICE, TRAIN, SharedWords, article

from qa.page.export import as_html, as_markdown
from qa.page.strings import ENGLISH, INDONESIAN
from qa.types import Answer, Article, Citation, ResolvedDate

WEIRD = "1. a\n# b\n- c *d* _e_ `f` <b>g</b> [h](javascript:1) ![i](https://contoh.invalid/i.png) \ud800 \0 &lt; | ~~j"


def quoting(found: Article, quote: str, text: str | None = None, **values: object) -> Answer:
    start = found.text.index(quote)
    citation = Citation(1, found, start, start + len(quote), quote, **values)  # type: ignore[arg-type]
    return Answer("Berapa turunnya?", "id", text or quote, 0.9, (citation,), ())


class Reader(HTMLParser):
    """What a browser makes of a page: elements with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_question_answer_quote_outlet_date_link_and_file_are_there() -> None:
    answer = quoting(RICE, "harga beras turun dua persen pada Mei.", "dua persen")
    for document in (as_markdown(answer), Reader(as_html(answer)).text):
        for part in (
            "Berapa turunnya?",
            "dua persen",
            "harga beras turun dua persen pada Mei.",
            "Harga beras turun di pasar induk",
            "Contoh, 19 Mei 2023",
            "beras.txt",
        ):
            assert part in document
    assert "<https://contoh.example/beras?a=1&b=2>" in as_markdown(answer)
    links = [values["href"] for tag, values in Reader(as_html(answer)).elements if tag == "a"]
    assert links == ["https://contoh.example/beras?a=1&b=2"]


def test_days_that_were_worked_out_are_marked_as_such() -> None:
    dates = (ResolvedDate(0, 7, datetime.date(2023, 5, 18)),)
    answer = quoting(article("kemarin harga turun"), "kemarin harga turun", dates=dates)
    note = INDONESIAN.resolved.format(words="kemarin", day="18 Mei 2023")
    assert note in as_markdown(answer)
    assert note in Reader(as_html(answer)).text


def test_a_refusal_says_so_and_lists_the_nearest_passages_as_what_they_are() -> None:
    answer = SharedWords([RICE, TRAIN]).ask("who zzz?")
    for document in (as_markdown(answer), Reader(as_html(answer)).text):
        assert ENGLISH.refused in document
        assert ENGLISH.nearest in document
        assert ENGLISH.evidence not in document
        assert "Kereta bandara menempuh" in document
        assert "[1]" not in document


@pytest.mark.parametrize("text", [HOSTILE.text.split("\n")[0], WEIRD, PAYLOAD])
def test_hostile_articles_stay_text(text: str) -> None:
    found = article(text, title=text, source=text, path=text, url="javascript:alert(1)")
    answer = quoting(found, text)
    wanted = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd").split()

    page = Reader(as_html(answer))
    assert {tag for tag, _ in page.elements} <= set(
        "html head meta title style body h1 h2 section p strong blockquote bdi".split()
    )
    assert " ".join(wanted) in " ".join(page.text.split())

    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(as_markdown(answer))
    inline = [child for token in tokens for child in token.children or []]
    assert {token.type for token in inline} <= {
        "text",
        "text_special",
        "strong_open",
        "strong_close",
        "softbreak",
    }
    assert {token.tag for token in tokens if token.nesting == 1} == {"h1", "h2", "p", "blockquote"}
    said = "".join(token.content for token in inline)
    assert re.sub(r"\s+", "", "".join(wanted)) in re.sub(r"\s+", "", said)
    assert "\\" not in said
