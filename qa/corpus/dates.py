"""Dates as Indonesian news writes them: found by regular expressions, day before month.

Pure functions over text. A mention without a year ("Jumat (19/5)") is resolved against the years that the
article names; what was inferred is kept apart from what was stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from qa.types import ResolvedDate

_MONTHS = {
    **dict.fromkeys(("januari", "january", "jan"), 1),
    **dict.fromkeys(("februari", "pebruari", "february", "feb", "peb"), 2),
    **dict.fromkeys(("maret", "march", "mar"), 3),
    **dict.fromkeys(("april", "apr"), 4),
    **dict.fromkeys(("mei", "may"), 5),
    **dict.fromkeys(("juni", "june", "jun"), 6),
    **dict.fromkeys(("juli", "july", "jul"), 7),
    **dict.fromkeys(("agustus", "august", "agu", "ags", "agt", "aug"), 8),
    **dict.fromkeys(("september", "sept", "sep"), 9),
    **dict.fromkeys(("oktober", "october", "okt", "oct"), 10),
    **dict.fromkeys(("november", "nopember", "nov", "nop"), 11),
    **dict.fromkeys(("desember", "december", "des", "dec"), 12),
}
_WEEKDAYS = {
    **dict.fromkeys(("senin", "monday", "sen", "mon"), 0),
    **dict.fromkeys(("selasa", "tuesday", "sel", "tue"), 1),
    **dict.fromkeys(("rabu", "wednesday", "rab", "wed"), 2),
    **dict.fromkeys(("kamis", "thursday", "kam", "thu"), 3),
    **dict.fromkeys(("jumat", "jum'at", "jum’at", "friday", "jum", "fri"), 4),
    **dict.fromkeys(("sabtu", "saturday", "sab", "sat"), 5),
    **dict.fromkeys(("minggu", "ahad", "sunday", "min", "sun"), 6),
}


def _either(names: dict[str, int]) -> str:
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True))


_NUMBERS = (
    r"(?P<nd>\d{1,2})\s?(?P<sep>[/.-])\s?(?P<nm>\d{1,2})(?:\s?(?P=sep)\s?(?P<ny>\d{4}|\d{2}))?(?![\d/])"
)
_WORDS = rf"(?P<wd>\d{{1,2}})\s+(?P<wm>{_either(_MONTHS)})\b\.?(?:,?\s+(?P<wy>\d{{4}})\b)?"
_ISO = r"(?P<iy>\d{4})-(?P<im>\d{1,2})-(?P<id>\d{1,2})(?!\d)"
_DAY = rf"(?P<weekday>{_either(_WEEKDAYS)})"
_PART = r"(?:\s+(?:pagi|siang|sore|petang|malam|subuh|dini\s+hari))?"
_TIME = r"(?:pukul\s+)?\d{1,2}[:.]\d{2}(?:[:.]\d{2})?\s*(?:WIB|WITA|WIT|GMT)?(?:\s*[+-]\d{1,2})?"

#: A date as it stands alone in a line of metadata, with its weekday and time where given.
DATE_AND_TIME = (
    rf"(?:{_DAY}\s*[,.]?\s*)?\(?(?:{_ISO}|{_WORDS}|{_NUMBERS})\)?(?:\s*(?:[|,/•·–—-]|T)?\s*{_TIME})?"
)
_ALONE = re.compile(rf"\s*{DATE_AND_TIME}\s*", re.IGNORECASE)
_WITH_WEEKDAY = re.compile(
    rf"\b{_DAY}{_PART}\s*,?\s*(?:tanggal\s+)?(?:\(\s?(?:{_WORDS}|{_NUMBERS})|{_WORDS.replace('?P<w', '?P<v')})",
    re.IGNORECASE,
)
_WITHOUT_YEAR = re.compile(
    rf"\b(?:{_DAY}{_PART}\s*,?\s*)?(?:tanggal\s+)?(?:\(\s?(?:{_WORDS}|{_NUMBERS})\s?\)|"
    rf"(?<!\d){_WORDS.replace('?P<w', '?P<v')}(?!,?\s*\d{{4}}))",
    re.IGNORECASE,
)
_DAYS_AWAY = {"kemarin": -1, "kemarin malam": -1, "hari ini": 0, "besok": 1, "esok": 1, "lusa": 2}
_RELATIVE = re.compile(
    rf"\b(?:{_DAY}\s+(?:(?P<past>lalu|kemarin)|mendatang|depan)|"
    r"(?P<word>kemarin\s+malam|kemarin|hari\s+ini|besok|esok|lusa))\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<![\d.,])(?:19|20)\d\d(?!\d|[.,:]\d)")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class DateMention:
    """A date in a text; ``weekday`` counts from Monday = 0, ``year`` is ``None`` where none is written."""

    day: int
    month: int
    year: int | None
    weekday: int | None

    def resolve(self, latest_year: int | None, today: date) -> tuple[date, bool] | None:
        """Return the date and whether its year was inferred; ``None`` if it cannot be told.

        A missing year becomes the earliest one that agrees with the weekday and is not before
        ``latest_year``. Without a weekday or a latest year nothing is guessed, and nothing after ``today``.
        """
        if self.year is not None:
            stated = _date_or_none(self.year, self.month, self.day)
            return (stated, False) if stated else None
        if self.weekday is None or latest_year is None:
            return None
        # Weekdays of a given day come round within 11 years, 29 February within 40.
        for year in range(latest_year, min(latest_year + 40, today.year) + 1):
            candidate = _date_or_none(year, self.month, self.day)
            if candidate and candidate.weekday() == self.weekday:
                return (candidate, True) if candidate <= today else None
        return None


def _date_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _mention(match: re.Match[str]) -> DateMention | None:
    parts = match.groupdict()
    weekday = _WEEKDAYS.get((parts.get("weekday") or "").lower())
    for day, month, year in (("wd", "wm", "wy"), ("vd", "vm", "vy"), ("nd", "nm", "ny"), ("id", "im", "iy")):
        if not parts.get(day):
            continue
        if parts.get("sep", "/") not in ("/", None) and not parts[year] and day == "nd":
            return None  # "Minggu (2-1)" is a score
        number = int(parts[month]) if parts[month].isdecimal() else _MONTHS[parts[month].lower()]
        mention = DateMention(int(parts[day]), number, _full_year(parts[year]), weekday)
        # 29 February must pass here: the year may still be unknown.
        return mention if _date_or_none(mention.year or 2000, number, mention.day) else None
    return None


def _full_year(digits: str | None) -> int | None:
    if not digits:
        return None
    return int(digits) if len(digits) == 4 else 2000 + int(digits)


def date_alone(text: str) -> DateMention | None:
    """Read a text that is nothing but a date, such as "Senin, 3 April 2017 | 10:15 WIB"."""
    match = _ALONE.fullmatch(text) if len(text) <= 80 else None
    return _mention(match) if match else None


def dates_with_weekday(text: str) -> Iterator[DateMention]:
    """Find dates that name their weekday, as reports do: "Rabu (14/09/2022)", "Jumat, 19 Mei 2023"."""
    for match in _WITH_WEEKDAY.finditer(text):
        mention = _mention(match)
        if mention:
            yield mention


def resolved_dates(text: str, published: date | None) -> Iterator[ResolvedDate]:
    """Find the days that ``text`` names by their relation to ``published``, the day its article is from.

    "kemarin", "hari ini", "besok", "lusa"; a weekday with "lalu", "kemarin", "mendatang" or "depan"; a day and month
    without their year, which is that nearest to ``published`` with the weekday named, if one is.
    """
    if published is None:
        return
    found: list[ResolvedDate] = []
    for match in _WITHOUT_YEAR.finditer(text):
        mention = _mention(match)
        if mention and mention.year is None and (day := _nearest(mention, published)):
            # The full stop that may belong to a short month may also end the sentence.
            found.append(ResolvedDate(match.start(), match.start() + len(match.group().rstrip(".")), day))
    for match in _RELATIVE.finditer(text):
        if all(match.end() <= one.start or match.start() >= one.end for one in found):
            found.append(ResolvedDate(match.start(), match.end(), _counted(match, published)))
    yield from sorted(found, key=lambda one: one.start)


def _nearest(mention: DateMention, published: date) -> date | None:
    years = range(published.year - 1, published.year + 2)
    days = [day for year in years if (day := _date_or_none(year, mention.month, mention.day))]
    if mention.weekday is not None:
        days = [day for day in days if day.weekday() == mention.weekday]
    return min(days, key=lambda day: abs((day - published).days), default=None)


def _counted(match: re.Match[str], published: date) -> date:
    if match["word"]:
        return published + timedelta(days=_DAYS_AWAY[" ".join(match["word"].lower().split())])
    ahead = (_WEEKDAYS[match["weekday"].lower()] - published.weekday()) % 7
    if match["past"]:
        return published + timedelta(days=ahead - 7)
    return published + timedelta(days=ahead or 7)


def latest_year(text: str, today: date) -> int | None:
    """Return the latest year from 1990 to ``today`` that the text names; later ones are plans, not news."""
    years = [int(match.group()) for match in _YEAR.finditer(text)]
    return max((year for year in years if 1990 <= year <= today.year), default=None)


def parse_date(value: object) -> date | None:
    """Read a metadata field (ISO date or time, Indonesian or English words, seconds since 1970) as a date.

    ``None`` means that the field holds no full date. Day comes before month: "03/04/2017" is 3 April.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _from_epoch(float(value))
    text = str(value).strip()[:100]
    if not text or not _DIGIT.search(text):
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        mention = date_alone(text)
    if mention and mention.year is not None:
        return _date_or_none(mention.year, mention.month, mention.day)
    return _by_dateparser(text)


def _from_epoch(seconds: float) -> date | None:
    # Milliseconds are told from seconds by size: 10^11 seconds is the year 5138.
    if abs(seconds) >= 1e11:
        seconds /= 1000
    if not 0 < seconds < 1e11:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).date()


def _by_dateparser(text: str) -> date | None:
    """Leave rare spellings to dateparser, which is slow (milliseconds) and therefore comes last."""
    import dateparser

    settings = {"DATE_ORDER": "DMY", "REQUIRE_PARTS": ["day", "month", "year"], "PARSERS": ["absolute-time"]}
    try:
        parsed = dateparser.parse(text, languages=["id", "en"], settings=settings)
    except (ValueError, OverflowError):
        return None
    return parsed.date() if parsed else None
