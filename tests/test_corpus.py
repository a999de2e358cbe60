"""Reading files: every format and encoding, stable paths and ids, and a reason for whatever is skipped."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from qa.corpus import explain, read_articles, reading
from qa.errors import InputError
from qa.types import Article, Skip

LEAD = "Menteri Perdagangan mengatakan harga “beras” di pasar turun sejak awal bulan ini."
MORE = "Pedagang menyambut baik penurunan itu karena pembeli kembali datang ke pasar."
BODY = f"{LEAD}\n{MORE}"


def read(*paths: Path, max_bytes: int = 20_000_000) -> list[Article | Skip]:
    return list(read_articles(paths, max_bytes=max_bytes))


def only(items: list[Article | Skip]) -> Article:
    assert len(items) == 1
    assert isinstance(items[0], Article)
    return items[0]


def reason(items: list[Article | Skip]) -> str:
    assert len(items) == 1
    assert isinstance(items[0], Skip)
    return items[0].reason


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def make_zip(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_give_the_same_article(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "beras.txt"
    file.write_bytes(BODY.encode(encoding))
    article = only(read(file))
    assert (article.text, article.id, article.path) == (BODY, digest(BODY), "beras.txt")


def test_a_stray_windows_byte_in_utf8_is_read_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(BODY.encode() + b" Harga \x93naik\x94.")
    assert only(read(tmp_path)).text == BODY + " Harga “naik”."


def test_a_folder_is_read_in_order_with_posix_paths(tmp_path: Path) -> None:
    for name in (
        "b/dua.txt",
        "b/anak/tiga.txt",
        "a.txt",
        "Z.txt",
        ".rahasia/x.txt",
        "b/.tersembunyi.txt",
        "__MACOSX/y.txt",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name}: {LEAD}", encoding="utf-8")
    assert [item.path for item in read(tmp_path)] == ["Z.txt", "a.txt", "b/dua.txt", "b/anak/tiga.txt"]


def test_paths_that_collide_are_told_apart_and_none_is_read_twice(tmp_path: Path) -> None:
    for folder in ("arsip", "baru"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(f"{folder} {LEAD}", encoding="utf-8")
    paths = (tmp_path / "arsip", tmp_path / "baru", tmp_path / "arsip" / "x.txt")
    assert [item.path for item in read(*paths)] == ["x.txt", "baru/x.txt"]


def test_a_missing_path_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tidak-ada\.txt"):
        read_articles([tmp_path, tmp_path / "tidak-ada.txt"])


def test_html_goes_through_its_own_reader(tmp_path: Path) -> None:
    page = f"""<html lang="id"><head><title>Harga Beras Turun</title>
    <meta property="og:site_name" content="Contoh"><meta property="og:title" content="Harga Beras Turun">
    <meta property="article:published_time" content="2017-04-03T10:15:00+07:00">
    <link rel="canonical" href="https://contoh.id/beras"></head><body><nav>Nasional Ekonomi</nav><article>
    <h1>Harga Beras Turun</h1><p>JAKARTA - {LEAD}</p><p>Baca juga: Harga Cabai Naik</p><p>{MORE}</p>
    <script>alert(1)</script></article><footer>Hak cipta</footer></body></html>"""
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    article = only(read(tmp_path))
    assert article.text == BODY
    assert (article.title, article.source, article.place) == ("Harga Beras Turun", "Contoh", "Jakarta")
    assert (article.published_at, article.url) == (date(2017, 4, 3), "https://contoh.id/beras")
    assert article.id == digest(page)


@pytest.mark.parametrize(
    "page",
    [
        "<p",
        "<" * 5000,
        "<div>" * 20000,
        "<html><body></body></html>",
        "&#xD800;&#0;",
        "<!DOCTYPE x [<!ENTITY a 'b'>]>&a;",
    ],
)
def test_hostile_html_is_skipped_with_a_reason(tmp_path: Path, page: str) -> None:
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    assert "HTML" in reason(read(tmp_path))


def test_markdown_with_front_matter(tmp_path: Path) -> None:
    front = "---\ntitle: Harga Beras\ndate: 2017-04-03\nsource: Contoh\nurl: https://contoh.id/1\n---\n"
    (tmp_path / "a.md").write_text(f"{front}\n# Harga Beras\n\n**{LEAD}**\n\n{MORE}\n", encoding="utf-8")
    article = only(read(tmp_path))
    assert (article.text, article.title, article.source) == (BODY, "Harga Beras", "Contoh")
    assert (article.published_at, article.date_inferred, article.url) == (
        date(2017, 4, 3),
        False,
        "https://contoh.id/1",
    )


def test_jsonl_rows(tmp_path: Path) -> None:
    rows = [
        json.dumps(
            {"_id": "d1", "title": "Harga Beras", "text": f"JAKARTA - {LEAD}\nBaca juga: Harga Cabai"}
        ),
        "{broken",
        "",
        json.dumps(
            {
                "id": 7,
                "judul": "Cabai",
                "isi": MORE,
                "tanggal": "3 April 2017",
                "sumber": "Contoh",
                "link": "u",
            }
        ),
        json.dumps({"paragraphs": [LEAD, MORE], "published_at": "2017-04-03T01:00:00Z"}),
        json.dumps({"title": "tanpa isi"}),
        json.dumps({"text": "a\u0000b"}),
        '{"text": "\\ud800 rusak"}',
        "[1]",
    ]
    (tmp_path / "f.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    first, broken, second, third, *skipped = read(tmp_path)
    assert isinstance(first, Article)
    assert isinstance(second, Article)
    assert isinstance(third, Article)
    assert (first.path, first.id, first.external_id) == ("f.jsonl#1", digest(rows[0]), "d1")
    assert (first.title, first.text, first.place) == ("Harga Beras", LEAD, "Jakarta")
    assert isinstance(broken, Skip)
    assert broken.path == "f.jsonl#2"
    assert broken.reason.startswith("broken JSON")
    assert (second.path, second.external_id, second.title, second.text) == ("f.jsonl#4", "7", "Cabai", MORE)
    assert (second.published_at, second.source, second.url) == (date(2017, 4, 3), "Contoh", "u")
    assert (third.text, third.published_at) == (BODY, date(2017, 4, 3))
    assert [(item.path, item.reason.split(" (")[0]) for item in skipped if isinstance(item, Skip)] == [
        ("f.jsonl#6", "no text field"),
        ("f.jsonl#7", "binary: it holds NUL characters"),
        ("f.jsonl#8", "broken characters"),
        ("f.jsonl#9", "this row is no JSON object"),
    ]


def test_a_file_of_questions_is_one_reason(tmp_path: Path) -> None:
    rows = [json.dumps({"id": number, "question": "Siapa?", "answers": []}) for number in range(30)]
    (tmp_path / "questions.jsonl").write_text("\n".join(rows), encoding="utf-8")
    items = read(tmp_path)
    assert items[0].path == "questions.jsonl"
    assert reason(items).startswith("no text field")
    assert "30" in reason(items)


def test_csv_rows(tmp_path: Path) -> None:
    rows = f'id;Judul;Isi;Tanggal\n7;Harga Beras;"{LEAD}\n{MORE}";03/04/2017\n8;Kosong;;\n'
    (tmp_path / "f.csv").write_text(rows, encoding="utf-8")
    article, skipped = read(tmp_path)
    assert isinstance(article, Article)
    assert (article.path, article.external_id, article.title) == ("f.csv#1", "7", "Harga Beras")
    assert (article.text, article.published_at) == (BODY, date(2017, 4, 3))
    assert article.id == digest(
        json.dumps(["7", "Harga Beras", BODY, "03/04/2017"], ensure_ascii=False, separators=(",", ":"))
    )
    assert skipped.path == "f.csv#2"


def test_csv_without_a_text_column(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("nama,harga\nberas,12000\n", encoding="utf-8")
    assert reason(read(tmp_path)) == "no text column: the first line names nama, harga"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b" \r\n\t", "empty"),
        ("a.jsonl", b"", "empty"),
        ("a.csv", b"", "empty"),
        ("a.txt", b"Komentar\n()\nTop", "nothing is left after cleaning"),
        ("a.txt", b"harga\x00beras " * 20, "binary: it holds NUL characters"),
        ("a.txt", bytes(range(1, 9)) * 50, "binary: it is full of control characters"),
        ("a.txt", b"\x81\x8d\x8f" * 50, "neither UTF-8, UTF-16 nor Windows-1252 text"),
        ("a.txt", b"%PDF-1.7 ...", "a PDF in spite of its name: save its text as .txt first"),
        ("a.pdf", b"%PDF-1.7", "PDF is not supported: save its text as .txt or .html first"),
        (
            "a.docx",
            b"PK",
            "a word processor's document is not supported: save its text as .txt or .html first",
        ),
        (
            "a.xyz",
            b"x",
            "files of type .xyz are not supported: Tanya reads .txt, .md, .html, .jsonl, .csv and .zip",
        ),
        ("LICENSE", b"x", "no file type in its name: Tanya reads .txt, .md, .html, .jsonl, .csv and .zip"),
        ("a.txt", b"x" * 2001, "too large: 2,001 bytes, the limit is 2,000"),
        ("a.zip", b"no archive", "a damaged zip archive: File is not a zip file"),
    ],
)
def test_reasons(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert reason(read(tmp_path, max_bytes=2000)) == expected


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    (tmp_path / "b.txt").write_text(BODY, encoding="utf-8")
    skipped, article = read(tmp_path)
    assert isinstance(skipped, Skip)
    assert isinstance(article, Article)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PermissionError(13, "denied"), "cannot be read: permission denied"),
        (FileNotFoundError(2, "gone"), "cannot be read: it vanished while reading"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error"),
    ],
)
def test_a_file_that_fails_to_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, expected: str
) -> None:
    (tmp_path / "a.txt").write_text(BODY, encoding="utf-8")

    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(reading.os, "open", fail)
    assert reason(read(tmp_path)) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need POSIX")
def test_links_and_pipes(tmp_path: Path) -> None:
    folder, outside = tmp_path / "arsip", tmp_path / "luar.txt"
    folder.mkdir()
    outside.write_text(BODY, encoding="utf-8")
    (folder / "asli.txt").write_text(BODY, encoding="utf-8")
    (folder / "dalam.txt").symlink_to("asli.txt")
    (folder / "keluar.txt").symlink_to(outside)
    (folder / "lingkar").symlink_to("lingkar")
    (folder / "naik").symlink_to(folder)
    (folder / "putus.txt").symlink_to("tidak-ada")
    os.mkfifo(folder / "pipa.txt")
    found = {item.path: item.reason for item in read(folder) if isinstance(item, Skip)}
    assert found == {
        "dalam.txt": "a link to asli.txt, which is read at its own place",
        "keluar.txt": "a link that leads out of the given folder",
        "lingkar": "a link that leads in a circle",
        "naik": "a link to ., which is read at its own place",
        "putus.txt": "a link that leads nowhere",
        "pipa.txt": "cannot be read: not a regular file",
    }
    assert [item.path for item in read(folder) if isinstance(item, Article)] == ["asli.txt"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes for a file name")
def test_a_file_name_that_is_not_utf8_can_still_be_stored(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"caf\xe9.txt"), "wb") as file:
        file.write(BODY.encode())
    article = only(read(tmp_path))
    assert article.path == "caf\\xe9.txt"
    assert article.path.encode()


def test_zip_members(tmp_path: Path) -> None:
    inner = io.BytesIO()
    zipfile.ZipFile(inner, "w").close()
    link = zipfile.ZipInfo("tautan.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    members: dict[str, str | bytes] = {
        "x.txt": BODY,
        "b/f.jsonl": json.dumps({"text": LEAD}),
        "../lari.txt": BODY,
        "/akar.txt": BODY,
        "dalam.zip": inner.getvalue(),
        "foto.jpg": b"x",
        "__MACOSX/x.txt": BODY,
        ".tersembunyi.txt": BODY,
        "besar.txt": b"x" * 5000,
    }
    file = make_zip(tmp_path / "a.zip", members)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    items = read(tmp_path, max_bytes=2000)
    assert [item.path for item in items if isinstance(item, Article)] == [
        "a.zip!/b/f.jsonl#1",
        "a.zip!/x.txt",
    ]
    assert {item.path: item.reason for item in items if isinstance(item, Skip)} == {
        "a.zip!/../lari.txt": "a path that leads out of the archive",
        "a.zip!//akar.txt": "a path that leads out of the archive",
        "a.zip!/dalam.zip": "an archive inside an archive: unpack it first",
        "a.zip!/foto.jpg": "an image is not supported: its text would have to be typed or recognised first",
        "a.zip!/besar.txt": "too large: 5,000 bytes, the limit is 2,000",
        "a.zip!/tautan.txt": "a link in an archive",
    }


def encrypt(data: bytes) -> bytes:
    """Set the flag of a password-protected member in both of its headers."""
    broken = bytearray(data)
    broken[6] |= 1
    broken[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(broken)


def damage(data: bytes) -> bytes:
    """Flip bits in the packed content, so that its checksum fails."""
    broken = bytearray(data)
    broken[45] ^= 0xFF
    return bytes(broken)


def understate(data: bytes) -> bytes:
    """Declare a member's size as ten bytes in the directory, as a zip bomb would."""
    broken = bytearray(data)
    start = data.index(b"PK\x01\x02") + 24
    broken[start : start + 4] = (10).to_bytes(4, "little")
    return bytes(broken)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (encrypt, "protected by a password: unpack the archive first"),
        (damage, "damaged in the archive"),
        (understate, "damaged in the archive"),
    ],
)
def test_a_zip_member_that_cannot_be_unpacked(
    tmp_path: Path, change: Callable[[bytes], bytes], expected: str
) -> None:
    file = make_zip(tmp_path / "a.zip", {"x.txt": BODY * 20})
    file.write_bytes(change(file.read_bytes()))
    assert reason(read(file)).startswith(expected)


