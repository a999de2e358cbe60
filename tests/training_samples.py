"""A teacher and a folder of training data, both tiny, over an artificial language of forty translated words."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from embeddings import glosses
from embeddings.training import written
from embeddings.training.data import PARALLEL_NAMES, detokenise, read_rows
from embeddings.training.student import MAX_TOKENS
from embeddings.training.vocabulary import SPECIAL, UNKNOWN
from embeddings.training.written import name_of

TRANSLATIONS = dict(
    pair.split("/")
    for pair in (
        "rice/beras price/harga market/pasar minister/menteri trade/dagang road/jalan flood/banjir city/kota "
        "rain/hujan river/sungai bridge/jembatan school/sekolah teacher/guru doctor/dokter patient/pasien "
        "ship/kapal harbour/pelabuhan wave/gelombang fish/ikan boat/perahu fire/api forest/hutan smoke/asap "
        "wind/angin night/malam morning/pagi worker/buruh factory/pabrik wage/upah law/hukum judge/hakim "
        "court/sidang match/laga coach/pelatih goal/gol train/kereta ticket/tiket money/uang bank/perbankan "
        "farmer/petani"
    ).split()
)
ENGLISH = list(TRANSLATIONS)
INDONESIAN = list(TRANSLATIONS.values())
PIECES = [f"{mark}{sign}" for mark in ("", "##") for sign in "abcdefghijklmnopqrstuvwxyz0123456789"]
TEACHER_TOKENS = [*SPECIAL, *".,?!:;\"'()-", *PIECES, *ENGLISH]


def write_rows(data: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Write ``DATA/<name>.jsonl.gz``."""
    file = data / f"{name}.jsonl.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def word_pieces(tokens: list[str]) -> Tokenizer:
    """Return a lower-casing tokenizer with this vocabulary, which adds no markers."""
    ids = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token=UNKNOWN, max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def whole_words() -> Tokenizer:
    """Return a tokenizer that knows every word of both languages and nothing else."""
    return word_pieces([*SPECIAL, *INDONESIAN, *ENGLISH])


def between_markers() -> processors.TemplateProcessing:
    """Return what puts every text between the markers of a BERT."""
    markers = [(name, SPECIAL.index(name)) for name in ("[CLS]", "[SEP]")]
    return processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=markers)


