"""Whisper's encoder, frozen or fine-tuned, on 30 s windows or on the clip alone.

A clip longer than 30 s is cut into windows of 30 s whose frames are joined. Only the clip's own frames are kept,
ceil(samples / 320), 50 per second.
"""

import numpy as np
import torch
from torch import nn

from ..runtime.errors import UserError
from . import batching, loading
from .padding import within

RATE, HOP, WINDOW = 16_000, 320, 480_000
FRAMES = WINDOW // HOP
MARGIN = 8_000
"""Samples of silence after the clip where the window is the clip's own (0.5 s)."""


class WhisperEncoder(nn.Module):
    """Hidden states of Whisper's encoder; the last one stands after the final norm, as in transformers.

    As an extractor it takes waveforms one by one (:meth:`forward`); taken apart into :meth:`frontend` (log-mels, two
    convolutions) and :meth:`context` (positions, blocks) it is fine-tuned as a
    :class:`stages.encoders.speech.SpeechEncoder`, with the same values. The short window is exact in batches too: what
    lies beyond a clip's window is masked everywhere. The blocks see ``inside`` frames, the clip's own and the silence
    of its window after them.
    """

    hop = HOP / RATE
    apart, whole = True, False

    def __init__(self, model: nn.Module, mel_filters: np.ndarray, window: str, weights: str = ""):
        super().__init__()
        self.model, self.window, self.weights = model, window, weights
        self.untouched: dict[str, str] = {}
        model.embed_positions.requires_grad_(False)  # sines; loading weights made it trainable
        self.register_buffer("filters", torch.from_numpy(np.asarray(mel_filters, np.float32)), persistent=False)
        self.width = self.conv_width = model.config.d_model
        self.depth = model.config.encoder_layers

    @property
    def blocks(self) -> nn.ModuleList:
        return self.model.layers

    def parts(self) -> dict[str, list[nn.Module]]:
        """{boundary: the modules between the one before and it}; see stages/encoders/prefix.py."""
        model = self.model
        below = {"conv": [model.conv1, model.conv2], "0": [model.embed_positions, model.layer_norm]}
        return below | {str(i + 1): [block] for i, block in enumerate(model.layers)}

    def freeze_cnn(self) -> None:
        """Let the two convolutions take no gradient. The positions, which are sines, never do."""
        for convolution in (self.model.conv1, self.model.conv2):
            convolution.requires_grad_(False)

    def frames(self, samples: int) -> int:
        return max(1, -(-int(samples) // HOP))

    def inside(self, samples: int) -> int:
        """Frames that the blocks see of a waveform of so many samples: those of its windows."""
        full, rest = divmod(max(int(samples), 1), WINDOW)
        return full * FRAMES + (int(self._window(torch.tensor(rest))) // HOP if rest else 0)

    def padded(self, samples: int) -> int:
        """Samples that an utterance costs in a batch."""
        if self.window == "30s":
            return -(-max(int(samples), 1) // WINDOW) * WINDOW
        return int(samples) + MARGIN

    def _window(self, samples: torch.Tensor) -> torch.Tensor:
        """Samples of the windows of pieces of at most 30 s."""
        if self.window == "30s":
            return torch.full_like(samples, WINDOW)
        return (-(-(samples + MARGIN) // HOP) * HOP).clamp(max=WINDOW)

    def mel(self, waves: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Log-mel input [batch, mels, samples / 160] of zero-padded waveforms, as OpenAI's code makes it."""
        spectrum = torch.stft(waves, 400, 160, window=torch.hann_window(400, device=waves.device), return_complex=True)
        power = spectrum[..., :-1].abs().square()
        logs = (self.filters.T @ power).clamp(min=1e-10).log10()
        valid = within(sizes // 160, logs.shape[2])
        highest = logs.masked_fill(~valid[:, None], -10).amax((1, 2), keepdim=True)
        return (torch.maximum(logs, highest - 8) + 4) / 4

    def convolved(self, waves: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """What comes out of the convolutions [batch, frames, width] for zero-padded windows of ``sizes`` samples."""
        with torch.autocast(waves.device.type, enabled=False):
            mel = self.mel(waves, sizes)
        valid = within(sizes // 160, mel.shape[2])[:, None]
        hidden = nn.functional.gelu(self.model.conv1(mel.masked_fill(~valid, 0)))
        return nn.functional.gelu(self.model.conv2(hidden.masked_fill(~valid, 0))).permute(0, 2, 1)

    def states(self, hidden: torch.Tensor, frames: torch.Tensor, block: int = 0) -> list[torch.Tensor]:
        """Hidden states ``block`` to N [batch, longest, width] of windows of so many ``frames``, from that one."""
        kept, mask = within(frames, hidden.shape[1]), None
        if not bool(kept.all()):
            mask = torch.zeros(kept.shape, device=hidden.device, dtype=hidden.dtype)
            mask = mask.masked_fill(~kept, torch.finfo(hidden.dtype).min)[:, None, None].expand(
                -1, 1, kept.shape[1], -1
            )
        states = [hidden]
        for layer in self.model.layers[block:]:
            output = layer(states[-1], mask)
            states.append(output[0] if isinstance(output, tuple) else output)
        states[-1] = self.model.layer_norm(states[-1])
        return states

    def frontend(self, waves: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What comes out of the convolutions, before positions.

        Parameters
        ----------
        waves
            Waveforms [batch, samples] at 16 kHz in [-1, 1), right-padded.
        lengths
            Samples of each [batch].

        Returns
        -------
        tuple
            [batch, longest, width], values beyond an utterance's frames undefined, and frames inside [batch].
        """
        lengths = lengths.to(waves.device).clamp(min=1)
        waves = waves.masked_fill(~within(lengths, waves.shape[1]), 0)
        count = -(-waves.shape[1] // WINDOW)
        if count > 1:
            waves = nn.functional.pad(waves, (0, count * WINDOW - waves.shape[1])).view(-1, WINDOW)
        pieces = _shares(lengths, WINDOW, count)
        used = pieces > 0
        sizes = self._window(pieces[used])
        longest = int(sizes.max())
        waves = waves[used.flatten()] if count > 1 else waves
        conv = self.convolved(nn.functional.pad(waves, (0, longest - waves.shape[1])), sizes)
        frames = torch.zeros_like(pieces)
        frames[used] = sizes // HOP
        inside = frames.sum(1)
        return _joined(conv, used)[:, : int(inside.max())], inside

    def local(self, conv: torch.Tensor) -> torch.Tensor:
        """What the convolutions give, as it is: nothing projects it."""
        return conv

    def context(
        self, conv: torch.Tensor, frames: torch.Tensor, mask_time_indices: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """Hidden states 0 to N [batch, longest, width] from the convolutions' output and frames inside [batch].

        Frames in ``mask_time_indices`` [batch, longest] count as zeros, for Whisper has no mask embedding.
        """
        if mask_time_indices is not None:
            conv = conv.masked_fill(mask_time_indices[..., None], 0)
        positions = torch.arange(conv.shape[1], device=conv.device) % FRAMES
        return self.onward(conv + self.model.embed_positions.weight[positions], frames, 0)

    def onward(self, state: torch.Tensor, frames: torch.Tensor, block: int) -> list[torch.Tensor]:
        """Hidden states ``block`` to N from that one [batch, longest, width], window by window."""
        count, size = -(-state.shape[1] // FRAMES), state.shape[1]
        pieces = _shares(frames.to(state.device), FRAMES, count)
        used = pieces > 0
        if count > 1:
            state = nn.functional.pad(state, (0, 0, 0, count * FRAMES - size)).view(-1, FRAMES, self.width)
            state = state[used.flatten()]
        return [_joined(each, used)[:, :size] for each in self.states(state, pieces[used], block)]

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
        waves, lengths = batching.collate(pieces)
        conv, frames = self.frontend(waves.to(self.filters.device), lengths)
        states = self.context(conv, frames)
        return [[values[row, : self.frames(n)] for values in states] for row, n in enumerate(lengths.tolist())]


def _shares(lengths: torch.Tensor, size: int, count: int) -> torch.Tensor:
    """How much of ``lengths`` [batch] lies in each of ``count`` windows of ``size``: [batch, count]."""
    starts = size * torch.arange(count, device=lengths.device)
    return (lengths[:, None] - starts).clamp(min=0, max=size)


def _joined(windows: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
    """Windows [used ones, frames, width] laid end to end for every utterance: [batch, windows x frames, width]."""
    if used.shape[1] == 1:
        return windows
    whole = windows.new_zeros(*used.shape, *windows.shape[1:])
    whole[used] = windows
    return whole.flatten(1, 2)


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
