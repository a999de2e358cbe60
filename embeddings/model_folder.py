"""Finds the folder of an embedding model and refuses what is not safe to load; knows files, not tensors.

A model folder is data: JSON settings and safetensors weights. Everything in it that could run code or reach
elsewhere (pickles, classes of its own, adapters on other models) is refused here, before any library sees it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings.checksums import SUMS_FILE, describe_damage, digests, read_sums, write_sums
from embeddings.errors import ModelError

DEFAULT_NAME = "tanya-en-id"
# The default of indexes made before there was a model of our own: they still open with --model and its folder.
FORMER_DEFAULT_NAME = "all-MiniLM-L6-v2"
FORMER_DEFAULT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
REVISION_LENGTH = 12

# sentence-transformers has moved its module classes between these packages; saved models name any of them.
MODULE_TYPE = re.compile(
    r"sentence_transformers\.(?:models|base\.modules|sentence_transformer\.modules)(?:\.\w+)?\.(\w+)"
)
MODULES_WITH_WEIGHTS = frozenset({"Transformer", "Dense", "LayerNorm", "StaticEmbedding"})
MODULES_WITHOUT_WEIGHTS = frozenset({"Pooling", "Normalize", "Dropout"})

# Settings through which a folder could run its own code or make a library read other places or formats.
REFUSED_SETTINGS = frozenset(
    {"auto_map", "trust_remote_code", "code_revision", "custom_pipelines", "quantization_config", "gguf_file"}
    | {"tokenizer_name_or_path", "base_model_name_or_path", "use_kernels", "kernel_config", "variant"}
)
ATTENTION_SETTINGS = frozenset({"attn_implementation", "_attn_implementation"})

# What decides a vector besides the weights: changing any of these makes it another model.
SETTINGS_FILES = (
    "modules.json",
    "config.json",
    "sentence_*_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)
# Holds the prompts, which a fingerprint tells one by one.
PROMPTS_FILE = "config_sentence_transformers.json"

HUB_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
SNAPSHOT = re.compile(r"/models--([^/]+)/snapshots/([0-9a-f]{40})$")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder that was checked and hashed.

    ``name`` and ``revision`` are those of the hub for a snapshot in its cache, and "tanya-en-id" with the first
    hex digits of the weights' hash for the files of the default model, wherever they lie. Otherwise the revision
    is empty and the name is made of the architecture and the weights, so that a moved folder keeps its name.
    ``prompts`` are the folder's own, by their names there.
    """

    path: Path
    name: str
    revision: str
    weights_sha256: str
    settings_sha256: str
    prompts: dict[str, str]

    @classmethod
    def find(cls, model: str | None) -> ModelFolder:
        """Find a model on this machine, check it and hash it; the network is never asked.

        Args:
            model: a folder, the name of a model in the Hugging Face cache, or None for the default model.

        Raises:
            ModelError: the model is not here (the message names the command that fetches it), is not safe
                to load, or its weights are damaged.
        """
        if model is None:
            return cls.check(default_model_folder())
        path = Path(os.path.expanduser(model))
        if model and path.is_dir():
            return cls.check(path)
        if not model or path.exists() or model.startswith((".", "/", "~")) or not HUB_NAME.fullmatch(model):
            raise ModelError(f"There is no model folder {model!r}. Give a folder or the name of a model.")
        return cls.check(_cached_snapshot(model))

    @classmethod
    def check(cls, path: Path) -> ModelFolder:
        """Check and hash the model in the folder ``path``; the default model also against its checksums.

        Raises:
            ModelError: the folder is not a sentence-transformers model or is not safe to load, or it is the
                default model's and damaged (the message names the file and the command that mends it).
        """
        path = path.resolve()
        if path == default_model_folder().resolve():
            _check_default(path)
        modules, weights, settings, prompts = _deciding_files(path)
        found = digests([*weights, *settings, *prompts], path)
        weights_sha256, settings_sha256 = _sha256(weights, path, found), _sha256(settings, path, found)
        name, revision = _identity(path, weights_sha256, found, modules)
        return cls(path, name, revision, weights_sha256, settings_sha256, _prompts(path))


def default_model_folder() -> Path:
    """Return where the model lies that is used when none is named; ``ModelFolder.find`` checks that it is there."""
    return Path(__file__).resolve().parent / "models" / DEFAULT_NAME


def write_checksums(path: Path) -> Path:
    """Write the ``SHA256SUMS`` of the model in ``path``: of every file that decides a vector, weights and settings.

    The last step of making a default model: without it, or with any of these files changed afterwards, the model
    is refused.

    Returns:
        The file written; ``sha256sum --check`` reads it too.

    Raises:
        ModelError: the folder is not a sentence-transformers model or is not safe to load.
    """
    path = path.resolve()
    _, weights, settings, prompts = _deciding_files(path)
    return write_sums(path, [*weights, *settings, *prompts])


