"""What the planted corpus must show at claims size: 12,000 utterances by 100 speakers, unseen ones tested.

`make claims` runs these; each claim is also made where it is untrue, and must fail there.
"""

import json

import pandas as pd
import pytest

from tests.claims import changes_of, fifths
from tests.claims.listener import listen
from tests.stories.conftest import Project

pytestmark = pytest.mark.claims

DENSE, GLOBAL = "pepino2021-dense-egemaps", "dense-egemaps-global"
CONTROLS = ["majority", "duration", "linear"]
CHANCE = 0.015
"""How far from .25 the UAR of guesses may lie: 3.4 standard errors of it on these 9,800 labels."""
SETTINGS = changes_of(DENSE)
"""Of Dense: the default study's own."""
SIZE = {
    "corpora/planted/speakers": 100,
    "corpora/planted/sessions": 50,
    "corpora/planted/utterances": 12000,
    "studies/default/protocol": "fifths",
    "studies/default/speech": "egemaps",
    "studies/default/systems": [*CONTROLS, DENSE, GLOBAL],
    "studies/default/changes": {DENSE: SETTINGS, GLOBAL: SETTINGS},
    "studies/default/seeds": [1],
    f"systems/{GLOBAL}": {"like": DENSE, "normalise": "global"},
    "protocols/fifths": fifths(8),
}
UNTRUE = {
    "studies/default/systems": [*CONTROLS, DENSE],
    "studies/default/changes": {DENSE: SETTINGS},
}
"""Where labels mean nothing one normalisation is enough."""


@pytest.fixture(scope="module")
def normal(tmp_path_factory) -> Project:
    project = Project(tmp_path_factory.mktemp("normal"))
    project.set(SIZE)
    project.snakemake(timeout=7200)
    return project


@pytest.fixture(scope="module", params=["normal", "shuffled", "null"])
def outcome(request, normal, tmp_path_factory):
    """What was run (the corpus, its labels permuted over utterances, labels that depend on nothing), its figures."""
    project = normal
    if request.param == "shuffled":
        project = normal.copy(tmp_path_factory.mktemp("shuffled") / "project")
        project.set(UNTRUE)
        path = project.folder / "data/ingest/planted/manifest.csv"
        manifest = pd.read_csv(path, dtype=str, keep_default_na=False)
        manifest["emotion"] = manifest["emotion"].sample(frac=1, random_state=0).to_numpy()
        manifest.to_csv(path, index=False)
        project.snakemake(timeout=7200)
    if request.param == "null":
        project = Project(tmp_path_factory.mktemp("null"))
        project.set(SIZE | UNTRUE | {"corpora/planted/mode": "null"})
        project.snakemake(timeout=7200)
    metrics = json.loads((project.folder / "data/report/default/metrics.json").read_text())
    ceilings = json.loads((project.folder / "data/ingest/planted/ceilings.json").read_text())
    for name, figures in metrics.items():
        uar = figures["uar"]
        print(f"{request.param:9} {name:26} {uar['pooled']:.3f} [{uar['ci_low']:.3f}, {uar['ci_high']:.3f}]")
    follow_labels(project, metrics)
    return request.param, metrics, ceilings


def follow_labels(project: Project, systems) -> None:
    """Every system was scored, and so trained, on the labels that the manifest has now."""
    manifest = pd.read_csv(project.folder / "data/ingest/planted/manifest.csv", index_col="utterance")
    now = manifest["emotion"].replace("excited", "happy")
    for name in systems:
        found = pd.read_csv(project.folder / f"data/evaluate/default/{name}.csv")
        assert (found["true_emotion"] == now[found["utterance"]].to_numpy()).all(), name


def share(metrics: dict, name: str, ceiling: float) -> float:
    """How far a system is on the way from chance to the ceiling."""
    return (metrics[name]["uar"]["pooled"] - 0.25) / (ceiling - 0.25)


def test_dense_goes_three_quarters_of_the_way_to_the_ceiling(outcome):
    labels, metrics, ceilings = outcome
    if labels != "normal":
        for name, figures in metrics.items():
            assert abs(figures["uar"]["pooled"] - 0.25) < CHANCE, f"{name} must be at chance: labels are {labels}"
        return
    ceiling = ceilings["prosody"]["uar"]
    for name in (DENSE, GLOBAL):
        print(f"{name}: {share(metrics, name, ceiling):.1%} of the way from chance to the ceiling of {ceiling:.3f}")
    assert share(metrics, DENSE, ceiling) >= 0.75
    assert share(metrics, DENSE, ceiling) > share(metrics, GLOBAL, ceiling)


def test_what_is_audible_lies_below_the_ceiling(normal):
    ceiling = json.loads((normal.folder / "data/ingest/planted/ceilings.json").read_text())["prosody"]["uar"]
    heard = listen(normal.folder / "data", "fifths")
    told, untold = ((value - 0.25) / (ceiling - 0.25) for value in (heard.told, heard.untold))
    print("R2 of the cues from functionals:", ", ".join(f"{name} {r2:.2f}" for name, r2 in heard.cues.items()))
    print(f"a listener told the cues in training: {told:.1%} of the way; told the labels alone: {untold:.1%}")
    assert heard.untold < heard.told
    assert told < 0.9


def test_controls_stay_at_chance(outcome):
    _, metrics, _ = outcome
    assert metrics["majority"]["uar"]["pooled"] <= 0.26
    assert metrics["duration"]["uar"]["pooled"] <= 0.32
