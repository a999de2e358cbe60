"""Articles and an answerer with a meaning, for the tests of the page."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Sequence
from datetime import date

from qa.errors import InputError
from qa.types import Answer, Article, Chunk, Citation, Filters, Hit, Language


def article(text: str, **fields: object) -> Article:
    """An article of this text; fields not given are those of a plain article of the sample."""
    values: dict[str, object] = {
        "title": "Harga beras turun di pasar induk",
        "source": "Contoh",
        "place": None,
        "published_at": date(2023, 5, 19),
        "date_inferred": False,
        "url": None,
        "path": "beras.txt",
        **fields,
    }
    identifier = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    return Article(id=identifier, text=text, **values)  # type: ignore[arg-type]


RICE = article(
    "JAKARTA - Menteri Perdagangan mengatakan harga beras turun dua persen pada Mei.\n"
    "Pedagang di pasar induk menyambut baik penurunan harga beras itu.\n"
    "Pemerintah akan menambah pasokan dari gudang di tiga provinsi.",
    place="Jakarta",
    url="https://contoh.example/beras?a=1&b=2",
)
TRAIN = article(
    "Kereta bandara menempuh jarak itu dalam lima puluh menit.\nPenumpang membeli tiket di stasiun.",
    title=None,
    source=None,
    published_at=None,
    path="kereta/bandara.txt",
)
PAYLOAD = '<img src=x onerror="window.__pwned=1">'
HOSTILE = article(
    f"Wartawan menulis {PAYLOAD} dan <script>window.__pwned=2</script> pada papan pengumuman kantor. "
    "Ada juga ${window.__pwned=3} dan {{window.__pwned}} dan [tautan](javascript:window.__pwned=4).\n"
    "```mermaid\ngraph TD; A-->B\n```\nNilai $x^2$ &amp; $$y$$ ![gambar](https://contoh.invalid/a.png) tetap teks.",
    title=f"Judul {PAYLOAD}</h3>",
    source="<b onmouseover=window.__pwned=5>Contoh</b>",
    place="<i>Kota</i>",
    date_inferred=True,
    url="javascript:window.__pwned=6",
    path='jahat/"><img src=x onerror=window.__pwned=7>.txt',
)


class SampledArticles:
    """An archive of a few articles."""

    def __init__(self, articles: Sequence[Article]) -> None:
        self.articles = list(articles)

    def sample_articles(self, limit: int) -> list[Article]:
        return self.articles[:limit]

    def count_articles(self) -> int:
        return len(self.articles)

    def sources(self) -> list[str]:
        return sorted({one.source for one in self.articles if one.source})


class SharedWords:
    """Answers with the sentence that shares most words of four letters or more with the question; two at least.

    ``hold`` makes it wait until released, to see what a page shows meanwhile.
    """

    def __init__(self, articles: Sequence[Article]) -> None:
        self.index = SampledArticles(articles)
        self.asked: list[str] = []
        self.hold = threading.Event()
        self.hold.set()

    def ask(self, question: str, *, filters: Filters | None = None) -> Answer:
        self.asked.append(question)
        self.filters = filters or Filters()
        assert self.hold.wait(20)
        if question == "?":
            raise InputError("the question has no words")
        wanted = _words(question)
        hits = sorted(
            (
                _hit(one, match, wanted)
                for one in self.index.articles
                if not self.filters.sources or one.source in self.filters.sources
                for match in re.finditer(r"[^\n]+", one.text)
            ),
            key=lambda hit: -hit.score,
        )
        language: Language = (
            "id" if re.search(r"\b(apa|siapa|berapa|kapan|bagaimana)\b", question.lower()) else "en"
        )
        if not hits or (best := hits[0]).score < 2:
            return Answer(question, language, None, 0.1, (), tuple(hits[:5]))
        chunk = best.chunk
        citation = Citation(1, best.article, chunk.start, chunk.end, chunk.text)
        return Answer(question, language, chunk.text, 0.9, (citation,), tuple(hits[:5]))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.lower()))


def _hit(one: Article, match: re.Match[str], wanted: set[str]) -> Hit:
    chunk = Chunk(
        f"{one.id}-{match.start()}", one.id, match.start(), match.group(), match.start(), match.end()
    )
    return Hit(chunk, one, float(len(wanted & _words(match.group()))), "lexical")
