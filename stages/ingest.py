"""Ingest: decode a corpus once to 16 kHz mono int16, and measure the audio of every utterance.

Reads the inventory's list of files and the files; a planted corpus is synthesised from its parameters. Every file is
checked; unusable ones are listed with a reason, and the run stops if they are more than ``ingest.max_quarantined``.
Files with the same bytes (SHA-256) as before are not decoded again.

Columns of audio.csv: utterance, duration (s), sha256 (of the samples), duplicate_of, clipped (samples); for unusable
files, file and reason.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from .config import settings
from .config.settings import Section, setting
from .corpora import audio_table, planted, release
from .corpora.audio_file import RATE, Decoded, attempted, judged
from .corpora.decode_pool import decode_all
from .corpora.manifest import read_rows
from .runtime import code_digest, disk, process
from .runtime.errors import UserError
from .runtime.reporting import log, progress

SHOWN = 40
"""Unusable files that are shown on the screen; the log has all."""


class Ingest(Section):
    """How corpora are decoded and which files are refused."""

    workers: int = setting("processes that decode, synthesise or compute descriptors; no influence on the result", ge=1)
    max_quarantined: int = setting("how many unusable files are admitted, listed and left out", ge=0)
    silence_peak: float = setting("a clip whose peak stays below this part of full scale is silent", ge=0)
    min_seconds: float = setting("a shorter clip is unusable, seconds", ge=0)


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of an entry of corpora:")
    parser.add_argument("--files", type=Path, required=True, help="input: files.csv of the corpus' inventory")
    parser.add_argument("--audio", type=Path, required=True, help="output: audio.h5")
    parser.add_argument("--table", type=Path, required=True, help="output: audio.csv")


def main(args) -> None:
    section = settings.load(Ingest, "ingest", args.params)
    listed = read_rows(args.files, audio_table.FILES, "inventory")
    reader = settings.read(args.params, f"corpora.{args.corpus}.reader")
    if reader == "planted":
        corpus = settings.load(planted.Planted, f"corpora.{args.corpus}", args.params)
        names, earlier = sorted(row["utterance"] for row in planted.utterances(corpus)), None
        done, places = _synthesised(corpus, names, section), names
    elif not listed:
        raise UserError(f"{args.files}: no files; delete it and run inventory again")
    else:
        key = release.root_key(reader)
        folder = release.root({key: settings.read(args.params, f"corpora.{args.corpus}.{key}")})
        names = [row["utterance"] for row in listed]
        places, earlier = [os.path.join(folder, row["file"]) for row in listed], _earlier(args.corpus, section)
        done = _decoded(listed, places, section, earlier, f"corpora.{args.corpus}")
    rows: list[dict] = []
    kept: list[int] = []
    with disk.writing(args.audio) as temporary, _store(temporary) as writer:
        for i, each in enumerate(progress(done, args.corpus, len(names))):
            if each.samples is None:
                rows.append({"utterance": each.utterance, "file": places[i], "reason": each.reason})
                continue
            writer.add(each.utterance, each.samples, each.sha256)
            seconds = f"{len(each.samples) / RATE:.7f}"  # exact: 1/16000 s has seven decimals
            rows.append({"utterance": each.utterance, "duration": seconds, "sha256": each.sha256})
            rows[-1]["clipped"] = each.clipped
            kept.append(i)
        _refuse(rows, section, args.corpus, args.log or "the lines above", settings.named(args.params))
        used = [rows[i] for i in kept]
        _mark_duplicates(used)
        with disk.writing(args.table) as table:
            audio_table.write(table, rows)
        writer.close()
    if earlier:
        earlier.keep(args.audio, writer.content, [listed[i]["sha256"] for i in kept], [r["clipped"] for r in used])
    log.info("%s: %d utterances, %.1f s", args.corpus, len(used), sum(float(row["duration"]) for row in used))
    if clipped := sum(row["clipped"] > 0 for row in used):
        log.info("%d utterances had samples beyond full scale, which were clipped", clipped)


@contextlib.contextmanager
def _store(path: Path):
    """A new audio store; a full disk is reported as such."""
    from .stores.audio import AudioWriter

    writer = AudioWriter(path)
    try:
        yield writer
    except BaseException as failure:
        number = re.search(r"errno = (\d+)", str(failure))
        if isinstance(failure, RuntimeError) and number:  # h5py's error when it cannot write on closing
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from failure
        raise


def _synthesised(corpus: planted.Planted, names: list[str], section: Ingest) -> Iterator[Decoded]:
    """Every utterance of a planted corpus, in the order of ``names``."""
    made = planted.synthesise(corpus, [{"utterance": name} for name in names], workers=section.workers)
    for name, (utterance, samples) in zip(names, made, strict=True):
        if utterance != name:
            raise UserError(f"planted: synthesised {utterance} instead of {name}; report this as a bug")
        yield judged(utterance, samples, section.silence_peak, section.min_seconds)


def _earlier(corpus: str, section: Ingest):
    """The audio that the last ingest of the corpus decoded with the same code and libraries."""
    import miniaudio
    import numpy
    import soundfile
    import soxr

    from .stores import decode_cache

    modules = [miniaudio, soundfile, soxr, numpy]
    libraries = [soundfile.__libsndfile_version__, *(module.__version__ for module in modules)]
    judged = {"silence_peak": section.silence_peak, "min_seconds": section.min_seconds}
    decoder = judged | {"code": code_digest.digest("corpora.audio_file"), "libraries": libraries}
    return decode_cache.Decoded(corpus, decoder)


def _decoded(listed: list[dict], places: list[str], section: Ingest, earlier, where: str) -> Iterator[Decoded]:
    """Every utterance in the order of ``listed``, from its file or, if the bytes are known, from the last ingest.

    Raises
    ------
    UserError
        A file has changed since the inventory.
    """
    names = [row["utterance"] for row in listed]
    known = [earlier.positions.get(row["sha256"]) for row in listed]
    new = [i for i in range(len(listed)) if known[i] is None]
    for i in new:
        _refuse_another(places[i], int(listed[i]["size"]), where)
    log.info("%d files to decode, %d already decoded", len(new), len(listed) - len(new))
    files = [(names[i], Path(places[i])) for i in new]
    decoding = decode_all(files, section.workers, section.silence_peak, section.min_seconds)
    for i, (name, position) in enumerate(zip(names, known, strict=True)):
        if position is None:
            yield next(decoding)
            continue
        try:
            samples, clipped = earlier.samples(position)
        except UserError as damage:
            log.warning("%s: %s is decoded again", damage, places[i])
            _refuse_another(places[i], int(listed[i]["size"]), where)
            yield attempted(name, places[i], section.silence_peak, section.min_seconds)
        else:
            yield judged(name, samples, section.silence_peak, section.min_seconds, clipped)


def _refuse_another(path: str, size: int, where: str) -> None:
    try:
        actual = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{path}: no such file, but the inventory of {where} lists it; restore the corpus,"
            " or get its audio.h5 with dvc pull"
        ) from None
    if actual != size:
        raise UserError(
            f"{path}: {actual} bytes, but the inventory lists {size}: the file has changed since; run again"
        )


def _mark_duplicates(rows: list[dict]) -> None:
    """Fill ``duplicate_of``: the first utterance with the same decoded audio, byte for byte."""
    first: dict[str, str] = {}
    pairs = []
    for row in rows:
        original = first.setdefault(row["sha256"], row["utterance"])
        row["duplicate_of"] = "" if original == row["utterance"] else original
        if row["duplicate_of"]:
            pairs.append(f"{row['utterance']} = {original}")
    if pairs:
        more = f" and {len(pairs) - 3} more (column duplicate_of)" if len(pairs) > 3 else ""
        log.warning("%d utterances repeat another's audio: %s%s", len(pairs), "; ".join(pairs[:3]), more)


def _refuse(rows: list[dict], section: Ingest, corpus: str, listed: Path | str, params: str) -> None:
    """Stop if more utterances are unusable than allowed, or all are; the log ``listed`` has more than is shown."""
    refused = [f"{row['file']} ({row['reason']})" for row in rows if "reason" in row]
    for line in refused[:SHOWN]:
        log.warning("unusable: %s", line)
    for line in refused[SHOWN:]:
        log.info("unusable: %s", line)
    if len(refused) > section.max_quarantined:
        place = "in the lines above" if len(refused) <= SHOWN else f"in {listed}"
        more = f" and {len(refused) - 3} more, all {place}" if len(refused) > 3 else ""
        raise UserError(
            f"{', '.join(refused[:3])}{more}: unusable; repair or remove the files, "
            f"or leave them out with ingest.max_quarantined: {len(refused)} in {params}"
        )
    if len(refused) == len(rows):
        raise UserError(f"corpora.{corpus}: all {len(rows)} utterances are unusable; repair the files: {refused[0]} …")
    if refused:
        log.warning("%d of %d utterances left out: %s …", len(refused), len(rows), refused[0])


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
