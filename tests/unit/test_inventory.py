"""Inventories: which table every kind of edit changes, which files are opened, and what is said of what is gone."""

import os
import shutil
from pathlib import Path

import pytest
import soundfile
import yaml

from stages.corpora import crema_d, iemocap, msp_podcast, planted, ravdess, readers
from stages.parameters.resolve import resolved
from stages.raw_inputs import inventories, names, stamps, weights
from stages.raw_inputs.wanted import wanted
from stages.runtime.errors import UserError
from tests.unit import corpus_trees as trees
from tests.unit.catalogue import PARAMS, shipped
from tests.unit.small_corpus import ingest, inventory, make_corpus, read, refused, stage, tone, write_table

MINE = {"reader": "table", "table": "mine.csv", "audio": "audio"}
ALL = set(names.TABLES)
OF_ROWS = {"labels", "texts", "extra"}


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that are hashed; stamps count at once."""
    found: list[str] = []

    def noted(path, digest=stamps._sha256):
        found.append(Path(path).name)
        return digest(path)

    monkeypatch.setattr(stamps, "_sha256", noted)
    monkeypatch.setattr(stamps, "SETTLED_NS", 0)
    return found


class Corpus:
    """A corpus in the current folder, brought up to date once."""

    def __init__(self, values: dict, opened: list[str], rows: tuple = ()):
        self.values, self.opened, self.rows = values, opened, list(rows)
        assert self.changed() == ALL
        opened.clear()

    def changed(self) -> set[str]:
        """The tables that bringing it up to date changes."""
        return {Path(path).stem for path in inventories.update("corpora", "mine", self.values)}

    def table(self, name: str) -> list[dict]:
        return read(Path(inventory()[name]))


@pytest.fixture
def mine(tmp_path, monkeypatch, opened):
    monkeypatch.chdir(tmp_path)
    rows = [row | {"mood": f"m{i % 3}"} for i, row in enumerate(make_corpus(tmp_path, sessions=2))]
    write_table(tmp_path, rows)
    return Corpus(MINE, opened, rows)


def test_the_tables_of_a_users_own_corpus(mine):
    first = {name: mine.table(name)[0] for name in ("files", "labels", "texts", "extra")}
    size = str(os.path.getsize("audio/u00.wav"))
    assert list(first["files"]) == ["utterance", "file", "size", "sha256"]
    assert first["files"] | {"utterance": "u00", "file": "u00.wav", "size": size} == first["files"]
    wanted = "utterance,speaker,gender,session,emotion,arousal,valence,dominance,split,file"
    assert ",".join(first["labels"]) == wanted
    assert first["texts"] == {"utterance": "u00", "text": "word0 and word1, then"}
    assert first["extra"] == {"utterance": "u00", "mood": "m0"}
    assert mine.table("ratings") == mine.table("departures") == []


def test_nothing_is_read_where_nothing_changed(mine, monkeypatch):
    monkeypatch.setattr(readers, "read", lambda *given: pytest.fail("read again"))
    assert mine.changed() == set() and mine.opened == []


def replaced(name: str, **changes):
    """Another value in a line of the table."""

    def edit(rows: list[dict]) -> None:
        write_table(Path("."), [row | changes if row["file"] == name else row for row in rows])

    return edit


def a_row_more(rows: list[dict]) -> None:
    soundfile.write("audio/new.wav", tone(0.5), 16_000)
    write_table(Path("."), [*rows, rows[0] | {"file": "new.wav"}])


def a_file_of_the_same_size_and_date(rows: list[dict]) -> None:
    before = os.stat("audio/u03.wav")
    soundfile.write("audio/u03.wav", tone(0.33, hertz=123), 16_000)
    os.utime("audio/u03.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    after = os.stat("audio/u03.wav")
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def a_file_and_its_line_gone(rows: list[dict]) -> None:
    os.unlink("audio/u03.wav")
    write_table(Path("."), [row for row in rows if row["file"] != "u03.wav"])


def another_name(rows: list[dict]) -> None:
    os.rename("audio/u05.wav", "audio/w05.wav")
    write_table(Path("."), [row | {"file": row["file"].replace("u05", "w05")} for row in rows])


def another_layout(rows: list[dict]) -> None:
    names = list(reversed(rows[0]))
    lines = [",".join(f'"{row[name]}"' for name in names) for row in reversed(rows)]
    Path("mine.csv").write_text("\r\n".join([",".join(names), *lines]) + "\r\n\r\n")


EDITS = {
    "a corrected label": (replaced("u02.wav", emotion="sad"), {"labels"}, []),
    "a corrected speaker": (replaced("u02.wav", speaker="S9F"), {"labels"}, []),
    "a corrected text": (replaced("u02.wav", text="other words"), {"texts"}, []),
    "another name of the same thing": (replaced("u02.wav", gender="F"), set(), []),
    "a value of an unused column": (replaced("u02.wav", mood="m9"), {"extra"}, []),
    "an unused column": (lambda rows: write_table(Path("."), [row | {"year": "1"} for row in rows]), {"extra"}, []),
    "order, quotes and line ends": (another_layout, set(), []),
    "a row more": (a_row_more, {"files"} | OF_ROWS, ["new.wav"]),
    "a file of the same size and date": (a_file_of_the_same_size_and_date, {"files"}, ["u03.wav"]),
    "a file and its line gone": (a_file_and_its_line_gone, {"files"} | OF_ROWS, []),
    "a file under another name": (another_name, {"files"} | OF_ROWS, ["w05.wav"]),
    "a touched file": (lambda rows: os.utime("audio/u03.wav"), set(), ["u03.wav"]),
    "a touched table": (lambda rows: os.utime("mine.csv"), set(), []),
    "a file that the table does not name": (lambda rows: Path("audio/z.wav").touch(), set(), []),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_no_more_than_it_must(mine, edit):
    act, changed, opened = EDITS[edit]
    before = {name: os.stat(path).st_mtime_ns for name, path in inventory().items()}
    act(mine.rows)
    assert mine.changed() == changed and mine.opened == opened
    after = {name: os.stat(path).st_mtime_ns for name, path in inventory().items()}
    assert {name for name in before if before[name] != after[name]} == changed
    assert mine.changed() == set() and mine.opened == opened


def test_a_fault_is_named_and_changes_nothing(mine):
    os.unlink("audio/u03.wav")
    with pytest.raises(UserError, match=r"mine\.csv: line 5: file: no such file audio/u03\.wav"):
        mine.changed()
    Path("mine.csv").write_text("file,text\nu00.wav,one, two\n")
    with pytest.raises(UserError, match="line 2: 3 fields where the header has 2"):
        mine.changed()
    assert len(mine.table("labels")) == 8


def test_a_file_that_changed_a_moment_ago_is_looked_at_again(mine, monkeypatch):
    monkeypatch.setattr(stamps, "SETTLED_NS", 10**12)
    os.utime("mine.csv")
    assert mine.changed() == set() and mine.opened == []
    assert mine.changed() == set() and len(mine.opened) == 8


def test_tables_that_came_from_elsewhere_are_put_right(mine):
    wanted = Path(inventory()["labels"]).read_bytes()
    other = Path(inventory()["labels"]).with_name("other")
    other.write_bytes(wanted.replace(b"angry", b"happy"))
    other.replace(inventory()["labels"])
    Path(inventory()["texts"]).unlink()
    assert mine.changed() == {"labels", "texts"} and mine.opened == []
    assert Path(inventory()["labels"]).read_bytes() == wanted


def test_damaged_stamps_cost_time_alone(mine):
    for content in ("", "key\nmany\n", "key\n6\nx\n", "key"):
        names.stamps("corpora", "mine").write_text(content)
        assert mine.changed() == set()
    assert len(mine.opened) == 4 * 8


def at(tree: str, tmp_path, monkeypatch, opened, settings) -> Corpus:
    monkeypatch.chdir(tmp_path)
    getattr(trees, tree)(tmp_path / "tree")
    return Corpus(settings.model_dump(), opened)


def swapped(path: str, old: str, new: str, encoding: str = "latin-1") -> None:
    text = Path(path).read_text(encoding)
    assert old in text
    Path(path).write_text(text.replace(old, new, 1), encoding)


def test_edits_of_iemocap(tmp_path, monkeypatch, opened):
    settings = iemocap.Iemocap(**shipped(iemocap.Iemocap, path="tree", partial=True))
    corpus = at("iemocap", tmp_path, monkeypatch, opened, settings)
    labels = "tree/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    swapped(labels, "F000\tneu", "F000\tfru")
    assert corpus.changed() == {"labels", "departures"}  # one of its four classes less
    swapped(labels, "C-E2:\tNeutral", "C-E2:\tAnger")
    assert corpus.changed() == {"labels", "ratings"}
    swapped("tree/Session1/dialog/transcriptions/Ses01F_impro01.txt", "Excuse me", "Excuse us")
    assert corpus.changed() == {"labels", "texts"}  # text_tagged is a label
    swapped(labels, "% [START", "% comment [START")
    Path("tree/Session1/dialog/avi").mkdir()
    Path("tree/Session1/dialog/avi/film.avi").touch()
    assert corpus.changed() == set() and opened == []
    trees.wav(Path("tree/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F002.wav"), 340)
    assert corpus.changed() == ALL and opened == ["Ses01F_impro01_F002.wav"]


def test_edits_of_ravdess(tmp_path, monkeypatch, opened):
    settings = ravdess.Ravdess(**shipped(ravdess.Ravdess, path="tree", partial=True))
    corpus = at("ravdess", tmp_path, monkeypatch, opened, settings)
    trees.wav(Path("tree/Actor_02/03-01-08-02-02-02-02.wav"), 800)
    assert corpus.changed() == ALL - {"ratings"} and opened == ["03-01-08-02-02-02-02.wav"]
    assert corpus.table("labels")[-1]["intensity"] == "strong"
    Path("tree/Actor_02/03-01-08-02-02-02-02.wav").unlink()
    assert corpus.changed() == ALL - {"ratings"} and len(opened) == 1
    trees.wav(Path("tree/Actor_01/03-01-08-02-02-02-01.wav"), 765, 48_000)
    assert corpus.changed() == {"files"}
    Path("tree/Actor_01/README.txt").touch()
    os.utime("tree/Actor_01/03-01-08-02-02-02-01.wav")
    assert corpus.changed() == set()
    Path("tree/Actor_03").mkdir()
    Path("tree/Actor_03/03-01-08-02-02-02-04.wav").touch()
    with pytest.raises(UserError, match="not a RAVDESS file name of this actor"):
        corpus.changed()


def test_edits_of_crema_d_and_msp_podcast(tmp_path, monkeypatch, opened):
    settings = crema_d.CremaD(**shipped(crema_d.CremaD, path="tree", partial=True))
    corpus = at("crema_d", tmp_path, monkeypatch, opened, settings)
    swapped("tree/VideoDemographics.csv", "1001,51,Male", "1001,52,Male")
    assert corpus.changed() == {"labels"}
    Path("tree/finishedResponses.csv").unlink()
    assert corpus.changed() == {"ratings"}
    (tmp_path / "tree").rename("crema")
    values = msp_podcast.MspPodcast(**shipped(msp_podcast.MspPodcast, path="tree", partial=True, version="1.12"))
    trees.msp_podcast(tmp_path / "tree")
    corpus.values = values.model_dump()
    assert corpus.changed() >= {"files", "labels", "texts", "ratings"}
    swapped("tree/Labels/labels_consensus.csv", "0033.wav,H", "0033.wav,S")
    assert corpus.changed() == {"labels"}
    swapped("tree/Transcripts/MSP-PODCAST_0001_0008.txt", "Well", "Oh")
    assert corpus.changed() == {"texts"}
    swapped("tree/Partitions.txt", "Test3; MSP", "Test2; MSP")
    assert corpus.changed() == {"labels"}


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one.wav").touch()
    (tmp_path / "a/back").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "nowhere.wav").symlink_to(tmp_path / "gone")
    found = stamps.look([], [tmp_path])
    assert sorted(os.path.relpath(path, tmp_path) for path in found) == ["a/one.wav", "b/one.wav", "nowhere.wav"]
    assert found[str(tmp_path / "nowhere.wav")] == stamps.ABSENT


def test_a_planted_corpus_has_no_files(tmp_path, monkeypatch, opened):
    monkeypatch.chdir(tmp_path)
    values = shipped(planted.Planted, speakers=2, sessions=1, utterances=20)
    corpus = Corpus(values, opened)
    assert corpus.table("files") == [] and len(corpus.table("labels")) == 20
    assert corpus.changed() == set()
    corpus.values = values | {"raters": values["raters"] + 1}
    assert corpus.changed() == {"labels"}
    corpus.values = values | {"utterances": 22, "raters": values["raters"] + 1}
    assert corpus.changed() == OF_ROWS


def test_only_what_is_new_is_decoded_and_a_label_decodes_nothing(tmp_path):
    rows = make_corpus(tmp_path, sessions=2)
    ingest(tmp_path)
    store, manifest = (tmp_path / "out" / name for name in ("audio.h5", "manifest.csv"))
    before, listed = store.read_bytes(), read(manifest)
    write_table(tmp_path, [rows[0] | {"emotion": "sad"}, *rows[1:]])
    ingest(tmp_path)
    assert "0 files to decode, 8 already decoded" in (tmp_path / "ingest.log").read_text()
    assert store.read_bytes() == before and read(manifest) == [listed[0] | {"emotion": "sad"}, *listed[1:]]
    soundfile.write(tmp_path / "audio/u03.wav", tone(0.33, hertz=123), 16_000)
    os.utime(tmp_path / "audio/u04.wav")
    ingest(tmp_path)
    assert "1 files to decode, 7 already decoded" in (tmp_path / "ingest.log").read_text()
    changed = [new for old, new in zip(listed[1:], read(manifest)[1:], strict=True) if old != new]
    assert [row["utterance"] for row in changed] == ["u03"]


def test_what_the_inventory_lists_must_be_there_to_be_decoded(tmp_path):
    make_corpus(tmp_path, sessions=1)
    stage(tmp_path, "inventory", "--corpus", "mine")
    files = ("--files", inventory()["files"], "--audio", "a.h5", "--table", "a.csv")
    with open(tmp_path / "audio/u01.wav", "ab") as file:
        file.write(b"\0\0")
    assert "audio/u01.wav: " in (error := refused(tmp_path, "ingest", "--corpus", "mine", *files))
    assert "the file has changed since; run again" in error
    shutil.rmtree(tmp_path / "audio")
    error = refused(tmp_path, "ingest", "--corpus", "mine", *files)
    assert "audio/u00.wav: no such file, but the inventory of corpora.mine lists it" in error


def test_protocols_take_columns_that_only_the_users_table_has(tmp_path):
    rows = [row | {"mood": f"m{i % 2}", "dialogue": row["session"]} for i, row in enumerate(make_corpus(tmp_path))]
    write_table(tmp_path, rows)
    ingest(tmp_path)
    assert "dialogue" in read(tmp_path / "out/manifest.csv")[0]
    values = yaml.safe_load((tmp_path / "params.yaml").read_text())
    values["protocols"]["sessions"]["where"] = {"mood": ["m1"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    files = ("--corpus", "mine", "--protocol", "sessions", "--manifest", "out/manifest.csv", "--out", "p.csv")
    assert "this corpus' manifest has no column 'mood'" in refused(tmp_path, "protocol", *files)
    stage(tmp_path, "protocol", *files, "--extra", inventory()["extra"])
    out = {row["utterance"] for row in read(tmp_path / "p.csv") if row["reason"] == "mood 'm0' is not selected"}
    assert out == {f"u{i:02d}" for i in range(0, 12, 2)}


@pytest.fixture
def settings(tmp_path, monkeypatch, opened):
    """All shipped parameters, a corpus of one's own in two studies, and an encoder in a folder."""
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path, sessions=1)
    values = resolved(PARAMS)
    values["corpora"] |= {"mine": MINE, "other": MINE | {"table": "other.csv"}}
    values["encoders"]["lab"] = {"kind": "transformers", "source": "lab", "revision": "", "layers": ["all"]}
    study = values["studies"]["default"] | {"corpus": "mine", "speech": "lab", "transcripts": "tiny", "trials": {}}
    study |= {"systems": ["majority", "linear", "linear-text"], "changes": {}}
    whisper = {"kind": "whisper", "model": "tiny.en", "folder": "whisper"}
    values["transcripts"]["tiny"] = whisper
    values["robustness"]["elsewhere"] = {"kind": "corpus", "corpus": "other", "transcripts": "", "protocol": "sessions"}
    values["studies"] |= {"mine": study, "tried": study | {"trials": {"elsewhere": []}}}
    return values


