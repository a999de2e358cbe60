"""Writes the trained encoder as the folder that ships: float16 weights, settings, tokenizer, model card, checksums."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from embeddings.model_folder import write_checksums
from embeddings.training.student import MAX_TOKENS, Student

_READABLE = 0o644


def export(student: Student, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a folder that ``SentenceTransformer(folder)`` loads; files of others in it, as a licence, stay."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import PreTrainedTokenizerFast

    building = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    body = building / "body"
    student.body.save_pretrained(body)
    special = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        **{f"{name}_token": text for name, text in special.items()},
    ).save_pretrained(body)
    transformer = Transformer(str(body), max_seq_length=MAX_TOKENS)
    # A pooler that no vector passes through, but that loaders of BERT expect: the same in every export.
    for parameter in transformer.model.pooler.parameters():
        torch.nn.init.zeros_(parameter)
    pooling = Pooling(student.body.config.hidden_size, pooling_mode="mean")
    model = SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")
    model.save_pretrained(str(building / "model"), create_model_card=False)
    made = building / "model"
    _halve(made / "model.safetensors")
    # transformers 5 computes in the format of the file unless told otherwise, and float16 is slow on a CPU.
    set_values(made / "config.json", dtype="float32")
    for file in made.rglob("*"):
        if file.is_file():
            os.chmod(file, _READABLE)
    folder.mkdir(parents=True, exist_ok=True)
    for file in made.iterdir():
        target = folder / file.name
        if file.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        os.replace(file, target)
    shutil.rmtree(building)
    write_checksums(folder)


def _halve(file: Path) -> None:
    tensors = {name: tensor.to(torch.float16) for name, tensor in load_file(file).items()}
    save_file(tensors, file, {"format": "pt"})


def set_values(file: Path, **settings: Any) -> None:
    """Set values of a JSON file."""
    values = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**values, **settings}, indent=2, sort_keys=True) + "\n", "utf-8")
