"""How many test sentences also occur in training, word for word: scripts repeat, and text models can exploit that."""

LONG = 4
"""A sentence with this many words counts as long; shorter ones ("yeah, I know") repeat by chance."""


def script_overlap(manifest, protocol) -> dict[str, int]:
    """Over the test utterances of all folds: how many have words (``tested``), how many of these also occur in
    their fold's training part (``shared``), and the same for :data:`LONG` words or more (``long``, ``long_shared``)."""
    from ..transcripts.text import words

    said = {u: tuple(words(text)) for u, text in zip(manifest["utterance"], manifest["text"], strict=True)}
    counts = dict.fromkeys(("tested", "shared", "long", "long_shared"), 0)
    for _, rows in protocol.groupby("fold"):
        trained = {said[u] for u in rows.loc[rows["role"] == "train", "utterance"]}
        for utterance in rows.loc[rows["role"] == "test", "utterance"]:
            sentence = said[utterance]
            if sentence:
                counts["tested"] += 1
                counts["shared"] += sentence in trained
            if len(sentence) >= LONG:
                counts["long"] += 1
                counts["long_shared"] += sentence in trained
    return counts
