"""Batches to a device and back, so that a GPU computes one while the next comes and the last leaves."""

from typing import Any

import torch


class Transfer:
    """Moves tensors between this process' memory and ``device``; on a processor nothing is moved or copied.

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

    def computed(self, found: list[dict[str, torch.Tensor]]) -> tuple[list[dict[str, torch.Tensor]], Any]:
        """What a forward pass found for every item, with the event of its being computed (None on a processor)."""
        return found, torch.cuda.current_stream(self.device).record_event() if self.gpu else None

    def host(self, batch: tuple[list[dict[str, torch.Tensor]], Any]) -> list[dict[str, Any]]:
        """What :meth:`computed` gave, as float32 arrays of numpy."""
        found, computed = batch
        if not self.gpu:
            return [{name: values.float().numpy() for name, values in item.items()} for item in found]
        with torch.cuda.stream(self.leaving):
            self.leaving.wait_event(computed)
            copies = [{name: self._copied(values.float()) for name, values in item.items()} for item in found]
        self.leaving.synchronize()
        return [{name: copy.numpy() for name, copy in item.items()} for item in copies]

    @staticmethod
    def _copied(values: torch.Tensor) -> torch.Tensor:
        copy = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        return copy.copy_(values, non_blocking=True)
