"""What a protocol draws at random, by seeded digests of names and so the same on every machine: folds, and samples."""

import hashlib

from ..runtime.errors import UserError
from .config import Protocol, RandomFolds
from .folds import Roles


def _drawn(names, seed: int) -> list[str]:
    """A digest for each name; in their order the names are shuffled."""
    return [hashlib.sha256(f"{seed} {name}".encode()).hexdigest() for name in names]


def random_folds(protocol: RandomFolds, manifest, emotion) -> list[Roles]:
    """Distinct audio, spread over folds class by class."""
    firsts = manifest.drop_duplicates("sha256")
    order: list[str] = []
    for _, rows in firsts.groupby(emotion[firsts.index]):
        keys = dict(zip(rows["sha256"], _drawn(rows["utterance"], protocol.seed), strict=True))
        order += sorted(keys, key=keys.__getitem__)
    dealt = [order[i :: protocol.folds] for i in range(protocol.folds)]
    folds_roles = []
    for i, test in enumerate(dealt):
        after = dealt[(i + 1) % protocol.folds]
        validating = after[:: protocol.validation]
        folds_roles.append(
            dict.fromkeys(order, "train") | dict.fromkeys(validating, "val") | dict.fromkeys(test, "test")
        )
    return folds_roles


def kept(protocol: Protocol, utterances, emotion, where: str) -> list[str]:
    """The ``training`` utterances that the protocol keeps of a fold's training part.

    The classes (no class is one too) are shuffled and merged at even steps, and the first utterances are kept. So
    every class has its share, to one utterance, and a smaller sample is part of any larger one with the same seed.

    Parameters
    ----------
    utterances, emotion
        Series with one index: the fold's training utterances and their classes, '' for none.
    where
        Key and fold, for messages.

    Raises
    ------
    UserError
        The fold has fewer training utterances, or the sample has none of a class.
    """
    import pandas as pd

    wanted = protocol.training
    if wanted > len(utterances):
        raise UserError(
            f"{where}: {wanted:,} training utterances are to be kept, but there are {len(utterances):,}; lower it, or "
            "set 0 for all"
        )
    rows = pd.DataFrame({"utterance": utterances, "emotion": emotion})
    rows["drawn"] = _drawn(utterances, protocol.training_seed)
    classes = rows.groupby("emotion")["drawn"]
    rows["place"] = (classes.rank(method="first") - 0.5) / classes.transform("size")
    sample = rows.sort_values(["place", "drawn"]).head(wanted)
    missing = sorted(set(emotion) - set(sample["emotion"]) - {""})
    if missing:
        raise UserError(f"{where}: {wanted:,} training utterances have none of class '{missing[0]}'; keep more")
    return sample["utterance"].tolist()
