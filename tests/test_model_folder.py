"""Where models are found, what they are called, and what is refused before a library sees it."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
from pathlib import Path

import pytest
import tiny_models
from huggingface_hub import constants

from embeddings import model_folder
from embeddings.checksums import SUMS_FILE, read_sums
from embeddings.encoder import SentenceEncoder
from embeddings.errors import ModelError
from embeddings.model_folder import ModelFolder, default_model_folder, write_checksums

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return tiny_models.make_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture
def bert(saved, tmp_path):
    """A copy that a test may spoil."""
    return tiny_models.copy_of(saved, tmp_path / "bert")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty Hugging Face cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_in_cache(cache, saved, name: str) -> None:
    folder = cache / f"models--{name.replace('/', '--')}"
    tiny_models.copy_of(saved, folder / "snapshots" / COMMIT)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)


def edit_json(file, **changes) -> None:
    value = json.loads(file.read_text()) if file.exists() else {}
    tiny_models.write_json(file, {**value, **changes})


@pytest.fixture
def shipped(bert, monkeypatch):
    """A small model in the place of the default one, exported with its sums."""
    tiny_models.write_json(
        bert / "config_sentence_transformers.json", {"prompts": {"query": "", "document": ""}}
    )
    write_checksums(bert)
    monkeypatch.setattr(model_folder, "default_model_folder", lambda: bert)
    return bert


def test_the_default_model_lies_in_the_package():
    assert default_model_folder() == Path(model_folder.__file__).parent / "models" / "tanya-en-id"


def test_the_default_model_is_known_by_its_sums_wherever_it_lies(shipped, tmp_path):
    found = ModelFolder.find(None)
    assert found == ModelFolder.find(str(shipped))
    assert (found.path, found.name) == (shipped, "tanya-en-id")
    assert (found.revision, found.prompts) == (found.weights_sha256[:12], {})
    copy = tiny_models.copy_of(shipped, tmp_path / "copy")
    (copy / SUMS_FILE).unlink()
    fingerprint = SentenceEncoder.load().fingerprint
    assert SentenceEncoder.load(str(copy)).fingerprint == fingerprint
    edit_json(copy / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    changed = ModelFolder.check(copy)
    assert (changed.weights_sha256, changed.revision) == (found.weights_sha256, "")
    assert changed.name == f"bert-{found.revision}"


def test_the_sums_cover_what_decides_a_vector_and_sha256sum_reads_them(shipped):
    (shipped / "README.md").write_text("words about the model")
    assert write_checksums(shipped) == shipped / SUMS_FILE
    assert set(read_sums(shipped)) == {
        "model.safetensors",
        "modules.json",
        "config.json",
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "1_Pooling/config.json",
    }
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    subprocess.run(
        ["sha256sum", "--check", "--strict", SUMS_FILE], cwd=shipped, check=True, capture_output=True
    )


def test_exporting_another_model_over_the_default_needs_nothing_but_new_sums(shipped, tmp_path):
    before = ModelFolder.find(None)
    other = tiny_models.make_bert(tmp_path / "other", seed=1)
    shutil.copy(other / "model.safetensors", shipped / "model.safetensors")
    with pytest.raises(ModelError, match="The default model is damaged"):
        ModelFolder.find(None)
    write_checksums(shipped)
    after = ModelFolder.find(None)
    assert (after.name, after.settings_sha256) == (before.name, before.settings_sha256)
    assert after.revision == ModelFolder.check(other).weights_sha256[:12] != before.revision


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "tokenizer.json", "1_Pooling/config.json", "config_sentence_transformers.json"],
)
def test_a_damaged_default_model_names_file_sums_and_the_command_that_mends_it(shipped, name):
    file, expected = shipped / name, read_sums(shipped)[name]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    found = model_folder.digests([file], shipped)[name]
    for model in (None, str(shipped)):
        with pytest.raises(ModelError) as damaged:
            SentenceEncoder.load(model)
        assert str(damaged.value) == (
            f"The default model is damaged: the SHA-256 of {file} must be {expected}, got {found}. "
            + model_folder._mending_command(model_folder.default_model_folder())
        )
    file.unlink()
    with pytest.raises(ModelError, match=f"{name} must be {expected}, got no such file"):
        SentenceEncoder.load()


def test_a_git_lfs_pointer_in_place_of_the_weights_is_told(shipped):
    (shipped / "model.safetensors").write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 45441944\n"
    )
    with pytest.raises(ModelError, match=r"model.safetensors must be .*a Git LFS pointer that stands for it"):
        SentenceEncoder.load()


def test_a_setting_that_was_not_shipped_is_not_mixed_in(shipped):
    tiny_models.write_json(shipped / "added_tokens.json", {"lavrov": 40})
    with pytest.raises(ModelError, match=r"SHA256SUMS does not list .*added_tokens.json.* Delete that file"):
        SentenceEncoder.load()


def test_a_missing_default_model_names_the_command(shipped):
    (shipped / SUMS_FILE).unlink()
    with pytest.raises(ModelError, match=rf"is missing: there is no {shipped / SUMS_FILE}\. \w+"):
        SentenceEncoder.load()
    shutil.rmtree(shipped)
    with pytest.raises(ModelError, match=rf"is missing: there is no {shipped / SUMS_FILE}\. \w+"):
        SentenceEncoder.load()


@pytest.mark.parametrize("line", ["", "x", f"{'0' * 63}  config.json", "<<<<<<< HEAD"])
def test_sums_that_are_none_are_told(shipped, line):
    before = (shipped / SUMS_FILE).read_text()
    (shipped / SUMS_FILE).write_text(f"{before}{line}\n")
    number = before.count("\n") + 1
    with pytest.raises(
        ModelError, match=rf"SHA256SUMS is damaged: line {number} is no .*\. \w+ .*: (git|python)"
    ):
        SentenceEncoder.load()


def test_the_command_that_mends_restores_a_checkout_and_installs_elsewhere(tmp_path, monkeypatch):
    package = tmp_path / "a place" / "embeddings"
    monkeypatch.setattr(model_folder, "__file__", str(package / "model_folder.py"))
    assert model_folder._mending_command(model_folder.default_model_folder()).endswith(
        ": python -m pip install --force-reinstall --no-deps ."
    )
    (package.parent / ".git").mkdir(parents=True)
    root = f"'{package.parent}'"
    command = f"git -C {root} checkout HEAD -- embeddings/models/tanya-en-id "
    assert command in model_folder._mending_command(model_folder.default_model_folder())


def test_a_model_of_one_s_own_needs_no_default_model(shipped, saved):
    shutil.rmtree(shipped)
    assert SentenceEncoder.load(str(saved)).dimension == 32


def test_the_former_default_keeps_its_name(bert, monkeypatch):
    digest = ModelFolder.check(bert).weights_sha256
    monkeypatch.setattr(model_folder, "FORMER_DEFAULT_WEIGHTS_SHA256", digest)
    assert (ModelFolder.check(bert).name, ModelFolder.check(bert).revision) == ("all-MiniLM-L6-v2", "")


def test_a_fingerprint_does_not_depend_on_where_the_folder_lies(saved, bert, tmp_path):
    moved = bert.rename(tmp_path / "renamed")
    (tmp_path / "link").symlink_to(moved)
    expected = SentenceEncoder.load(str(saved)).fingerprint
    assert expected["name"].startswith("bert-")
    assert SentenceEncoder.load(str(moved)).fingerprint == expected
    assert SentenceEncoder.load(str(tmp_path / "link")).fingerprint == expected


def test_a_fingerprint_changes_with_anything_that_changes_vectors(saved, bert, tmp_path):
    before = ModelFolder.check(saved)
    (bert / "README.md").write_text("words about the model")
    assert ModelFolder.check(bert).settings_sha256 == before.settings_sha256
    edit_json(bert / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    pooled = ModelFolder.check(bert)
    assert (pooled.weights_sha256, pooled.name) == (before.weights_sha256, before.name)
    assert pooled.settings_sha256 != before.settings_sha256
    other = ModelFolder.check(tiny_models.make_bert(tmp_path / "other", seed=1))
    assert other.settings_sha256 == before.settings_sha256
    assert other.weights_sha256 != before.weights_sha256
    assert other.name != before.name


def test_a_name_is_looked_up_in_the_cache_and_keeps_its_commit(cache, saved):
    put_in_cache(cache, saved, "redaksi/model-berita")
    put_in_cache(cache, saved, "sentence-transformers/kecil")
    fingerprint = SentenceEncoder.load("redaksi/model-berita").fingerprint
    assert (fingerprint["name"], fingerprint["revision"]) == ("redaksi/model-berita", COMMIT)
    snapshot = cache / "models--redaksi--model-berita" / "snapshots" / COMMIT
    assert SentenceEncoder.load(str(snapshot)).fingerprint == fingerprint
    assert ModelFolder.find("kecil").name == "sentence-transformers/kecil"


def test_a_model_that_is_not_here_is_named_with_the_command_that_fetches_it(cache):
    with pytest.raises(
        ModelError, match=r"redaksi/tiada is not on this machine.*: hf download redaksi/tiada$"
    ):
        SentenceEncoder.load("redaksi/tiada")
    with pytest.raises(ModelError, match=r"hf download sentence-transformers/tiada$"):
        SentenceEncoder.load("tiada")


@pytest.mark.parametrize(
    "path", ["./tiada", "/tiada/sama/sekali", "~/tiada-sama-sekali", "~tiada/x", "a/b/c", "a b", ""]
)
def test_a_missing_folder_is_not_taken_for_a_name(path):
    with pytest.raises(ModelError, match=f"There is no model folder '{path}'"):
        SentenceEncoder.load(path)


def test_code_in_a_model_folder_never_runs(bert, tmp_path):
    canary = tmp_path / "canary"
    code = f"open({str(canary)!r}, 'w')\nfrom sentence_transformers.models import Pooling as Mine\n"
    for name in ("evil.py", "__init__.py", "modeling_evil.py"):
        (bert / name).write_text(code)
    for kind in ("evil.Mine", "modeling_evil.Mine", "os.system", "sentence_transformers_evil.Pooling"):
        tiny_models.write_modules(bert, [(tiny_models.TRANSFORMER, ""), (kind, "1_Pooling")])
        with pytest.raises(ModelError, match=f"its module type '{kind}' is not one that is safe to load"):
            SentenceEncoder.load(str(bert))
    tiny_models.write_modules(bert, [(tiny_models.TRANSFORMER, ""), (tiny_models.POOLING, "1_Pooling")])
    for file, key in [
        ("config.json", "AutoModel"),
        ("tokenizer_config.json", "AutoTokenizer"),
        ("1_Pooling/config.json", "AutoConfig"),
    ]:
        before = (bert / file).read_text()
        edit_json(bert / file, auto_map={key: "modeling_evil.Mine"})
        with pytest.raises(ModelError, match="sets 'auto_map'"):
            SentenceEncoder.load(str(bert))
        (bert / file).write_text(before)
    assert SentenceEncoder.load(str(bert)).dimension == 32
    assert not canary.exists()


def test_pickled_weights_are_never_read(bert, tmp_path):
    canary = tmp_path / "canary"
    pickle_of_canary = pickle.dumps(tiny_models.Canary(canary))
    (bert / "pytorch_model.bin").write_bytes(pickle_of_canary)
    assert SentenceEncoder.load(str(bert)).dimension == 32
    (bert / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"its weights are pickled \(pytorch_model.bin\)"):
        SentenceEncoder.load(str(bert))
    assert not canary.exists()
    pickle.loads(pickle_of_canary).close()
    assert canary.exists()


@pytest.mark.parametrize("kind", ["Dense", "StaticEmbedding", "LayerNorm"])
def test_pickles_of_other_modules_are_never_read(bert, tmp_path, kind):
    canary = tmp_path / "canary"
    (bert / "2_Other").mkdir()
    (bert / "2_Other" / "pytorch_model.bin").write_bytes(pickle.dumps(tiny_models.Canary(canary)))
    modules = [(tiny_models.TRANSFORMER, ""), (f"sentence_transformers.models.{kind}", "2_Other")]
    tiny_models.write_modules(bert, modules)
    with pytest.raises(ModelError, match=r"2_Other is refused: its weights are pickled"):
        SentenceEncoder.load(str(bert))
    assert not canary.exists()


@pytest.mark.parametrize(
    "kind",
    [
        "models.WordEmbeddings",
        "models.Router",
        "models.Asym",
        "cross_encoder.CrossEncoder",
        "util.misc.Pooling",
    ],
)
def test_other_classes_of_the_library_are_refused(bert, kind):
    tiny_models.write_modules(bert, [(f"sentence_transformers.{kind}", "")])
    with pytest.raises(ModelError, match=f"module type 'sentence_transformers.{kind}' is not one"):
        SentenceEncoder.load(str(bert))


@pytest.mark.parametrize("place", ["..", "../bert", "/etc", "a/../../b", "C:\\x", None])
def test_modules_outside_the_folder_are_refused(bert, place):
    tiny_models.write_modules(bert, [(tiny_models.TRANSFORMER, place)])
    with pytest.raises(ModelError, match="leaves its folder"):
        SentenceEncoder.load(str(bert))


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ("sentence_bert_config.json", {"model_args": {"trust_remote_code": True}}, "'trust_remote_code'"),
        ("sentence_bert_config.json", {"tokenizer_name_or_path": "other"}, "'tokenizer_name_or_path'"),
        ("sentence_bert_config.json", {"model_args": {"gguf_file": "x"}}, "'gguf_file'"),
        ("config.json", {"quantization_config": {"quant_method": "x"}}, "'quantization_config'"),
        ("config.json", {"text_config": [{"auto_map": {"AutoModel": "x.Y"}}]}, "'auto_map'"),
        ("config.json", {"_attn_implementation": "redaksi/kernel"}, "the kernel 'redaksi/kernel'"),
        ("1_Pooling/config.json", {"activation_function": "os.system"}, "the class 'os.system'"),
        ("adapter_config.json", {"base_model_name_or_path": "other"}, "holds an adapter"),
        ("config_sentence_transformers.json", {"model_type": "CrossEncoder"}, "holds a CrossEncoder"),
        ("config_sentence_transformers.json", {"prompts": {"query": 1}}, "must be texts by name"),
    ],
)
def test_settings_that_reach_beyond_the_folder_are_refused(bert, file, settings, message):
    edit_json(bert / file, **settings)
    with pytest.raises(ModelError, match=message):
        SentenceEncoder.load(str(bert))


def test_weights_in_parts_must_be_safetensors_beside_their_index(bert, saved):
    index = bert / "model.safetensors.index.json"
    (bert / "model.safetensors").rename(bert / "model-1.safetensors")
    for name in ("../bert/model-1.safetensors", "pytorch_model-1.bin", "model-2.safetensors"):
        tiny_models.write_json(index, {"weight_map": {"a": name}})
        with pytest.raises(ModelError, match="is not a safetensors file beside it"):
            ModelFolder.check(bert)
    tiny_models.write_json(index, {"weight_map": {"a": "model-1.safetensors"}})
    assert ModelFolder.check(bert).weights_sha256 == ModelFolder.check(saved).weights_sha256


def test_folders_that_are_no_model_are_named(tmp_path, bert):
    with pytest.raises(ModelError, match=r"is not a sentence-transformers model: it has no modules.json"):
        SentenceEncoder.load(str(tmp_path))
    (bert / "modules.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match=r"modules.json is not readable JSON"):
        SentenceEncoder.load(str(bert))
    for content in ("[]", "{}", "3"):
        (bert / "modules.json").write_text(content)
        with pytest.raises(ModelError, match="must be a list of modules"):
            SentenceEncoder.load(str(bert))
    for content in ("[3]", '[{"type": 3, "path": ""}]'):
        (bert / "modules.json").write_text(content)
        with pytest.raises(ModelError, match="is not one that is safe to load"):
            SentenceEncoder.load(str(bert))
    tiny_models.write_modules(bert, [(tiny_models.POOLING, "1_Pooling")])
    with pytest.raises(ModelError, match="holds no weights"):
        SentenceEncoder.load(str(bert))
    tiny_models.write_modules(bert, [(tiny_models.TRANSFORMER, "0_Transformer")])
    with pytest.raises(ModelError, match=r"is incomplete: model.safetensors is missing"):
        SentenceEncoder.load(str(bert))
    shutil.rmtree(bert)
    with pytest.raises(ModelError, match="There is no model folder"):
        SentenceEncoder.load(str(bert))
