"""Each guard sees its violation put into a file, through the command line where a stage reads that file."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from stages.corpora.manifest import read_manifest
from stages.encoders.specs import Features, Text
from stages.guards import seen
from stages.guards.predictions import check_predictions
from stages.metrics.summary import Evaluate
from stages.protocols.splits import fit_scope
from stages.protocols.table import load_split, read_protocol
from stages.recipes.labelled_set import Examples
from stages.recipes.linear import Linear
from stages.retrain import Retrain
from stages.runtime.errors import UserError
from stages.stores.feature_writer import FeatureWriter
from stages.train import Train
from stages.training import units
from tests.unit.catalogue import shipped
from tests.unit.small_corpus import (
    ingest,
    inventory,
    make_corpus,
    read,
    refused,
    stage,
    write,
    write_params,
    write_table,
)

SECTIONS = {"evaluate": shipped(Evaluate, draws=1000)}

FILES = ("--manifest", "out/manifest.csv", "--out", "p.csv")
EVALUATE = ("--manifest", "out/manifest.csv", "--protocol", "p.csv", "--predictions", "predictions.csv")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, sessions=4)
    ingest(folder)
    write_params(folder, **SECTIONS)
    stage(folder, "protocol", "--corpus", "mine", "--protocol", "sessions", *FILES)
    predictions(*load_split(folder / "out/manifest.csv", folder / "p.csv")).to_csv(folder / "predictions.csv")
    evaluated(folder)
    return folder


def evaluated(folder, run=stage) -> str:
    """The stage evaluate, as the pipeline calls it; like every later stage it proves both tables first."""
    names = ["--study", "s", "--system", "x"]
    return run(folder, "evaluate", *names, *EVALUATE, "--out-csv", "e.csv", "--out-json", "e.json")


@pytest.fixture
def place(made, tmp_path):
    """A copy of the files, to be violated."""
    files = ("out/manifest.csv", "out/audio.csv", inventory()["texts"], "p.csv", "predictions.csv", "params.yaml")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((made / name).read_bytes())
    return tmp_path


@pytest.fixture
def tables(made):
    """The untouched tables: manifest frame, protocol frame."""
    return load_split(made / "out/manifest.csv", made / "p.csv")


def move(rows, utterance, fold, role):
    for row in rows:
        if (row["utterance"], row["fold"]) == (utterance, fold):
            row["role"] = role


def one_to(role):
    return lambda rows: move(rows, "u00", "2", role)


def relabel(rows):
    rows[0]["emotion"] = "sad"


def rename(rows):
    rows[0]["utterance"] = "nobody"


def whole_session_to_test(rows):
    for row in rows:
        if row["fold"] == "2" and row["role"] == "train":
            row["role"] = "test" if row["group"] == "session=Ses1" else row["role"]


def no_validation(rows):
    for row in rows:
        row["role"] = "train" if row["role"] == "val" else row["role"]


def wrong_group(rows):
    for row in rows:
        if row["utterance"] == "u00":
            row["group"] = "session=Ses3"


VIOLATIONS = {
    "a speaker in two roles": (one_to("val"), "fold 2: speaker S1F is in two roles (u00 in val"),
    "an unknown role": (one_to("dev"), "u00: role 'dev' is not one of"),
    "out without a reason": (one_to("out"), "u00: out without a reason"),
    "another label": (relabel, "u00: labelled 'sad', where the manifest's 'angry' is 'angry' elsewhere"),
    "an unknown utterance": (rename, "nobody: not in the manifest"),
    "a missing row": (lambda rows: rows.pop(0), "fold 1: u00: has no row"),
    "a row twice": (lambda rows: rows.append(dict(rows[0])), "u00: occurs twice"),
    "a session tested twice": (whole_session_to_test, "tested in 2 folds"),
    "no validation": (no_validation, "role val is empty"),
    "a group that the manifest denies": (wrong_group, "u00: session=Ses3, but the manifest says session=Ses1"),
    "a fold that is no number": (lambda rows: rows[0].update(fold="x"), "line 2: fold: not a finite number"),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_violation_in_the_protocol_file_is_caught_when_it_is_loaded(place, violation):
    rows = read(place / "p.csv")
    change, message = VIOLATIONS[violation]
    change(rows)
    write(place / "p.csv", rows)
    error = evaluated(place, refused)
    assert message in error and "p.csv" in error


def test_session_is_kept_whole_where_its_speakers_are_unknown(place):
    manifest = read(place / "out/manifest.csv")
    write(place / "out/manifest.csv", [row | {"speaker": ""} for row in manifest])
    rows = read(place / "p.csv")
    move(rows, "u00", "2", "val")
    write(place / "p.csv", rows)
    assert "group session=Ses1 is in two roles" in evaluated(place, refused)


def test_dialogue_is_kept_whole(place):
    manifest = read(place / "out/manifest.csv")
    write(place / "out/manifest.csv", [row | {"dialogue": f"d-{row['session']}"} for row in manifest])
    evaluated(place)
    manifest = read(place / "out/manifest.csv")
    manifest[4]["dialogue"] = "d-Ses1"
    write(place / "out/manifest.csv", manifest)
    error = evaluated(place, refused)
    assert "fold 1: dialogue d-Ses1 is in two roles (u00 in test, u04 in val)" in error
    assert "declare leaks: [dialogue]" in error


def test_sentence_is_kept_apart_where_the_protocol_says_so(place):
    manifest = read(place / "out/manifest.csv")
    for i in (0, 5):
        manifest[i]["text"] = "Kids are talking by the door"
    write(place / "out/manifest.csv", manifest)
    values = {"kind": "leave-one-group-out", "by": "session", "validation": 1, "apart": ["text"]}
    write_params(place, protocols={"apart": values}, **SECTIONS)
    stage(place, "protocol", "--corpus", "mine", "--protocol", "apart", *FILES)
    rows = read(place / "p.csv")
    assert [(r["fold"], r["utterance"]) for r in rows if r["role"] == "out"] == [("1", "u05"), ("2", "u00")]
    move(rows, "u05", "1", "val")
    write(place / "p.csv", rows)
    error = evaluated(place, refused)
    assert "fold 1: 'text=kids are talking by the door' is in test (u00) and in val (u05)" in error


def test_declared_leak_is_admitted_and_marks_every_result(place):
    random = {"kind": "random-folds", "folds": 4, "validation": 1, "seed": 1}
    write_params(place, protocols={"hidden": random, "open": random | {"leaks": ["speaker"]}}, **SECTIONS)
    error = refused(place, "protocol", "--corpus", "mine", "--protocol", "hidden", *FILES)
    assert "is in two roles (u" in error and "declares leaks: [speaker]" in error
    said = stage(place, "protocol", "--corpus", "mine", "--protocol", "open", *FILES)
    assert "every result is marked: leaky protocol: test shares speakers with training" in said
    predictions(*load_split(place / "out/manifest.csv", place / "p.csv")).to_csv(place / "predictions.csv")
    evaluated(place)
    figures = json.loads((place / "e.json").read_text())["metrics"]
    assert {figure["watermark"] for figure in figures.values()} == {
        "leaky protocol: test shares speakers with training"
    }
    write(place / "p.csv", [row | {"leaks": ""} for row in read(place / "p.csv")])
    assert "is in two roles (u" in evaluated(place, refused)


def test_stage_that_goes_on_from_one_that_has_seen_test_is_refused(place):
    (test,) = [r["utterance"] for r in read(place / "p.csv") if r["fold"] == "2" and r["role"] == "test"][:1]
    train = [r["utterance"] for r in read(place / "p.csv") if r["fold"] == "1" and r["role"] == "train"]
    labels = {"labels/8": np.zeros(3, np.int32), "labels/rows": np.arange(1), "labels/counts": np.array([3])}
    names = [row["utterance"] for row in read(place / "out/manifest.csv")]
    codebooks = {(1, 1): train, (2, 1): [*train, test]}
    made = {unit: (labels, {"seen": {"cluster gmp": seen.pack(rows, names)}}) for unit, rows in codebooks.items()}
    units.write(place / "labels.safetensors", made, "labels/")
    values = yaml.safe_load((place / "params.yaml").read_text())
    values |= {"chains": {"s": {"retrain": {"gmp": shipped(Retrain)}}}, "studies": {"s": {"seeds": [1]}}}
    (place / "params.yaml").write_text(yaml.safe_dump(values))
    files = ("--manifest", "out/manifest.csv", "--protocol", "p.csv", "--labels", "labels.safetensors")
    own = ("--study", "s", "--name", "gmp", *files, "--out", "o", "--scratch", "scratch")
    error = refused(place, "retrain", *own, "--part", "2of4")
    assert f"labels.safetensors: cluster gmp: fold 2: fitted on {test}, which is a test utterance" in error


def test_labels_of_test_rows_change_nothing_that_is_predicted(place):
    """Fold 1 is trained twice, the second time with other labels of its test rows; and none of them can be read."""
    manifest, protocol = read(place / "out/manifest.csv"), read(place / "p.csv")
    tested = [row["utterance"] for row in protocol if row["fold"] == "1" and row["role"] == "test"]
    rng = np.random.default_rng(0)
    names = [row["utterance"] for row in manifest]
    writer = FeatureWriter(
        place / "f.h5", names, np.full(len(names), 5), {"0": 8}, {"hop": 0.02, "weights": ""}, "float32"
    )
    for i in range(len(names)):
        writer.put(i, "0", rng.normal(size=(5, 8)).astype("float32"))
    writer.close()
    params = yaml.safe_load((place / "params.yaml").read_text())
    params |= {"train": shipped(Train), "systems": {"x": shipped(Linear)}}
    params |= {"studies": {"s": {"seeds": [1]}}, "rows": {"s": params["systems"]}}
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    other = {"angry": "happy", "happy": "angry", "sad": "excited", "excited": "sad"}
    found = []
    for turn in range(2):
        if turn:
            for rows, path in ((manifest, "out/manifest.csv"), (protocol, "p.csv")):
                write(
                    place / path,
                    [r | {"emotion": other[r["emotion"]]} if r["utterance"] in tested else r for r in rows],
                )
        files = ("--manifest", "out/manifest.csv", "--protocol", "p.csv", "--speech", "f.h5", "--speech-encoder", "y")
        own = ("--study", "s", "--system", "x", "--part", "1of4", "--scratch", "scratch", *files)
        stage(place, "train", *own, "--predictions", "o.csv", "--models", "o.safetensors")
        found.append(pd.read_csv(place / "o.csv").query("fold == 1"))
    assert (found[0]["true_emotion"] != found[1]["true_emotion"]).sum() == len(tested)
    pd.testing.assert_frame_equal(*(frame.drop(columns="true_emotion") for frame in found))
    examples = Examples(place / "out/manifest.csv", place / "p.csv", "emotion")
    assert (examples.targets >= 0).all()
    hidden = examples.fold(1).test
    assert np.flatnonzero(examples.targets == -1).tolist() == hidden.tolist() and len(hidden) == len(tested)


TAGGED = "utterance,text,reference\nu00,hello there,hello there\nu01,[LAUGHTER] oh no,oh no\nu02,yes,yes\n"


def test_transcripts_that_hold_tags_are_refused(place):
    (place / "t.csv").write_text(TAGGED)
    words = shipped(Text, source="nowhere", revision="", layers=["all"])
    values = {"features": shipped(Features), "encoders": {"words": words}}
    (place / "params.yaml").write_text(yaml.safe_dump(values))
    files = ("--corpus", "mine", "--encoder", "words", "--transcripts", "t.csv", "--out", "f.h5")
    assert "t.csv: u01: text: the tag [LAUGHTER] may give the label away" in refused(place, "features", *files)


def test_transcribe_takes_tags_out(place):
    texts = read(place / inventory()["texts"])
    texts[0]["text"] = "[LAUGHTER] I did (sobs) not"
    write(place / inventory()["texts"], texts)
    files = ("--corpus", "mine", "--source", "gold", "--texts", inventory()["texts"])
    files += ("--decoded", "out/audio.csv", "--out", "t.csv")
    stage(place, "transcribe", *files)
    assert "removed 2 tags from the transcripts ([LAUGHTER] 1, (sobs) 1)" in (place / "transcribe.log").read_text()
    first = read(place / "t.csv")[0]
    assert (first["text"], first["reference"]) == ("I did not", "I did not")


MANIFEST_FAULTS = {
    "number": ({"arousal": "much"}, "line 2: arousal: not a finite number"),
    "gender": ({"gender": "w"}, "line 2: gender"),
    "duration": ({"duration": "0"}, "line 2: duration: not above 0 s"),
    "name": ({"utterance": "u01"}, "line 3: utterance: an earlier line has it too"),
}


@pytest.mark.parametrize("fault", MANIFEST_FAULTS)
def test_fault_in_the_manifest_is_named_by_line(made, tmp_path, fault):
    change, message = MANIFEST_FAULTS[fault]
    rows = read(made / "out/manifest.csv")
    rows[0] |= change
    write(tmp_path / "m.csv", rows)
    write_params(tmp_path)
    files = ("--manifest", "m.csv", "--out", "p.csv")
    assert f"m.csv: {message}" in refused(tmp_path, "protocol", "--corpus", "mine", "--protocol", "sessions", *files)


def test_same_audio_in_two_roles_is_refused(tmp_path):
    rows = make_corpus(tmp_path)
    (tmp_path / "audio/z.wav").write_bytes((tmp_path / "audio/u00.wav").read_bytes())
    write_table(tmp_path, [*rows, rows[-1] | {"file": "z.wav"}])
    ingest(tmp_path)
    error = refused(tmp_path, "protocol", "--corpus", "mine", "--protocol", "sessions", *FILES)
    assert "audio is in two roles (u00 in test, z in val)" in error or "(u00 in test, z in train)" in error
    assert not (tmp_path / "p.csv").exists()


def test_fit_scope(tables):
    _, protocol = tables
    own = protocol[protocol["fold"] == 1].set_index("utterance")["role"]
    train, val, test = (own.index[own == role].tolist() for role in ("train", "val", "test"))
    fit_scope([*train, *val], protocol, 1, "normaliser")
    with pytest.raises(UserError, match=rf"normaliser: fold 1: fitted on {test[0]}, which is a test utterance"):
        fit_scope([*train, test[0]], protocol, 1, "normaliser")
    with pytest.raises(UserError, match="not in the protocol"):
        fit_scope(["stranger"], protocol, 1, "k-means")


def predictions(manifest, protocol, seeds=(1, 2)) -> pd.DataFrame:
    """Right answers to everything, in the columns of a prediction file."""
    rows = protocol[protocol["role"].isin(["val", "test"])].merge(manifest[["utterance", "arousal"]], on="utterance")
    table = pd.concat([rows.assign(seed=seed) for seed in seeds], ignore_index=True)
    table["true_emotion"] = table["pred_emotion"] = table["emotion"]
    for name in sorted(set(protocol["emotion"])):
        table[f"logit_{name}"] = (table["emotion"] == name) * 1.0
    table["true_arousal"] = table["arousal"].astype(np.float32)
    table["pred_arousal"] = 2.0
    return table.drop(columns=["reason", "emotion", "group", "arousal"])


def first_test(table) -> int:
    return table.index[table["role"] == "test"][0]


def set_at(column, value):
    def change(table):
        table.loc[first_test(table), column] = value
        return table

    return change


PREDICTION_FAULTS = {
    "predicted twice": (lambda t: pd.concat([t, t.iloc[:1]]), "predicted twice"),
    "another role": (set_at("role", "val"), "role val, but the protocol says test"),
    "another fold": (set_at("fold", 7), "protocol says nothing of it"),
    "a training row": (set_at("role", "train"), "role train, but the protocol says test"),
    "another true label": (set_at("true_emotion", "sad"), "true_emotion is not the protocol's"),
    "a strange class": (set_at("pred_emotion", "bored"), "pred_emotion is none of the classes"),
    "no answer": (set_at("pred_emotion", np.nan), "pred_emotion is none of the classes"),
    "a NaN logit": (set_at("logit_sad", np.nan), "a logit is not a finite number"),
    "a NaN": (set_at("pred_arousal", np.nan), "pred_arousal is not a finite number"),
    "another true value": (set_at("true_arousal", 1.9), "true_arousal is not the manifest's"),
    "a missing utterance": (lambda t: t.drop(index=first_test(t)), "is missing for a test utterance"),
    "a missing fold": (lambda t: t[(t["fold"] != 2) | (t["seed"] != 2)], "fold 2, seed 2: "),
    "another class set": (lambda t: t.drop(columns="logit_sad"), "the protocol's classes are"),
}


@pytest.mark.parametrize("fault", PREDICTION_FAULTS)
def test_faulty_predictions_are_refused(tables, tmp_path, fault):
    manifest, protocol = tables
    table = predictions(manifest, protocol)
    check_predictions(table, manifest, protocol)
    change, message = PREDICTION_FAULTS[fault]
    change(table).to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(UserError, match=message):
        check_predictions(pd.read_csv(tmp_path / "predictions.csv"), manifest, protocol)


@pytest.mark.parametrize("fault", ["a training row", "another true label", "a missing utterance"])
def test_faulty_prediction_file_is_stopped_with_the_utterance_named(place, fault):
    table = pd.read_csv(place / "predictions.csv")
    utterance = table["utterance"][first_test(table)]
    change, message = PREDICTION_FAULTS[fault]
    change(table).to_csv(place / "predictions.csv", index=False)
    error = evaluated(place, refused)
    assert message in error and utterance in error and "predictions.csv" in error


def test_speaker_of_training_in_a_prediction_file_is_stopped(place):
    """The protocol leaves u00 out of fold 2, so its tables are sound; the predictions score it there."""
    rows = read(place / "p.csv")
    move(rows, "u00", "2", "out")
    next(row for row in rows if (row["utterance"], row["fold"]) == ("u00", "2"))["reason"] = "left out"
    write(place / "p.csv", rows)
    evaluated(place)
    table = pd.read_csv(place / "predictions.csv")
    extra = table[table["role"] == "test"].query("utterance == 'u00'").assign(fold=2)
    pd.concat([table, extra]).to_csv(place / "predictions.csv", index=False)
    error = evaluated(place, refused)
    assert "fold 2: u00: role test, but the protocol says out" in error


def test_predictions_prove_speakers_apart(tables):
    manifest, protocol = tables
    table = predictions(manifest, protocol)
    manifest = manifest.assign(speaker=manifest["speaker"].mask(manifest["utterance"] == "u00", "S2F"))
    with pytest.raises(UserError, match="speaker S2F is in two roles"):
        check_predictions(table, manifest, protocol)


def test_unlabelled_utterances_need_no_prediction(tables):
    manifest, protocol = tables
    table = predictions(manifest, protocol).drop(columns=["true_arousal", "pred_arousal"])
    gone = protocol["utterance"] == "u05"
    check_predictions(
        table[table["utterance"] != "u05"], manifest, protocol.assign(emotion=protocol["emotion"].mask(gone, ""))
    )


def test_reading_keeps_text_as_text(made):
    manifest, protocol = read_manifest(made / "out/manifest.csv"), read_protocol(made / "p.csv")
    assert manifest["valence"].isna().all() and (manifest["split"] == "").all()
    assert manifest["duration"].dtype == np.float64 and protocol["fold"].dtype == np.int64
