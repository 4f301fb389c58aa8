"""Audio files as 16 kHz mono int16, decoded side by side, each file judged fit or named with a reason."""

import collections
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import jobs
from stages.errors import UserError

RATE = 16_000
_BLOCK = 1 << 20  # frames read at once
_CHUNK = 8  # files handed to a process at once
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

    path = Path(path)
    _check_whole(path)
    try:
        with soundfile.SoundFile(path) as file:
            rate, announced, blocks = file.samplerate, file.frames, []
            unchanged = file.subtype == "PCM_16" and file.channels == 1 and rate == RATE
            finite = file.subtype.startswith("PCM")
            kind = "int16" if unchanged else "float32"
            while len(block := file.read(_BLOCK, dtype=kind, always_2d=True)):
                blocks.append(block[:, 0] if block.shape[1] == 1 else block.mean(1))
    except soundfile.LibsndfileError as fault:
        raise Unreadable(f"unreadable: {fault.error_string.strip().rstrip('.')}") from None
    if not blocks:
        raise Unreadable("empty: no samples")
    wave = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
    slack = _MP3_SLACK if path.suffix.lower() == ".mp3" else 0
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


def _check_whole(path: Path) -> None:
    """Find what libsndfile forgives: an empty file, a WAV cut off in its samples, an OGG without its last page."""
    size = path.stat().st_size
    if size == 0:
        raise Unreadable("empty file (0 bytes)")
    if path.suffix.lower() == ".raw":
        raise Unreadable("unreadable: headerless samples; convert to WAV or FLAC")
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            while len(chunk := file.read(8)) == 8:
                name, length = struct.unpack("<4sI", chunk)
                if name == b"data":
                    held = size - file.tell()
                    if length < _ENDLESS and held < length:
                        raise Unreadable(f"truncated: {held} of {length} bytes of samples")
                    return
                file.seek(length + length % 2, os.SEEK_CUR)
        elif head[:4] == b"OggS":
            file.seek(max(0, size - (1 << 16)))
            tail = file.read()
            page = tail.rfind(b"OggS")
            if page < 0 or len(tail) < page + 6 or not tail[page + 5] & 4:
                raise Unreadable("truncated: the last OGG page is missing")


def fault(samples, silence_peak: float, min_seconds: float) -> str:
    """Why int16 [samples] at 16 kHz cannot be used: too short or silent; an empty text where they can."""
    if len(samples) < min_seconds * RATE:
        return f"too short: {len(samples) / RATE:.4f} s"
    peak = max(int(samples.max()), -int(samples.min())) / 32768
    return f"silent: peak {peak:.6f}" if peak < silence_peak else ""


def _decode_chunk(chunk: Sequence[tuple[str, Path]], silence_peak: float, min_seconds: float) -> list[Decoded]:
    done = []
    for utterance, path in chunk:
        try:
            samples, clipped = decode(path)
        except Unreadable as why:
            done.append(Decoded(utterance, None, str(why)))
            continue
        reason = fault(samples, silence_peak, min_seconds)
        done.append(Decoded(utterance, None if reason else samples, reason, clipped))
    return done


def decode_all(
    files: Sequence[tuple[str, Path]], workers: int, silence_peak: float, min_seconds: float
) -> Iterator[Decoded]:
    """Decode (utterance, path) pairs in ``workers`` processes; the results come in the order of ``files``.

    No more than three chunks of files per process are in memory, however long the consumer takes. The processes
    die with this one.

    Raises
    ------
    UserError
        A process was killed, most often for want of memory.
    """
    chunks = [files[i : i + _CHUNK] for i in range(0, len(files), _CHUNK)]
    if workers == 1 or len(chunks) < 2:
        for chunk in chunks:
            yield from _decode_chunk(chunk, silence_peak, min_seconds)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=jobs.die_with_parent) as pool:
        waiting: collections.deque = collections.deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_decode_chunk, chunk, silence_peak, min_seconds))
                if len(waiting) >= 3 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                "ingest: a decoding process was killed, most likely for want of memory; lower ingest.workers"
            ) from None
        finally:
            for future in waiting:
                future.cancel()
