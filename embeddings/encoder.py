"""Text to unit vectors with a sentence-transformers model, offline, on the CPU.

Knows text and arrays, nothing of articles. ``SentenceEncoder`` is a LangChain ``Embeddings`` outside; inside,
vectors are float32 rows of length 1.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import re
import threading
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from embeddings.errors import ModelError
from embeddings.model_folder import ModelFolder

Vectors = NDArray[np.float32]
Dtype = Literal["auto", "float32", "bfloat16"]

# 4 to 32 were equally fast on Indonesian paragraphs, larger ones slower by up to a quarter.
BATCH_SIZE = 16
# float32 and bfloat16 count as one family when no cosine moves by more than this.
DTYPE_TOLERANCE = 0.01
DTYPE_FAMILY = "float32/bfloat16"
# A token rarely has more characters than this, so what is cut before the tokenizer is cut by it anyway.
CHARACTERS_PER_TOKEN = 40
# Models of word vectors have no limit of their own.
UNLIMITED_TOKENS = 8192
# Sentences of the kind that is indexed and asked, to compare number formats with.
PROBES = (
    "Menteri Perdagangan meninjau harga beras di pasar induk pada Senin pagi.",
    "Siapa yang memimpin perundingan damai itu?",
    "Harga minyak mentah naik dua persen setelah pertemuan para menteri energi, sementara nilai tukar rupiah "
    "melemah terhadap dolar. Redaksi mencatat bahwa pasar menunggu keputusan bank sentral pekan depan.",
    "Gempa berkekuatan 5,6 magnitudo mengguncang pesisir selatan.",
    "Who will chair the summit of South-East Asian leaders next year?",
    "The ministry said exports of palm oil rose by a tenth, although demand from its largest buyer fell.",
)


class SentenceEncoder(Embeddings):
    """Encodes passages and queries as float32 unit rows; safe to use from several threads.

    A text of more than ``max_tokens`` tokens is cut: its vector tells of its beginning only.
    """

    def __init__(
        self,
        model: Any,
        *,
        fingerprint: dict[str, str],
        dimension: int,
        max_tokens: int,
        dtype: Literal["float32", "bfloat16"],
        batch_size: int = BATCH_SIZE,
    ) -> None:
        """Wrap a loaded ``SentenceTransformer``; use ``load`` instead."""
        self._model = model
        self._fingerprint = fingerprint
        self._dimension = dimension
        self._max_tokens = max_tokens
        self._dtype = dtype
        self._batch_size = batch_size
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        model: str | None = None,
        *,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        dtype: Dtype = "auto",
        batch_size: int = BATCH_SIZE,
    ) -> SentenceEncoder:
        """Load a model from this machine; the network is never asked.

        Args:
            model: a sentence-transformers folder, the name of a model in the Hugging Face cache, or None
                for the default model.
            query_prompt: put before every query; None means the folder's own prompt, if it has one.
            passage_prompt: put before every passage; None means the folder's own prompt, if it has one.
            dtype: "auto" computes in bfloat16 where the CPU has it and no cosine moves by more than 0.01.
            batch_size: texts computed at once.

        Raises:
            ModelError: the model is not here (the message names the command that fetches it), is not safe
                to load, is damaged, or does not keep its meaning in bfloat16 when that was asked for.
        """
        if dtype not in ("auto", "float32", "bfloat16"):
            raise ModelError(f"dtype must be 'auto', 'float32' or 'bfloat16', got {dtype!r}.")
        if batch_size < 1:
            raise ModelError(f"batch_size must be at least 1, got {batch_size}.")
        folder = ModelFolder.find(model)
        own = folder.prompts
        own_passage_prompt = own.get("document") or own.get("passage") or own.get("corpus") or ""
        prompts = {
            "query_prompt": own.get("query", "") if query_prompt is None else query_prompt,
            "passage_prompt": own_passage_prompt if passage_prompt is None else passage_prompt,
        }
        with _without_collecting():
            loaded, chosen = _load_in(folder, dtype)
        dimension = _probe(loaded, folder).shape[1]
        fingerprint = {
            "name": folder.name,
            "revision": folder.revision,
            "dimension": str(dimension),
            "weights_sha256": folder.weights_sha256,
            "settings_sha256": folder.settings_sha256,
            **prompts,
            "dtype_family": DTYPE_FAMILY,
        }
        return cls(
            loaded,
            fingerprint=fingerprint,
            dimension=dimension,
            max_tokens=_max_tokens(loaded),
            dtype=chosen,
            batch_size=batch_size,
        )

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def max_tokens(self) -> int:
        """Length in tokens, prompt and markers included, beyond which a text is cut."""
        return self._max_tokens

    @property
    def dtype(self) -> Literal["float32", "bfloat16"]:
        """The number format computed in; vectors come as float32 either way."""
        return self._dtype

    @property
    def fingerprint(self) -> dict[str, str]:
        """What tells this model from others; a copy. Equal for the same files wherever they lie."""
        return dict(self._fingerprint)

    def encode_passages(self, texts: list[str]) -> Vectors:
        """Return float32 unit rows, shape ``(len(texts), dimension)``.

        Raises:
            ModelError: the model gave a vector that is zero or not finite.
        """
        return self._encode(texts, self._fingerprint["passage_prompt"])

    def encode_queries(self, texts: list[str]) -> Vectors:
        """Return float32 unit rows, shape ``(len(texts), dimension)``.

        Raises:
            ModelError: the model gave a vector that is zero or not finite.
        """
        return self._encode(texts, self._fingerprint["query_prompt"])

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """LangChain's name for ``encode_passages``; lists of floats."""
        rows: list[list[float]] = self.encode_passages(texts).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """LangChain's name for ``encode_queries`` of one text; a list of floats."""
        row: list[float] = self.encode_queries([text])[0].tolist()
        return row

    def _encode(self, texts: list[str], prompt: str) -> Vectors:
        if isinstance(texts, str):
            raise TypeError("texts must be a list of str, got a single str")
        prepared = [self._prepare(text) for text in texts]
        vectors = np.empty((len(prepared), self._dimension), dtype=np.float32)
        # Texts of like length share a batch, so that little is spent on padding.
        order = sorted(range(len(prepared)), key=lambda row: -len(prepared[row]))
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            batch = [prepared[row] for row in rows]
            # Held for one batch only: a query waits that long for an index being built beside it.
            with self._lock:
                raw = _raw_vectors(self._model, batch, prompt)
            vectors[rows] = _unit_rows(raw, batch)
        return vectors

    def _prepare(self, text: str) -> str:
        """Cut what the model would cut anyway, and replace lone surrogates, which tokenizers refuse."""
        limit = CHARACTERS_PER_TOKEN * self._max_tokens
        if len(text) > limit:
            text = text.lstrip()[:limit]
        return text.encode("utf-8", "replace").decode("utf-8")


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Keep the garbage collector off: importing torch and its kin makes a million objects that all stay.

    They are frozen, so that the first collection afterwards does not look through them either. Of 8 s of CPU time
    that a cold question takes this saves about 2.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()


