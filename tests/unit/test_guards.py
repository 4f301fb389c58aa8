"""Each guard sees its violation put into a file, through the command line where a stage reads that file."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from stages import guards
from stages.corpora.manifest import load_split, read_manifest, read_protocol
from stages.errors import UserError
from tests.unit.small_corpus import ROOT, ingest, make_corpus, read, refused, stage, write, write_params, write_table

FILES = ("--manifest", "out/manifest.csv", "--out", "p.csv")
CHECK = "import sys; from stages import jobs; from stages.corpora.manifest import load_split; jobs.run(" + (
    "lambda a: load_split('out/manifest.csv', 'p.csv'), '', lambda p: None)"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, sessions=4)
    ingest(folder)
    stage(folder, "protocol", "--corpus", "mine", "--protocol", "sessions", *FILES)
    return folder


@pytest.fixture
def tables(made):
    """The untouched tables: manifest frame, protocol frame."""
    return load_split(made / "out/manifest.csv", made / "p.csv")


def checked(folder) -> str:
    """What a process that loads both files says of them; empty when all is well."""
    command = [sys.executable, "-c", CHECK]
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return "".join(line for line in done.stderr.splitlines() if line.startswith("error"))


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
    "an unknown role": (one_to("dev"), "u00: role 'dev' is none of"),
    "out without a reason": (one_to("out"), "u00: out without a reason"),
    "another label": (relabel, "u00: labelled 'sad', where the manifest's 'angry' is 'angry' elsewhere"),
    "an unknown utterance": (rename, "nobody: not in the manifest"),
    "a missing row": (lambda rows: rows.pop(0), "fold 1: u00: has no row"),
    "a row twice": (lambda rows: rows.append(dict(rows[0])), "u00: stands there twice"),
    "a session tested twice": (whole_session_to_test, "tested in 2 folds"),
    "no validation": (no_validation, "role val is empty"),
    "a group that the manifest denies": (wrong_group, "u00: session=Ses3, but the manifest says session=Ses1"),
    "a fold that is no number": (lambda rows: rows[0].update(fold="x"), "line 2: fold: not a finite number"),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_violation_in_the_protocol_file_is_caught_when_it_is_loaded(made, tmp_path, violation):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/manifest.csv").write_bytes((made / "out/manifest.csv").read_bytes())
    rows = read(made / "p.csv")
    write(tmp_path / "p.csv", rows)
    assert checked(tmp_path) == ""
    change, message = VIOLATIONS[violation]
    change(rows)
    write(tmp_path / "p.csv", rows)
    error = checked(tmp_path)
    assert message in error and "p.csv" in error


def test_session_is_kept_whole_where_its_speakers_are_unknown(made, tmp_path):
    (tmp_path / "out").mkdir()
    manifest = read(made / "out/manifest.csv")
    write(tmp_path / "out/manifest.csv", [row | {"speaker": ""} for row in manifest])
    rows = read(made / "p.csv")
    move(rows, "u00", "2", "val")
    write(tmp_path / "p.csv", rows)
    assert "group session=Ses1 is in two roles" in checked(tmp_path)


MANIFEST_FAULTS = {
    "number": ({"arousal": "much"}, "line 2: arousal: not a finite number"),
    "gender": ({"gender": "w"}, "line 2: gender"),
    "duration": ({"duration": "0"}, "line 2: duration: not above 0 s"),
    "name": ({"utterance": "u01"}, "line 3: utterance: stands on an earlier line too"),
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
    guards.fit_scope([*train, *val], protocol, 1, "normaliser")
    with pytest.raises(UserError, match=rf"normaliser: fold 1: fitted on {test[0]}, which is a test utterance"):
        guards.fit_scope([*train, test[0]], protocol, 1, "normaliser")
    with pytest.raises(UserError, match="not in the protocol"):
        guards.fit_scope(["stranger"], protocol, 1, "k-means")


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
    guards.check_predictions(table, manifest, protocol)
    change, message = PREDICTION_FAULTS[fault]
    change(table).to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(UserError, match=message):
        guards.check_predictions(pd.read_csv(tmp_path / "predictions.csv"), manifest, protocol)


def test_predictions_prove_speakers_apart(tables):
    manifest, protocol = tables
    table = predictions(manifest, protocol)
    manifest = manifest.assign(speaker=manifest["speaker"].mask(manifest["utterance"] == "u00", "S2F"))
    with pytest.raises(UserError, match="speaker S2F is in two roles"):
        guards.check_predictions(table, manifest, protocol)


def test_unlabelled_utterances_need_no_prediction(tables):
    manifest, protocol = tables
    table = predictions(manifest, protocol).drop(columns=["true_arousal", "pred_arousal"])
    gone = protocol["utterance"] == "u05"
    guards.check_predictions(
        table[table["utterance"] != "u05"], manifest, protocol.assign(emotion=protocol["emotion"].mask(gone, ""))
    )


def test_reading_keeps_text_as_text(made):
    manifest, protocol = read_manifest(made / "out/manifest.csv"), read_protocol(made / "p.csv")
    assert manifest["valence"].isna().all() and (manifest["split"] == "").all()
    assert manifest["duration"].dtype == np.float64 and protocol["fold"].dtype == np.int64
