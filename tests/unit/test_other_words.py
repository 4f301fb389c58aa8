"""A trained system tested on other transcripts of the study's own test utterances."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stages import robustness
from stages.conditions import config
from stages.conditions.other_words import Words
from stages.corpora.manifest import read_manifest, write_manifest
from stages.encoders import specs
from stages.encoders.extraction import write_store
from stages.encoders.extractors import open_extractor
from stages.encoders.specs import Features
from stages.metrics.predictions import read_predictions
from stages.metrics.summary import Evaluate
from stages.parameters import whole
from stages.prediction.trained_system import assembled
from stages.protocols.table import load_split
from stages.recipes import training_job
from stages.recipes.linear import Linear
from stages.recipes.training_inputs import Inputs
from stages.stores.audio import AudioWriter, digest
from stages.transcripts.text import plain
from stages.workflow import condition_jobs
from stages.workflow.plan import Plan
from tests.unit.catalogue import PARAMS, resolved, shipped, write_params
from tests.unit.small_study import DIMENSIONS, ROOT, manifest_rows, protocol_frame

BERT = ROOT / "stages/encoders/builtin/bert.safetensors"
SAID = ["i love this so much", "we lost the game again", "the train leaves at nine", "stop that right now"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A linear system over the words of 80 utterances, trained: its folder, its row and its test predictions."""
    folder = tmp_path_factory.mktemp("words")
    rows = [row | {"text": SAID[i % 4]} for i, row in enumerate(manifest_rows(each=8))]
    write_manifest(folder / "manifest.csv", rows)
    protocol_frame(pd.DataFrame(rows)).to_csv(folder / "protocol.csv", index=False)
    values = whole.load(write_params(folder))
    whole.write(values, folder / "settings.json")
    names, texts = [row["utterance"] for row in rows], [plain(row["text"]) for row in rows]
    pd.DataFrame({"utterance": names, "text": texts, "reference": texts}).to_csv(folder / "gold.csv", index=False)
    spec = specs.with_layers(specs.load(str(folder / "settings.json"), "bert-small"), ["all"])
    extractor = open_extractor(spec, BERT, torch.device("cpu"), "fp32")
    write_store(
        folder / "text.h5",
        extractor,
        names=names,
        sizes=np.array(extractor.lengths(texts), int),
        read=texts.__getitem__,
        limit=4096,
        dtype=resolved(PARAMS)["features"]["dtype"],
        attributes={"hop": extractor.hop, "weights": extractor.weights},
    )
    writer = AudioWriter(folder / "audio.h5")
    for name in names:
        samples = np.zeros(1600, np.int16)
        writer.add(name, samples, digest(samples))
    writer.close()
    row = Linear.model_validate(
        shipped(Linear, task="dimensions", sees="text", modality="text", pooling="mean", strengths=[0.1])
    )
    paths = {"manifest": "manifest.csv", "protocol": "protocol.csv", "text": "text.h5", "transcripts": "gold.csv"}
    inputs = Inputs(
        {k: folder / v for k, v in paths.items()}, str(folder / "settings.json"), "dimensions", text="bert-small"
    )
    job = training_job.Job("s", "1of1", folder / "scratch", folder / "1of1.csv", folder / "1of1.safetensors")
    training_job.train_and_write(job, row, inputs, [1], 1)
    return folder, dict(zip(names, texts, strict=True))


def tried(folder: Path, texts: dict[str, str]):
    """Predictions with these texts, and the figures beside the study's own."""
    trained = assembled(str(folder / "settings.json"), "study", "s", [folder / "1of1.safetensors"], {"text": BERT})
    features = Features.model_validate(resolved(PARAMS)["features"])
    split = load_split(folder / "manifest.csv", folder / "protocol.csv")
    clean = read_predictions(folder / "1of1.csv").query("role == 'test'")
    trial = Words(kind="transcripts", transcripts="corrupted-50")
    job = robustness.Job("study", "s", "words-50", trial, trained, features, folder / "audio.h5", texts)
    found = robustness.over_own(job, *split, clean, "p")
    options = Evaluate.model_validate(shipped(Evaluate, draws=1000))
    manifest = read_manifest(folder / "manifest.csv")
    return found, robustness.scored(found.frame, manifest, found.clean, manifest, options)


def test_the_same_words_in_other_writing_change_nothing(study):
    folder, texts = study
    found, figures = tried(folder, {name: text.upper() + "!" for name, text in texts.items()})
    pairs = found.frame.merge(found.clean, on=["utterance", "fold", "seed"], suffixes=("", "_clean"))
    assert len(pairs) == len(found.clean) == 80
    for name in DIMENSIONS:
        np.testing.assert_allclose(pairs[f"pred_{name}"], pairs[f"pred_{name}_clean"], atol=1e-4)
        assert figures["difference"][f"ccc_{name}"]["difference"] == pytest.approx(0, abs=1e-4)
    assert found.about == {"transcripts": "corrupted-50", "notes": []}


def test_other_words_change_the_predictions_of_the_same_models(study):
    folder, texts = study
    swapped = {name: SAID[(SAID.index(text) + 1) % 4] for name, text in texts.items()}
    found, figures = tried(folder, swapped)
    own = found.clean.set_index(["utterance", "fold"])
    said = found.frame.assign(now=found.frame["utterance"].map(swapped)).set_index(["utterance", "fold"])
    for fold, rows in said.groupby(level="fold"):
        before = (
            own.xs(fold, level="fold").assign(now=lambda t: t.index.map(texts)).groupby("now")["pred_valence"].mean()
        )
        after = rows.groupby("now")["pred_valence"].mean()
        np.testing.assert_allclose(after, before[after.index], atol=1e-4)
    assert figures["metrics"]["ccc_valence"]["n_utterances"] == 80


def test_the_job_reads_the_trials_transcripts(tmp_path):
    path = write_params(tmp_path, active=["deoliveira2023-wer-planted"])
    plan = Plan(whole.load(path), path)
    study, system = "deoliveira2023-wer-planted", "deoliveira2023-distil-text"
    inputs = condition_jobs.inputs(plan, study, "words-25", system)
    assert inputs["transcripts"] == "data/transcribe/planted-720/corrupted-25.csv"
    assert (
        condition_jobs.options(plan, study, "words-25", system) == "--ledger data/scorings/planted-720/speaker-thirds"
    )
    assert config.untried(plan.trial("words-25"), plan.row(study, "deoliveira2023-distil")) == "reads no words"
