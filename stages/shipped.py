"""What ships in params.yaml: the named entries of its registries. :mod:`stages.document` writes them out.

Used by ``python -m stages.params`` alone; at run time only params.yaml counts.
"""

from . import params as whole
from .conditions.noise import Noise
from .conditions.other_corpus import Elsewhere
from .corpora.audformat_database import AudformatDatabase
from .corpora.crema_d import CremaD
from .corpora.emodb import Emodb
from .corpora.iemocap import Iemocap
from .corpora.msp_podcast import MspPodcast
from .corpora.planted import Planted
from .corpora.ravdess import SONG, SPEECH, Ravdess
from .encoders.specs import BuiltinSpeech, BuiltinText, Egemaps, Mfcc, Spectrogram, Text, Transformers, Whisper
from .pretraining.bert import BertPretraining
from .pretraining.hubert import HubertPretraining
from .recipes.cmgi import Cmgi
from .recipes.control import Control
from .recipes.correlation import Correlation
from .recipes.frozen import Frozen
from .recipes.fusion import Fusion
from .recipes.gmp import Gmp
from .recipes.layers import Layers
from .recipes.linear import Linear
from .recipes.probe import Probe
from .recipes.regressor import Regressor
from .recipes.student import Student
from .recipes.teacher import Teacher
from .shipped_protocols import PROTOCOLS
from .shipped_studies import STUDIES
from .transcribe import Gold
from .transcripts.corruption import Corrupted
from .transcripts.whisper_transcripts import Whisper as WhisperAsr

CORPORA = {
    "planted": Planted.shipped(),
    "ravdess": Ravdess.shipped(),
    "ravdess-song": Ravdess.shipped(path="data/raw/ravdess-song", song=True, archives=[SPEECH, SONG]),
    "crema-d": CremaD.shipped(),
    "emodb": Emodb.shipped(),
    "iemocap": Iemocap.shipped(),
    "msp-podcast-1-6": MspPodcast.shipped(version="1.6"),
    "msp-podcast-1-10": MspPodcast.shipped(version="1.10"),
    "msp-podcast-1-11": MspPodcast.shipped(path="data/raw/MSP-PODCAST-Publish-1.11", version="1.11"),
    "msp-podcast-1-12": MspPodcast.shipped(version="1.12"),
    "audformat": AudformatDatabase.shipped(),
}

TRANSCRIPTS = {
    "gold": Gold.shipped(),
    "corrupted": Corrupted.shipped(wer=0.2),
    "whisper-tiny-en": WhisperAsr.shipped(model="tiny.en", folder="data/raw/whisper"),
}


PEPINO_LAYERS = ("all", "conv", "local")


def _hub(source: str, revision: str, layers=("all", "conv"), **more) -> dict:
    return Transformers.shipped(source=source, revision=revision, layers=list(layers), **more)


ENCODERS = {
    "hubert-small": BuiltinSpeech.shipped(pretrain="hubert", layers=["all", "conv"]),
    "bert-small": BuiltinText.shipped(pretrain="bert"),
    "mfcc": Mfcc.shipped(),
    "egemaps": Egemaps.shipped(),
    "spectrogram": Spectrogram.shipped(),
    "spectrogram-released": Spectrogram.shipped(hop=320),
    "spectrogram-released-48k": Spectrogram.shipped(window=133, hop=107),
    "whisper-tiny": Whisper.shipped(source="data/raw/whisper-tiny-encoder", revision=""),
    "minilm-l3": Text.shipped(source="data/raw/minilm-l3", revision=""),
    "wav2vec2-base": _hub("facebook/wav2vec2-base", "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8", PEPINO_LAYERS),
    "wav2vec2-base-960h": _hub(
        "facebook/wav2vec2-base-960h", "22aad52d435eb6dbaf354bdad9b0da84ce7d6156", PEPINO_LAYERS
    ),
    "wav2vec2-large": Transformers.shipped(
        source="data/raw/wav2vec2-large", revision="", layers=["all"], normalise=True
    ),
    "hubert-base": _hub("facebook/hubert-base-ls960", "dba3bb02fda4248b6e082697eee756de8fe8aa8a"),
    "hubert-large": _hub("facebook/hubert-large-ll60k", "ff022d095678a2995f3c49bab18a96a9e553f782", normalise=True),
    "w2v2-l-robust-p": Transformers.shipped(
        source="data/raw/wav2vec2-large-robust", revision="", layers=["all", "conv"], normalise=True, truncate_layers=12
    ),
    "distilhubert": _hub("ntu-spml/distilhubert", "fa87d96265d6b7af66e112faff6ff44df419cec9"),
    "bert-base": Text.shipped(
        source="google-bert/bert-base-uncased", revision="86b5e0934494bd15c9632b12f734a8a67f723594"
    ),
    "tinybert": Text.shipped(
        source="huawei-noah/TinyBERT_General_4L_312D", revision="4d2f8cf0079689fb3a1e27972aa29ec4c171ceed"
    ),
}

