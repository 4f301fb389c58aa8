"""HuBERT's recipe (Hsu et al. 2021): clusters of MFCCs as targets, masked prediction, clusters of hidden states.

As in the paper: spans of 10 frames masked with fairseq's meaning of ``mask_prob`` .80, cross-entropy of cosine
similarities divided by .1, the second iteration from scratch. Ours: unmasked frames count too (``unmasked``; measured:
a training of a minute learns far faster so), no penalty on the CNN's output, its gradient not scaled down, and initial
weights with a spread of 1 / sqrt(width); the paper's choices are for long trainings of large models.
"""

from collections.abc import Callable
from typing import Literal

from pydantic import model_validator

from ..config.settings import setting
from ..runtime.errors import UserError
from ..stores.scratch import Unit
from .codebooks import Audio, Features, View, codebook, mfcc_at, prosody_at
from .section import SpeechPretraining

TEMPERATURE = 0.1


class HubertPretraining(SpeechPretraining):
    """A small HuBERT, pretrained on unlabelled audio; or another encoder, pretrained further."""

    recipe: Literal["hubert"] = setting("the recipe: stages/pretraining/hubert.py")
    width: int = setting("channels of the transformer", ge=8)
    layers: int = setting("transformer blocks", ge=1)
    heads: int = setting("attention heads", ge=1)
    conv_widths: list[int] = setting(
        "channels of the CNN's seven layers (512 each in HuBERT)",
        min_length=7,
        max_length=7,
    )
    conv_norm: Literal["layer", "group"] = setting(
        "layer: over channels at every step, as in HuBERT-large; group: over time, first layer alone, as in HuBERT-base"
    )
    conv_norm_eps: float = setting(
        "added to the variance in group's norm, 1e-5 in HuBERT; as large as speech's (0.002) it lets loudness through",
        gt=0,
    )
    norm_first: bool = setting("norms before attention and feed-forward, as in HuBERT-large; false: after, as in -base")
    dropout: float = setting("in the transformer, kept in its configuration for fine-tuning", ge=0, lt=1)
    targets: list[View] = setting(
        "codebooks that masked frames are predicted in: stages/pretraining/codebooks.py", min_length=1
    )
    prosody: float = setting("weight of predicting descriptors of prosody, stages/pretraining/descriptors.py", ge=0)
    clusters: int = setting("of every codebook's k-means", ge=2)
    cluster_frames: int = setting("frames at most that k-means is fitted on, a random sample", ge=1)
    iterations: Literal[1, 2] = setting("2: a second training, in which hidden takes the place of mfcc")
    target_layer: int = setting("hidden states of the source or the first training that hidden clusters", ge=0)
    mask_prob: float = setting("spans per frame times mask_length (fairseq's mask_prob)", gt=0, le=1)
    mask_length: int = setting("frames of a masked span", ge=1)
    unmasked: float = setting("weight of the loss over unmasked frames (1 - alpha in HuBERT, 0 there)", ge=0, le=1)

    @model_validator(mode="after")
    def _fits(self):
        if not self.source and self.width % (8 * self.heads):
            raise ValueError("width must be a multiple of 8 times heads")
        if not self.source and self.iterations == 2 and self.target_layer > self.layers:
            raise ValueError("target_layer must not exceed layers")
        if not self.source and "hidden" in self.targets:
            raise ValueError("targets: hidden needs a source to take the hidden states of; leave it out")
        return self


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
        **({"conv_norm_eps": section.conv_norm_eps} if section.conv_norm == "group" else {}),
        "do_stable_layer_norm": section.norm_first,
        "num_conv_pos_embeddings": 32,
        "num_conv_pos_embedding_groups": 8,
        "hidden_dropout": section.dropout,
        "attention_dropout": section.dropout,
        "activation_dropout": 0.0,
        "feat_proj_dropout": 0.0,
        "layerdrop": 0.0,
    }


def _hidden_at(encoder, audio: Audio, layer: int, device) -> Features:
    import torch

    from ..encoders.batching import collate

    def features(index: int):
        waves, lengths = collate([audio.read(index)])
        with torch.inference_mode():
            return encoder(waves.to(device), lengths.to(device))[0][layer][0].cpu().numpy()

    return features


