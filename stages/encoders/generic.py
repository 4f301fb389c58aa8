"""Speech encoders that this code knows nothing about, frozen or fine-tuned: depth, width, frame rate are measured.

Whatever ``AutoModel`` opens from a folder and takes waveforms or log-mels will do, provided that it gives hidden states
of one width whose number of frames follows from that of samples. Utterances run one at a time, for nothing is known
about what padding does to them.
"""

import numpy as np
import torch
from torch import nn

from ..runtime.errors import UserError
from . import loading
from .prefix import stands_still

RATE = 16_000
TRIALS = (16_000, 80_000)
PROBES = (4_000, 8_191, 15_999, 16_160, 17_777, 31_999, 40_123, 56_780)
"""Samples of the noises by which the rule for frames is found, and proven."""


def is_unseen(spec) -> bool:
    """Whether an entry of kind ``transformers`` is of another family than wav2vec 2.0's."""
    from .speech import FAMILY

    return _config(spec).model_type not in FAMILY


def _config(spec):
    from transformers import AutoConfig

    folder = loading.folder_of(spec.source, spec.revision)
    try:
        return AutoConfig.from_pretrained(folder)
    except (ValueError, OSError) as fault:
        raise UserError(f"encoder from '{spec.source}': {' '.join(str(fault).split())[:200]}") from None


