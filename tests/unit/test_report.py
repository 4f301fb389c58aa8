"""The stage ``report`` through its command line, on a made-up study; its figures recomputed from the CSVs."""

import csv
import html.parser
import json
import re
import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from stages.pages.number_format import TITLES
from stages.recipes.system_config import encoder
from tests.unit.small_corpus import options
from tests.unit.small_study import DIMENSIONS, SmallStudy, predictions, python

SYSTEMS = {
    "majority": ("emotion", 0.0),
    "linear": ("emotion", 1.0),
    "pepino2021-dense-speaker": ("emotion", 3.0),
    "gao2024-cmgi": ("emotion", 1.0),
    "linear-dimensions": ("dimensions", 0.3),
    "srinivasan2022-cts": ("dimensions", 0.9),
}
TRIALS = {
    "noise-20": {"linear": 0.9, "srinivasan2022-cts": 0.8},
    "noise-0": {"linear": 0.2, "srinivasan2022-cts": 0.1},
    "babble-0": {"linear": 0.5},
}
"""Skill that is left of each system's."""
CEILINGS = {"prosody": {"uar": 0.7, "ccc_valence": 0.5}, "words": {"uar": 0.6}, "both": {"uar": 0.8}}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = SmallStudy(
        tmp_path_factory.mktemp("study"),
        {name: {} for name in [*SYSTEMS, "pan2024-gmp-ams"]},
        changes={"pepino2021-dense-speaker": {"learning_rate": 0.003}},
        trials={name: [*skills, "correlation"] for name, skills in TRIALS.items()},
    )
    for name, (task, skill) in SYSTEMS.items():
        frame = predictions(study.rows, study.roles, task, skill, seed=len(name))
        if name == "gao2024-cmgi":
            texts = study.rows.set_index("utterance")["text"]
            frame["hypothesis"] = frame["utterance"].map(texts).str.replace("the", "a")
            frame["gate_speech"], frame["gate_words"] = 0.5, 0.25
        ended = study.evaluate(name, study.predict(name, frame))
        assert ended.returncode == 0, ended.stderr
    (study.folder / "ceilings.json").write_text(json.dumps(CEILINGS))
    (study.folder / "quarantine.csv").write_text("utterance,file,reason\nu99 unusable,u99.wav,silent\n")
    texts = study.rows[["utterance", "text"]].rename(columns={"text": "reference"})
    texts["text"] = texts["reference"].str.replace("the", "a")  # one word of four
    texts.to_csv(study.folder / "spoken.csv", index=False)
    study.values["transcripts"] = {"spoken": {"kind": "gold"}}
    study.write_params()
    more = ("--ceilings", study.folder / "ceilings.json", "--quarantine", study.folder / "quarantine.csv")
    more += ("--transcripts", study.folder / "spoken.csv")
    study.trials = [
        study.tried(trial, name, predictions(study.rows, study.roles, SYSTEMS[name][0], skill, seed=7))
        for trial, skills in TRIALS.items()
        for name, skill in skills.items()
    ]
    ended = study.report(SYSTEMS, *more, "--robustness", *study.trials)
    assert ended.returncode == 0, ended.stderr
    study.out = study.folder / "report" / "small"
    return study


@pytest.fixture(scope="module")
def metrics(study):
    return json.loads((study.out / "metrics.json").read_text())


def _lin(t, p):
    return 2 * np.cov(t, p, bias=True)[0, 1] / (np.var(t) + np.var(p) + (np.mean(t) - np.mean(p)) ** 2)


def _score(metric, rows):
    if metric.startswith("ccc"):
        name = metric[4:]
        return _lin(rows[f"true_{name}"], rows[f"pred_{name}"])
    if metric == "wer":  # "word1 the cat sat" holds five words, one of which is replaced; with 21 and above six
        count = 5 * len(rows) + (rows["text"].str.extract(r"(\d+)")[0].astype(int) > 20).sum()
        return sum(t != h for t, h in zip(rows["text"], rows["hypothesis"], strict=True)) / count
    classes = sorted(set(rows["true_emotion"]))
    hit = rows["true_emotion"] == rows["pred_emotion"]
    if metric == "wa":
        return hit.mean()
    if metric == "uar":
        return np.mean([hit[rows["true_emotion"] == c].mean() for c in classes])
    both = [((rows["true_emotion"] == c).sum() + (rows["pred_emotion"] == c).sum()) for c in classes]
    return np.mean([2 * (hit & (rows["true_emotion"] == c)).sum() / n for c, n in zip(classes, both, strict=True)])


