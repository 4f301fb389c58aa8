"""What people's own tables and releases get wrong: each mistake is named by file, line and field, or read as meant."""

import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from pydantic import TypeAdapter

from stages.conditions import other_corpus
from stages.corpora import csv_file, readers, release
from stages.corpora.table import Table, provides
from stages.prediction.clips import Request, requests
from stages.protocols.assignment import assign
from stages.protocols.config import Protocol
from stages.raw_inputs import weights
from stages.recipes import external
from stages.runtime.errors import UserError
from tests.unit import corpus_trees as trees
from tests.unit.catalogue import PARAMS
from tests.unit.small_corpus import ingest, make_corpus, read, write_params, write_table
from tests.unit.test_corpora import audformat_tree, of

COMPOSED, APART = (unicodedata.normalize(form, "Ren\u00e9") for form in ("NFC", "NFD"))
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


def table(folder: Path, text: str | bytes, **changes) -> list[dict]:
    """The rows that the reader makes of a table; its files, ``1.wav`` and so on, are there."""
    for i in range(1, 10):
        (folder / f"{i}.wav").touch()
    path = folder / "mine.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    entry = Table(reader="table", table=str(path), audio=str(folder), **changes)
    return readers.read(entry, "mine").rows


def refusal(folder: Path, text: str | bytes, **changes) -> str:
    with pytest.raises(UserError) as caught:
        table(folder, text, **changes)
    return str(caught.value)


def test_blanks_and_quotes_around_fields_and_names_do_not_count(tmp_path):
    rows = table(tmp_path, 'file, speaker , "emotion",text\n1.wav, "s1", "sad" , "well, ""no"""\n\n 2.wav ,s2,glad,\n')
    wanted = [("1", "s1", "sad", 'well, "no"'), ("2", "s2", "glad", "")]
    assert [tuple(row[name] for name in ("utterance", "speaker", "emotion", "text")) for row in rows] == wanted
    assert provides({"table": str(tmp_path / "mine.csv")}) == {"file", "speaker", "emotion", "text"}
    (tmp_path / "mine.csv").write_text("file;speaker\n")
    with pytest.raises(UserError, match="separated by semicolons"):  # not: this corpus has no such labels
        provides({"table": str(tmp_path / "mine.csv")})


