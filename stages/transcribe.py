"""Transcribe: the words of every utterance, from the corpus itself, corrupted to a set WER, or by Whisper.

Columns: utterance, text (models read its plain words), reference (the corpus' own transcript, empty where it has none)
and wer (of text against reference, empty without one); Whisper adds quality figures and flags, see
stages/corpora/README.md. Tags in brackets, such as [LAUGHTER], may give the label away and are removed from both
texts. The report has the WER of every split, emotion and gender.
"""

import collections
import csv
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from .config import settings
from .config.settings import Section, setting
from .corpora import audio_table
from .corpora.manifest import cell, read_rows
from .runtime import disk, process
from .runtime.errors import UserError
from .runtime.reporting import log
from .transcripts.corruption import Corrupted
from .transcripts.whisper_transcripts import Whisper

QUALITY = ("avg_logprob", "no_speech_prob", "compression_ratio", "temperature")
FLAGS = ("repetitive", "improbable", "silent", "rushed")


class Gold(Section):
    """The corpus' own transcripts, without the transcriber's tags."""

    kind: Literal["gold"] = setting("where transcripts come from")


Source = Annotated[Gold | Corrupted | Whisper, Field(discriminator="kind")]
"""An entry of ``transcripts:``, selected by its key ``kind``."""


def load(name: str, params: str) -> Source:
    """The validated entry ``transcripts.{name}`` of the parameter file."""
    key = f"transcripts.{name}"
    return settings.adapt(TypeAdapter(Source), settings.read(params, key), key, params)


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of the corpus, for messages")
    parser.add_argument("--source", required=True, help="name of an entry of transcripts:")
    parser.add_argument("--texts", type=Path, required=True, help="input: texts.csv of the corpus' inventory")
    parser.add_argument("--decoded", type=Path, required=True, help="input: audio.csv of the corpus, from ingest")
    parser.add_argument("--audio", type=Path, help="input: the corpus' audio store (only Whisper uses it)")
    parser.add_argument("--out", type=Path, required=True, help="output: the transcripts' CSV")


def main(args) -> None:
    from .transcripts.rates import is_english
    from .transcripts.text import error_rates, untagged

    source = load(args.source, args.params)
    usable, _ = audio_table.read(args.decoded)
    said = {row["utterance"]: row["text"].strip() for row in read_rows(args.texts, ("utterance", "text"), "inventory")}
    if gone := [row["utterance"] for row in usable if row["utterance"] not in said]:
        raise UserError(f"{args.texts}: utterance {gone[0]} of {args.decoded} is not in it; run ingest again")
    references = _untagged({row["utterance"]: said[row["utterance"]] for row in usable})
    if isinstance(source, Whisper):
        results = [
            row | {"text": untagged(row["text"])}
            for row in _listen(source, args.source, args.audio, args.decoded, usable)
        ]
    else:
        _need_text(references, args.source, args.corpus, args.texts)
        texts = references
        if isinstance(source, Corrupted):
            from .transcripts.corruption import corrupt

            texts = corrupt(references, source, f"transcripts.{args.source}")
        results = [{"text": text} for text in texts.values()]
    texts, english = [row["text"] for row in results], is_english(source.model_dump())
    rates, whole = error_rates(list(references.values()), texts, english)
    _log(results, rates, whole, english)
    extra = QUALITY if isinstance(source, Whisper) else ()
    with disk.writing(args.out) as temporary, open(temporary, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["utterance", "text", "reference", "wer", *extra, *(FLAGS if extra else ())])
        for (utterance, reference), row, rate in zip(references.items(), results, rates, strict=True):
            numbers = [_number(rate), *(_number(row[name]) for name in extra)]
            flags = [row[name] for name in FLAGS] if extra else []
            writer.writerow([utterance, cell(row["text"]), reference, *numbers, *flags])


def _listen(source: Whisper, name: str, audio: Path | None, decoded: Path, usable: list[dict[str, str]]) -> list[dict]:
    from .stores.audio import AudioStore, content
    from .transcripts import whisper_transcripts

    if not audio:
        raise UserError("transcribe: --audio: Whisper needs it; give the corpus' audio.h5")
    store = AudioStore(audio)
    if store.content != content(*zip(*((row["utterance"], row["sha256"]) for row in usable), strict=True)):
        raise UserError(f"{audio}: does not match {decoded}; run the stage ingest again")
    return whisper_transcripts.transcribe(source, store, f"transcripts.{name}")


def _untagged(texts: dict[str, str]) -> dict[str, str]:
    """The texts without tags; the log counts the removed tags."""
    from .transcripts.text import tags, untagged

    counts = collections.Counter(tag for text in texts.values() for tag in tags(text))
    if counts:
        most = ", ".join(f"{tag} {count}" for tag, count in counts.most_common(5))
        log.info("removed %d tags from the transcripts (%s)", counts.total(), most)
    return {utterance: untagged(text) for utterance, text in texts.items()}


def _need_text(references: dict[str, str], name: str, corpus: str, texts: Path) -> None:
    """Refuse a corpus without transcripts; count the utterances that lack one."""
    empty = [utterance for utterance, text in references.items() if not text]
    if len(empty) == len(references):
        raise UserError(
            f"transcripts.{name}: corpus {corpus}: none of its {len(references)} utterances has a "
            f"transcript in {texts}; fill the column 'text' of the corpus, or use transcripts of kind whisper"
        )
    if empty:
        log.warning(
            "%s: %d of %d utterances have no transcript (%s ...): empty text",
            corpus,
            len(empty),
            len(references),
            empty[0],
        )


def _log(results: list[dict], rates: list[float | None], whole: float | None, english: bool) -> None:
    normaliser = "whisper's English" if english else "plain"
    if whole is not None:
        log.info("WER %.4f over the corpus (%s normaliser)", whole, normaliser)
    unscored = sum(rate is None for rate in rates)
    if unscored:
        log.info("%d of %d utterances have no reference words, so no WER", unscored, len(rates))
    silent = sum(not row["text"] for row in results)
    if silent:
        log.info("%d of %d utterances have no text", silent, len(results))
    again = sum(bool(row.get("temperature")) for row in results)
    if again:
        log.info("%d clips failed Whisper's checks and were decoded again", again)
    for flag in FLAGS:
        if marked := sum(row.get(flag, 0) for row in results):
            log.info("%d clips are marked as %s", marked, flag)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