def test_what_studies_need(settings):
    own = [("corpora", "mine"), ("encoders", "lab"), ("transcripts", "tiny")]
    assert wanted(settings, ["mine"]) == own
    assert wanted(settings, ["mine", "tried"]) == [own[0], ("corpora", "other"), *own[1:]]
    assert wanted(settings, ["default"]) == [("corpora", "planted")]


def test_weights_on_this_disk(settings, opened):
    encoder, source = (names.weights(kind, name) for kind, name in (("encoders", "lab"), ("transcripts", "tiny")))
    assert {encoder, source} < set(inventories.refresh(settings, ["mine"]))
    assert Path(encoder).read_text() == Path(source).read_text() == "name,size,sha256\n"
    for path in ("lab/config.json", "lab/model.safetensors", "lab/README.md", "lab/.hidden.json", "whisper/tiny.en.pt"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(path)
    assert inventories.refresh(settings, ["mine"]) == [encoder, source]
    assert [row["name"] for row in read(Path(encoder))] == ["config.json", "model.safetensors"]
    assert [row["name"] for row in read(Path(source))] == ["tiny.en.pt"]
    opened.clear()
    os.utime("lab/config.json")
    assert inventories.refresh(settings, ["mine"]) == [] and opened == ["config.json"]
    Path("lab/config.json").write_text("lab/config.JSON")
    Path("lab/README.md").write_text("more")
    assert inventories.refresh(settings, ["mine"]) == [encoder]


def test_what_is_gone_is_kept_and_said(settings, capsys):
    Path("lab").mkdir()
    Path("lab/config.json").write_text("{}")
    inventories.refresh(settings, ["mine"])
    assert capsys.readouterr().err == ""
    kept = {path: path.read_bytes() for path in names.ROOT.rglob("*.csv")}
    for gone in ("lab", "audio"):
        shutil.rmtree(gone)
    assert inventories.refresh(settings, ["mine"]) == []
    assert kept == {path: path.read_bytes() for path in names.ROOT.rglob("*.csv")}
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "corpora.mine: audio is missing; its last inventory is used",
        "encoders.lab: lab is missing; its last inventory is used",
    ]
    shutil.rmtree(names.ROOT)
    assert inventories.refresh(settings, ["mine"]) == [
        names.weights("encoders", "lab"),
        names.weights("transcripts", "tiny"),
    ]


