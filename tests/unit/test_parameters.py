"""The settings as a whole: written once, read by jobs as their rules declare; mistakes are explained."""

import copy
from pathlib import Path

import pytest
import yaml

from stages.config import settings
from stages.metrics.comparison import read_published
from stages.pages import study_files
from stages.parameters import whole
from stages.protocols import config as protocols
from stages.raw_inputs.wanted import wanted
from stages.recipes import system_config
from stages.runtime import declared_reads
from stages.runtime.errors import UserError
from stages.train import Train
from stages.versions import sizes
from stages.workflow import benchmark_files, stored_layers
from stages.workflow.corpus_jobs import features_inputs, features_reads
from stages.workflow.plan import Plan, options
from stages.workflow.scoring_jobs import report_inputs
from stages.workflow.snakemake_inside import Job
from stages.workflow.training_jobs import system_encoders, system_inputs, system_reads
from tests.unit.catalogue import PARAMS, write_params

ROOT = Path(__file__).parents[2]


@pytest.fixture
def values() -> dict:
    return copy.deepcopy(whole.load(str(PARAMS)))


def test_every_published_protocol_ships(values, tmp_path):
    path = tmp_path / "settings.json"
    whole.write(values, path)
    for name in values["protocols"]:
        assert protocols.load(name, str(path)).about
    published = {row["protocol"] for row in read_published(ROOT / "data/published.csv")}
    assert published <= set(values["protocols"])


def test_settings_are_written_once(values, tmp_path):
    path = tmp_path / "settings.json"
    assert whole.write(values, path) and not whole.write(values, path)
    assert settings.read(str(path), "") == values


def test_rows_have_the_changes_of_their_study(values):
    row = values["rows"]["default"]["pan2024-gmp-ams"]
    assert row["hidden"] == 64 and values["systems"]["pan2024-gmp-ams"]["hidden"] == 256


