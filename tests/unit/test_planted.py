"""The planted corpus: what it says it plants is there, byte for byte the same every time."""

import hashlib
import random
from collections import Counter

import numpy as np
import pytest

from stages.config import settings as base
from stages.corpora import planted
from stages.corpora.planted import corpus, couplings, espeak, latents, lexicon, raters, voices
from stages.runtime.errors import UserError
from tests.unit.catalogue import shipped


def settings(**changes) -> planted.Planted:
    return planted.Planted(**shipped(planted.Planted, **changes))


def explained(seen: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """R^2 [targets] of the linear regression of wanted [count, targets] on seen [count, inputs]."""
    inputs = np.c_[seen, np.ones(len(seen))]
    rest = wanted - inputs @ np.linalg.lstsq(inputs, wanted, rcond=None)[0]
    return 1 - rest.var(0) / wanted.var(0)


def digest(pairs) -> str:
    """One digest of (utterance, samples) pairs, whatever their order."""
    each = sorted(f"{name} {hashlib.sha256(samples.tobytes()).hexdigest()}" for name, samples in pairs)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()


@pytest.fixture(scope="module")
def rows():
    return planted.utterances(settings())


@pytest.fixture(scope="module")
def audio(rows):
    return dict(planted.synthesise(settings(), rows, workers=2))


def test_couplings_hold_within_their_tolerance():
    for contradictory in (0.0, 0.15, 0.3):
        sample = corpus.simulate(settings(contradictory=contradictory), 5000, "test")
        for channel, view in (("prosody", slice(0, 5)), ("words", slice(5, 8))):
            wanted = list(couplings.COUPLINGS[channel].values())
            assert explained(sample.seen[:, view], sample.heard) == pytest.approx(wanted, abs=0.06)


def test_swapped_exchanges_arousal_and_valence():
    sample = corpus.simulate(settings(mode="swapped"), 5000, "test")
    assert explained(sample.seen[:, :5], sample.heard) == pytest.approx([0.25, 0.80, 0.50], abs=0.06)
    assert explained(sample.seen[:, 5:], sample.heard) == pytest.approx([0.70, 0.05, 0.30], abs=0.06)


def test_ironic_words_are_not_believed():
    for mode, sign in (("normal", -1), ("ironic", 1)):
        sample = corpus.simulate(settings(mode=mode), 5000, "test")
        voice = sample.seen[:, :5] @ latents.mixing()[:, :3]
        mine = sample.contradicts
        assert np.sign(np.corrcoef(sample.heard[mine, 1], voice[mine, 1])[0, 1]) == sign
        assert np.sign(np.corrcoef(sample.heard[mine, 1], sample.seen[mine, 6])[0, 1]) == -sign


def test_null_labels_depend_on_neither_channel():
    rows = planted.utterances(settings(mode="null", utterances=3000))
    names = [f"cue_{name}" for name in couplings.CUES] + [f"word_{name}" for name in couplings.DIMENSIONS]
    seen = np.array([[row[name] for name in names] for row in rows])
    ratings = np.array([[row[name] for name in couplings.DIMENSIONS] for row in rows])
    votes = np.array([[row["emotion"] == name for name in raters.CLASSES] for row in rows], float)
    assert explained(seen, ratings).max() < 0.015
    assert explained(seen, votes).max() < 0.015


def test_modes_share_voices_words_and_cues(rows):
    for mode in ("swapped", "ironic", "null"):
        other = planted.utterances(settings(mode=mode))
        same = [k for k in rows[0] if k.startswith(("cue_", "word_")) or k in ("text", "speaker", "contradicts")]
        assert [[row[k] for k in same] for row in rows] == [[row[k] for k in same] for row in other]
        assert [row["emotion"] for row in rows] != [row["emotion"] for row in other]


def test_contradictions_are_as_many_as_asked_and_opposed(rows):
    assert sum(row["contradicts"] for row in rows) == 45
    drawn = corpus.simulate(settings(), 20_000, "test")
    voice = drawn.seen[:, :5] @ latents.mixing()[:, :3]
    for flag, sign in ((False, 1), (True, -1)):
        mine = drawn.contradicts == flag
        for i in (0, 1):  # arousal, valence
            assert np.sign(np.corrcoef(voice[mine, i], drawn.seen[mine, 5 + i])[0, 1]) == sign


def test_rows_are_whole(rows):
    assert len(rows) == 300 and [r["utterance"] for r in rows] == sorted(r["utterance"] for r in rows)
    assert set(Counter(row["speaker"] for row in rows).values()) == {30}
    assert Counter(row["gender"] for row in rows) == {"female": 150, "male": 150}
    for session in "12345":
        assert len({row["speaker"] for row in rows if row["session"] == session}) == 2
    assert len({row["text"] for row in rows}) == 300
    assert all(1 <= row[name] <= 7 for row in rows for name in couplings.DIMENSIONS)
    assert all((row["emotion"] == "") == (row["agreement"] <= 0.5) for row in rows)


@pytest.mark.parametrize("seed", range(1, 6))
def test_classes_are_balanced_enough(seed):
    found = Counter(row["emotion"].replace("excited", "happy") for row in planted.utterances(settings(seed=seed)))
    undecided = found.pop("")
    assert set(found) == {"angry", "happy", "neutral", "sad"} and undecided < 75
    assert min(found.values()) >= 0.12 * (300 - undecided)


def test_lexicon_is_large_and_sentences_read():
    assert sum(any(loading) for loading in lexicon.LOADING.values()) >= 400
    for text in [row["text"] for row in planted.utterances(settings(utterances=2000, seed=7))]:
        assert text == " ".join(text.lower().split()) and text.replace(" ", "").isalpha()
        assert not any(f" a {vowel}" in f" {text}" for vowel in "aeiou")


def test_shipped_words_and_labels_are_those_of_ever(rows):
    said = "\n".join(" ".join([row["utterance"], row["text"], row["emotion"]]) for row in rows)
    assert (
        hashlib.sha256(said.encode()).hexdigest() == "41af02ea91b31e51fd0c29045ee1ba42d27c8ba32d289510adc8e570ebb44f90"
    )


def test_fixed_sentences_leave_voices_and_labels_as_they_were():
    free = planted.utterances(settings(contradictory=0.0))
    fixed = planted.utterances(settings(contradictory=0.0, sentences=2))
    worded = ["text", *(f"word_{name}" for name in couplings.DIMENSIONS)]
    assert {row["text"] for row in fixed}.isdisjoint(row["text"] for row in free)
    for row, other in zip(fixed, free, strict=True):
        assert [row[name] for name in worded[1:]] == [0, 0, 0]
        assert {k: v for k, v in row.items() if k not in worded} == {k: v for k, v in other.items() if k not in worded}


@pytest.mark.parametrize(("asked", "each"), [(2, 150), (7, 42), (300, 1), (1000, 1)])
def test_all_speakers_say_the_same_few_neutral_sentences(asked, each):
    found = planted.utterances(settings(contradictory=0.0, sentences=asked))
    said = Counter(row["text"] for row in found)
    assert len(said) == min(asked, 300) and set(said.values()) <= {each, each + 1}
    words = {word for text in said for word in text.split()}
    assert not any(any(lexicon.LOADING.get(word, ())) for word in words)
    if asked < 10:
        own = Counter((row["speaker"], row["text"]) for row in found)
        assert len(own) == 10 * asked and max(own.values()) - min(own.values()) <= 1
    plan = corpus.planned(settings(contradictory=0.0, sentences=asked))
    assert all(sentence.clauses == ((sentence.text, True),) for sentence in plan.sentences)


def test_fixed_sentences_are_spoken_as_emotionally_as_others():
    fixed = settings(contradictory=0.0, sentences=2)
    some = planted.utterances(fixed)[:6]
    spoken = dict(planted.synthesise(fixed, some, workers=1))
    assert len({samples.tobytes() for samples in spoken.values()}) == 6
    assert all(0.8 < len(samples) / espeak.RATE < 5 for samples in spoken.values())
    level = [10 * np.log10(np.mean((spoken[row["utterance"]] / 32768) ** 2)) for row in some]
    assert np.corrcoef(level, [row["cue_loudness"] for row in some])[0, 1] > 0.95


def test_audio_is_the_same_in_any_order_and_number_of_processes(rows, audio):
    some = rows[::6]
    shuffled = random.Random(0).sample(some, len(some))
    assert len({voices.speakers(1, 10)[i].variant for i in range(10)}) == 10
    alone = list(planted.synthesise(settings(), shuffled, workers=1))
    assert [name for name, _ in alone] == [row["utterance"] for row in shuffled]
    assert digest(alone) == digest((row["utterance"], audio[row["utterance"]]) for row in some)
    assert digest(planted.synthesise(settings(), some[::-1], workers=3)) == digest(alone)


def test_audio_is_short_speech_without_clipping(rows, audio):
    assert list(audio) == [row["utterance"] for row in rows]
    seconds = np.array([len(samples) for samples in audio.values()]) / espeak.RATE
    assert seconds.min() > 0.8 and seconds.max() < 5 and np.mean((seconds > 1) & (seconds < 4)) > 0.95
    assert all(samples.dtype == np.int16 for samples in audio.values())
    assert max(np.abs(samples.astype(int)).max() for samples in audio.values()) < 0.98 * 32767
    assert len({samples.tobytes() for samples in audio.values()}) == 300


def test_cues_are_audible(rows, audio):
    """Level, length and brightness follow their cues within each speaker, pitch by autocorrelation."""
    speaker = np.array([row["speaker"] for row in rows])
    measured = {"loudness": [], "rate": [], "effort": [], "pitch": []}
    for row in rows:
        wave = audio[row["utterance"]] / 32768
        measured["loudness"].append(10 * np.log10(np.mean(wave**2)))
        measured["rate"].append(np.log(len(row["text"]) / len(wave)))
        measured["effort"].append(np.log(np.mean(np.diff(wave) ** 2) / np.mean(wave**2)))
        frames = np.lib.stride_tricks.sliding_window_view(wave, 1280)[::640]
        lags = np.fft.irfft(np.abs(np.fft.rfft(frames, 4096)) ** 2)[:, :290]
        best = lags[:, 40:].argmax(1) + 40
        voiced = (lags[:, 0] > 0.02 * lags[:, 0].max()) & (lags[range(len(lags)), best] > 0.5 * lags[:, 0])
        measured["pitch"].append(-np.log(np.median(best[voiced])))
    for name, least in (("loudness", 0.9), ("rate", 0.6), ("effort", 0.45), ("pitch", 0.7)):
        values = np.array(measured[name])
        for one in set(speaker):
            values[speaker == one] -= values[speaker == one].mean()
        assert np.corrcoef(values, [row[f"cue_{name}"] for row in rows])[0, 1] > least, name


def test_emotion_of_a_long_utterance_is_local():
    plan = corpus.planned(settings())
    voice = voices.speakers(1, 10)[0]
    long = next(i for i, sentence in enumerate(plan.sentences) if len(sentence.clauses) == 2)
    clauses = plan.sentences[long].clauses
    assert sorted(flag for _, flag in clauses) == [False, True]
    job = corpus._job(1, "name", voice, clauses, plan.seen[long, :5])
    for clause, (text, emotional) in zip(job.clauses, clauses, strict=True):
        assert ((clause.pitch, clause.rate) == (voice.pitch, voice.rate)) is not emotional
        assert any(any(lexicon.LOADING.get(word, ())) for word in text.split()) is emotional


def test_unlabelled_is_apart_from_every_corpus():
    sentences = planted.unlabelled_sentences(1, 3000)
    texts = {row["text"] for row in planted.utterances(settings(utterances=3000))}
    assert not texts & set(sentences) and sentences == planted.unlabelled_sentences(1, 3000)
    assert {word for text in texts for word in text.split()} <= {w for text in sentences for w in text.split()}
    used = {voice.variant for voice in voices.speakers(1, 100)}
    assert not used & {voice.variant for voice in voices.others(1, 60)}
    assert len(set(voices.speakers(1, 100))) == 100
    first, second = dict(planted.unlabelled(1, 24, workers=1)), dict(planted.unlabelled(1, 24, workers=1))
    assert digest(first.items()) == digest(second.items()) and len(first) == 24
    assert all(0.8 < len(samples) / espeak.RATE < 7.5 for samples in first.values())


def test_phrases_are_words_in_random_order():
    sentences, mixed = (planted.unlabelled_sentences(1, 6000, phrases=share) for share in (0, 0.5))
    phrases = [text for text, sentence in zip(mixed, sentences, strict=True) if text != sentence]
    assert 2850 < len(phrases) < 3150 and sentences == planted.unlabelled_sentences(1, 6000)
    assert {len(text.split()) for text in phrases} == set(range(4, 10))
    texts = {row["text"] for row in planted.utterances(settings(utterances=3000))}
    said = {word for text in phrases for word in text.split()}
    assert {word for text in texts for word in text.split()} - {"an"} <= said and not texts & set(phrases)


def test_unlabelled_words_tell_their_meaning_by_their_company():
    """Pleasant words keep company with pleasant words: valence correlates between words of a sentence."""
    pairs = []
    for text in planted.unlabelled_sentences(1, 2000):
        found = [lexicon.LOADING[word] for word in text.split() if any(lexicon.LOADING.get(word, ()))]
        if len(found) > 1:
            pairs.append((found[0], found[-1]))
    first, last = np.array(pairs).transpose(1, 0, 2)
    for i in range(3):
        assert np.corrcoef(first[:, i], last[:, i])[0, 1] > 0.4


def test_ceilings_are_ordered_by_what_each_channel_carries():
    metrics = {"uar", "wa", "macro_f1", "ccc_arousal", "ccc_valence", "ccc_dominance"}
    found = planted.ceilings(settings(utterances=2000))
    assert set(found) == {"prosody", "words", "both"} and all(set(found[m]) == metrics for m in found)
    assert found["prosody"]["ccc_arousal"] > found["words"]["ccc_arousal"] + 0.3
    assert found["words"]["ccc_valence"] > found["prosody"]["ccc_valence"] + 0.2
    for metric in metrics:
        assert found["both"][metric] >= max(found[m][metric] for m in ("prosody", "words")) - 0.02
    swapped = planted.ceilings(settings(utterances=1000, mode="swapped"))
    assert swapped["words"]["ccc_arousal"] > swapped["prosody"]["ccc_arousal"] + 0.2
    null = planted.ceilings(settings(utterances=1000, mode="null"))
    assert all(abs(null["both"][f"ccc_{name}"]) < 0.1 for name in couplings.DIMENSIONS)
    assert abs(null["both"]["uar"] - 0.25) < 0.06


def test_fixed_words_have_the_ceiling_of_chance_and_add_nothing():
    found = planted.ceilings(settings(utterances=1000, contradictory=0.0, sentences=2))
    free = planted.ceilings(settings(utterances=1000, contradictory=0.0))
    assert found["prosody"] == free["prosody"]
    assert all(abs(found["words"][f"ccc_{name}"]) < 0.1 for name in couplings.DIMENSIONS)
    assert abs(found["words"]["uar"] - 0.25) < 0.06
    assert all(found["both"][metric] == pytest.approx(found["prosody"][metric], abs=0.03) for metric in found["both"])


def test_ceilings_are_reproducible_and_shipped_ones_are_quick():
    assert planted.ceilings(settings()) == planted.ceilings(settings())


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"sessions": 4}, "set speakers to 8 or sessions to 5"),
        ({"speakers": 7}, "set speakers to 10"),
        ({"utterances": 5}, "set it to 10 or more"),
        ({"contradictory": 0.5}, "corpora.planted.contradictory"),
        ({"sentences": 2}, "set contradictory to 0 or sentences to 0"),
        ({"sentences": -1}, "corpora.planted.sentences"),
        ({"mode": "odd"}, "corpora.planted.mode"),
    ],
)
def test_mistakes_name_their_remedy(changes, remedy):
    with pytest.raises(UserError, match=remedy):
        base.validate(planted.Planted, shipped(planted.Planted, **changes), "corpora.planted")