def test_every_figure_can_be_recomputed(study, metrics):
    assert set(metrics) == set(SYSTEMS)
    keys = ["pooled", "fold_mean", "seed_sd", "ci_low", "ci_high", "n_utterances", "n_speakers", "n_seeds"]
    draws = np.random.default_rng(0).multinomial(10, np.full(10, 0.1), size=1000)
    for system, figures in metrics.items():
        rows = pd.read_csv(study.folder / f"evaluate/{system}.csv").merge(
            study.rows[["utterance", "speaker", "text"]], on="utterance"
        )
        rows = rows[rows["role"] == "test"]
        wanted = {"uar", "wa", "macro_f1"} if "true_emotion" in rows else {f"ccc_{d}" for d in DIMENSIONS}
        assert set(figures) - {"wer"} == wanted and ("wer" in figures) == (system == "gao2024-cmgi")
        for metric, figure in figures.items():
            assert list(figure) == keys
            seeds = [one for _, one in rows.groupby("seed")]
            by_seed = [_score(metric, one) for one in seeds]
            folds = [np.mean([_score(metric, f) for _, f in one.groupby("fold")]) for one in seeds]
            assert figure["pooled"] == pytest.approx(np.mean(by_seed), abs=1e-9)
            assert figure["fold_mean"] == pytest.approx(np.mean(folds), abs=1e-9)
            assert figure["seed_sd"] == pytest.approx(np.std(by_seed, ddof=1), abs=1e-9)
            assert figure["n_utterances"] == rows["utterance"].nunique()
            assert (figure["n_speakers"], figure["n_seeds"]) == (10, 2)
        if system == "linear":
            assert _interval(rows, draws) == pytest.approx(
                (figures["wa"]["ci_low"], figures["wa"]["ci_high"]), abs=1e-9
            )


def _interval(rows, draws):
    """Of WA: hits over counts of the drawn speakers, mean over seeds."""
    hit = (rows["true_emotion"] == rows["pred_emotion"]).groupby([rows["seed"], rows["speaker"]])
    hits, counts = (column.to_numpy().reshape(2, 10) for column in (hit.sum(), hit.size()))
    values = np.mean([(draws @ h) / (draws @ n) for h, n in zip(hits, counts, strict=True)], axis=0)
    tail = 100 * norm.cdf(-np.sqrt(10 / 9) * t.ppf(0.975, 9))
    return np.percentile(values, [tail, 100 - tail])


def test_page_shows_trials_as_they_can_be_recomputed(study, metrics):
    """Own figure, the trial's, what is lost: table and words of the figures, from the CSVs alone."""
    text = (study.out / "index.html").read_text().partition("<h2>Robustness</h2>")[2].partition("<h2>")[0]
    for path in study.trials:
        rows, name = pd.read_csv(path.with_suffix(".csv")), path.stem
        metric, digits, scale = ("uar", 1, 100) if name == "linear" else ("ccc_valence", 3, 1)
        tried = scale * np.mean([_score(metric, one) for _, one in rows.groupby("seed")])
        own = scale * metrics[name][metric]["pooled"]
        trial = study.values["robustness"][path.parent.name]
        words = f"{trial['colour']} noise, {trial['snr_db']:g} dB"
        line = re.search(rf'<th scope="row">{name}</th><td>{words}</td><td>{TITLES[metric]}</td>(.*?)</tr>', text)[1]
        cells = re.findall(r">([^<]*)</td>", line)
        assert cells[:2] == [f"{own:.{digits}f}", f"{tried:.{digits}f}"]
        assert cells[3] == f"{own - tried:+.{digits}f}".replace("-", "−")
        assert cells[5] == str(rows["utterance"].nunique())
        figure = re.search(rf'aria-label="{name}, {TITLES[metric]}: ([^"]*)"', text)[1]
        assert f"{trial['colour']} noise {trial['snr_db']:g} dB {tried:.{digits}f} [" in figure
        assert f"clean {own:.{digits}f} [" in figure
    assert text.count("<figure>") == 4  # UAR of linear, three dimensions of the other
    cell = '<td class="wide">([^<]*)</td>'
    reasons = re.findall(rf'<th scope="row" class="wide">([^<]*)</th>{cell}{cell}', text)
    assert ("majority", "every trial", "a control that uses no audio") in reasons
    assert ("correlation", "every trial", "not a system of this study") in reasons
    assert ("srinivasan2022-cts", "babble noise, 0 dB", "the study does not ask for it") in reasons


