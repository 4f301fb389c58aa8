"""Metrics against hand-made cases and other libraries, intervals against the naive bootstrap."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from stages.metrics import calibration, comparison, intervals, scores, summary
from stages.metrics.summary import Evaluate
from stages.pages.report_data import Entry
from stages.parameters.resolve import resolved
from stages.runtime.errors import UserError
from tests.unit.catalogue import PARAMS, shipped
from tests.unit.small_corpus import ROOT
from tests.unit.small_study import CLASSES, DIMENSIONS, manifest_rows, predictions, protocol_frame

OPTIONS = Evaluate(**shipped(Evaluate, draws=1000))


@pytest.fixture(scope="module")
def study():
    manifest = pd.DataFrame(manifest_rows())
    return manifest, protocol_frame(manifest)


def test_class_metrics_by_hand():
    true = ["a", "a", "a", "a", "b", "b"]
    pred = ["a", "a", "a", "b", "b", "c"]
    assert scores.uar(true, pred) == pytest.approx((3 / 4 + 1 / 2) / 2)  # class c is not in the truth
    assert scores.wa(true, pred) == pytest.approx(4 / 6)
    assert scores.macro_f1(true, pred) == pytest.approx((6 / 7 + 2 / 4 + 0) / 3)


def test_class_metrics_are_scikit_learns():
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

    rng = np.random.default_rng(1)
    for _ in range(20):
        true, pred = rng.choice(list("abcd"), 50), rng.choice(list("abcd"), 50)
        assert scores.uar(true, pred) == pytest.approx(balanced_accuracy_score(true, pred), abs=1e-12)
        assert scores.wa(true, pred) == pytest.approx(accuracy_score(true, pred), abs=1e-12)
        assert scores.macro_f1(true, pred) == pytest.approx(f1_score(true, pred, average="macro"), abs=1e-12)


def test_ccc_by_hand_and_its_parts():
    true, pred = [1.0, 2.0, 3.0], [2.0, 3.0, 4.0]  # var 2/3 each, cov 2/3, means one apart
    assert scores.ccc(true, pred) == pytest.approx((2 * 2 / 3) / (2 / 3 + 2 / 3 + 1))
    rho, c_b = scores.ccc_parts(true, pred)
    assert rho == pytest.approx(1.0)
    assert rho * c_b == pytest.approx(scores.ccc(true, pred))
    assert calibration.agreement(np.array(true), np.array(pred))["bias"] == pytest.approx(1.0)


def test_ccc_is_torchmetrics():
    import torch
    from torchmetrics import ConcordanceCorrCoef

    rng = np.random.default_rng(2)
    true = rng.normal(4, 1, 500)
    pred = true + rng.normal(0.3, 0.8, 500)
    theirs = ConcordanceCorrCoef()(torch.tensor(pred), torch.tensor(true)).item()
    assert scores.ccc(true, pred) == pytest.approx(theirs, abs=2.5e-3)  # theirs has the sample variance, n - 1
    assert scores.ccc(true, pred) == pytest.approx(scores.ccc_parts(true, pred)[0] * scores.ccc_parts(true, pred)[1])


@pytest.mark.parametrize("pred", [[3.0, 3.0, 3.0], [5.0, 5.0, 5.0]])
def test_ccc_without_variance_is_zero(pred):
    assert scores.ccc([1.0, 3.0, 5.0], pred) == 0.0
    assert scores.ccc([3.0, 3.0, 3.0], pred) == 0.0
    assert scores.ccc_parts([3.0, 3.0, 3.0], pred) == (0.0, 0.0)


def test_ccc_of_moments_survives_a_large_mean():
    rng = np.random.default_rng(3)
    true = 1e6 + rng.normal(size=400)
    pred = true + rng.normal(size=400)
    sums = scores.moments(true - true.mean(), pred - true.mean()).sum(0)
    assert scores.ccc_of(sums) == pytest.approx(scores.ccc(true, pred), abs=1e-9)


def test_wer_is_of_the_corpus_and_ignores_case_and_punctuation():
    references = ["The cat sat.", "hello", "a b c d"]
    hypotheses = ["the cat", "Hello!", "a x c d e"]
    assert scores.wer(references, hypotheses) == pytest.approx((1 + 0 + 2) / (3 + 1 + 4))
    assert scores.wer(["one two"], [""]) == 1.0


def _naive(tables, metric, counts, speakers):
    """The bootstrap as one would write it down: copy the rows of every drawn speaker, score, average over seeds."""
    out = []
    for draw in counts:
        values = []
        for table in tables:
            rows = np.concatenate([np.flatnonzero(table.speaker == s).repeat(n) for s, n in zip(speakers, draw)])  # noqa: B905
            values.append(summary.value(table.take(rows.astype(int)), metric))
        out.append(np.mean(values))
    return np.array(out)


@pytest.mark.parametrize("metric", ["uar", "wa", "macro_f1", "ccc_valence", "wer"])
def test_vectorised_bootstrap_is_the_naive_one(study, metric):
    manifest, protocol = study
    frame = predictions(manifest, protocol, "emotion" if metric[:3] != "ccc" else "dimensions", 0.7)
    if metric == "wer":
        texts = manifest.set_index("utterance")["text"]
        frame["hypothesis"] = [
            texts[u].replace("cat", "hat") if i % 3 else "" for i, u in enumerate(frame["utterance"])
        ]
    table = summary.scored(frame, manifest, metric)
    speakers = np.unique(table.speaker)
    counts = intervals.speaker_draws(len(speakers), 25, 7)
    fast = intervals.resampled(summary.sums(table, metric), counts)
    tables = [table.take(table.seed == s) for s in np.unique(table.seed)]
    np.testing.assert_allclose(fast, _naive(tables, metric, counts, speakers), atol=1e-9)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    speakers, each, covered = 40, 20, 0
    for trial in range(200):
        skill = np.clip(rng.normal(0.6, 0.1, speakers), 0, 1)  # so the expected accuracy is 0.6
        right = rng.binomial(each, skill)
        sums = intervals.Sums(
            np.stack([each - right, np.full(speakers, each)], -1)[None].astype(float), lambda s: 1 - scores.wer_of(s)
        )
        values = intervals.resampled(sums, intervals.speaker_draws(speakers, 1000, trial))
        low, high = intervals.interval(values, 0.95, speakers)
        covered += low <= 0.6 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_summary_of_two_folds_by_hand():
    manifest = pd.DataFrame({"utterance": list("abcd"), "speaker": list("xxyy"), "text": "", "gender": ""})
    frame = pd.DataFrame(
        {
            "utterance": list("abcd") * 2,
            "fold": [1, 1, 2, 2] * 2,
            "seed": [1] * 4 + [2] * 4,
            "role": "test",
            "true_emotion": ["p", "q", "p", "q"] * 2,
            "pred_emotion": ["p", "q", "p", "p", "p", "p", "p", "p"],
        }
    )
    metrics, _ = summary.summarise(frame, manifest, OPTIONS)
    assert metrics["uar"]["pooled"] == pytest.approx((0.75 + 0.5) / 2)
    assert metrics["uar"]["fold_mean"] == pytest.approx(((1 + 0.5) / 2 + 0.5) / 2)
    assert metrics["uar"]["seed_sd"] == pytest.approx(np.std([0.75, 0.5], ddof=1))
    assert (metrics["uar"]["n_utterances"], metrics["uar"]["n_speakers"], metrics["uar"]["n_seeds"]) == (4, 2, 2)
    one = summary.summarise(frame[frame["seed"] == 1], manifest, OPTIONS)[0]
    assert one["uar"]["seed_sd"] is None


def test_no_mean_over_folds_that_lack_a_class(study):
    manifest, protocol = study
    frame = predictions(manifest, protocol, "emotion", 1.0)
    frame = frame[~((frame["fold"] == 2) & (frame["true_emotion"] == "sad"))]
    metrics, notes = summary.summarise(frame, manifest, OPTIONS)
    assert metrics["uar"]["fold_mean"] is None and metrics["macro_f1"]["fold_mean"] is None
    assert metrics["wa"]["fold_mean"] is not None
    assert any("fold 2 lacks sad" in note for note in notes)


def test_predictions_that_do_not_fit_are_refused(study):
    manifest, protocol = study
    frame = predictions(manifest, protocol, "dimensions", 1.0)
    broken = frame.copy()
    broken.loc[broken["role"] == "test", "pred_arousal"] = np.nan
    with pytest.raises(UserError, match="not finite"):
        summary.summarise(broken, manifest, OPTIONS)
    with pytest.raises(UserError, match="twice"):
        summary.summarise(pd.concat([frame, frame]), manifest, OPTIONS)
    first = frame.index[(frame["seed"] == 2) & (frame["role"] == "test")][0]
    with pytest.raises(UserError, match="other utterances"):
        summary.summarise(frame.drop(first), manifest, OPTIONS)


def test_paired_comparison(study):
    manifest, protocol = study
    good, bad = (predictions(manifest, protocol, "emotion", skill) for skill in (3.0, 0.2))
    same = summary.paired(good, good, manifest, "uar", OPTIONS)
    assert same["difference"] == same["ci_low"] == same["ci_high"] == 0.0 and same["p"] == 1.0
    found = summary.paired(good, bad, manifest, "uar", OPTIONS)
    values = [summary.summarise(p, manifest, OPTIONS)[0]["uar"]["pooled"] for p in (good, bad)]
    assert found["difference"] == pytest.approx(values[0] - values[1])
    assert 0 < found["ci_low"] < found["difference"] < found["ci_high"] and found["p"] < 0.01
    with pytest.raises(UserError, match="different utterances"):
        summary.paired(good, bad[bad["fold"] != 1], manifest, "uar", OPTIONS)


def test_holm():
    assert intervals.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_intervals_take_under_a_second_on_a_large_test_set():
    import time

    rng = np.random.default_rng(0)
    n, seeds = 5531, 5
    table = summary.Scored(
        np.tile([f"u{i}" for i in range(n)], seeds),
        np.ones(n * seeds, int),
        np.repeat(np.arange(seeds), n),
        np.tile([f"s{i % 10}" for i in range(n)], seeds),
        rng.choice(CLASSES, n * seeds),
        rng.choice(CLASSES, n * seeds),
    )
    started = time.perf_counter()
    intervals.resampled(summary.sums(table, "uar"), intervals.speaker_draws(10, 2000, 0))
    assert time.perf_counter() - started < 1


def test_temperature_undoes_overconfidence(study):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 4)) * 2
    odds = softmax(logits, axis=1).cumsum(1)
    labels = (rng.random(4000)[:, None] > odds).sum(1).clip(max=3)
    assert calibration.temperature(3 * logits, labels) == pytest.approx(3, rel=0.1)
    plain = calibration.quality(softmax(3 * logits, axis=1), labels, 10)
    right = calibration.quality(softmax(logits, axis=1), labels, 10)
    assert right["ece"] < 0.03 < plain["ece"] and right["brier"] < plain["brier"]


READ = ("gold", "whisper-tiny-en", "")


def test_verdicts():
    figure = {"value": 0.672, "sd": 0.007, "corpus": "iemocap", "protocol": "sessions", "encoders": "wav2vec2-base"}
    figure |= {"part": "", "transcripts": "", "aggregate": "", "note": ""}
    study = {"corpus": "iemocap", "protocol": "sessions"}
    ours = {"value": 0.668, "ci_low": 0.655, "ci_high": 0.681}
    assert comparison.substitutions(figure, study, {"speech": "wav2vec2-base"}) == []
    assert comparison.verdict(figure, ours, [], 0.01) == "reproduced"
    assert comparison.verdict(figure, ours | {"value": 0.66}, [], 0.01) == "within noise"
    assert comparison.verdict(figure, {"value": 0.6, "ci_low": 0.58, "ci_high": 0.62}, [], 0.01) == "not reproduced"
    other = comparison.substitutions(figure, {"corpus": "planted", "protocol": "sessions"}, {"speech": "wav2vec2-base"})
    assert comparison.verdict(figure, ours, other, 0.01) == "substitute"
    assert comparison.substitutions(figure, study, {"speech": "hubert-small"})
    assert comparison.substitutions(figure, study | {"protocol": "speakers"}, {"speech": "wav2vec2-base"})
    read = [comparison.substitutions(figure | {"transcripts": "gold"}, study, {"": "wav2vec2-base"}, t) for t in READ]
    assert read == [[], ["transcripts whisper-tiny-en for gold"], ["transcripts none for gold"]]
    assert comparison.substitutions(figure, study, {"speech": "wav2vec2-base"}, "whisper-tiny-en") == []


def test_the_papers_figure_on_the_studys_own_protocol_is_taken():
    row = {"paper": "p", "table": "1", "row": "r", "corpus": "msp", "metric": "uar", "sd": None, "encoders": "e"}
    row |= {"part": "", "transcripts": "", "aggregate": "", "note": ""}
    seen, unseen = row | {"value": 0.6, "protocol": "test1"}, row | {"value": 0.5, "protocol": "test2"}
    entry = Entry("s", SimpleNamespace(paper="p", cells=[("1", "r")]), {"speech": "e"}, [], None, "not run")
    study = {"corpus": "msp", "protocol": "test2"}
    found = comparison.against_papers([entry], [seen, unseen], study, 0.01)
    assert [figure["published"] for figure in found] == [0.5]
    both = comparison.against_papers([entry], [seen, unseen], study | {"protocol": "other"}, 0.01)
    assert [figure["published"] for figure in both] == [0.6, 0.5]


def test_a_row_stands_for_several_rows_and_is_held_against_the_papers_aggregate():
    """Our fold mean .80 for .78 pooled: the interval [.75, .81] moves along. Where a fold lacks a class, it is said."""
    figures = {"uar": {"pooled": 0.78, "fold_mean": 0.80, "ci_low": 0.75, "ci_high": 0.81}}
    entry = Entry("s", SimpleNamespace(paper="pan2024", cells=[("3", "GMP, AMS"), ("4", "layer -3")]), {}, [], None)
    entry.encoders, entry.evaluation = {"speech": "hubert-base"}, {"metrics": figures}
    published = comparison.read_published(ROOT / "data/published.csv")
    study = {"corpus": "iemocap", "protocol": "iemocap-sessions"}
    found = [one for one in comparison.against_papers([entry], published, study, 0.01) if one["metric"] == "uar"]
    assert [(one["table"], one["row"]) for one in found] == entry.row.cells
    assert {(one["published"], one["verdict"]) for one in found} == {(0.82, "within noise")}
    assert [found[0][key] for key in ("ours", "ci_low", "ci_high")] == pytest.approx([0.80, 0.77, 0.83])
    figures["uar"]["fold_mean"] = None
    (first, _) = [one for one in comparison.against_papers([entry], published, study, 0.01) if one["metric"] == "uar"]
    assert first["ours"] == 0.78 and "pooled over folds for the fold mean" in first["deviations"]


def test_pans_table_of_the_corpus_is_what_the_protocol_expects():
    rows = [row for row in comparison.read_published(ROOT / "data/published.csv") if row["table"] == "1"]
    counts = {r["row"].lower(): r["value"] for r in rows if (r["paper"], r["metric"]) == ("pan2024", "utterances")}
    expect = resolved(PARAMS)["protocols"]["iemocap-sessions"]["expect"]
    assert sum(counts.values()) == expect["utterances"] == 5531
    assert {name: expect[f"emotion={name}"] for name in counts} == counts


def test_pepinos_ravdess_is_speech_and_song():
    published = comparison.read_published(ROOT / "data/published.csv")
    row = SimpleNamespace(paper="pepino2021", cells=[("1", "PT all")])
    ours = {"metrics": {"uar": {"pooled": 0.84, "ci_low": 0.80, "ci_high": 0.88}}}
    entry = Entry("s", row, {"speech": "wav2vec2-base"}, [], ours, "")
    study = {"corpus": "ravdess-song", "protocol": "pepino2021-ravdess-released"}
    (same,) = comparison.against_papers([entry], published, study, 0.01)
    assert (same["published"], same["corpus"], same["verdict"]) == (0.843, "ravdess-song", "reproduced")
    (speech,) = comparison.against_papers([entry], published, study | {"corpus": "ravdess"}, 0.01)
    assert speech["verdict"] == "substitute" and "corpus ravdess for ravdess-song" in speech["deviations"]
    other = comparison.against_papers([entry], published, {"corpus": "planted", "protocol": "sessions"}, 0.01)
    assert {each["corpus"] for each in other} == {"iemocap", "ravdess-song"}


def test_every_published_figure_names_a_shipped_corpus_and_protocol():
    values = resolved(PARAMS)
    for row in comparison.read_published(ROOT / "data/published.csv"):
        assert row["corpus"] in values["corpora"] and row["protocol"] in values["protocols"], row


def test_names_are_the_contracts():
    assert ("uar", "wa", "macro_f1", *(f"ccc_{d}" for d in DIMENSIONS), "wer") == scores.METRICS


def test_few_speakers_who_differ_alike_prove_nothing():
    alike = np.full(1000, 0.1)
    assert intervals.p_value(0.1, alike, 2) == 0.5
    assert intervals.p_value(0.1, alike, 10) == 2**-9
    assert intervals.p_value(0.0, np.zeros(1000), 2) == 1.0
    rows = [{"metric": "uar", "speakers": 5, "coverage": 0.93}, {"metric": "uar", "speakers": 10, "coverage": 0.94}]
    assert intervals.covered(rows, "uar", 2) is None and intervals.covered(rows, "uar", 7)["speakers"] == 5
