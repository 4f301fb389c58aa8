"""Every reader on a tree of the true layout, through the command line, to the exact manifest."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
import soundfile

from stages.corpora import crema_d, emodb, iemocap, msp_podcast, ratings, ravdess, readers, release
from stages.runtime.errors import UserError
from stages.stores.audio import AudioStore
from tests.unit import corpus_trees as trees
from tests.unit.catalogue import shipped
from tests.unit.small_corpus import ROOT, ingest, read, refused, write_params

EMPTY = dict.fromkeys(["session", "text", "arousal", "valence", "dominance", "split", "duplicate_of"], "")


def entry(folder, reader: str, **changes) -> None:
    """params.yaml whose corpus ``c`` is the tree at ``folder / "tree"``, a part of its release."""
    model = next(m for m in readers.settings.plain(readers.Corpus) if reader in readers.settings._tags(m))
    corpus = shipped(model, path="tree", partial=True) | changes
    write_params(folder, corpora={"c": corpus})


def manifest(folder, reader: str, **changes) -> dict[str, dict]:
    """The rows that ingest makes of the tree, without what the audio says; digests are checked to differ."""
    entry(folder, reader, **changes)
    ingest(folder, corpus="c")
    rows = read(folder / "out/manifest.csv")
    assert len({row.pop("sha256") for row in rows}) == len(rows)
    assert {row.pop("duration") for row in rows} == {"0.2500000"}
    return {row.pop("utterance"): row for row in rows}


def votes(classes, raters: int, **given) -> dict[str, str]:
    return {f"votes_{name}": str(given.get(name, 0.0)) if raters else "" for name in classes} | {"raters": str(raters)}


def departures(folder) -> list[tuple[str, str]]:
    return [(row["utterance"], row["reason"]) for row in read(folder / "out/quarantine.csv")]


def test_iemocap(tmp_path):
    trees.iemocap(tmp_path / "tree")
    rows = manifest(tmp_path, "iemocap")
    common = EMPTY | {"session": "Session1", "dialogue": "Ses01F_impro01", "scenario": "impro01"}
    folder = "Session1/sentences/wav/Ses01F_impro01"
    first = common | {"speaker": "Ses01F", "gender": "female", "text": "Excuse me.", "text_tagged": "Excuse me."}
    first |= {"emotion": "neutral", "arousal": "2.5", "valence": "2.5", "dominance": "2.5", "start": "6.2901"}
    first |= {"end": "8.2357", "file": f"{folder}/Ses01F_impro01_F000.wav"} | votes(iemocap.CLASSES, 3, neutral=1.0)
    second = common | {"speaker": "Ses01M", "gender": "male", "text": "Do you have your forms?", "emotion": ""}
    second |= {"text_tagged": "[LAUGHTER] Do you  have your forms? [BREATHING]", "start": "10.0100", "end": "11.3925"}
    second |= {"arousal": "3.0", "valence": "2.5", "dominance": "3.0", "file": f"{folder}/Ses01F_impro01_M001.wav"}
    second |= votes(iemocap.CLASSES, 3, excited=0.333333, angry=0.166667, frustrated=0.166667, other=0.333333)
    third = EMPTY | {"speaker": "Ses05M", "gender": "male", "session": "Session5", "dialogue": "Ses05M_script01_1b"}
    third |= {"scenario": "script01_1b", "emotion": "excited", "arousal": "4.0", "valence": "4.0", "dominance": "3.5"}
    third |= {"start": "0.5000", "end": "1.5000", "text_tagged": ""} | votes(iemocap.CLASSES, 1, excited=1.0)
    third["file"] = "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_M000.wav"
    wanted = {"Ses01F_impro01_F000": first, "Ses01F_impro01_M001": second, "Ses05M_script01_1b_M000": third}
    assert rows == wanted
    said = [tuple(row.values()) for row in read(tmp_path / "out/ratings.csv")]
    assert said[:5] == [
        ("Ses01F_impro01_F000", "E2", "neutral", "", "", "", ""),
        ("Ses01F_impro01_F000", "E3", "neutral", "", "2.0", "3.0", "2.0"),
        ("Ses01F_impro01_F000", "E4", "neutral", "", "3.0", "2.0", "3.0"),
        ("Ses01F_impro01_F000", "F1", "neutral angry", "", "2.0", "3.0", "1.0"),
        ("Ses01F_impro01_M001", "E2", "excited", "", "", "", ""),
    ]
    found = {"Session1": 1, "Session5": 1, "happy": 1, "neutral": 1}
    sessions = [(f"{name}, four classes", name, count) for name, count in iemocap.FOUR.items()]
    classes = [(f"class {name}", name, count) for name, count in sorted(iemocap.OF_CLASS.items())]
    assert departures(tmp_path) == [
        *(("", f"{what}: {found.get(name, 0)} where the release has {n:,}") for what, name, n in [*sessions, *classes]),
        ("", "turns: 3 where the release has 10,039"),
        ("Ses01F_impro01_F002", "labelled, but without audio"),
        ("Ses01F_impro01_M009", "audio without a label"),
    ]


def whole_iemocap(folder) -> None:
    """Every turn of a release with the true counts, without sound."""
    classes = {"ang": 1103, "hap": 595, "exc": 1041, "neu": 1708, "sad": 1084}
    four = [code for code, count in classes.items() for _ in range(count)]
    others = ["fru"] * (iemocap.TURNS - len(four))
    for session, count in iemocap.FOUR.items():
        codes, four = four[:count], four[count:]
        codes += others if session == "Session5" else []
        dialogue = f"Ses0{session[-1]}F_impro01"
        names = [f"{dialogue}_{'FM'[i % 2]}{i:05d}" for i in range(len(codes))]
        turns = (f"[1.0 - 2.0]\t{n}\t{c}\t[3.0, 3.0, 3.0]\n" for n, c in zip(names, codes, strict=True))
        trees.text(folder / session / f"dialog/EmoEvaluation/{dialogue}.txt", "% header\n\n" + "\n".join(turns))
        (folder / session / "sentences/wav" / dialogue).mkdir(parents=True)
        for name in names:
            (folder / session / "sentences/wav" / dialogue / f"{name}.wav").touch()


def test_a_whole_iemocap_has_the_releases_counts(tmp_path):
    whole_iemocap(tmp_path)
    settings = iemocap.Iemocap(reader="iemocap", path=str(tmp_path), partial=False)
    rows, files, listed, _ = iemocap.utterances(settings, "corpora.i")
    assert len(rows) == len(files) == 10_039 and not listed
    four = Counter(row["session"] for row in rows if row["emotion"] != "frustrated")
    assert list(four.values()) == [1085, 1023, 1151, 1031, 1241]
    files[0].unlink()
    (tmp_path / "run").mkdir()
    entry(tmp_path / "run", "iemocap", path=str(tmp_path), partial=False)
    error = ingest(tmp_path / "run", corpus="c", run=refused)
    assert "departures from the release (Ses01F_impro01_F00000 labelled, but without audio; " in error
    assert "turns: 10,038 where the release has 10,039" in error and not (tmp_path / "run/out/manifest.csv").exists()


MSP = ("angry", "sad", "happy", "surprised", "fearful", "disgust", "contempt", "neutral", "other")


def msp_rows() -> dict[str, dict]:
    first = EMPTY | {"speaker": "30", "gender": "male", "text": "Well, I see.", "emotion": "neutral", "arousal": "2.2"}
    first |= {"valence": "4.0", "dominance": "2.6", "split": "Test1", "consensus": "N"}
    first |= {"file": "Audios/MSP-PODCAST_0001_0008.wav"} | votes(MSP, 2, neutral=0.5, sad=0.5)
    second = EMPTY | {"speaker": "", "gender": "", "emotion": "", "arousal": "3.777778", "valence": "3.555556"}
    second |= {"dominance": "3.777778", "split": "Train", "consensus": "X"} | votes(MSP, 1, other=1.0)
    second["file"] = "Audios/MSP-PODCAST_0001_0009.wav"
    third = EMPTY | {"speaker": "12", "gender": "female", "emotion": "happy", "arousal": "5.0", "valence": "6.0"}
    third |= {"dominance": "4.5", "split": "Development", "consensus": "H"} | votes(MSP, 0)
    third["file"] = "Audios/MSP-PODCAST_0002_0033.wav"
    return {"MSP-PODCAST_0001_0008": first, "MSP-PODCAST_0001_0009": second, "MSP-PODCAST_0002_0033": third}


MSP_RATINGS = [
    ("MSP-PODCAST_0001_0008", "WORKER0000001", "neutral", "neutral confused", "1.0", "4.0", "1.0"),
    ("MSP-PODCAST_0001_0008", "WORKER0000002", "sad", "sad depressed-or-down", "2.0", "4.0", "3.0"),
    ("MSP-PODCAST_0001_0009", "WORKER0000003", "other", "", "3.0", "3.0", "4.0"),
]


def test_msp_podcast_as_released(tmp_path):
    trees.msp_podcast(tmp_path / "tree")
    rows = manifest(tmp_path, "msp-podcast", version="1.12")
    hidden = EMPTY | {"speaker": "", "gender": "", "emotion": "", "split": "Test3", "consensus": ""} | votes(MSP, 0)
    hidden["file"] = "Audios/MSP-PODCAST_test3_0001.wav"
    assert rows == msp_rows() | {"MSP-PODCAST_test3_0001": hidden}
    assert [tuple(row.values()) for row in read(tmp_path / "out/ratings.csv")] == MSP_RATINGS
    missing = ("MSP-PODCAST_0003_0001", "in release 1.12, but without audio")
    assert departures(tmp_path) == [("", "turns: 4 where the release has 207,136"), missing]


@pytest.mark.parametrize("version", ["1.10", "1.11"])
def test_an_older_msp_podcast_is_read_by_its_own_files(tmp_path, version):
    trees.msp_podcast(tmp_path / "tree")
    shutil.rmtree(tmp_path / "tree/Previous_releases_information")
    labels = tmp_path / "tree/Labels"
    (labels / "labels_consensus.csv").rename(labels / "labels_concensus.csv")  # as older releases spell it
    rows = manifest(tmp_path, "msp-podcast", version=version)
    assert rows.pop("MSP-PODCAST_test3_0001")["split"] == "Test3" and rows == msp_rows()
    assert [tuple(row.values()) for row in read(tmp_path / "out/ratings.csv")] == MSP_RATINGS
    found = {"Train": 1, "Development": 1, "Test1": 1, "Test3": 1}
    counts = [
        ("", f"split {name}: {found.get(name, 0)} where the release has {count:,}")
        for name, count in sorted(msp_podcast.SPLITS[version].items())
    ]
    missing = ("MSP-PODCAST_0003_0001", f"in release {version}, but without audio")
    assert departures(tmp_path) == [
        *counts,
        ("", f"turns: 4 where the release has {msp_podcast.TURNS[version]:,}"),
        missing,
    ]


@pytest.mark.parametrize("form", ["csv", "blocks"])
def test_msp_podcast_1_6_is_rebuilt_from_a_later_release(tmp_path, form):
    trees.msp_podcast(tmp_path / "tree")
    if form == "blocks":
        labels = tmp_path / "tree/Previous_releases_information/previous_releases_info/v1.6/label"
        (labels / "labels_detailed.csv").unlink()
        trees.text(labels / "labels.txt", trees.MSP_BLOCKS)
    rows = manifest(tmp_path, "msp-podcast", version="1.6")
    removed = EMPTY | {"speaker": "40", "gender": "female", "emotion": "angry", "arousal": "6.0", "valence": "2.0"}
    removed |= {"dominance": "5.5", "split": "Train", "consensus": "A"} | votes(MSP, 0)
    old = "Previous_releases_information/files_removed_from_prev_versions/v1.6_removed_files"
    removed["file"] = f"{old}/MSP-PODCAST_0003_0001.wav"
    assert rows == msp_rows() | {"MSP-PODCAST_0003_0001": removed}
    assert [tuple(row.values()) for row in read(tmp_path / "out/ratings.csv")] == MSP_RATINGS
    assert departures(tmp_path) == [
        ("", "split Development: 1 where the release has 5,958"),
        ("", "split Test1: 1 where the release has 10,124"),
        ("", "split Train: 2 where the release has 34,280"),
        ("", "turns: 4 where the release has 50,362"),
        ("MSP-PODCAST_0009_0009", "in release 1.6, but without audio"),
    ]


def test_msp_podcast_of_another_version_is_not_taken_for_it(tmp_path):
    trees.msp_podcast(tmp_path / "tree")
    entry(tmp_path, "msp-podcast", version="1.10", partial=False)
    error = ingest(tmp_path, corpus="c", run=refused)
    assert "turns: 4 where the release has 104,267" in error and "corpora.c.partial: true" in error
    (tmp_path / "tree/Labels/labels_consensus.csv").unlink()
    assert "no labels_consensus.csv of release 1.10" in ingest(tmp_path, corpus="c", run=refused)


CREMA = ("angry", "disgust", "fearful", "happy", "neutral", "sad")


def test_crema_d(tmp_path):
    trees.crema_d(tmp_path / "tree")
    rows = manifest(tmp_path, "crema-d")
    first = EMPTY | {"speaker": "1001", "gender": "male", "text": "Don't forget a jacket", "emotion": "angry"}
    first |= {"sentence": "DFA", "intensity": "", "acted": "angry", "voice": "neutral", "face": "angry"}
    first |= {"audiovisual": "angry", "age": "51", "race": "Caucasian", "ethnicity": "Not Hispanic"}
    first |= votes(CREMA, 10, angry=0.1, neutral=0.7, sad=0.2) | {"file": "AudioWAV/1001_DFA_ANG_XX.wav"}
    second = first | {"text": "It's eleven o'clock", "emotion": "happy", "sentence": "IEO", "intensity": "high"}
    second |= {"acted": "happy", "voice": "neutral", "face": "", "audiovisual": ""}
    second |= votes(CREMA, 10, angry=0.3, disgust=0.3, neutral=0.4) | {"file": "AudioWAV/1001_IEO_HAP_HI.wav"}
    third = second | {"speaker": "1040", "text": "I think I have a doctor's appointment", "emotion": "sad"}
    third |= {"sentence": "ITH", "intensity": "", "acted": "sad", "voice": "", "age": "32", "race": "African American"}
    third |= votes(CREMA, 10, angry=0.5, sad=0.5) | {"file": "AudioWAV/1040_ITH_SAD_X.wav"}
    assert rows == {"1001_DFA_ANG_XX": first, "1001_IEO_HAP_HI": second, "1040_ITH_SAD_XX": third}
    said = [(row["utterance"], row["rater"], row["emotion"]) for row in read(tmp_path / "out/ratings.csv")]
    assert said == [("1001_DFA_ANG_XX", "11", "neutral"), ("1001_DFA_ANG_XX", "12", "sad")]
    assert departures(tmp_path) == [
        ("", "actors: 2 where the release has 91"),
        ("", "clips: 4 where the release has 7,442"),
        ("1076_MTI_SAD_XX", "no signal in the release itself"),
    ]
    heard = manifest(tmp_path, "crema-d", label="voice")
    assert [row["emotion"] for row in heard.values()] == ["neutral", "neutral", ""]


def test_crema_d_of_pointers_is_explained(tmp_path):
    trees.crema_d(tmp_path / "tree")
    for path in (tmp_path / "tree/AudioWAV").glob("1*.wav"):
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    entry(tmp_path, "crema-d")
    assert "a Git LFS pointer, not the file; run 'git lfs pull'" in ingest(tmp_path, corpus="c", run=refused)


def test_emodb(tmp_path):
    trees.emodb(tmp_path / "tree")
    rows = manifest(tmp_path, "emodb")
    first = EMPTY | {"speaker": "03", "gender": "male", "text": emodb.SENTENCES["a01"], "emotion": "happy"}
    first |= {"sentence": "a01", "version": "a", "age": "31", "recognised": "0.9", "file": "emodb/wav/03a01Fa.wav"}
    second = EMPTY | {"speaker": "08", "gender": "female", "text": emodb.SENTENCES["b02"], "emotion": "sad"}
    second |= {"sentence": "b02", "version": "b", "age": "34", "recognised": "1.0", "file": "emodb/wav/08b02Tb.wav"}
    third = EMPTY | {"speaker": "16", "gender": "female", "text": emodb.SENTENCES["b10"], "emotion": "bored"}
    third |= {"sentence": "b10", "version": "c", "age": "31", "recognised": "", "file": "emodb/wav/16b10Lc.wav"}
    assert rows == {"03a01Fa": first, "08b02Tb": second, "16b10Lc": third}
    found = {"happy": 1, "sad": 1, "bored": 1}
    assert departures(tmp_path) == [
        *(("", f"class {c}: {found.get(c, 0)} where the release has {n}") for c, n in sorted(emodb.COUNTS.items())),
        ("", "clips: 3 where the release has 535"),
    ]
    assert sum(emodb.COUNTS.values()) == emodb.CLIPS


def test_ravdess_with_songs_and_stereo(tmp_path):
    trees.ravdess(tmp_path / "tree")
    rows = manifest(tmp_path, "ravdess", song=True)
    assert list(rows)[:5] == trees.RAVDESS_STEREO and len(rows) == 8
    song = EMPTY | {"speaker": "02", "gender": "female", "text": "Dogs are sitting by the door", "emotion": "fearful"}
    song |= {"channel": "song", "intensity": "normal", "sentence": "02", "repetition": "01"}
    man = EMPTY | {"speaker": "01", "gender": "male", "intensity": "normal", "repetition": "01"}
    kids = man | {"text": "Kids are talking by the door", "sentence": "01", "channel": "speech"}
    wanted = {
        name: kids | {"emotion": emotion, "file": f"Actor_01/{name}.wav"}
        for name, emotion in zip(trees.RAVDESS_STEREO, ("neutral", "happy", "sad", "angry", "fearful"), strict=True)
    }
    dogs = {"text": "Dogs are sitting by the door", "sentence": "02", "intensity": "strong", "repetition": "02"}
    wanted["03-01-08-02-02-02-01"] = kids | dogs | {"emotion": "surprised", "file": "Actor_01/03-01-08-02-02-02-01.wav"}
    calm = {"channel": "song", "emotion": "calm", "intensity": "strong", "repetition": "02"}
    wanted["03-02-02-02-01-02-01"] = kids | calm | {"file": "Actor_01/03-02-02-02-01-02-01.wav"}
    wanted["03-02-06-01-02-01-02"] = song | {"file": "Actor_02/03-02-06-01-02-01-02.wav"}
    assert rows == wanted
    listed = departures(tmp_path)
    missing = sorted(set(ravdess.expected(song=True)) - set(wanted))
    assert listed == [("", "files: 8 where the release has 2,452"), *((name, "is missing") for name in missing)]
    store = AudioStore(tmp_path / "out/audio.h5")
    stereo, rate = soundfile.read(tmp_path / "tree/Actor_01" / f"{trees.RAVDESS_STEREO[0]}.wav")
    assert stereo.shape == (12_000, 2) and rate == 48_000
    inner = store.read(trees.RAVDESS_STEREO[0])[800:-800]
    assert len(inner) == 2400 and abs(np.fft.rfft(inner)).argmax() * 16_000 / 2400 == pytest.approx(700, abs=7)
    assert set(manifest(tmp_path, "ravdess")) == {*trees.RAVDESS_STEREO, "03-01-08-02-02-02-01"}


def test_ravdess_has_1012_songs():
    songs = set(ravdess.expected(song=True)) - set(ravdess.expected())
    assert len(songs) == 1012 and set(Counter(name[-2:] for name in songs).values()) == {44}
    assert "18" not in {name[-2:] for name in songs}


def audformat_tree(folder) -> None:
    import audformat

    files = ["audio/001.wav", "audio/002.wav", "audio/003.wav"]
    for i, name in enumerate(files[:2]):
        trees.wav(folder / name, 800 + 10 * i)
    db = audformat.Database("small")
    db.schemes["emotion"] = audformat.Scheme(labels=["anger", "neutral"])
    db.schemes["speaker"] = audformat.Scheme(labels={"a": {"gender": "female"}, "b": {"gender": "other"}})
    db.schemes["arousal"] = audformat.Scheme("float")
    db["emotion"] = audformat.Table(audformat.filewise_index(files))
    for name, values in {"emotion": ["anger", None, "neutral"], "arousal": [0.25, 0.5, None]}.items():
        db["emotion"][name] = audformat.Column(scheme_id=name)
        db["emotion"][name].set(values)
    db["files"] = audformat.Table(audformat.filewise_index(files))
    db["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    db["files"]["speaker"].set(["a", "b", "a"])
    db["parts"] = audformat.Table(audformat.segmented_index(files[:1], ["0s"], ["1s"]))
    db["parts"]["emotion"] = audformat.Column(scheme_id="emotion")
    db.save(folder)


COLUMNS = {"emotion": "emotion/emotion", "arousal": "emotion/arousal", "speaker": "files/speaker"}


def test_audformat(tmp_path):
    audformat_tree(tmp_path / "tree")
    rows = manifest(tmp_path, "audformat", columns=COLUMNS | {"gender": "files/speaker/gender"})
    first = EMPTY | {"emotion": "anger", "arousal": "0.25", "speaker": "a", "gender": "female"}
    second = EMPTY | {"emotion": "", "arousal": "0.5", "speaker": "b", "gender": ""}
    assert rows == {
        "audio-001": first | {"file": "audio/001.wav"},
        "audio-002": second | {"file": "audio/002.wav"},
    }
    assert departures(tmp_path) == [("audio-003", "in the tables, but without audio")]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("emotoin/emotion", "columns.emotion: no table 'emotoin'; did you mean 'emotion'?"),
        ("emotion/emotino", "columns.emotion: no column 'emotino'; did you mean 'emotion'?"),
        ("files/speaker/sex", "columns.emotion: the labels of 'speaker' have no field 'sex'"),
        ("parts/emotion", "columns.emotion: table 'parts' is segmented"),
    ],
)
def test_audformat_mistakes_are_named(tmp_path, column, message):
    audformat_tree(tmp_path / "tree")
    entry(tmp_path, "audformat", columns={"emotion": column})
    assert message in ingest(tmp_path, corpus="c", run=refused)


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        ("iemocap", "IEMOCAP is licensed: apply at https://sail.usc.edu/iemocap/"),
        ("msp-podcast", "MSP-Podcast is licensed: apply at http"),
        ("crema-d", "clone github.com/CheyneyComputerScience/CREMA-D"),
    ],
)
def test_a_gated_corpus_says_where_to_apply_and_where_to_put_it(tmp_path, reader, words):
    entry(tmp_path, reader)
    error = ingest(tmp_path, corpus="c", run=refused)
    assert "corpora.c.path: no folder tree" in error and words in error


def test_a_rater_has_one_vote():
    shares = ratings.shares([("a",), ("a", "b"), ()], ("a", "b", "c"))
    assert shares == {"votes_a": 0.75, "votes_b": 0.25, "votes_c": 0.0, "raters": 2}
    assert ratings.shares([], ("a",)) == {"votes_a": None, "raters": 0}


def test_a_table_of_a_release_is_checked(tmp_path):
    with pytest.raises(UserError, match="copy it from the release"):
        list(release.table(tmp_path / "t.csv", ("a",)))
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3\n")
    with pytest.raises(UserError, match="no column 'c'"):
        list(release.table(tmp_path / "t.csv", ("c",)))
    with pytest.raises(UserError, match="line 3: 1 fields where the header has 2"):
        list(release.table(tmp_path / "t.csv", ("a", "b")))


def test_every_reader_says_what_it_provides():
    for model in readers.settings.plain(readers.Corpus):
        own = {"table": "none.csv", "audio": "none"} if model.__name__ == "Table" else {}
        values = shipped(model, **own)
        assert readers.provides(json.loads(json.dumps(values))) is None or "emotion" in readers.provides(values)


def test_the_example_of_a_reader_in_the_readme_reads(tmp_path):
    code = (ROOT / "stages/corpora/README.md").read_text().split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) < 60
    names: dict = {"__package__": "stages.corpora"}
    exec(compile(code, "README.md", "exec"), names)
    for name in ("AudioData/DC/sa01.wav", "AudioData/KL/n30.wav", "AudioData/KL/._n30.wav"):
        trees.text(tmp_path / name, "")
    settings = names["Savee"](reader="savee", path=str(tmp_path), partial=True)
    rows, files, departures, _ = names["utterances"](settings, "corpora.s")
    first = {"utterance": "DC_sa01", "speaker": "DC", "gender": "male", "emotion": "sad", "sentence": "sa01"}
    assert rows[0] == first | {"file": "AudioData/DC/sa01.wav"} and len(rows) == len(files) == 2
    assert [each.reason for each in departures] == ["clips: 2 where the release has 480"]


def touch(folder, names) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{name}.wav").touch()


def of(reader, folder, **changes):
    """The reader's module and settings for a whole release at ``folder``."""
    model = next(m for m in readers.settings.plain(readers.Corpus) if reader in readers.settings._tags(m))
    return readers.read(model(**shipped(model, path=str(folder), **changes)), "c")


