"""The stages before Pan 2024's last, and what rows and entries may start from."""

import copy
from pathlib import Path

import numpy as np
import pytest

from stages.metrics.comparison import read_published
from stages.pages import study_files
from stages.parameters import whole
from stages.parameters.checks import check
from stages.parameters.models import Params
from stages.recipes import chain
from stages.runtime.errors import UserError
from stages.workflow.plan import Plan
from stages.workflow.training_jobs import chain_inputs, chain_reads, system_inputs
from tests.unit.catalogue import PARAMS, write_params
from tests.unit.small_trainings import trained

GMP = "pan2024-gmp-ams"
PUBLISHED = Path(__file__).parents[2] / "data/published.csv"


@pytest.fixture
def values() -> dict:
    return copy.deepcopy(whole.load(str(PARAMS)))


def sections(values: dict) -> dict:
    """Without what is made from them."""
    return {key: value for key, value in values.items() if key in Params.model_fields}


def start_of(values: dict, start: str) -> dict:
    values["studies"]["default"]["changes"][GMP]["start"] = start
    return values


def test_outputs_are_named_by_stage_and_entry():
    assert chain.output("adapt/gmp") == ("adapt", "gmp")
    for wrong in ("gmp", "cluster/gmp", "retrain/"):
        with pytest.raises(UserError, match=f"'{wrong}' is no output of a stage; write adapt/NAME or retrain/NAME"):
            chain.output(wrong)


def test_what_is_behind_an_output():
    entries = {
        ("adapt", "a"): {},
        ("cluster", "c"): {"start": "adapt/a"},
        ("retrain", "r"): {"start": "adapt/a", "cluster": "c"},
        ("retrain", "again"): {"start": "retrain/again", "cluster": "c"},
    }

    def entry_of(*one):
        return entries[one]

    assert chain.behind("", entry_of) == [] and chain.behind("adapt/a", entry_of) == [("adapt", "a")]
    assert chain.behind("retrain/r", entry_of) == [("retrain", "r"), ("adapt", "a"), ("cluster", "c")]
    with pytest.raises(UserError, match="'retrain/again' is made from itself"):
        chain.behind("retrain/again", entry_of)


@pytest.mark.parametrize(
    ("start", "file"),
    [("adapt/gmp", "data/adapt/default/gmp/2of3.safetensors"), ("", None)],
)
def test_a_row_starts_from_any_stage_or_none(values, start, file):
    plan = Plan(start_of(values, start))
    assert system_inputs(plan, "default", GMP, "2of3").get("start") == file


def test_retraining_reads_labels_and_a_start(values):
    values["studies"]["default"]["changes"]["retrain.gmp"]["start"] = "adapt/gmp"
    found = chain_inputs(Plan(values), "retrain", "default", "gmp", "1of1")
    assert (found["start"], found["labels"]) == tuple(
        f"data/{stage}/default/gmp/1of1.safetensors" for stage in ("adapt", "cluster")
    )


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("gmp", "'gmp' is no output of a stage; write adapt/NAME or retrain/NAME, or ''"),
        ("retrain/gmq", "there is no 'retrain/gmq'; did you mean 'gmp'"),
    ],
)
def test_a_start_that_is_none_is_refused(values, start, message):
    with pytest.raises(UserError) as refused:
        check(sections(start_of(values, start)))
    assert f"systems.{GMP}.start: {message}" in str(refused.value)


def test_adapting_keeps_encoder_and_heads_and_rows_take_the_encoder():
    """A retraining of no effect (rate 0) ends with the very encoder that it started from."""
    arrays, _ = trained("adapt")
    parts = {name.split("/")[0] for name in arrays}
    heads = {name.split(".")[0] for name in arrays if name.startswith("head/")}
    assert parts == {"encoder", "head"}
    assert heads == {"head/lstm", "head/project", "head/emotion", "head/gender"}
    again, _ = trained("retrain", begin=arrays, start="adapt/gmp", epochs=1, learning_rate=1e-30)
    same = [name for name in again if np.allclose(again[name], arrays[name], atol=1e-20)]
    assert len(same) == len(again) and set(again) == {name for name in arrays if name.startswith("encoder/")}