RELEASED = {"learning_rate": 1e-4, "clip_value": 1.0, "dropout_at": "before", "wrap": True, "normalise": "speaker"}
"""Where Pepino 2021's released code differs from the paper, on any corpus; IEMOCAP's speakers stand in its study."""

SYSTEMS = {
    "majority": Control.shipped(modality="none"),
    "duration": Control.shipped(modality="none", sees="duration"),
    "duration-dimensions": Control.shipped(modality="none", sees="duration", task="dimensions"),
    "speaker": Control.shipped(modality="none", sees="speaker"),
    "linear": Linear.shipped(),
    "linear-shuffled": Linear.shipped(labels="shuffled"),
    "linear-text": Linear.shipped(modality="text", sees="text"),
    "linear-speaker": Linear.shipped(normalise="speaker"),
    "linear-dimensions": Linear.shipped(task="dimensions"),
    "correlation": Correlation.shipped(),
    "pepino2021-dense-speaker": Probe.shipped(
        paper="pepino2021", table="2", row="Dense-speaker", speech="wav2vec2-base", normalise="speaker"
    ),
    "pepino2021-dense-global": Probe.shipped(
        paper="pepino2021", table="2", row="Dense-global", speech="wav2vec2-base", normalise="global"
    ),
    "pepino2021-dense-egemaps": Probe.shipped(
        paper="pepino2021", table="1", row="eGeMAPS", speech="egemaps", normalise="speaker"
    ),
    "pepino2021-dense-spectrogram": Probe.shipped(
        paper="pepino2021", table="1", row="spectrogram", speech="spectrogram", normalise="speaker"
    ),
    **{
        f"pepino2021-{label.lower()}-{part}": Probe.shipped(
            paper="pepino2021", table="1", row=f"{label} {part}", speech=encoder, layers=[layers]
        )
        for label, encoder in (("PT", "wav2vec2-base"), ("FT", "wav2vec2-base-960h"))
        for part, layers in (("local", "local"), ("contextual", "last"), ("all", "all"))
    },
    "pepino2021-lstm-global": Probe.shipped(
        paper="pepino2021", table="2", row="LSTM-global", speech="wav2vec2-base", normalise="global", network="lstm"
    ),
    "pepino2021-fusion-global": Fusion.shipped(
        paper="pepino2021", table="2", row="Fusion-global", speech="wav2vec2-base", normalise="global"
    ),
    "pepino2021-issa": Probe.shipped(
        paper="pepino2021", table="2", row="Issa setup", speech="wav2vec2-base", normalise="global"
    ),
    "pepino2021-dense-released": Probe.shipped(
        paper="pepino2021", table="2", row="Dense-speaker", speech="wav2vec2-base", **RELEASED
    ),
    "pepino2021-lstm-released": Probe.shipped(
        paper="pepino2021",
        table="2",
        row="LSTM-global",
        speech="wav2vec2-base",
        network="lstm",
        activation="relu",
        batch=16,
        **RELEASED,
    ),
    "pepino2021-spectrogram-released": Probe.shipped(
        paper="pepino2021", table="1", row="spectrogram", speech="spectrogram-released", **RELEASED
    ),
    "deoliveira2023-distil-text": Regressor.shipped(
        paper="deoliveira2023",
        table="1",
        row="+ text: DistilHuBERT",
        modality="audio+text",
        speech="distilhubert",
        text="tinybert",
    ),
    **{
        f"deoliveira2023-layers-{weights}": Layers.shipped(
            paper="deoliveira2023", table="Figure 2", row="HuBERT-base", speech="hubert-base", weights=weights
        )
        for weights in ("raw", "softmax")
    },
    **{
        f"srinivasan2022-frozen-{name}": Frozen.shipped(
            paper="srinivasan2022", table="2" if row else "", row=row, speech=encoder
        )
        for name, row, encoder in (
            ("w2v2-base-960h", "4 w2v2-base", "wav2vec2-base-960h"),
            ("w2v2-base", "", "wav2vec2-base"),
            ("w2v2-large", "5 w2v2-large", "wav2vec2-large"),
            ("hubert-base", "6 HuBERT-base", "hubert-base"),
            ("hubert-large", "7 HuBERT-large", "hubert-large"),
        )
    },
    "srinivasan2022-frozen-bert": Frozen.shipped(
        paper="srinivasan2022", table="2", row="8 BERT", modality="text", sees="text", text="bert-base"
    ),
    **{
        f"srinivasan2022-iemocap-{name}": Frozen.shipped(paper="srinivasan2022", table="3", row=row, **which)
        for name, row, which in (
            ("hubert-base", "2 HuBERT-base", {"speech": "hubert-base"}),
            ("bert", "3 BERT", {"modality": "text", "sees": "text", "text": "bert-base"}),
        )
    },
    "srinivasan2022-teacher": Teacher.shipped(
        paper="srinivasan2022",
        table="2",
        row="9 teacher",
        modality="audio+text",
        speech="hubert-large",
        text="bert-base",
    ),
    "srinivasan2022-cts": Student.shipped(paper="srinivasan2022", table="2", row="12 cT/S", speech="hubert-base"),
    "gao2024-cmgi": Cmgi.shipped(paper="gao2024", table="2", row="CmGI", speech="hubert-large", text="bert-base"),
    "pan2024-gmp-ams": Gmp.shipped(paper="pan2024", table="3", row="GMP, AMS", speech="hubert-base"),
}