def test_a_whole_emodb_has_the_releases_counts(tmp_path):
    names = []
    for letter, emotion in emodb.EMOTIONS.items():
        every = [f"{s}{t}{letter}{v}" for v in "ab" for s in emodb.SPEAKERS for t in emodb.SENTENCES]
        names += every[: emodb.COUNTS[emotion]]
    touch(tmp_path / "wav", names)
    found = of("emodb", tmp_path)
    assert len(found.rows) == 535 and not found.departures
    (tmp_path / "wav" / f"{names[0]}.wav").unlink()
    with pytest.raises(UserError, match="class angry: 126 where the release has 127; clips: 534 where"):
        of("emodb", tmp_path)


def test_a_whole_crema_d_has_the_releases_counts(tmp_path):
    actors = range(1001, 1092)
    acted = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
    every = [f"{a}_{s}_{e}_{v}" for v in ("XX", "HI") for a in actors for s in crema_d.SENTENCES for e in acted]
    names = every[: crema_d.CLIPS]
    touch(tmp_path / "AudioWAV", names)
    people = "".join(f"{actor},30,Female,Unknown,Unknown\n" for actor in actors)
    trees.text(tmp_path / "VideoDemographics.csv", "ActorID,Age,Sex,Race,Ethnicity\n" + people)
    lines = "".join(f"{100_001 + i},1,0,0,0,0,0,{name}\n" for i, name in enumerate(names))
    trees.text(tmp_path / "processedResults/tabulatedVotes.csv", '"",A,D,F,H,N,S,fileName\n' + lines)
    found = of("crema-d", tmp_path)
    assert len(found.rows) == 7441 and [each.utterance for each in found.departures] == ["1076_MTI_SAD_XX"]
    (tmp_path / "AudioWAV" / f"{names[-1]}.wav").unlink()
    with pytest.raises(UserError, match=rf"{names[-1]} has votes, but no audio; clips: 7,441 where"):
        of("crema-d", tmp_path)


def test_a_whole_msp_podcast_1_6_has_the_releases_counts(tmp_path):
    splits = [split for split, count in msp_podcast.SPLITS["1.6"].items() for _ in range(count)]
    names = [f"MSP-PODCAST_{i // 1000:04d}_{i % 1000:04d}" for i in range(len(splits))]
    touch(tmp_path / "Audios", names)
    lines = (f"{n}.wav,N,3,4,5,7,Male,{s}\n" for n, s in zip(names, splits, strict=True))
    labels = tmp_path / "Previous_releases_information/previous_releases_info/v1.6/label/labels_concensus.csv"
    trees.text(labels, ",".join(msp_podcast.COLUMNS) + "\n" + "".join(lines))
    found = of("msp-podcast", tmp_path, version="1.6")
    assert len(found.rows) == 50_362 and not found.departures
    assert Counter(row["split"] for row in found.rows) == {"Train": 34_280, "Development": 5_958, "Test1": 10_124}
    (tmp_path / "Audios" / f"{names[0]}.wav").unlink()
    with pytest.raises(UserError, match=r"in release 1.6, but without audio; split Train: 34,279 where"):
        of("msp-podcast", tmp_path, version="1.6")
