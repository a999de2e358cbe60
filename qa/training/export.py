"""Writes the trained reader as the folder that ships: float16 weights, settings, tokenizer, checksums."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from embeddings.checksums import write_sums
from embeddings.training.export import set_values
from qa.spans import CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE

TOKENIZER_SETTINGS = "tokenizer_config.json"
FILES = (CONFIG_FILE, TOKENIZER_FILE, TOKENIZER_SETTINGS, WEIGHTS_FILE)
"""What decides an answer, and is listed with its checksum."""


def export(network: Any, encoder: Path, folder: Path) -> None:
    """Write a folder that ``AutoModelForQuestionAnswering.from_pretrained(folder)`` loads.

    Its tokenizer is that of the folder ``encoder``. Files of others in it, as a licence, stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.to("cpu", torch.float16).contiguous() for name, tensor in network.state_dict().items()
    }
    save_file(weights, folder / WEIGHTS_FILE, {"format": "pt"})
    network.config.save_pretrained(folder)
    # transformers 5 computes in the format of the file unless told otherwise, and float16 is slow on a CPU.
    set_values(folder / CONFIG_FILE, architectures=["BertForQuestionAnswering"], dtype="float32")
    for name in (TOKENIZER_FILE, TOKENIZER_SETTINGS):
        shutil.copyfile(encoder / name, folder / name)
    write_sums(folder, [folder / name for name in FILES])
