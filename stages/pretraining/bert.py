"""BERT's recipe (Devlin et al. 2019) for small models and short sentences: 80 / 10 / 10 masking, two things of our own.

``choice: idf`` masks rare pieces rather than frequent ones: of pieces chosen alike most are function words. ``halves``
takes the place of next-sentence prediction: the mean state of one half of a sentence must be nearest to that of its
other half, among the halves of the batch (an inverse cloze task, Lee et al. 2019). Measured: masked words alone leave a
small BERT at the grammar for thousands of steps (valence CCC of a linear probe .16 after 4,000 steps of 64); with the
halves it learns at once which words keep company (.70 after 800).
"""

from collections import Counter
from string import ascii_lowercase, digits, punctuation
from typing import Literal

from pydantic import model_validator

from ..config.settings import setting
from ..stores.scratch import Unit
from .section import TextPretraining

TEMPERATURE = 0.1


class BertPretraining(TextPretraining):
    """A small BERT, pretrained on unlabelled sentences from its beginning or from another one's weights."""

    recipe: Literal["bert"] = setting("the recipe: stages/pretraining/bert.py")
    vocabulary: int = setting("pieces at most: characters, then the most frequent words", ge=100)
    heads: int = setting("attention heads", ge=1)
    dropout: float = setting("in the transformer", ge=0, lt=1)
    masked: float = setting("share of the pieces that are predicted", gt=0, lt=1)
    choice: Literal["alike", "idf"] = setting("pieces to predict: all alike, or by squared inverse document frequency")
    halves: float = setting(
        "weight of the loss of finding the other half of each sentence; 0: masked pieces alone", ge=0
    )

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


def rarity(pieces, valid, size: int):
    """Squared inverse document frequency of every piece [size], of sentences as ids and mask [sentences, tokens]."""
    import torch

    counts = torch.bincount(pieces[valid.bool()], minlength=size).clamp(min=1)
    return torch.log(len(pieces) / counts).clamp(min=0.05) ** 2


def corrupt(ids, mask, share: float, pieces: int, first: int, mask_id: int, generator, weights=None):
    """Masked input and targets of masked language modelling.

    Parameters
    ----------
    ids, mask
        Pieces int64 and valid ones [batch, tokens]; pieces below ``first`` are special and never chosen.
    weights
        How readily each piece is chosen [pieces], so that ``share`` of every sentence is; None: each by itself with
        the probability ``share``.

    Returns
    -------
    tuple
        Input ids, and targets with -100 where nothing is predicted; at least one piece is.
    """
    import torch

    scores = torch.rand(ids.shape, generator=generator)
    fixed = (mask == 0) | (ids < first)
    if weights is None:
        scores = scores.masked_fill(fixed, 2.0)
        chosen = scores <= max(share, scores.min().item())
    else:  # exponential variables at these rates: the first to come are a weighted sample without replacement
        times = (-scores.clamp(min=1e-9).log() / weights[ids]).masked_fill(fixed, torch.inf)
        count = (share * mask.sum(1, keepdim=True)).round().clamp(min=1)
        chosen = (times.argsort(1).argsort(1) < count) & ~fixed
    kind = torch.rand(ids.shape, generator=generator)
    other = torch.randint(first, pieces, ids.shape, generator=generator)
    replaced = torch.where(kind < 0.8, torch.full_like(ids, mask_id), torch.where(kind < 0.9, other, ids))
    return torch.where(chosen, replaced, ids), ids.masked_fill(~chosen, -100)


def halves(mask, generator):
    """Masks int64 [batch, tokens] of the two halves of every sentence, cut at a random piece near its middle."""
    import torch

    share = 0.35 + 0.3 * torch.rand(len(mask), 1, generator=generator)
    before = torch.arange(mask.shape[1]) < (share * mask.sum(1, keepdim=True)).round()
    return mask * before, mask * ~before


def matching(first, second):
    """Cross-entropy of finding the row of ``second`` [batch, width] that belongs to each of ``first``, and back."""
    import torch

    scores = torch.nn.functional.normalize(first, dim=1) @ torch.nn.functional.normalize(second, dim=1).T / TEMPERATURE
    own = torch.arange(len(scores), device=scores.device)
    cross_entropy = torch.nn.functional.cross_entropy
    return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2


def pretrain(section: BertPretraining, sentences: list[str], device, unit: Unit):
    """The pretrained :class:`stages.encoders.text.TextEncoder` in eval mode, and notes for its header."""
    import torch
    from transformers import BertForMaskedLM

    from ..encoders.text import SPECIAL, TextEncoder, tokeniser_of
    from .loop import train

    torch.manual_seed(section.seed)
    begun = TextEncoder.load(section.source) if section.source else None
    vocabulary = begun.vocabulary if begun else vocabulary_of(sentences, section.vocabulary)
    size = len(vocabulary)
    config = begun.model.config if begun else _config(section, size)
    model = BertForMaskedLM(config)
    if begun:
        model.bert = begun.model
        model.tie_weights()
    model.to(device)
    encoder = TextEncoder(model.bert, tokeniser_of(vocabulary), True, 512)
    rows = section.batches(len(sentences))
    pieces, valid = (values.cpu() for values in encoder.tokenise(sentences))
    weights = rarity(pieces, valid, size) if section.choice == "idf" else None

    def loss_at(step, generator):
        longest = int(valid[rows[step]].sum(1).max())
        ids, mask = pieces[rows[step], :longest], valid[rows[step], :longest]
        masked, wanted = corrupt(
            ids, mask, section.masked, size, len(SPECIAL), SPECIAL.index("[MASK]"), generator, weights
        )
        chosen = wanted >= 0
        hidden = model.bert(input_ids=masked.to(device), attention_mask=mask.to(device)).last_hidden_state
        logits = model.cls(hidden[chosen.to(device)])
        loss = torch.nn.functional.cross_entropy(logits, wanted[chosen].to(device))
        if not section.halves:
            return loss
        means = [encoder.mean_state(ids.to(device), half.to(device)) for half in halves(mask, generator)]
        return loss + section.halves * matching(*means)

    return encoder.eval(), {"training": train(model, loss_at, section, section.seed, unit)}


def _config(section: BertPretraining, pieces: int):
    from transformers import BertConfig

    return BertConfig(
        vocab_size=pieces,
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
