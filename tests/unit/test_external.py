"""Predictions made elsewhere: taken in by the stage train, guarded and scored by evaluate, through the command line."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score

from stages.metrics.scores import ccc
from stages.recipes.external import External
from tests.unit.catalogue import shipped
from tests.unit.small_corpus import options
from tests.unit.small_study import CLASSES, DIMENSIONS, SmallStudy, predictions, python


class Elsewhere:
    """A small study with a system ``mine``, and what somebody predicted for it."""

    def __init__(self, folder, task: str):
        self.study = SmallStudy(folder, {"majority": {}})
        self.file = folder / "mine.csv"
        self.study.values["systems"]["mine"] = shipped(External, task=task, file=str(self.file))
        self.study.values["studies"]["small"]["systems"].append("mine")
        self.study.values["train"] = {"threads": 1, "memory_gb": 1.0, "workers": 1}
        self.study.write_params()
        made = predictions(self.study.rows, self.study.roles, task, 1.0, seeds=(1,))
        self.test = made[made["role"] == "test"].reset_index(drop=True)
        self.all = made

    def train(self, table: pd.DataFrame):
        table.to_csv(self.file, index=False)
        place = self.study.folder / "train/mine"
        place.mkdir(parents=True, exist_ok=True)
        return python(
            "stages.train",
            *options(
                params=self.study.params,
                study="small",
                system="mine",
                manifest=self.study.manifest,
                protocol=self.study.protocol,
                elsewhere=self.file,
                scratch=self.study.folder / "scratch",
                predictions=place / "1of1.csv",
                models=place / "1of1.safetensors",
            ),
        )

    def figures(self, table: pd.DataFrame) -> dict:
        done = self.train(table)
        assert done.returncode == 0, done.stderr
        place = self.study.folder / "train/mine"
        out = self.study.folder / "evaluate/mine"
        done = python(
            "stages.evaluate",
            *options(
                params=self.study.params,
                study="small",
                system="mine",
                manifest=self.study.manifest,
                protocol=self.study.protocol,
                predictions=place / "1of1.csv",
                models=place / "1of1.safetensors",
                out_csv=f"{out}.csv",
                out_json=f"{out}.json",
            ),
        )
        assert done.returncode == 0, done.stderr
        return json.loads((self.study.folder / "evaluate/mine.json").read_text())

    def refused(self, table: pd.DataFrame) -> str:
        done = self.train(table)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        return done.stderr.strip().splitlines()[-1]


@pytest.fixture
def emotion(tmp_path):
    return Elsewhere(tmp_path, "emotion")


def test_labels_alone_are_scored(emotion):
    test = emotion.test
    figures = emotion.figures(test[["utterance", "pred_emotion"]])
    wanted = recall_score(test["true_emotion"], test["pred_emotion"], average="macro")
    assert figures["metrics"]["uar"]["pooled"] == pytest.approx(wanted, abs=1e-9)
    assert any("made elsewhere (mine.csv)" in note for note in figures["notes"])
    kept = pd.read_csv(emotion.study.folder / "evaluate/mine.csv")
    assert not [name for name in kept if name.startswith("logit_")] and set(kept["role"]) == {"test"}


def test_probabilities_of_all_rows_are_calibrated_too(emotion):
    table = emotion.all[["utterance", "fold"]].copy()
    logits = emotion.all[[f"logit_{name}" for name in CLASSES]].to_numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for i, name in enumerate(CLASSES):
        table[f"p_{name}"] = shares[:, i]
    figures = emotion.figures(table)
    rows = emotion.test
    right = rows["pred_emotion"] == rows["true_emotion"]
    assert figures["metrics"]["wa"]["pooled"] == pytest.approx(right.mean(), abs=1e-9)
    assert sum(count for _, _, count in figures["calibration"]["plain"]["bins"]) == len(rows)
    kept = pd.read_csv(emotion.study.folder / "evaluate/mine.csv")
    found = kept[[f"logit_{name}" for name in CLASSES]].to_numpy()
    assert np.allclose(np.exp(found).sum(1), 1, atol=1e-4) and set(kept["role"]) == {"val", "test"}


def test_dimensions_are_scored(tmp_path):
    mine = Elsewhere(tmp_path, "dimensions")
    figures = mine.figures(mine.test[["utterance", *(f"pred_{name}" for name in DIMENSIONS)]])
    for name in DIMENSIONS:
        wanted = ccc(mine.test[f"true_{name}"].to_numpy(), mine.test[f"pred_{name}"].to_numpy())
        assert figures["metrics"][f"ccc_{name}"]["pooled"] == pytest.approx(wanted, abs=1e-4)


def test_what_cannot_be_scored_is_one_line(emotion):
    table = emotion.test[["utterance", "pred_emotion"]]
    first = table["utterance"][0]
    assert f"the first is '{first}'" in emotion.refused(table.drop(index=0))
    assert f"'{first}' is predicted twice" in emotion.refused(pd.concat([table, table[:1]]))
    assert "utterance 'x1' is not in the manifest" in emotion.refused(table.replace({"utterance": {first: "x1"}}))
    assert "pred_emotion 'bored' is none of" in emotion.refused(table.replace({"pred_emotion": {"sad": "bored"}}))
    assert "no column 'utterance'" in emotion.refused(table.rename(columns={"utterance": "file"}))
    assert "none of the columns p_CLASS" in emotion.refused(table[["utterance"]])
    odd = table.assign(**{f"logit_{name}": float(name == "sad") for name in CLASSES})
    assert "pred_emotion is not the class of the largest logit_CLASS" in emotion.refused(odd)
    half = table.drop(columns="pred_emotion").assign(**{f"p_{name}": 0.2 for name in CLASSES})
    assert "do not add up to 1" in emotion.refused(half)
    assert "no column 'p_angry'" in emotion.refused(half.drop(columns="p_angry"))
    bad = half.assign(p_sad="much")
    assert f"'{first}': p_sad is not a finite number" in emotion.refused(bad)
