"""Ingest: decode a corpus once, to 16 kHz mono int16, and write its manifest.

Every file is decoded and judged; what cannot be used is listed with its reason, and the run stops unless
``ingest.max_quarantined`` admits that many. An open corpus that is not there is downloaded; of one that grew, only
what is new is decoded.
"""

import collections
import contextlib
import csv
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .config import settings
from .config.settings import Section, setting
from .corpora import readers
from .corpora.audio_file import RATE, Decoded, attempted, judged
from .corpora.decode_pool import decode_all
from .corpora.manifest import write_manifest
from .corpora.ratings import write_ratings
from .corpora.release import Departure
from .runtime import code_digest, disk, process
from .runtime.errors import UserError
from .runtime.reporting import log, progress


class Ingest(Section):
    """How corpora are decoded and which files are refused."""

    workers: int = setting("processes that decode or synthesise; no influence on the result", ge=1)
    max_quarantined: int = setting("how many unusable files are admitted, listed and left out", ge=0)
    silence_peak: float = setting("a clip whose peak stays below this part of full scale is silent", ge=0)
    min_seconds: float = setting("a shorter clip is unusable, seconds", ge=0)


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of an entry of corpora:")
    parser.add_argument("--manifest", type=Path, required=True, help="output: manifest.csv")
    parser.add_argument("--audio", type=Path, required=True, help="output: audio.h5")
    parser.add_argument("--quarantine", type=Path, required=True, help="output: what was left out, with reasons")
    parser.add_argument("--ratings", type=Path, required=True, help="output: ratings.csv, the single raters' labels")


def main(args) -> None:
    section = settings.load(Ingest, "ingest", args.params)
    corpus = readers.load(args.corpus, args.params)
    readers.fetched(corpus, args.corpus)
    rows, files, departures = readers.read(corpus, args.corpus)
    named = {row["utterance"]: row for row in rows}
    ratings = [(row["utterance"], rating) for row in rows for rating in row.pop("ratings", ())]
    found: list[dict] = []
    refused: list[Departure] = []
    kept: list[bytes] = []
    clipped: list[int] = []
    earlier, stamps = _earlier(args.corpus, files, section)
    with disk.writing(args.audio) as temporary, _store(temporary) as writer:
        done = _decoded(corpus, rows, files, section, earlier, stamps)
        for i, each in enumerate(progress(done, args.corpus, len(rows))):
            if each.samples is None:
                refused.append(Departure(each.utterance, str(files[i] if files else each.utterance), each.reason))
                continue
            writer.add(each.utterance, each.samples, each.sha256)
            seconds = f"{len(each.samples) / RATE:.7f}"  # exact: 1/16000 s has seven decimals
            named[each.utterance].update(duration=seconds, sha256=each.sha256)
            found.append(named[each.utterance])
            kept += stamps[i : i + 1]
            clipped.append(each.clipped)
        _quarantine(refused, departures, len(rows), section, args)
        _mark_duplicates(found)
        with disk.writing(args.ratings) as listed:
            used = {row["utterance"] for row in found}
            write_ratings(listed, (pair for pair in ratings if pair[0] in used))
        with disk.writing(args.manifest) as listed:
            write_manifest(listed, found)
            writer.flush()
            digest = disk.sha256(listed)
            writer.close(digest)
    if earlier:
        earlier.keep(args.audio, digest, kept, clipped)
    seconds = sum(float(row["duration"]) for row in found)
    classes = collections.Counter(row.get("emotion") or "(none)" for row in found)
    speakers = {row.get("speaker") for row in found} - {None, ""}
    log.info("%s: %d utterances, %d speakers, %.1f s", args.corpus, len(found), len(speakers), seconds)
    log.info("emotions: %s", ", ".join(f"{name} {n}" for name, n in sorted(classes.items())))
    if any(clipped):
        log.info("%d utterances held samples beyond full scale, which were clipped", sum(n > 0 for n in clipped))


@contextlib.contextmanager
def _store(path: Path):
    """A new audio store; a disk that fills up in spite of :func:`jobs.need_space` is reported as what it is."""
    from .stores.audio import AudioWriter

    writer = AudioWriter(path)
    try:
        yield writer
    except BaseException as failure:
        number = re.search(r"errno = (\d+)", str(failure))
        if isinstance(failure, RuntimeError) and number:  # how h5py reports what it could not write on closing
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from failure
        raise


def _earlier(corpus: str, files: list[Path], section: Ingest):
    """What the last ingest of the corpus decoded under the same code and libraries, and the stamps of its files."""
    if not files:
        return None, []
    import miniaudio
    import numpy
    import soundfile
    import soxr

    from .stores import decode_cache

    modules = [miniaudio, soundfile, soxr, numpy]
    libraries = [soundfile.__libsndfile_version__, *(module.__version__ for module in modules)]
    judged = {"silence_peak": section.silence_peak, "min_seconds": section.min_seconds}
    decoder = judged | {"code": code_digest.digest("corpora.audio_file"), "libraries": libraries}
    return decode_cache.Decoded(corpus, decoder), [decode_cache.stamp(path) for path in files]


def _decoded(corpus, rows: list[dict], files: list[Path], section: Ingest, earlier, stamps) -> Iterator[Decoded]:
    """Every utterance in the order of ``rows``, from files, from what is known of them, or from the synthesis."""
    if not files:
        for utterance, samples in readers.synthesised(corpus, rows, section.workers):
            yield judged(utterance, samples, section.silence_peak, section.min_seconds)
        return
    names = [row["utterance"] for row in rows]
    known = [earlier.positions.get(each) for each in stamps]
    new = [(names[i], files[i]) for i in range(len(files)) if known[i] is None]
    log.info("%d files to decode, %d known from before", len(new), len(files) - len(new))
    decoding = decode_all(new, section.workers, section.silence_peak, section.min_seconds)
    for name, file, position in zip(names, files, known, strict=True):
        if position is None:
            yield next(decoding)
            continue
        try:
            samples, clipped = earlier.samples(position)
        except UserError as damage:
            log.warning("%s: %s is decoded again", damage, file)
            yield attempted(name, file, section.silence_peak, section.min_seconds)
        else:
            yield judged(name, samples, section.silence_peak, section.min_seconds, clipped)


def _mark_duplicates(rows: list[dict]) -> None:
    """Fill ``duplicate_of``: the first utterance whose decoded audio is the same, byte for byte."""
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


def _quarantine(refused: list[Departure], departures: Sequence[Departure], total: int, section: Ingest, args) -> None:
    """List departures from the release and what cannot be used, and stop where that is more than is admitted."""
    with (
        disk.writing(args.quarantine) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["utterance", "file", "reason"])
        writer.writerows([*departures, *refused])
    for _, path, reason in refused:
        log.info("unusable: %s: %s", path, reason)
    if len(refused) > section.max_quarantined:
        first = ", ".join(f"{path} ({reason})" for _, path, reason in refused[:3])
        more = f" and {len(refused) - 3} more, all in {args.log or args.quarantine}" if len(refused) > 3 else ""
        raise UserError(
            f"{first}{more}: unusable; mend or remove the files, "
            f"or leave them out with ingest.max_quarantined: {len(refused)} in {args.params}"
        )
    if len(refused) == total:
        raise UserError(f"corpora.{args.corpus}: none of its {total} utterances can be used; see {args.quarantine}")
    if refused:
        log.warning("%d of %d utterances left out, see %s", len(refused), total, args.quarantine)


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
