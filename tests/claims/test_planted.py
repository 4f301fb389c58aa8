"""What the planted corpus must show at claims size: 3,000 utterances by 40 speakers, unseen ones tested.

`make claims` runs these (half an hour); each claim is also made on the mode in which it is untrue, and must fail there.
"""

import json

import pytest

from tests.stories.conftest import Project

pytestmark = pytest.mark.claims

SYSTEMS = ["majority", "duration", "linear", "pepino2021-dense-egemaps"]
SIZE = {
    "corpora/planted/speakers": 40,
    "corpora/planted/sessions": 20,
    "corpora/planted/utterances": 3000,
    "studies/default/protocol": "fifths",
    "studies/default/speech": "egemaps",
    "studies/default/systems": SYSTEMS,
    "studies/default/changes": {"pepino2021-dense-egemaps": {"learning_rate": 3e-3, "patience": 10}},
    "protocols/fifths": {
        "kind": "group-folds",
        "by": "speaker",
        "folds": 5,
        "validation": 8,
        "classes": ["angry", "happy", "neutral", "sad"],
        "merge": {"excited": "happy"},
    },
}


@pytest.fixture(scope="module", params=["normal", "null"])
def outcome(request, tmp_path_factory):
    """Mode, metrics and ceilings of a run at claims size."""
    project = Project(tmp_path_factory.mktemp(request.param))
    project.set(SIZE | {"corpora/planted/mode": request.param})
    project.snakemake(timeout=3600)
    metrics = json.loads((project.folder / "data/report/default/metrics.json").read_text())
    ceilings = json.loads((project.folder / "data/ingest/planted/ceilings.json").read_text())
    return request.param, metrics, ceilings


def test_dense_goes_three_quarters_of_the_way_to_the_ceiling(outcome):
    mode, metrics, ceilings = outcome
    dense = metrics["pepino2021-dense-egemaps"]["uar"]
    if mode == "null":
        assert dense["ci_low"] < 0.25 < dense["ci_high"], "labels that depend on nothing must be at chance"
        return
    share = (dense["pooled"] - 0.25) / (ceilings["prosody"]["uar"] - 0.25)
    print(f"Dense on eGeMAPS: {share:.0%} of the way from chance to the prosody ceiling")
    assert share >= 0.75


def test_controls_stay_at_chance(outcome):
    _, metrics, _ = outcome
    assert metrics["majority"]["uar"]["pooled"] <= 0.26
    assert metrics["duration"]["uar"]["pooled"] <= 0.32
