"""The stages before Pan 2024's last, and what rows and entries may start from."""

import copy

import numpy as np
import pytest

from stages.parameters import whole
from stages.parameters.checks import check
from stages.recipes import chain
from stages.runtime.errors import UserError
from stages.workflow.plan import Plan
from stages.workflow.training_jobs import chain_inputs, system_inputs
from tests.unit.catalogue import PARAMS
from tests.unit.small_trainings import trained

GMP = "pan2024-gmp-ams"


@pytest.fixture
def values() -> dict:
    return copy.deepcopy(whole.load(str(PARAMS)))


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
    [("adapt/gmp-small", "data/adapt/default/gmp-small/2of3.safetensors"), ("", None)],
)
def test_a_row_starts_from_any_stage_or_none(values, start, file):
    plan = Plan(start_of(values, start))
    assert system_inputs(plan, "default", GMP, "2of3").get("start") == file


def test_retraining_reads_labels_and_a_start(values):
    values["retrain"]["gmp-small"]["start"] = "adapt/gmp-small"
    found = chain_inputs(Plan(values), "retrain", "default", "gmp-small", "1of1")
    assert (found["start"], found["labels"]) == tuple(
        f"data/{stage}/default/gmp-small/1of1.safetensors" for stage in ("adapt", "cluster")
    )


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("gmp-small", "'gmp-small' is no output of a stage; write adapt/NAME or retrain/NAME, or ''"),
        ("retrain/gmp-smal", "there is no 'retrain/gmp-smal'; did you mean 'gmp-small'"),
    ],
)
def test_a_start_that_is_none_is_refused(values, start, message):
    keys = ("rows", "shipped", "stored")
    values = {key: value for key, value in start_of(values, start).items() if key not in keys}
    with pytest.raises(UserError) as refused:
        check(values)
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
