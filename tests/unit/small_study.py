"""A small made-up study: manifest, protocol, predictions and parameters that the scoring stages read for real."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from stages import robustness
from stages.conditions import noise
from stages.corpora.manifest import read_manifest, write_manifest
from stages.metrics.predictions import read_predictions
from stages.metrics.summary import Evaluate
from stages.parameters import whole
from stages.parameters.resolve import resolved
from stages.recipes import chain
from stages.runtime import disk
from stages.workflow.plan import Plan
from tests.unit.catalogue import PARAMS
from tests.unit.small_corpus import ROOT, options

CLASSES = ("angry", "happy", "neutral", "sad")
DIMENSIONS = ("arousal", "valence", "dominance")


def manifest_rows(speakers: int = 10, each: int = 24, seed: int = 0) -> list[dict]:
    """Utterances of ``speakers`` in sessions of two; a fifth have no majority label."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(speakers):
        for i in range(each):
            name = f"s{s:02d}_{i:03d}"
            label = "" if i % 5 == 4 else CLASSES[int(rng.integers(4))] if i >= 4 else CLASSES[i]
            row = {"utterance": name, "speaker": f"s{s:02d}", "gender": "female" if s % 2 else "male"}
            row |= {"session": str(s // 2 + 1), "duration": 2.0 + i / 10, "text": f"word{i} the cat sat", "split": ""}
            row |= {"emotion": label, "sha256": f"{s:032d}{i:032d}"}
            row |= {d: round(float(v), 4) for d, v in zip(DIMENSIONS, rng.uniform(1, 7, 3), strict=True)}
            rows.append(row)
    return rows


def protocol_frame(manifest: pd.DataFrame) -> pd.DataFrame:
    """Leave one session out; the next one validates."""
    sessions = sorted(manifest["session"].unique())
    rows = []
    for k in range(len(sessions)):
        roles = {sessions[k]: "test", sessions[(k + 1) % len(sessions)]: "val"}
        for row in manifest.itertuples():
            rows.append((row.utterance, k + 1, roles.get(row.session, "train"), "", row.emotion))
    return pd.DataFrame(rows, columns=["utterance", "fold", "role", "reason", "emotion"])


def predictions(manifest, protocol, task: str, skill: float, seeds=(1, 2), seed: int = 0) -> pd.DataFrame:
    """Predictions that lean towards the truth by ``skill`` (0: the first class, or the mean)."""
    rng = np.random.default_rng([seed, int(1000 * skill)])
    rows = protocol[protocol["role"].isin(["val", "test"])].merge(manifest.drop(columns="emotion"), on="utterance")
    frames = []
    for number in seeds:
        one = rows[["utterance", "fold"]].copy()
        one["seed"], one["role"] = number, rows["role"]
        if task == "emotion":
            one = one[(rows["emotion"] != "").to_numpy()]
            truth = rows.loc[rows["emotion"] != "", "emotion"]
            logits = rng.normal(size=(len(one), len(CLASSES))) if skill else np.tile([1.0, 0, 0, 0], (len(one), 1))
            logits = logits + skill * (truth.to_numpy()[:, None] == np.asarray(CLASSES))
            one["true_emotion"] = truth.to_numpy()
            one["pred_emotion"] = np.asarray(CLASSES)[logits.argmax(1)]
            for i, name in enumerate(CLASSES):
                one[f"logit_{name}"] = logits[:, i]
        else:
            for name in DIMENSIONS:
                noise = rng.normal(size=len(one)) if skill else np.zeros(len(one))
                one[f"true_{name}"] = rows[name].to_numpy(float)
                one[f"pred_{name}"] = 4 + skill * (rows[name].to_numpy(float) - 4) + (noise if skill else 0)
        frames.append(one)
    return pd.concat(frames, ignore_index=True)


def python(*words, cwd=ROOT) -> subprocess.CompletedProcess:
    """``python -m ...`` in the repository."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


class SmallStudy:
    """The files of the study ``small`` in a folder."""

    study = "small"

    def __init__(self, folder: Path, systems: dict[str, dict], **changes):
        """``systems``: {name: row changes}; ``changes``: of the study."""
        self.folder = folder
        self.manifest, self.protocol = folder / "manifest.csv", folder / "protocol.csv"
        write_manifest(self.manifest, manifest_rows())
        self.rows = pd.read_csv(self.manifest, dtype={"session": str, "sha256": str}, keep_default_na=False)
        self.roles = protocol_frame(self.rows)
        self.roles.to_csv(self.protocol, index=False)
        ready = resolved(PARAMS)
        own = dict(ready["studies"]["default"]) | {"systems": list(systems), "changes": {}, "seeds": [1, 2]}
        own |= {"trials": {}} | changes
        rows = {name: ready["systems"][name] | change for name, change in systems.items()}
        self.params = folder / "params.yaml"
        self.values = {
            "active": [self.study],
            "studies": {self.study: own},
            "systems": rows,
            "shipped": {self.study: {}},
        }
        self.values["evaluate"] = ready["evaluate"] | {"draws": 1000}
        self.values["corpora"] = {own["corpus"]: ready["corpora"][own["corpus"]]}
        self.values["protocols"] = {own["protocol"]: ready["protocols"][own["protocol"]]}
        self.values |= {name: ready[name] for name in ("encoders", *chain.STAGES)}
        self.values["robustness"] = {name: ready["robustness"][name] for name in own["trials"]}
        self.values["report"] = {"decimals": 1, "reproduced_within": 0.01}
        self.write_params()

    def write_params(self) -> None:
        """The settings, resolved, as the stages read them."""
        chains = whole.chains(Plan(self.values, str(self.params)))
        self.values |= {"rows": whole.rows(self.values), "chains": chains, "ours": whole.ours()}
        self.params.write_text(yaml.safe_dump(self.values, sort_keys=False))

    def predict(self, system: str, frame: pd.DataFrame, part: str = "1of1") -> Path:
        path = self.folder / "train" / system / f"{part}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False)
        return path

    def evaluate(self, system: str, *paths: Path, more=()) -> subprocess.CompletedProcess:
        out = self.folder / "evaluate" / system
        return python(
            "stages.evaluate",
            *options(
                params=self.params,
                study=self.study,
                system=system,
                manifest=self.manifest,
                protocol=self.protocol,
                predictions=paths,
                out_csv=f"{out}.csv",
                out_json=f"{out}.json",
            ),
            *more,
        )

    def tried(self, trial: str, system: str, frame: pd.DataFrame) -> Path:
        """The trial's files, as ``robustness`` writes them of predictions under noise; no model is asked."""
        path = self.folder / f"robustness/{trial}/{system}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame[frame["role"] == "test"].to_csv(path, index=False)
        noisy, clean = (read_predictions(one).query("role == 'test'") for one in (path, self.evaluated(system)))
        manifest, entry = read_manifest(self.manifest), noise.Noise(**self.values["robustness"][trial])
        found = {"study": self.study, "system": system, "trial": trial, "words": entry.words, "notes": []}
        found |= {"colour": entry.colour, "snr_db": entry.snr_db, "predictions_sha256": disk.sha256(path)}
        figures = robustness.scored(noisy, manifest, clean, manifest, Evaluate(**self.values["evaluate"]))
        path.with_suffix(".json").write_text(json.dumps(found | figures))
        return path.with_suffix(".json")

    def evaluated(self, system: str) -> Path:
        return self.folder / f"evaluate/{system}.csv"

    def report(self, systems, *more) -> subprocess.CompletedProcess:
        return python(
            "stages.report",
            *options(
                params=self.params,
                study=self.study,
                manifest=self.manifest,
                protocol=self.protocol,
                out=self.folder / "report" / self.study,
                evaluations=[self.folder / "evaluate" / f"{name}.json" for name in systems],
            ),
            *more,
        )
