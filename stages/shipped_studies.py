"""The studies that ship in params.yaml: each paper on its corpora, on planted and on RAVDESS."""

from . import params as whole

DEFAULT = [
    "majority",
    "duration",
    "duration-dimensions",
    "linear",
    "linear-dimensions",
    "pepino2021-dense-speaker",
    "pepino2021-dense-egemaps",
    "deoliveira2023-distil-text",
    "srinivasan2022-teacher",
    "srinivasan2022-cts",
    "gao2024-cmgi",
    "pan2024-gmp-ams",
]
SMALL = {
    "pepino2021-dense-speaker": {"learning_rate": 3e-3, "patience": 10, "stop_on": "uar"},
    "pepino2021-dense-egemaps": {"learning_rate": 3e-3, "patience": 10, "stop_on": "uar"},
    "deoliveira2023-distil-text": {"learning_rate": 3e-4, "epochs": 12, "patience": 12},
    "srinivasan2022-teacher": {
        "hidden": 32,
        "gru_layers": 1,
        "embedding": 32,
        "epochs": 15,
        "learning_rate": 5e-3,
        "normalise": "global",
    },
    "srinivasan2022-cts": {
        "weight": 3.0,
        "hidden": 32,
        "gru_layers": 1,
        "embedding": 32,
        "epochs": 10,
        "learning_rate": 4e-3,
        "batch": 8,
        "tuned_blocks": 1,
    },
    "gao2024-cmgi": {
        "width": 64,
        "heads": 4,
        "learning_rate": 1e-3,
        "batch": 16,
        "accumulate": 1,
        "stage1_freeze_cnn": True,
        "epochs": [4, 8],
    },
    "pan2024-gmp-ams": {
        "start": "gmp-small",
        "hidden": 64,
        "learning_rate": 1e-3,
        "batch": 8,
        "epochs": 10,
        "patience": 10,
    },
}
SMALL_GRU = {k: v for k, v in SMALL["srinivasan2022-teacher"].items() if k != "epochs"} | {"epochs": 30}
FROZEN = ("srinivasan2022-frozen-hubert-base", "srinivasan2022-frozen-bert")
LAYERS = ["duration-dimensions", "linear-dimensions", "deoliveira2023-layers-raw", "deoliveira2023-layers-softmax"]
PEPINO = [
    "majority",
    "linear",
    "pepino2021-dense-egemaps",
    "pepino2021-dense-spectrogram",
    "pepino2021-pt-local",
    "pepino2021-pt-contextual",
    "pepino2021-dense-speaker",
    "pepino2021-dense-global",
    "pepino2021-lstm-global",
    "pepino2021-fusion-global",
    "pepino2021-dense-released",
    "pepino2021-lstm-released",
    "pepino2021-spectrogram-released",
]
"""The paper's rows that an encoder of our own can stand for; those of PT and FT are one where it stands for both."""
RELEASED = [name for name in PEPINO if name.endswith("released")]
SPECTROGRAM_48K = {"speech": "spectrogram-released-48k", "max_seconds": 1.67}
"""The released code counts 250 frames of 400 samples every 320 at RAVDESS's own 48 kHz; above 8 kHz is out of ours."""
PROBES = [name for name in PEPINO if name.startswith("pepino2021")]
PEPINO_SEEDS = [123, 1234, 2345, 3456, 4567]
"""Those of the released code."""


def _without_local(**more) -> dict:
    """Changes of the probes in a study whose encoder has no layer ``local``: 0 stands for it."""
    return {n: more | ({"layers": ["0"]} if n == "pepino2021-pt-local" else {}) for n in PROBES if more or "local" in n}


def _audio(corpus: str, protocol: str, speech: str, systems: list[str], **more) -> dict:
    """A study of systems that read no text, with the released seeds."""
    own = {"corpus": corpus, "protocol": protocol, "speech": speech, "text": "", "transcripts": ""}
    return whole.Study.shipped(**own | {"systems": systems, "seeds": PEPINO_SEEDS} | more)


ROBUST = [
    *("majority", "linear", "linear-text", "linear-dimensions", "pepino2021-dense-global", "pepino2021-dense-speaker"),
    *("pepino2021-dense-egemaps", "deoliveira2023-distil-text"),
]
NOISES = [f"{colour}-{snr}" for colour in ("noise", "babble") for snr in (20, 10, 0)]

