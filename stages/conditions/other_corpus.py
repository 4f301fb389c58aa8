"""The test part of another corpus in a study's classes or units, checked to share nothing with the study's training."""

from typing import Literal

from pydantic import model_validator

from ..config.settings import Section, setting
from ..corpora.csv_file import alike
from ..protocols.splits import named, parts
from ..runtime.errors import UserError


class Elsewhere(Section):
    """Another corpus, predicted by the models of all folds together; nothing is retrained."""

    kind: Literal["corpus"] = setting("what is tried: the test part of another corpus")
    corpus: str = setting("a name in corpora, another than the study's")
    protocol: str = setting("a name in protocols: its test part is tried, its labels merged as it says")
    part: str = setting("a test part that the protocol names; '' for all that it tests")
    transcripts: str = setting("a name in transcripts, for systems that read words; '' leaves those out")
    ratings: list[float] = setting(
        "[a, b]: a rating r of that corpus is a + b r in the study's units; [] leaves ratings out"
    )

    @model_validator(mode="after")
    def _scaled(self):
        if self.ratings and (len(self.ratings) != 2 or self.ratings[1] <= 0):
            raise ValueError(
                f"ratings: {self.ratings} is not [a, b] with b above 0; set [0, 1] if the units are the same"
            )
        return self

    @property
    def words(self) -> str:
        part = f", {self.part}" if self.part else ""
        return f"corpus {self.corpus}, protocol {self.protocol}{part}"


def tested(manifest, protocol, part: str, where: str):
    """The rows of another corpus' manifest that its protocol tests, with its ``emotion``, each once.

    ``part``: those of that test part alone; a :class:`UserError` where the protocol names none so.
    """
    if part and part not in (known := parts(protocol)):
        raise UserError(f"{where}.part: its protocol names no test part '{part}'; choose from {known or ['']}")
    chosen = (protocol["role"] == "test") & (protocol["part"] == part if part else True)
    rows = protocol.loc[chosen, ["utterance", "emotion"]].drop_duplicates("utterance")
    return manifest.drop(columns="emotion").merge(rows, on="utterance")


def truth(rows, task: str, labels: list[str], ratings: list[float], where: str):
    """``utterance`` and ``true_...`` of ``rows`` with a true label, and {label: number of utterances} of the others.

    Parameters
    ----------
    labels
        The study's classes; or its dimensions, whose ratings are scaled by ``ratings`` [a, b].

    Raises
    ------
    UserError
        No row has a true label, or one differs from a class of the study only in its spelling.
    """
    truths = rows[["utterance"]].copy()
    if task == "emotion":
        classes = {alike(label): label for label in labels}
        for label in sorted(set(rows["emotion"]) - set(labels)):
            if alike(label) in classes:
                raise UserError(
                    f"{where}: '{label}' of that corpus and the study's '{classes[alike(label)]}' differ only in their "
                    f"spelling; merge it in that protocol: merge: {{{label}: {classes[alike(label)]}}}"
                )
        kept = rows["emotion"].isin(labels)
        truths["true_emotion"] = rows["emotion"]
        without = rows.loc[~kept, "emotion"].replace("", "no label")
    else:
        kept = rows[labels].notna().all(axis=1)
        for name in labels:
            truths[f"true_{name}"] = ratings[0] + ratings[1] * rows[name]
        without = rows.loc[~kept, "utterance"].map(lambda _: "no rating")
    if not kept.any():
        raise UserError(
            f"{where}: no test utterance has one of: {', '.join(labels)}; name a protocol that merges its"
            " labels into these, or another corpus"
        )
    counts = without.value_counts().sort_index()
    return truths[kept].reset_index(drop=True), {str(label): int(count) for label, count in counts.items()}


def refuse_shared(manifest, protocol, rows, one_scheme: bool, where: str) -> None:
    """Refuse a trial on recordings or speakers that the study trained or validated on, in any fold.

    ``manifest`` and ``protocol`` are the study's, ``rows`` the test rows. Speakers are compared by name if both
    corpora have ``one_scheme`` of names (the same reader); digests of recordings are always compared.

    Raises
    ------
    UserError
        A recording or a speaker is in both.
    """
    used = manifest[manifest["utterance"].isin(protocol.loc[protocol["role"].isin(["train", "val"]), "utterance"])]
    bad = rows[rows["sha256"].isin(set(used["sha256"]))]
    if len(bad):
        raise UserError(f"{where}: {named(bad)}: the study trained on this recording; choose another corpus")
    speakers = set(used["speaker"]) - {""} if one_scheme else set()
    bad = rows[rows["speaker"].isin(speakers)]
    if len(bad):
        raise UserError(
            f"{where}: {named(bad)}: the study trained on speaker {bad['speaker'].iloc[0]}; choose another corpus"
            " (if they are two people, give them different names)"
        )
