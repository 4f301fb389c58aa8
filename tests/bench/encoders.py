"""How the built-in encoders came about: short pretrainings that differ in one setting, and what each holds of emotion.

    python -m tests.bench.encoders speech [--whisper FOLDER]
    python -m tests.bench.encoders text
    python -m tests.bench.encoders words [FILE ...]

Prints tables for docs/encoders.md, each row when it is done. ``speech``: the recipe ``hubert`` as it ships but for
what the row says, 300 steps on 1,000 unlabelled utterances, beside descriptors, the encoder that ships and, from its
folder, Whisper (which sees the clip and half a second). ``text``: the recipe ``bert`` likewise, 800 steps, beside
tf-idf and latent semantic analysis of the same sentences. ``words``: the word error rate of encoders that were trained
with CTC (the one that ships, or those in FILE) on every fourth utterance of the same corpus. What is trained lies in
data/scratch, so that a bench that was broken off goes on.

A probe is ridge regression on 1,200 planted utterances in five folds by speaker; neither these voices nor sentences
were heard or read before. Layer (or all side by side) and penalty are chosen by leaving out every speaker of the
training rows. Of an utterance it sees the means of a layer's channels over frames or tokens, and where the table says
so their standard deviations; these too for the R² of the planted cues.
"""

import argparse
from collections.abc import Callable

import numpy as np

from stages.runtime import process
from tests.unit.catalogue import shipped

SPEECH = {"steps": 300, "utterances": 1000}
SPEECH_ROWS = {
    "MFCC clusters; layer norm": {"conv_norm": "layer", "prosody": 0.0},
    "MFCC clusters; group norm whose eps lets loudness through": {"prosody": 0.0},
    "MFCC clusters and prosody; layer norm": {"conv_norm": "layer"},
    "the same; group norm as in HuBERT-base": {"conv_norm_eps": 1e-5},
    "the same; group norm whose eps lets loudness through": {},
}
TEXT = {"steps": 800}
TEXT_ROWS = {
    "masked pieces alone, as in the paper": {"choice": "alike", "halves": 0.0},
    "rare pieces masked": {"halves": 0.0},
    "the same, and the halves of a sentence matched": {},
    "the same, with dropout 0.1": {"dropout": 0.1},
}
CUES = ("pitch", "range", "rate", "loudness", "effort")
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Relative to the features' mean squared length."""
FOLDS = 5

Features = Callable[[np.ndarray], list[np.ndarray]]
"""Rows that a probe is fitted on -> the layers to choose from, each [utterances, columns], scaled by those rows."""


class Corpus:
    """The planted utterances: rows of the manifest, speakers, folds [utterances] and what is asked of a probe."""

    def __init__(self):
        from stages.corpora import planted

        self.settings = planted.Planted.model_validate(
            shipped(planted.Planted, speakers=40, sessions=20, utterances=1200)
        )
        self.rows = planted.utterances(self.settings)
        self.speakers = self.column("speaker")
        self.folds = self.column("session").astype(int) % FOLDS
        self.dimensions = np.stack([self.column("arousal"), self.column("valence")], 1)
        self.cues = np.stack([self.column(f"cue_{cue}") for cue in CUES], 1)

    def column(self, name: str) -> np.ndarray:
        return np.array([row[name] for row in self.rows])

    def waves(self):
        """Waveforms float32 [samples], in order."""
        from stages.corpora import planted

        return [clip.astype(np.float32) / 32768 for _, clip in planted.synthesise(self.settings, self.rows)]


