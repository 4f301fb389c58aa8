"""The protocols that ship in params.yaml: those of the papers and the usual ones of their corpora, with their counts.

Counts of releases are the readers' own; those of RAVDESS, CREMA-D and EMO-DB follow from their design.
"""

import itertools

from .corpora import emodb, iemocap, msp_podcast
from .protocols.config import Fixed, GroupFolds, LeaveOneGroupOut, RandomFolds

EMOBOX = ["01 11 20 21", "04 10 12 14", "08 09 19 23", "03 05 07 24", "02 15 16 18", "06 13 17 22"]
FOUR = ["angry", "happy", "neutral", "sad"]
EXCITED = {"excited": "happy"}
ACTORS = [f"{n:02d}" for n in range(1, 25)]
CREMAD_SETS = [
    [str(n) for n in range(start, stop)] for start, stop in itertools.pairwise((1001, 1019, 1037, 1055, 1073, 1092))
]
SPEECH = {"channel": ["speech"]}

RAVDESS_SPEECH = {"utterances": 1440, "speakers": 24, "emotion=neutral": 96} | {
    f"emotion={name}": 192 for name in ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
}
PEPINO = {"classes": [], "merge": {"calm": "neutral"}, "by": "speaker"} | {
    "train": ACTORS[:20],
    "val": ACTORS[20:22],
    "test": ACTORS[22:],
}
IEMOCAP_FOUR = {"utterances": sum(iemocap.FOUR.values()), "speakers": 10} | {
    **{f"fold={i},role=test": count for i, count in enumerate(iemocap.FOUR.values(), 1)},
    **{f"emotion={name}": count for name, count in iemocap.OF_CLASS.items()},
}
IEMOCAP = {"classes": FOUR, "merge": EXCITED}
FOUR_ONLY = IEMOCAP | {"unlabelled": "out"}
IMPROVISED = {"derive": {"part": ["utterance", "_(impro|script)"]}, "where": {"part": ["impro"]}}
MSP = {"by": "split", "train": ["Train"], "val": ["Development"]}


def _entry(model, **values) -> dict:
    """An entry without the keys that may be left out, but for those that say something."""
    neutral = {name: field.default for name, field in model.model_fields.items() if not field.is_required()}
    whole = model.shipped(**values)
    return {n: v for n, v in whole.items() if n in ("version", "about") or n not in neutral or v != neutral[n]}


def _msp(about: str, release: str = "", test: str = "Test1") -> dict:
    """MSP-Podcast's own partitions, one of them tested; with their sizes where a release is meant."""
    expect = {}
    if release:
        sizes = msp_podcast.SPLITS.get(release)
        expect = sizes and {"role=train": sizes["Train"], "role=val": sizes["Development"], "role=test": sizes[test]}
    name = f"MSP-Podcast {release}".strip()
    return _entry(Fixed, about=f"{name}, {about}", **MSP, test=[test], expect=expect or {})


