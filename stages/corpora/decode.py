"""Audio files as 16 kHz mono int16, decoded side by side, each file judged fit or named with a reason."""

import collections
import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RATE = 16_000
_BLOCK = 1 << 20  # frames read at once
_CHUNK = 8  # files handed to a thread at once
_ENDLESS = 0x7FFF_0000  # a WAV header of a stream that was never closed announces this much or more
_MP3_SLACK = 2 * 1152  # encoder delay and padding that a header without gapless information may count


class Unreadable(Exception):
    """The file cannot be used; the text is the reason."""


@dataclass(frozen=True)
class Decoded:
    """One utterance: int16 [samples] at 16 kHz, or None and the reason why there are none."""

    utterance: str
    samples: Any
    reason: str = ""
    clipped: int = 0
    """How many samples lay outside full scale and were clipped."""
    sha256: str = ""
    """Of the samples, little-endian."""


def decode(path: Path | str) -> tuple[Any, int]:
    """Samples int16 [samples] at 16 kHz, the mean of the channels, and how many of them were clipped.

    Reads whatever libsndfile reads (WAV, FLAC, MP3, OGG, AIFF ...) at any rate; resampled by soxr at quality HQ.
    16-bit mono at 16 kHz passes unchanged, bit for bit.

    Raises
    ------
    Unreadable
        Not audio, empty, shorter than its header says, or a sample is not finite.
    """
    import numpy as np
    import soundfile
    import soxr

    opened = os.open(path, os.O_RDONLY)
    try:
        _check_whole(opened, os.path.splitext(path)[1].lower())
        with soundfile.SoundFile(opened, closefd=False) as file:
            rate, announced, blocks = file.samplerate, file.frames, []
            unchanged = file.subtype == "PCM_16" and file.channels == 1 and rate == RATE
            finite = file.subtype.startswith("PCM")
            kind, held = "int16" if unchanged else "float32", 0
            while held < announced and len(block := file.read(_BLOCK, dtype=kind, always_2d=True)):
                blocks.append(block[:, 0] if block.shape[1] == 1 else block.mean(1))
                held += len(block)
    except soundfile.LibsndfileError as fault:
        raise Unreadable(f"unreadable: {fault.error_string.strip().rstrip('.')}") from None
    finally:
        os.close(opened)
    if not blocks:
        raise Unreadable("empty: no samples")
    wave = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
    slack = _MP3_SLACK if str(path).lower().endswith(".mp3") else 0
    if announced < 1 << 60 and len(wave) + slack < announced:
        raise Unreadable(f"truncated: {len(wave)} of {announced} frames")
    if unchanged:
        return wave.astype("<i2", copy=False), 0
    if not finite and not np.isfinite(wave).all():
        raise Unreadable("not finite: a sample is NaN or infinite")
    if rate != RATE:
        wave = soxr.resample(wave, rate, RATE, quality="HQ")
    wave *= np.float32(32768)
    np.rint(wave, out=wave)
    clipped = 0
    if wave.max() > 32767 or wave.min() < -32768:
        clipped = int(((wave > 32767) | (wave < -32768)).sum())
        np.clip(wave, -32768, 32767, out=wave)
    return wave.astype("<i2"), clipped


def _check_whole(file: int, suffix: str) -> None:
    """Find what libsndfile forgives: an empty file, a WAV cut off in its samples, an OGG without its last page.

    ``file`` is a descriptor, whose place stays at the start.
    """
    size = os.fstat(file).st_size
    if size == 0:
        raise Unreadable("empty file (0 bytes)")
    if suffix == ".raw":
        raise Unreadable("unreadable: headerless samples; convert to WAV or FLAC")
    head, place = os.pread(file, 12, 0), 12
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        while len(chunk := os.pread(file, 8, place)) == 8:
            name, length = struct.unpack("<4sI", chunk)
            place += 8
            if name == b"data":
                held = size - place
                if length < _ENDLESS and held < length:
                    raise Unreadable(f"truncated: {held} of {length} bytes of samples")
                break
            place += length + length % 2
    elif head[:4] == b"OggS":
        tail = os.pread(file, 1 << 16, max(0, size - (1 << 16)))
        page = tail.rfind(b"OggS")
        if page < 0 or len(tail) < page + 6 or not tail[page + 5] & 4:
            raise Unreadable("truncated: the last OGG page is missing")


def fault(samples, silence_peak: float, min_seconds: float) -> str:
    """Why int16 [samples] at 16 kHz cannot be used: too short or silent; an empty text where they can."""
    if len(samples) < min_seconds * RATE:
        return f"too short: {len(samples) / RATE:.4f} s"
    peak = max(int(samples.max()), -int(samples.min())) / 32768
    return f"silent: peak {peak:.6f}" if peak < silence_peak else ""


def judged(utterance: str, samples, silence_peak: float, min_seconds: float, clipped: int = 0) -> Decoded:
    """int16 [samples] at 16 kHz as an utterance, with their digest or the reason why they cannot be used."""
    if reason := fault(samples, silence_peak, min_seconds):
        return Decoded(utterance, None, reason)
    return Decoded(utterance, samples, "", clipped, hashlib.sha256(samples.astype("<i2", copy=False)).hexdigest())


def _decode_chunk(chunk: Sequence[tuple[str, Path]], silence_peak: float, min_seconds: float) -> list[Decoded]:
    done = []
    for utterance, path in chunk:
        try:
            samples, clipped = decode(path)
        except Unreadable as why:
            done.append(Decoded(utterance, None, str(why)))
        else:
            done.append(judged(utterance, samples, silence_peak, min_seconds, clipped))
    return done


def decode_all(
    files: Sequence[tuple[str, Path]], workers: int, silence_peak: float, min_seconds: float
) -> Iterator[Decoded]:
    """Decode (utterance, path) pairs in ``workers`` threads; the results come in the order of ``files``.

    Threads are enough: libsndfile, soxr and the digest work outside Python's lock. No more than three chunks of files
    per thread are in memory, however long the consumer takes.
    """
    chunks = [files[i : i + _CHUNK] for i in range(0, len(files), _CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        waiting: collections.deque = collections.deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_decode_chunk, chunk, silence_peak, min_seconds))
                if len(waiting) >= 3 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
