"""Pepino 2021's Fusion: the probe with eGeMAPS beside the encoder's frames, averaged to their rate."""

from typing import ClassVar, Literal

from ..config.settings import setting
from . import probe
from .probe import Probe


class Fusion(Probe):
    """One first layer for the encoder's frames, one for the descriptors, side by side into the second."""

    recipe: Literal["fusion"] = setting("the recipe: stages/recipes/fusion.py")
    beside: str = setting("descriptors, a name in encoders")
    inputs: ClassVar = ("speech", "beside")


train, restored = probe.train, probe.restored
