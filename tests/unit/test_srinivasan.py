"""Srinivasan 2022's teacher and student on the small store of test_frozen: cross-fitting, the gate's record, starts."""

import numpy as np
import pytest
import torch

from stages.guards import contamination, seen
from stages.metrics.gates import accounts
from stages.metrics.scores import ccc
from stages.metrics.trainings import trainings
from stages.models.losses import ccc_loss
from stages.models.srinivasan import Attended, Srinivasan
from stages.recipes import cross_fitting, srinivasan
from stages.recipes.training_inputs import Inputs
from stages.runtime.errors import UserError
from stages.stores.scratch import Unit
from stages.training import units
from stages.training.weights import as_tensors
from tests.unit.catalogue import shipped
from tests.unit.small_study import DIMENSIONS
from tests.unit.test_frozen import stored

torch.set_num_threads(1)
SMALL = {"hidden": 8, "gru_layers": 1, "embedding": 8, "epochs": 3, "learning_rate": 1e-2, "normalise": "global"}
TEACHER = SMALL | {"sees": "both", "modality": "audio+text"}
STUDENT = SMALL | {"teacher": "t", "weight": 1.0, "gate": 1.0}


def settings(**changes) -> srinivasan.Srinivasan:
    return srinivasan.Srinivasan.model_validate(shipped(srinivasan.Srinivasan, **changes))


def trained(paths, changes: dict, other=None, unit=None, **more):
    """Outputs, arrays and notes of a training in fold 1, and its inputs; ``other``: labels of some rows, by speaker."""
    inputs = Inputs(paths | more, "", "dimensions")
    inputs.examples.truth = inputs.examples.truth.copy()
    for speaker, rating in (other or {}).items():
        inputs.examples.truth[inputs.speakers == speaker] = rating
    fold = inputs.examples.fold(1)
    outputs, arrays, notes = srinivasan.train(settings(**changes), inputs, fold, 1, unit)
    return outputs, arrays, notes | {"seen": inputs.seen}, inputs, fold


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def taught(paths, tmp_path_factory):
    """A cross-fitted teacher, with the file of its views."""
    path = tmp_path_factory.mktemp("views") / "1of1.views.safetensors"
    found = trained(paths, TEACHER | {"cross_folds": 3})
    units.write(path, {(1, 1): found[1:3]}, "teacher/")
    return *found, path


def test_no_model_of_cross_fitting_has_seen_the_speaker_that_it_predicts(paths, taught):
    """Other labels of one speaker leave what is said of that speaker's part alone, and move all other parts."""
    _, arrays, _, inputs, fold, _ = taught
    speaker = inputs.speakers[fold.train[0]]
    again = trained(paths, TEACHER | {"cross_folds": 3}, other={speaker: 1.0})[1]
    inner = cross_fitting.inner_folds(fold, inputs.speakers, 3)
    assert sorted(np.concatenate([one.test for one in inner])) == sorted(fold.train)
    for one in inner:
        apart = set(inputs.speakers[one.train]), set(inputs.speakers[one.test])
        assert not apart[0] & apart[1] and len(one.train) + len(one.test) == len(fold.train)
        same = np.array_equal(arrays["teacher/crossed"][one.test], again["teacher/crossed"][one.test])
        assert same == (speaker in apart[1])
    outside = np.setdiff1d(np.arange(len(inputs.utterances)), fold.train)
    assert (
        np.isnan(arrays["teacher/crossed"][outside]).all() and np.isfinite(arrays["teacher/crossed"][fold.train]).all()
    )
    plain = trained(paths, TEACHER)
    np.testing.assert_array_equal(plain[1]["teacher/predicted"], arrays["teacher/predicted"])
    assert "teacher/crossed" not in plain[1]


def test_parts_keep_speakers_whole_and_the_unknown_together():
    speakers = np.array(["a"] * 5 + ["b"] * 3 + ["c"] * 2 + [""] * 2 + ["d"])
    found = cross_fitting.parts(speakers, np.arange(1, 13), 2)
    assert [sorted(set(speakers[one])) for one in found] == [["a", "c"], ["", "b", "d"]]
    with pytest.raises(UserError, match="cross_folds: 6 parts, but the training rows have 5 speakers"):
        cross_fitting.parts(speakers, np.arange(13), 6)