class UnseenEncoder(nn.Module):
    """A model of transformers and the feature extractor that its folder holds (None: plain waveforms).

    Attributes
    ----------
    depth, width : int
        Number of hidden states less one, and their channels.
    hop : float
        Seconds per frame.
    untouched : dict
        Digest of its pretrained weights under its depth, where a recipe opened it.

    Raises
    ------
    UserError
        It gives no such hidden states, or their frames follow no rule.
    """

    apart, whole = False, True

    def __init__(self, model: nn.Module, prepare, normalise: bool, name: str, weights: str = ""):
        super().__init__()
        self.model, self.prepare, self.normalise, self.weights = model.eval(), prepare, normalise, weights
        self._name, self.untouched = name, {}
        for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm1d)):
            norm.register_forward_pre_hook(stands_still)  # a batch of one utterance is none
        self.step, self.shift = self._rule()
        self.hop = self.step / RATE

    def frames(self, samples: int) -> int:
        return (int(samples) - self.shift) // self.step

    inside = frames
    """Frames that the blocks see; those of an utterance are all."""

    @property
    def blocks(self) -> nn.ModuleList:
        """Its list of as many modules as it has blocks; a :class:`UserError` where there is none, or several."""
        lists = [m for m in self.model.modules() if isinstance(m, nn.ModuleList) and len(m) == self.depth]
        if len(lists) != 1:
            raise UserError(
                f"{self._name}: {len(lists)} of its lists could be its {self.depth} blocks, so none can be fine-tuned"
                " apart from the rest; fine-tune all (tuned_blocks: -1, freeze_cnn: false) or none (tuned_blocks: 0)"
            )
        return lists[0]

    def parts(self) -> dict[str, list[nn.Module]]:
        """The whole model, up to the last hidden state; see stages/encoders/prefix.py."""
        return {str(self.depth): [self.model]}

    def freeze_cnn(self) -> None:
        """Refuses, for nothing is known of a CNN."""
        raise UserError(
            f"{self._name}: nothing is known of its CNN, so it cannot be frozen alone; set freeze_cnn: false, or"
            " tuned_blocks to a number of blocks, in recipes that have them"
        )

    def _rule(self) -> tuple[int, int]:
        """Step and shift in samples, frames = (samples - shift) // step, from trials and proven on others."""
        low, high = self._count(TRIALS[0]), self._count(TRIALS[1])
        rate = (high - low) / (TRIALS[1] - TRIALS[0])
        steps = [s for s in range(80, 3201, 80) if abs(rate * s - 1) < 0.02]
        for step in steps:
            first, last = TRIALS[0], TRIALS[0] + step  # frames grow by one somewhere between
            while last - first > 1:
                middle = (first + last) // 2
                first, last = (middle, last) if self._count(middle) <= low else (first, middle)
            shift = last - step * (low + 1)
            if all((samples - shift) // step == self._count(samples) for samples in PROBES):
                return step, shift
        pairs = ", ".join(f"{self._count(samples)} of {samples}" for samples in PROBES)
        raise UserError(
            f"{self._name}: its frames follow no rule in the samples ({pairs}), so it cannot be stored frame by frame"
        )

    def _count(self, samples: int) -> int:
        """Frames of noise of so many samples; sets depth and width."""
        wave = (0.1 * np.random.default_rng(samples).standard_normal(samples)).astype(np.float32)
        try:
            with torch.no_grad():
                states = self(wave)
        except Exception as fault:
            why = " ".join(str(fault).split())[:150]
            raise UserError(
                f"{self._name}: fails on {samples} samples of noise ({type(fault).__name__}: {why})"
            ) from fault
        shapes = {tuple(state.shape) for state in states}
        if len(shapes) != 1 or len(states) < 2 or len(states[0].shape) != 2:
            raise UserError(f"{self._name}: its hidden states are {sorted(shapes)}, not all [frames, width]")
        ((count, self.width),) = shapes
        self.depth = len(states) - 1
        return count

    def forward(self, wave: np.ndarray) -> list[torch.Tensor]:
        """Hidden states 0 to N [frames, width] of one waveform float32 [samples]."""
        device = next(self.model.parameters()).device
        if self.prepare is None:
            if self.normalise:
                wave = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
            inputs = {"input_values": torch.from_numpy(np.ascontiguousarray(wave, np.float32))[None]}
        else:
            inputs = self.prepare(wave, sampling_rate=RATE, return_tensors="pt")
        inputs = {name: value.to(device) for name, value in inputs.items() if torch.is_tensor(value)}
        found = self.model(**inputs, output_hidden_states=True)
        return [state[0] for state in found.hidden_states or ()]


def load_unseen(spec) -> UnseenEncoder:
    """The encoder of an entry of kind ``transformers`` beyond the wav2vec 2.0 family, in eval mode.

    Raises
    ------
    UserError
        It takes something else than waveforms or log-mels, brings no feature extractor for log-mels, is cut in depth,
        or as :class:`UnseenEncoder`.
    """
    from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2FeatureExtractor

    folder, config = loading.folder_of(spec.source, spec.revision), _config(spec)
    name = f"encoder from '{spec.source}' (model_type '{config.model_type}')"
    if config.model_type == "whisper":
        raise UserError(f"{name}: Whisper's encoder has a kind of its own; set kind: whisper")
    if spec.truncate_layers:
        raise UserError(f"{name}: truncate_layers works in the wav2vec 2.0 family only; set it to 0 and choose layers")
    for option in ("layerdrop", "encoder_layerdrop", "apply_spec_augment"):  # off in training too
        if hasattr(config, option):
            setattr(config, option, type(getattr(config, option))(0))
    model = loading.load(AutoModel, folder, config, name)
    takes = getattr(model, "main_input_name", "")
    if config.is_encoder_decoder or takes not in ("input_values", "input_features"):
        raise UserError(f"{name}: takes '{takes}'{' and a text' * bool(config.is_encoder_decoder)}, not audio alone")
    prepare = None
    if (folder / "preprocessor_config.json").is_file():
        prepare = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        if isinstance(prepare, Wav2Vec2FeatureExtractor):
            prepare = None  # a waveform, whose normalisation the entry sets
    elif takes == "input_features":
        raise UserError(f"{name}: takes log-mels, but {folder} has no preprocessor_config.json that says which")
    return UnseenEncoder(model, prepare, spec.normalise, name, loading.digest(loading.weights_of(folder))).eval()