def check_shipped(path: Path, what: str) -> dict[str, str]:
    """Return the sums of the files in ``path``, a folder that ships with Tanya, having checked them.

    Args:
        path: the folder, whose ``SHA256SUMS`` lists what must be in it.
        what: the name of what is in it, for the message.

    Raises:
        ModelError: it is missing or damaged; the message names the file and the command that mends it.
    """
    try:
        sums = read_sums(path)
    except ModelError as error:
        raise ModelError(f"The {what} is damaged: {error} {_mending_command(path)}") from error
    if not sums:
        raise ModelError(f"The {what} is missing: there is no {path / SUMS_FILE}. {_mending_command(path)}")
    if damage := describe_damage(path, sums):
        raise ModelError(f"The {what} is damaged: {damage} {_mending_command(path)}")
    return sums


def _check_default(path: Path) -> None:
    """Raise ``ModelError`` unless the files of the default model, in ``path``, are those that were shipped."""
    sums = check_shipped(path, "default model")
    _, weights, settings, prompts = _deciding_files(path)
    listed = {path / name for name in sums}
    if added := sorted({*weights, *settings, *prompts} - listed):
        raise ModelError(
            f"The default model was changed: {path / SUMS_FILE} does not list {added[0]}, which would change "
            "its vectors. Delete that file, or name a folder of your own with --model."
        )


def _shipped_sums() -> dict[str, str]:
    """Return the digests that the default model's files must have, by name; empty if it is missing."""
    folder = default_model_folder()
    try:
        return read_sums(folder)
    except ModelError as error:
        raise ModelError(f"The default model is damaged: {error} {_mending_command(folder)}") from error


def _mending_command(path: Path) -> str:
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return (
            "Install Tanya again, in a fresh copy of its source: "
            "python -m pip install --force-reinstall --no-deps ."
        )
    # Git leaves a file alone whose size and time are as it wrote them, whatever became of its content.
    place = path.resolve().relative_to(root).as_posix() if path.resolve().is_relative_to(root) else path
    return (
        "Restore that file, deleting it first if it is there: "
        f"git -C {shlex.quote(str(root))} checkout HEAD -- {shlex.quote(str(place))} "
        "(where large files are kept in Git LFS: git lfs pull)"
    )


def _cached_snapshot(name: str) -> Path:
    """Return the folder of a hub model in the local Hugging Face cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    full_name = name if "/" in name else f"sentence-transformers/{name}"
    try:
        return Path(snapshot_download(full_name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"The model {full_name} is not on this machine. Fetch it with: hf download {full_name}"
        ) from error


def _modules(path: Path) -> list[tuple[str, Path]]:
    """Return the class name and the folder of every module, having refused all classes but the known ones."""
    if not (path / "modules.json").is_file():
        raise ModelError(
            f"{path} is not a sentence-transformers model: it has no modules.json. Save one with "
            "SentenceTransformer(...).save_pretrained(FOLDER), or fetch it again with: hf download NAME"
        )
    kind = _read_object(path / PROMPTS_FILE).get("model_type", "SentenceTransformer")
    if kind != "SentenceTransformer":
        raise ModelError(f"{path} holds a {kind}; a SentenceTransformer is needed to embed text.")
    listed = _read_json(path / "modules.json")
    if not isinstance(listed, list) or not listed:
        raise ModelError(f"{path / 'modules.json'} must be a list of modules.")
    modules = []
    for entry in listed:
        kind, place = (entry.get("type"), entry.get("path")) if isinstance(entry, dict) else (None, None)
        matched = MODULE_TYPE.fullmatch(kind) if isinstance(kind, str) else None
        if matched is None or matched[1] not in MODULES_WITH_WEIGHTS | MODULES_WITHOUT_WEIGHTS:
            raise ModelError(
                f"The model in {path} is refused: its module type {kind!r} is not one that is safe to load "
                f"({', '.join(sorted(MODULES_WITH_WEIGHTS | MODULES_WITHOUT_WEIGHTS))})."
            )
        if not isinstance(place, str) or not re.fullmatch(r"[\w.-]*", place) or place == "..":
            raise ModelError(f"The model in {path} is refused: the module path {place!r} leaves its folder.")
        modules.append((matched[1], path / place))
    return modules


def _refuse_unsafe_settings(folder: Path) -> None:
    if (folder / "adapter_config.json").exists():
        raise ModelError(f"{folder} holds an adapter to another model. Merge it into a full model first.")
    for file in sorted(folder.glob("*config*.json")):
        for key, value in _settings(_read_json(file)):
            if key in REFUSED_SETTINGS and value:
                raise ModelError(f"The model in {folder} is refused: {file.name} sets {key!r}.")
            if key in ATTENTION_SETTINGS and isinstance(value, str) and "/" in value:
                raise ModelError(f"The model in {folder} is refused: {file.name} names the kernel {value!r}.")
            if key == "activation_function" and not re.fullmatch(r"torch\.nn\.[\w.]+", str(value)):
                raise ModelError(f"The model in {folder} is refused: {file.name} names the class {value!r}.")


def _settings(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key with its value, however deep."""
    if isinstance(value, dict):
        yield from value.items()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _settings(inner)


