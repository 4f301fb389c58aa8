"""Word error rates of a table of transcripts, for the corpus and for groups of its manifest."""

from .text import error_counts

GROUPS = ("split", "emotion", "gender")


def is_english(source: dict) -> bool:
    """Whether words are counted under Whisper's English normaliser; ``source`` is an entry of ``transcripts:``."""
    return source["kind"] == "whisper" and source["language"] == "en"


def of_parts(manifest, transcripts, english: bool) -> list[dict]:
    """WER of all utterances together and of every known value of :data:`GROUPS`.

    A row has group, value, utterances (with a reference), words, errors, wer (None without words) and normaliser.
    ``transcripts`` is a table as :func:`stages.transcripts.table.read_transcripts` gives it.
    """
    table = transcripts.merge(manifest[["utterance", *GROUPS]], on="utterance")
    counts = error_counts(table["reference"].tolist(), table["text"].tolist(), english)
    parts = [("all", "", range(len(counts)))]
    for name in GROUPS:
        values = table[name].tolist()
        parts += [(name, v, [i for i, w in enumerate(values) if w == v]) for v in sorted(set(values) - {""})]
    results = []
    for name, value, rows in parts:
        scored = [counts[i] for i in rows if counts[i]]
        wrong, words = sum(c[0] for c in scored), sum(c[1] for c in scored)
        row = {"group": name, "value": value, "utterances": len(scored), "words": words, "errors": wrong}
        results.append(row | {"wer": wrong / words if words else None, "normaliser": "english" if english else "plain"})
    return results