def predicted(corpus: Corpus, features: Features, targets: np.ndarray, score: Callable) -> np.ndarray:
    """What probes say of utterances of speakers whom they have not seen [utterances, targets]."""
    from stages.models.ridge import KernelRidge

    found = np.empty(targets.shape)
    for fold in range(FOLDS):
        test, train = np.flatnonzero(corpus.folds == fold), np.flatnonzero(corpus.folds != fold)
        kernels = [x @ x[train].T for x in features(train)]
        kernels += [sum(each / np.trace(each[train]) for each in kernels)] if len(kernels) > 1 else []
        best = [-np.inf] * targets.shape[1]
        for kernel in kernels:
            ridge = KernelRidge(kernel[train], targets[train], np.ones(len(train)))
            for penalty in PENALTIES:
                known, (dual, intercept) = ridge.left_out(penalty, corpus.speakers[train]), ridge.dual(penalty)
                for i, true in enumerate(targets[train].T):
                    if (value := score(true, known[:, i])) > best[i]:
                        best[i], found[test, i] = value, kernel[test] @ dual[:, i] + intercept[i]
    return found


def standardised(pooled: np.ndarray) -> Features:
    """The layers of ``pooled`` [utterances, layers, columns]."""

    def features(train):
        return [(x - x[train].mean(0)) / (x[train].std(0) + 1e-6) for x in pooled.swapaxes(0, 1)]

    return features


def dimensions(corpus: Corpus, features: Features) -> list[float]:
    """CCC of arousal and of valence."""
    from stages.metrics.scores import ccc

    said = predicted(corpus, features, corpus.dimensions, ccc)
    return [ccc(true, each) for true, each in zip(corpus.dimensions.T, said.T, strict=True)]