def test_emotion_alone_trains_no_gender():
    arrays, _ = trained("adapt", task="emotion")
    assert "head/emotion.weight" in arrays and not [name for name in arrays if "gender" in name]
    weightless, _ = trained("adapt", task="emotion", emotion_weight=0.0)
    assert all(np.array_equal(arrays[name], weightless[name]) for name in arrays), "the loss is emotion's alone"


def test_a_study_changes_the_stages_before_its_systems(values):
    changed = values["chains"]["default"]
    assert changed.keys() == {"adapt", "cluster", "retrain"} and changed["cluster"]["gmp"]["scales"] == [16, 64]
    assert values["cluster"]["gmp"]["scales"] == [64, 512, 4096], "the catalogue's entry is as it was"
    reads = chain_reads(Plan(values), "cluster", "default", "gmp")
    assert reads["chains.default.cluster.gmp"] == changed["cluster"]["gmp"]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("cluster.gmp", {"scale": [4]}, "changes.cluster.gmp.scale: not a key of cluster.gmp; did you mean 'scales'"),
        ("retrain.gmp", {"layer": -3}, "retrain.gmp.layer: -3, but cluster.gmp in study 'default' has the layers [-2]"),
        ("cluster.gmp", {"scales": []}, "cluster.gmp with studies.default.changes.cluster.gmp.scales: "),
        ("cluster.gnp", {}, "studies.default.changes: there is no 'cluster.gnp'; did you mean 'cluster.gmp'"),
        ("cluster.other", {}, "studies.default.changes: there is no 'cluster.other'"),
    ],
)
def test_changes_that_are_none_are_refused(values, name, changes, message):
    values["cluster"]["other"] = values["cluster"]["gmp"]
    values["studies"]["default"]["changes"][name] = changes
    with pytest.raises(UserError) as refused:
        check(sections(values))
    assert message in str(refused.value)


def test_the_report_lists_what_differs_in_the_stages_before_and_what_the_paper_leaves_open(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.read_text() + "\nretrain.gmp: {mask_length: 8}\n")
    values = whole.load(str(path))
    whole.write(values, tmp_path / "settings.json")
    study = values["studies"]["default"]
    entry = study_files.entry(str(tmp_path / "settings.json"), "default", study, GMP, None)
    *different, ours = entry.deviations
    assert {"hidden 64 for 256", "retrain: layer -2 for -3", "adapt: lstm 32 for 256"} <= set(different)
    assert "retrain: mask_length 8 for 10" in different
    assert ours.startswith("the paper leaves open: layer -1, lstm 0, freeze_cnn True, retrain: least_perplexity 0.1")
    assert "cluster: fit training" in ours and "adapt: patience 5" in ours and "hidden" not in ours


@pytest.mark.parametrize("study", ["pan2024-planted", "pan2024-ravdess", "pan2024-iemocap"])
def test_every_row_of_the_paper_is_planned_or_says_why_not(tmp_path, study):
    values = whole.load(write_params(tmp_path, active=[study]))
    plan, own = Plan(values), values["studies"][study]
    rows = [plan.row(study, name) for name in own["systems"]]
    planned = {cell for row in rows for cell in row.cells}
    ours = {(r["table"], r["row"]) for r in read_published(PUBLISHED) if r["paper"] == "pan2024" and r["encoders"]}
    assert len(ours) == 4 + 8 + 1 and ours == planned | {("4", row) for row in own.get("not_run", {})}
    outputs = {one for row in rows for one in plan.chain(study, row)}
    assert {("adapt", "gmp"), ("cluster", "gmp"), ("retrain", "shuffled")} <= outputs
    assert len([one for one in outputs if one[0] == "cluster"]) == (4 if study == "pan2024-iemocap" else 1)
