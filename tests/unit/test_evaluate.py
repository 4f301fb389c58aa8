"""The stage ``evaluate`` through its command line, on a made-up study."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from stages.corpora.manifest import write_manifest
from stages.metrics.scores import ccc
from tests.unit.small_study import CLASSES, SmallStudy, manifest_rows, predictions, protocol_frame


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


def test_each_named_test_part_is_scored(study):
    """One training, two parts: each figure is that of the part's rows alone, and held against the paper's of it."""
    study.values["systems"]["linear-dimensions"] |= {"paper": "p", "table": "1", "row": "r"}
    study.values["studies"]["small"] |= {"systems": ["linear-dimensions"]}
    study.write_params()
    roles = study.roles[study.roles["fold"] == 1].copy()
    roles.loc[roles["utterance"].str[:3] == "s02", "role"] = "test"
    roles.loc[roles["utterance"].str[:3] == "s03", ["role", "reason"]] = ["out", "of no part"]
    roles["part"] = roles["utterance"].str[:3].map({"s00": "near", "s01": "near", "s02": "far"}).fillna("")
    roles.loc[roles["utterance"].str[:3].isin(["s04", "s05"]), "role"] = "val"
    roles.to_csv(study.protocol, index=False)
    frame = predictions(study.rows, roles, "dimensions", 0.7)
    ended = study.evaluate("linear-dimensions", study.predict("linear-dimensions", frame))
    assert ended.returncode == 0, ended.stderr
    found = json.loads((study.folder / "evaluate/linear-dimensions.json").read_text())
    tested = pd.read_csv(study.folder / "evaluate/linear-dimensions.csv").query("role == 'test'")
    tested["part"] = tested["utterance"].map(roles.set_index("utterance")["part"])
    assert list(found["parts"]) == ["far", "near"]
    for part, rows in [("far", tested[tested["part"] == "far"]), ("near", tested[tested["part"] == "near"])]:
        own = [ccc(one["true_valence"], one["pred_valence"]) for _, one in rows.groupby("seed")]
        figure = found["parts"][part]["ccc_valence"]
        assert figure["pooled"] == pytest.approx(np.mean(own), abs=1e-9)
        assert (figure["n_utterances"], figure["n_speakers"]) == (rows["utterance"].nunique(), 1 + (part == "near"))
    assert found["metrics"]["ccc_valence"]["n_speakers"] == 3
    ended = study.report(["linear-dimensions"], "--published", write_published(study.folder))
    assert ended.returncode == 0, ended.stderr
    page = (study.folder / "report/small/index.html").read_text()
    assert "<h3>Each test part</h3>" in page and "far 24, near 48 utterances" in page
    papers = pd.read_csv(study.folder / "report/small/comparison.csv").set_index("part")
    for part in ("near", "far"):
        assert papers.loc[part, "ours"] == pytest.approx(found["parts"][part]["ccc_valence"]["pooled"], abs=1e-6)
    assert papers.loc["elsewhere", "verdict"] == "missing"
    assert papers.loc["elsewhere", "deviations"] == "the study's protocol tests no part 'elsewhere'"


def write_published(folder):
    """Figures of three test parts, for the row of test_each_named_test_part_is_scored."""
    head = "paper,table,row,corpus,metric,value,sd,protocol,encoders,part,transcripts,aggregate,note\n"
    rows = [
        f"p,1,r,planted,ccc_valence,0.5,,sessions,hubert-small,{part},,,\n" for part in ("near", "far", "elsewhere")
    ]
    (folder / "published.csv").write_text(head + "".join(rows))
    return folder / "published.csv"


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


def test_soft_labels_are_scored_and_shown(tmp_path):
    """Votes for excited count for happy, those for surprised for nothing; the last ten utterances have none."""
    study = SmallStudy(tmp_path, {"linear": {}})
    rng = np.random.default_rng(3)
    rows, roles = manifest_rows(), protocol_frame(study.rows)
    for i, row in enumerate(rows):
        if row["emotion"] == "happy" and i % 2:
            row["emotion"] = "excited"
        voted = rng.multinomial(5, [1 / 6] * 6) / 5
        if voted[:5].sum() == 0 or i >= len(rows) - 10:
            voted = np.full(6, np.nan)
        row |= {f"votes_{c}": float(v) for c, v in zip([*CLASSES, "excited", "surprised"], voted, strict=True)}
    write_manifest(study.manifest, rows)
    frame = predictions(study.rows, roles, "emotion", 1.0)
    ended = study.evaluate("linear", study.predict("linear", frame))
    assert ended.returncode == 0, ended.stderr
    votes = pd.DataFrame(rows).set_index("utterance").filter(like="votes_")
    votes["votes_happy"] += votes.pop("votes_excited")
    votes = votes[[f"votes_{c}" for c in CLASSES]].dropna()
    test = pd.read_csv(study.folder / "evaluate/linear.csv").query("role == 'test' and utterance in @votes.index")
    soft, hard = [], []
    for _, row in test.iterrows():
        logits = row[[f"logit_{c}" for c in CLASSES]].to_numpy(float)
        share = votes.loc[row["utterance"]] / votes.loc[row["utterance"]].sum()
        soft.append(jensenshannon(share, softmax(logits), base=2) ** 2)
        hard.append(jensenshannon(share, np.eye(4)[logits.argmax()], base=2) ** 2)
    found = json.loads((study.folder / "evaluate/linear.json").read_text())["soft"]
    assert found["predicted"] == pytest.approx(np.mean(soft), abs=1e-6)
    assert found["chosen"] == pytest.approx(np.mean(hard), abs=1e-6)
    assert found["n_utterances"] == test["utterance"].nunique() < 200
    ended = study.report(["linear"])
    assert ended.returncode == 0, ended.stderr
    page = (study.folder / "report/small/index.html").read_text()
    assert f'<td class="n">{found["predicted"]:.3f}</td><td class="n">{found["chosen"]:.3f}</td>' in page
    share = pd.DataFrame(rows).query("emotion == 'sad'").filter(like="votes_").dropna().mean()["votes_sad"]
    (cells,) = re.findall(
        r'<th scope="row">sad</th>(.*?)</tr>', page.partition("votes per label, %")[2].partition("</table>")[0]
    )
    assert f'<td class="n">{100 * share:.0f}</td>' in cells
