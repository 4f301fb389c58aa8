"""Audio files as 16 kHz mono int16; a file that cannot be used gets a reason."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .whole_file import Unreadable, check_whole

RATE = 16_000
_BLOCK = 1 << 20  # frames read at once
_INTEGERS = 8.0  # a float sample beyond so many times full scale is an integer that nobody divided
_MP3_SLACK = 2 * 1152  # encoder delay and padding that a header without gapless information may count


@dataclass(frozen=True)
class Decoded:
    """One utterance: int16 [samples] at 16 kHz, or None and the reason."""

    utterance: str
    samples: Any
    reason: str = ""
    clipped: int = 0
    """How many samples exceeded full scale and were clipped."""
    sha256: str = ""
    """Digest of the samples, little-endian."""


def decode(path: Path | str, room: Any = None) -> tuple[Any, int]:
    """Samples int16 [samples] at 16 kHz, the mean of the channels, and how many of them were clipped.

    Reads every format of libsndfile (WAV, FLAC, MP3, OGG, AIFF ...) at any rate and resamples with soxr at quality HQ.
    16-bit mono at 16 kHz stays the same, bit for bit. With ``room``, int16 [any length], the samples are written to its
    start if they fit: memory that is used again is faster than new memory.

    Raises
    ------
    Unreadable
        The file is not audio, is empty, is shorter or longer than its header says, has a sample that is not finite, or
        floats that are integers.
    """
    import numpy as np
    import soxr

    opened = os.open(path, os.O_RDONLY)
    try:
        check_whole(opened, os.path.splitext(path)[1].lower())
        wave, rate = _flac_of_16_bits(path, opened) or _sound_file(path, opened)
    finally:
        os.close(opened)
    integer, clipped = wave.dtype == np.int16, 0
    if not integer:
        _check_floats(wave)
    if not integer or rate != RATE or wave.shape[1] > 1:
        wave = wave.astype(np.float32, copy=False)
        wave = wave[:, 0] if wave.shape[1] == 1 else wave.mean(1)
        if rate != RATE:
            wave = soxr.resample(wave, rate, RATE, quality="HQ")
        if not integer:
            wave *= np.float32(32768)  # a power of two: whether before or after resampling gives the same bits
        np.rint(wave, out=wave)
        if wave.max() > 32767 or wave.min() < -32768:
            clipped = int(((wave > 32767) | (wave < -32768)).sum())
            np.clip(wave, -32768, 32767, out=wave)
    wave = wave.reshape(-1)
    if room is None or len(wave) > len(room):
        return wave.astype("<i2", copy=False), clipped
    np.copyto(room[: len(wave)], wave, casting="unsafe")
    return room[: len(wave)], clipped


def _check_floats(wave) -> None:
    """Refuse float samples that are not finite, or that are integers: full scale is 1."""
    import numpy as np

    peak = float(np.maximum(wave.max(), -wave.min()))
    if not np.isfinite(peak):
        raise Unreadable("not finite: a sample is NaN or infinite")
    if peak > _INTEGERS or (peak >= 2 and (wave == np.rint(wave)).all()):
        raise Unreadable(
            f"floats up to {peak:g}, where full scale is 1: integers that were not divided; divide them by 32768 if "
            "they had 16 bits, and write the file again"
        )


def _sound_file(path: Path | str, opened: int) -> tuple[Any, int]:
    """[frames, channels] and the rate in Hz of what libsndfile reads; 16-bit files as int16, all others as float32.

    libsndfile turns 16 bits to float three times slower than NumPy.
    """
    import numpy as np
    import soundfile

    try:
        with soundfile.SoundFile(opened, closefd=False) as file:
            rate, announced, blocks, held = file.samplerate, file.frames, [], 0
            kind = "int16" if file.subtype == "PCM_16" else "float32"
            while held < announced and len(block := file.read(_BLOCK, dtype=kind, always_2d=True)):
                blocks.append(block)
                held += len(block)
    except soundfile.LibsndfileError as fault:
        raise Unreadable(f"unreadable: {fault.error_string.strip().rstrip('.')}") from None
    if not blocks:
        raise Unreadable("empty: no samples")
    slack = _MP3_SLACK if str(path).lower().endswith(".mp3") else 0
    if announced < 1 << 60 and held + slack < announced:
        raise Unreadable(f"truncated: {held} of {announced} frames")
    return np.concatenate(blocks) if len(blocks) > 1 else blocks[0], rate


def _flac_of_16_bits(path: Path | str, opened: int) -> tuple[Any, int] | None:
    """int16 [frames, channels] and the rate in Hz of a whole FLAC file, decoded in half of libsndfile's time.

    None if it is not a 16-bit FLAC or is incomplete: libsndfile then reports what is wrong.
    """
    import numpy as np

    head = os.pread(opened, 26, 0)
    if head[:5] != b"fLaC\0" or len(head) < 26:  # the block STREAMINFO always comes first
        return None
    about = int.from_bytes(head[18:26], "big")  # rate: 20 bits, channels - 1: 3, bits - 1: 5, frames: 36
    rate, channels, bits, frames = about >> 44, (about >> 41 & 7) + 1, (about >> 36 & 31) + 1, about & (1 << 36) - 1
    if bits != 16 or not frames:
        return None
    import miniaudio

    try:
        whole = miniaudio.flac_read_file_s16(os.path.join(".", path))  # "." so that a leading ~ is not expanded
    except (miniaudio.DecodeError, UnicodeEncodeError):
        return None
    samples = np.frombuffer(whole.samples, np.int16)
    return (samples.reshape(frames, channels), rate) if len(samples) == frames * channels else None


def fault(samples, silence_peak: float, min_seconds: float) -> str:
    """Why int16 [samples] at 16 kHz cannot be used: too short, silent or constant; empty if they can."""
    if len(samples) < min_seconds * RATE:
        return f"too short: {len(samples) / RATE:.4f} s"
    highest, lowest = int(samples.max()) / 32768, int(samples.min()) / 32768
    if (highest - lowest) / 2 >= silence_peak:
        return ""
    peak = max(highest, -lowest)
    if peak < silence_peak:
        return f"silent: peak {peak:.6f}"
    return f"constant: every sample is between {lowest:.6f} and {highest:.6f} of full scale, so there is no sound"


def judged(utterance: str, samples, silence_peak: float, min_seconds: float, clipped: int = 0) -> Decoded:
    """int16 [samples] at 16 kHz as an utterance, with their digest, or why they cannot be used."""
    if reason := fault(samples, silence_peak, min_seconds):
        return Decoded(utterance, None, reason)
    return Decoded(utterance, samples, "", clipped, hashlib.sha256(samples.astype("<i2", copy=False)).hexdigest())


def attempted(utterance: str, path: Path | str, silence_peak: float, min_seconds: float, room: Any = None) -> Decoded:
    """A file's samples (in ``room`` if they fit, see :func:`decode`) with their digest, or why it cannot be used."""
    try:
        samples, clipped = decode(path, room)
    except Unreadable as why:
        return Decoded(utterance, None, str(why))
    return judged(utterance, samples, silence_peak, min_seconds, clipped)
