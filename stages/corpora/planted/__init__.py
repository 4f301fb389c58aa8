"""The planted corpus: emotional speech made by eSpeak NG whose truth is known, so that a pipeline can be tested for
finding it. ``couplings`` holds the one table of what is planted."""

from .corpus import Planted, synthesise, unlabelled, unlabelled_sentences, utterances
from .couplings import couplings_table

LICENCE = "none needed: synthesised by this pipeline with eSpeak NG"


def ceilings(settings: Planted) -> dict[str, dict[str, float]]:
    """The oracle's ``{modality: {metric: value}}``; see :func:`stages.corpora.planted.oracle.ceilings`."""
    from . import oracle

    return oracle.ceilings(settings)


__all__ = [
    "LICENCE",
    "Planted",
    "ceilings",
    "couplings_table",
    "synthesise",
    "unlabelled",
    "unlabelled_sentences",
    "utterances",
]
