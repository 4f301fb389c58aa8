"""Synthesis with eSpeak NG through ctypes (library and data from the wheel ``espeakng-loader``).

As shipped, eSpeak is not deterministic: some voices' noise is seeded by the clock, and an utterance depends on the
ones before it in the process. So the library is loaded anew for every utterance and seeded.
"""

import _ctypes
import ctypes
import os
from dataclasses import dataclass

import numpy as np

RATE = 16_000
_RETRIEVAL, _SYNCHRONOUS, _DONT_EXIT, _UTF8 = 1, 2, 0x8000, 1
_PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

EDGE = 0.04
"""Seconds of silence kept before and after."""
PAUSE = 0.08
"""Seconds between two clauses."""
DITHER = 4.0
"""Standard deviation of the noise under everything, in steps of 16 bits: -78 dBFS, so no sample run is all zero."""
PEAK = 0.98
"""Largest amplitude; an utterance that would pass it is turned down as a whole (none of 3,000 tried was)."""


@dataclass(frozen=True)
class Clause:
    """What is said and how: pitch and range in eSpeak's units, rate in words per minute, loudness in dBFS (RMS),
    effort as the coefficient of a first difference."""

    text: str
    pitch: int
    range: int
    rate: int
    loudness: float
    effort: float


@dataclass(frozen=True)
class Job:
    """One utterance to synthesise; ``seed`` fixes all noise in it."""

    utterance: str
    variant: str
    tract: float
    clauses: tuple[Clause, ...]
    seed: int


class Engine:
    """A freshly loaded library, for one utterance: a context manager.

    Raises
    ------
    RuntimeError
        The library refuses its data, a voice, a parameter or a text.
    """

    def __init__(self, variant: str, seed: int):
        import espeakng_loader

        self.lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self.lib.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        self.lib.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        self.lib.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int]
        self.lib.espeak_Synth.argtypes += [ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
        data = espeakng_loader.get_data_path().encode()
        self.rate = self.lib.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT)
        if self.rate <= 0:
            raise RuntimeError(f"eSpeak NG refused its data in {data.decode()}: reinstall espeakng-loader")
        self.parts: list[np.ndarray] = []
        self._callback = _CALLBACK(self._collect)  # kept, or it would be freed while the library calls it
        self.lib.espeak_SetSynthCallback(self._callback)
        voice = f"en-us+{variant}"
        if self.lib.espeak_SetVoiceByName(voice.encode()):
            raise RuntimeError(f"eSpeak NG refused the voice {voice}")
        self.lib.espeak_ng_SetRandSeed(seed)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lib.espeak_Terminate()
        _ctypes.dlclose(self.lib._handle)

    def _collect(self, samples, count, _events):
        if samples and count > 0:
            self.parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def say(self, clause: Clause) -> np.ndarray:
        """The clause as float32 [samples] at the library's own rate, as loud as the voice makes it."""
        wanted = {"rate": clause.rate, "volume": 70, "pitch": clause.pitch, "range": clause.range}
        for name, value in wanted.items():
            if self.lib.espeak_SetParameter(_PARAMETERS[name], value, 0):
                raise RuntimeError(f"eSpeak NG refused {name} {value}")
        self.parts.clear()
        text = clause.text.encode()
        if self.lib.espeak_Synth(text, len(text) + 1, 0, 0, 0, _UTF8, None, None) or not self.parts:
            raise RuntimeError(f"eSpeak NG did not say '{clause.text}'")
        return np.concatenate(self.parts).astype(np.float32) / 32768


def _trimmed(wave: np.ndarray) -> np.ndarray:
    """Without the silence at both ends (below 1 % of the peak)."""
    loud = np.flatnonzero(np.abs(wave) > 0.01 * np.abs(wave).max())
    return wave[loud[0] : loud[-1] + 1]


def render(job: Job) -> np.ndarray:
    """The utterance as int16 [samples] at 16 kHz: a function of ``job`` alone."""
    import soxr

    pieces = []
    with Engine(job.variant, job.seed) as engine:
        for clause in job.clauses:
            wave = soxr.resample(_trimmed(engine.say(clause)), engine.rate * job.tract, RATE)
            wave[1:] -= clause.effort * wave[:-1]
            gain = 10 ** (clause.loudness / 20) / np.sqrt(np.mean(wave**2, dtype=np.float64))
            pieces += [np.zeros(round(PAUSE * RATE), np.float32), np.float32(gain) * wave]
    edge = np.zeros(round(EDGE * RATE), np.float32)
    wave = np.concatenate([edge, *pieces[1:], edge])
    wave *= np.float32(min(1.0, PEAK / np.abs(wave).max()))
    noise = np.random.default_rng(job.seed).normal(0, DITHER, len(wave))
    return np.clip(np.rint(wave * 32767 + noise), -32768, 32767).astype(np.int16)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def render_all(jobs_: list[Job], workers: int | None = None):
    """Yield (utterance, int16 [samples]) in the order of the jobs; the bytes do not depend on ``workers``.

    Raises
    ------
    concurrent.futures.process.BrokenProcessPool
        A worker was killed.
    """
    workers = min(workers or cores(), max(1, len(jobs_) // 16))
    if workers == 1:
        for job in jobs_:
            yield job.utterance, render(job)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from ...runtime import process

    with ProcessPoolExecutor(workers, get_context("spawn"), process.die_with_parent) as pool:
        for start in range(0, len(jobs_), 1024):  # so that no more than this lies in memory
            block = jobs_[start : start + 1024]
            for job, samples in zip(block, pool.map(render, block, chunksize=16), strict=True):
                yield job.utterance, samples
