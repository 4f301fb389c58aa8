"""DistilHuBERT's recipe (Chang, Yang and Lee 2022): a few blocks, trained to predict the layers of a deeper encoder.

As in the paper: the student begins with the teacher's CNN and first blocks; one linear head per target predicts a
hidden state of the teacher from the student's last one; the loss is L1 over the width plus cosine (equations 1 and 2);
the heads are thrown away at the end. Ours: the mean over frames in place of the sum, AdamW.
"""

from collections.abc import Callable
from typing import Literal

from pydantic import model_validator

from ..config.settings import setting
from ..runtime.errors import UserError
from ..stores.scratch import Unit
from .codebooks import Audio
from .section import SpeechPretraining


class Distillation(SpeechPretraining):
    """The first blocks of a pretrained speech encoder, trained to stand for all of them."""

    recipe: Literal["distil"] = setting("the recipe: stages/pretraining/distil.py")
    layers: int = setting("transformer blocks of the student, the teacher's first ones at the start", ge=1)
    targets: list[int] = setting("hidden states of the teacher that are predicted", min_length=1)
    cosine: float = setting("weight of the cosine loss beside L1 (lambda)", ge=0)

    @model_validator(mode="after")
    def _fits(self):
        if not self.source:
            raise ValueError("source: name the pretrained encoder to distil")
        if self.layers >= max(self.targets):
            raise ValueError(f"layers: {self.layers}: must be fewer than the deepest of targets, {max(self.targets)}")
        return self


def gap(predicted, wanted, cosine: float):
    """Mean over frames of L1 / width - ``cosine`` log sigmoid(cosine similarity); both are [frames, width]."""
    import torch

    similar = torch.nn.functional.cosine_similarity(predicted, wanted, dim=-1)
    return ((predicted - wanted).abs().mean(-1) - cosine * torch.nn.functional.logsigmoid(similar)).mean()


def pretrain(section: Distillation, audio: Audio, device, unit_of: Callable[[int], Unit]):
    """The student, a :class:`stages.encoders.speech.SpeechEncoder` in eval mode, and notes for its header.

    Raises
    ------
    UserError
        A target is deeper than the teacher.
    """
    import torch

    from ..encoders.batching import collate, plan
    from ..encoders.padding import within
    from ..encoders.speech import RATE
    from .hubert import started
    from .loop import batch_at, train

    torch.manual_seed(section.seed)
    teacher, student = started(section).to(device), started(section).to(device)
    if max(section.targets) > teacher.depth:
        raise UserError(f"params.yaml: targets: {max(section.targets)}: {section.source} has {teacher.depth} blocks")
    student.truncate(section.layers)
    student.letters = {}  # a CTC head of the teacher's is no head of the student's
    heads = torch.nn.ModuleList(torch.nn.Linear(student.width, teacher.width) for _ in section.targets).to(device)
    batches = plan(audio.lengths, section.batch_seconds * RATE)

    def loss_at(step, _):
        batch = batch_at(section.seed, batches, step)
        waves, lengths = (each.to(device) for each in collate([audio.read(int(i)) for i in batch]))
        with torch.no_grad():
            states, frames = teacher(waves, lengths)
        last = student(waves, lengths)[0][-1]
        real = within(frames.to(device), last.shape[1])
        pairs = zip(heads, section.targets, strict=True)
        return sum(gap(head(last[real]), states[target][real], section.cosine) for head, target in pairs)

    model = torch.nn.ModuleDict({"student": student, "heads": heads})
    return student.eval(), {"training": train(model, loss_at, section, section.seed, unit_of(1))}
