"""Cleaning: it only deletes, what it keeps can be found again, and nothing of an article is lost."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.corpus.cleaning import clean
from qa.corpus.datelines import find_dateline

TODAY = date(2026, 1, 1)
LEAD = "Menteri Perdagangan mengatakan harga beras di pasar turun sejak awal bulan ini."
MORE = "Pedagang menyambut baik penurunan itu karena pembeli kembali datang ke pasar."
PAGE = f"""Nasional Mondial Ekonomi Megapolitan Olahraga Wisata Wawancara Foto Video Infografis

Harga Beras Turun di Seluruh Provinsi

Foto : Contoh/Redaksi

Seorang pedagang menata beras di pasar induk pada 8 November 2021.

A \u00a0 A \u00a0 A \u00a0 Pengaturan Font

SURABAYA - {LEAD[:-1]}, Jumat (19/5).
Baca Juga: Harga Cabai Naik Menjelang Lebaran
{MORE}

Lima Langkah Menjaga Harga Beras

Langkah pertama adalah menambah pasokan dari gudang pemerintah di setiap daerah. (rah/rah)
Redaktur : Redaksi
Penulis : Redaksi

Komentar
()
Top
Artikel Terkait
Harga Gula Tetap Tinggi, Ini Sebabnya
Ke Mana Larinya Stok Beras ? Ini Jawabannya
"""

FRAGMENTS = [
    *PAGE.split("\n"),
    "Baca juga:",
    "Judul: Harga Beras Turun",
    "Tanggal: 3 April 2017",
    "(red)",
    "JAKARTA - ",
    "Suara.com -",
    "Contoh - Senin, 3 April 2017 | 10:15 WIB",
    "Bagikan",
    "Facebook",
    "ADVERTISEMENT",
    "Foto: Contoh",
    "Tags",
    "* * *",
    f"{LEAD} (Baca: Harga Cabai Naik) {MORE}",
    f"{LEAD} Baca juga: Harga Cabai Naik Menjelang Lebaran",
    f"{LEAD} (abc) (def)",
    "Tumpukan beras di gudang (Foto: Contoh)",
    "Harga Beras Turun Lagi Hari Ini",
    "\r\n",
    "\u2028",
    "\u00a0",
    "  \t",
]
pages = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=40), max_size=14).map("\n".join)


def reasons(raw: str) -> dict[str, str]:
    return {
        item.text: item.reason for item in clean(raw, today=TODAY).removals if item.reason != "whitespace"
    }


@settings(max_examples=400, deadline=None)
@given(raw=pages | st.text(), markdown=st.booleans())
def test_kept_and_removed_spans_tile_the_raw_text(raw: str, markdown: bool) -> None:
    cleaned = clean(raw, markdown=markdown, today=TODAY)
    assert "".join(raw[span.start : span.end] for span in cleaned.kept) == cleaned.text
    assert all(raw[item.start : item.end] == item.text for item in cleaned.removals)
    tiles = sorted([(s.start, s.end) for s in cleaned.kept] + [(r.start, r.end) for r in cleaned.removals])
    ends = [0, *(end for _, end in tiles)]
    assert [start for start, end in tiles if end > start] == [
        e for (s, t), e in zip(tiles, ends, strict=False) if t > s
    ]
    assert ends[-1] == len(raw)


@settings(max_examples=400, deadline=None)
@given(raw=pages | st.text())
def test_cleaning_twice_changes_nothing(raw: str) -> None:
    once = clean(raw, today=TODAY).text
    assert clean(once, today=TODAY).text == once


@settings(max_examples=300, deadline=None)
@given(raw=pages)
def test_no_two_words_are_joined_and_whitespace_is_single(raw: str) -> None:
    cleaned = clean(raw, today=TODAY)
    for left, right in zip(cleaned.kept, cleaned.kept[1:], strict=False):
        assert not (raw[left.end - 1].isalnum() and raw[right.start].isalnum())
    assert cleaned.text == cleaned.text.strip()
    assert "\n\n" not in cleaned.text
    assert "  " not in cleaned.text


@given(raw=pages)
def test_every_offset_leads_back_to_its_character(raw: str) -> None:
    cleaned = clean(raw, today=TODAY)
    assert "".join(raw[cleaned.raw_offset(i)] for i in range(len(cleaned.text))) == cleaned.text


def test_offsets_outside_are_refused() -> None:
    cleaned = clean(LEAD)
    with pytest.raises(IndexError, match=str(len(LEAD))):
        cleaned.raw_offset(len(LEAD))
    with pytest.raises(IndexError, match="-1"):
        cleaned.raw_offset(-1)


def test_a_saved_page_becomes_its_article() -> None:
    cleaned = clean(PAGE, today=TODAY)
    assert cleaned.text.split("\n") == [
        f"{LEAD[:-1]}, Jumat (19/5).",
        MORE,
        "Lima Langkah Menjaga Harga Beras",
        "Langkah pertama adalah menambah pasokan dari gudang pemerintah di setiap daerah.",
    ]
    assert cleaned.title == "Harga Beras Turun di Seluruh Provinsi"
    assert (cleaned.place, cleaned.source) == ("Surabaya", None)
    assert (cleaned.published_at, cleaned.date_inferred) == (date(2023, 5, 19), True)


def test_the_reasons_name_what_was_removed() -> None:
    assert list(reasons(PAGE).values()) == [
        "navigation",
        "title",
        "photo credit",
        "photo caption",
        "page control",
        "dateline",
        "link to another article",
        "initials",
        "byline",
        "byline",
        "page control",
        "no words",
        "page control",
        *["list of other articles"] * 3,
    ]


def test_header_block() -> None:
    cleaned = clean(
        f"Judul: Harga Beras\nSumber: Contoh\nTanggal: 3 April 2017\nURL: http://contoh.id/1\n\n{LEAD}"
    )
    assert cleaned.text == LEAD
    assert (cleaned.title, cleaned.source, cleaned.url) == ("Harga Beras", "Contoh", "http://contoh.id/1")
    assert (cleaned.published_at, cleaned.date_inferred) == (date(2017, 4, 3), False)


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("Contoh - Senin, 3 April 2017 | 10:15 WIB", "Contoh"),
        ("Contoh | Senin, 3 April 2017, 10:15 WIB", "Contoh"),
        ("Senin, 03/04/2017 10:15 WIB", None),
        ("Jakarta, 3 April 2017", None),
    ],
)
def test_headline_date_line_and_byline(line: str, source: str | None) -> None:
    cleaned = clean(f"Harga beras turun\n{line}\nRedaksi\n{LEAD}\n{MORE}")
    assert cleaned.text == f"{LEAD}\n{MORE}"
    assert (cleaned.title, cleaned.source) == ("Harga beras turun", source)
    assert (cleaned.published_at, cleaned.date_inferred) == (date(2017, 4, 3), False)


def test_an_unmarked_headline_is_told_by_its_capitals() -> None:
    assert clean(f"Harga Beras Turun di Pasar Induk\n{LEAD}").title == "Harga Beras Turun di Pasar Induk"
    kept = clean(f"Harga beras turun di pasar induk\n{LEAD}")
    assert (kept.title, kept.text.split("\n")[0]) == (None, "Harga beras turun di pasar induk")


def test_a_first_paragraph_is_no_title() -> None:
    cleaned = clean(f"{LEAD}\n{MORE}")
    assert (cleaned.title, cleaned.text) == (None, f"{LEAD}\n{MORE}")


def test_a_known_headline_is_removed_and_no_other_line_taken() -> None:
    cleaned = clean(f"Harga Beras TURUN\nSatu Langkah Menuju Murah\n{LEAD}", headline="Harga Beras turun")
    assert cleaned.text == f"Satu Langkah Menuju Murah\n{LEAD}"
    assert cleaned.title == "Harga Beras turun"


@pytest.mark.parametrize(
    "furniture",
    [
        "Baca juga: Harga Cabai Naik",
        "BACA JUGA - Harga Cabai Naik",
        "(Baca: Harga cabai naik)",
        "[Baca juga: Harga cabai]",
        "SIMAK JUGA: Harga Cabai Naik",
        "ADVERTISEMENT",
        "SCROLL TO CONTINUE WITH CONTENT",
        "Foto: Contoh/Redaksi",
        "* * *",
        "()",
        "Simak berita lainnya dan ikuti kami di Google News.",
        "A A A Pengaturan Font",
        "Baca juga:\nHarga Cabai Naik Menjelang Lebaran\nHarga Gula Tetap Tinggi di Pasar",
        "Beras di gudang (Foto: Contoh)",
    ],
)
def test_furniture_inside_an_article(furniture: str) -> None:
    assert clean(f"{LEAD}\n{furniture}\n{MORE}").text == f"{LEAD}\n{MORE}"


@pytest.mark.parametrize(
    "furniture",
    [
        "(red)",
        "(rah/rah)",
        "[eko]",
        "(T.KR - MH/N005)",
        "Editor : Redaksi",
        "Pewarta: Redaksi\nCopyright © CONTOH 2023",
        "Sumber: Contoh",
        "0 Komentar",
        "Bagikan\nFacebook\nWhatsApp",
        "Terpopuler\nHarga Cabai Naik\nHarga Gula Turun",
        "Contoh.id adalah portal berita tentang pasar dan harga.",
        "Kembali ke atas",
    ],
)
def test_furniture_below_an_article(furniture: str) -> None:
    assert clean(f"{LEAD}\n{MORE}\n{furniture}").text == f"{LEAD}\n{MORE}"


@pytest.mark.parametrize(
    "content",
    [
        "Lima Poin Kesepakatan Pedagang di Jakarta",
        "Penulis: Redaksi",
        "Facebook",
        "Video",
        "Pelatih: Menteri Perdagangan",
        "Foto itu disukai 5.440 orang dalam sehari, kata Menteri Perdagangan kepada wartawan di pasar.",
        "Baca buku menjadi kebiasaan baru para pedagang di pasar itu.",
        "Komentar",
        "(harga per kilogram)",
        "Inflasi bulan ini 3,61 persen (sumber: badan statistik)",
        "1. Menambah pasokan",
        "Sumber itu menolak disebut namanya.",
        "Baca juga: Harga Cabai. Menteri juga mengatakan harga cabai akan turun. Petani di desa sudah memanen.",
    ],
)
def test_content_inside_an_article_stays(content: str) -> None:
    assert clean(f"{LEAD}\n{content}\n{MORE}").text == f"{LEAD}\n{content}\n{MORE}"


def test_bracketed_link_inside_a_sentence() -> None:
    assert clean(f"Harga beras turun (Baca: Harga Cabai Naik), kata menteri. {MORE}").text == (
        f"Harga beras turun, kata menteri. {MORE}"
    )


def test_a_caption_is_believed_only_where_the_article_follows() -> None:
    caption = "Seorang pedagang menata beras di pasar induk."
    assert clean(f"Foto : Contoh\n{caption}\nJAKARTA - {LEAD}\n{MORE}").text == f"{LEAD}\n{MORE}"
    assert clean(f"Foto : Contoh\n{LEAD}\n{MORE}").text == f"{LEAD}\n{MORE}"


@pytest.mark.parametrize(
    ("start", "place", "source"),
    [
        ("JAKARTA | CONTOH.ID - ", "Jakarta", "CONTOH.ID"),
        ("MOSKOW - ", "Moskow", None),
        ("CONTOH.ID – ", None, "CONTOH.ID"),
        ("Jakarta, CNN Indonesia -- ", "Jakarta", "CNN Indonesia"),
        ("TEMPO.CO, Jakarta - ", "Jakarta", "TEMPO.CO"),
        ("Liputan6.com, Jakarta ", "Jakarta", "Liputan6.com"),
        ("Samarinda, Kalimantan Timur (ANTARA News) - ", "Samarinda, Kalimantan Timur", "ANTARA News"),
        ("JAKARTA (Pos Kota) –", "Jakarta", "Pos Kota"),
        ("KUALA LUMPUR, CONTOH - ", "Kuala Lumpur", "Contoh"),
        ("Jakarta - ", "Jakarta", None),
    ],
)
def test_datelines(start: str, place: str | None, source: str | None) -> None:
    cleaned = clean(f"{start}{LEAD}\n{MORE}")
    assert (cleaned.place, cleaned.source, cleaned.text) == (place, source, f"{LEAD}\n{MORE}")


@pytest.mark.parametrize(
    "text",
    [
        "Jakarta - Bandung akan dihubungkan kereta cepat.",
        "Indonesia - Malaysia sepakat menurunkan harga.",
        "PSSI - Kemenpora sepakat menurunkan harga.",
        "ANALISIS - Harga beras turun di pasar.",
        "Menteri Perdagangan - Menteri Pertanian bertemu.",
        "JAKARTA - kota itu ramai.",
    ],
)
def test_what_only_looks_like_a_dateline(text: str) -> None:
    assert find_dateline(text) is None


def test_a_date_deep_in_the_body_is_not_the_publication_date() -> None:
    body = "\n".join([LEAD, MORE, LEAD, MORE, "Rapat digelar di Jakarta, Sabtu (24/4/2021)."])
    assert clean(body, today=TODAY).published_at is None


def test_a_date_in_the_lead_is_the_publication_date() -> None:
    cleaned = clean(f"{LEAD[:-1]}, Rabu (14/09/2022)\n{MORE} Itu terjadi Selasa (13/9/2022).", today=TODAY)
    assert (cleaned.published_at, cleaned.date_inferred) == (date(2022, 9, 14), False)


def test_markdown() -> None:
    front = "---\ntitle: Harga Beras\nsource: Contoh\n---\n"
    raw = f"{front}# Harga **Beras**\n\n> **{LEAD}**\n\n- [satu](http://contoh.id) 2*3\n"
    cleaned = clean(raw, markdown=True)
    assert cleaned.text == f"{LEAD}\nsatu 2*3"
    assert (cleaned.title, cleaned.source) == ("Harga Beras", "Contoh")


@pytest.mark.parametrize(
    "hostile",
    [
        "(baca:",
        "( ",
        ". ",
        "JAKARTA - ",
        "Senin (1",
        " (abc)",
        "[",
        "2020 ",
        "a\n",
        "Baca juga:\n",
        "\t \n",
        "Facebook\n",
    ],
)
def test_a_hostile_megabyte_is_cleaned_by_deletion_like_any_other(hostile: str) -> None:
    # A pattern that backtracks would not come to an end here.
    raw = (
        LEAD + " " + hostile * (200_000 // len(hostile))
        if "\n" not in hostile
        else LEAD + "\n" + hostile * 20_000
    )
    cleaned = clean(raw, markdown=True, today=TODAY)
    assert cleaned.text.startswith(LEAD)
    assert sum(s.end - s.start for s in cleaned.kept) + sum(len(r.text) for r in cleaned.removals) == len(raw)
