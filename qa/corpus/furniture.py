"""Page furniture of Indonesian news sites, recognised line by line.

Pure functions over one stripped line: they know nothing of where it stands. Each answers with a reason for
the reader of ``tanya index --explain``, or ``None``. What is furniture anywhere is kept apart from what is
furniture only above or below an article: "Penulis: ..." may be a line of a book review.
"""

from __future__ import annotations

import re

from qa.corpus.datelines import is_city, outlet_name
from qa.corpus.dates import DATE_AND_TIME, DateMention, date_alone

_LONGEST_LINE = 400

_LINK = re.compile(
    r"[\[(]?\s*(?:"
    r"(?:baca|simak|lihat|tonton|saksikan|dengarkan)\s+(?:juga|pula|selengkapnya)\s*(?::|\s[-–—]|[–—])"
    r"|baca\s*:|berita\s+terkait\s*:|artikel\s+terkait\s*:|pilihan\s+editor\s*:"
    r")",
    re.IGNORECASE,
)
_LINK_WITHOUT_COLON = re.compile(r"(?:baca|simak|lihat|tonton)\s+juga\s+(?=[\"'“‘]?[A-Z0-9])", re.IGNORECASE)
_MARKER = re.compile(
    r"[\[(]?(?:(?:baca|simak|lihat|tonton|saksikan)[\s_]+(?:juga|pula)|baca(?=:)|(?:berita|artikel)\s+terkait"
    r"|pilihan\s+editor(?=:))\s*:?[\])]?",
    re.IGNORECASE,
)
_TRAILING_MARKER = re.compile(
    r"(?:(?:berita|artikel|topik|video|tulisan|konten|kabar)\s+(?:terkait|lainnya|lain|terbaru|terkini|terpopuler"
    r"|populer|pilihan)|(?:baca|simak|lihat)\s+(?:berita|artikel)\s+(?:lainnya|terkait|lain)|(?:baca|lihat)\s+juga"
    r"|terpopuler|terkini|rekomendasi(?:\s+untuk\s+anda)?|related\s+(?:articles|news|posts)|tags?"
    r"|pilihan\s+untuk(?:\s+anda|mu)|you\s+may\s+also\s+like)\s*:?",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"[\[(]?\s*(?:(?:sumber\s+)?(?:foto|photo|gambar)|foto\s+oleh|dok(?:umentasi)?\.?\s+foto|kredit\s+foto)\s*:"
    r"|(?:\(|dok\.?\s+)?ANTARA\s+FOTO\s*/|foto-foto\s*:",
    re.IGNORECASE,
)
_CAPTION_CREDIT = re.compile(
    r"\s*[\[(]\s*(?:(?:sumber\s+)?foto\s*:|antara\s+foto\s*/|dok\.\s|foto/)[^()\[\]]{1,60}[\])]\s*\.?$",
    re.IGNORECASE,
)
_FONT = re.compile(
    r"(?:-?A\+?-?[\s|]+){2,}(?:-?A\+?-?)?\s*(?:(?:pengaturan|ukuran)\s+(?:font|huruf|teks))?", re.IGNORECASE
)
_FONT_WORDS = re.compile(r"(?:pengaturan|ukuran)\s+(?:font|huruf|teks)\s*:?(?:\s+A){0,3}", re.IGNORECASE)
_BYLINE = re.compile(
    r"(?:redaktur|editor|penulis|reporter|pewarta|penyunting|wartawan|jurnalis|kontributor|author|writer|penerjemah"
    r"|penanggung\s*jawab|laporan)(?:\s+(?:pelaksana|berita|foto))?\s*(?::|\s[-–—]\s)\s*\S|(?:oleh|by)\s*:\s*\S",
    re.IGNORECASE,
)
_BYLINE_BARE = re.compile(r"(?:oleh\s+)?(?:tim\s+)?redaksi(?:\s+\w+)?|tim\s+redaksi", re.IGNORECASE)
_SOURCE = re.compile(
    r"(?:(?:sumber|source)\s*:\s*(?:https?://\S+|[@\w])|sumber\s+berita\s+\w)[^:]{1,60}", re.IGNORECASE
)
_URL = re.compile(r"(?:sumber|source|link|tautan|url)?\s*:?\s*(?P<url>https?://[^\s<>\"]+)", re.IGNORECASE)
_COPYRIGHT = re.compile(
    r"(?:copyright|hak\s+cipta|©|\(c\)\s|all\s+rights\s+reserved|dilarang\s+(?:keras\s+)?(?:mengambil|menyalin"
    r"|mengutip|memperbanyak|menyebarluaskan)\s+(?:konten|isi|sebagian|seluruh|artikel))",
    re.IGNORECASE,
)
_FOLLOW = re.compile(
    r"(?:(?:simak|ikuti|dapatkan|cek|baca|temukan|jangan\s+lewatkan|follow|gabung|klik)\b.{0,160}"
    r"(?:google\s+news|whatsapp\s+channel|(?:saluran|kanal|channel|grup|group)\s+(?:whatsapp|telegram|youtube)"
    r"|telegram\s+channel|breaking\s+news)"
    r"|ikuti\s+(?:kami|berita|perkembangan)\b.{0,60}\s+di\s+(?:facebook|twitter|instagram|google|tiktok|youtube))",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"[\w-]+\.(?:id|com|net|co\.id|org)\s+adalah\s+(?:portal|situs|media)\s+(?:berita|online|daring|web)",
    re.IGNORECASE,
)
_ADVERTISING = frozenset(
    "advertisement|advertisements|advertorial banner|scroll to continue with content|scroll to resume content"
    "|scroll untuk melanjutkan|scroll untuk melanjutkan membaca|lanjutkan membaca di bawah ini"
    "|artikel ini akan dilanjutkan setelah iklan|lanjutkan membaca setelah iklan|iklan di bawah ini".split(
        "|"
    )
)
_CONTROLS = frozenset(
    "komentar|0 komentar|tulis komentar|kirim komentar|beri komentar|lihat komentar|komentari|comments"
    "|leave a comment|top|ke atas|kembali ke atas|back to top|bagikan|bagikan artikel|bagikan berita|bagikan ini|share"
    "|share this|share artikel|sebarkan|print|cetak|cetak artikel|salin tautan|salin link|copy link|kirim|simpan|iklan"
    "|baca selengkapnya|selengkapnya|lihat semua|lihat semua artikel|muat lagi|load more|loading|memuat|halaman"
    "|halaman selanjutnya"
    "|halaman sebelumnya|selanjutnya|sebelumnya|berikutnya|next|previous|prev|tampilkan semua|show all"
    "|menu|cari|search|masuk|login|daftar|beranda|home|tentang kami|kontak|redaksi|pedoman media siber"
    "|kebijakan privasi|disclaimer|follow us|ikuti kami|dengarkan|dengarkan berita|dengarkan artikel".split(
        "|"
    )
)
_SHARING = frozenset(
    "facebook|twitter|x|whatsapp|telegram|line|email|e-mail|linkedin|pinterest|wa|fb".split("|")
)
_SHARE_BAR = re.compile(r"(?:bagikan|share|sebarkan)\b[^.!?]{0,80}", re.IGNORECASE)
_SECTIONS = frozenset(
    "home beranda berita news nasional internasional dunia mondial global daerah regional nusantara megapolitan"
    " metropolitan metro jabodetabek jakarta politik pemilu hukum kriminal peristiwa ekonomi bisnis keuangan finansial"
    " finance market pasar industri energi properti otomotif oto teknologi tekno sains iptek gawai gadget aplikasi"
    " permainan game games antariksa pendidikan edukasi kampus kesehatan health sehat gaya hidup lifestyle hiburan"
    " entertainment showbiz seleb selebriti selebritas musik film seni budaya olahraga sport sports bola sepakbola"
    " bulutangkis raket arena wisata travel kuliner food resep rona opini kolom perspektif wawancara tokoh sosok"
    " editorial"
    " tajuk foto video infografis infografik indeks index terkini terpopuler populer trending fokus khusus kupas"
    " cek fakta fact lingkungan iklim agama religi khazanah islami ramadan mudik viral unik komunitas cerita inspirasi"
    " sepak balap basket tenis atletik renang voli timnas liga ketenagakerjaan pertanian perbankan saham infrastruktur"
    " tv live radio podcast galeri multimedia english logout login".split()
)
_SIGNATURE = re.compile(
    r"\s*(?P<mark>[\[(]\s?(?:[A-Za-z0-9]{1,12}(?:\s?/\s?[A-Za-z0-9]{1,12}){1,4}|[a-z]{2,8}|[A-Z]{3}\d{3}|[A-Z]\d{3}"
    r"|[A-Z][\w. -]{0,14}/[A-Z]\d{3})\s?[\])])\s*$"
)
_THREE_LETTERS_TWICE = re.compile(r"\([a-z]{3}/[a-z]{3}\)")
_WEEKDAY_NAMES = (
    r"(?:senin|selasa|rabu|kamis|jum.?at|sabtu|minggu|ahad|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b"
)
_META = re.compile(
    rf"(?:(?!{_WEEKDAY_NAMES})(?P<outlet>[^|\d]{{2,40}}?)\s*(?:[|,/•·]|\s[-–—]|[–—])\s*)?"
    rf"(?:(?:di)?(?:publikasikan|posting|terbitkan|update|perbarui)\s*:?\s*|(?:terbit|tayang|tanggal|published)\s*:?\s*)?"
    rf"(?P<date>{re.sub('[?]P<[a-z]+>', '?:', DATE_AND_TIME).replace('(?P=sep)', '[/.-]')})",
    re.IGNORECASE,
)
_DATE_AT_END = re.compile(r"\d/\d{1,4}\)$")
_ENDS = ".!?…"
_CLOSERS = "\"'”’»)]*_ "


