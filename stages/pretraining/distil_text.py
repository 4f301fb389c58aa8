"""TinyBERT's general distillation (Jiao et al. 2020, section 3.2): a thinner, shallower BERT that follows a larger one.

As in the paper: mean squared errors between embeddings, between the hidden states of layers mapped evenly (one matrix
takes the student's width to the teacher's) and between attentions; no labels. Ours: attentions after the softmax, which
the paper takes before it.
"""

from typing import Literal

from pydantic import model_validator

from ..config.settings import setting
from ..runtime.errors import UserError
from ..stores.scratch import Unit
from .section import TextPretraining


class TextDistillation(TextPretraining):
    """A small text encoder that learns the states of a pretrained one."""

    recipe: Literal["distil-text"] = setting("the recipe: stages/pretraining/distil_text.py")

    @model_validator(mode="after")
    def _fits(self):
        if not self.source:
            raise ValueError("source: name the pretrained text encoder to distil")
        return self


def pretrain(section: TextDistillation, sentences: list[str], device, unit: Unit):
    """The student, a :class:`stages.encoders.text.TextEncoder` in eval mode, and notes for its header.

    Raises
    ------
    UserError
        The teacher's blocks are no multiple of the student's, or its heads do not divide the student's width.
    """
    import torch

    from ..encoders.text import TextEncoder
    from .loop import train

    torch.manual_seed(section.seed)
    teacher = TextEncoder.load(section.source).to(device)
    config = teacher.model.config
    if teacher.depth % section.layers or section.width % config.num_attention_heads:
        raise UserError(
            f"params.yaml: {section.source} has {teacher.depth} blocks, which must be a multiple of layers "
            f"({section.layers}), and {config.num_attention_heads} heads, which must divide width ({section.width})"
        )
    smaller = {"hidden_size": section.width, "intermediate_size": 4 * section.width}
    shape = config.to_dict() | smaller | {"num_hidden_layers": section.layers}
    student = TextEncoder.build(shape | {"initializer_range": round(section.width**-0.5, 4)}, teacher.vocabulary)
    widened = torch.nn.Linear(section.width, teacher.width, bias=False)
    model = torch.nn.ModuleDict({"student": student, "widened": widened}).to(device)
    for encoder in (teacher, student):
        encoder.model.set_attn_implementation("eager")  # the only one that gives attentions
    rows = section.batches(len(sentences))
    every = teacher.depth // section.layers

    def states(encoder, ids, mask):
        out = encoder.model(input_ids=ids, attention_mask=mask, output_hidden_states=True, output_attentions=True)
        return out.hidden_states, out.attentions

    def loss_at(step, _):
        ids, mask = teacher.tokenise([sentences[i] for i in rows[step]])
        with torch.no_grad():
            hidden, attentions = states(teacher, ids, mask)
        followed, looked = states(student, ids, mask)
        real = mask.bool()
        loss = sum(
            (widened(own)[real] - wanted[real]).square().mean()
            for own, wanted in zip(followed, hidden[::every], strict=True)
        )
        seen = real[:, None, :, None].expand_as(looked[0])
        return loss + sum(
            (own - wanted)[seen].square().mean()
            for own, wanted in zip(looked, attentions[every - 1 :: every], strict=True)
        )

    return student.eval(), {"training": train(model, loss_at, section, section.seed, unit)}
