"""From frames to one vector per utterance, with padding left out."""

import torch


def frame_mask(lengths: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """True for the valid ones of ``frames`` [batch, longest, ...]: [batch, longest], where the frames are."""
    return torch.arange(frames.shape[1], device=frames.device)[None] < lengths.to(frames.device)[:, None]


def masked_mean(frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean over the valid frames: [batch, frames, width] -> [batch, width]; zero for an empty sequence."""
    mask = frame_mask(lengths, frames)[..., None]
    return (frames * mask).sum(1) / lengths.clamp(min=1)[:, None].to(frames.device)


def masked_max(frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Maximum over the valid frames: [batch, frames, width] -> [batch, width]."""
    mask = frame_mask(lengths, frames)[..., None]
    return frames.masked_fill(~mask, float("-inf")).amax(1)


def segment_mean(frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean of each run of ``lengths`` frames laid end to end: [sum of lengths, width] -> [batch, width]."""
    owner = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    sums = frames.new_zeros(len(lengths), frames.shape[1]).index_add(0, owner, frames)
    return sums / lengths[:, None]
