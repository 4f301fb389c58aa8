"""The settings that every pretraining has."""

import numpy as np

from ..config.settings import Section, setting


class Pretraining(Section):
    """How long, how fast and on how many threads; AdamW's learning rate rises, then falls to zero."""

    seed: int = setting("of the unlabelled data and the training", ge=0)
    steps: int = setting("training steps", ge=1)
    learning_rate: float = setting("highest, of AdamW", gt=0)
    warmup: float = setting("share of the steps with a rising learning rate", ge=0, lt=1)
    threads: int = setting("threads; another number rounds differently", ge=1)


class TextPretraining(Pretraining):
    """A text encoder, trained on unlabelled sentences."""

    source: str = setting("file of a text encoder that pretrain made, to start from or to distil; '' for a new one")
    sentences: int = setting("unlabelled sentences to make", ge=1)
    width: int = setting("channels", ge=8)
    layers: int = setting("transformer blocks; of a student, a divisor of its teacher's", ge=1)
    batch: int = setting("sentences per step", ge=1)

    def batches(self, sentences: int):
        """Which of the ``sentences`` every step reads, int [steps, sentences of a batch]."""
        order = np.random.default_rng(self.seed)
        return order.integers(0, sentences, (self.steps, min(self.batch, sentences)))


class SpeechPretraining(Pretraining):
    """A speech encoder, trained on unlabelled audio from its beginning or from another encoder's weights."""

    utterances: int = setting("unlabelled utterances to synthesise (unused where audio is given)", ge=1)
    source: str = setting("encoder to start from: hub id, folder, or file that pretrain made; '' for a new small one")
    revision: str = setting("its commit; '' for a local folder or file")
    normalise: bool = setting("bring every waveform to zero mean and unit variance first")
    batch_seconds: float = setting("largest padded length of a batch, seconds", gt=0)