STUDIES = {
    "default": whole.Study.shipped(
        systems=DEFAULT,
        changes=SMALL,
        seeds=[1],
        trials={"noise-10": ["pepino2021-dense-egemaps"]},
    ),
    "ravdess": whole.Study.shipped(
        corpus="ravdess",
        protocol="ravdess-emobox",
        speech="whisper-tiny",
        text="",
        transcripts="",
        seeds=[1, 2, 3, 4, 5],
        systems=[
            "majority",
            "duration",
            "linear",
            "linear-speaker",
            "correlation",
            "pepino2021-dense-global",
            "pepino2021-dense-speaker",
        ],
        changes={name: {"max_seconds": 5.0} for name in ("pepino2021-dense-global", "pepino2021-dense-speaker")},
    ),
    "pepino2021-planted": _audio("planted", "sessions", "hubert-small", PEPINO, changes=_without_local()),
    "pepino2021-ravdess": _audio(
        "ravdess",
        "pepino2021-ravdess",
        "whisper-tiny",
        PEPINO,
        changes=_without_local(max_seconds=5.0) | {"pepino2021-spectrogram-released": SPECTROGRAM_48K},
    ),
    "pepino2021-ravdess-released": _audio(
        "ravdess-song",
        "pepino2021-ravdess-released",
        "whisper-tiny",
        ["majority", "linear", *RELEASED],
        changes={name: {"max_seconds": 5.0} for name in RELEASED}
        | {"pepino2021-spectrogram-released": SPECTROGRAM_48K},
    ),
    "pepino2021-issa-ravdess": _audio(
        "ravdess",
        "issa-ravdess",
        "whisper-tiny",
        ["majority", "linear", "pepino2021-issa"],
        changes={"pepino2021-issa": {"max_seconds": 5.0}},
    ),
    "pepino2021-iemocap": _audio(
        "iemocap",
        "iemocap-sessions",
        "wav2vec2-base",
        [*PEPINO, "pepino2021-pt-all", *(f"pepino2021-ft-{part}" for part in ("local", "contextual", "all"))],
        substitute=False,
        changes={name: {"speaker_by": "prefix"} for name in RELEASED},
    ),
    "pepino2021-issa-iemocap": _audio(
        "iemocap", "issa-iemocap", "wav2vec2-base", ["majority", "linear", "pepino2021-issa"], substitute=False
    ),
    "robustness-planted": whole.Study.shipped(
        systems=ROBUST,
        changes={name: SMALL[name] for name in ROBUST if name in SMALL},
        trials={name: [] for name in NOISES},
    ),
    "robustness-iemocap": _audio(
        "iemocap",
        "iemocap-sessions",
        "wav2vec2-base",
        ["majority", "linear", "pepino2021-dense-global", "pepino2021-dense-speaker"],
        substitute=False,
        trials={name: [] for name in [*NOISES, "crema-d", "msp-podcast"]},
    ),
    "srinivasan2022-frozen-planted": whole.Study.shipped(
        systems=[
            "duration-dimensions",
            "linear-dimensions",
            "srinivasan2022-frozen-hubert-base",
            "srinivasan2022-frozen-bert",
            "srinivasan2022-teacher",
        ],
        changes={"srinivasan2022-teacher": SMALL["srinivasan2022-teacher"], **dict.fromkeys(FROZEN, SMALL_GRU)},
    ),
    "srinivasan2022-frozen-msp": whole.Study.shipped(
        corpus="msp-podcast-1-6",
        protocol="msp-1-6",
        speech="hubert-large",
        text="bert-base",
        transcripts="whisper-tiny-en",
        substitute=False,
        systems=[
            "duration-dimensions",
            "linear-dimensions",
            "srinivasan2022-frozen-w2v2-base-960h",
            "srinivasan2022-frozen-w2v2-base",
            "srinivasan2022-frozen-w2v2-large",
            "srinivasan2022-frozen-hubert-base",
            "srinivasan2022-frozen-hubert-large",
            "srinivasan2022-frozen-bert",
            "srinivasan2022-teacher",
        ],
    ),
    "srinivasan2022-frozen-iemocap": whole.Study.shipped(
        corpus="iemocap",
        protocol="iemocap-sessions-all",
        speech="hubert-base",
        text="bert-base",
        transcripts="gold",
        substitute=False,
        systems=[
            "duration-dimensions",
            "linear-dimensions",
            "srinivasan2022-iemocap-hubert-base",
            "srinivasan2022-iemocap-bert",
        ],
    ),
    "deoliveira2023-layers-planted": _audio(
        "planted",
        "sessions",
        "hubert-small",
        LAYERS,
        seeds=[1, 2, 3],
        changes={name: {"patience": 20} for name in LAYERS if name.startswith("deoliveira2023")},
    ),
    "deoliveira2023-layers-msp": _audio(
        "msp-podcast-1-10", "msp-1-10-test1", "hubert-base", LAYERS, seeds=[1, 2, 3], substitute=False
    ),
}
"""RAVDESS has no ratings of arousal, valence and dominance, so the studies of dimensions cannot be built on it."""