PROTOCOLS = {
    "sessions": LeaveOneGroupOut.shipped(
        about="each session tested once, the next one validates; four classes", **IEMOCAP, by="session", validation=1
    ),
    "speakers": _entry(
        LeaveOneGroupOut,
        about="each speaker tested once, the next one validates; every class",
        by="speaker",
        validation=1,
    ),
    "iemocap-sessions": _entry(
        LeaveOneGroupOut,
        about="IEMOCAP, 5 folds by session, four classes (Pepino 2021, Gao 2024, Pan 2024)",
        **FOUR_ONLY,
        expect=IEMOCAP_FOUR,
        by="session",
        validation=1,
    ),
    "iemocap-sessions-all": _entry(
        LeaveOneGroupOut,
        about="IEMOCAP, 5 folds by session, all turns for arousal, valence and dominance (Srinivasan 2022, Table 3)",
        **IEMOCAP,
        expect={"utterances": iemocap.TURNS, "speakers": 10},
        by="session",
        validation=1,
    ),
    "iemocap-improvised": _entry(
        LeaveOneGroupOut,
        about="IEMOCAP, improvised dialogues alone, 5 folds by session, four classes",
        **FOUR_ONLY,
        **IMPROVISED,
        by="session",
        validation=1,
    ),
    "issa-iemocap": _entry(
        LeaveOneGroupOut,
        about="IEMOCAP, improvised, all raters agree (Issa 2020 as in Pepino 2021, section 3)",
        **FOUR_ONLY,
        derive=IMPROVISED["derive"],
        where=IMPROVISED["where"] | {"agreement": ["1"]},
        by="session",
        validation=1,
    ),
    "iemocap-speakers": _entry(
        LeaveOneGroupOut,
        about="IEMOCAP, 10 folds by speaker, four classes; the partner is out, the next session validates",
        **FOUR_ONLY,
        apart=["dialogue"],
        expect={"utterances": IEMOCAP_FOUR["utterances"], "speakers": 10},
        by="speaker",
        validation=2,
    ),
    "iemocap-scripts": _entry(
        LeaveOneGroupOut,
        about="IEMOCAP, 5 sessions by 2 halves of the scripts and scenarios: test shares neither speaker nor script",
        **FOUR_ONLY,
        derive={"scenario": ["utterance", r"Ses\d\d[FM]_(impro\d\d|script\d\d_\d)"]},
        apart=["scenario"],
        expect={"utterances": IEMOCAP_FOUR["utterances"], "speakers": 10},
        by="session",
        validation=1,
        parts=2,
    ),
    "ravdess-emobox": _entry(
        GroupFolds,
        about="RAVDESS speech, EmoBox's six folds of four actors, eight classes",
        where=SPEECH,
        expect=RAVDESS_SPEECH | {"fold=1,role=test": 240, "fold=1,role=val": 240, "fold=1,role=train": 960},
        by="speaker",
        folds=[fold.split() for fold in EMOBOX],
        validation=4,
    ),
    "pepino2021-ravdess": _entry(
        Fixed,
        about="RAVDESS speech, calm merged into neutral (Pepino 2021; of its overlapping actors 20-22 and 22-24 the "
        "released ones; its 104 clips per actor hold song too: see pepino2021-ravdess-released)",
        **PEPINO,
        where=SPEECH,
        expect={"utterances": 1440, "role=train": 1200, "role=val": 120, "role=test": 120}
        | {"role=test,emotion=neutral": 24, "role=test,emotion=happy": 16, "role=test,emotion=sad": 16}
        | {"role=test,emotion=angry": 16, "role=test,emotion=fearful": 16, "role=test,emotion=disgust": 16}
        | {"role=test,emotion=surprised": 16},
    ),
    "pepino2021-ravdess-released": _entry(
        Fixed,
        about="RAVDESS speech and song, calm merged into neutral, as in Pepino 2021's released code",
        **PEPINO,
        expect={"utterances": 2452, "role=train": 2036, "role=val": 208, "role=test": 208}
        | {"channel=speech": 1440, "channel=speech,role=test": 120, "channel=song": 1012, "channel=song,role=test": 88}
        | {"role=test,emotion=neutral": 48, "role=test,emotion=happy": 32, "role=test,emotion=sad": 32}
        | {"role=test,emotion=angry": 32, "role=test,emotion=fearful": 32, "role=test,emotion=disgust": 16}
        | {"role=test,emotion=surprised": 16},
    ),
    "issa-ravdess": _entry(
        RandomFolds,
        about="RAVDESS speech, eight classes, five random folds: speakers are divided, for comparison only "
        "(Issa 2020 as in Pepino 2021, section 3)",
        where=SPEECH,
        leaks=["speaker"],
        expect=RAVDESS_SPEECH,
        folds=5,
    ),
    "msp-official": _msp("the release's own partitions, tested on Test1"),
    "msp-1-6": _msp("official partitions (Srinivasan 2022, Table 2)", "1.6"),
    "msp-1-10-test1": _msp("official partitions, seen: Test1 (de Oliveira 2023)", "1.10"),
    "msp-1-10-test2": _msp("official partitions, unseen: Test2 (de Oliveira 2023)", "1.10", "Test2"),
    "msp-1-11-test1": _msp("official partitions, Test1", "1.11"),
    "msp-1-11-test2": _msp("official partitions, Test2", "1.11", "Test2"),
    "msp-1-12-test1": _msp(
        "official partitions, Test1; its sizes are not public, the turns in all are the reader's", "1.12"
    ),
    "msp-1-12-test2": _msp(
        "official partitions, Test2; its sizes are not public, the turns in all are the reader's", "1.12", "Test2"
    ),
    "cremad-speakers": _entry(
        GroupFolds,
        about="CREMA-D, five sets of speakers as in EMO-SUPERB (2402.13018), the next set validates, six classes; "
        "its silent clip is out",
        version=2,
        expect={"utterances": 7441, "speakers": 91, "emotion=neutral": 1087, "emotion=sad": 1270}
        | {f"emotion={name}": 1271 for name in ("angry", "disgust", "fearful", "happy")},
        by="speaker",
        folds=CREMAD_SETS,
        validation=0,
    ),
    "emodb-speakers": _entry(
        LeaveOneGroupOut,
        about="EMO-DB, each of ten speakers tested once, the next two validate; seven classes",
        expect={"utterances": 535, "speakers": 10, "emotion=angry": 127, "emotion=bored": 81, "emotion=disgust": 46}
        | {"emotion=fearful": 69, "emotion=happy": 71, "emotion=neutral": 79, "emotion=sad": 62}
        | {f"fold={i},role=test": count for i, count in enumerate(emodb.OF_SPEAKER.values(), 1)},
        by="speaker",
        validation=2,
    ),
}
