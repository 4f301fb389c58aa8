"""The one table of what the planted corpus plants: which channel carries which dimension, and how strongly.

Everything else in this package follows from these constants. They were set before the first model result; a later
change belongs in the log with its figures before and after.
"""

DIMENSIONS = ("arousal", "valence", "dominance")

CUES = ("pitch", "range", "rate", "loudness", "effort")
"""Prosodic cues: mean pitch, pitch range, speaking rate, level, and vocal effort (spectral tilt)."""

COUPLINGS = {
    # share of a dimension's variance that a linear regression from the channel explains (R^2), over all
    # utterances, those that contradict themselves included
    "prosody": {"arousal": 0.80, "valence": 0.25, "dominance": 0.50},
    "words": {"arousal": 0.05, "valence": 0.70, "dominance": 0.30},
}

LOADINGS = {
    # direction in which a dimension moves each cue (made orthogonal and of unit length before use)
    #             pitch  range   rate  loudness  effort
    "arousal": (0.70, 0.35, 0.60, 0.70, 0.45),  # fast, high, loud
    "valence": (0.35, 0.80, 0.00, -0.10, -0.50),  # lively melody, soft voice
    "dominance": (-0.60, 0.00, -0.10, 0.40, 0.60),  # low, firm, loud
}

TRUST = {
    # In an utterance that contradicts itself the words say the opposite of the voice in arousal and valence;
    # raters then hear TRUST * voice + (1 - TRUST) * words.
    "arousal": 0.85,
    "valence": 0.15,
    "dominance": 0.50,  # never contradicted: both channels say the same
}

IRONIC = TRUST | {"valence": 0.85}
"""In mode ``ironic`` the words of such an utterance are irony: raters follow the voice in valence too. Voices and words
are those of mode ``normal``. With 15 % contradictions R^2 of valence is .42 from the voice (normal: .25) and .42 from
the words (.69)."""

LONG = 0.35
"""Share of utterances of two clauses. There one clause alone is emotional: it alone has the cues and the words
that carry; the other is spoken at the speaker's baseline, in words without loadings, and may come first or last."""


def strength(channel: str, dimension: str, contradictory: float) -> float:
    """R^2 that a channel needs for its *own* emotion so that the one heard is carried as :data:`COUPLINGS` says.

    Let c be the share of contradictions and k the heard emotion over the channel's own in one of those; then
    R^2(heard) = r (1 - c + c k)^2 / (1 - c + c k^2), solved for r. Never over 1 for c up to 0.3.
    """
    voice = TRUST[dimension]
    k = 1.0 if dimension == "dominance" else (2 * voice - 1) * (1 if channel == "prosody" else -1)
    c = contradictory
    return COUPLINGS[channel][dimension] * (1 - c + c * k * k) / (1 - c + c * k) ** 2


def couplings_table() -> str:
    """A markdown table of what each latent dimension drives in mode ``normal``."""
    lines = [
        "| dimension | R² prosody | R² words | " + " | ".join(CUES) + " | voice's share if contradicted |",
        "|---|" + "---:|" * (len(CUES) + 3),
    ]
    for name in DIMENSIONS:
        cells = [f"{COUPLINGS[channel][name]:.2f}" for channel in ("prosody", "words")]
        cells += [f"{value:+.2f}" for value in LOADINGS[name]]
        trust = "–" if name == "dominance" else f"{TRUST[name]:.2f}"
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {trust} |")
    return "\n".join(lines) + "\n"