def test_finished_models_of_cross_fitting_are_not_trained_again(paths, tmp_path):
    unit = Unit("t", {}, tmp_path)
    trained(paths, TEACHER | {"cross_folds": 2}, unit=unit)
    shares = sorted(tmp_path.rglob("*-cross-?.safetensors"))
    assert len(shares) == 2
    count = len(unit.share("cross-0").load()[0]["outputs"])
    unit.share("cross-0").save({"outputs": np.full((count, 3), 7, np.float32)}, {})
    unit.checkpoint.unlink(missing_ok=True)
    _, again, *_ = trained(paths, TEACHER | {"cross_folds": 2}, unit=unit)
    assert (again["teacher/crossed"] == 7).all(1).sum() == count
    unit.save(again, {})
    assert [path.name for path in tmp_path.rglob("*.*")] == [unit.path.name]


def test_a_teacher_notes_table_1(taught, tmp_path):
    _, arrays, notes, inputs, fold, _ = taught
    for part, rows in (("train", fold.train), ("val", fold.val)):
        for i, name in enumerate(DIMENSIONS):
            true, said = inputs.examples.targets[rows, i], arrays["teacher/predicted"][rows, i]
            assert notes["fit"][part][name]["ccc"] == pytest.approx(ccc(true, said))
            assert notes["fit"][part][name]["rho"] == pytest.approx(np.corrcoef(true, said)[0, 1])
    other = {part: {d: {"ccc": 0.0, "rho": 0.0} for d in DIMENSIONS} for part in ("train", "val")}
    made = {(1, 1): ({}, notes), (1, 2): ({}, notes | {"fit": other})}
    units.write(tmp_path / "m.safetensors", made, "model/")
    found = trainings([tmp_path / "m.safetensors"])["fit"]["train"]["dominance"]
    assert found["rho"] == pytest.approx(notes["fit"]["train"]["dominance"]["rho"] / 2)
    assert not arrays["teacher/predicted"][fold.test].any() and not arrays["teacher/embedding"][fold.test].any()