def _load_in(folder: ModelFolder, dtype: Dtype) -> tuple[Any, Literal["float32", "bfloat16"]]:
    """Load the model in the number format asked for, comparing bfloat16 with float32 before it is used."""
    if dtype == "float32" or (dtype == "auto" and not cpu_has_bfloat16()):
        return _load_model(folder, "float32"), "float32"
    exact, rounded = _load_model(folder, "float32"), _load_model(folder, "bfloat16")
    if _formats_agree(_probe(exact, folder), _probe(rounded, folder)):
        return rounded, "bfloat16"
    if dtype == "bfloat16":
        raise ModelError(
            f"The model {folder.name} gives other vectors in bfloat16 (cosines move by more than "
            f"{DTYPE_TOLERANCE}). Use float32."
        )
    return exact, "float32"


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; elsewhere it is emulated and slower than float32."""
    torch = importlib.import_module("torch")
    # Older releases of torch cannot tell: float32 is right everywhere.
    tell = getattr(torch.cpu, "get_capabilities", None)
    capabilities = tell() if tell else {}
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _load_model(folder: ModelFolder, dtype: Literal["float32", "bfloat16"]) -> Any:
    torch = importlib.import_module("torch")
    wanted = getattr(torch, dtype)
    with _offline_and_quiet() as reports:
        from sentence_transformers import SentenceTransformer

        try:
            model = SentenceTransformer(
                str(folder.path),
                device="cpu",
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"dtype": wanted, "use_safetensors": True},
            )
        # The libraries raise whatever comes up in a damaged folder.
        except Exception as error:
            raise ModelError(f"The model in {folder.path} cannot be loaded: {error}") from error
    # Weights that are missing are made up at random; only the pooler's, which no vector uses, may be.
    missing = sorted({name for report in reports for name in _missing_weights(report)})
    if missing:
        raise ModelError(f"The model in {folder.path} lacks weights: {', '.join(missing)}.")
    if any(parameter.is_floating_point() and parameter.dtype != wanted for parameter in model.parameters()):
        # Modules outside the transformer keep the format they were saved in, float16 among them.
        model.to(wanted)
    model.eval()
    return model


def _missing_weights(report: str) -> list[str]:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", report)
    names = re.findall(r"^(\S.*?)\s*\|\s*(?:MISSING|MISMATCH)\b", plain, flags=re.MULTILINE)
    return [name for name in names if "pooler." not in name]


@contextlib.contextmanager
def _offline_and_quiet() -> Iterator[list[str]]:
    """Keep the libraries off the network and the terminal; yields the warnings they logged meanwhile."""
    constants: Any = importlib.import_module("huggingface_hub.constants")
    transformers_logging: Any = importlib.import_module("transformers.utils.logging")
    reports: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reports.append(record.getMessage())

    collector = Collector(logging.WARNING)
    other = logging.getLogger("sentence_transformers")
    with _LOADING:
        before = (constants.HF_HUB_OFFLINE, transformers_logging.get_verbosity(), other.level)
        with_bar = transformers_logging.is_progress_bar_enabled()
        constants.HF_HUB_OFFLINE = True
        transformers_logging.set_verbosity_warning()
        transformers_logging.disable_default_handler()
        transformers_logging.add_handler(collector)
        transformers_logging.disable_progress_bar()
        other.setLevel(logging.ERROR)
        try:
            yield reports
        finally:
            transformers_logging.remove_handler(collector)
            transformers_logging.enable_default_handler()
            if with_bar:
                transformers_logging.enable_progress_bar()
            constants.HF_HUB_OFFLINE = before[0]
            transformers_logging.set_verbosity(before[1])
            other.setLevel(before[2])


# The libraries' switches are global: two loads at once would restore each other's settings.
_LOADING = threading.Lock()


def _max_tokens(model: Any) -> int:
    limit = model.max_seq_length
    return UNLIMITED_TOKENS if limit is None or limit == float("inf") else int(limit)


def _raw_vectors(model: Any, texts: list[str], prompt: str) -> Vectors:
    """Return float32 rows as the model gives them, of any length."""
    rows = model.encode(
        texts, prompt=prompt, batch_size=len(texts), show_progress_bar=False, convert_to_tensor=True
    )
    raw: Vectors = rows.float().numpy()
    return raw


def _unit_rows(raw: Vectors, texts: list[str]) -> Vectors:
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    unusable = ~(np.isfinite(lengths[:, 0]) & (lengths[:, 0] > 0))
    if unusable.any():
        row = int(np.argmax(unusable))
        raise ModelError(
            f"The model gave a vector of length {lengths[row, 0]:g} for the text that starts "
            f"{texts[row][:60]!r}; it cannot be used."
        )
    unit: Vectors = raw / lengths
    return unit


def _probe(model: Any, folder: ModelFolder) -> Vectors:
    probes = list(PROBES)
    try:
        return _unit_rows(_raw_vectors(model, probes, ""), probes)
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ModelError(f"The model in {folder.path} cannot encode text: {error}") from error


def _formats_agree(exact: Vectors, rounded: Vectors) -> bool:
    """Whether the same texts keep their direction, and all pairs of texts their cosine."""
    directions = np.sum(exact * rounded, axis=1)
    moved = np.abs(exact @ exact.T - rounded @ rounded.T)
    return bool(directions.min() >= 1 - DTYPE_TOLERANCE and moved.max() <= DTYPE_TOLERANCE)
