"""What recipes that train an encoder under a head share: targets, learning rates, training, how the model predicts."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..runtime.errors import UserError
from ..training.economy import Economy

if TYPE_CHECKING:
    import torch

    from .recipe_inputs import TrainingInputs


def begun(inputs: "TrainingInputs", start: str, fold, seed: int):
    """The speech encoder that a training begins with: the untouched one, or that in the output that ``start`` names.

    Raises
    ------
    UserError
        The output is missing, has seen what is not this fold's to see, or is of another encoder.
    """
    from ..encoders import checkpoint
    from ..training.weights import as_tensors

    encoder = inputs.speech_encoder()
    if start:
        checkpoint.fill(encoder, as_tensors(inputs.start(fold, seed), "encoder/"), f"start: {start}")
    return encoder


def check_layer(setting: str, layer: int, encoder) -> None:
    """Refuse a hidden layer, counted from the last (-1), that an encoder does not have.

    Raises
    ------
    UserError
        It is none; ``setting`` names who asks for it.
    """
    deepest = -encoder.depth - 1
    if not deepest <= layer <= -1:
        raise UserError(
            f"params.yaml: {setting}: {layer}, but the encoder has {encoder.depth} blocks; take -1 to {deepest}, or an"
            " encoder with more"
        )


def scaled(examples, fold, device) -> tuple[np.ndarray, np.ndarray, "torch.Tensor"]:
    """Lowest value and range of each dimension over the training rows; all targets by them [utterances, dimensions].

    The targets are a tensor on ``device``.
    """
    import torch

    low, span = examples.scaling(fold.train)
    return low, span, torch.from_numpy((examples.targets - low) / span).to(device)


def balanced(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights float32 [classes] that give every class of ``labels`` the same sum: rows / (classes x rows of it).

    A class that ``labels`` lacks weighs 0.
    """
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts > 0, len(labels) / (classes * np.maximum(counts, 1)), 0).astype(np.float32)


def sizes(model) -> dict[str, dict[str, int]]:
    """The note of a trained model's size: ``parameters``, of them ``all``, and those ``trained``."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return {"parameters": {"all": sum(n for n, _ in counts), "trained": sum(n for n, trains in counts if trains)}}


def groups(model, rate: float, encoder_rate: float) -> list[dict]:
    """The optimiser's groups of what trains in ``model``: all but ``model.encoder``, and that at its own rate."""
    own = {id(parameter) for parameter in model.encoder.parameters()} if model.encoder else set()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    found = [{"params": [p for p in trained if id(p) not in own], "lr": rate}]
    tuned = [p for p in trained if id(p) in own]
    return [*found, {"params": tuned, "lr": encoder_rate}] if tuned else found


def fitted(row: Economy, examples, fold, model, optimiser, loss_of, outputs, lengths, generator, unit, **how) -> dict:
    """Train on batches of similar ``lengths`` [utterances] until the validation rows' score has stopped rising.

    Parameters
    ----------
    row
        Its ``batch``, ``epochs``, ``patience`` and economy count.
    loss_of, outputs
        Loss of positions, which is minimised; outputs of positions, which are scored.
    how
        More of :func:`stages.training.loop.fit`: ``schedule``, ``clip``.

    Returns
    -------
    dict
        The history, for the notes. The model holds the weights of the best epoch.
    """
    from ..training.batches import bucketed
    from ..training.loop import fit

    history = fit(
        model,
        optimiser,
        lambda _: bucketed(fold.train, lengths, row.batch, generator),
        loss_of,
        lambda: examples.score(fold.val, outputs(fold.val)),
        epochs=row.epochs,
        patience=row.patience,
        economy=row,
        generator=generator,
        unit=unit,
        **how,
    )
    return history.__dict__


def predictor(speech, forward: Callable, batch: int, low=None, span=None) -> Callable[[np.ndarray], np.ndarray]:
    """Positions -> outputs [positions, outputs], in batches of similar length; ``forward`` gives scaled ones."""
    from ..training.weights import on_cpu
    from .speech_input import in_batches

    def outputs(positions):
        found = in_batches(positions, speech.lengths, batch, lambda some: on_cpu(forward(some)))
        return np.stack(found) if span is None else np.stack(found) * span + low

    return outputs
