"""What the gates of students closed (Srinivasan 2022, section 3.2), by dimension and by kind of utterance."""

import numpy as np

from ..guards.seen import unpack

RATES = (("WER 0", 0.0), ("WER to .25", 0.25), ("WER to .5", 0.5), ("WER above .5", np.inf))
"""Bins of the error rate of an utterance's transcript, each with its upper end."""


def accounts(units: list[dict], manifest, rates: list[float | None] | None) -> list[dict]:
    """How often the gate was closed, for all utterances together and for every group of them.

    Parameters
    ----------
    units
        ``rows`` and ``closed`` of every unit, as :mod:`stages.metrics.trainings` gives them.
    manifest
        The corpus.
    rates
        Word error rate of the transcript that the teacher read, of every utterance of the manifest (None where its
        reference has no words); None where there is none to speak of.

    Returns
    -------
    list of dict
        ``group`` (all, class, sex, transcript, words and voice), ``value``, ``utterances`` (how many were trained on in
        any unit), ``pairs`` (of an utterance and a unit that trained on it), ``closed``, the share of those where the
        gate was closed, and ``dimensions``, {dimension: the share where its residual closed it}.
    """
    names = manifest["utterance"].tolist()
    position = {name: i for i, name in enumerate(names)}

    def mask(packed: dict) -> np.ndarray:
        found = np.zeros(len(names), bool)
        found[[position[name] for name in unpack(packed, names, "gate")]] = True
        return found

    trained = sum(mask(unit["rows"]).astype(int) for unit in units)
    by_dimension = [{d: mask(packed) for d, packed in unit["closed"].items()} for unit in units]
    closed = {d: sum(one[d].astype(int) for one in by_dimension) for d in units[0]["closed"]}
    any_of = sum(np.logical_or.reduce(list(one.values())).astype(int) for one in by_dimension)
    found = []
    for group, value, members in groups(manifest, rates):
        pairs = int(trained[members].sum())
        if pairs:
            found.append(
                {
                    "group": group,
                    "value": value,
                    "utterances": int((trained[members] > 0).sum()),
                    "pairs": pairs,
                    "closed": float(any_of[members].sum() / pairs),
                    "dimensions": {d: float(count[members].sum() / pairs) for d, count in closed.items()},
                }
            )
    return found


def groups(manifest, rates) -> list[tuple[str, str, np.ndarray]]:
    """(group, value, bool [rows]) of rows of a manifest; what is unknown of an utterance puts it into no group.

    Where words contradict the voice (planted corpora), they say the opposite in arousal and in valence: those are told
    apart by the dimension that is felt more.
    """
    found = [("all", "", np.ones(len(manifest), bool))]
    for group, column in (("class", "emotion"), ("sex", "gender")):
        values = manifest[column].to_numpy(str)
        found += [(group, value, values == value) for value in sorted(set(values) - {""})]
    if rates is not None:
        values = np.array([np.nan if rate is None else rate for rate in rates], float)
        low = -np.inf
        for name, high in RATES:
            found.append(("transcript", name, (values > low) & (values <= high)))
            low = high
    if "contradicts" in manifest:
        against = manifest["contradicts"].to_numpy(str) == "1"
        found += [("words and voice", "agree", ~against), ("words and voice", "contradict", against)]
        if {"latent_arousal", "latent_valence"} <= set(manifest):
            felt = [np.abs(manifest[f"latent_{name}"].to_numpy(float)) for name in ("arousal", "valence")]
            found.append(("words and voice", "contradict in arousal", against & (felt[0] > felt[1])))
            found.append(("words and voice", "contradict in valence", against & (felt[0] <= felt[1])))
    return found
