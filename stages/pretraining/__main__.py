"""Ship the built-in encoders: their weights in half precision and a card each, in stages/encoders/builtin/.

`make encoders` trains them from their beginning (the entries of `pretrain` whose names end in -whole) and calls this.
"""

import sys
from pathlib import Path

from ..encoders import checkpoint
from ..runtime.errors import UserError

MADE = Path("data/pretrain")
SHIPPED = Path(__file__).parents[1] / "encoders" / "builtin"
WHOLE = "-whole"


def ship(path: Path, folder: Path = SHIPPED) -> Path:
    """Write the encoder in ``path`` (NAME-whole.safetensors) as NAME.safetensors and NAME.md to ``folder``."""
    from ..encoders.speech import SpeechEncoder
    from ..encoders.text import TextEncoder

    kind = {"speech": SpeechEncoder, "text": TextEncoder}[checkpoint.header(path)["class"]]
    encoder, out = kind.load(path), folder / path.name.replace(WHOLE, "")
    encoder.save(out, encoder.notes, half=True)
    out.with_suffix(".md").write_text(card(out), encoding="utf-8")
    return out


def card(path: Path) -> str:
    """The model card of an encoder's file: what it is, what it has heard or read, how it was trained, its losses."""
    header = checkpoint.header(path)
    config, notes = header["config"], header["notes"]
    shape = f"{config['num_hidden_layers']} blocks of width {config['hidden_size']}, {path.stat().st_size / 1e6:.1f} MB"
    lines = [f"# {path.stem}", "", f"A {config['model_type']} of {shape}, in half precision.", ""]
    for training in reversed(list(checkpoint.trainings(notes))):
        lines += [*_training(training), ""]
    return "\n".join(lines)


def _training(notes: dict) -> list[str]:
    recipe, seen = notes["recipe"], notes["seen"]
    if "utterances" in seen:
        voices = len({name.split("_")[0] for name in seen["names"]})
        data = f"{seen['utterances']:,} utterances of {voices} voices"
    else:
        data = f"{seen['sentences']:,} sentences"
    settings = ", ".join(f"{name} {value}" for name, value in recipe.items() if name not in ("recipe", "source"))
    lines = [
        f"## {recipe['recipe']}",
        "",
        f"{data} ({seen['source']}, seed {seen['seed']}); no voice, recording or sentence of a corpus is among them.",
        "",
        f"Settings: {settings}.",
    ]
    for name, losses in notes.items():
        if isinstance(losses, dict) and "curve" in losses:
            curve = " ".join(f"{loss:.2f}" for loss in losses["curve"])
            lines += ["", f"Loss ({name}), mean of each twentieth of the steps: {curve}."]
    if "wer" in notes:
        lines += ["", f"WER {100 * notes['wer']:.1f} %, greedy, on the voices {', '.join(notes['held_out'])}."]
    return lines


def main() -> None:
    for path in sorted(MADE.glob(f"*{WHOLE}.safetensors")):
        print(ship(path))


if __name__ == "__main__":
    try:
        main()
    except UserError as mistake:
        sys.exit(f"error: {mistake}")