def test_trial_of_other_predictions_is_refused(study):
    path = study.trials[0].with_suffix(".csv")
    whole = path.read_text()
    try:
        path.write_text(whole + "\n")
        ended = study.report(SYSTEMS, "--robustness", *study.trials)
    finally:
        path.write_text(whole)
    assert ended.returncode == 1 and "not of study 'small' or not of its CSV file" in ended.stderr.splitlines()[-1]


def test_table_compares_with_the_baseline_and_names_the_missing(study, metrics):
    with open(study.out / "table.csv") as handle:
        rows = {(row["system"], row["metric"]): row for row in csv.DictReader(handle)}
    good = rows["pepino2021-dense-speaker", "uar"]
    assert (good["baseline"], good["outcome"]) == ("linear", "better")
    difference = metrics["pepino2021-dense-speaker"]["uar"]["pooled"] - metrics["linear"]["uar"]["pooled"]
    assert float(good["difference"]) == pytest.approx(difference, abs=1e-5)
    assert rows["gao2024-cmgi", "uar"]["outcome"] == "tie" and rows["majority", "uar"]["outcome"] == "worse"
    assert rows["srinivasan2022-cts", "ccc_valence"]["baseline"] == "linear-dimensions"
    assert rows["linear", "uar"]["baseline"] == ""
    assert (good["ceiling"], rows["majority", "uar"]["ceiling"]) == ("0.7", "")
    assert rows["pan2024-gmp-ams", ""]["missing"]


def test_comparison_has_the_contracts_columns_and_no_verdict_on_substitutes(study):
    frame = pd.read_csv(study.out / "comparison.csv")
    assert (
        ",".join(frame.columns) == "paper,table,row,corpus,metric,published,ours,ci_low,ci_high,verdict,deviations,part"
    )
    assert set(frame["verdict"]) == {"substitute", "missing"}
    own = frame[frame["paper"] == "pepino2021"].iloc[0]
    assert own["published"] == 0.672
    assert "corpus planted for iemocap" in own["deviations"] and "learning_rate 0.003 for 0.001" in own["deviations"]
    assert frame.loc[frame["paper"] == "pan2024", "ours"].isna().all()


@pytest.mark.parametrize(
    ("wanted", "spec", "used"),
    [
        ("wav2vec2-base", {"source": "facebook/wav2vec2-base"}, "hubert-small"),
        ("egemaps", {"kind": "egemaps"}, "egemaps"),
        ("study", {}, "hubert-small"),
    ],
)
def test_a_substituting_study_replaces_published_weights_alone(wanted, spec, used):
    assert encoder({"speech": "hubert-small", "substitute": True}, wanted, "speech", spec) == used
    if wanted != "study":
        assert encoder({"speech": "hubert-small", "substitute": False}, wanted, "speech", spec) == wanted


class _Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.images, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in ("meta", "rect", "line", "polyline", "circle"):
            self.open.append(tag)
        if attrs.get("role") == "img":
            self.images.append(attrs.get("aria-label", ""))
        self.links += [attrs[name] for name in ("src", "href") if name in attrs]

    def handle_endtag(self, tag):
        if tag not in ("rect", "line", "polyline", "circle"):
            assert self.open.pop() == tag


def test_page_stands_alone_and_every_figure_has_words(study, metrics):
    text = (study.out / "index.html").read_text()
    page = _Page()
    page.feed(text)
    assert not page.open and not page.links and "url(" not in text and "@import" not in text
    assert page.images and all(page.images)
    for name in [*SYSTEMS, "pan2024-gmp-ams"]:
        assert name in text
    assert f"{100 * metrics['linear']['uar']['pooled']:.1f}" in text
    assert "prefers-color-scheme: dark" in text and "substitute" in text
    assert "pan2024-gmp-ams" in (study.out / "results.md").read_text()


def _show(out, expected):
    started = time.perf_counter()
    ended = python("stages.report", "--show", out, "--expected", expected)
    assert ended.returncode == 0, ended.stderr
    return re.sub(r"\s+", " ", ended.stdout), time.perf_counter() - started


def test_show_prints_the_table_and_whether_this_machine_agrees(study, metrics, tmp_path):
    value = metrics["linear"]["uar"]["pooled"]
    expected = tmp_path / "expected.csv"
    expected.write_text(f"study,system,metric,value,tolerance\nsmall,linear,uar,{value + 0.01:.4f},0.02\n")
    text, seconds = _show(study.out, expected)
    assert "all 1 figures are within their tolerance" in text and f"{100 * value:.1f}" in text
    assert "missing: pan2024-gmp-ams" in text and text.strip().endswith("index.html")
    assert seconds < 5  # a second on an idle machine
    expected.write_text(f"study,system,metric,value,tolerance\nsmall,linear,uar,{value + 0.1:.4f},0.02\n")
    assert "differs" in _show(study.out, expected)[0] and "linear uar" in _show(study.out, expected)[0]
    assert "no figures of this study" in _show(study.out, tmp_path / "none.csv")[0]


