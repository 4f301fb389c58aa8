"""What a system's components have seen, proven against what it is tested on before it is scored.

Components that were fitted in training (normaliser, teacher, codebook, adapted encoder) note the utterances that they
have seen in the model file of every unit; encoders that we pretrain list the digests of what they have seen in their
own header; of published weights the corpora are known from their papers or not at all, and that is said.
"""

import hashlib
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
"""What published weights were trained on, by a part of their source's name, and which of our corpora is in it."""
UNKNOWN = "not known here"


def fitted_components(models: list[Path], manifest, protocol) -> list[dict]:
    """A row per component that was fitted in training: ``what``, ``seen`` in words. None may have seen a test row.

    Raises
    ------
    UserError
        A component has seen a test utterance of its fold, or one that the fold leaves out.
    """
    from ..training import units

    names, found = manifest["utterance"].tolist(), {}
    for path in models:
        for (fold, seed), notes in sorted(units.notes(path).items()):
            if "made elsewhere" in notes:
                return [{"what": "a system made elsewhere", "seen": UNKNOWN}]
            if "seen" not in notes:
                raise UserError(f"{path}: does not say what its components have seen; delete it and train again")
            for what, packed in notes["seen"].items():
                where = f"{path}: seed {seed}: {what}"
                seen = unpack(packed, names, where)
                fit_scope(seen, protocol, fold, where)
                found.setdefault(what, []).append(len(seen))
    return [{"what": what, "seen": f"{_span(counts)} training rows per fold"} for what, counts in found.items()]


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def pretrained_encoders(files: list[Path], predictions, manifest) -> list[dict]:
    """A row per encoder that we pretrained. None may have seen a test utterance or its speaker.

    Raises
    ------
    UserError
        It has seen one.
    """
    from ..encoders import checkpoint

    tested = manifest[manifest["utterance"].isin(predictions.loc[predictions["role"] == "test", "utterance"])]
    rows = []
    for path in files:
        seen = checkpoint.header(path)["notes"].get("seen", {})
        audio, sentences = set(seen.get("utterance_sha256", ())), set(seen.get("sentence_sha256", ()))
        known = manifest[manifest["sha256"].isin(audio)]
        _refuse(tested[tested["sha256"].isin(audio)], path, "seen in its pretraining")
        speakers = set(known["speaker"]) - {""}
        _refuse(tested[tested["speaker"].isin(speakers)], path, "of a speaker seen in its pretraining")
        digests = tested["text"].map(lambda text: hashlib.sha256(text.encode()).hexdigest())
        _refuse(tested[digests.isin(sentences)], path, "whose words were seen in its pretraining")
        count = f"{len(audio):,} utterances" if audio else f"{len(sentences):,} sentences"
        rows.append({"what": f"encoder {path.stem}", "seen": f"{count} of {seen.get('source', 'unknown source')}"})
    return rows


def _refuse(bad, path: Path, what: str) -> None:
    if len(bad):
        raise UserError(
            f"{path}: test utterance {named(bad)} is one {what}; pretrain on recordings and texts apart from the test "
            "part, or take another encoder"
        )


def published_encoders(encoders: dict[str, str], corpus: str) -> list[dict]:
    """A row per encoder with weights of others; ``encoders`` is {name: source}.

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
                "there; take another encoder"
            )
        rows.append({"what": f"encoder {name}", "seen": words})
    return rows
