"""The planted corpus: parameters, manifest rows and audio, all functions of the parameters alone."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from ...config.settings import Section, setting

if TYPE_CHECKING:
    import numpy as np

    from .raters import Labels
    from .sentences import Sentence


class Planted(Section):
    """The built-in corpus, synthesised with eSpeak NG; its truth is known."""

    reader: Literal["planted"] = setting("the reader: the built-in, synthesised corpus")
    seed: int = setting("seed of everything random in the corpus", ge=0)
    speakers: int = setting("speakers, as many women as men: twice the sessions", ge=2, le=100)
    sessions: int = setting("sessions of one woman and one man each", ge=1, le=50)
    utterances: int = setting("utterances of all speakers together", ge=2, le=20_000)
    mode: Literal["normal", "swapped", "ironic", "null"] = setting(
        "what is true: normal; swapped (words carry arousal, prosody valence); ironic (raters follow the voice where "
        "words contradict it); null (labels depend on neither)",
    )
    contradictory: float = setting("share of utterances whose words contradict the voice", ge=0, le=0.3)
    sentences: int = setting(
        "neutral sentences that all say, so that words carry nothing; 0: every utterance has its own, as mode says",
        ge=0,
        le=20_000,
    )
    raters: int = setting("simulated raters of every utterance", ge=1, le=50)

    @model_validator(mode="after")
    def _fits(self):
        if self.speakers != 2 * self.sessions:
            raise ValueError(
                f"speakers is {self.speakers} but sessions is {self.sessions}, and a session is one woman and one "
                f"man; set speakers to {2 * self.sessions}"
                + (f" or sessions to {self.speakers // 2}" if self.speakers % 2 == 0 else "")
            )
        if self.utterances < self.speakers:
            raise ValueError(
                f"utterances is {self.utterances}, fewer than the {self.speakers} speakers; set it to "
                f"{self.speakers} or more"
            )
        if self.sentences and self.contradictory:
            raise ValueError(
                f"sentences is {self.sentences}, and words that carry nothing contradict no voice, but contradictory "
                f"is {self.contradictory:g}; set contradictory to 0 or sentences to 0"
            )
        return self


@dataclass(frozen=True)
class Sample:
    """Simulated utterances without audio: heard [count, 3], contradicts [count], seen [count, 8] (five cues as
    realised, then the words' scores of arousal, valence and dominance), and for a corpus sentences and labels."""

    heard: "np.ndarray"
    contradicts: "np.ndarray"
    seen: "np.ndarray"
    sentences: "list[Sentence] | None" = None
    labels: "Labels | None" = None


def simulate(settings: Planted, count: int, stream: str, write: bool = False) -> Sample:
    """``count`` utterances by the corpus' own process; another ``stream`` gives an independent sample."""
    import numpy as np

    from . import latents, raters

    drawn = latents.draw(count, settings.seed, settings.mode, settings.contradictory, stream)
    sentences, scores = _worded(settings, drawn.meanings, stream, write)
    seen = np.hstack([drawn.cues, scores])
    if sentences is None:
        return Sample(drawn.heard, drawn.contradicts, seen)
    rng = latents.generator(settings.seed, f"raters {stream}")
    labels = raters.rate(drawn.heard, raters.panel(settings.seed, settings.raters), rng)
    return Sample(drawn.heard, drawn.contradicts, seen, sentences, labels)


def _worded(settings: Planted, meanings: "np.ndarray", stream: str, write: bool):
    """Sentences for ``meanings`` [count, 3], or None where they are not to be written, and their scores [count, 3].

    Of ``settings.sentences`` one speaker after the other takes the next in turn: all speakers say each of a few equally
    often, or one time more, and no two utterances say the same where there are enough.
    """
    import numpy as np

    from .sentences import Writer, neutral

    if not settings.sentences:
        writer = Writer(settings.seed, stream)
        return writer.write(meanings) if write else (None, writer.choose(meanings)[2])
    if not write:
        return None, np.zeros_like(meanings)
    turn, speaker = np.divmod(np.arange(len(meanings)), settings.speakers)
    turns = -(-len(meanings) // settings.speakers)
    said = neutral(settings.seed, settings.sentences)
    return [said[which % len(said)] for which in speaker * turns + turn], np.zeros_like(meanings)


@lru_cache(maxsize=2)
def planned(settings: Planted) -> Sample:
    """The corpus' own utterances, the i-th spoken by speaker i modulo the number of speakers."""
    return simulate(settings, settings.utterances, "corpus", write=True)


def _name(settings: Planted, speaker: str, i: int) -> str:
    return f"{speaker}_{i // settings.speakers:04d}"


def utterances(settings: Planted) -> list[dict]:
    """Manifest rows sorted by utterance: utterance, speaker, gender, session, text, emotion (empty without a
    majority), arousal, valence, dominance (mean ratings, 1 to 7), split (empty); and what is known besides:
    latent_* (what is heard, in standard deviations; in mode null unrelated to voice and words), contradicts
    (0 or 1), agreement (largest share of votes), cue_* and word_* (the realised carriers, standard scores)."""
    from . import couplings, raters, voices

    plan = planned(settings)
    cast = voices.speakers(settings.seed, settings.speakers)
    rows = []
    for i in range(settings.utterances):
        voice = cast[i % settings.speakers]
        emotion = plan.labels.emotion[i]
        row = {
            "utterance": _name(settings, voice.name, i),
            "speaker": voice.name,
            "gender": voice.gender,
            "session": str(i % settings.speakers // 2 + 1),
            "text": plan.sentences[i].text,
            "emotion": raters.CLASSES[emotion] if emotion >= 0 else "",
        }
        for j, name in enumerate(couplings.DIMENSIONS):
            row[name] = round(float(plan.labels.ratings[i, j]), 4)
        row["split"] = ""
        for j, name in enumerate(couplings.DIMENSIONS):
            row[f"latent_{name}"] = round(float(plan.heard[i, j]), 4)
        row["contradicts"] = int(plan.contradicts[i])
        row["agreement"] = round(float(plan.labels.agreement[i]), 4)
        names = [f"cue_{cue}" for cue in couplings.CUES] + [f"word_{name}" for name in couplings.DIMENSIONS]
        row |= {name: round(float(value), 4) for name, value in zip(names, plan.seen[i], strict=True)}
        rows.append(row)
    return sorted(rows, key=lambda row: row["utterance"])


def _job(settings_seed: int, name: str, voice, sentence_clauses, cues):
    import hashlib

    import numpy as np

    from .espeak import Clause, Job

    clauses = tuple(
        Clause(text, **voice.speaking(cues if emotional else np.zeros(5))) for text, emotional in sentence_clauses
    )
    digest = hashlib.sha256(f"{settings_seed} {name}".encode()).digest()
    return Job(name, voice.variant, voice.tract, clauses, int.from_bytes(digest[:4], "big") >> 1)


def synthesise(settings: Planted, rows: list[dict], workers: int | None = None):
    """Yield (utterance, int16 [samples] at 16 kHz) in the order of ``rows`` (which may be any part of
    :func:`utterances`), on all cores unless ``workers`` says how many; the bytes depend on the parameters alone.

    Raises
    ------
    KeyError
        A row's utterance is not of this corpus.
    """
    from . import espeak, voices

    plan = planned(settings)
    cast = voices.speakers(settings.seed, settings.speakers)
    at = {_name(settings, cast[i % len(cast)].name, i): i for i in range(settings.utterances)}
    jobs = []
    for row in rows:
        i = at[row["utterance"]]
        voice, sentence = cast[i % len(cast)], plan.sentences[i]
        jobs.append(_job(settings.seed, row["utterance"], voice, sentence.clauses, plan.seen[i, :5]))
    yield from espeak.render_all(jobs, workers)


SPREAD = 1.25
"""Standard deviation of the cues of unlabelled speech, where a corpus has 1."""
NOISY = 0.3
"""Share of the unlabelled utterances with noise."""
SNR = (5.0, 30.0)
"""Their signal-to-noise ratios, dB: uniform between these."""


def unlabelled(seed: int, utterances: int, workers: int | None = None, phrases: float = 0):
    """Yield (name, int16 [samples] at 16 kHz) of unlabelled speech for pretraining.

    It has other voices than any corpus (one for every 20 utterances, 8 to 200), the sentences of
    :func:`unlabelled_sentences`, random cues a little wilder than a corpus', and in part noise, white to brown.
    """
    from . import espeak, latents, voices

    cast = voices.others(seed, min(200, max(8, utterances // 20)))
    rng = latents.generator(seed, "unlabelled cues")
    cues = latents.realise(SPREAD * rng.standard_normal((utterances, 5)))
    noisy, snr, colour = rng.random(utterances) < NOISY, rng.uniform(*SNR, utterances), rng.uniform(0, 2, utterances)
    jobs = []
    for i, text in enumerate(unlabelled_sentences(seed, utterances, phrases)):
        voice = cast[i % len(cast)]
        jobs.append(_job(seed, f"{voice.name}_{i:05d}", voice, [(text, True)], cues[i]))
    for i, (name, samples) in enumerate(espeak.render_all(jobs, workers)):
        yield name, _with_noise(samples, snr[i], colour[i], jobs[i].seed) if noisy[i] else samples


def _with_noise(samples, snr: float, colour: float, seed: int):
    """int16 [samples] with noise whose power falls with frequency to the power of ``colour``, ``snr`` dB below."""
    import numpy as np

    spectrum = np.fft.rfft(np.random.default_rng(seed + 1).standard_normal(len(samples)))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1) ** (-colour / 2)
    noise, clean = np.fft.irfft(spectrum, len(samples)), samples.astype(np.float64)
    noise *= np.sqrt(np.mean(clean**2) / np.mean(noise**2) / 10 ** (snr / 10))
    return np.clip(np.rint(clean + noise), -32768, 32767).astype(np.int16)


def unlabelled_sentences(seed: int, count: int, phrases: float = 0) -> list[str]:
    """``count`` sentences for pretraining; none can be one of a corpus (see ``sentences``)."""
    from . import sentences

    return sentences.unlabelled_sentences(seed, count, phrases)
