"""The settings that every pretraining has."""

from ..config.settings import Section, setting


class Pretraining(Section):
    """How long, how fast and on how many threads; AdamW's learning rate rises, then falls to zero."""

    seed: int = setting("of the unlabelled data and the training", ge=0)
    steps: int = setting("training steps", ge=1)
    learning_rate: float = setting("highest, of AdamW", gt=0)
    warmup: float = setting("share of the steps with a rising learning rate", ge=0, lt=1)
    threads: int = setting("threads; another number rounds differently", ge=1)


class SpeechPretraining(Pretraining):
    """A speech encoder, trained on unlabelled audio from its beginning or from another encoder's weights."""

    utterances: int = setting("unlabelled utterances to synthesise (unused where audio is given)", ge=1)
    source: str = setting("encoder to start from: hub id, folder, or file that pretrain made; '' for a new small one")
    revision: str = setting("its commit; '' for a local folder or file")
    normalise: bool = setting("bring every waveform to zero mean and unit variance first")
    batch_seconds: float = setting("largest padded length of a batch, seconds", gt=0)
