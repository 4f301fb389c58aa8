"""How much a pretrained encoder drops out, whatever its checkpoint's configuration says."""

from collections.abc import Iterable

from torch import nn

SHARES = ("dropout", "activation_dropout")
"""Where modules keep a share as a number: an attention's, and a block's of Whisper."""


def drop_out(modules: Iterable[nn.Module], share: float) -> None:
    """Let every dropout of ``modules`` drop ``share``: of states, of attention, and inside feed-forward layers."""
    for module in modules:
        if isinstance(module, nn.Dropout):
            module.p = share
            continue
        for name in SHARES:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, share)