@pytest.mark.parametrize("residuals", ["train", "cross"])
def test_a_student_keeps_whom_the_gate_was_closed_on(paths, taught, tmp_path, residuals):
    teacher, path = taught[1], taught[5]
    _, arrays, notes, inputs, fold = trained(paths, STUDENT | {"residuals": residuals}, teacher=path)
    said = teacher[f"teacher/{'crossed' if residuals == 'cross' else 'predicted'}"][fold.train].astype(float)
    true = inputs.examples.targets[fold.train].astype(float)
    closed = {}
    for i, name in enumerate(DIMENSIONS):
        w, b = np.polyfit(said[:, i], true[:, i], 1)
        residual = w * said[:, i] + b - true[:, i]
        closed[name] = np.abs(residual) > residual.std()
        expected = inputs.examples.names(fold.train[closed[name]])
        assert seen.unpack(notes["gate"]["closed"][name], inputs.utterances, "") == expected != []
    assert notes["gate"]["dropped"] == pytest.approx(np.any(list(closed.values()), 0).mean())

    units.write(tmp_path / "m.safetensors", {(1, 1): (arrays, notes)}, "model/")
    found = trainings([tmp_path / "m.safetensors"])["gates"]
    manifest = inputs.examples.manifest.assign(contradicts=["1", "0", "0"] * (len(inputs.utterances) // 3))
    rates = np.tile([0.0, 0.25, 0.3, 1.0], len(manifest) // 4)
    rows = {(row["group"], row["value"]): row for row in accounts(found, manifest, list(rates))}
    whole = np.any(list(closed.values()), 0)
    assert rows["all", ""]["closed"] == pytest.approx(whole.mean()) and rows["all", ""]["pairs"] == len(fold.train)
    bins = {"WER 0": 0.0, "WER to .25": 0.25, "WER to .5": 0.3, "WER above .5": 1.0}
    for name, rate in bins.items():
        mine = rates[fold.train] == rate
        assert rows["transcript", name]["closed"] == pytest.approx(whole[mine].mean())
        assert rows["transcript", name]["utterances"] == mine.sum()
    women = manifest["gender"].to_numpy()[fold.train] == "female"
    assert rows["sex", "female"]["dimensions"]["valence"] == pytest.approx(closed["valence"][women].mean())
    against = manifest["contradicts"].to_numpy()[fold.train] == "1"
    assert rows["words and voice", "contradict"]["closed"] == pytest.approx(whole[against].mean())
    assert ("transcript", "WER 0") not in {(r["group"], r["value"]) for r in accounts(found, manifest, None)}


def test_what_gate_and_teacher_have_seen_is_proven(paths, taught, tmp_path):
    _, arrays, notes, inputs, fold = trained(paths, STUDENT, teacher=taught[5])
    parts = {"gate", "regressor", "normaliser of speech", "teacher: regressor", "teacher: normaliser of text"}
    assert parts <= notes["seen"].keys()
    assert seen.unpack(notes["seen"]["gate"], inputs.utterances, "") == inputs.examples.names(fold.train)
    units.write(tmp_path / "m.safetensors", {(1, 1): (arrays, notes)}, "model/")
    protocol, manifest = inputs.examples.protocol, inputs.examples.manifest
    (gate,) = [
        row
        for row in contamination.fitted_components([tmp_path / "m.safetensors"], manifest, protocol)
        if row["what"] == "gate"
    ]
    assert gate["seen"] == f"{len(fold.train)} training rows per fold"
    leaky = seen.pack(inputs.examples.names([*fold.train, fold.test[0]]), inputs.utterances)
    units.write(
        tmp_path / "m.safetensors", {(1, 1): (arrays, notes | {"seen": notes["seen"] | {"gate": leaky}})}, "model/"
    )
    with pytest.raises(UserError, match=r"gate: fold 1: fitted on .*, which is a test utterance"):
        contamination.fitted_components([tmp_path / "m.safetensors"], manifest, protocol)


@pytest.mark.parametrize(("taken", "kept"), [("gru", ("summaries.",)), ("whole", ("",))])
def test_a_system_starts_from_anothers_weights(paths, tmp_path, taken, kept):
    """After steps too small to change a float, what was taken is the other's, and the rest is not."""
    _, arrays, notes, *_ = trained(paths, SMALL)
    units.write(tmp_path / "m.safetensors", {(1, 1): (arrays, notes)}, "model/")
    still = SMALL | {"epochs": 1, "learning_rate": 1e-30, "start": "s", "start_with": taken}
    _, begun, own, *_ = trained(paths, still, start=tmp_path / "m.safetensors")
    before, after = as_tensors(arrays, "model/network/"), as_tensors(begun, "model/network/")
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith(kept), name
    assert "start: regressor" in own["seen"] and "regressor" in own["seen"]


def test_a_transformer_does_not_see_padding():
    torch.manual_seed(3)
    model, frames = Attended(4, 8, 2).eval(), torch.randn(2, 9, 4)
    both = model(frames, torch.tensor([9, 5]))
    torch.testing.assert_close(both[1], model(frames[1:, :5], torch.tensor([5]))[0])


def test_model_is_equations_1_and_2():
    torch.manual_seed(4)
    model = Srinivasan({"speech": 5, "text": 3}, "gru", 4, 2, 6, 3, None)
    branches = (torch.randn(2, 7, 5), torch.tensor([7, 4])), (torch.randn(2, 6, 3), torch.tensor([2, 6]))
    embedding, predicted = model(*branches)
    last = []
    for summary, (frames, lengths) in zip(model.summaries.values(), branches, strict=True):
        last.append(torch.stack([summary.gru(f[None, :n])[0][0, -1] for f, n in zip(frames, lengths, strict=True)]))
    expected = torch.cat(last, 1) @ model.project.weight.T + model.project.bias
    torch.testing.assert_close(embedding, expected)
    torch.testing.assert_close(predicted, expected @ model.out.weight.T + model.out.bias)


def test_alpha_weighs_the_dimensions():
    rng = np.random.default_rng(0)
    true, said = (torch.tensor(rng.normal(size=(50, 3)), dtype=torch.float32) for _ in range(2))
    said = said + true
    alpha = srinivasan._alpha(
        settings(alpha={"arousal": 2.0, "valence": 1.0, "dominance": 1.0}), list(DIMENSIONS), "cpu"
    )
    each = [1 - ccc(true[:, i].numpy(), said[:, i].numpy()) for i in range(3)]
    assert ccc_loss(said, true, weights=alpha).item() == pytest.approx(
        0.5 * each[0] + 0.25 * (each[1] + each[2]), rel=1e-5
    )
    assert srinivasan._alpha(settings(alpha=dict.fromkeys(DIMENSIONS, 2.0)), list(DIMENSIONS), "cpu") is None
