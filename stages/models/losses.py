"""Loss functions."""

import torch


def ccc_loss(
    predicted: torch.Tensor, true: torch.Tensor, epsilon: float = 1e-8, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """1 - concordance correlation coefficient, averaged over dimensions.

    The covariance form 2 cov / (var + var + (difference of means)^2 + epsilon) has finite gradients where a variance
    vanishes (a batch of one, constant labels). Srinivasan 2022, equation 3; de Oliveira 2023, equation 3.

    Parameters
    ----------
    predicted, true
        [batch, dimensions]; predictions of half precision are widened first.
    weights
        Of the dimensions [dimensions], adding up to one (Srinivasan 2022, equation 5); None: all the same.
    """
    predicted = predicted.float()
    mean_p, mean_t = predicted.mean(0), true.mean(0)
    p, t = predicted - mean_p, true - mean_t
    covariance = (p * t).mean(0)
    spread = (p * p).mean(0) + (t * t).mean(0) + (mean_p - mean_t) ** 2
    losses = 1 - 2 * covariance / (spread + epsilon)
    return losses.mean() if weights is None else (weights * losses).sum()


def ctc_loss(
    letters: torch.Tensor, lengths: torch.Tensor, spelled: list[torch.Tensor], reduction: str = "mean"
) -> torch.Tensor:
    """Connectionist temporal classification (Graves et al. 2006), blank 0.

    A scalar on the CPU wherever the model is, for on a GPU it is not deterministic. An utterance with fewer frames than
    its letters need counts as zero.

    Parameters
    ----------
    letters
        Logits [batch, frames, labels]; those of half precision are widened first.
    lengths
        Frames of each [batch], on the CPU.
    spelled
        The labels int64 [letters] of each (:func:`stages.encoders.letters.spelled`).
    reduction
        ``mean``: over the letters of each, then over the batch; ``sum``: of all. Published checkpoints carry either
        (``ctc_loss_reduction``), and it sets the weight of recognition beside emotion.
    """
    log_probs = letters.float().log_softmax(-1).transpose(0, 1).cpu()
    sizes = torch.tensor([len(each) for each in spelled])
    return torch.nn.functional.ctc_loss(
        log_probs, torch.cat(spelled), lengths, sizes, reduction=reduction, zero_infinity=True
    )


def am_softmax(classes: int, width: int, margin: float, scale: float) -> torch.nn.Module:
    """Additive-margin softmax with its class weights (Pan 2024, equations 2 and 3; the margin lies outside the cosine).

    Returns a module of ``(embeddings [batch, width], labels [batch]) -> scalar`` whose ``get_logits(embeddings)``
    gives scaled cosines [batch, classes] without the margin.
    """
    from pytorch_metric_learning.losses import CosFaceLoss

    return CosFaceLoss(num_classes=classes, embedding_size=width, margin=margin, scale=scale)
