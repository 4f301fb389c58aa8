"""Which frames masked prediction hides."""


def span_mask(frames, size: int, probability: float, length: int, generator, least: int = 1):
    """Random spans as fairseq's ``compute_mask_indices`` places them, ``least`` of them per row where they fit.

    Parameters
    ----------
    frames
        Valid frames of every row [batch]; nothing beyond them is masked.
    size
        Frames of the padded batch.
    probability
        Spans per row times ``length`` over ``frames``; they may overlap, so fewer frames are masked.

    Returns
    -------
    Tensor
        bool [batch, size], on the CPU like ``generator``.
    """
    import torch

    frames = frames.cpu()
    chance = torch.rand(len(frames), 1, generator=generator)
    scores = torch.rand(len(frames), size, generator=generator)
    places = (frames - length + 1).clamp(min=1)[:, None]
    wanted = torch.floor(probability * frames[:, None] / length + chance).long().clamp(min=least)
    at = torch.arange(size)[None]
    scores = scores.masked_fill(at >= places, -1.0)
    rank = scores.argsort(1, descending=True).argsort(1)
    starts = ((rank < torch.minimum(wanted, places)) & (scores >= 0)).long().cumsum(1)
    before = torch.nn.functional.pad(starts, (length, 0))[:, :size]
    return (starts > before) & (at < frames[:, None])