def capital_share(words: list[str]) -> float:
    """Return the share of words of four letters or more that begin with a capital or a digit (0 to 1)."""
    long = [word.lstrip("\"'“‘([") for word in words if len(word) >= 4]
    return sum(1 for word in long if word and not word[0].islower()) / len(long) if long else 0.0


def is_sentence(text: str) -> bool:
    """Whether a line is running text: long, closed by a full stop or a date, or a question that is no headline."""
    words = text.split()
    if len(words) > 25:
        return True
    if len(words) < 6:
        return False
    if _DATE_AT_END.search(text, len(text) - 12):
        return True
    end = text.rstrip(_CLOSERS)[-1:]
    return end == "." or (end != "" and end in _ENDS and capital_share(words) < 0.6)


def is_headline(text: str) -> bool:
    """Whether a line may be a headline: 3 to 25 words, no full stop, colon or comma at its end."""
    words = text.split()
    return 3 <= len(words) <= 25 and len(text) <= 200 and text[-1] not in ".:;," and not is_sentence(text)


def is_title_case(text: str) -> bool:
    """Whether a headline-like line of four words or more is written the way Indonesian headlines are."""
    words = text.split()
    return len(words) >= 4 and is_headline(text) and capital_share(words) >= 0.7 and not text[0].islower()


