"""The long statistical tests (`make claims`)."""

import os

from stages.parameters.resolve import resolved
from tests.unit.catalogue import PARAMS

SMALL = os.environ.get("CLAIMS") == "small"
"""`make claims CLAIMS=small`: one seed and the default study's 720 utterances for what is fine-tuned."""


def changes_of(system: str) -> dict:
    """What the default study changes of a system."""
    return resolved(PARAMS)["studies"]["default"]["changes"][system]


def fifths(validation: int) -> dict:
    """A protocol of five folds by speaker, four classes, ``validation`` speakers of each training part put by."""
    return {
        "kind": "group-folds",
        "by": "speaker",
        "folds": 5,
        "validation": validation,
        "classes": ["angry", "happy", "neutral", "sad"],
        "merge": {"excited": "happy"},
    }


def fine_tuned_size() -> dict:
    """Settings of the corpus, the protocol and the seeds for studies of systems that are fine-tuned."""
    speakers, utterances = (24, 720) if SMALL else (40, 3000)
    return {
        "corpora/planted/speakers": speakers,
        "corpora/planted/sessions": speakers // 2,
        "corpora/planted/utterances": utterances,
        "studies/default/protocol": "speaker-thirds",
        "studies/default/speech": "hubert-half",
        "studies/default/transcripts": "gold",
        "studies/default/trials": {},
        "studies/default/seeds": [1] if SMALL else [1, 2, 3, 4, 5],
    }
