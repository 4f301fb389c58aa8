"""BERT-like text encoders with their tokeniser."""

import inspect
from pathlib import Path

import torch
from torch import nn

from ..runtime.errors import UserError
from ..runtime.reporting import log
from . import checkpoint, loading


class TextEncoder(nn.Module):
    """A transformers text model and its tokeniser.

    Attributes
    ----------
    depth, width : int
        Number of blocks, channels of hidden states.
    lower : bool
        Texts are lower-cased before the tokeniser.
    max_tokens : int
        Longer texts are cut there, [CLS] and [SEP] counted.
    weights, notes
        As in :class:`stages.encoders.speech.SpeechEncoder`.
    """

    def __init__(self, model: nn.Module, tokeniser, lower: bool, max_tokens: int, weights="", notes=None):
        super().__init__()
        self.model, self.tokeniser, self.lower = model, tokeniser, lower
        self.max_tokens = min(max_tokens, getattr(model.config, "max_position_embeddings", max_tokens))
        self.weights, self.notes = weights, notes or {}
        self.width, self.depth = model.config.hidden_size, model.config.num_hidden_layers

    @classmethod
    def build(cls, config: dict, vocabulary: list[str], max_tokens: int = 512) -> "TextEncoder":
        """A new BertModel with random weights (torch's global generator) and a WordPiece tokeniser, lower case."""
        from transformers import BertConfig, BertModel

        values = {k: v for k, v in config.items() if k != "model_type"}
        model = BertModel(BertConfig(**values), add_pooling_layer=False)
        return cls(model, tokeniser_of(vocabulary), True, max_tokens)

    @classmethod
    def load(cls, path: Path | str, max_tokens: int = 512) -> "TextEncoder":
        """The encoder in a file that :meth:`save` made; a :class:`UserError` where it is not whole."""
        header = checkpoint.header(path)
        if header["class"] != "text":
            raise UserError(f"{path}: holds a {header['class']} encoder where a text encoder is needed")
        encoder = cls.build(header["config"], header["vocabulary"], max_tokens)
        checkpoint.fill(encoder.model, checkpoint.tensors(path), path)
        encoder.notes, encoder.weights = header["notes"], loading.digest([Path(path)])
        return encoder.eval()

    def save(self, path: Path | str, notes: dict, half: bool = False) -> None:
        """Write weights, configuration, vocabulary and ``notes`` (JSON-able) as one safetensors file.

        ``half`` writes weights in half precision.

        Only for encoders from :meth:`build`; others have tokenisers that a vocabulary does not describe.
        """
        header = {"class": "text", "config": checkpoint.config_json(self.model.config), "notes": notes}
        checkpoint.save(path, self.model.state_dict(), header | {"vocabulary": self.vocabulary}, half)

    @property
    def vocabulary(self) -> list[str]:
        """The tokeniser's pieces in the order of their ids."""
        pieces = self.tokeniser.get_vocab()
        return sorted(pieces, key=pieces.get)

    def tokenise(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and mask int64 [batch, tokens], right-padded, where the model is; an empty text is [CLS] [SEP]."""
        texts = [text.lower() if self.lower else text for text in texts]
        tokens = self.tokeniser(texts, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt")
        device = next(self.model.parameters()).device
        return tokens["input_ids"].to(device), tokens["attention_mask"].to(device)

    def lengths(self, texts: list[str]) -> list[int]:
        """Tokens of every text after cutting; the number of texts cut goes to the log."""
        texts = [text.lower() if self.lower else text for text in texts]
        if not texts:
            return []
        whole = [len(ids) for ids in self.tokeniser(texts, truncation=False, verbose=False)["input_ids"]]
        if cut := sum(length > self.max_tokens for length in whole):
            log.warning("%d of %d texts are longer than %d tokens and cut", cut, len(whole), self.max_tokens)
        return [min(length, self.max_tokens) for length in whole]

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        """Hidden states 0 to N [batch, tokens, width]; 0 is the embeddings' output."""
        return list(self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states)

    def mean_state(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mean of the last hidden states [batch, width] over the tokens in ``mask``, which alone are read."""
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tokeniser_of(vocabulary: list[str]):
    """BERT's tokeniser (lower case, WordPiece) over a list of pieces that begins with :data:`SPECIAL`."""
    from transformers import BertTokenizer

    return BertTokenizer(vocab={piece: i for i, piece in enumerate(vocabulary)}, do_lower_case=True)


def without_pooler(config) -> dict:
    """The option that leaves BERT's pooler out, which no recipe reads, where the class of ``config`` has that option.

    de Oliveira 2023 counts without it: HuBERT and text have 109 M parameters in Table 1, and 110 M with TinyBERT's.
    """
    from transformers import MODEL_MAPPING

    allowed = inspect.signature(MODEL_MAPPING[type(config)].__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in allowed else {}


def load_text(spec, pretrained: Path | str | None = None) -> TextEncoder:
    """The encoder of an entry of ``encoders:`` (kinds ``text`` and ``builtin-text``), in eval mode.

    ``pretrained`` is the built-in encoder's file, data/pretrain/NAME.safetensors.

    Raises
    ------
    UserError
        Weights or tokeniser cannot be had, or do not fit exactly.
    """
    if spec.kind == "builtin-text":
        if pretrained is None:
            raise UserError(f"encoder pretrain '{spec.pretrain}': its file is not given; pass data/pretrain/…")
        return TextEncoder.load(pretrained, spec.max_tokens)
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    loading.quiet()
    folder = loading.folder_of(spec.source, spec.revision)
    name = f"encoder from '{spec.source}'"
    config = AutoConfig.from_pretrained(folder)
    model = loading.load(AutoModel, folder, config, name, **without_pooler(config))
    try:
        tokeniser = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as fault:
        raise UserError(f"{name}: {folder}: no tokeniser ({' '.join(str(fault).split())[:150]})") from None
    weights = loading.digest(loading.weights_of(folder))
    return TextEncoder(model, tokeniser, spec.lower, spec.max_tokens, weights).eval()
