"""Small trees in the true layout of the corpora, with the oddities that real copies have."""

from pathlib import Path

import numpy as np
import soundfile

from tests.unit.small_corpus import tone


def wav(path: Path, hertz: float, rate: int = 16_000, channels: int = 1, seconds: float = 0.25) -> None:
    """A tone of its own for every file, and the shadow that macOS leaves beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, rate, hertz, channels), rate)
    path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7 no audio")


def text(path: Path, content: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))


IEMOCAP_LABELS = """\
% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral;\t()
C-E4:\tNeutral;\t()
C-F1:\tNeutral; Anger;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-E4:\tval 2; act 3; dom  3;\t(mildly aggravated but staying polite, attitude)
A-F1:\tval 3; act 2; dom  1;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[2.5000, 3.0000, 3.0000]
C-E2:\tExcited;\t()
C-E3:\tFrustration; Anger;\t()
C-E4:\tOther;\t(puzzled)
A-E3:\tval 2; act 3; dom  3;\t()
A-E4:\tval 3; act 3; dom  3;\t()

[20.0000 - 21.0000]\tSes01F_impro01_F002\tang\t[1.5000, 4.0000, 4.5000]
C-E2:\tAnger;\t()
A-E3:\tval 1; act 4; dom  4;\t()
"""
IEMOCAP_TEXT = """\
Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses01F_impro01_M001 [010.0100-011.3925]: [LAUGHTER] Do you  have your forms? [BREATHING]
F: What?
Ses01F_impro01_MXX0 [012.0000-012.5000]: Yeah.
Ses01F_impro01_F002 [020.0000-021.0000]: No.
"""


def iemocap(folder: Path) -> None:
    """One improvised dialogue (a turn without agreement, one without its wav, a wav without a label) and a script."""
    dialog = folder / "Session1/dialog"
    text(dialog / "EmoEvaluation/Ses01F_impro01.txt", IEMOCAP_LABELS)
    text(dialog / "EmoEvaluation/._Ses01F_impro01.txt", "\0\5")
    text(dialog / "EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt", "Ses01F_impro01_F000 :Neutral state; ()\n")
    text(dialog / "transcriptions/Ses01F_impro01.txt", IEMOCAP_TEXT)
    audio = folder / "Session1/sentences/wav/Ses01F_impro01"
    wav(audio / "Ses01F_impro01_F000.wav", 300)
    wav(audio / "Ses01F_impro01_M001.wav", 310)
    wav(audio / "Ses01F_impro01_M009.wav", 320)
    turn = "[0.5000 - 1.5000]\tSes05M_script01_1b_M000\texc\t[4.0000, 4.0000, 3.5000]\r\nC-E1:\tExcited;\t(caf\xe9)\r\n"
    text(folder / "Session5/dialog/EmoEvaluation/Ses05M_script01_1b.txt", turn, "latin-1")
    wav(folder / "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_M000.wav", 330)


MSP_LABELS = """\
FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.6,30,Male,Test1
MSP-PODCAST_0001_0009.wav,X,3.777778,3.555556,3.777778,Unknown,Unknown,Train
MSP-PODCAST_0002_0033.wav,H,5.0,6.0,4.5,12,Female,{development}
MSP-PODCAST_0003_0001.wav,A,6.0,2.0,5.5,40,Female,Train
"""
MSP_DETAIL = """\
FileName,EmoDetail
MSP-PODCAST_0001_0008.wav,"WORKER0000001; Neutral; Neutral,Confused; A:1.000000; V:4.000000; D:1.000000;"
MSP-PODCAST_0001_0008.wav,"WORKER0000002; Sad; Sad,Depressed or Down; A:2.000000; V:4.000000; D:3.000000;"
MSP-PODCAST_0001_0009.wav,"WORKER0000003; Other-amused; ; A:3.000000; V:3.000000; D:4.000000;"
"""
MSP_DETAIL_1_6 = """\
FileName,Workers,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom
MSP-PODCAST_0001_0008.wav,WORKER0000001,Neutral,"Neutral,Confused",1,4,1
MSP-PODCAST_0001_0008.wav,WORKER0000002,Sad,"Sad,Depressed or Down",2,4,3
MSP-PODCAST_0001_0009.wav,WORKER0000003,Other-amused,,3,3,4
"""
MSP_BLOCKS = """\
MSP-PODCAST_0001_0008.wav; N; A:2.200000; V:4.000000; D:2.600000;
WORKER0000001; Neutral; Neutral,Confused; A:1.000000; V:4.000000; D:1.000000;
WORKER0000002; Sad; Sad,Depressed or Down; A:2.000000; V:4.000000; D:3.000000;

