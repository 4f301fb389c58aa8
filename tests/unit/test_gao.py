"""Gao 2024: what rows take of stage 1, what they read, what CTC cannot learn, and what the page says of the gates."""

import copy
import re

import numpy as np
import pandas as pd
import pytest

from stages.conditions import config
from stages.conditions.other_words import Words, error_rate
from stages.metrics.predictions import read_predictions
from stages.parameters import whole
from stages.parameters.checks import check
from stages.parameters.models import Params
from stages.recipes.cmgi import Cmgi
from stages.runtime.errors import UserError
from stages.workflow import condition_jobs
from stages.workflow.plan import Plan
from stages.workflow.training_jobs import chain_inputs, system_inputs
from tests.unit import small_trainings
from tests.unit.catalogue import PARAMS, shipped
from tests.unit.small_study import SmallStudy, predictions
from tests.unit.small_trainings import trained
from tests.unit.test_recipes import WORDS

PLANTED = "gao2024-planted"
SPEECH = {"words": "none", "start": "adapt/a"}
TEXT = {"audio": False, "words": "given", "alpha": 0.0}


@pytest.fixture(scope="module")
def stage1() -> tuple[dict, dict]:
    return trained("words", freeze_cnn=True, patience=0)


@pytest.fixture(scope="module")
def values() -> dict:
    found = whole.load(str(PARAMS))
    return found | {"active": [PLANTED]}


def test_without_further_training_stage_1_is_scored_as_it_is(stage1):
    """Its heads too: the row says what stage 1 said of the same rows."""
    arrays, notes = trained("cmgi", begin=stage1[0], **SPEECH, epochs=0)
    assert "history" not in notes and len(notes["hypotheses"]) == 8
    for name, value in stage1[0].items():
        own = name.replace("encoder/", "model/network/speech.").replace("head/", "model/network/")
        assert np.array_equal(arrays[own], value), name
    dropped = trained("cmgi", begin=stage1[0], **SPEECH, epochs=0, alpha=0.0)
    assert np.array_equal(dropped[0]["outputs"], arrays["outputs"]) and "hypotheses" not in dropped[1]
    assert not any("ctc" in name for name in dropped[0])


def test_a_row_goes_on_with_the_ctc_head_of_stage_1(stage1):
    """At a rate of next to nothing it spells what stage 1 spells."""
    _, scored = trained("cmgi", begin=stage1[0], **SPEECH, epochs=0)
    _, notes = trained("cmgi", begin=stage1[0], start="adapt/a", epochs=1, learning_rate=1e-12)
    _, alone = trained("cmgi", epochs=1, learning_rate=1e-12)
    assert notes["hypotheses"] == scored["hypotheses"] != alone["hypotheses"]


def test_stage_1_without_ctc_has_no_such_head():
    arrays, _ = trained("words", emotion_weight=1.0)
    assert {name for name in arrays if name.startswith("head/")} == {"head/out.weight", "head/out.bias"}


@pytest.mark.parametrize(
    "changes",
    [{}, {"decoding": "lexicon"}, {"words": "given"}, TEXT, {"words": "none"}, {"interaction": "sa", "gate": "mean"}],
)
def test_a_trained_row_is_restored_to_the_bit(changes, monkeypatch):
    kept, make = {}, small_trainings.eight
    monkeypatch.setattr(small_trainings, "eight", lambda task: kept.setdefault("made", make(task)))
    arrays, _ = trained("cmgi", **changes)
    inputs, fold = kept["made"]
    row = small_trainings.settings_of("cmgi", **changes)
    assert arrays["outputs"].shape == (8, 4 + len(row.columns))
    model = {name.removeprefix("model/"): value for name, value in arrays.items() if name.startswith("model/")}
    from stages.recipes import cmgi

    assert np.array_equal(cmgi.restored(row, inputs, model)(fold.scored), arrays["outputs"])
    if row.words == "given":
        inputs.texts = WORDS[::-1]
        assert not np.array_equal(cmgi.restored(row, inputs, model)(fold.scored), arrays["outputs"])


def told(monkeypatch, words: list[str]):
    """The transcripts of the eight utterances are these."""
    make = small_trainings.eight

    def eight(task):
        inputs, fold = make(task)
        inputs.transcripts["reference"], inputs.paths = words, {"transcripts": "gold.csv"}
        return inputs, fold

    monkeypatch.setattr(small_trainings, "eight", eight)


