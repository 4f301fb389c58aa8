"""The stage ``evaluate`` through its command line, on a made-up study."""

import json

import pandas as pd
import pytest

from tests.unit.small_study import SmallStudy, predictions


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path, {"linear": {}, "linear-dimensions": {}})


def test_parts_are_merged_and_scored(study):
    frame = predictions(study.rows, study.roles, "emotion", 1.0)
    parts = [
        study.predict("linear", frame[frame["fold"] <= 2], "1of2"),
        study.predict("linear", frame[frame["fold"] > 2], "2of2"),
    ]
    ended = study.evaluate("linear", *reversed(parts))
    assert ended.returncode == 0, ended.stderr
    out = pd.read_csv(study.folder / "evaluate/linear.csv")
    assert list(out.columns[:6]) == ["utterance", "fold", "seed", "role", "true_emotion", "pred_emotion"]
    assert len(out) == len(frame) and set(out["role"]) == {"val", "test"}
    found = json.loads((study.folder / "evaluate/linear.json").read_text())
    test = out[out["role"] == "test"]
    recalls = [
        (one[one["true_emotion"] == c]["pred_emotion"] == c).mean()
        for _, one in test.groupby("seed")
        for c in sorted(set(test["true_emotion"]))
    ]
    assert found["metrics"]["uar"]["pooled"] == pytest.approx(sum(recalls) / len(recalls), abs=1e-9)
    assert [row["fold"] for row in found["folds"]] == [1, 2, 3, 4, 5]
    assert sum(map(sum, found["confusion"]["counts"])) == len(test)
    assert found["calibration"]["plain"]["ece"] >= 0
    tenths = found["lengths"]["wa"]
    names = study.rows[study.rows["utterance"].isin(test["utterance"])].sort_values(["duration", "utterance"])
    shortest = test[test["utterance"].isin(names["utterance"][: tenths[0]["n_utterances"]])]
    hits = (shortest["true_emotion"] == shortest["pred_emotion"]).groupby(shortest["seed"]).mean()
    assert tenths[0]["wa"] == pytest.approx(hits.mean(), abs=1e-9)
    assert sum(one["n_utterances"] for one in tenths) == len(names)


def test_the_same_bytes_again(study):
    path = study.predict("linear-dimensions", predictions(study.rows, study.roles, "dimensions", 0.5))
    outputs = []
    for _ in range(2):
        assert study.evaluate("linear-dimensions", path).returncode == 0
        outputs.append([(study.folder / f"evaluate/linear-dimensions.{kind}").read_bytes() for kind in ("csv", "json")])
    assert outputs[0] == outputs[1]


def _refused(study, frame, *words):
    ended = study.evaluate("linear", study.predict("linear", frame))
    assert ended.returncode == 1
    line = ended.stderr.strip().splitlines()[-1]
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    assert not (study.folder / "evaluate/linear.csv").exists()
    assert not (study.folder / "evaluate/linear.json").exists()


def test_violations_are_caught(study):
    frame = predictions(study.rows, study.roles, "emotion", 1.0)
    lost = frame.index[(frame["role"] == "test") & (frame["seed"] == 2)][3]
    _refused(study, frame.drop(lost), frame.loc[lost, "utterance"])
    _refused(study, pd.concat([frame, frame.iloc[:1]]), "twice")
    swapped = frame.copy()
    swapped.loc[lost, "true_emotion"] = "sad" if frame.loc[lost, "true_emotion"] != "sad" else "angry"
    _refused(study, swapped, "true_emotion", frame.loc[lost, "utterance"])
    infinite = frame.assign(logit_sad=frame["logit_sad"].where(frame.index != lost))
    _refused(study, infinite, "logit")
    _refused(study, frame.drop(columns="seed"), "seed", "line 1")


def test_a_wrong_parameter_is_one_line(study):
    study.values["evaluate"]["drawz"] = study.values["evaluate"].pop("draws")
    study.write_params()
    _refused(study, predictions(study.rows, study.roles, "emotion", 1.0), "evaluate.draws")