def furniture(text: str) -> str | None:
    """Name what is furniture wherever in a page it stands."""
    if len(text) > _LONGEST_LINE:
        return None
    if not any(character.isalnum() for character in text):
        return (
            "no words" if text.isascii() or set(text) <= set("–—•·…“”‘’©®™*-_=~.|/<>()[]{} \u00a0") else None
        )
    plain = text.strip(" .:!…*-–—[]()").casefold()
    if plain in _ADVERTISING:
        return "advertising"
    if plain.startswith("gambas:") or (text.startswith("[video]") and text.endswith("[/video]")):
        return "embedded media"
    if is_link(text):
        return "link to another article"
    if _CREDIT.match(text) and len(text.split()) <= 12 and not is_sentence(text):
        return "photo credit"
    if _FONT.fullmatch(text) or _FONT_WORDS.fullmatch(text):
        return "page control"
    return "advertising" if len(text) <= 250 and _FOLLOW.match(text) else None


def is_link(text: str) -> bool:
    """Whether a line is a "Baca juga: ..." with its headline."""
    words = text.split()
    match = _LINK.match(text)
    if match and match.end() < len(text):
        # A paragraph that opens with the link and goes on is not all link.
        return len(words) <= 35 and not re.search(r"[a-z]{3}[.] [A-Z][a-z]+ [a-z]", text[match.end() :])
    match = _LINK_WITHOUT_COLON.match(text)
    return bool(match) and is_title_case(text[match.end() :] if match else text)


