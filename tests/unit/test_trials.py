"""Noise is what it says; a trial that cannot be is refused by name."""

import numpy as np
import pandas as pd
import pytest
import yaml

from stages.conditions import noise, other_corpus
from stages.parameters import whole
from stages.runtime.errors import UserError
from stages.workflow import condition_jobs as wanted
from stages.workflow.plan import Plan
from tests.unit.catalogue import PARAMS, shipped, write_params
from tests.unit.small_study import ROOT

RATE = 16_000


@pytest.fixture(scope="module")
def voices():
    rng = np.random.default_rng(0)
    return {name: (3000 * rng.standard_normal(20_000 + 999 * i)).astype(np.int16) for i, name in enumerate("abcdefgh")}


def mixed(voices, name: str, **values):
    trial = noise.Noise(**shipped(noise.Noise, **values))
    others = [one for one in voices if one != name]
    return noise.added(voices[name], noise.drawn(trial, name, len(voices[name]), others, voices.get), trial.snr_db)


@pytest.mark.parametrize("colour", ["white", "pink", "babble"])
def test_noise_has_the_stated_power_and_depends_on_the_utterance_alone(voices, colour):
    clean = voices["c"].astype(float)
    for snr in (20.0, 0.0):
        loud, clipped = mixed(voices, "c", colour=colour, snr_db=snr)
        found = 10 * np.log10(np.mean(clean**2) / np.mean((loud - clean) ** 2))
        assert found == pytest.approx(snr, abs=0.02) and clipped == 0 and loud.dtype == np.int16
    again, _ = mixed(dict(reversed(voices.items())), "c", colour=colour, snr_db=0.0)
    np.testing.assert_array_equal(again, loud)
    ten, _ = mixed(voices, "c", colour=colour, snr_db=10.0)
    assert np.corrcoef(loud - clean, ten - clean)[0, 1] > 0.999  # the same noise, less of it
    other, _ = mixed(voices, "c", colour=colour, snr_db=0.0, seed=2)
    assert abs(np.corrcoef(loud - clean, other - clean)[0, 1]) < 0.5
    np.testing.assert_array_equal(mixed(voices, "c", colour=colour, snr_db=float("inf"))[0], voices["c"])


def test_pink_noise_loses_three_decibels_an_octave():
    drawn = noise.drawn(noise.Noise(**shipped(noise.Noise, colour="pink")), "x", 1 << 17, [], dict().get)
    power = np.abs(np.fft.rfft(drawn)) ** 2
    octaves = [power[start : 2 * start].mean() for start in (1 << np.arange(6, 16))]
    np.testing.assert_allclose(10 * np.log10(np.divide(octaves[:-1], octaves[1:])), 3.01, atol=1.2)
    assert 10 * np.log10(octaves[0] / octaves[-1]) == pytest.approx(9 * 3.01, abs=1.5)


def test_what_is_too_loud_is_clipped_and_counted():
    loud, clipped = noise.added(np.array([32000, -32000, 10], np.int16), np.array([1.0, -1.0, 0.0]), 0.0)
    assert loud.tolist() == [32767, -32768, 10] and clipped == 2


def test_babble_needs_somebody_else(voices):
    with pytest.raises(UserError, match="no other speaker"):
        noise.drawn(noise.Noise(**shipped(noise.Noise, colour="babble")), "a", 10, [], voices.get)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"noise-9": []}, r"studies\.default\.trials: there is no 'noise-9'; did you mean"),
        ({"noise-10": ["linaer"]}, r"noise-10: there is no 'linaer'; did you mean 'linear'"),
        ({"noise-10": ["majority"]}, "noise-10: majority cannot be tried: a control that uses no audio"),
        ({"crema-d": ["srinivasan2022-teacher"]}, "reads words, and the trial names no transcripts"),
        ({"crema-d": ["srinivasan2022-cts"]}, "to convert the other corpus' ratings"),
        ({"own": []}, "'planted' is the study's own corpus"),
        ({"unknown": []}, r"robustness\.unknown\.corpus: there is no 'nowhere'"),
    ],
)
def test_trial_that_cannot_be_is_refused_by_name(tmp_path, change, fault):
    own = yaml.safe_load(PARAMS.read_text())["studies"]["default"] | {"trials": change}
    robustness = {"own": {"like": "crema-d", "corpus": "planted"}, "unknown": {"like": "crema-d", "corpus": "nowhere"}}
    with pytest.raises(UserError, match=fault):
        whole.load(write_params(tmp_path, robustness=robustness, studies={"default": own}))


def test_study_may_leave_trials_out(tmp_path):
    own = yaml.safe_load(PARAMS.read_text())["studies"]["default"]
    del own["trials"]
    whole.load(write_params(tmp_path, studies={"default": own}))
    with pytest.raises(UserError, match=r"robustness\.noise-10\.snr_db"):
        whole.load(write_params(tmp_path, robustness={"noise-10": {"snr_db": float("nan")}}))


def test_the_docs_lines_for_trials_are_enough(tmp_path):
    blocks = (ROOT / "docs/studies.md").read_text().split("```yaml\n")[1:]
    block = next(block for block in blocks if block.startswith("robustness.")).split("```")[0]
    (tmp_path / "params.yaml").write_text(PARAMS.read_text() + block)
    values = whole.load(str(tmp_path / "params.yaml"))
    plan = Plan(values)
    hearing = [name for name in values["studies"]["ravdess"]["systems"] if name not in ("majority", "duration")]
    noises = [(trial, name) for trial in ("noise-20", "noise-10") for name in hearing]
    assert plan.trials("ravdess") == [*noises, ("pink-5", "linear"), ("emodb", "linear"), ("emodb", "correlation")]
    inputs = wanted.inputs(plan, "ravdess", "emodb", "correlation")
    assert inputs["audio"] == "data/ingest/emodb/audio.h5"
    assert inputs["other-protocol"] == "data/ingest/emodb/protocols/emodb-speakers.csv"
    assert wanted.options(plan, "ravdess", "emodb", "linear").endswith("emodb-speakers --encoders whisper-tiny")


def test_ratings_of_another_corpus_are_told_in_the_studys_units():
    rows = pd.DataFrame({"utterance": ["a", "b", "c"], "emotion": "", "arousal": [1.0, 5.0, np.nan], "valence": 3.0})
    found, left_out = other_corpus.truth(rows, "dimensions", ["arousal", "valence"], [-0.5, 1.5], "robustness.x")
    assert found.to_dict("list") == {"utterance": ["a", "b"], "true_arousal": [1.0, 7.0], "true_valence": [4.0, 4.0]}
    assert left_out == {"no rating": 1}
    with pytest.raises(UserError, match=r"robustness\.x: no test utterance has one of: angry"):
        other_corpus.truth(rows, "emotion", ["angry"], [], "robustness.x")