def figure(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace("0.", ".", 1).replace("-", "−")


def line(*cells) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def heard(corpus: Corpus, waves: list, name: str, steps: str, states: Callable) -> None:
    """The row of an encoder; ``states`` gives the layers [frames, width] of a waveform."""
    from sklearn.metrics import r2_score

    means, spreads = [], []
    for wave in waves:
        layers = [np.asarray(layer, np.float64) for layer in states(wave)]
        means.append([layer.mean(0) for layer in layers])
        spreads.append([layer.std(0) for layer in layers])
    means = np.array(means)
    both = standardised(np.concatenate([means, np.array(spreads)], 2))
    figures = zip(dimensions(corpus, standardised(means)), dimensions(corpus, both), strict=True)
    said = predicted(corpus, both, corpus.cues, r2_score)
    cues = [r2_score(true, each) for true, each in zip(corpus.cues.T, said.T, strict=True)]
    line(name, steps, *("; ".join(map(figure, pair)) for pair in figures), *(figure(r, 2) for r in cues))


def of_encoder(encoder) -> Callable:
    """Waveform -> hidden states of a speech encoder."""
    import torch

    from stages.encoders.batching import collate

    def states(wave):
        with torch.inference_mode():
            hidden = encoder.context(*encoder.frontend(*collate([wave])))
        return [layer[0, : encoder.frames(len(wave))].numpy() for layer in hidden]

    return states


def unit_of(section, **more):
    from stages.runtime import code_digest
    from stages.stores.scratch import Unit

    return Unit("bench-encoders", section.model_dump() | {"code": code_digest.digest("pretrain")} | more)


def speech(whisper: str) -> None:
    import torch

    from stages import pretrain
    from stages.encoders import acoustics, load_speech, specs
    from stages.encoders.speech import SpeechEncoder
    from stages.pretraining import hubert
    from stages.pretraining.__main__ import SHIPPED

    corpus = Corpus()
    waves = corpus.waves()
    line("", "steps", *(f"{name} CCC (means; with deviations)" for name in ("arousal", "valence")), *CUES)
    line(*["---"] * (4 + len(CUES)))
    heard(corpus, waves, "eGeMAPS, 25 descriptors", "–", lambda wave: [acoustics.egemaps(wave)])
    if whisper:
        spec = shipped(specs.Whisper, source=whisper, revision="", window="clip", layers=["all"])
        encoder = load_speech(specs.Whisper.model_validate(spec))
        heard(corpus, waves, "Whisper, frozen", "–", of_encoder(encoder))
    ships = SpeechEncoder.load(SHIPPED / "hubert.safetensors")
    heard(corpus, waves, "what ships", f"{ships.notes['recipe']['steps']:,}", of_encoder(ships))
    audio = None
    for name, changes in SPEECH_ROWS.items():
        section = hubert.HubertPretraining.model_validate(shipped(hubert.HubertPretraining, **SPEECH | changes))
        audio = audio or pretrain.planted_audio(section.seed, section.utterances)[0]
        encoder, _ = hubert.pretrain(section, audio, torch.device("cpu"), lambda i, s=section: unit_of(s, iteration=i))
        heard(corpus, waves, name, f"{section.steps:,}", of_encoder(encoder))


def read(corpus: Corpus, name: str, steps: str, features: Features) -> None:
    line(name, steps, *map(figure, dimensions(corpus, features)))


def spelt(files: list[str]) -> None:
    import torch

    from stages.encoders.batching import collate
    from stages.encoders.letters import greedy
    from stages.encoders.speech import SpeechEncoder
    from stages.pretraining.__main__ import SHIPPED
    from stages.transcripts.text import error_rates

    corpus = Corpus()
    waves, texts = corpus.waves()[::4], corpus.column("text").tolist()[::4]
    line("", "WER %")
    line("---", "---:")
    for file in files or [SHIPPED / "hubert-ctc.safetensors"]:
        encoder, heard = SpeechEncoder.load(file).eval(), []
        for wave in waves:
            with torch.inference_mode():
                hidden, frames = encoder(*collate([wave]))
                heard += greedy(torch.nn.functional.linear(hidden[-1], **encoder.letters), frames)
        line(file, f"{100 * error_rates(texts, heard)[1]:.1f}")


def of_text(encoder, texts: list[str]) -> Features:
    """Means over tokens of every hidden state of a text encoder."""
    import torch

    pooled = []
    for start in range(0, len(texts), 100):
        ids, mask = encoder.tokenise(texts[start : start + 100])
        with torch.inference_mode():
            states = torch.stack(encoder(ids, mask), 1)
        pooled.append(((states * mask[:, None, :, None]).sum(2) / mask.sum(1)[:, None, None]).numpy())
    return standardised(np.concatenate(pooled).astype(np.float64))


def text() -> None:
    import torch
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    from stages.corpora import planted
    from stages.encoders.text import TextEncoder
    from stages.pretraining import bert
    from stages.pretraining.__main__ import SHIPPED

    corpus = Corpus()
    texts = corpus.column("text")
    whole = bert.BertPretraining.model_validate(shipped(bert.BertPretraining, **TEXT))
    sentences = planted.unlabelled_sentences(whole.seed, whole.sentences)

    def own_words(train):
        return [TfidfVectorizer().fit(texts[train]).transform(texts).toarray()]

    line("", "steps", "arousal CCC", "valence CCC")
    line(*["---"] * 4)
    read(corpus, "tf-idf of the folds' own training text", "–", own_words)
    words = TfidfVectorizer(sublinear_tf=True).fit(sentences)
    axes = TruncatedSVD(whole.width, random_state=whole.seed).fit(words.transform(sentences))
    analysed = axes.transform(words.transform(texts))
    read(corpus, f"latent semantic analysis, {whole.width} axes", "–", standardised(analysed[:, None]))
    ships = TextEncoder.load(SHIPPED / "bert.safetensors")
    read(corpus, "what ships", f"{ships.notes['recipe']['steps']:,}", of_text(ships, texts.tolist()))
    for name, changes in TEXT_ROWS.items():
        section = whole.model_copy(update=changes)
        encoder, _ = bert.pretrain(section, sentences, torch.device("cpu"), unit_of(section))
        read(corpus, name, f"{section.steps:,}", of_text(encoder, texts.tolist()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["speech", "text", "words"])
    parser.add_argument("files", nargs="*", metavar="FILE", help="words: encoders that were trained with CTC")
    parser.add_argument("--whisper", default="", help="folder of a Whisper encoder, in transformers' layout")
    args = parser.parse_args()
    process.use_threads(1)
    import torch

    torch.set_num_threads(1)
    if args.mode == "words":
        spelt(args.files)
    else:
        speech(args.whisper) if args.mode == "speech" else text()


if __name__ == "__main__":
    main()
