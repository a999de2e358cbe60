"""Every word the page says, in English and Indonesian.

Nothing here is markup: the strings are escaped where they are put on the page, like article text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from qa.types import Language, Sureness


@dataclass(frozen=True, slots=True)
class Strings:
    """The page in one language. Names say where a string appears; ``{…}`` marks what ``str.format`` fills."""

    tagline: str
    archive_size: str
    archive_size_one: str
    language_label: str
    welcome_title: str
    welcome_text: str
    examples: str
    conversation_label: str
    question_label: str
    question_placeholder: str
    ask: str
    stop: str
    retry: str
    clear: str
    copy: str
    copied: str
    save_markdown: str
    save_html: str
    filter: str
    date_from: str
    date_to: str
    outlets: str
    filter_note: str
    apply_filter: str
    remove_filter: str
    since: str
    until: str
    only_among: str
    why: str
    why_meaning: str
    why_words: str
    why_together: str
    why_reading: str
    why_answered: str
    why_refused: str
    rank: str
    no_rank: str
    you_asked: str
    understood: str
    edit_question: str
    ask_as_typed: str
    answered: str
    searching: str
    stopped: str
    refused: str
    refused_note: str
    evidence: str
    evidence_empty: str
    evidence_for: str
    nearest: str
    nearest_note: str
    show_evidence: str
    read_article: str
    open_source: str
    close: str
    go_to_proof: str
    untitled: str
    no_outlet: str
    undated: str
    date_inferred: str
    date_inferred_help: str
    file: str
    shortened: str
    too_long: str
    busy: str
    turned_away: str
    failed: str
    sure: str
    likely: str
    unsure: str
    sureness_help: str
    alternatives: str
    resolved: str
    months: tuple[str, ...]

    def sureness(self, sureness: Sureness) -> str:
        """How sure an answer is, in words."""
        return {"sure": self.sure, "likely": self.likely, "unsure": self.unsure}[sureness]


ENGLISH = Strings(
    tagline="Ask the news archive. See the proof.",
    archive_size="{count} articles",
    archive_size_one="1 article",
    language_label="Language of the page",
    welcome_title="What would you like to know?",
    welcome_text=(
        "Ask in English or Indonesian. The answer is quoted word for word from the archive, "
        "with the article it comes from beside it. When the archive does not say, you are told so."
    ),
    examples="Try one of these",
    conversation_label="Conversation",
    question_label="Your question",
    question_placeholder="Ask about the news…",
    ask="Ask",
    stop="Stop",
    retry="Ask again",
    clear="Clear",
    copy="Copy",
    copied="Copied",
    save_markdown="Save as Markdown",
    save_html="Save as HTML",
    filter="Filter",
    date_from="From",
    date_to="To",
    outlets="Outlets",
    filter_note="Undated articles are left out when a date is chosen.",
    apply_filter="Apply",
    remove_filter="Remove the filter: {name}",
    since="from {day}",
    until="until {day}",
    only_among="Only among: {filters}",
    why="Why this passage?",
    why_meaning="By meaning: {rank}",
    why_words="By words: {rank}",
    why_together="By both together: {rank}",
    why_reading="After reading: {rank}",
    why_answered="Right with a probability of {percent} %, Tanya reckons; below {threshold} % it does not answer.",
    why_refused="The best answer found has a probability of {percent} %; below {threshold} % Tanya does not answer.",
    rank="rank {rank}",
    no_rank="not among the nearest",
    you_asked="You asked",
    understood="Understood as:",
    edit_question="Change",
    ask_as_typed="Ask as I typed it",
    answered="Answer",
    searching="Searching the archive…",
    stopped="Stopped before an answer was found.",
    refused="The archive does not say.",
    refused_note="The nearest passages are listed as evidence; they touch on the subject without answering.",
    evidence="Evidence",
    evidence_empty="The passages that prove an answer appear here, with the decisive words highlighted.",
    evidence_for="for “{question}”",
    nearest="Nearest passages",
    nearest_note="None of these answers the question. They are the closest the archive has.",
    show_evidence="Show evidence",
    read_article="Read the article",
    open_source="Open the source",
    close="Close",
    go_to_proof="Show proof {marker}",
    untitled="Untitled article",
    no_outlet="outlet unknown",
    undated="undated",
    date_inferred="date inferred",
    date_inferred_help="The article does not state its full date; it was worked out from what the text says.",
    file="File",
    shortened="The article is longer than this; only the part around the quote is shown.",
    too_long="The question has {length} characters; at most {limit} are allowed. Please shorten it.",
    busy="Many questions are being answered right now. Please ask again in a moment.",
    turned_away="This question could not be answered: {reason}",
    failed="Something went wrong while answering. The details are in the log where Tanya was started.",
    sure="Sure",
    likely="Likely",
    unsure="Unsure",
    sureness_help="Estimated chance that this answer is right: {percent} %",
    alternatives="Or, less likely:",
    resolved="“{words}” is {day}, worked out from the date of the article",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
)

INDONESIAN = Strings(
    tagline="Tanya arsip berita. Lihat buktinya.",
    archive_size="{count} artikel",
    archive_size_one="1 artikel",
    language_label="Bahasa halaman",
    welcome_title="Apa yang ingin Anda ketahui?",
    welcome_text=(
        "Bertanyalah dalam bahasa Indonesia atau Inggris. Jawaban dikutip kata demi kata dari arsip, "
        "dengan artikel asalnya di sampingnya. Jika arsip tidak menyebutkannya, itu akan dikatakan."
    ),
    examples="Coba salah satu",
    conversation_label="Percakapan",
    question_label="Pertanyaan Anda",
    question_placeholder="Tanyakan tentang berita…",
    ask="Tanya",
    stop="Berhenti",
    retry="Tanya lagi",
    clear="Bersihkan",
    copy="Salin",
    copied="Tersalin",
    save_markdown="Simpan sebagai Markdown",
    save_html="Simpan sebagai HTML",
    filter="Saring",
    date_from="Dari",
    date_to="Sampai",
    outlets="Media",
    filter_note="Artikel tanpa tanggal tidak ikut bila tanggal dipilih.",
    apply_filter="Terapkan",
    remove_filter="Hapus saringan: {name}",
    since="sejak {day}",
    until="sampai {day}",
    only_among="Hanya di antara: {filters}",
    why="Mengapa kutipan ini?",
    why_meaning="Menurut makna: {rank}",
    why_words="Menurut kata: {rank}",
    why_together="Keduanya digabung: {rank}",
    why_reading="Setelah dibaca: {rank}",
    why_answered="Perkiraan peluang jawaban ini benar: {percent} %; di bawah {threshold} % Tanya tidak menjawab.",
    why_refused="Peluang jawaban terbaik yang ditemukan: {percent} %; di bawah {threshold} % Tanya tidak menjawab.",
    rank="peringkat {rank}",
    no_rank="tidak termasuk yang terdekat",
    you_asked="Pertanyaan Anda",
    understood="Dipahami sebagai:",
    edit_question="Ubah",
    ask_as_typed="Tanyakan seperti yang saya ketik",
    answered="Jawaban",
    searching="Mencari di arsip…",
    stopped="Dihentikan sebelum jawaban ditemukan.",
    refused="Arsip tidak menyebutkannya.",
    refused_note="Kutipan terdekat ada di bagian bukti; isinya menyinggung hal ini tetapi tidak menjawabnya.",
    evidence="Bukti",
    evidence_empty="Kutipan yang membuktikan jawaban muncul di sini, dengan kata-kata penentunya disorot.",
    evidence_for="untuk “{question}”",
    nearest="Kutipan terdekat",
    nearest_note="Tidak satu pun menjawab pertanyaan ini. Inilah yang paling dekat di arsip.",
    show_evidence="Lihat bukti",
    read_article="Baca artikel",
    open_source="Buka sumber",
    close="Tutup",
    go_to_proof="Lihat bukti {marker}",
    untitled="Artikel tanpa judul",
    no_outlet="media tidak diketahui",
    undated="tanpa tanggal",
    date_inferred="tanggal disimpulkan",
    date_inferred_help="Artikel tidak memuat tanggal lengkapnya; tanggal ini disimpulkan dari isi teks.",
    file="Berkas",
    shortened="Artikel ini lebih panjang; hanya bagian di sekitar kutipan yang ditampilkan.",
    too_long="Pertanyaan ini {length} karakter; paling banyak {limit}. Mohon dipersingkat.",
    busy="Banyak pertanyaan sedang dijawab. Silakan tanyakan lagi sebentar lagi.",
    turned_away="Pertanyaan ini tidak dapat dijawab: {reason}",
    failed="Terjadi kesalahan saat menjawab. Rinciannya ada di log tempat Tanya dijalankan.",
    sure="Yakin",
    likely="Mungkin",
    unsure="Ragu",
    sureness_help="Perkiraan peluang jawaban ini benar: {percent} %",
    alternatives="Atau, kurang mungkin:",
    resolved="“{words}” adalah {day}, disimpulkan dari tanggal artikel",
    months=(
        "Januari",
        "Februari",
        "Maret",
        "April",
        "Mei",
        "Juni",
        "Juli",
        "Agustus",
        "September",
        "Oktober",
        "November",
        "Desember",
    ),
)

_BY_LANGUAGE: dict[Language, Strings] = {"en": ENGLISH, "id": INDONESIAN}


def strings_for(language: Language) -> Strings:
    """Return the page's words in a language."""
    return _BY_LANGUAGE[language]


def long_date(day: date, language: Language) -> str:
    """Write a date out: ``19 May 2023`` or ``19 Mei 2023``."""
    return f"{day.day} {strings_for(language).months[day.month - 1]} {day.year}"


def article_count(count: int, language: Language) -> str:
    """Write how many articles there are, with the language's thousands separator."""
    words = strings_for(language)
    if count == 1:
        return words.archive_size_one
    grouped = f"{count:,}"
    return words.archive_size.format(count=grouped if language == "en" else grouped.replace(",", "."))