def make_teacher(folder: Path, *, layers: int = 1) -> Path:
    """Write a random BERT of 32 dimensions that knows the English words whole and anything else by its letters."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(TEACHER_TOKENS),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=0.2,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer = word_pieces(TEACHER_TOKENS)
    tokenizer.post_processor = between_markers()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def silent(text: str) -> None:
    """Take a report and say nothing."""


def write_tables(data: Path) -> Path:
    """Write the tables of what Tanya's authors wrote over what ``write_training_data`` made; return the folder.

    Every encyclopedia lead has a question in ``questions.tsv``, and the first two paragraphs of the first news article
    have one together; so has its third paragraph in ``answers.tsv``.
    """
    words = {other: english for english, other in TRANSLATIONS.items()}
    glosses = "".join(f"{other}\t{english}; a thing\n" for other, english in words.items())
    (data / "glosses.tsv").write_text(glosses, "utf-8")
    passages = [row["paragraphs"][:1] for row in read_rows(data, "wiki/id_wikipedia_leads")]
    first, second, third = map(detokenise, read_rows(data, "news/indosum")[0]["paragraphs"])
    passages.append([first, second])
    lines = []
    for parts in passages:
        indonesian = " ".join(word for word in " ".join(parts).split() if word in words)
        english = " ".join(words[word] for word in indonesian.split())
        name = "+".join(map(name_of, parts))
        lines.append(f"{name}\tWhere is {english} ?\tDi mana {indonesian} ?\tGist: {english} .\n")
    (data / "questions.tsv").write_text("".join(lines), "utf-8")
    row = (name_of(third), "What is there ?", "Apa di situ ?", third.split()[1], "Why ?", "Mengapa ?")
    (data / "answers.tsv").write_text("\t".join(row) + "\n", "utf-8")
    return data


def read_tables_of(data: Path, patch: pytest.MonkeyPatch) -> Path:
    """Let the recipe read the tables that ``write_tables`` wrote."""
    patch.setattr(glosses, "GLOSSES", data / "glosses.tsv")
    patch.setattr(written, "QUESTIONS", data / "questions.tsv")
    patch.setattr(written, "ANSWERS", data / "answers.tsv")
    return data


def sentence_pairs(count: int, *, seed: int, words: int = 6) -> list[tuple[str, str]]:
    """Return different sentences of random words, English and Indonesian, word for word."""
    chance = np.random.default_rng(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        drawn = [ENGLISH[number] for number in chance.choice(len(ENGLISH), words, replace=False)]
        found[" ".join(drawn)] = " ".join(TRANSLATIONS[word] for word in drawn)
    return list(found.items())


def reading_row(number: int, english: str, indonesian: str) -> dict[str, Any]:
    """One question in both languages, ``number`` its answer, with fields for either form of a reading set."""
    passages = {"en": f"The {english} is {number} .", "id": f"Soal {indonesian} adalah {number} ."}
    questions = {"en": f"What is {english} ?", "id": f"Apa {indonesian} ?"}
    row: dict[str, Any] = {}
    for side in ("en", "id"):
        start = passages[side].index(f" {number} ") + 1
        row |= {
            f"question_{side}": questions[side],
            f"context_{side}": passages[side],
            f"answers_{side}": [{"text": str(number), "answer_start": start}],
        }
    return row


def one_side(row: dict[str, Any], side: str) -> dict[str, Any]:
    """Return the row as the sets of one language have it."""
    return {name: row[f"{name}_{side}"] for name in ("question", "context", "answers")}


def write_training_data(data: Path, *, rows: int = 12) -> Path:
    """Write every file that the recipe reads; no text of one set is in another."""
    texts = sentence_pairs(rows * 24, seed=7)

    def taken() -> list[tuple[str, str]]:
        part, texts[:] = texts[:rows], texts[rows:]
        return part

    for name in PARALLEL_NAMES:
        pairs = list(TRANSLATIONS.items()) if name == "wiktionary_dictionary" else taken()
        write_rows(data, f"parallel/{name}", [{"en": english, "id": other} for english, other in pairs])
    write_rows(data, "parallel_dev/ntrex", [{"en": english, "id": other} for english, other in taken()])
    for place, (name, sides) in enumerate(
        {
            "squad_en_id.train": "",
            "squad_en_id.dev": "",
            "squad_en.train": "en",
            "idk_mrc.train": "id",
            "idk_mrc.valid": "id",
            "facqa.train": "id",
            "facqa.valid": "id",
        }.items()
    ):
        made = [reading_row(1_000 * (place + 1) + row, *pair) for row, pair in enumerate(taken())]
        write_rows(data, f"reading/{name}", [one_side(row, sides) for row in made] if sides else made)
    paragraphs = [f"Pada {one} dan {other} ." for (_, one), (_, other) in zip(taken(), taken(), strict=True)]
    news = [
        {
            "id": f"{row}-{INDONESIAN[row]}-{INDONESIAN[row + 1]}",
            "paragraphs": [paragraphs[(row + step) % rows] for step in range(3)],
            "summary": [f"Ringkasan {INDONESIAN[row]} .", f"Juga {INDONESIAN[row + 2]} ."],
        }
        for row in range(rows)
    ]
    write_rows(data, "news/indosum", news)
    leads = zip(INDONESIAN, taken(), taken(), strict=False)
    wiki = [{"title": title, "paragraphs": [f"{one[1]} dari {other[1]}"]} for title, one, other in leads]
    write_rows(data, "wiki/id_wikipedia_leads", wiki)
    return data
