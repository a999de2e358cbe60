"""Which articles may answer: what the page sends, and the form and chips that show it.

What the browser sends can be forged, so it is read as if it were anything; outlets are hostile text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from qa.page.render import escape
from qa.page.strings import long_date, strings_for
from qa.types import Filters, Language

MOST_SOURCES = 300
"""Outlets offered, and taken, at most."""
_LONGEST = 500


def read_filters(sent: object) -> Filters:
    """Read what the form sent; what is no date or no outlet is left out, dates the wrong way round are turned."""
    fields = sent if isinstance(sent, dict) else {}
    first, last = _day(fields.get("from")), _day(fields.get("to"))
    if first and last and first > last:
        first, last = last, first
    sources = fields.get("sources")
    named = [one for one in sources if isinstance(one, str)] if isinstance(sources, list) else []
    kept = dict.fromkeys(one.strip()[:_LONGEST] for one in named if one.strip())
    return Filters(first, last, tuple(kept)[:MOST_SOURCES])


def is_date(text: str) -> bool:
    """Whether the text is an ISO date."""
    return _day(text) is not None


def without(filters: Filters, name: object) -> Filters:
    """Return ``filters`` without the one of a chip: "from", "to", or "source:" and the outlet."""
    if name == "from":
        return replace(filters, date_from=None)
    if name == "to":
        return replace(filters, date_to=None)
    return replace(filters, sources=tuple(one for one in filters.sources if f"source:{one}" != name))


def filter_names(filters: Filters, language: Language) -> Iterator[tuple[str, str]]:
    """Yield each filter as the name of its chip and as plain text."""
    words = strings_for(language)
    if filters.date_from:
        yield "from", words.since.format(day=long_date(filters.date_from, language))
    if filters.date_to:
        yield "to", words.until.format(day=long_date(filters.date_to, language))
    yield from ((f"source:{one}", one) for one in filters.sources)


def filter_panel(filters: Filters, sources: Sequence[str], language: Language) -> str:
    """Write the chips of what is chosen, and the form to choose from."""
    words = strings_for(language)
    chips = "".join(
        f'<button type="button" class="t-chip" data-unfilter="{escape(name)}" '
        f'aria-label="{escape(words.remove_filter.format(name=text))}">'
        f'<bdi>{escape(text)}</bdi><span aria-hidden="true"> ×</span></button>'
        for name, text in filter_names(filters, language)
    )
    chosen = set(filters.sources)
    outlets = "".join(
        f'<label><input type="checkbox" name="source" value="{escape(one)}"{" checked" * (one in chosen)}> '
        f"<bdi>{escape(one)}</bdi></label>"
        for one in dict.fromkeys((*filters.sources, *sources[:MOST_SOURCES]))
    )
    if outlets:
        outlets = f"<fieldset><legend>{escape(words.outlets)}</legend>{outlets}</fieldset>"
    return (
        f'<div class="t-filters">{chips}'
        f'<button type="button" class="t-filter-open" popovertarget="t-filter-form">{escape(words.filter)}</button>'
        f'<form popover id="t-filter-form" aria-label="{escape(words.filter)}">'
        f"{_date_field('from', words.date_from, filters.date_from)}{_date_field('to', words.date_to, filters.date_to)}"
        f'{outlets}<p class="t-note">{escape(words.filter_note)}</p>'
        f'<button type="submit">{escape(words.apply_filter)}</button></form></div>'
    )


def _date_field(name: str, label: str, chosen: date | None) -> str:
    value = chosen.isoformat() if chosen else ""
    return f'<label>{escape(label)} <input type="date" name="{name}" value="{value}"></label>'


def _day(sent: object) -> date | None:
    if not isinstance(sent, str):
        return None
    try:
        return date.fromisoformat(sent)
    except ValueError:
        return None
