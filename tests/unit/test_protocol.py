"""Protocols: the folds they promise, through the command line, and the faults that they refuse."""

import collections
import itertools
from pathlib import Path

import pandas as pd
import pytest
from pydantic import TypeAdapter

from stages.config import settings
from stages.corpora import emodb, iemocap, msp_podcast
from stages.corpora.manifest import write_manifest
from stages.corpora.ravdess import ACTORS, Ravdess, _row, expected
from stages.parameters.resolve import resolved
from stages.protocols import folds
from stages.protocols.assignment import assign, departures
from stages.protocols.config import Protocol
from stages.protocols.splits import check_protocol
from stages.runtime.errors import UserError
from tests.unit.catalogue import PARAMS, shipped
from tests.unit.small_corpus import ingest, make_corpus, read, refused, shared, stage, write_params, write_table

PROTOCOLS = resolved(PARAMS)["protocols"]
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
    assert list(rows[0]) == ["utterance", "fold", "role", "reason", "emotion", "group", "apart", "leaks", "part"]
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


def test_named_test_parts_are_roles_like_one(corpus):
    lists = {"train": ["Ses1"], "val": ["Ses2"], "test": {"near": ["Ses3"], "far": ["Ses4"]}}
    fixed = {"kind": "fixed", "by": "session"} | lists
    write_params(corpus, protocols={"p": fixed | {"expect": {"part=near": 4, "role=test,part=far": 4}}})
    rows = protocol(corpus, "p")
    assert roles(rows, group) == [{"train": {"Ses1"}, "val": {"Ses2"}, "test": {"Ses3", "Ses4"}}]
    parts = {(row["part"], group(row)) for row in rows}
    assert parts == {("", "Ses1"), ("", "Ses2"), ("near", "Ses3"), ("far", "Ses4")}
    manifest = pd.DataFrame(read(corpus / "out/manifest.csv"))
    for changed, message in (({"role": "val"}, "role val and test part far"), ({"part": ""}, "test part none")):
        edited = pd.DataFrame(rows).astype({"fold": int})
        for name, value in changed.items():
            edited.loc[edited["group"] == "session=Ses4", name] = value
        with pytest.raises(UserError, match=message):
            check_protocol(manifest, edited, "p")


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
FIXED = {"kind": "fixed", "by": "session", "train": ["Ses1"], "val": ["Ses2"]}
FAULTS = {
    "misspelt key": (LOGO | {"validaton": 1}, "did you mean 'validation'?"),
    "missing key": ({"kind": "leave-one-group-out", "by": "session"}, "validation: missing"),
    "misspelt kind": (LOGO | {"kind": "leave-one-out"}, "protocols.p"),
    "misspelt class": (LOGO | {"classes": ["angri", "sad"]}, "labelled 'angri'; did you mean 'angry'?"),
    "misspelt merge": (LOGO | {"merge": {"exited": "happy"}}, "labelled 'exited'; did you mean 'excited'?"),
    "merged class": (LOGO | {"classes": ["excited", "happy"], "merge": {"excited": "happy"}}, "merged into 'happy'"),
    "chain": (LOGO | {"merge": {"excited": "happy", "happy": "sad"}}, "name the final label"),
    "too many": (LOGO | {"validation": 3}, "none is left for training"),
    "unknown group": (FOLDS | {"folds": [["S1F", "S1M"], ["S9F"], ["S2M"]]}, "no speaker 'S9F'"),
    "left over": (FOLDS | {"folds": [["S1F", "S1M"], ["S2F", "S2M"], ["S3F", "S3M"]]}, "S4F, S4M is in no fold"),
    "twice": (FOLDS | {"folds": [["S1F"], ["S1F"], ["S2M"]]}, "'S1F' is tested in two folds"),
    "numbers": (FOLDS | {"folds": [[1, 2], [3, 4]]}, "numbers in quotes"),
    "more folds than groups": (FOLDS | {"folds": 9}, "9 folds of 8 speakers"),
    "unknown count": (LOGO | {"expect": {"sizes": 3}}, "expect: 'sizes' is not"),
    "departure of nothing": (LOGO | {"departures": {"speakers": "gone"}}, "'speakers' is not in expect"),
    "count missed": (LOGO | {"expect": {"utterances": 17}}, "utterances: 16 found, 17 expected"),
    "expression": (LOGO | {"derive": {"x": ["utterance", "(a"]}}, "not a regular expression"),
    "no match": (LOGO | {"derive": {"x": ["utterance", "(Ses)"]}}, "'(Ses)' matches no utterance ('u00' ...)"),
    "nothing selected": (
        LOGO | {"where": {"session": ["Ses9"]}},
        "no utterance has one of: Ses9; did you mean 'Ses",
    ),
    "apart of nothing": (LOGO | {"apart": ["dialogue"]}, "no column 'dialogue'"),
    "undeclared leak": (
        {"kind": "random-folds", "folds": 4, "validation": 2, "seed": 1, "merge": {"excited": "happy"}},
        "speaker S1F is in two roles",
    ),
    "parts of nothing": (LOGO | {"parts": 2}, "divide a column's values"),
    "no split": ({"kind": "fixed", "by": "split", "train": ["a"], "val": ["b"], "test": ["c"]}, "has no split"),
    "empty part": (FIXED | {"test": {"near": ["Ses3"], "far": []}}, "test: is empty, or one of its parts is"),
    "part twice": (FIXED | {"test": {"near": ["Ses3"], "far": ["Ses3"]}}, "'Ses3' is listed twice"),
    "part of a name": (FIXED | {"test": {"Far away": ["Ses3"]}}, "a part's name has only lower-case letters"),
    "part of what is out": (
        FIXED | {"test": {"near": ["Ses3"], "far": ["Ses4"]}, "where": {"session": ["Ses1", "Ses2", "Ses3"]}},
        "this corpus has no session 'Ses4'",
    ),
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
    rows[-1] |= {"speaker": "S1F", "gender": "female"}
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


def test_protocols_of_true_ravdess(tmp_path):
    path = str(shared("corpora/ravdess"))
    write_params(
        tmp_path,
        ingest={"workers": 2},
        corpora={"mine": shipped(Ravdess, path=path)},
        protocols=PROTOCOLS,
    )
    ingest(tmp_path)
    rows = protocol(tmp_path, "ravdess-emobox")
    assert len(rows) == 6 * 1440
    for i, fold in enumerate(roles(rows, lambda row: row["utterance"][-2:])):
        assert fold["test"] == set(EMOBOX[i]) and fold["val"] == set(EMOBOX[(i + 1) % 6])
        assert len(fold["train"]) == 16

    rows = protocol(tmp_path, "pepino2021-ravdess")
    assert sizes(rows) == {"train": 1200, "val": 120, "test": 120}
    assert classes_tested(rows) == {"neutral": 24} | dict.fromkeys(
        ("happy", "sad", "angry", "fearful", "disgust", "surprised"), 16
    )
    released = "pepino2021-ravdess-released"
    assert "utterances: 1440 found, 2452 expected; complete the corpus" in protocol(tmp_path, released, refused)
    song = [name for name in PROTOCOLS[released]["expect"] if "speech" not in name]
    kept = ("role=test,emotion=disgust", "role=test,emotion=surprised")
    departures = {name: "the song part is not at hand" for name in song if name not in kept}
    write_params(tmp_path, protocols={released: PROTOCOLS[released] | {"departures": departures}})
    assert sizes(protocol(tmp_path, released)) == {"train": 1200, "val": 120, "test": 120}

    write_params(tmp_path, protocols=PROTOCOLS)
    rows = protocol(tmp_path, "issa-ravdess")
    assert {row["leaks"] for row in rows} == {"speaker"} and {row["reason"] for row in rows} == {""}
    tested = [sum(r["fold"] == str(f) and r["role"] == "test" for r in rows) for f in range(1, 6)]
    assert sum(tested) == 1440 and max(tested) - min(tested) <= 2
    twins = ["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]  # the same audio in the release itself
    assert len({(r["fold"], r["role"]) for r in rows if r["utterance"] in twins}) == 5
    held = [
        {r["emotion"] for r in rows if r["fold"] == f and r["role"] == role}
        for f in "12345"
        for role in ("val", "test")
    ]
    assert all(len(found) == 8 for found in held)


def sizes(rows: list[dict]) -> dict[str, int]:
    return dict(collections.Counter(row["role"] for row in rows))


def classes_tested(rows: list[dict]) -> dict[str, int]:
    return dict(collections.Counter(row["emotion"] for row in rows if row["role"] == "test"))


def test_released_pepino_variant_has_the_papers_sizes():
    """From the file names alone, for the song part cannot be had here."""
    manifest = pd.DataFrame([_row(Path(f"{name}.wav"), Path()) for name in expected(song=True)])
    manifest["sha256"] = manifest["utterance"]
    manifest["session"] = manifest["split"] = ""
    definition = settings.adapt(TypeAdapter(Protocol), PROTOCOLS["pepino2021-ravdess-released"], "p")
    table = assign(definition, manifest, "p")
    assert departures(definition, table, manifest, "p") == []
    assert sizes(table.to_dict("records")) == {"train": 2036, "val": 208, "test": 208}
    assert classes_tested(table.to_dict("records")) == {
        **{"neutral": 48, "happy": 32, "sad": 32, "angry": 32, "fearful": 32, "disgust": 16, "surprised": 16}
    }


def whole(name: str) -> list[dict]:
    """A manifest with the counts of a whole release: utterances, speakers, sessions, splits and classes."""
    if name == "iemocap":
        classes = {"angry": 1103, "happy": 595, "excited": 1041, "neutral": 1708, "sad": 1084}
        ordered = [emotion for emotion, count in classes.items() for _ in range(count)]
        four = [ordered[i * 7 % len(ordered)] for i in range(len(ordered))]  # every session has every class
        rows = []
        for session, count in iemocap.FOUR.items():
            labels, four = four[:count], four[count:]
            labels += ["frustrated"] * (iemocap.TURNS - 5531) if session == "Session5" else []
            place = {"session": session, "dialogue": f"Ses0{session[-1]}F_impro01"}
            rows += [place | {"speaker": f"{session}{'FM'[i % 2]}", "emotion": e} for i, e in enumerate(labels)]
        return rows
    if name == "emodb":
        classes = [emotion for emotion, count in emodb.COUNTS.items() for _ in range(count)]
        speakers = [speaker for speaker, count in emodb.OF_SPEAKER.items() for _ in range(count)]
        return [{"speaker": s, "emotion": classes[i * 7 % 535]} for i, s in enumerate(speakers)]
    if name == "crema-d":
        counts = dict.fromkeys(("angry", "disgust", "fearful", "happy"), 1271) | {"neutral": 1087, "sad": 1270}
        classes = [emotion for emotion, count in counts.items() for _ in range(count)]
        return [{"speaker": str(1001 + i % 91), "emotion": emotion} for i, emotion in enumerate(classes)]
    splits = [split for split, count in msp_podcast.SPLITS[name].items() for _ in range(count)]
    labels = ("angry", "neutral", "sad")
    return [{"split": s, "speaker": s + str(i % 40), "emotion": labels[i % 3]} for i, s in enumerate(splits)]


COUNTED = {
    "iemocap-sessions": ("iemocap", [(3423, 1023, 1085)]),
    "iemocap-sessions-all": ("iemocap", None),
    "iemocap-speakers": ("iemocap", None),
    "emodb-speakers": ("emodb", None),
    "cremad-speakers": ("crema-d", None),
    "msp-1-6": ("1.6", [(34_280, 5_958, 10_124)]),
    "msp-1-10": ("1.10", [(63_076, 10_999, 16_903 + 13_289)]),
    "msp-1-11-test2": ("1.11", [(84_030, 19_815, 14_815)]),
}


@pytest.mark.parametrize("name", COUNTED)
def test_shipped_protocol_has_the_counts_of_the_release(name):
    release, first = COUNTED[name]
    manifest = pd.DataFrame(whole(release))
    manifest["utterance"] = manifest["sha256"] = [f"u{i:06d}" for i in range(len(manifest))]
    unknown = [name for name in ("session", "split", "gender", "text") if name not in manifest]
    manifest[unknown] = ""
    definition = settings.adapt(TypeAdapter(Protocol), PROTOCOLS[name], "p")
    table = assign(definition, manifest, "p")
    check_protocol(manifest, table, "p")
    assert definition.expect and departures(definition, table, manifest, "p") == []
    for fold, wanted in enumerate(first or (), 1):
        roles = table[table["fold"] == fold]["role"].value_counts()
        assert (roles["train"], roles["val"], roles["test"]) == wanted
    gone = manifest.drop(index=0)
    with pytest.raises(UserError, match=r"expect: .*: \d+ found, \d+ expected; complete the corpus"):
        departures(definition, assign(definition, gone, "p"), gone, "p")


def test_crema_d_has_the_five_sets_of_emo_superb():
    sets = PROTOCOLS["cremad-speakers"]["folds"]
    assert [(fold[0], fold[-1], len(fold)) for fold in sets] == [
        ("1001", "1018", 18),
        ("1019", "1036", 18),
        ("1037", "1054", 18),
        ("1055", "1072", 18),
        ("1073", "1091", 19),
    ]
    found = folds.group_folds(sets, dict.fromkeys(itertools.chain(*sets), ""), 0)
    for i, fold in enumerate(found):
        assert [g for g, role in fold.items() if role == "test"] == sets[i]
        assert [g for g, role in fold.items() if role == "val"] == sets[(i + 1) % 5]


@pytest.fixture(scope="module")
def dyadic(tmp_path_factory):
    """Names, sessions and dialogues as in IEMOCAP: 5 sessions of two, each with the same 2 scenarios and 2 scripts."""
    folder = tmp_path_factory.mktemp("dyadic")
    rows = []
    for session, scenario, sex in itertools.product(range(1, 6), DIALOGUES, "FM"):
        for i, emotion in enumerate(("angry", "excited", "happy", "neutral", "sad", "frustrated", "")):
            dialogue = f"Ses0{session}F_{scenario}"
            row = {"utterance": f"{dialogue}_{sex}{i:03d}", "speaker": f"Ses0{session}{sex}", "dialogue": dialogue}
            row |= {"session": f"Session{session}", "gender": {"F": "female", "M": "male"}[sex], "duration": 1.0}
            row |= {"emotion": emotion, "text": f"line {i} of {scenario}", "votes_sad": 0.5, "votes_angry": 0.5}
            if i < 5:
                row |= {"votes_sad": 1 / 3, "votes_angry": 2 / 3} if i == 2 else {"votes_sad": 0.0, "votes_angry": 1.0}
            rows.append(row | {"sha256": row["utterance"]})
    (folder / "out").mkdir()
    write_manifest(folder / "out/manifest.csv", rows)
    counts = {"expect": {"utterances": 200}}
    write_params(folder, protocols={n: p | (counts if "expect" in p else {}) for n, p in PROTOCOLS.items()})
    return folder


DIALOGUES = ("impro01", "impro02", "script01_1", "script01_2")


def test_iemocap_by_session(dyadic):
    rows = protocol(dyadic, "iemocap-sessions")
    assert sizes(rows) == {"train": 600, "val": 200, "test": 200, "out": 400}
    assert {r["reason"] for r in rows if r["role"] == "out"} == {
        "of no class: 'frustrated'",
        "of no class: no label, or no agreement",
    }
    assert classes_tested(rows) == {"angry": 40, "happy": 80, "neutral": 40, "sad": 40}
    whole = protocol(dyadic, "iemocap-sessions-all", refused)
    assert "iemocap-sessions-all.expect: utterances: 280 found, 200 expected" in whole and "departures" in whole


def test_iemocap_improvised_and_full_agreement(dyadic):
    rows = protocol(dyadic, "iemocap-improvised")
    assert {r["utterance"].split("_")[1] for r in rows if r["role"] == "test"} == {"impro01", "impro02"}
    assert "part 'script' is not selected" in {r["reason"] for r in rows}
    agreed = [r["utterance"] for r in protocol(dyadic, "issa-iemocap") if r["role"] == "test"]
    assert len(agreed) == 80 and {name[-1] for name in agreed} == {"0", "1", "3", "4"}


def test_iemocap_by_speaker_leaves_the_partner_out(dyadic):
    rows = protocol(dyadic, "iemocap-speakers")
    found = roles([r for r in rows if not r["reason"].startswith("of no")], group)
    assert len(found) == 10
    assert found[0] == {
        "test": {"Ses01F"},
        "out": {"Ses01M"},
        "val": {"Ses02F", "Ses02M"},
        "train": {f"Ses0{s}{x}" for s in (3, 4, 5) for x in "FM"},
    }
    assert {r["reason"] for r in rows if r["role"] == "out" and r["emotion"]} == {"dialogue shared with test"}


def test_iemocap_script_disjoint(dyadic):
    rows = protocol(dyadic, "iemocap-scripts")
    found = roles([r for r in rows if r["role"] != "out"], lambda row: row["utterance"].split("_", 1)[1][:-5])
    assert len(found) == 10
    for fold in found:
        assert not fold["test"] & (fold["train"] | fold["val"]) and fold["train"] == fold["val"]
    assert found[0]["test"] == {"impro01", "script01_1"} and found[1]["test"] == {"impro02", "script01_2"}
    assert sizes(rows)["test"] == 200


def test_selection_of_a_column_that_is_not_there(dyadic):
    error = protocol(dyadic, "ravdess-emobox", refused)
    assert "ravdess-emobox.where: this corpus' manifest has no column 'channel'" in error


def test_emodb_and_crema_d_keep_speakers_whole(tmp_path):
    rows = make_corpus(tmp_path, sessions=6)
    ingest(tmp_path)
    free = {
        name: {k: v for k, v in PROTOCOLS[name].items() if k != "expect"}
        for name in ("cremad-speakers", "emodb-speakers")
    }
    free["cremad-speakers"] |= {"folds": 5}
    write_params(tmp_path, protocols=free)
    sets = roles(protocol(tmp_path, "cremad-speakers"), group)
    assert len(sets) == 5 and [len(fold["test"]) for fold in sets] == [3, 3, 2, 2, 2]
    assert all(fold["val"] == sets[(i + 1) % 5]["test"] for i, fold in enumerate(sets))
    single = roles(protocol(tmp_path, "emodb-speakers"), group)
    assert [len(fold["test"]) for fold in single] == [1] * 12 and all(len(fold["val"]) == 2 for fold in single)
    assert {row["speaker"] for row in rows} == set().union(*(fold["test"] for fold in single))


def test_test_sentences_are_kept_apart(tmp_path):
    rows = make_corpus(tmp_path, sessions=4)
    for i, row in enumerate(rows):
        row["text"] = "Kids are talking!" if i in (0, 5) else f"sentence {i}"
    write_table(tmp_path, rows)
    ingest(tmp_path)
    write_params(tmp_path, protocols={"p": LOGO | {"apart": ["text"]}})
    found = protocol(tmp_path, "p")
    out = {(r["fold"], r["utterance"], r["reason"]) for r in found if r["role"] == "out"}
    assert out == {("1", "u05", "text shared with test"), ("2", "u00", "text shared with test")}
    assert {r["apart"] for r in found if r["utterance"] == "u00"} == {"text=kids are talking"}
