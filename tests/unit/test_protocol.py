"""Protocols: the folds they promise, through the command line, and the faults that they refuse."""

import pytest
from pydantic import TypeAdapter

from stages import settings
from stages.corpora import folds
from stages.corpora.ravdess import ACTORS, Ravdess
from stages.errors import UserError
from stages.protocol import Protocol
from tests.unit.small_corpus import ingest, make_corpus, read, refused, shared, stage, write_params, write_table

SEXES = {actor: "male" if int(actor) % 2 else "female" for actor in ACTORS}
EMOBOX = [
    fold.split() for fold in ("01 11 20 21", "04 10 12 14", "08 09 19 23", "03 05 07 24", "02 15 16 18", "06 13 17 22")
]


def protocol(folder, name: str, run=stage, out: str = "p.csv"):
    files = ("--manifest", "out/manifest.csv", "--out", out)
    error = run(folder, "protocol", "--corpus", "mine", "--protocol", name, *files)
    return error if run is refused else read(folder / out)


def roles(rows: list[dict], by) -> list[dict[str, set]]:
    """Per fold, the values of ``by`` (a function of the row) in each role."""
    found: list[dict[str, set]] = []
    for fold in sorted({int(row["fold"]) for row in rows}):
        own = [row for row in rows if row["fold"] == str(fold)]
        found.append({role: {by(row) for row in own if row["role"] == role} for role in {r["role"] for r in own}})
    return found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, sessions=4)
    ingest(folder)
    return folder


def group(row: dict) -> str:
    return row["group"].partition("=")[2]


def test_leave_one_session_out(corpus):
    write_params(corpus, protocols={"p": {"kind": "leave-one-group-out", "by": "session", "validation": 1}})
    rows = protocol(corpus, "p")
    assert list(rows[0]) == ["utterance", "fold", "role", "reason", "emotion", "group"]
    assert len(rows) == 4 * 16
    wanted = []
    for i in range(4):
        rest = {f"Ses{j + 1}" for j in range(4)} - {f"Ses{i + 1}", f"Ses{(i + 1) % 4 + 1}"}
        wanted.append({"test": {f"Ses{i + 1}"}, "val": {f"Ses{(i + 1) % 4 + 1}"}, "train": rest})
    assert roles(rows, group) == wanted
    assert {row["emotion"] for row in rows} == {"angry", "happy", "sad", "excited"}


def test_classes_and_merges_change_labels_but_no_roles(corpus):
    labels = {"classes": ["happy", "angry"], "merge": {"excited": "happy"}}
    plain = {"kind": "leave-one-group-out", "by": "session", "validation": 1}
    write_params(corpus, protocols={"p": plain, "q": plain | labels})
    before, after = protocol(corpus, "p"), protocol(corpus, "q", out="q.csv")
    assert [(r["utterance"], r["fold"], r["role"]) for r in before] == [
        (r["utterance"], r["fold"], r["role"]) for r in after
    ]
    renamed = {"excited": "happy", "sad": ""}
    assert [row["emotion"] for row in after] == [renamed.get(r["emotion"], r["emotion"]) for r in before]


def test_fixed_takes_lists_and_states_who_is_out(corpus):
    lists = {"train": ["Ses1"], "val": ["Ses2"], "test": ["Ses4"]}
    write_params(corpus, protocols={"p": {"kind": "fixed", "by": "session"} | lists})
    rows = protocol(corpus, "p")
    assert len(rows) == 16
    assert roles(rows, group) == [{"train": {"Ses1"}, "val": {"Ses2"}, "test": {"Ses4"}, "out": {"Ses3"}}]
    assert {row["reason"] for row in rows} == {"", "session 'Ses3' has no role"}


def test_unknown_speaker_is_out_with_a_reason(tmp_path):
    rows = make_corpus(tmp_path)
    rows[3]["speaker"] = ""
    write_table(tmp_path, rows)
    ingest(tmp_path)
    write_params(tmp_path, protocols={"p": LOGO | {"by": "speaker", "merge": {"excited": "happy"}}})
    found = [row for row in protocol(tmp_path, "p") if row["role"] == "out"]
    assert {row["utterance"] for row in found} == {"u03"} and {row["reason"] for row in found} == {"speaker unknown"}
    assert len(found) == 6


def test_dealt_folds_balance_the_sexes():
    dealt = folds.deal(SEXES, 6)
    assert all(sorted(SEXES[a] for a in fold) == ["female", "female", "male", "male"] for fold in dealt)
    assert sorted(a for fold in dealt for a in fold) == list(ACTORS)
    odd = folds.deal({f"s{i}": "fm"[i % 2] for i in range(10)}, 4)
    assert sorted(len(fold) for fold in odd) == [2, 2, 3, 3]
    assert sorted(sum(int(s[1]) % 2 for s in fold) for fold in odd) == [1, 1, 1, 2]


