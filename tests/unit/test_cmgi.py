"""Every form of the interaction of Gao 2024 against the equations, computed in NumPy without padding."""

import itertools

import numpy as np
import pytest
import torch

from stages.models import cmgi
from stages.models.losses import ctc_loss

WIDTH = 6
LENGTHS = (torch.tensor([5, 3]), torch.tensor([2, 4]))
INTERACTIONS = ("none", "sa", "ca", "cmgi")
FORMS = [
    {"interaction": interaction, "gate": gate}
    for interaction, gate in itertools.product(INTERACTIONS, ("none", "mean"))
    if (interaction, gate) != ("none", "none")
]
FORMS += [{}, {"heads": 1}, {"literal_eq3": True}, {"sigmoid": "first"}, {"shared": True}]
FORMS += [{"attention": "printed", "heads": 1}, {"attention": "printed", "heads": 1, "shared": True}]
FORMS += [{"interaction": "ca", "ca_over": "x"}, {"interaction": "ca", "gate": "mean", "sigmoid": "first"}]


def form_of(changes: dict) -> cmgi.Form:
    gate = {} if changes.get("interaction", "cmgi") == "cmgi" else {"gate": "none"}
    return cmgi.Form(**{"width": WIDTH, "heads": 2, "dropout": 0.0} | gate | changes)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def attention(module, q, k):
    """Equation 3 or 4 of one utterance: [q, width], [k, width] -> [q, width]."""
    w = {name: value.detach().numpy().astype(float) for name, value in module.named_parameters()}
    if "query.weight" in w:
        return softmax((q @ w["query.weight"].T) @ (k @ w["key.weight"].T).T / WIDTH**0.5) @ (k @ w["value.weight"].T)
    parts = zip(np.split(w["inner.in_proj_weight"], 3), np.split(w["inner.in_proj_bias"], 3), strict=True)
    (wq, bq), (wk, bk), (wv, bv) = parts
    query, key, value = q @ wq.T + bq, k @ wk.T + bk, k @ wv.T + bv
    heads = np.split(np.arange(WIDTH), module.inner.num_heads)
    mixed = [softmax(query[:, h] @ key[:, h].T / len(h) ** 0.5) @ value[:, h] for h in heads]
    return np.concatenate(mixed, 1) @ w["inner.out_proj.weight"].T + w["inner.out_proj.bias"]


def gated(form, layer, joined):
    f = lambda x: x @ layer.weight.detach().numpy().T.astype(float) + layer.bias.detach().numpy()  # noqa: E731
    return f(sigmoid(joined)) if form.sigmoid == "first" else sigmoid(f(joined))


def by_hand(model, x):
    """The vector and the mean gates of one utterance; ``x``: its two sequences."""
    form, kind = model.form, model.form.interaction
    s, c = x, None
    if kind in ("sa", "cmgi") or (kind == "ca" and form.ca_over == "s"):
        s = [attention(model.own[i], x[i], x[1 - i] if form.literal_eq3 else x[i]) for i in range(2)]
    if kind in ("ca", "cmgi"):
        c = [attention(model.cross[i], s[i], s[1 - i]) for i in range(2)]
    if form.gate == "temporal":
        g = [gated(form, model.gate[i], np.concatenate([s[i], c[i]], 1)) for i in range(2)]
        out = [np.concatenate([s[i] * g[i], c[i] * (1 - g[i])], 1) for i in range(2)]
        return np.concatenate([one.mean(0) for one in out]), [one.mean() for one in g]
    a, b = (np.concatenate([s[i], c[i]], 1) if kind == "cmgi" else (c or s)[i] for i in range(2))
    a, b = a.mean(0), b.mean(0)
    if form.gate == "none":
        return np.concatenate([a, b]), []
    g = gated(form, model.gate[0], np.concatenate([a, b]))
    return np.concatenate([a * g, b * (1 - g)]), [g.mean()]


@pytest.mark.parametrize("changes", FORMS, ids=str)
def test_a_form_is_its_equations_whatever_the_padding(changes):
    torch.manual_seed(4)
    model = cmgi.Interaction(form_of(changes)).eval()
    frames = [torch.randn(2, int(n.max()) + 2, WIDTH) for n in LENGTHS]
    masks = [torch.arange(x.shape[1])[None] < n[:, None] for x, n in zip(frames, LENGTHS, strict=True)]
    vectors, gates = model(frames, masks, LENGTHS)
    assert vectors.shape[1] == model.width
    for row in range(2):
        alone = [x[row, : n[row]].numpy().astype(float) for x, n in zip(frames, LENGTHS, strict=True)]
        vector, means = by_hand(model, alone)
        np.testing.assert_allclose(vectors[row].detach(), vector, atol=1e-5)
        np.testing.assert_allclose(gates[row].detach(), means, atol=1e-5)


def test_every_weight_of_a_form_is_trained():
    for changes in FORMS:
        torch.manual_seed(4)
        model = cmgi.Interaction(form_of(changes))
        frames = [torch.randn(2, int(n.max()), WIDTH) for n in LENGTHS]
        masks = [torch.arange(x.shape[1])[None] < n[:, None] for x, n in zip(frames, LENGTHS, strict=True)]
        vector, _ = model(frames, masks, LENGTHS)
        vector.square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters()), changes


def test_shared_attentions_are_one():
    counts = {
        shared: sum(p.numel() for p in cmgi.Interaction(form_of({"shared": shared})).own.parameters())
        for shared in (False, True)
    }
    assert counts[False] == 2 * counts[True]
    model = cmgi.Interaction(form_of({"shared": True}))
    assert model.own[0] is model.own[1] is model.cross[0] is model.cross[1]


def test_the_sum_of_ctc_is_of_all_utterances():
    """The mean divides each by its letters, then by the batch."""
    torch.manual_seed(4)
    logits, lengths = torch.randn(2, 7, 5), torch.tensor([7, 5])
    spelled = [torch.tensor([1, 2, 3]), torch.tensor([4])]
    alone = [ctc_loss(logits[i : i + 1], lengths[i : i + 1], spelled[i : i + 1], "sum").item() for i in range(2)]
    assert ctc_loss(logits, lengths, spelled, "sum").item() == pytest.approx(sum(alone), rel=1e-5)
    assert ctc_loss(logits, lengths, spelled).item() == pytest.approx((alone[0] / 3 + alone[1]) / 2, rel=1e-5)
