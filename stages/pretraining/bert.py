"""BERT's recipe (Devlin et al. 2019) without next-sentence prediction: 15 % of the pieces, 80 / 10 / 10."""

from collections import Counter
from string import ascii_lowercase, digits, punctuation
from typing import Literal

import numpy as np
from pydantic import model_validator

from ..config.settings import Section, setting
from ..stores.scratch import Unit


class BertPretraining(Section):
    """A small BERT, pretrained on unlabelled sentences."""

    recipe: Literal["bert"] = setting("the recipe: stages/pretraining/bert.py")
    seed: int = setting("of the unlabelled sentences and the training", ge=0)
    sentences: int = setting("unlabelled sentences to make", ge=1)
    vocabulary: int = setting("pieces at most: characters, then the most frequent words", ge=100)
    width: int = setting("channels", ge=8)
    layers: int = setting("transformer blocks", ge=1)
    heads: int = setting("attention heads", ge=1)
    dropout: float = setting("in the transformer", ge=0, lt=1)
    masked: float = setting("share of the pieces that are predicted", gt=0, lt=1)
    steps: int = setting("training steps", ge=1)
    batch: int = setting("sentences per step", ge=1)
    learning_rate: float = setting("highest, of AdamW", gt=0)
    warmup: float = setting("share of the steps with a rising learning rate", ge=0, lt=1)
    threads: int = setting("threads; another number rounds differently", ge=1)

    @model_validator(mode="after")
    def _fits(self):
        if self.width % self.heads:
            raise ValueError("width must be a multiple of heads")
        return self


def vocabulary_of(sentences: list[str], size: int) -> list[str]:
    """WordPiece vocabulary: special pieces, characters (alone and continuing a word), then words by frequency.

    Any word can thus be spelled; ties of frequency are in alphabetical order.
    """
    from ..encoders.text import SPECIAL, tokeniser_of

    backend = tokeniser_of(SPECIAL).backend_tokenizer
    words: Counter = Counter()
    for sentence in sentences:
        text = backend.normalizer.normalize_str(sentence)
        words.update(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text))
    characters = sorted({c for word in words for c in word} | set(ascii_lowercase + digits + punctuation))
    pieces = [*SPECIAL, *characters, *(f"##{c}" for c in characters)]
    by_count = sorted(words, key=lambda w: (-words[w], w))
    pieces += [w for w in by_count if len(w) > 1][: max(0, size - len(pieces))]
    return pieces


def corrupt(ids, mask, share: float, pieces: int, first: int, mask_id: int, generator):
    """Masked input and targets of masked language modelling.

    Parameters
    ----------
    ids, mask
        Pieces int64 and valid ones [batch, tokens]; pieces below ``first`` are special and never chosen.

    Returns
    -------
    tuple
        Input ids, and targets with -100 where nothing is predicted; at least one piece is.
    """
    import torch

    scores = torch.rand(ids.shape, generator=generator)
    scores = scores.masked_fill((mask == 0) | (ids < first), 2.0)
    chosen = scores <= max(share, scores.min().item())
    kind = torch.rand(ids.shape, generator=generator)
    other = torch.randint(first, pieces, ids.shape, generator=generator)
    replaced = torch.where(kind < 0.8, torch.full_like(ids, mask_id), torch.where(kind < 0.9, other, ids))
    return torch.where(chosen, replaced, ids), ids.masked_fill(~chosen, -100)


def pretrain(section: BertPretraining, sentences: list[str], device, unit: Unit):
    """The pretrained :class:`stages.encoders.text.TextEncoder` in eval mode, and notes for its header."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from ..encoders.text import SPECIAL, TextEncoder, tokeniser_of
    from .loop import train

    vocabulary = vocabulary_of(sentences, section.vocabulary)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=section.width,
        initializer_range=round(section.width**-0.5, 4),
        num_hidden_layers=section.layers,
        num_attention_heads=section.heads,
        intermediate_size=4 * section.width,
        hidden_dropout_prob=section.dropout,
        attention_probs_dropout_prob=section.dropout,
        max_position_embeddings=512,
        pad_token_id=0,
    )
    torch.manual_seed(section.seed)
    model = BertForMaskedLM(config).to(device)
    encoder = TextEncoder(model.bert, tokeniser_of(vocabulary), True, 512)
    order = np.random.default_rng(section.seed)
    rows = order.integers(0, len(sentences), (section.steps, min(section.batch, len(sentences))))

    pieces, valid = encoder.tokenise(sentences)

    def loss_at(step, generator):
        longest = int(valid[rows[step]].sum(1).max())
        ids, mask = pieces[rows[step], :longest], valid[rows[step], :longest]
        masked, wanted = corrupt(
            ids, mask, section.masked, len(vocabulary), len(SPECIAL), SPECIAL.index("[MASK]"), generator
        )
        chosen = wanted >= 0
        hidden = model.bert(input_ids=masked.to(device), attention_mask=mask.to(device)).last_hidden_state
        logits = model.cls(hidden[chosen.to(device)])
        return torch.nn.functional.cross_entropy(logits, wanted[chosen].to(device))

    notes = train(
        model,
        loss_at,
        steps=section.steps,
        rate=section.learning_rate,
        warmup=section.warmup,
        seed=section.seed,
        unit=unit,
    )
    return encoder.eval(), {"training": notes}