def pretrain(section: HubertPretraining, audio: Audio, device, unit_of: Callable[[int], Unit]):
    """The pretrained :class:`stages.encoders.speech.SpeechEncoder` in eval mode, and notes for its header.

    ``unit_of`` gives the scratch unit of an iteration (1, 2).
    """
    import faiss
    import torch

    from ..encoders.batching import collate, plan
    from ..encoders.speech import RATE
    from . import descriptors
    from .loop import batch_at, train
    from .span_mask import span_mask

    encoder, notes, near = None, {}, descriptors.NEAR
    for iteration in range(1, section.iterations + 1):
        seed = section.seed + iteration - 1
        torch.manual_seed(seed)
        earlier, encoder = encoder, started(section).to(device)
        targets = section.targets if earlier is None else [v for v in section.targets if v != "mfcc"] + ["hidden"]
        found = {"mfcc": mfcc_at(encoder, audio)}
        if "hidden" in targets:
            teacher = (earlier or started(section)).to(device).eval()
            if section.target_layer > teacher.depth:
                raise UserError(f"params.yaml: target_layer: {section.target_layer}: it has {teacher.depth} blocks")
            found["hidden"] = _hidden_at(teacher, audio, section.target_layer, device)
        frames = [encoder.frames(n) for n in audio.lengths]
        how = section.clusters, section.cluster_frames, section.seed
        faiss.omp_set_num_threads(section.threads)  # what was imported since, or trained, may have changed it
        books = [codebook(view, found[view], frames, *how) for view in targets]
        labels = {book.view: [torch.from_numpy(each) for each in book.labels] for book in books}
        told = [torch.from_numpy(each) for each in prosody_at(encoder, audio)] if section.prosody else []
        model = torch.nn.ModuleDict({"encoder": encoder})
        for view in labels:
            model[f"projection_{view}"] = torch.nn.Linear(encoder.width, encoder.width)
            model[f"targets_{view}"] = torch.nn.Embedding(section.clusters, encoder.width)
        if told:
            model["near"] = torch.nn.Sequential(
                torch.nn.LayerNorm(encoder.conv_width), torch.nn.Linear(encoder.conv_width, descriptors.NEAR)
            )
            model["far"] = torch.nn.Linear(encoder.width, descriptors.COLUMNS - descriptors.NEAR)
        model.to(device)
        batches = plan(audio.lengths, section.batch_seconds * RATE)

        def loss_at(step, generator, model=model, encoder=encoder, batches=batches, labels=labels, told=told):
            batch = batch_at(section.seed, batches, step)
            waves, lengths = collate([audio.read(int(i)) for i in batch])
            conv, count = encoder.frontend(waves.to(device), lengths.to(device))
            mask = span_mask(count.cpu(), conv.shape[1], section.mask_prob, section.mask_length, generator)
            last = encoder.context(conv, count, mask.to(device))[-1]
            rest = (torch.arange(mask.shape[1]) < count.cpu()[:, None]) & ~mask
            loss = 0.0
            for view, each in labels.items():
                wanted = torch.nn.utils.rnn.pad_sequence([each[i] for i in batch], batch_first=True)
                directions = torch.nn.functional.normalize(model[f"targets_{view}"].weight, dim=1)
                for chosen, weight in ((mask, 1 - section.unmasked), (rest, section.unmasked)):
                    if weight and chosen.any():
                        predicted = model[f"projection_{view}"](last[chosen.to(device)])
                        scores = torch.nn.functional.normalize(predicted, dim=1) @ directions.T / TEMPERATURE
                        loss = loss + weight * torch.nn.functional.cross_entropy(scores, wanted[chosen].to(device))
            if told:
                frame = mask | rest
                wanted = torch.nn.utils.rnn.pad_sequence([told[i] for i in batch], batch_first=True)[frame].to(device)
                for name, states, columns in (("near", conv, slice(0, near)), ("far", last, slice(near, None))):
                    said = model[name](states[frame.to(device)])
                    loss = loss + section.prosody * descriptors.loss(said, wanted[:, columns], columns.start)
            return loss

        notes[f"iteration_{iteration}"] = train(model, loss_at, section, seed, unit_of(iteration))
    return encoder.eval(), notes


def started(section: SpeechPretraining):
    """The encoder that a training begins with: a new one, a file that ``pretrain`` made, or published weights."""
    from ..encoders.specs import Transformers
    from ..encoders.speech import SpeechEncoder, load_speech

    if not section.source:
        return SpeechEncoder.build(config_of(section), section.normalise)
    if section.source.endswith(".safetensors"):
        return SpeechEncoder.load(section.source)
    spec = Transformers(
        kind="transformers",
        source=section.source,
        revision=section.revision,
        layers=["all"],
        normalise=section.normalise,
        truncate_layers=0,
    )
    return load_speech(spec)