@pytest.mark.parametrize("name", ["cmgi", "words"])
def test_transcripts_longer_than_the_frames_are_named(name, monkeypatch, caplog):
    """u0 has 24 frames; twelve pairs of letters need 36, as many different letters 24."""
    told(monkeypatch, ["aa" * 12, "ab" * 13, *WORDS[2:]])
    _, notes = trained(name, epochs=1)
    assert notes["unspelt"] == ["u0"]
    assert "1 of 8 training utterances have fewer frames than CTC needs, and teach it nothing: u0" in caplog.text
    told(monkeypatch, ["ab" * 12, *WORDS[1:]])
    assert "unspelt" not in trained(name, epochs=1)[1]


@pytest.mark.parametrize("name", ["cmgi", "words"])
def test_training_without_words_is_refused(name, monkeypatch):
    told(monkeypatch, ["", "?!"] * 4)
    with pytest.raises(UserError, match=r"gold.csv: fold 1: no training utterance has a word of its own"):
        trained(name)
    without = {"words": "none", "alpha": 0.0} if name == "cmgi" else {"emotion_weight": 1.0}
    trained(name, epochs=1, **without)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interaction": "sa"}, "gate: temporal weighs self- against cross-attention"),
        ({"attention": "printed"}, "attention: printed has one head; set heads: 1"),
        ({"heads": 7}, "width: 768 does not divide into 7 heads"),
        ({"audio": False}, "audio: false hears nothing to spell"),
        ({"alpha": 0.0}, "words: own are what CTC spells"),
        ({"epochs": 0}, "epochs: 0 scores what start made of speech alone"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Cmgi.model_validate(shipped(Cmgi, **changes))


def test_rows_of_both_tables_share_one_stage_1(values):
    plan, starts = Plan(values), {}
    for name in values["studies"][PLANTED]["systems"]:
        row = plan.row(PLANTED, name)
        if row.recipe == "cmgi":
            starts.setdefault(system_inputs(plan, PLANTED, name, "1of1").get("start"), []).append(row.row.split()[0])
    file = f"data/adapt/{PLANTED}/cmgi{{}}/1of1.safetensors"
    assert starts == {
        file.format("-emotion"): ["1", "9"],
        file.format(""): ["2", "7", "10", "SA", "SA", "CA", "CA", "CmGI", "w/o"],
        None: ["8"],
    }
    reads = {
        one: "transcripts" in chain_inputs(plan, "adapt", PLANTED, one, "1of1")
        for one in ("cmgi", "cmgi-emotion", "gmp")
    }
    assert reads == {"cmgi": True, "cmgi-emotion": False, "gmp": False}


def test_what_hears_for_itself_is_tried_on_given_words_too(values):
    plan = Plan(values)
    trial = config.checked({"kind": "transcripts", "transcripts": "corrupted-25"}, "words-25")
    reasons = {name: config.untried(trial, plan.row(PLANTED, name)) for name in values["studies"][PLANTED]["systems"]}
    tried = {name.removeprefix("gao2024-") for name, reason in reasons.items() if not reason}
    assert tried == {
        *("linear-text", "bert", "speech-only", "no-asr-truth", "asr-truth"),
        *("sa", "sa-gated", "ca", "ca-gated", "cmgi", "no-gate"),
    }
    inputs = condition_jobs.inputs(plan, PLANTED, "words-25", "gao2024-cmgi")
    assert inputs["transcripts"] == "data/transcribe/planted-720/corrupted-25.csv"
    assert "transcripts" not in condition_jobs.inputs(plan, PLANTED, "noise-10", "gao2024-cmgi")
    own = plan.row(PLANTED, "gao2024-cmgi")
    assert own.given_words().needs_text and not own.needs_text and Words(kind="transcripts", transcripts="x")


def test_a_corpus_without_words_is_refused_before_training(values):
    found = copy.deepcopy(values)
    silent = {"corpus": "audformat", "transcripts": "whisper-tiny-en", "systems": ["gao2024-cmgi"], "trials": {}}
    own = found["studies"][PLANTED]
    own |= silent | {"changes": {"gao2024-cmgi": own["changes"]["gao2024-cmgi"]}}
    found = {section: entries for section, entries in found.items() if section in Params.model_fields}
    with pytest.raises(UserError, match="learns what was said, and corpus 'audformat' has no words of its own"):
        check(found)


def test_the_error_rate_of_given_words(tmp_path):
    """Two of five words of the tested utterances are wrong."""
    rows = [("a", "one two", "one two"), ("b", "red pig run", "red mud"), ("c", "go", "no")]
    pd.DataFrame(rows, columns=["utterance", "reference", "text"]).to_csv(tmp_path / "x.csv", index=False)
    assert error_rate(tmp_path / "x.csv", ["a", "b"]) == pytest.approx(2 / 5)


SYSTEMS = {"gao2024-cmgi": ("gate_speech", "gate_words"), "gao2024-no-gate": ()}
HEARD = "word one the cat sat"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A gated and an ungated system, tried under noise: gates fall by a tenth where half of the power is noise."""
    folder, trials = tmp_path_factory.mktemp("study"), {"noise-10": [], "noise-0": []}
    study, rng = (
        SmallStudy(folder, {name: {} for name in SYSTEMS}, trials=trials, not_run={}),
        np.random.default_rng(5),
    )
    tried = []
    for name, columns in SYSTEMS.items():
        frame = predictions(study.rows, study.roles, "emotion", 1.0, seed=len(name))
        frame["hypothesis"] = HEARD
        for column in columns:
            frame[column] = rng.uniform(0.2, 0.8, len(frame)).round(4)
        ended = study.evaluate(name, study.predict(name, frame))
        assert ended.returncode == 0, ended.stderr
        for trial, less in (("noise-10", 0.05), ("noise-0", 0.1)):
            noisy = frame.assign(**{column: frame[column] - less for column in columns})
            tried.append(study.tried(trial, name, noisy.drop(columns="hypothesis")))
    ended = study.report(SYSTEMS, "--robustness", *tried)
    assert ended.returncode == 0, ended.stderr
    study.page = (study.folder / "report/small/index.html").read_text()
    return study


def error_bin(text: str) -> str:
    """Of "word one the cat sat" for a text that numbers its word: 22 and 23 are two words, both wrong."""
    return {1: "WER 0", 22: "WER to .5", 23: "WER to .5"}.get(int(text.split()[0][4:]), "WER to .25")


def test_gates_by_kind_of_utterance_can_be_recomputed(study):
    section = study.page.partition("<h2>Speech and words</h2>")[2].partition("<h2>")[0]
    table = section.partition("<tbody>")[2].partition("</tbody>")[0]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("</tr>") if "<t" in row]
    found = {(line[0], line[1]): line[2:] for line in lines}
    for name, columns in SYSTEMS.items():
        rows = read_predictions(study.evaluated(name)).query("role == 'test'")
        rows = rows.merge(study.rows[["utterance", "gender", "text"]], on="utterance")
        wrong = rows["text"].map(error_bin)
        groups = {"all": rows} | {f"transcript: {value}": own for value, own in rows.groupby(wrong)}
        groups |= {f"class: {value}": own for value, own in rows.groupby("true_emotion")}
        groups |= {f"sex: {value}": own for value, own in rows.groupby("gender")}
        assert {group for system, group in found if system == name} == set(groups)
        for group, own in groups.items():
            right = 100 * (own["pred_emotion"] == own["true_emotion"]).mean()
            gates = [f"{own[column].mean():.3f}" for column in columns] or ["–", "–"]
            assert found[name, group] == [f"{len(own):,}", f"{right:.1f}", *gates]


def test_gates_and_scores_over_noise_are_drawn(study):
    rows = read_predictions(study.evaluated("gao2024-cmgi")).query("role == 'test'")
    drawn = re.search(r'aria-label="gao2024-cmgi: mean gate: ([^"]*)"', study.page)[1]
    due = [
        f"{part}, {level}: {rows[f'gate_{part}'].mean() - less:.3f}"
        for part in ("speech", "words")
        for level, less in (("0", 0.1), ("10", 0.05), ("clean", 0.0))
    ]
    assert drawn == "; ".join(due)
    assert re.search(
        r'aria-label="interaction cmgi: UAR: gate: temporal, 0: [0-9.]+; .*gate: none, clean: [0-9.]+"', study.page
    )
