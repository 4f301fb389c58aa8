"""The average of all layers is not worse than the last layer alone (Pepino 2021, Table 1), on 3,000 planted utterances.

`make claims` runs this. On RAVDESS the study `pepino2021-ravdess` reports the same rows whichever way they fall.
"""

import pytest

from stages.config import settings
from stages.corpora.manifest import read_manifest
from stages.metrics import summary
from stages.metrics.predictions import read_predictions
from tests.claims import changes_of, fifths
from tests.stories.conftest import Project

pytestmark = pytest.mark.claims

ALL, LAST, NOTHING = "pepino2021-dense-speaker", "pepino2021-pt-contextual", "majority"
MARGIN = 0.03
"""What the interval of a difference must exclude for "not worse": three points of UAR."""
SIZE = {
    "corpora/planted/speakers": 40,
    "corpora/planted/sessions": 20,
    "corpora/planted/utterances": 3000,
    "studies/default/protocol": "fifths",
    "studies/default/text": "",
    "studies/default/transcripts": "",
    "studies/default/systems": [NOTHING, ALL, LAST],
    "studies/default/changes": {ALL: changes_of(ALL), LAST: changes_of(ALL)},
    "studies/default/seeds": [1, 2, 3],
    "protocols/fifths": fifths(4),
}


@pytest.fixture(scope="module")
def minus_last(tmp_path_factory):
    """Paired difference of a system's UAR and that of the last layer alone, speakers resampled."""
    project = Project(tmp_path_factory.mktemp("layers"))
    project.set(SIZE)
    project.snakemake(timeout=7200)
    data = project.folder / "data"
    options = settings.load(summary.Evaluate, "evaluate", str(project.folder / settings.FILE))
    manifest = read_manifest(data / "ingest/planted/manifest.csv")
    found = {name: read_predictions(data / f"evaluate/default/{name}.csv") for name in (ALL, LAST, NOTHING)}

    def difference(name: str) -> dict:
        paired = summary.paired(found[name], found[LAST], manifest, "uar", options)
        print(f"{name} - {LAST}: {100 * paired['difference']:+.1f} "
              f"[{100 * paired['ci_low']:+.1f}, {100 * paired['ci_high']:+.1f}]")  # fmt: skip
        return paired

    for name, predictions in found.items():
        uar = summary.summarise(predictions, manifest, options)[0]["uar"]
        print(f"{name:26} {uar['pooled']:.3f} [{uar['ci_low']:.3f}, {uar['ci_high']:.3f}]")
    return difference


def test_all_layers_are_not_worse_than_the_last(minus_last):
    assert minus_last(ALL)["ci_low"] > -MARGIN


def test_a_system_that_hears_nothing_is_worse(minus_last):
    assert minus_last(NOTHING)["ci_low"] < -MARGIN