def test_page_says_what_the_protocol_promises_and_shows_the_corpus(study):
    text = (study.out / "index.html").read_text()
    assert "sessions, version 1: each session tested once" in text and "excited counts as happy" in text
    assert "100 % of 240 test utterances; of those with 4 words or more 100 %" in text  # all say the same sentences
    rows = study.rows
    for name in ("angry", "happy", "neutral", "sad"):
        own = rows[rows["emotion"] == name]
        women, men = ((own["gender"] == sex).sum() for sex in ("female", "male"))
        assert f"{name} {women} female, {men} male" in text  # the figure's words
        assert f'<th scope="row">{name}</th><td class="n">{len(own)}</td><td class="n">{women}</td>' in text
    assert "(no class) 20 female, 20 male" in text
    assert "10 (5 male, 5 female)" in text and "none needed: synthesised by this pipeline" in text
    assert "u99 unusable" in text and "1: 1 silent" in text
    assert "LEAKY" not in text.partition("<body")[2] and 'class="leaky"' not in text


def test_page_has_the_error_rates_of_the_transcripts(study):
    page = (study.out / "index.html").read_text()
    table = page.split("<summary>Word error rates</summary>")[1].split("</table>")[0]
    lines = [
        re.sub(r"<[^>]*>", " ", row).split() for row in re.findall("<tr.*?</tr>", table.partition("<tbody>")[2], re.S)
    ]
    count = len(study.rows)
    assert lines[0] == ["spoken:", "all", "(plain", "words)", f"{count:,}", f"{4 * count:,}", f"{count:,}", "25.0"]
    assert [line[:2] for line in lines[1:]] == [["spoken:", "emotion"]] * 4 + [["spoken:", "gender"]] * 2


def test_results_of_a_leaky_protocol_are_marked_everywhere(tmp_path):
    study = SmallStudy(tmp_path, {"majority": {}, "linear": {}})
    random = {"kind": "random-folds", "folds": 5, "validation": 2, "seed": 1, "leaks": ["speaker"]}
    study.values["protocols"]["sessions"] = random | {"expect": {"utterances": 240}, "about": "at random"}
    study.write_params()
    ended = python(
        "stages.protocol",
        *options(
            params=study.params,
            corpus="planted",
            protocol="sessions",
            manifest=study.manifest,
            out=study.protocol,
        ),
    )
    assert ended.returncode == 0, ended.stderr
    roles = pd.read_csv(study.protocol, keep_default_na=False)
    for name, skill in (("majority", 0.0), ("linear", 1.0)):
        ended = study.evaluate(name, study.predict(name, predictions(study.rows, roles, "emotion", skill)))
        assert ended.returncode == 0, ended.stderr
    assert study.report(["majority", "linear"]).returncode == 0
    out = study.folder / "report" / "small"
    mark = "leaky protocol: test shares speakers with training"
    metrics = json.loads((out / "metrics.json").read_text())
    assert {figure["watermark"] for own in metrics.values() for figure in own.values()} == {mark}
    assert set(pd.read_csv(out / "table.csv")["watermark"]) == {mark}
    page = (out / "index.html").read_text()
    assert f"{mark.capitalize()}." in page and '<body class="leaky">' in page and "1 of 1 met" in page
    assert page.count("linear (leaky)") >= 4 and '<span class="tag leak">leaky</span>' in page
    results = (out / "results.md").read_text()
    assert f"**{mark.capitalize()}.**" in results and "| linear (leaky)" in results
    latex = (out / "results.tex").read_text()
    assert latex.count(f"{mark.capitalize()}.") == 1 and "\nlinear (leaky) (control) & audio" in latex
    shown, _ = _show(out, tmp_path / "none.csv")
    assert mark.upper() in shown and "linear (leaky)" in shown and "majority (leaky)" in shown


def test_mistakes_are_one_line(study):
    ended = python("stages.report", "--show", study.folder / "nowhere")
    assert ended.returncode == 1 and ended.stderr.strip().splitlines()[-1].startswith("error: ")
    other = json.loads((study.folder / "evaluate/linear.json").read_text()) | {"study": "else"}
    (study.folder / "evaluate/other.json").write_text(json.dumps(other))
    ended = study.report(["other"])
    assert ended.returncode == 1 and "else" in ended.stderr.strip().splitlines()[-1]