ROBUSTNESS = {
    **{f"noise-{snr}": Noise.shipped(snr_db=float(snr)) for snr in (20, 10, 0)},
    **{f"babble-{snr}": Noise.shipped(colour="babble", snr_db=float(snr)) for snr in (20, 10, 0)},
    "ravdess": Elsewhere.shipped(corpus="ravdess", protocol="ravdess-emobox"),
    "crema-d": Elsewhere.shipped(),
    "msp-podcast": Elsewhere.shipped(corpus="msp-podcast-1-10", protocol="msp-1-10-test1"),
}

SECTIONS = {
    "active": ["default"],
    "studies": STUDIES,
    "corpora": CORPORA,
    "protocols": PROTOCOLS,
    "transcripts": TRANSCRIPTS,
    "encoders": ENCODERS,
    "shards": {},
    "systems": SYSTEMS,
    "ingest": whole.Ingest.shipped(),
    "pretrain": {"hubert": HubertPretraining.shipped(), "bert": BertPretraining.shipped()},
    "features": whole.Features.shipped(),
    "adapt": {
        "gmp": whole.Adapt.shipped(),
        "gmp-small": whole.Adapt.shipped(lstm=32, hidden=64, learning_rate=1e-3, batch=16, epochs=10),
    },
    "cluster": {
        "gmp": whole.Cluster.shipped(),
        "gmp-small": whole.Cluster.shipped(adapt="gmp-small", layer=-2, scales=[16, 64]),
    },
    "retrain": {
        "gmp": whole.Retrain.shipped(),
        "gmp-small": whole.Retrain.shipped(cluster="gmp-small", hidden=64, learning_rate=1e-3, batch=16, epochs=10),
    },
    "train": whole.Train.shipped(),
    "teach": whole.Teach.shipped(),
    "distill": whole.Distill.shipped(),
    "evaluate": whole.Evaluate.shipped(),
    "robustness": ROBUSTNESS,
    "report": whole.Report.shipped(),
}
