"""HuBERT's recipe (Hsu et al. 2021): clusters of MFCCs as targets, masked prediction, clusters of hidden states.

As in the paper: spans of 10 frames masked with fairseq's meaning of ``mask_prob`` .80, cross-entropy of cosine
similarities divided by .1, the second iteration from scratch. Ours: unmasked frames count too (``unmasked``; measured:
a training of a minute learns far faster so), no penalty on the CNN's output, its gradient not scaled down, and initial
weights with a spread of 1 / sqrt(width); the paper's choices are for long trainings of large models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import model_validator

from ..config.settings import Section, setting
from ..runtime.errors import UserError
from ..runtime.reporting import log, progress
from ..stores.scratch import Unit

TEMPERATURE = 0.1


class HubertPretraining(Section):
    """A small HuBERT, pretrained on unlabelled audio; or a published one, pretrained further."""

    recipe: Literal["hubert"] = setting("the recipe: stages/pretraining/hubert.py")
    seed: int = setting("of the unlabelled corpus, the clusters and the training", ge=0)
    utterances: int = setting("unlabelled utterances to synthesise (unused where audio is given)", ge=1)
    source: str = setting("encoder to start from, hub id or folder; '' for a new small one")
    revision: str = setting("its commit; '' for a local folder")
    normalise: bool = setting("bring every waveform to zero mean and unit variance first")
    width: int = setting("channels of the transformer", ge=8)
    layers: int = setting("transformer blocks", ge=1)
    heads: int = setting("attention heads", ge=1)
    conv_widths: list[int] = setting(
        "channels of the CNN's seven layers (512 each in HuBERT)",
        min_length=7,
        max_length=7,
    )
    conv_norm: Literal["layer", "group"] = setting(
        "as in HuBERT-large, with biases, or as in HuBERT-base, which makes it all but deaf to loudness"
    )
    dropout: float = setting("in the transformer, kept in its configuration for fine-tuning", ge=0, lt=1)
    iterations: Literal[1, 2] = setting("2: a second training, on clusters of the first one's target_layer")
    clusters: int = setting("of k-means", ge=2)
    cluster_frames: int = setting("frames at most that k-means is fitted on, a random sample", ge=1)
    target_layer: int = setting("hidden states that the second iteration clusters", ge=0)
    mask_prob: float = setting("spans per frame times mask_length (fairseq's mask_prob)", gt=0, le=1)
    mask_length: int = setting("frames of a masked span", ge=1)
    unmasked: float = setting("weight of the loss over unmasked frames (1 - alpha in HuBERT, 0 there)", ge=0, le=1)
    steps: int = setting("steps of every iteration", ge=1)
    batch_seconds: float = setting("largest padded length of a batch, seconds", gt=0)
    learning_rate: float = setting("highest, of AdamW", gt=0)
    warmup: float = setting("share of the steps with a rising learning rate", ge=0, lt=1)
    threads: int = setting("threads; another number rounds differently", ge=1)

    @model_validator(mode="after")
    def _fits(self):
        if not self.source and self.width % (8 * self.heads):
            raise ValueError("width must be a multiple of 8 times heads")
        if not self.source and self.iterations == 2 and self.target_layer > self.layers:
            raise ValueError("target_layer must not exceed layers")
        return self


@dataclass
class Audio:
    """Unlabelled audio: lengths in samples [utterances], and the waveform float32 [samples] at a position."""

    lengths: np.ndarray
    read: Callable[[int], np.ndarray]


def config_of(section: HubertPretraining) -> dict:
    """The transformers configuration of the small HuBERT: the true class, kernels and strides."""
    return {
        "model_type": "hubert",
        "hidden_size": section.width,
        "num_hidden_layers": section.layers,
        "num_attention_heads": section.heads,
        "intermediate_size": 4 * section.width,
        "conv_dim": section.conv_widths,
        "conv_bias": section.conv_norm == "layer",
        "initializer_range": round(section.width**-0.5, 4),
        "feat_extract_norm": section.conv_norm,
        "num_conv_pos_embeddings": 32,
        "num_conv_pos_embedding_groups": 8,
        "hidden_dropout": section.dropout,
        "attention_dropout": section.dropout,
        "activation_dropout": 0.0,
        "feat_proj_dropout": 0.0,
        "layerdrop": 0.0,
    }


def fit_clusters(features: Callable[[int], np.ndarray], audio: Audio, frames, section: HubertPretraining):
    """Centroids [clusters, columns] of k-means (FAISS) on a random sample of utterances."""
    import faiss

    faiss.omp_set_num_threads(section.threads)
    order = np.random.default_rng(section.seed).permutation(len(audio.lengths))
    total = np.cumsum([frames[i] for i in order])
    chosen = order[: int(np.searchsorted(total, section.cluster_frames)) + 1]
    points = np.concatenate([features(int(i)) for i in progress(chosen, "clustering")])
    points = np.ascontiguousarray(points[: section.cluster_frames], np.float32)
    if len(points) < section.clusters:
        raise UserError(f"params.yaml: clusters: {section.clusters}, but there are {len(points)} frames of audio")
    log.info("k-means on %d of %d frames", len(points), sum(frames))
    means = faiss.Kmeans(
        points.shape[1],
        section.clusters,
        niter=25,
        seed=section.seed,
        max_points_per_centroid=len(points),
        min_points_per_centroid=1,
    )
    means.train(points)
    return means.centroids


def nearest(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Index of the nearest centroid of every point, int64 [points]."""
    import faiss

    return faiss.knn(np.ascontiguousarray(points, np.float32), centroids, 1)[1][:, 0].astype(np.int64)


