"""params.yaml is what the models generate, every shipped value is valid, and mistakes are explained."""

from pathlib import Path

import pytest
import yaml

from stages import document, params, shipped, shipped_studies
from stages.config import settings
from stages.metrics.comparison import read_published
from stages.protocols import config
from stages.runtime.errors import UserError
from stages.workflow import benchmark_files
from stages.workflow.plan import Plan, options

ROOT = Path(__file__).parents[2]


def test_params_file_is_what_the_models_generate():
    assert (ROOT / "params.yaml").read_text() == document.params_yaml(), "run: python -m stages.params --write"


def test_shipped_values_pass_every_check():
    assert params.checked(str(ROOT / "params.yaml"))["active"] == ["default"]


def test_every_shipped_protocol_is_read_by_its_name_and_every_published_one_ships():
    for name in shipped.PROTOCOLS:
        assert config.load(name, str(ROOT / "params.yaml")).about
    published = {row["protocol"] for row in read_published(ROOT / "data/published.csv")}
    assert published <= set(shipped.PROTOCOLS)


def test_document_explains_every_key_once():
    text = document.params_yaml()
    for section in ("train", "features", "evaluate"):
        for field in params.Params.model_fields[section].annotation.model_fields.values():
            assert text.count(f"# {field.description}") >= 1
    assert document.table().count("| `train` | `threads` |") == 1


@pytest.mark.parametrize("text", ["1e-5", "1.0e-5", "0.00001"])
def test_small_numbers_are_numbers(tmp_path, text):
    (tmp_path / "p.yaml").write_text(f"rate: {text}\n")
    assert settings.read(str(tmp_path / "p.yaml"), "rate") == pytest.approx(1e-5)


def test_other_studies_become_valid_when_active(tmp_path):
    values = yaml.safe_load(document.params_yaml())
    values["active"] = list(values["studies"])
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(values))
    assert params.checked(str(tmp_path / "p.yaml"))["active"] == list(shipped.STUDIES)


def test_substitutes_stand_for_weights_but_not_for_descriptors():
    plan = Plan(params.checked(str(ROOT / "params.yaml")))
    assert plan.encoder("default", "wav2vec2-base", "speech") == "hubert-small"
    assert plan.encoder("default", "egemaps", "speech") == "egemaps"


def test_a_change_of_one_system_reaches_no_other():
    values = params.checked(str(ROOT / "params.yaml"))
    plan = Plan(values)
    names = shipped_studies.DEFAULT
    before = {name: plan.system_reads(plan.row("default", name).stage, "default", name) for name in names}
    changed = yaml.safe_load(yaml.safe_dump(values))
    changed["systems"]["gao2024-cmgi"]["alpha"] = 0.2
    plan = Plan(changed)
    after = {name: plan.system_reads(plan.row("default", name).stage, "default", name) for name in names}
    assert [name for name in before if before[name] != after[name]] == ["gao2024-cmgi"]


def test_shards_are_read_by_what_reads_the_store():
    values = params.checked(str(ROOT / "params.yaml"))
    single = Plan(values)
    plan = Plan(values | {"shards": {"planted": 2}})
    store, weights = "data/features/planted/hubert-small", "data/pretrain/hubert.safetensors"
    audio = "data/ingest/planted/audio.h5"
    assert plan.features_inputs("planted", "hubert-small", part="1of2") == {"audio": audio, "pretrained": weights}
    joined = {"audio": audio, "shards": [f"{store}/1of2.h5", f"{store}/2of2.h5"]}
    assert plan.features_inputs("planted", "hubert-small") == joined
    assert plan.features_inputs("ravdess", "hubert-small") == single.features_inputs("ravdess", "hubert-small")
    linear = single.system_inputs("default", "linear", "1of1")
    assert plan.system_inputs("default", "linear", "1of1") == linear | {"frames": joined["shards"]}
    words = [
        single.system_inputs("default", "linear-text", "1of1"),
        plan.system_inputs("default", "linear-text", "1of1"),
    ]
    assert words[0] == words[1]
    assert options(plan.system_inputs("default", "linear", "1of1")) == options(linear)
    found = {path for path in benchmark_files.of_study(plan, "default") if "/features/planted-hubert-small" in path}
    assert found == {f"data/benchmarks/features/planted-hubert-small{end}.tsv" for end in ("", "-1of2", "-2of2")}


def test_shards_of_no_corpus_or_no_number_are_refused(tmp_path):
    values, path = yaml.safe_load(document.params_yaml()), tmp_path / "p.yaml"
    for shards, line in (
        ({"plantd": 2}, "shards: there is no 'plantd'; did you"),
        ({"planted": 0}, r"shards\.planted: "),
    ):
        path.write_text(yaml.safe_dump(values | {"shards": shards}))
        with pytest.raises(UserError, match=line):
            params.checked(str(path))


def test_mistakes_are_named_with_the_nearest_key():
    with pytest.raises(UserError, match=r"p: a\.thread: unknown key; did you mean 'threads'\?"):
        settings.validate(params.Train, {"thread": 1, "threads": 1, "workers": 1, "memory_gb": 4.0}, "a", "p")
    with pytest.raises(UserError, match=r"a\.threads: missing; add it \(shipped: 1\)"):
        settings.validate(params.Train, {"workers": 1, "memory_gb": 4.0}, "a")


def test_readmes_lines_for_an_own_corpus_are_enough(tmp_path, monkeypatch):
    block = (ROOT / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    values = yaml.safe_load(document.params_yaml())
    for section, entries in yaml.safe_load(block).items():
        values[section] |= entries
    values["active"] = ["mine"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "mine.csv").write_text("file,speaker,gender,emotion\na.wav,s1,female,happy\n")
    monkeypatch.chdir(tmp_path)
    assert params.checked()["active"] == ["mine"]


def test_a_row_that_sees_no_text_reads_none():
    values = params.checked(str(ROOT / "params.yaml"))
    own = values["studies"]["default"]
    changed = {**own, "changes": {**own["changes"], "deoliveira2023-distil-text": {"use_text": False}}}
    plan = Plan({**values, "studies": {**values["studies"], "default": changed}})
    found = plan.system_inputs("default", "deoliveira2023-distil-text", "1of1")
    assert {"speech", "speech-weights"} <= set(found)
    assert not {"transcripts", "text", "text-weights"} & set(found)
    assert "--text-encoder" not in plan.system_encoders("default", "deoliveira2023-distil-text")
    assert "encoders.bert-small" not in plan.system_reads("train", "default", "deoliveira2023-distil-text")
