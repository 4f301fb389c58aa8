"""`training: N` of a protocol: a nested sample of the training part that leaves all else as it was."""

import pandas as pd
import pytest
from pydantic import TypeAdapter

from stages.config import settings
from stages.corpora import planted
from stages.parameters.resolve import resolved
from stages.protocols.assignment import assign, rule
from stages.protocols.config import Protocol
from stages.protocols.splits import check_protocol
from stages.runtime.errors import UserError
from tests.unit.catalogue import PARAMS
from tests.unit.small_corpus import ingest, make_corpus, read, refused, stage, write_params

SHIPPED = resolved(PARAMS)
SPEAKERS = SHIPPED["protocols"]["speaker-folds"]
CURVE = [150, 300, 600, 1200, 3000]


def corpus(name: str, **changes) -> pd.DataFrame:
    """The manifest of a planted corpus, without its audio."""
    entry = settings.adapt(TypeAdapter(planted.Planted), SHIPPED["corpora"][name] | changes, name)
    manifest = pd.DataFrame(planted.utterances(entry))
    return manifest.assign(sha256=manifest["utterance"])


def table(manifest: pd.DataFrame, base: dict = SPEAKERS, **changes) -> pd.DataFrame:
    made = assign(settings.adapt(TypeAdapter(Protocol), base | changes, "p"), manifest, "p")
    check_protocol(manifest, made, "p")
    return made


def rows(made: pd.DataFrame, role: str) -> set[tuple]:
    mine = made[made["role"] == role]
    return set(zip(mine["fold"], mine["utterance"], strict=True))


@pytest.fixture(scope="module")
def manifest():
    return corpus("planted", speakers=20, sessions=10, utterances=480)


def test_samples_are_nested_and_validation_and_test_stay(manifest):
    whole = table(manifest)
    assert whole["reason"].eq("").all()
    larger = rows(whole, "train")
    for count in (200, 100, 30):
        made = table(manifest, training=count)
        assert made.groupby("fold")["role"].agg(lambda found: (found == "train").sum()).tolist() == [count] * 5
        sample = rows(made, "train")
        assert sample < larger
        larger = sample
        assert rows(made, "val") == rows(whole, "val") and rows(made, "test") == rows(whole, "test")
        assert rows(made, "out") == rows(whole, "train") - sample
        assert set(made["reason"]) == {"", f"not among the {count} training utterances that are kept"}
        pd.testing.assert_frame_equal(made.drop(columns=["role", "reason"]), whole.drop(columns=["role", "reason"]))


def test_every_class_has_its_share_of_a_sample(manifest):
    whole, made = table(manifest), table(manifest, training=100)
    for fold in range(1, 6):
        before, after = (t[(t["fold"] == fold) & (t["role"] == "train")]["emotion"] for t in (whole, made))
        shares = 100 * before.value_counts() / len(before)
        assert (after.value_counts() - shares).abs().max() < 1 and set(shares.index) > {""}


def test_a_seed_draws_another_sample_and_the_same_again(manifest):
    first, again = table(manifest, training=100), table(manifest.sample(frac=1, random_state=1), training=100)
    assert rows(again, "train") == rows(first, "train")
    other = rows(table(manifest, training=100, training_seed=2), "train")
    by_chance = 100 / len(rows(table(manifest), "train")) * 5
    assert abs(len(other & rows(first, "train")) / 500 - by_chance) < 0.1


def test_a_sample_follows_what_is_kept_apart(manifest):
    mine = manifest.assign(dialogue=[f"d{i % 24}" if i % 3 else f"s{i}" for i in range(len(manifest))])
    made = table(mine, apart=["dialogue"], training=50)
    assert made[made["reason"] == "dialogue shared with test"].groupby("fold").size().min() > 0
    assert made[made["role"] == "train"].groupby("fold").size().tolist() == [50] * 5


def test_a_sample_of_too_many_or_too_few_is_refused(manifest):
    with pytest.raises(UserError, match=r"p\.training: fold 1: 500 training .* there are 288; lower it, or set 0 for"):
        table(manifest, training=500)
    with pytest.raises(UserError, match=r"fold 1: 3 training utterances have none of class '\w+'; keep more"):
        table(manifest, training=3)


def test_a_speaker_in_two_roles_is_refused_as_ever(manifest):
    made = table(manifest, training=100)
    of_fold = dict(zip(made.loc[made["fold"] == 1, "utterance"], made.loc[made["fold"] == 1, "role"], strict=True))
    role = manifest["utterance"].map(of_fold)
    tested = manifest["speaker"][role == "test"].iloc[0]
    other = manifest["speaker"].mask(manifest.index == manifest.index[role == "train"][0], tested)
    with pytest.raises(UserError, match=rf"fold 1: speaker {tested} is in two roles"):
        check_protocol(manifest.assign(speaker=other), made, "p")


def test_the_report_and_the_command_line_say_what_is_kept(tmp_path):
    values = {"kind": "leave-one-group-out", "by": "session", "validation": 1, "training": 6}
    definition = settings.adapt(TypeAdapter(Protocol), values, "p")
    assert rule(definition)[-1] == "6 training utterances of each fold, drawn class by class with seed 1"
    make_corpus(tmp_path, sessions=4)
    ingest(tmp_path)
    write_params(tmp_path, protocols={"p": values, "q": values | {"training": 9}})
    files = ("--manifest", "out/manifest.csv", "--out", "p.csv")
    stage(tmp_path, "protocol", "--corpus", "mine", "--protocol", "p", *files)
    assert "fold 1: out 2, test 4, train 6, val 4" in (tmp_path / "protocol.log").read_text()
    assert [row["role"] for row in read(tmp_path / "p.csv")].count("train") == 24
    error = refused(tmp_path, "protocol", "--corpus", "mine", "--protocol", "q", *files)
    assert "protocols.q.training: fold 1: 9 training utterances are to be kept, but there are 8; lower it" in error


def test_the_shipped_curves_differ_in_training_alone():
    manifest, larger, others, varying = corpus("planted-4800"), None, None, {"protocol": "", "changes": {}}
    for count in reversed(CURVE):
        study = SHIPPED["studies"][f"curve-{count}"]
        assert study | varying == SHIPPED["studies"]["curve-150"] | varying
        made = table(manifest, SHIPPED["protocols"][study["protocol"]])
        assert len(rows(made, "train")) == count
        rest = rows(made, "val"), rows(made, "test")
        assert (len(rest[0]), len(rest[1])) == (480, 1120) and others in (None, rest)
        assert larger is None or rows(made, "train") < larger
        larger, others = rows(made, "train"), rest