def _mfcc_at(encoder, audio: Audio) -> Callable[[int], np.ndarray]:
    """MFCCs at the encoder's frames: every second one, the last repeated where one is short."""
    from ..encoders.acoustics import mfcc

    def features(index: int) -> np.ndarray:
        coefficients = mfcc(audio.read(index))
        count = encoder.frames(audio.lengths[index])
        places = np.round(np.arange(count) * encoder.hop * 100).astype(int)
        return coefficients[np.minimum(places, len(coefficients) - 1)]

    return features


def _hidden_at(encoder, audio: Audio, layer: int, device) -> Callable[[int], np.ndarray]:
    import torch

    from ..encoders.batching import collate

    def features(index: int) -> np.ndarray:
        waves, lengths = collate([audio.read(index)])
        with torch.inference_mode():
            return encoder(waves.to(device), lengths.to(device))[0][layer][0].cpu().numpy()

    return features


def pretrain(section: HubertPretraining, audio: Audio, device, unit_of: Callable[[int], Unit]):
    """The pretrained :class:`stages.encoders.speech.SpeechEncoder` in eval mode, and notes for its header.

    ``unit_of`` gives the scratch unit of an iteration (1, 2).
    """
    import torch

    from ..encoders.batching import collate, plan
    from ..encoders.speech import RATE
    from .loop import train
    from .span_mask import span_mask

    encoder, notes = None, {}
    for iteration in range(1, section.iterations + 1):
        torch.manual_seed(section.seed + iteration - 1)
        earlier, encoder = encoder, _start(section)
        encoder.to(device)
        if earlier is None and not section.source:
            features = _mfcc_at(encoder, audio)
        else:
            teacher = (earlier or _start(section)).to(device).eval()
            if section.target_layer > teacher.depth:
                raise UserError(f"params.yaml: target_layer: {section.target_layer}: it has {teacher.depth} blocks")
            features = _hidden_at(teacher, audio, section.target_layer, device)
        frames = [encoder.frames(n) for n in audio.lengths]
        centroids = fit_clusters(features, audio, frames, section)
        labels = [torch.from_numpy(nearest(features(i), centroids)) for i in range(len(frames))]
        model = torch.nn.ModuleDict({"encoder": encoder})
        model["projection"] = torch.nn.Linear(encoder.width, encoder.width)
        model["targets"] = torch.nn.Embedding(section.clusters, encoder.width)
        model.to(device)
        batches = plan(audio.lengths, section.batch_seconds * RATE)

        def loss_at(step, generator, model=model, encoder=encoder, batches=batches, labels=labels):
            epoch, place = divmod(step, len(batches))
            shuffler = torch.Generator().manual_seed(section.seed * 7919 + epoch)
            batch = batches[torch.randperm(len(batches), generator=shuffler)[place]]
            waves, lengths = collate([audio.read(int(i)) for i in batch])
            conv, count = encoder.frontend(waves.to(device), lengths.to(device))
            mask = span_mask(count.cpu(), conv.shape[1], section.mask_prob, section.mask_length, generator)
            wanted = torch.nn.utils.rnn.pad_sequence([labels[i] for i in batch], batch_first=True).to(device)
            last = encoder.context(conv, count, mask.to(device))[-1]
            valid = torch.arange(mask.shape[1]) < count.cpu()[:, None]
            directions = torch.nn.functional.normalize(model["targets"].weight, dim=1)

            def loss_over(chosen):
                predicted = torch.nn.functional.normalize(model["projection"](last[chosen]), dim=1)
                return torch.nn.functional.cross_entropy(predicted @ directions.T / TEMPERATURE, wanted[chosen])

            loss = (1 - section.unmasked) * loss_over(mask.to(device))
            rest = (valid & ~mask).to(device)
            return loss + section.unmasked * loss_over(rest) if section.unmasked and rest.any() else loss

        notes[f"iteration_{iteration}"] = train(
            model,
            loss_at,
            steps=section.steps,
            rate=section.learning_rate,
            warmup=section.warmup,
            seed=section.seed + iteration - 1,
            unit=unit_of(iteration),
        )
    return encoder.eval(), notes


def _start(section: HubertPretraining):
    from ..encoders.specs import Transformers
    from ..encoders.speech import SpeechEncoder, load_speech

    if not section.source:
        return SpeechEncoder.build(config_of(section), section.normalise)
    spec = Transformers(
        kind="transformers",
        source=section.source,
        revision=section.revision,
        layers=["all"],
        normalise=section.normalise,
        truncate_layers=0,
    )
    return load_speech(spec)
