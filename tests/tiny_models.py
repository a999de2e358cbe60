"""Small models with random weights, saved as real model folders; they load in a few milliseconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] harga beras naik di pasar menteri perdagangan membuka rapat siapa yang "
    "memimpin perundingan the of who will rice price market minister talks query passage : ? . ,"
).split()
TRANSFORMER = "sentence_transformers.models.Transformer"
POOLING = "sentence_transformers.models.Pooling"


def word_tokenizer(*, with_markers: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if with_markers:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return tokenizer


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_modules(folder: Path, modules: list[tuple[str, str]]) -> None:
    """List modules as (type, path)."""
    listed = [
        {"idx": row, "name": str(row), "path": path, "type": kind} for row, (kind, path) in enumerate(modules)
    ]
    write_json(folder / "modules.json", listed)


def make_bert(folder: Path, *, prompts: dict[str, str] | None = None, seed: int = 0) -> Path:
    """Write a BERT of 2 layers and 32 dimensions with mean pooling, at most 24 tokens."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
        initializer_range=0.1,
    )
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer(with_markers=True),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
    )
    if prompts is not None:
        write_json(folder / "config_sentence_transformers.json", {"prompts": prompts})
    write_modules(folder, [(TRANSFORMER, ""), (POOLING, "1_Pooling")])
    return folder


def make_static(folder: Path, *, dtype: torch.dtype = torch.float32) -> Path:
    """Write a model of word vectors in 16 dimensions; a text of unknown words alone has the zero vector."""
    folder.mkdir(parents=True)
    vectors = torch.randn(len(WORDS), 16, generator=torch.Generator().manual_seed(1))
    vectors[WORDS.index("[UNK]")] = 0
    save_file({"embedding.weight": vectors.to(dtype)}, folder / "model.safetensors")
    word_tokenizer(with_markers=False).save(str(folder / "tokenizer.json"))
    write_modules(folder, [("sentence_transformers.models.StaticEmbedding", "")])
    return folder


def change_weights(folder: Path, change: Any) -> Path:
    """Rewrite the weights of ``folder`` with ``change``, a function from one dict of tensors to another."""
    weights = change(load_file(folder / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


class Canary:
    """A pickle that creates a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.file, "w")
