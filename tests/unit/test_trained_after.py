"""Rows of Srinivasan 2022 that are trained after others: which files they read, and what is refused."""

import pytest
import yaml

from stages.parameters import whole
from stages.runtime.errors import UserError
from stages.workflow.plan import Plan
from stages.workflow.training_jobs import system_inputs
from tests.unit.catalogue import PARAMS, write_params

SIZES = {"hidden": 32, "gru_layers": 1, "embedding": 32}
BASE, TEACHER, TS, FT = (f"srinivasan2022-{name}" for name in ("frozen-hubert-base", "teacher", "ts", "ft"))
FROM_6, FROM_10 = "srinivasan2022-cts-from-6", "srinivasan2022-cts-from-10"


def study(tmp_path, changes: dict, systems=(BASE, TEACHER, FT, TS, FROM_6, FROM_10), parts: int = 1) -> dict:
    """The settings of a study of these systems, all of the same sizes but for ``changes``."""
    own = yaml.safe_load(PARAMS.read_text())["studies"]["default"]
    changes = {name: SIZES | changes.get(name, {}) for name in systems}
    own |= {"systems": list(systems), "changes": changes, "trials": {}, "parts": parts}
    return whole.load(write_params(tmp_path, studies={"default": own}))


def inputs(values: dict, name: str, part: str = "1of1") -> dict:
    found = system_inputs(Plan(values), "default", name, part)
    return {key: path for key, path in found.items() if key in ("teacher", "start", "audio", "text", "speech-weights")}


def test_a_row_reads_what_the_rows_before_it_make(tmp_path):
    values, weights = study(tmp_path, {}, parts=2), {"speech-weights": "data/pretrain/hubert.safetensors"}
    views = {"teacher": f"data/teach/default/{TEACHER}/1of1.views.safetensors"}
    assert inputs(values, TS, "2of2") == weights | views
    assert inputs(values, FT, "2of2") == weights, "fine-tuning alone waits for no teacher"
    assert inputs(values, FROM_10, "2of2") == weights | views | {"start": f"data/distill/default/{FT}/2of2.safetensors"}
    assert inputs(values, FROM_6, "2of2") == weights | views | {"start": f"data/train/default/{BASE}/1of1.safetensors"}
    stages = {name: Plan(values).row("default", name).stage for name in (BASE, TEACHER, FT, TS)}
    assert stages == {BASE: "train", TEACHER: "teach", FT: "distill", TS: "distill"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({TS: {"embedding": 16}}, f"{TS}: embedding 16, but its teacher {TEACHER} has 32; give both the same"),
        ({TS: {"teacher": BASE}}, f"{TS}.teacher: '{BASE}' is no teacher; name one of this recipe that sees both"),
        ({TS: {"teacher": "linear"}}, "'linear' is no teacher"),
        ({TS: {"teacher": "srinivasan2022-teachr"}}, f"there is no 'srinivasan2022-teachr'; did you mean '{TEACHER}'"),
        (
            {TS: {"teacher": f"{TEACHER}-crossed"}},
            "is no system of study 'default'; add it to studies.default.systems",
        ),
        ({TS: {"residuals": "cross"}}, f"its teacher {TEACHER} has cross_folds: 0; set that to 2 or more"),
        ({TS: {"tuned_blocks": 0, "sees": "text"}}, "sees: text: a student hears speech alone"),
        ({FT: {"normalise": "global"}}, "normalise: is for frozen features; set it to none"),
        ({BASE: {"cross_folds": 3}}, "cross_folds: 2 or more, of a system that sees both; 0 for any other"),
        ({BASE: {"aggregator": "transformer", "hidden": 30}}, "hidden: a transformer has four heads"),
        ({BASE: {"alpha": {"valence": 1.0}}}, "alpha: a positive weight for each of arousal, valence and dominance"),
        ({FROM_6: {"start_with": "encoder"}}, f"{BASE} has trained no encoder that could be taken"),
        ({FROM_6: {"hidden": 16}}, f"{FROM_6}: hidden 16, but {BASE}, from which it starts, has 32"),
        ({BASE: {"normalise": "global"}}, f"{FROM_6}: normalise none, but {BASE}, from which it starts, has global"),
        ({FROM_10: {"tuned_blocks": 2}}, f"tuned_blocks 2, but {FT}, from which it starts, has tuned 6; tune as many"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(tmp_path, changes, message):
    with pytest.raises(UserError) as refused:
        study(tmp_path, changes)
    assert message in str(refused.value)
