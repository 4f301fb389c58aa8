"""Batches to a device and back, so that a GPU computes one while the next comes and the last leaves."""

from typing import Any

import numpy as np
import torch

Group = tuple[dict[str, torch.Tensor], list[int]]
"""Layers [items, frames, width] of items that were computed together, and how many frames of each are its own."""


class Transfer:
    """Moves tensors between this process' memory and ``device``; on a processor nothing is moved.

    A GPU is fed from pinned memory, and what it computed is copied to pinned memory by a stream of its own, which
    waits for that batch alone. So :meth:`host` may run in another thread while the device computes the next batch.
    """

    def __init__(self, device: torch.device):
        self.device, self.gpu = device, device.type == "cuda"
        self.leaving = torch.cuda.Stream(device) if self.gpu else None

    def ready(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor of this process in memory from which the device can take it while it computes."""
        return tensor.pin_memory() if self.gpu else tensor

    def enter(self, tensor: torch.Tensor) -> torch.Tensor:
        """What :meth:`ready` gave, on the device."""
        return tensor.to(self.device, non_blocking=True)

    def computed(self, groups: list[Group]) -> tuple[list[Group], Any]:
        """What a forward pass found, with the event of its being computed (None on a processor)."""
        return groups, torch.cuda.current_stream(self.device).record_event() if self.gpu else None

    def host(self, batch: tuple[list[Group], Any], dtype: str) -> list[dict[str, np.ndarray]]:
        """What :meth:`computed` gave, item by item: every layer [frames, width], made ``dtype`` on the device.

        Values beyond ``dtype`` are infinite in it.
        """
        groups, event = batch
        kind = getattr(torch, dtype)
        if self.gpu:
            with torch.cuda.stream(self.leaving):
                self.leaving.wait_event(event)
                moved = [{name: self._copied(v.to(kind)) for name, v in layers.items()} for layers, _ in groups]
            self.leaving.synchronize()
        else:
            moved = [{name: values.to(kind) for name, values in layers.items()} for layers, _ in groups]
        found = []
        for layers, (_, counts) in zip(moved, groups, strict=True):
            arrays = {name: values.numpy() for name, values in layers.items()}
            found += [{name: values[i, :n] for name, values in arrays.items()} for i, n in enumerate(counts)]
        return found

    @staticmethod
    def _copied(values: torch.Tensor) -> torch.Tensor:
        copy = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        return copy.copy_(values, non_blocking=True)
