"""Whisper's encoder as a frozen feature extractor, on 30 s windows or on the clip alone.

A clip longer than 30 s is cut into windows of 30 s whose frames are joined. Only the clip's own frames are kept,
ceil(samples / 320), 50 per second.
"""

import numpy as np
import torch
from torch import nn

from ..runtime.errors import UserError
from . import batching, loading

RATE, HOP, WINDOW = 16_000, 320, 480_000
MARGIN = 8_000
"""Samples of silence after the clip where the window is the clip's own (0.5 s)."""


class WhisperEncoder(nn.Module):
    """Hidden states of Whisper's encoder; the last one stands after the final norm, as in transformers.

    The short window is exact in batches too: what lies beyond a clip's window is masked everywhere.
    """

    hop = HOP / RATE

    def __init__(self, model: nn.Module, mel_filters: np.ndarray, window: str, weights: str = ""):
        super().__init__()
        self.model, self.window, self.weights = model, window, weights
        self.register_buffer("filters", torch.from_numpy(np.asarray(mel_filters, np.float32)), persistent=False)
        self.width, self.depth = model.config.d_model, model.config.encoder_layers

    def frames(self, samples: int) -> int:
        return max(1, -(-int(samples) // HOP))

    def padded(self, samples: int) -> int:
        """Samples that an utterance costs in a batch."""
        if self.window == "30s":
            return -(-max(int(samples), 1) // WINDOW) * WINDOW
        return int(samples) + MARGIN

    def mel(self, waves: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Log-mel input [batch, mels, samples / 160] of zero-padded waveforms, as OpenAI's code makes it."""
        spectrum = torch.stft(waves, 400, 160, window=torch.hann_window(400, device=waves.device), return_complex=True)
        power = spectrum[..., :-1].abs().square()
        logs = (self.filters.T @ power).clamp(min=1e-10).log10()
        valid = torch.arange(logs.shape[2], device=waves.device) < (sizes // 160)[:, None]
        highest = logs.masked_fill(~valid[:, None], -10).amax((1, 2), keepdim=True)
        return (torch.maximum(logs, highest - 8) + 4) / 4

    def states(self, mel: torch.Tensor, sizes: torch.Tensor) -> list[torch.Tensor]:
        """Hidden states 0 to N [batch, frames, width] for windows of ``sizes`` samples."""
        model = self.model
        valid = torch.arange(mel.shape[2], device=mel.device) < (sizes // 160)[:, None]
        hidden = nn.functional.gelu(model.conv1(mel.masked_fill(~valid[:, None], 0)))
        hidden = nn.functional.gelu(model.conv2(hidden.masked_fill(~valid[:, None], 0))).permute(0, 2, 1)
        hidden = hidden + model.embed_positions.weight[: hidden.shape[1]]
        kept = valid[:, ::2]
        mask = None
        if not bool(kept.all()):
            mask = torch.zeros(kept.shape, device=mel.device, dtype=hidden.dtype)
            mask = mask.masked_fill(~kept, torch.finfo(hidden.dtype).min)[:, None, None].expand(
                -1, 1, kept.shape[1], -1
            )
        states = [hidden]
        for layer in model.layers:
            output = layer(states[-1], mask)
            states.append(output[0] if isinstance(output, tuple) else output)
        states[-1] = model.layer_norm(states[-1])
        return states

    def forward(self, waves: list[np.ndarray]) -> list[list[torch.Tensor]]:
        """For every waveform, hidden states 0 to N [frames, width] of the clip's own frames.

        A processor takes the windows one by one: a second one at once falls out of its cache, and wins nothing.
        """
        pieces, owners = [], []
        for i, wave in enumerate(waves):
            cuts = [wave[s : s + WINDOW] for s in range(0, max(len(wave), 1), WINDOW)]
            pieces, owners = pieces + cuts, owners + [i] * len(cuts)
        step = 1 if self.filters.device.type == "cpu" else len(pieces)
        found = [part for s in range(0, len(pieces), step) for part in self._windows(pieces[s : s + step])]
        results: list = [[[] for _ in range(self.depth + 1)] for _ in waves]
        for owner, layers in zip(owners, found, strict=True):
            for layer, values in enumerate(layers):
                results[owner][layer].append(values)
        return [[parts[0] if len(parts) == 1 else torch.cat(parts) for parts in layers] for layers in results]

    def _windows(self, pieces: list[np.ndarray]) -> list[list[torch.Tensor]]:
        """Hidden states 0 to N [frames, width] of pieces of at most a window each."""
        device = self.filters.device
        lengths = np.array([len(piece) for piece in pieces])
        whole = np.minimum(-(-(lengths + MARGIN) // HOP) * HOP, WINDOW)
        sizes = whole if self.window == "clip" else np.full(len(pieces), WINDOW)
        padded, _ = batching.collate(pieces)
        padded = nn.functional.pad(padded, (0, int(sizes.max()) - padded.shape[1])).to(device)
        limits = torch.from_numpy(sizes).to(device)
        with torch.autocast(device.type, enabled=False):
            mel = self.mel(padded, limits)
        states = self.states(mel, limits)
        return [[values[row, : self.frames(length)] for values in states] for row, length in enumerate(lengths)]


def load_whisper(spec) -> WhisperEncoder:
    """The encoder of an entry of kind ``whisper``, in eval mode; a :class:`UserError` where its weights do not fit."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Encoder

    folder = loading.folder_of(spec.source, spec.revision)
    name = f"encoder from '{spec.source}'"
    config = WhisperConfig.from_pretrained(folder)
    if config.model_type != "whisper":
        raise UserError(f"{name}: model_type '{config.model_type}' is not whisper")
    config.dropout = config.encoder_layerdrop = 0.0
    if (config.architectures or [""])[0] == "WhisperEncoder":
        model = loading.load(Encoder, folder, config, name)
    else:
        model = loading.load(WhisperModel, folder, config, name).encoder
    filters = WhisperFeatureExtractor(feature_size=config.num_mel_bins).mel_filters
    return WhisperEncoder(model, filters, spec.window, loading.digest(loading.weights_of(folder))).eval()