def test_where_raw_inputs_lie(settings):
    assert inventories.places(settings, "corpora", "mine") == ["mine.csv", "audio"]
    assert inventories.places(settings, "corpora", "planted") == []
    assert inventories.places(settings, "encoders", "lab") == ["lab"]
    assert inventories.places(settings, "transcripts", "tiny") == ["whisper/tiny.en.pt"]
    assert len(inventories.places(settings, "corpora", "iemocap")) == 15
    for model in readers.settings.plain(readers.Corpus):
        own = {"table": "none.csv", "audio": "none"} if model.__name__ == "Table" else {}
        values = shipped(model, **own)
        assert inventories.places({"corpora": {"c": values}}, "corpora", "c") or values["reader"] == "planted"


def test_files_of_whisper_models_are_named_as_whisper_does():
    whisper = pytest.importorskip("whisper")
    for model, url in whisper._MODELS.items():
        values = {"kind": "whisper", "model": model, "folder": "f"}
        assert weights.place("transcripts", values) == Path("f") / url.rpartition("/")[2]


def test_the_command_line(tmp_path):
    make_corpus(tmp_path, sessions=1)
    stage(tmp_path, "inventory", "--corpus", "mine", "--root", "there")
    assert len(read(tmp_path / "there/corpora/mine/files.csv")) == 4
    assert "did you mean 'mine'?" in refused(tmp_path, "inventory", "--corpus", "mien")
    values = yaml.safe_load((tmp_path / "params.yaml").read_text())
    values["encoders"] = {"hub": {"kind": "text", "source": "a/b", "revision": "0" * 40}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    assert "encoders.hub: reads no local files" in refused(tmp_path, "inventory", "--encoder", "hub")
    assert "transcripts.gold: reads no local files" in refused(tmp_path, "inventory", "--source", "gold")
