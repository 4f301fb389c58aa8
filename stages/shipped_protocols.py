"""The protocols that ship in params.yaml: those of the papers and the usual ones of their corpora, with their counts.

Counts: RAVDESS, CREMA-D and EMO-DB as released; IEMOCAP as published with EmoBox and emotion2vec; MSP-Podcast as its
papers print them.
"""

from stages.corpora.protocols import Fixed, GroupFolds, LeaveOneGroupOut, RandomFolds

EMOBOX = ["01 11 20 21", "04 10 12 14", "08 09 19 23", "03 05 07 24", "02 15 16 18", "06 13 17 22"]
FOUR = ["angry", "happy", "neutral", "sad"]
EXCITED = {"excited": "happy"}
ACTORS = [f"{n:02d}" for n in range(1, 25)]
SPEECH = {"channel": ["speech"]}

RAVDESS_SPEECH = {"utterances": 1440, "speakers": 24, "emotion=neutral": 96} | {
    f"emotion={name}": 192 for name in ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
}
PEPINO = {"classes": [], "merge": {"calm": "neutral"}, "by": "speaker"} | {
    "train": ACTORS[:20],
    "val": ACTORS[20:22],
    "test": ACTORS[22:],
}
IEMOCAP_FOUR = {"utterances": 5531, "speakers": 10} | {
    **{f"fold={i},role=test": n for i, n in enumerate((1085, 1023, 1151, 1031, 1241), 1)},
    **{"emotion=angry": 1103, "emotion=happy": 1636, "emotion=neutral": 1708, "emotion=sad": 1084},
}
IEMOCAP = {"classes": FOUR, "merge": EXCITED}
FOUR_ONLY = IEMOCAP | {"unlabelled": "out"}
IMPROVISED = {"derive": {"part": ["utterance", "_(impro|script)"]}, "where": {"part": ["impro"]}}
MSP = {"by": "split", "train": ["Train"], "val": ["Development"]}
MSP_110 = {"role=train": 63_076, "role=val": 10_999}


def _entry(model, **values) -> dict:
    """An entry without the keys that may be left out, but for those that say something."""
    neutral = {name: field.default for name, field in model.model_fields.items() if not field.is_required()}
    whole = model.shipped(**values)
    return {n: v for n, v in whole.items() if n in ("version", "about") or n not in neutral or v != neutral[n]}


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
        expect={"utterances": 10_039, "speakers": 10},
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
        expect={"utterances": 5531, "speakers": 10},
        by="speaker",
        validation=2,
    ),
    "iemocap-scripts": _entry(
        LeaveOneGroupOut,
        about="IEMOCAP, 5 sessions by 2 halves of the scripts and scenarios: test shares neither speaker nor script",
        **FOUR_ONLY,
        derive={"scenario": ["utterance", r"Ses\d\d[FM]_(impro\d\d|script\d\d_\d)"]},
        apart=["scenario"],
        expect={"utterances": 5531, "speakers": 10},
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
    "msp-official": _entry(
        Fixed, about="MSP-Podcast, the release's own partitions, tested on Test1", **MSP, test=["Test1"]
    ),
    "msp-1-6": _entry(
        Fixed,
        about="MSP-Podcast 1.6, official partitions (Srinivasan 2022, Table 2)",
        **MSP,
        test=["Test1"],
        expect={"role=train": 34_280, "role=val": 5_958, "role=test": 10_124},
    ),
    "msp-1-10-test1": _entry(
        Fixed,
        about="MSP-Podcast 1.10, official partitions, seen: Test1 (de Oliveira 2023)",
        **MSP,
        test=["Test1"],
        expect=MSP_110 | {"role=test": 16_903},
    ),
    "msp-1-10-test2": _entry(
        Fixed,
        about="MSP-Podcast 1.10, official partitions, unseen: Test2 (de Oliveira 2023)",
        **MSP,
        test=["Test2"],
        expect=MSP_110 | {"role=test": 13_289},
    ),
    "msp-1-11-test1": _entry(
        Fixed,
        about="MSP-Podcast 1.11, official partitions, Test1",
        **MSP,
        test=["Test1"],
        expect={"role=train": 84_030, "role=val": 19_815, "role=test": 30_647},
    ),
    "cremad-speakers": _entry(
        GroupFolds,
        about="CREMA-D, five sets of speakers with the sexes in balance, six classes; its silent clip is out",
        expect={"utterances": 7441, "speakers": 91, "emotion=neutral": 1087, "emotion=sad": 1270}
        | {f"emotion={name}": 1271 for name in ("angry", "disgust", "fearful", "happy")},
        by="speaker",
        folds=5,
        validation=9,
    ),
    "emodb-speakers": _entry(
        LeaveOneGroupOut,
        about="EMO-DB, each of ten speakers tested once, the next two validate; seven classes",
        expect={"utterances": 535, "speakers": 10, "emotion=angry": 127, "emotion=bored": 81, "emotion=disgust": 46}
        | {"emotion=fearful": 69, "emotion=happy": 71, "emotion=neutral": 79, "emotion=sad": 62},
        by="speaker",
        validation=2,
    ),
}