def test_zip_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_zip(tmp_path / "a.zip", {f"{number}.txt": b"x" * 1000 for number in range(8)})
    monkeypatch.setattr(reading, "ARCHIVE_FACTOR", 7)
    assert reason(read(file, max_bytes=1000)) == "too large when unpacked: 8,000 bytes, the limit is 7,000"
    monkeypatch.setattr(reading, "MAX_MEMBERS", 7)
    assert reason(read(file)) == "too many files in this archive: 8, the limit is 7"


def test_the_explanation_shows_what_was_kept_and_removed(tmp_path: Path) -> None:
    head = "Harga Beras\x1b[31m Turun\nContoh - Senin, 3 April 2017\n"
    page = f"{head}SURABAYA - {LEAD}\nBaca juga: Harga Cabai\n{MORE}\n(red)"
    (tmp_path / "a.txt").write_text(page, encoding="utf-8")
    assert list(explain(tmp_path / "a.txt")) == [
        "a.txt",
        "  title: Harga Beras\\x1b[31m Turun",
        "  outlet: Contoh",
        "  place: Surabaya",
        "  date: 2017-04-03",
        "  url: -",
        "- [title] Harga Beras\\x1b[31m Turun",
        "- [date line] Contoh - Senin, 3 April 2017",
        "- [dateline] SURABAYA -",
        f"+ {LEAD}",
        "- [link to another article] Baca juga: Harga Cabai",
        f"+ {MORE}",
        "- [initials] (red)",
    ]


def test_the_explanation_of_what_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    assert list(explain(tmp_path / "a.txt")) == ["a.txt: skipped, empty"]
    with pytest.raises(InputError):
        explain(tmp_path / "tidak-ada")