def test_what_the_user_changes_in_a_shipped_row_is_a_deviation(values, tmp_path):
    assert values["shipped"] == {"default": {}}
    name = "pepino2021-dense-speaker"
    before = values["rows"]["default"][name]
    text = write_params(
        tmp_path,
        systems={name: {"hidden": before["hidden"] // 2}, "linear": {"row": "1"}, "mine": {"like": name, "hidden": 8}},
        recipes={"cmgi": {"alpha": 0.75}},
    )
    changed = whole.load(text)
    alpha = values["systems"]["gao2024-cmgi"]["alpha"]
    assert changed["shipped"]["default"] == {
        name: {"hidden": before["hidden"]},
        "linear": {"row": ""},
        "gao2024-cmgi": {"alpha": alpha},
    }
    path = str(tmp_path / "settings.json")
    whole.write(changed, path)
    study = changed["studies"]["default"]
    own = study_files.entry(path, "default", study, name, None).deviations
    assert (
        own[0] == "learning_rate 0.003 for 0.001"
        and own[-1] == f"hidden {before['hidden'] // 2} for {before['hidden']}"
    )
    assert f"alpha 0.75 for {alpha}" in study_files.entry(path, "default", study, "gao2024-cmgi", None).deviations


def test_rows_of_a_study_that_is_not_active_are_refused(values):
    with pytest.raises(UserError, match="study 'ravdess' is not active; add it to the list"):
        Plan(values).reads("rows.ravdess.linear")


def test_an_undeclared_read_is_refused(values, tmp_path):
    path = str(tmp_path / "settings.json")
    whole.write(values, path)
    declared_reads.restrict(["train", "rows.default.linear"])
    try:
        assert settings.read(path, "train.threads") == 1 and settings.read(path, "rows.default.linear.task")
        for key in ("", "rows", "rows.default", "rows.default.linear-text", "teach.threads"):
            with pytest.raises(UserError, match="does not declare that it reads this"):
                settings.read(path, key)
    finally:
        declared_reads.restrict(None)


@pytest.mark.parametrize("text", ["1e-5", "1.0e-5", "0.00001"])
def test_small_numbers_are_numbers(tmp_path, text):
    (tmp_path / "p.yaml").write_text(f"rate: {text}\n")
    assert settings.read(str(tmp_path / "p.yaml"), "rate") == pytest.approx(1e-5)


def test_substitutes_stand_for_weights_but_not_for_descriptors(values):
    plan = Plan(values)
    assert plan.encoder("default", "wav2vec2-base", "speech") == "hubert-small"
    assert plan.encoder("default", "egemaps", "speech") == "egemaps"


def test_a_change_of_one_system_reaches_no_other(values, tmp_path):
    plan = Plan(values)
    names = values["studies"]["default"]["systems"]
    before = {name: system_reads(plan, plan.row("default", name).stage, "default", name) for name in names}
    plan = Plan(whole.load(write_params(tmp_path, systems={"gao2024-cmgi": {"alpha": 0.2}})))
    after = {name: system_reads(plan, plan.row("default", name).stage, "default", name) for name in names}
    assert [name for name in before if before[name] != after[name]] == ["gao2024-cmgi"]


def test_shards_are_read_by_what_reads_the_store(values):
    single = Plan(values)
    plan = Plan(values | {"shards": {"planted": 2}})
    store, weights = "data/features/planted/hubert-small", "data/pretrain/hubert.safetensors"
    audio = "data/ingest/planted/audio.h5"
    assert features_inputs(plan, "planted", "hubert-small", part="1of2") == {
        "audio": audio,
        "pretrained": weights,
    }
    joined = {"audio": audio, "shards": [f"{store}/1of2.h5", f"{store}/2of2.h5"]}
    assert features_inputs(plan, "planted", "hubert-small") == joined
    assert features_inputs(plan, "ravdess", "hubert-small") == features_inputs(single, "ravdess", "hubert-small")
    linear = system_inputs(single, "default", "linear", "1of1")
    assert system_inputs(plan, "default", "linear", "1of1") == linear | {"frames": joined["shards"]}
    words = [
        system_inputs(single, "default", "linear-text", "1of1"),
        system_inputs(plan, "default", "linear-text", "1of1"),
    ]
    assert words[0] == words[1]
    assert options(system_inputs(plan, "default", "linear", "1of1")) == options(linear)
    found = {path for path in benchmark_files.of_study(plan, "default") if "/features/planted-hubert-small" in path}
    assert found == {f"data/benchmarks/features/planted-hubert-small{end}.tsv" for end in ("", "-1of2", "-2of2")}


def planned(tmp_path, **changes) -> dict:
    """{encoder: layers} over the planted corpus with these systems and changes in the study ``default``."""
    study = yaml.safe_load(PARAMS.read_text())["studies"]["default"] | changes
    return whole.load(write_params(tmp_path, studies={"default": study}))["stored"].get("planted", {})


def test_stores_hold_the_layers_that_active_rows_read(tmp_path):
    def of(*systems, **changes):
        return planned(tmp_path, systems=list(systems), changes=changes, trials={})

    assert of("majority", "pepino2021-dense-egemaps") == {}
    assert of("linear") == {"hubert-small": ["all"]}
    assert of("linear", linear={"layers": ["2", "1"]}) == {"hubert-small": ["1", "2"]}
    assert of("linear-text") == {"bert-small": ["all"]}
    assert of("pepino2021-pt-contextual") == {"hubert-small": ["last"]}
    assert of("srinivasan2022-teacher") == {"bert-small": ["last"], "hubert-small": ["last"]}
    student = {"hubert-small": ["last", "last-6"], "bert-small": ["last"]}
    assert of("srinivasan2022-teacher", "srinivasan2022-cts") == student
    assert of("srinivasan2022-ft", **{"srinivasan2022-ft": {"tuned_blocks": 1}}) == {"hubert-small": ["last-1"]}
    for name in ("deoliveira2023-distil-text", "gao2024-cmgi", "pan2024-gmp-ams"):
        assert of(name) == {"hubert-small": ["conv"]}
    assert of("linear", "pan2024-gmp-ams", "srinivasan2022-ft") == {"hubert-small": ["all", "conv"]}
    elsewhere = {**whole.load(str(PARAMS)), "active": ["default", "ravdess"]}
    assert stored_layers.stored(Plan(elsewhere))["ravdess"] == {"whisper-tiny": ["all"]}
    assert "ravdess" not in whole.load(str(PARAMS))["stored"]  # not active


def test_the_chain_of_another_encoder_has_its_own_layers(values):
    for stage in ("adapt", "cluster", "retrain"):
        values[stage]["gmp"]["speech"] = "hubert-large"
    values["studies"]["default"]["substitute"] = False
    assert stored_layers.of_system(Plan(values), "default", "pan2024-gmp-ams") == {
        plan_encoder: {"conv"} for plan_encoder in ("hubert-large", "hubert-base")
    }


def test_extraction_reads_its_layers_and_nothing_of_other_stores(values):
    plan = Plan(values)
    reads = features_reads(plan, "planted", "hubert-small")
    assert reads["stored.planted.hubert-small"] == ["all", "conv"]
    assert "stored" not in str(features_reads(plan, "planted", "egemaps"))
    with pytest.raises(
        UserError, match=r"encoders\.whisper-tiny\.layers: needed, and no active study reads this encoder"
    ):
        features_reads(plan, "ravdess", "whisper-tiny")
    values["encoders"]["hubert-small"]["layers"] = ["all", "conv"]
    assert set(features_reads(plan, "planted", "hubert-small")) == {"features", "encoders.hubert-small"}


@pytest.mark.parametrize(
    ("system", "layers", "line"),
    [
        ("gao2024-cmgi", ["all"], "gao2024-cmgi reads layer 'conv' in study 'default'; add 'conv' to them"),
        ("pepino2021-pt-local", ["needed"], "pepino2021-pt-local reads layer 'local'"),
        ("linear", ["1", "2"], "linear reads layer '3'"),
    ],
)
def test_a_layer_that_is_not_stored_is_refused(tmp_path, system, layers, line):
    own = yaml.safe_load(PARAMS.read_text())["studies"]["default"]
    study = own | {
        "systems": [system],
        "trials": {},
        "changes": {"linear": {"layers": ["3"]}} if system == "linear" else {},
    }
    path = write_params(tmp_path, studies={"default": study}, encoders={"hubert-small": {"layers": layers}})
    with pytest.raises(UserError, match=f"encoders.hubert-small.layers: {line}"):
        whole.load(path)


def test_every_row_says_which_layers_it_reads(values):
    for name, entry in values["systems"].items():
        row = system_config.row(entry, {}, name, "")
        assert row.layers_read().keys() == {"speech", "beside", "text"} & set(row.files())


def test_a_row_may_read_transcripts_of_its_own(tmp_path, values):
    """Rows of one study over several sources: each trains on its own, and the report rates all of them."""
    names = ["deoliveira2023-distil-text", "deoliveira2023-distil-whisper-tiny", "linear"]
    study = {"corpus": "msp-podcast-1-10", "protocol": "msp-1-10", "speech": "hubert-base", "text": "tinybert"}
    study |= {"transcripts": "gold", "substitute": False, "systems": names, "changes": {}, "trials": {}}
    path = write_params(tmp_path, studies={"words": study | {"seeds": [1]}}, active=["words"])
    plan = Plan(whole.load(path), path)
    read = {name: system_inputs(plan, "words", name, "1of1").get("transcripts") for name in names}
    folder = "data/transcribe/msp-podcast-1-10"
    assert read == {names[0]: f"{folder}/gold.csv", names[1]: f"{folder}/whisper-tiny-en.csv", names[2]: None}
    assert report_inputs(plan, "words")["transcripts"] == [read[names[0]], read[names[1]]]
    assert wanted(plan.params, ["words"]).count(("transcripts", "whisper-tiny-en")) == 1
    with pytest.raises(UserError, match=r"transcripts: there is no 'whisper-tny-en'; did you mean 'whisper-tiny-en'"):
        changes = {names[0]: {"transcripts": "whisper-tny-en"}}
        whole.load(write_params(tmp_path, studies={"words": study | {"seeds": [1], "changes": changes}}))


def test_shards_of_no_corpus_or_no_number_are_refused(tmp_path):
    for shards, line in (
        ({"plantd": 2}, "shards: there is no 'plantd'; did you"),
        ({"planted": 0}, r"shards\.planted: "),
    ):
        with pytest.raises(UserError, match=line):
            whole.load(write_params(tmp_path, shards=shards))


def test_mistakes_are_named_with_the_nearest_key():
    with pytest.raises(UserError, match=r"p: a\.thread: unknown key; did you mean 'threads'\?"):
        settings.validate(Train, {"thread": 1, "threads": 1, "workers": 1, "memory_gb": 4.0}, "a", "p")
    with pytest.raises(UserError, match=r"a\.threads: missing; add it"):
        settings.validate(Train, {"workers": 1, "memory_gb": 4.0}, "a")


def test_readmes_lines_for_an_own_corpus_are_enough(tmp_path, monkeypatch):
    """As they are: appended to params.yaml."""
    block = (ROOT / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "params.yaml").write_text(PARAMS.read_text() + block)
    (tmp_path / "mine.csv").write_text("file,speaker,gender,emotion\na.wav,s1,female,happy\n")
    monkeypatch.chdir(tmp_path)
    assert whole.load()["active"] == ["default", "mine"]


def test_a_row_that_sees_no_text_reads_none(values):
    own = values["studies"]["default"]
    changed = {**own, "changes": {**own["changes"], "deoliveira2023-distil-text": {"use_text": False}}}
    plan = Plan({**values, "studies": {**values["studies"], "default": changed}})
    found = system_inputs(plan, "default", "deoliveira2023-distil-text", "1of1")
    assert {"speech", "speech-weights"} <= set(found)
    assert not {"transcripts", "text", "text-weights"} & set(found)
    assert "--text-encoder" not in system_encoders(plan, "default", "deoliveira2023-distil-text")
    assert "encoders.bert-small" not in system_reads(plan, "train", "default", "deoliveira2023-distil-text")


def test_the_size_of_a_store_is_told_before_it_is_made(values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = {name: entry | {"source": ""} if name == "hubert" else entry for name, entry in values["pretrain"].items()}
    values = values | {"pretrain": made}
    plan, name = Plan(values), "hubert-small"
    made = {"features": {"corpus": "planted", "encoder": name}, "features_part": {"part": "1of2"}}
    made["features_part"] |= made["features"]
    reads = features_reads(plan, "planted", name)
    jobs = [Job(rule, wildcards, {}, {}, "", reads, "") for rule, wildcards in made.items()]
    assert sizes.of_job(jobs[0], values) is None  # never decoded
    table = Path("data/ingest/planted/manifest.csv")
    table.parent.mkdir(parents=True)
    table.write_text("utterance,duration\na,60\nb,40.0\n")
    columns = 9 * 64 + 64  # states 0 to 8, and the CNN's output
    whole = 100 * 50 * columns * 2
    assert values["pretrain"]["hubert"]["layers"] == 8 and sizes.of_job(jobs[0], values) == whole
    assert sizes.of_job(jobs[1], values) == whole / 2
    large = values["encoders"]["hubert-large"] | {"source": "large", "revision": "", "layers": ["needed"]}
    reads = {"features": values["features"], "encoders.large": large, "stored.planted.large": ["last-6"]}
    job = Job("features", {"corpus": "planted", "encoder": "large"}, {}, {}, "", reads, "")
    assert sizes.of_job(job, values) is None  # its configuration is not here
    Path("large").mkdir()
    config = '{"num_hidden_layers": 24, "hidden_size": 1024, "conv_dim": [512], "conv_stride": [5, 2, 2, 2, 2, 2, 2]}'
    Path("large/config.json").write_text(config)
    assert sizes.of_job(job, values) == 100 * 50 * 1024 * 2
