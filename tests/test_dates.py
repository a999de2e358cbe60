"""Dates in Indonesian news: what is stated, what is inferred, what is left alone."""

from __future__ import annotations

from datetime import date

import pytest

from qa.corpus.dates import (
    DateMention,
    date_alone,
    dates_with_weekday,
    latest_year,
    parse_date,
    resolved_dates,
)

TODAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Senin, 3 April 2017 | 10:15 WIB", DateMention(3, 4, 2017, 0)),
        ("12 Jan 2023 10:15 WIB", DateMention(12, 1, 2023, None)),
        ("Kamis, 12 Januari 2023", DateMention(12, 1, 2023, 3)),
        ("03/04/2017", DateMention(3, 4, 2017, None)),
        ("2022-09-14", DateMention(14, 9, 2022, None)),
        ("Rabu (14/09/2022)", DateMention(14, 9, 2022, 2)),
        ("31/02/2017", None),
        ("24/13/2017", None),
        ("Senin, 3 April 2017 di Jakarta", None),
    ],
)
def test_a_line_that_is_a_date(text: str, expected: DateMention | None) -> None:
    assert date_alone(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kata menteri, Jumat (19/5).", [DateMention(19, 5, None, 4)]),
        ("kata menteri, Senin malam (27/3/2017).", [DateMention(27, 3, 2017, 0)]),
        ("digelar pada Kamis, 12 Januari 2023 lalu", [DateMention(12, 1, 2023, 3)]),
        ("menang pada Minggu (2-1) dan selama dua minggu (12,5 persen)", []),
        ("lahir di Bandung (12/3/1980)", []),
    ],
)
def test_dates_with_their_weekday(text: str, expected: list[DateMention]) -> None:
    assert list(dates_with_weekday(text)) == expected


def test_a_missing_year_is_the_earliest_that_fits_the_weekday() -> None:
    friday = DateMention(19, 5, None, 4)
    assert friday.resolve(2021, TODAY) == (date(2023, 5, 19), True)
    assert friday.resolve(2020, TODAY) == (date(2023, 5, 19), True)
    assert friday.resolve(2017, TODAY) == (date(2017, 5, 19), True)


def test_nothing_is_guessed_without_weekday_or_year_or_beyond_today() -> None:
    assert DateMention(19, 5, None, None).resolve(2021, TODAY) is None
    assert DateMention(19, 5, None, 4).resolve(None, TODAY) is None
    assert DateMention(19, 5, None, 4).resolve(2024, TODAY) is None


def test_a_stated_year_is_believed() -> None:
    assert DateMention(24, 4, 2021, 0).resolve(2022, TODAY) == (date(2021, 4, 24), False)
    assert DateMention(29, 2, 2021, None).resolve(2021, TODAY) is None


def test_latest_year_passes_over_numbers_and_plans() -> None:
    assert latest_year("Sejak 2019 hingga 2021, Rp 2.023 dan 2.024,5; target 2060.", TODAY) == 2021
    assert latest_year("tanpa tahun, hanya 12.000 orang", TODAY) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2017-03-13T20:16:20+07:00", date(2017, 3, 13)),
        ("03/04/2017", date(2017, 4, 3)),
        ("Thu, 12 Jan 2023 10:00:00 +0700", date(2023, 1, 12)),
        ("January 5, 2020", date(2020, 1, 5)),
        (1489536002, date(2017, 3, 15)),
        (1489536002000, date(2017, 3, 15)),
        ("2 hari lalu", None),
        ("Januari 2020", None),
        ("", None),
        (None, None),
        (True, None),
        ([2017], None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_metadata_fields(value: object, expected: date | None) -> None:
    assert parse_date(value) == expected


@pytest.mark.parametrize(
    ("text", "published", "found"),
    [
        ("Rapat digelar Jumat (19/5) di Moskow.", date(2023, 5, 20), [("Jumat (19/5)", date(2023, 5, 19))]),
        ("Mereka akan bertemu pada 25 Mei.", date(2023, 5, 19), [("25 Mei", date(2023, 5, 25))]),
        ("Pemilu digelar 2 Januari.", date(2023, 12, 30), [("2 Januari", date(2024, 1, 2))]),
        ("Ia tiba kemarin dan pulang besok.", date(2023, 3, 1), [
            ("kemarin", date(2023, 2, 28)),
            ("besok", date(2023, 3, 2)),
        ]),
        ("Hari ini hujan, lusa cerah.", date(2023, 5, 19), [
            ("Hari ini", date(2023, 5, 19)),
            ("lusa", date(2023, 5, 21)),
        ]),
        ("Senin lalu ia datang.", date(2023, 5, 19), [("Senin lalu", date(2023, 5, 15))]),
        ("Jumat lalu ia datang.", date(2023, 5, 19), [("Jumat lalu", date(2023, 5, 12))]),
        ("Jumat depan ia datang.", date(2023, 5, 19), [("Jumat depan", date(2023, 5, 26))]),
        ("Sabtu mendatang ia datang.", date(2023, 5, 19), [("Sabtu mendatang", date(2023, 5, 20))]),
        # Said in full, on no such weekday, or no day at all: nothing to work out.
        ("Pada 25 Mei 2020 dan Jumat (19/5/2023).", date(2023, 5, 19), []),
        ("Rapat digelar Senin (19/5).", date(2023, 5, 19), []),
        ("Skor akhir 3-1, harga 19/5 persen, tahun lalu.", date(2023, 5, 19), []),
        ("Ia tiba kemarin.", None, []),
    ],
)  # fmt: skip
def test_days_are_worked_out_from_the_day_of_the_article(
    text: str, published: date | None, found: list[tuple[str, date]]
) -> None:
    resolved = list(resolved_dates(text, published))
    assert [(text[one.start : one.end], one.day) for one in resolved] == found