def _weights(folder: Path, *, may_be_split: bool) -> list[Path]:
    """Return the safetensors files that the module in ``folder`` reads."""
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    index = folder / "model.safetensors.index.json"
    if may_be_split and index.is_file():
        parts = _read_object(index).get("weight_map")
        names = {str(part) for part in parts.values()} if isinstance(parts, dict) else set()
        for name in names:
            if not re.fullmatch(r"[\w.-]+\.safetensors", name) or not (folder / name).is_file():
                raise ModelError(f"{index} names {name!r}, which is not a safetensors file beside it.")
        return [folder / name for name in sorted(names)]
    endings = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
    pickles = (
        sorted(file.name for file in folder.iterdir() if file.suffix in endings) if folder.is_dir() else []
    )
    if pickles:
        raise ModelError(
            f"The model in {folder} is refused: its weights are pickled ({', '.join(pickles)}), which can "
            "run code. Use a version with model.safetensors."
        )
    raise ModelError(f"The model in {folder} is incomplete: model.safetensors is missing.")


def _deciding_files(path: Path) -> tuple[list[str], list[Path], list[Path], list[Path]]:
    """Return the modules' class names and the files of weights, settings and prompts, having refused what is unsafe."""
    modules = _modules(path)
    weights: list[Path] = []
    for module, folder in modules:
        _refuse_unsafe_settings(folder)
        if module in MODULES_WITH_WEIGHTS:
            weights += _weights(folder, may_be_split=module == "Transformer")
    if not weights:
        raise ModelError(f"The model folder {path} holds no weights.")
    folders = [path, *(folder for _, folder in modules)]
    settings = sorted({file for folder in folders for file in _settings_files(folder)})
    prompts = [path / PROMPTS_FILE] if (path / PROMPTS_FILE).is_file() else []
    return [module for module, _ in modules], weights, settings, prompts


def _settings_files(folder: Path) -> list[Path]:
    return [file for pattern in SETTINGS_FILES for file in folder.glob(pattern) if file.is_file()]


def _identity(path: Path, weights_sha256: str, found: dict[str, str], modules: list[str]) -> tuple[str, str]:
    """Return name and revision; ``found`` are the digests of all files that decide a vector, by name."""
    if snapshot := SNAPSHOT.search(path.as_posix()):
        return snapshot[1].replace("--", "/", 1), snapshot[2]
    if found == _shipped_sums():
        return DEFAULT_NAME, weights_sha256[:REVISION_LENGTH]
    if weights_sha256 == FORMER_DEFAULT_WEIGHTS_SHA256:
        return FORMER_DEFAULT_NAME, ""
    kind = _read_object(path / "config.json").get("model_type") or modules[0]
    return f"{kind}-{weights_sha256[:REVISION_LENGTH]}", ""


def _prompts(path: Path) -> dict[str, str]:
    prompts = _read_object(path / PROMPTS_FILE).get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise ModelError(
            f"The prompts in {path / 'config_sentence_transformers.json'} must be texts by name."
        )
    return {name: text for name, text in prompts.items() if text}


def _sha256(files: list[Path], root: Path, found: dict[str, str]) -> str:
    """Make one hash of files whose digests were ``found``: one file's own, several by their names below ``root``."""
    names = [file.relative_to(root).as_posix() for file in files]
    if len(names) == 1:
        return found[names[0]]
    return hashlib.sha256("".join(f"{found[name]} {name}\n" for name in names).encode()).hexdigest()


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} is not readable JSON: {error}.") from error


def _read_object(file: Path) -> dict[str, Any]:
    """Read a JSON object; a missing file is an empty one."""
    value = _read_json(file) if file.exists() else {}
    if not isinstance(value, dict):
        raise ModelError(f"{file} must hold a JSON object.")
    return value
