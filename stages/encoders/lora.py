"""Low-rank adapters (LoRA, Hu et al. 2022) in the feed-forward layers of an encoder's blocks.

In the attention they would teach WavLM nothing: it reads the weights of its projections past their modules
(transformers #48773), so an adapter there has no gradient.
"""

from ..runtime.errors import UserError

FEED_FORWARD = ("fc1", "fc2", "intermediate_dense", "output_dense")
"""What transformers calls these layers, in Whisper and in the models that descend from wav2vec 2.0."""


def insert(encoder, boundary: int, rank: int, alpha: float, dropout: float) -> None:
    """Freeze ``encoder`` and put adapters into its blocks from ``boundary`` on; they alone train.

    ``alpha`` / ``rank`` scales what they add, ``dropout`` is of their input. They begin as zero, so at first the
    encoder is what it was.

    Raises
    ------
    UserError
        A block has no layer of these names.
    """
    import peft

    how = peft.LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(FEED_FORWARD))
    encoder.requires_grad_(False)
    for block in encoder.blocks[boundary:]:
        try:
            peft.inject_adapter_in_model(how, block)
        except ValueError as fault:
            why = " ".join(str(fault).split())[:150]
            raise UserError(
                f"lora_rank: this encoder's blocks have none of the layers {', '.join(FEED_FORWARD)} ({why}); set it"
                " to 0"
            ) from fault


def merge(encoder) -> None:
    """Add every adapter to the weights that it stands beside, and take it away: the encoder's names are as before."""
    from peft.tuners.lora import LoraLayer

    for parent in list(encoder.modules()):
        for name, module in list(parent.named_children()):
            if isinstance(module, LoraLayer):
                module.merge()
                setattr(parent, name, module.get_base_layer())
