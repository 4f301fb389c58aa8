"""Turn a user's files into clips that can be predicted, or report why one cannot."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpora import consistency, csv_file
from ..corpora.audio_file import RATE, Unreadable, decode, fault
from ..runtime.errors import UserError

LONGEST_CUT = 3600.0
"""Seconds of a file that is cut into windows: it is decoded whole, at 0.2 MB (44.1 kHz, stereo: 0.5 MB) a second."""


@dataclass(frozen=True)
class Request:
    """A file to predict, its speaker ('': unknown) and its text ('' if the system reads no text).

    ``folder`` is what a relative ``file`` is relative to, where that is not the working folder.
    """

    file: str
    speaker: str = ""
    text: str = ""
    folder: Path = Path()


@dataclass(frozen=True)
class Clip:
    """int16 [samples] at 16 kHz: a file, or its piece from ``start`` to ``end`` (seconds)."""

    request: Request
    samples: Any
    start: float
    end: float


@dataclass(frozen=True)
class Refused:
    """A file or a piece of one that cannot be predicted."""

    file: str
    reason: str


@dataclass(frozen=True)
class Limits:
    """Limits of a clip: ``silence_peak`` and ``min_seconds`` from ``ingest:``, and at most ``longest`` seconds.

    With ``window`` (seconds, 0: none) a file is cut into equal pieces no longer than that, and may last an hour.
    """

    silence_peak: float
    min_seconds: float
    longest: float
    window: float = 0.0


def requests(files: list[str], texts: list[str], one_speaker: bool, table: Path | None) -> list[Request]:
    """The requests from the command line: files, each with an optional text, or the lines of a table.

    Raises
    ------
    UserError
        There is no file, the number of texts differs from that of files, or the table has a fault: it has no column
        ``file``, a line has another number of fields, or two speakers' names differ only in their spelling.
    """
    if table is None:
        if not files:
            raise UserError("no audio file; name one or more, or give --table with a column 'file'")
        if texts and len(texts) != len(files):
            raise UserError(f"--text: {len(texts)} texts for {len(files)} files; give one each, in the files' order")
        speaker = "one" if one_speaker else ""
        return [Request(file, speaker, text) for file, text in zip(files, texts or [""] * len(files), strict=True)]
    if files or texts:
        raise UserError("--table: the table names files and texts; leave out files and --text")
    found = []
    for line, row, _ in csv_file.records(table, ("file",), "speaker and text are optional"):
        if not row["file"]:
            raise UserError(f"{table}: line {line}: file: empty; name the audio file")
        speaker = "one" if one_speaker else csv_file.identity(row.get("speaker", ""))
        found.append((line, Request(row["file"], speaker, row.get("text", ""), table.parent)))
    if not found:
        raise UserError(f"{table}: no lines below the header; add one per file")
    named = ((request.speaker, f"line {line}") for line, request in found)
    consistency.refuse_doubles(named, f"{table}: speaker", ", or rename one of two people")
    return [request for _, request in found]


def clips(asked: list[Request], limits: Limits) -> Iterator[Clip | Refused]:
    """The clips of every file, in order; only one file is in memory at a time."""
    for request in asked:
        try:
            _check_length(request.folder / request.file, limits)
            samples, _ = decode(request.folder / request.file)
        except Unreadable as why:
            yield Refused(request.file, str(why))
            continue
        except OSError as why:
            yield Refused(request.file, (why.strerror or str(why)).lower())
            continue
        count = math.ceil(len(samples) / (limits.window * RATE)) if limits.window else 1
        for i in range(count):
            first, last = len(samples) * i // count, len(samples) * (i + 1) // count
            piece, start, end = samples[first:last], first / RATE, last / RATE
            reason = fault(piece, limits.silence_peak, limits.min_seconds)
            if reason:
                yield Refused(f"{request.file} ({start:.2f} to {end:.2f} s)" if count > 1 else request.file, reason)
            else:
                yield Clip(request, piece, start, end)


def _check_length(file: Path, limits: Limits) -> None:
    """Refuse a file before decoding if its header says that it is too long; a file without a header is not checked."""
    import soundfile

    try:
        seconds = soundfile.info(file).duration
    except soundfile.LibsndfileError:
        return
    if limits.window and seconds > LONGEST_CUT:
        raise Unreadable(f"too long: {seconds:.0f} s, and --window takes at most {LONGEST_CUT:.0f} s; split the file")
    if not limits.window and seconds > limits.longest:
        raise Unreadable(
            f"too long for one utterance: {seconds:.0f} s, and features.batch_seconds is {limits.longest:g}; "
            "--window 5 gives a row for every 5 s"
        )
