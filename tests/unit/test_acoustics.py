"""Features without a network."""

import numpy as np
import pytest

from stages.encoders import acoustics


def clips(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [(0.1 * rng.standard_normal(n) + 0.02).astype(np.float32) for n in lengths]


def test_spectrogram_of_a_tone():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    found = acoustics.spectrogram(tone)
    assert found.shape == (98, 201)
    assert found.dtype == np.float32
    assert (found.argmax(1) == 25).all()
    assert np.allclose(found[:, 25], 100, rtol=1e-3)  # half the sum of the window


def test_spectrogram_with_the_released_windows():
    tone = np.sin(2 * np.pi * 2000 * np.arange(16_000) / 16_000).astype(np.float32)
    found = acoustics.spectrogram(tone, size=133, hop=107)
    assert found.shape == (acoustics.frames(16_000, 133, 107), 67) == (149, 67)
    assert (found.argmax(1) == round(2000 * 133 / 16_000)).all()


def test_mfcc_against_plain_loops():
    wave = clips([2_000], seed=5)[0]
    found = acoustics.mfcc(wave)
    assert found.shape == (acoustics.frames(2_000), 39) == (11, 39)
    frame = wave[320:720].astype(float) * 32768
    frame = frame - frame.mean()
    frame = np.array([frame[i] - 0.97 * frame[max(i - 1, 0)] for i in range(400)])
    frame *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = [abs(sum(frame * np.exp(-2j * np.pi * k * np.arange(400) / 512))) ** 2 for k in range(257)]
    mel = lambda hertz: 1127 * np.log(1 + hertz / 700)  # noqa: E731
    step = (mel(8000) - mel(20)) / 24
    energies = []
    for band in range(23):
        centre = mel(20) + (band + 1) * step
        energies.append(sum(p * max(0, 1 - abs(mel(k * 31.25) - centre) / step) for k, p in enumerate(power)))
    for i in range(13):
        scale = np.sqrt((1 if i == 0 else 2) / 23) * (1 + 11 * np.sin(np.pi * i / 22))
        wanted = scale * sum(np.log(e) * np.cos(np.pi * i * (j + 0.5) / 23) for j, e in enumerate(energies))
        assert found[2, i] == pytest.approx(wanted, rel=1e-4, abs=1e-3)
    slope = sum(n * (found[5 + n, :13] - found[5 - n, :13]) for n in (1, 2)) / 10
    assert np.allclose(found[5, 13:26], slope, atol=1e-3)


def test_egemaps_frames_and_pitch():
    pytest.importorskip("opensmile")
    times = np.arange(16_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 150 * k * times) / k for k in range(1, 20)).astype(np.float32) * 0.1
    found = acoustics.egemaps(voice)
    assert found.shape == (acoustics.egemaps_frames(16_000), 25) == (96, 25)
    assert np.median(found[:, 10]) == pytest.approx(12 * np.log2(150 / 27.5), abs=0.2)
    for samples in (1, 100, 959, 960, 1_119, 1_120, 20_001):
        found = acoustics.egemaps(clips([samples])[0])
        assert found.shape == (acoustics.egemaps_frames(samples), 25)
        assert np.isfinite(found).all()


def test_short_clips_count_as_one_window():
    for work in (acoustics.spectrogram, acoustics.mfcc):
        assert len(work(np.ones(3, np.float32))) == acoustics.frames(3) == 1
