"""The labels of a protocol: which emotions are classes, and which count as another."""

from ..config.settings import nearest
from ..runtime.errors import UserError
from .config import Protocol


def emotions(protocol: Protocol, manifest, selected, key: str):
    """The protocol's label of every utterance, '' for none.

    Parameters
    ----------
    selected
        The labels of the utterances that the protocol selects: every class must occur in them.
    key
        The protocol's entry, for messages.

    Raises
    ------
    UserError
        A class or a merged label does not occur, or there is a single class.
    """
    present = set(manifest["emotion"]) - {""}
    absent = [source for source in protocol.merge if source not in present]
    if absent:
        left = ", ".join(f"{source}: {label}" for source, label in protocol.merge.items() if source not in absent)
        raise UserError(
            f"{key}.merge: no utterance is labelled '{absent[0]}'{nearest(absent[0], present)}; if this corpus has no "
            f"such label, append to params.yaml the line protocols.mine: {{like: {key.rpartition('.')[2]}, merge: "
            f"{{{left}}}}} and set the study's protocol to mine"
        )
    merged = manifest["emotion"].replace(protocol.merge)
    occurring = set(selected.replace(protocol.merge)) - {""}
    classes = set(protocol.classes) or occurring
    for name in sorted(classes):
        if name not in occurring:
            raise UserError(
                f"{key}.classes: no utterance is labelled '{name}'{nearest(name, occurring)}; leave it out of classes, "
                "or choose a protocol that takes every class, as 'speakers' does"
            )
    if len(classes) == 1:
        raise UserError(
            f"{key}.classes: every labelled utterance is '{min(classes)}', and one class leaves nothing to tell apart; "
            "label others too, or for dimensions alone leave the column emotion out"
        )
    return merged.where(merged.isin(classes), "")