def test_emobox_folds_validate_on_the_next_folds_actors():
    for i, fold in enumerate(folds.group_folds(EMOBOX, SEXES, 4)):
        found = {role: {a for a, r in fold.items() if r == role} for role in ("train", "val", "test")}
        assert found["test"] == set(EMOBOX[i]) and found["val"] == set(EMOBOX[(i + 1) % 6])
        assert len(found["train"]) == 16
    two = folds.group_folds(EMOBOX, SEXES, 2)[2]
    assert {a for a, role in two.items() if role == "val"} == {"03", "24"}  # of 03 05 07 24: one of each sex
    six = folds.group_folds(EMOBOX, SEXES, 6)[4]
    assert sum(role == "val" for role in six.values()) == 6


def test_groups_are_ordered_as_people_count():
    assert sorted(["Ses10", "Ses2", "Ses1"], key=folds.natural) == ["Ses1", "Ses2", "Ses10"]


LOGO = {"kind": "leave-one-group-out", "by": "session", "validation": 1}
FOLDS = {"kind": "group-folds", "by": "speaker", "folds": 4, "validation": 1}
FAULTS = {
    "misspelt key": (LOGO | {"validaton": 1}, "did you mean 'validation'?"),
    "missing key": ({"kind": "leave-one-group-out", "by": "session"}, "validation: missing"),
    "misspelt kind": (LOGO | {"kind": "leave-one-out"}, "protocols.p"),
    "misspelt class": (LOGO | {"classes": ["angri", "sad"]}, "labelled 'angri'; did you mean 'angry'?"),
    "misspelt merge": (LOGO | {"merge": {"exited": "happy"}}, "labelled 'exited'; did you mean 'excited'?"),
    "merged class": (LOGO | {"classes": ["excited", "happy"], "merge": {"excited": "happy"}}, "merged into 'happy'"),
    "chain": (LOGO | {"merge": {"excited": "happy", "happy": "sad"}}, "name the last target"),
    "too many": (LOGO | {"validation": 3}, "leaves none for training"),
    "unknown group": (FOLDS | {"folds": [["S1F", "S1M"], ["S9F"], ["S2M"]]}, "no speaker 'S9F'"),
    "left over": (FOLDS | {"folds": [["S1F", "S1M"], ["S2F", "S2M"], ["S3F", "S3M"]]}, "S4F, S4M is in no fold"),
    "twice": (FOLDS | {"folds": [["S1F"], ["S1F"], ["S2M"]]}, "'S1F' is tested in two folds"),
    "numbers": (FOLDS | {"folds": [[1, 2], [3, 4]]}, "numbers in quotes"),
    "more folds than groups": (FOLDS | {"folds": 9}, "9 folds of 8 speakers"),
    "no split": ({"kind": "fixed", "by": "split", "train": ["a"], "val": ["b"], "test": ["c"]}, "knows no split"),
    "no class in training": (
        {"kind": "fixed", "by": "speaker", "train": ["S1F"], "val": ["S2F"], "test": ["S3M", "S2M"]},
        "no training utterance of class",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_the_parameters_is_named(corpus, fault):
    values, message = FAULTS[fault]
    write_params(corpus, protocols={"p": values})
    assert message in protocol(corpus, "p", refused)


def test_speakers_in_two_sessions_are_refused(tmp_path):
    rows = make_corpus(tmp_path)
    rows[-1]["speaker"] = "S1F"
    write_table(tmp_path, rows)
    ingest(tmp_path)
    error = protocol(tmp_path, "sessions", refused)
    assert "speaker S1F is in two roles" in error and "u11" in error


def test_parameters_alone_are_checked_without_a_corpus():
    adapter = TypeAdapter(Protocol)
    with pytest.raises(UserError, match="listed twice"):
        values = {"kind": "fixed", "by": "speaker", "train": ["a"], "val": ["a"], "test": ["b"]}
        settings.adapt(adapter, values, "protocols.p")
    assert settings.adapt(adapter, LOGO, "protocols.p").merge == {}


def test_emobox_on_true_ravdess(tmp_path):
    path = str(shared("corpora/ravdess"))
    write_params(
        tmp_path,
        ingest={"workers": 2},
        corpora={"mine": Ravdess.shipped(path=path)},
        protocols={"p": {"kind": "group-folds", "by": "speaker", "folds": EMOBOX, "validation": 4}},
    )
    ingest(tmp_path)
    rows = protocol(tmp_path, "p")
    assert len(rows) == 6 * 1440
    for i, fold in enumerate(roles(rows, lambda row: row["utterance"][-2:])):
        assert fold["test"] == set(EMOBOX[i]) and fold["val"] == set(EMOBOX[(i + 1) % 6])
        assert len(fold["train"]) == 16
