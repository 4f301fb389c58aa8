"""Features without a network: magnitude spectrogram, MFCCs, low-level descriptors of eGeMAPS."""

from functools import cache

import numpy as np

RATE, WINDOW, HOP = 16_000, 400, 160
EGEMAPS_LEAST = 960
"""openSMILE needs 60 ms for its pitch window; shorter clips are filled up with zeros."""


def windows(wave: np.ndarray, size: int = WINDOW, hop: int = HOP) -> np.ndarray:
    """Overlapping windows [frames, size] every ``hop`` samples, no padding; a shorter clip is filled up with zeros."""
    wave = np.pad(wave, (0, max(0, size - len(wave))))
    return np.lib.stride_tricks.sliding_window_view(wave, size)[::hop]


def frames(samples: int, size: int = WINDOW, hop: int = HOP) -> int:
    """Number of windows for so many samples."""
    return (max(int(samples), size) - size) // hop + 1


def spectrogram(wave: np.ndarray, size: int = WINDOW, hop: int = HOP) -> np.ndarray:
    """Magnitude spectrogram [frames, size // 2 + 1], Hann window of 25 ms, hop 10 ms (Pepino 2021, section 2.1)."""
    return np.abs(np.fft.rfft(windows(wave, size, hop) * np.hanning(size + 1)[:-1])).astype(np.float32)


@cache
def _mel(bands: int = 23, size: int = 512, low: float = 20.0, high: float = 8000.0) -> np.ndarray:
    """Triangles that are equally wide on the mel scale (HTK's 1127 ln(1 + f/700)), as Kaldi's [bins, bands]."""

    def mel(hertz):
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    edges = np.linspace(mel(low), mel(high), bands + 2)
    at = mel(np.arange(size // 2 + 1) * RATE / size)[:, None]
    up = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(up, down))


def cepstra(wave: np.ndarray, count: int = 13) -> np.ndarray:
    """MFCCs [frames, count] with Kaldi's settings, as fairseq's HuBERT targets: waveform in 16-bit units, mean of each
    window removed, pre-emphasis .97, Povey window, 23 mel bands from 20 Hz, orthonormal DCT, lifter 22; no dither."""
    from scipy.fft import dct

    found = windows(wave.astype(np.float64) * 32768)
    found = found - found.mean(1, keepdims=True)
    found = found - 0.97 * np.concatenate([found[:, :1], found[:, :-1]], 1)
    povey = np.hanning(WINDOW) ** 0.85
    power = np.abs(np.fft.rfft(found * povey, 512)) ** 2
    logs = np.log(np.maximum(power @ _mel(), np.finfo(np.float32).eps))
    lifter = 1 + 11 * np.sin(np.pi * np.arange(count) / 22)
    return dct(logs, type=2, norm="ortho", axis=1)[:, :count] * lifter


def differences(values: np.ndarray) -> np.ndarray:
    """Slopes over five frames [frames, columns], the ends repeated (HTK's regression formula, width 2)."""
    wide = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    n = len(values)
    return (wide[3 : 3 + n] - wide[1 : 1 + n] + 2 * (wide[4 : 4 + n] - wide[:n])) / 10


def mfcc(wave: np.ndarray) -> np.ndarray:
    """13 MFCCs with first and second differences float32 [frames, 39]."""
    static = cepstra(wave)
    first = differences(static)
    return np.concatenate([static, first, differences(first)], 1).astype(np.float32)


@cache
def _smile():
    import opensmile

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.LowLevelDescriptors,
        num_workers=1,
    )


def egemaps_frames(samples: int) -> int:
    """Number of frames that openSMILE gives for so many samples."""
    return (max(int(samples), EGEMAPS_LEAST) - EGEMAPS_LEAST) // HOP + 2


def egemaps(wave: np.ndarray) -> np.ndarray:
    """The 25 low-level descriptors of eGeMAPSv02 float32 [frames, 25] (openSMILE 3)."""
    wave = np.pad(wave, (0, max(0, EGEMAPS_LEAST - len(wave))))
    return _smile().process_signal(wave.astype(np.float32), RATE).to_numpy(np.float32)