FAULTS = {
    "semicolons": (
        "file;speaker\n1.wav;s1\n",
        "line 1: fields are separated by semicolons; save it as CSV with commas",
    ),
    "tabs": ("file\tspeaker\n1.wav\ts1\n", "line 1: fields are separated by tabs"),
    "UTF-16": ("file,speaker\n1.wav,s1\n".encode("utf-16"), "UTF-16 or binary, not a CSV in UTF-8; save it as 'CSV"),
    "UTF-16 without mark": ("file,speaker\n1.wav,s1\n".encode("utf-16-le"), "UTF-16 or binary"),
    "Latin-1": ("file,speaker\n1.wav,s1\n2.wav,Ren\xe9\n".encode("latin-1"), "line 3: not UTF-8 (byte 0xe9); save it"),
    "workbook": (b"PK\3\4" + b"x" * 600, "a workbook, not a CSV; export its sheet"),
    "pointer": (POINTER, "a Git LFS pointer, not the file; run 'git lfs pull' in "),
    "surplus": ("file,text\n1.wav,a\n2.wav,b, c\n", "line 3: 3 fields where the header has 2; put quotes around"),
    "open quote": ('file,text\n1.wav,a\n2.wav,"b\n3.wav,c\n', "line 3: a quote that is opened here is never"),
    "twice": ("file,text,text\n1.wav,a,b\n", "line 1: column 'text' occurs twice"),
    "nameless": ("file,,text\n1.wav,a,b\n", "line 1: a column has no name"),
    "misspelt": ("flie,text\n1.wav,a\n", "line 1: no column 'file'; did you mean 'flie'?"),
    "underscore": ("file,arousal\n1.wav,1_000\n", "line 2: arousal: '1_000' is not a number; correct it or leave it"),
    "comma": ('file,valence\n1.wav,"2,5"\n', "line 2: valence: '2,5' is not a number (decimals take a point)"),
    "votes": ("file,votes_sad\n1.wav,many\n", "line 2: votes_sad: 'many' is not a number"),
    "not a number": ("file,arousal\n1.wav,nan\n", "line 2: arousal: 'nan' is not a number"),
    "gender": ("file,gender\n1.wav,diverse\n", "line 2: gender: 'diverse' is not female, male or empty"),
    "quotes inside": ('file,emotion\n1.wav,a "sad" one\n', 'line 2: emotion: a "sad" one has quotes in it'),
    "case of a name": ("file\n1.WAV\n", "there is '1.wav', which differs only in case: rename one of them"),
    "suffix": ("file\n1.flac\n", "there is '1.wav': correct the suffix"),
    "flat": ("file\nclips/1.wav\n", "1.wav: leave the folder out of the name"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_as_what_it_is(tmp_path, fault):
    text, message = FAULTS[fault]
    assert message in refusal(tmp_path, text) and str(tmp_path / "mine.csv") in refusal(tmp_path, text)


def test_all_faults_of_a_table_are_shown_at_once(tmp_path, caplog):
    lines = ["1.wav,s1,2", "none.wav,s1,2", "2.wav,s1,x", ",s1,2", "1.wav,s1,2"]
    error = refusal(tmp_path, "\n".join(["file,speaker,arousal", *lines]))
    assert "line 3: file: no such file" in error and error.endswith(
        "(3 more lines of this table have faults, see above)"
    )
    shown = [record.message.removeprefix(f"{tmp_path / 'mine.csv'}: ") for record in caplog.records]
    assert [line.partition(";")[0] for line in shown] == [
        "line 4: arousal: 'x' is not a number",
        "line 5: file: empty",
        "line 6: utterance: '1' is on line 2 too",
    ]
    text = "\n".join(["file", *(f"none{i}.wav" for i in range(60))])
    caplog.clear()
    assert "(59 more lines of this table have faults, the first 39 above)" in refusal(tmp_path, text)
    assert len(caplog.records) == 39


def test_a_file_whose_name_has_another_unicode_form_is_named(tmp_path):
    (tmp_path / f"{APART}.wav").touch()
    error = refusal(tmp_path, f"file\n{COMPOSED}.wav\n")
    assert "there is 'Rene\\u0301.wav', which differs only in Unicode form" in error
    (tmp_path / "below").mkdir()
    (tmp_path / "below/deep.wav").touch()
    assert "write 'below/deep.wav'" in refusal(tmp_path, "file\ndeep.wav\n")


@pytest.mark.parametrize(
    ("column", "one", "other", "shown"),
    [
        ("emotion", "Angry", "angry", "'Angry' ({0}: line 2) and 'angry' ({0}: line 3)"),
        ("speaker", "01", "1", "'01' ({0}: line 2) and '1' ({0}: line 3)"),
        ("speaker", "s01", "S1", "'s01' ({0}: line 2) and 'S1' ({0}: line 3)"),
        ("session", "take 1", "take1", "'take 1' ({0}: line 2) and 'take1' ({0}: line 3)"),
        ("split", "Train", "train", "'Train' ({0}: line 2) and 'train' ({0}: line 3)"),
        ("speaker", COMPOSED, APART, "'Ren\\xe9' ({0}: line 2) and 'Rene\\u0301' ({0}: line 3)"),
    ],
)
def test_names_that_differ_in_spelling_alone_stop_unless_the_entry_says_that_they_differ(
    tmp_path, column, one, other, shown
):
    text = f"file,{column}\n1.wav,{one}\n2.wav,{other}\n3.wav,{one}\n4.wav,else\n5.wav,\n6.wav,\n"
    error = refusal(tmp_path, text)
    assert error.startswith(f"corpora.mine: {column}: " + shown.format(tmp_path / "mine.csv"))
    assert "differ only in case, blanks, leading zeros or Unicode form" in error
    assert f"corpora.mine.distinct: [{column}]" in error
    rows = table(tmp_path, text, distinct=[column])
    assert [row[column] for row in rows] == [one, other, one, "else", "", ""]


def test_numbers_and_words_that_do_differ_are_let_alone(tmp_path):
    text = "file,speaker,emotion\n1.wav,1,sad\n2.wav,10,glad\n3.wav,100,saddle\n4.wav,001x,s ad 1\n"
    assert len(table(tmp_path, text)) == 4


def test_a_speaker_of_both_sexes_is_named(tmp_path):
    text = "file,speaker,gender\n1.wav,s1,F\n2.wav,s2,m\n3.wav,s1,\n4.wav,s1,male\n"
    where = tmp_path / "mine.csv"
    wanted = f"corpora.mine: gender: speaker s1 is female ({where}: line 2) and male ({where}: line 5); correct one"
    assert refusal(tmp_path, text).startswith(wanted)


def test_an_unknown_speaker_is_nobody(tmp_path):
    rows = table(tmp_path, "file,speaker,gender\n1.wav,unknown,Unknown\n2.wav,UNKNOWN,male\n3.wav,s1,FEMALE\n")
    assert [(row["speaker"], row["gender"]) for row in rows] == [("", ""), ("", "male"), ("s1", "female")]


def test_a_table_to_predict_is_read_as_a_corpus_is(tmp_path):
    asked = tmp_path / "asked.csv"
    asked.write_text('\ufefffile, speaker, text\n1.wav, "s1", "a, b"\n/abs/2.wav,Unknown,\n')
    first, second = requests([], [], False, asked)
    assert first == Request("1.wav", "s1", "a, b", tmp_path) and second == Request("/abs/2.wav", "", "", tmp_path)
    assert (first.folder / first.file, second.folder / second.file) == (tmp_path / "1.wav", Path("/abs/2.wav"))
    for text, message in {
        "file,text\n1.wav,a,b\n": "line 2: 3 fields where the header has 2",
        "file;text\n1.wav;a\n": "line 1: fields are separated by semicolons",
        "file,speaker\n1.wav,s1\n2.wav,S1\n": "speaker: 's1' (line 2) and 'S1' (line 3) differ only in case",
        "file,speaker\n,s1\n": "line 2: file: empty",
        "file,speaker\n": "no lines below the header",
    }.items():
        asked.write_text(text)
        with pytest.raises(UserError, match=re.escape(message)):
            requests([], [], False, asked)
    with pytest.raises(UserError, match=r"none\.csv: no such file; correct the path"):
        requests([], [], False, tmp_path / "none.csv")


def test_predictions_made_elsewhere_are_read_as_a_corpus_is(tmp_path):
    (tmp_path / "p.csv").write_text('utterance, pred_emotion\nu1, "sad"\nu2,glad\n')
    assert external._read(tmp_path / "p.csv").to_dict("list") == {
        "utterance": ["u1", "u2"],
        "pred_emotion": ["sad", "glad"],
    }
    (tmp_path / "p.csv").write_text("utterance;pred_emotion\nu1;sad\n")
    with pytest.raises(UserError, match="separated by semicolons"):
        external._read(tmp_path / "p.csv")


def test_a_trial_does_not_leave_out_a_class_for_its_spelling():
    rows = pd.DataFrame({"utterance": ["a", "b", "c"], "emotion": ["angry", "Angry", "bored"]})
    with pytest.raises(UserError, match=r"r\.x: 'Angry' of that corpus and the study's 'angry' differ only in their"):
        other_corpus.truth(rows, "emotion", ["angry", "sad"], [], "r.x")
    found, left = other_corpus.truth(rows.replace("Angry", "sad"), "emotion", ["angry", "sad"], [], "r.x")
    assert found["true_emotion"].tolist() == ["angry", "sad"] and left == {"bored": 1}


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_votes_of_crema_d_that_are_no_counts_are_named_by_line(tmp_path):
    trees.crema_d(tmp_path)
    votes = tmp_path / "processedResults/tabulatedVotes.csv"
    edited(votes, "100002,3,3,", "100002,3,NA,")
    with pytest.raises(UserError, match=re.escape(f"{votes}: line 3: D: 'NA' is not a whole number; take the release")):
        of("crema-d", tmp_path, partial=True)
    edited(votes, "NA", "3")
    edited(votes, "100002,", "1e5,")
    with pytest.raises(UserError, match="line 3: first field: '1e5' is not a whole number"):
        of("crema-d", tmp_path, partial=True)
    edited(tmp_path / "VideoDemographics.csv", "32,Male", "32,N/A")
    with pytest.raises(UserError, match=r"VideoDemographics\.csv: line 3: Sex: 'N/A' is not female, male"):
        of("crema-d", tmp_path, partial=True)


def test_labels_of_msp_podcast_are_judged_where_they_stand(tmp_path):
    trees.msp_podcast(tmp_path)
    labels = tmp_path / "Labels/labels_consensus.csv"
    edited(labels, "Unknown,Unknown", "unknown,UNKNOWN")
    row = next(
        row for row in of("msp-podcast", tmp_path, partial=True, version="1.12").rows if row["utterance"][-1] == "9"
    )
    assert (row["speaker"], row["gender"]) == ("", "")
    for old, new, message in (
        ("12,Female", "12,Other", "line 4: Gender: 'Other' is not female, male or empty; correct it or leave it empty"),
        ("5.0,6.0", "5.0,1_000", "line 4: EmoVal: '1_000' is not a number"),
        ("0033.wav,H", "0033.wav,Q", "line 4: EmoClass: 'Q' is not one of A S H U F D C N O X"),
        ("4.5,12,", "4.5,030,", f"speaker: '30' ({labels}: line 2) and '030' ({labels}: line 4) differ only in case"),
    ):
        edited(labels, old, new)
        with pytest.raises(UserError, match=re.escape(message)):
            of("msp-podcast", tmp_path, partial=True, version="1.12")
        edited(labels, new, old)
    edited(tmp_path / "Labels/labels_detailed.csv", "V:3.000000", "V:3.0.0")
    with pytest.raises(UserError, match=r"labels_detailed\.csv: line 4: '3\.0\.0' is not a number"):
        of("msp-podcast", tmp_path, partial=True, version="1.12")


def test_a_speaker_of_two_sexes_in_a_release_is_listed(tmp_path):
    trees.msp_podcast(tmp_path)
    edited(tmp_path / "Labels/labels_consensus.csv", "4.5,12,Female", "4.5,30,Female")
    found = of("msp-podcast", tmp_path, partial=True, version="1.12")
    (listed,) = [each for each in found.departures if "speaker 30" in each.reason]
    assert "speaker 30 is male" in listed.reason and "and female" in listed.reason


def test_listeners_of_emodb_and_turns_of_iemocap_are_judged_by_line(tmp_path):
    trees.emodb(tmp_path / "e")
    trees.text(tmp_path / "e/emodb/erkennung.txt", "Satz\terkannt\n03a01Fa.wav\tviele\n")
    with pytest.raises(UserError, match=r"erkennung\.txt: line 2: erkannt: 'viele' is not a number"):
        of("emodb", tmp_path / "e", partial=True)
    trees.text(tmp_path / "e/emodb/erkennung.txt", "")
    assert {row["recognised"] for row in of("emodb", tmp_path / "e", partial=True).rows} == {None}
    trees.iemocap(tmp_path / "i")
    edited(tmp_path / "i/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", "[2.5000, 2.5000", "[2.5.0, 2.5000")
    with pytest.raises(UserError, match="is not a turn of IEMOCAP"):
        of("iemocap", tmp_path / "i", partial=True)


RELEASES = ["iemocap", "msp-podcast", "ravdess", "crema-d", "emodb"]


def of_tree(reader: str, folder: Path):
    more = {"version": "1.12"} if reader == "msp-podcast" else {}
    return of(reader, folder, partial=True, **more)


@pytest.mark.parametrize("reader", RELEASES)
def test_a_suffix_in_capitals_is_the_same(tmp_path, reader):
    getattr(trees, reader.replace("-", "_"))(tmp_path)
    before = [row["utterance"] for row in of_tree(reader, tmp_path).rows]
    for path in [*tmp_path.rglob("*.wav")]:
        path.rename(path.with_suffix(".WAV"))
    found = of_tree(reader, tmp_path)
    assert [row["utterance"] for row in found.rows] == before and len(before) > 1
    assert all(row["file"].endswith(".WAV") for row in found.rows) and all(path.is_file() for path in found.files)


@pytest.mark.parametrize("reader", RELEASES)
def test_recordings_in_a_flat_folder_are_pointed_at(tmp_path, reader):
    getattr(trees, reader.replace("-", "_"))(tmp_path)
    for path in [*tmp_path.rglob("*.wav")]:
        path.rename(tmp_path / path.name)
    with pytest.raises(
        UserError, match=r"no labelled audio in .* as .*\*\.wav.*; there is .*\.wav: move the recordings"
    ):
        of_tree(reader, tmp_path)


@pytest.mark.parametrize(
    ("reader", "file"),
    [
        ("iemocap", "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"),
        ("msp-podcast", "Labels/labels_consensus.csv"),
        ("crema-d", "processedResults/tabulatedVotes.csv"),
        ("emodb", "emodb/erkennung.txt"),
    ],
)
def test_a_pointer_in_the_place_of_labels_is_named(tmp_path, reader, file):
    getattr(trees, reader.replace("-", "_"))(tmp_path)
    (tmp_path / file).write_text(POINTER)
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / file}: a Git LFS pointer, not the file; run 'git lfs")):
        of_tree(reader, tmp_path)


def test_pointers_of_databases_and_weights_are_named(tmp_path):
    audformat_tree(tmp_path / "db")
    (tmp_path / "db/db.yaml").write_text(POINTER)
    with pytest.raises(UserError, match=r"db\.yaml: a Git LFS pointer"):
        of("audformat", tmp_path / "db", partial=True)
    (tmp_path / "model.safetensors").write_text(POINTER)
    with pytest.raises(UserError, match=r"model\.safetensors: a Git LFS pointer"):
        weights.table([tmp_path / "model.safetensors"], [("1", "00")])


def test_texts_of_a_release_may_be_utf_16(tmp_path):
    (tmp_path / "t.txt").write_text("Ses01: Caf\u00e9\n", encoding="utf-16")
    assert release.text(tmp_path / "t.txt") == "Ses01: Caf\u00e9\n"


def test_counts_and_numbers_are_digits():
    assert csv_file.number(" -1.5e2 ", "x") == -150.0 and csv_file.number("", "x") is None
    assert csv_file.count("07", "x") == 7
    for given in ("1_000", "0x10", "inf", "\u0661", "1 000", "--1", "1e999"):
        with pytest.raises(UserError, match="is not a number"):
            csv_file.number(given, "x")


def divided(protocol: dict, speakers: int = 6, emotions: tuple[str, ...] = ("angry", "happy", "neutral", "sad")):
    """``assign`` of a protocol on a manifest of so many speakers, each with every emotion."""
    rows = [(f"s{i}", emotion) for i in range(speakers) for emotion in emotions]
    columns = {"speaker": [s for s, _ in rows], "session": [s for s, _ in rows], "emotion": [e for _, e in rows]}
    manifest = pd.DataFrame(columns | {"utterance": [f"u{i}" for i in range(len(rows))]})
    manifest = manifest.assign(gender="female", split="", text="", sha256=manifest["utterance"])
    return assign(TypeAdapter(Protocol).validate_python(protocol), manifest, "params.yaml: protocols.sessions")


LEFT_OUT = {"kind": "leave-one-group-out", "by": "speaker", "validation": 1}


@pytest.mark.parametrize(
    ("protocol", "of_corpus", "message"),
    [
        (
            LEFT_OUT,
            {"emotions": ("sad",)},
            r"classes: every labelled utterance is 'sad', and one class leaves nothing to",
        ),
        (LEFT_OUT, {"speakers": 2}, r"by: three speakers are needed, .* and this corpus has 2: s0, s1; add recordings"),
        (
            {"kind": "group-folds", "by": "speaker", "folds": 3, "validation": 1},
            {"speakers": 2},
            "three speakers are needed",
        ),
        (
            {"kind": "group-folds", "by": "speaker", "folds": 5, "validation": 1},
            {"speakers": 4},
            "folds: 5 folds of 4 speakers; ask for 4 at most",
        ),
        (LEFT_OUT | {"validation": 5}, {}, "5 validate, so none is left for training; validate with 4 at most"),
        (
            {"kind": "group-folds", "by": "speaker", "folds": [["s0", "s1"], ["s2"]], "validation": 1},
            {"speakers": 3},
            "1 validate, so none is left for training; test fewer in a fold: ask for more folds",
        ),
        (
            LEFT_OUT | {"classes": ["angry", "happy"], "merge": {"excited": "happy"}},
            {},
            r"'excited'.* append to params.yaml the line protocols\.mine: \{like: sessions, merge: \{\}\} and",
        ),
        (
            LEFT_OUT | {"classes": ["angry", "bored"]},
            {},
            r"labelled 'bored'.*leave it out of classes, or choose a protocol",
        ),
    ],
)
def test_what_cannot_be_divided_says_what_can_be_done(protocol, of_corpus, message):
    with pytest.raises(UserError, match=message):
        divided(protocol, **of_corpus)


def test_the_line_that_a_protocol_proposes_does_what_it_says(tmp_path):
    from stages.parameters.resolve import resolved

    (tmp_path / "params.yaml").write_text(Path(PARAMS).read_text() + "\nprotocols.mine: {like: sessions, merge: {}}\n")
    values = resolved(tmp_path / "params.yaml")["protocols"]
    assert values["sessions"]["merge"] == {"excited": "happy"} and values["mine"]["merge"] == {}
    assert set(divided(values["mine"])["emotion"]) == {"angry", "happy", "neutral", "sad"}


def test_the_same_audio_under_two_labels_is_a_conflict(tmp_path):
    rows = make_corpus(tmp_path, sessions=1)
    for name in ("y", "z"):
        shutil.copy(tmp_path / "audio/u01.wav", tmp_path / f"audio/{name}.wav")
    write_table(tmp_path, [*rows, rows[1] | {"file": "y.wav"}, rows[1] | {"file": "z.wav", "emotion": "bored"}])
    said = [line for line in ingest(tmp_path).splitlines() if "conflict" in line]
    assert (
        len(said) == 1 and f"u01 and z are the same audio, but have emotion {rows[1]['emotion']} and bored;" in said[0]
    )


def test_every_unusable_file_is_on_the_screen(tmp_path):
    rows = make_corpus(tmp_path, sessions=1)
    for name, level in (("a", 0.0), ("b", 0.3), ("c", 0.0), ("d", 0.0), ("e", 0.0)):
        soundfile.write(tmp_path / f"audio/{name}.wav", np.full(8000, level), 16_000)
    write_table(tmp_path, [*rows, *(rows[0] | {"file": f"{name}.wav"} for name in "abcde")])
    write_params(tmp_path, ingest={"max_quarantined": 5})
    said = [line for line in ingest(tmp_path).splitlines() if line.startswith("unusable: ")]
    assert [line.partition("audio/")[2][:5] for line in said] == [f"{name}.wav" for name in "abcde"]
    assert "constant: every sample is between 0.299988 and 0.299988 of full scale" in said[1] and "silent" in said[0]
    assert [row["reason"].partition(":")[0] for row in read(tmp_path / "out/quarantine.csv")] == [
        "silent",
        "constant",
        *["silent"] * 3,
    ]
