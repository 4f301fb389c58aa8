"""What a system's components have seen, checked against what it is tested on before it is scored.

Components that are fitted in training (normaliser, teacher, codebook, adapted encoder) record the utterances that they
have seen in the model file of every unit. Encoders that we pretrain list the digests of their training data in their
own header. The training data of published weights is known from their papers or reported as unknown.
"""

from pathlib import Path

from ..protocols.splits import fit_scope, named
from ..runtime.errors import UserError
from .seen import unpack

PUBLISHED = (
    ("audeering/wav2vec2", "Libri-Light, Common Voice, Switchboard, Fisher; labels of MSP-Podcast", ("msp-podcast",)),
    ("emotion2vec", "IEMOCAP, MELD, CMU-MOSEI, MEAD, MSP-Podcast, unlabelled", ("iemocap", "msp-podcast")),
    ("wav2vec2-large-robust", "Libri-Light, Common Voice, Switchboard, Fisher", ()),
    ("wav2vec2-base", "LibriSpeech", ()),
    ("hubert-large-ll60k", "Libri-Light", ()),
    ("hubert-base", "LibriSpeech", ()),
    ("distilhubert", "LibriSpeech", ()),
    ("whisper", "680,000 hours from the web that are not published", ()),
    ("bert-base", "BookCorpus and English Wikipedia", ()),
    ("TinyBERT_General", "BookCorpus and English Wikipedia", ()),
)
"""(part of a source's name, what those published weights were trained on, which of our corpora it contains)."""
UNKNOWN = "not known here"
LEAK = "declared leak: fitted on test utterances too, without their labels"
"""The mark on every result of a system with a part that is declared to have seen what it is tested on."""


def fitted_components(models: list[Path], manifest, protocol) -> list[dict]:
    """A row per component that was fitted in training: ``what``, ``seen`` in words. None of them has seen a test row.

    But those whose settings declare it (``fit: all`` of ``cluster``): their rows have ``leak``, and what that is.

    Raises
    ------
    UserError
        A component has seen a test utterance of its fold, or one that the fold excludes.
    """
    from ..training import units

    names, found, leaks = manifest["utterance"].tolist(), {}, {}
    for path in models:
        for (fold, seed), notes in sorted(units.notes(path).items()):
            if "made elsewhere" in notes:
                return [{"what": "a system made elsewhere", "seen": UNKNOWN}]
            if "seen" not in notes:
                raise UserError(f"{path}: does not record what its components have seen; delete it and train again")
            for what, packed in notes["seen"].items():
                where = f"{path}: seed {seed}: {what}"
                seen = unpack(packed, names, where)
                fit_scope(seen, protocol, fold, where)
                found.setdefault(what, []).append(len(seen))
            for what, packed in notes.get("leaks", {}).items():
                leaks.setdefault(what, []).append(len(unpack(packed, names, f"{path}: seed {seed}: {what}")))
    rows = [{"what": what, "seen": f"{_span(counts)} training rows per fold"} for what, counts in found.items()]
    return rows + [
        {"what": what, "seen": f"{_span(counts)} rows per fold, tested ones among them", "leak": LEAK}
        for what, counts in leaks.items()
    ]


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def pretrained_encoders(files: list[Path], predictions, manifest) -> list[dict]:
    """A row per encoder that we pretrained. None of them has seen a test utterance, its speaker or its text.

    Raises
    ------
    UserError
        An encoder has seen one of these.
    """
    from ..encoders.checkpoint import header, sentence_digest, trainings

    tested = manifest[manifest["utterance"].isin(predictions.loc[predictions["role"] == "test", "utterance"])]
    rows = []
    for path in files:
        every = [notes["seen"] for notes in trainings(header(path)["notes"]) if "seen" in notes]
        audio = {digest for seen in every for digest in seen.get("utterance_sha256", ())}
        sentences = {digest for seen in every for digest in seen.get("sentence_sha256", ())}
        known = manifest[manifest["sha256"].isin(audio)]
        _refuse(tested[tested["sha256"].isin(audio)], path, "was in its pretraining data")
        speakers = set(known["speaker"]) - {""}
        _refuse(tested[tested["speaker"].isin(speakers)], path, "is by a speaker of its pretraining data")
        digests = tested["text"].map(sentence_digest)
        _refuse(tested[digests.isin(sentences)], path, "has a text of its pretraining data")
        count = f"{len(audio):,} utterances" if audio else f"{len(sentences):,} sentences"
        source = every[0].get("source", "unknown source") if every else "unknown source"
        rows.append({"what": f"encoder {path.stem}", "seen": f"{count} of {source}"})
    return rows


def _refuse(bad, path: Path, what: str) -> None:
    if len(bad):
        raise UserError(
            f"{path}: test utterance {named(bad)} {what}; pretrain without the recordings and texts of the test part, "
            "or choose another encoder"
        )


def published_encoders(encoders: dict[str, str], corpus: str) -> list[dict]:
    """A row per encoder with published weights; ``encoders`` is {name: source}.

    Raises
    ------
    UserError
        Its weights are known to have been trained on ``corpus``.
    """
    rows = []
    for name, source in encoders.items():
        known = [(words, corpora) for part, words, corpora in PUBLISHED if part.lower() in source.lower()]
        words, corpora = known[0] if known else (UNKNOWN, ())
        held = [one for one in corpora if corpus == one or corpus.startswith(f"{one}-")]
        if held:
            raise UserError(
                f"encoders.{name}: its weights ({source}) were trained on {held[0]} ({words}), so it cannot be scored "
                "there; choose another encoder"
            )
        rows.append({"what": f"encoder {name}", "seen": words})
    return rows
