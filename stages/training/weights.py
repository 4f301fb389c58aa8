"""Weights as numpy arrays, under the names that files keep them by, and back into a model."""

import numpy as np
import torch

from ..encoders import checkpoint


def on_cpu(values: torch.Tensor) -> np.ndarray:
    """A tensor's values, wherever it was computed."""
    return values.detach().cpu().numpy()


def as_arrays(state: dict[str, torch.Tensor], prefix: str = "") -> dict[str, np.ndarray]:
    """A copy of a state dictionary as numpy arrays, every name preceded by ``prefix``."""
    return {prefix + name: on_cpu(value).copy() for name, value in state.items()}


def as_tensors(arrays: dict[str, np.ndarray], prefix: str = "") -> dict[str, torch.Tensor]:
    """The arrays whose names begin with ``prefix``, as tensors that share their memory, without the prefix."""
    return {n.removeprefix(prefix): torch.from_numpy(a) for n, a in arrays.items() if n.startswith(prefix)}


def network(model: torch.nn.Module) -> dict[str, np.ndarray]:
    """The weights of a trained model under the names that a recipe keeps them by, ``model/network/...``."""
    return as_arrays(model.state_dict(), "model/network/")


def filled(model: torch.nn.Module, arrays: dict[str, np.ndarray]) -> torch.nn.Module:
    """``model`` with the weights that :func:`network` kept, in eval mode.

    ``arrays`` are a unit's as :func:`stages.training.units.read` gives them, without ``model/``.

    Raises
    ------
    UserError
        A weight is missing, unexpected or of another shape.
    """
    checkpoint.fill(model, as_tensors(arrays, "network/"), "trained model")
    return model.eval()