def is_marker(text: str) -> bool:
    """Whether a line announces links that follow it: "Baca juga:"."""
    return len(text) <= 30 and bool(_MARKER.fullmatch(text))


def is_trailing_marker(text: str) -> bool:
    """Whether a line opens the list of other articles that ends a page: "Artikel Terkait"."""
    return len(text) <= 40 and bool(_TRAILING_MARKER.fullmatch(text))


def edge_furniture(text: str) -> str | None:
    """Name what is furniture only above or below the article."""
    if len(text) > _LONGEST_LINE:
        return None
    words = text.split()
    plain = text.strip(" .:!…>»«<").casefold()
    if plain in _CONTROLS or re.fullmatch(r"\d{1,4} (?:komentar|comments|shares)", plain):
        return "page control"
    if len(words) <= 8 and (_BYLINE.match(text) or _BYLINE_BARE.fullmatch(text)):
        return "byline"
    if len(words) <= 6 and (_SOURCE.fullmatch(text) or _URL.fullmatch(text)):
        return "source line"
    if _COPYRIGHT.match(text) and len(words) <= 40:
        return "copyright"
    if _SHARE_BAR.fullmatch(text) and all(word.strip(":|").casefold() in _SHARING for word in words[1:]):
        return "page control"
    if is_navigation(text):
        return "navigation"
    return "about the outlet" if _ABOUT.match(text) else None


def is_share_button(text: str) -> bool:
    """Whether a line names a place to share to; furniture only beside a "Bagikan"."""
    return text.casefold() in _SHARING


def is_navigation(text: str) -> bool:
    """Whether a line is a navigation bar or a breadcrumb: section names, capitals, no punctuation."""
    if len(text) > _LONGEST_LINE or re.search(r"[.!?,;:\"“”](?:\s|$)", text):
        return False
    crumbs = [crumb.strip() for crumb in re.split(r"[>»/|•]", text)]
    if len(crumbs) >= 2 and crumbs[0].casefold() in ("home", "beranda"):
        return all(len(crumb.split()) <= 3 for crumb in crumbs)
    words = [word for word in re.split(r"[\s|•/>»]+", text) if word and word != "&"]
    if len(words) < 5 or any(word[0].islower() for word in words):
        return False
    known = sum(1 for word in words if word.casefold() in _SECTIONS)
    domain_first = bool(re.fullmatch(r"[\w-]+(?:\.[\w-]+)+", words[0]))
    return known >= (3 if domain_first else 4) and known >= 0.4 * len(words)


def caption_credit(text: str) -> re.Match[str] | None:
    """Find the "(Foto: ANTARA/...)" that ends a caption or paragraph."""
    return _CAPTION_CREDIT.search(text, max(0, len(text) - 90)) if text.endswith((")", "]", ".")) else None


def signature_start(text: str) -> int | None:
    """Return where the initials "(rah/rah)" that sign an article begin at the end of its last line.

    They must follow a finished sentence or stand alone, unless they are three letters twice.
    """
    match = _SIGNATURE.search(text, max(0, len(text) - 60))
    if not match:
        return None
    before = text[: match.start()]
    closed = not before or before.rstrip(_CLOSERS)[-1:] in _ENDS
    return match.start() if closed or _THREE_LETTERS_TWICE.fullmatch(match["mark"]) else None


def read_date_line(text: str) -> tuple[DateMention, str | None] | None:
    """Read a line such as "Contoh - Senin, 3 April 2017 | 10:15 WIB" into its date and outlet."""
    match = _META.fullmatch(text) if len(text) <= 120 else None
    if not match:
        return None
    mention = date_alone(match["date"])
    if not mention or (mention.year is None and mention.weekday is None):
        return None
    outlet = match["outlet"]
    if not outlet or is_city(outlet):
        return mention, None
    return (mention, outlet_name(outlet)) if len(outlet.split()) <= 4 and outlet[0].isupper() else None


def find_url(text: str) -> str | None:
    """Return the address in a line that holds nothing else, or only a label such as "Sumber:"."""
    match = _URL.fullmatch(text) if len(text) <= 2000 else None
    return match["url"] if match else None