MSP-PODCAST_0001_0009.wav; X; A:3.777778; V:3.555556; D:3.777778;
WORKER0000003; Other-amused; ; A:3.000000; V:3.000000; D:4.000000;
"""


def msp_podcast(folder: Path) -> None:
    """A release 1.12 with what it keeps of 1.6: misspelt labels, a turn that was taken out, one that is lost."""
    for i, name in enumerate(("0001_0008", "0001_0009", "0002_0033", "test3_0001")):
        wav(folder / f"Audios/MSP-PODCAST_{name}.wav", 400 + 10 * i)
    text(folder / "Transcripts/MSP-PODCAST_0001_0008.txt", "Well, I  see.\n")
    text(folder / "Labels/labels_consensus.csv", MSP_LABELS.format(development="Development"))
    text(folder / "Labels/labels_detailed.csv", MSP_DETAIL)
    text(folder / "Partitions.txt", "Test1; MSP-PODCAST_0001_0008.wav\n\nTest3; MSP-PODCAST_test3_0001.wav\n")
    old = folder / "Previous_releases_information"
    earlier = MSP_LABELS.format(development="Validation") + "MSP-PODCAST_0009_0009.wav,S,3,2,3,41,Male,Train\n"
    text(old / "previous_releases_info/v1.6/label/labels_concensus.csv", earlier)
    text(old / "previous_releases_info/v1.6/label/labels_detailed.csv", MSP_DETAIL_1_6)
    wav(old / "files_removed_from_prev_versions/v1.6_removed_files/MSP-PODCAST_0003_0001.wav", 450)


CREMA_PEOPLE = (
    "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n"
    "1040,32,Male,African American,Not Hispanic\n1076,25,Female,Caucasian,Not Hispanic\n"
)
CREMA_VOTES = """\
"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"
100001,1,0,0,0,7,2,"1001_DFA_ANG_XX",10,0.7,"N"
100002,3,3,0,0,4,0,"1001_IEO_HAP_HI",10,0.4,"N"
100003,5,0,0,0,0,5,"1040_ITH_SAD_X",10,0.5,"A:S"
100004,0,0,0,0,1,1,"1076_MTI_SAD_XX",2,0.5,"N:S"
200001,8,0,0,0,2,0,"1001_DFA_ANG_XX",10,0.8,"A"
300001,9,0,0,0,1,0,"1001_DFA_ANG_XX",10,0.9,"A"
"""
CREMA_RESPONSES = """\
"","sessionNums","queryType","questNum","clipNum","clipName","respEmo","respLevel"
1,11,1,1,1,"1001_DFA_ANG_XX","N",50
2,11,2,2,1,"1001_DFA_ANG_XX","A",50
3,12,1,1,1,"1001_DFA_ANG_XX","S",20
"""


def crema_d(folder: Path) -> None:
    """Four clips: one misspelt as in the release, one that the release itself holds without signal."""
    wav(folder / "AudioWAV/1001_DFA_ANG_XX.wav", 500)
    wav(folder / "AudioWAV/1001_IEO_HAP_HI.wav", 510)
    wav(folder / "AudioWAV/1040_ITH_SAD_X.wav", 520)
    soundfile.write(folder / "AudioWAV/1076_MTI_SAD_XX.wav", np.zeros(1), 16_000)
    text(folder / "VideoDemographics.csv", CREMA_PEOPLE)
    text(folder / "processedResults/tabulatedVotes.csv", CREMA_VOTES)
    text(folder / "finishedResponses.csv", CREMA_RESPONSES)


def emodb(folder: Path) -> None:
    """Three clips, in the folder that the archive unpacks to, with the listeners' table of the first release."""
    for i, name in enumerate(("03a01Fa", "08b02Tb", "16b10Lc")):
        wav(folder / f"emodb/wav/{name}.wav", 600 + 10 * i)
    table = "Satz\terkannt\tnatuerlich\n03a01Fa.wav\t90,00\t75,0\n08b02Tb.wav\t\xa0100\t80,0\n"
    text(folder / "emodb/erkennung.txt", table, "latin-1")


RAVDESS_STEREO = [f"03-01-0{emotion}-01-01-01-01" for emotion in (1, 3, 4, 5, 6)]


def ravdess(folder: Path) -> None:
    """Six clips of the first actor at 48 kHz, five of them stereo, a song, a film; one song of the second."""
    for i, name in enumerate(RAVDESS_STEREO):
        wav(folder / f"Actor_01/{name}.wav", 700 + 10 * i, 48_000, channels=2)
    wav(folder / "Actor_01/03-01-08-02-02-02-01.wav", 760, 48_000)
    wav(folder / "Actor_01/03-02-02-02-01-02-01.wav", 770, 48_000)
    wav(folder / "Actor_01/01-01-01-01-01-01-01.wav", 780, 48_000)
    wav(folder / "Actor_02/03-02-06-01-02-01-02.wav", 790, 48_000)
