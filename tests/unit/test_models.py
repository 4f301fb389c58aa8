"""Losses, pooling and models against formulas."""

import numpy as np
import pytest
import torch
from torchmetrics.regression import ConcordanceCorrCoef

from stages.encoders import letters
from stages.encoders.lexicon import Lexicon
from stages.guards import seen
from stages.models.dense import Dense, LayerAverage, ReluLstm, to_rate
from stages.models.dropout import Dropout
from stages.models.losses import am_softmax, ccc_loss, ctc_loss
from stages.models.pooling import masked_max, masked_mean, segment_mean
from stages.models.regressor import pool
from stages.models.srinivasan import Summary
from stages.recipes.gate import gate


def test_ctc_loss_by_hand():
    """Two frames spell one letter in three ways; a word of three letters does not fit into them and counts as zero."""
    letters = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    p = letters[0].softmax(-1)
    ways = p[0, 2] * p[1, 2] + p[0, 0] * p[1, 2] + p[0, 2] * p[1, 0]
    spelled, lengths = [torch.tensor([2]), torch.tensor([1, 3, 2])], torch.tensor([2, 2])
    assert ctc_loss(letters[:1], lengths[:1], spelled[:1]).item() == pytest.approx(-ways.log().item(), rel=1e-5)
    assert ctc_loss(letters, lengths, spelled).item() == pytest.approx(-ways.log().item() / 2, rel=1e-5)
    again = ctc_loss(letters[:, 1:], torch.tensor([1, 2]), [torch.tensor([1]), torch.tensor([3, 1])])
    p, q = letters[0, 1].softmax(-1), letters[1, 1:].softmax(-1)
    each = [-p[1].log(), -(q[0, 3] * q[1, 1]).log() / 2]  # per letter
    assert again.item() == pytest.approx(sum(each).item() / 2, rel=1e-5)
    assert ctc_loss(letters.bfloat16(), lengths, spelled).dtype == torch.float32


def test_ccc_loss_is_one_minus_ccc():
    torch.manual_seed(0)
    p, t = torch.randn(50, 3), torch.randn(50, 3)
    expected = torch.stack([ConcordanceCorrCoef()(p[:, d], t[:, d]) for d in range(3)]).mean()
    assert ccc_loss(p, t).item() == pytest.approx(1 - expected.item(), abs=0.02)  # torchmetrics divides by n - 1


@pytest.mark.parametrize("rows", [1, 4])
def test_ccc_loss_has_finite_gradients_without_variance(rows):
    p = torch.full((rows, 3), 0.5, requires_grad=True)
    loss = ccc_loss(p, torch.full((rows, 3), 0.5))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(p.grad).all()


def test_am_softmax_is_the_papers_formula():
    torch.manual_seed(1)
    head, x, y = am_softmax(4, 8, 0.2, 30.0), torch.randn(5, 8), torch.tensor([0, 1, 2, 3, 1])
    cosine = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(head.W, dim=0)
    shifted = cosine.clone()
    shifted[torch.arange(5), y] -= 0.2
    assert head(x, y).item() == pytest.approx(torch.nn.functional.cross_entropy(30 * shifted, y).item(), abs=1e-4)
    torch.testing.assert_close(head.get_logits(x), 30 * cosine, atol=1e-4, rtol=1e-4)


def test_padding_changes_no_pooled_value():
    torch.manual_seed(2)
    frames, lengths = torch.randn(3, 7, 4), torch.tensor([7, 3, 1])
    for i, n in enumerate(lengths.tolist()):
        alone = frames[i : i + 1, :n]
        torch.testing.assert_close(masked_mean(frames, lengths)[i], alone.mean(1)[0])
        torch.testing.assert_close(masked_max(frames, lengths)[i], alone.amax(1)[0])
    flat = torch.cat([frames[i, :n] for i, n in enumerate(lengths.tolist())])
    torch.testing.assert_close(segment_mean(flat, lengths), masked_mean(frames, lengths))
    assert pool(frames, lengths, "concat").shape == (3, 8)


def test_layer_average_is_equation_1():
    average, frames = LayerAverage(3), torch.randn(3, 5, 2)
    average.alpha.data = torch.tensor([1.0, -0.5, 2.0])
    expected = (frames[0] - 0.5 * frames[1] + 2 * frames[2]) / 2.5
    torch.testing.assert_close(average(frames), expected)


def test_dense_has_about_115_thousand_parameters_on_wav2vec2_base():
    count = sum(p.numel() for p in Dense(13, 768, 128, 4, 0.2, False).parameters())
    assert count == 13 + 768 * 128 + 128 + 128 * 128 + 128 + 128 * 4 + 4
    assert 113_000 < count < 117_000


def test_layer_average_with_softmax_is_its_formula():
    average, frames = LayerAverage(2, softmax=True), torch.randn(2, 4, 3)
    average.alpha.data = torch.tensor([0.0, np.log(3.0)], dtype=torch.float32)
    torch.testing.assert_close(average(frames), 0.25 * frames[0] + 0.75 * frames[1])


@pytest.mark.parametrize(
    "how", [{}, {"second": "lstm-tanh"}, {"second": "lstm-relu"}, {"beside": 5}, {"dropout_first": True}]
)
def test_every_form_of_dense_gives_an_utterance_the_same_in_company_as_alone(how):
    torch.manual_seed(5)
    model = Dense(2, 6, 8, 4, 0.5, False, **how).eval()
    lengths, beside = torch.tensor([7, 2, 4]), torch.randn(13, 5)
    frames, owners = torch.randn(2, 13, 6), lengths.tolist()
    both = model(frames, lengths, beside)
    for i, (part, extra) in enumerate(zip(frames.split(owners, 1), beside.split(owners), strict=True)):
        torch.testing.assert_close(both[i : i + 1], model(part, lengths[i : i + 1], extra))
    if "beside" in how:
        assert not torch.allclose(both, model(frames, lengths, beside + 1))


def test_lstm_is_torchs_on_one_utterance_without_packing():
    torch.manual_seed(6)
    model, frames = Dense(1, 6, 8, 4, 0.2, False, second="lstm-tanh").eval(), torch.randn(1, 9, 6)
    hidden = model.second(torch.relu(model.first(frames)))[0].mean(1)
    torch.testing.assert_close(model(frames, torch.tensor([9])), model.out(hidden))


def test_relu_lstm_against_its_equations():
    torch.manual_seed(8)
    model, frames = ReluLstm(3, 2), torch.randn(1, 4, 3)
    assert model.input.bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    w, b, u = (p.detach().numpy() for p in (model.input.weight, model.input.bias, model.recurrent.weight))
    state, cell, expected = np.zeros(2), np.zeros(2), []
    for x in frames[0].numpy():
        gates = w @ x + b + u @ state
        i, f, o = (1 / (1 + np.exp(-gates[k : k + 2])) for k in (0, 2, 6))
        cell = f * cell + i * np.maximum(gates[4:6], 0)
        state = o * np.maximum(cell, 0)
        expected.append(state)
    np.testing.assert_allclose(model(frames)[0].detach(), expected, rtol=1e-5, atol=1e-6)


def test_dropout_has_its_share_its_mean_and_its_seed():
    values, drop = torch.ones(1001, 999), Dropout(0.2)
    torch.manual_seed(1)
    found = drop(values)
    assert set(found.unique().tolist()) == {0.0, 1.25}
    assert float((found == 0).float().mean()) == pytest.approx(0.2, abs=0.002)
    rows, columns = (found == 0).float().mean(1), (found == 0).float().mean(0)
    expected = (0.2 * 0.8 / 1000) ** 0.5  # binomial: no row, column or neighbour knows of another
    assert float(rows.std()) == pytest.approx(expected, rel=0.1) == pytest.approx(float(columns.std()), rel=0.1)
    dropped = (found == 0).float().flatten() - 0.2
    for distance in (1, 2, 3, 4):
        assert abs(float((dropped[distance:] * dropped[:-distance]).mean())) < 0.001
    torch.manual_seed(1)
    assert torch.equal(drop(values), found)
    assert drop.eval()(values) is values and Dropout(0.0)(values) is values


@pytest.mark.parametrize("first", [False, True])
def test_dropout_stands_where_paper_and_released_code_have_it(first):
    torch.manual_seed(7)
    model = Dense(1, 6, 8, 4, 0.5, False, dropout_first=first)
    seen = []
    model.out.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model.second.bias.fill_(50)  # no unit is off by itself
        model(torch.randn(1, 1, 6), torch.tensor([1]))
    assert bool((seen[0] == 0).any()) != first


def test_descriptors_are_averaged_to_the_encoders_rate():
    lld = torch.arange(7.0)[:, None].expand(7, 2)
    expected = torch.tensor([0.5, 2.5, 4.5, 6.0])[:, None].expand(4, 2)
    torch.testing.assert_close(to_rate(lld, 2, 4), expected)
    torch.testing.assert_close(to_rate(lld, 2, 2), expected[:2])


def test_gru_summary_reads_the_last_valid_frame():
    torch.manual_seed(3)
    model, frames = Summary(4, 6, 2), torch.randn(2, 9, 4)
    both = model(frames, torch.tensor([9, 5]))
    torch.testing.assert_close(both[1], model(frames[1:, :5], torch.tensor([5]))[0])


def test_gate_drops_what_lies_beyond_two_standard_deviations():
    rng = np.random.default_rng(0)
    true = rng.normal(4, 1, (60_000, 3))
    predicted = 0.5 * true + rng.normal(0, 1, true.shape)
    found = gate(predicted, true, np.arange(60_000), 2.0)
    assert found.open.mean() == pytest.approx(0.87, abs=0.005)  # three independent Gaussians; the paper drops 12.7 %
    assert found.beyond.mean(0) == pytest.approx(0.0455, abs=0.003)
    assert gate(predicted, true, np.arange(100), 0).open.all()


def test_gate_against_least_squares_by_hand():
    """Four rows of one dimension, of which the second lies 1.67 standard deviations off the line."""
    predicted = np.array([[1.0], [2.0], [3.0], [4.0]])
    true = np.array([[2.0], [0.0], [4.0], [5.0]])
    w, b = np.linalg.lstsq(np.hstack([predicted, np.ones((4, 1))]), true[:, 0], rcond=None)[0]
    residual = w * predicted[:, 0] + b - true[:, 0]
    found = gate(predicted, true, np.arange(4), 1.2)
    assert (found.slope[0], found.offset[0]) == (pytest.approx(w), pytest.approx(b))
    assert found.sd[0] == pytest.approx(np.sqrt((residual**2).mean()))
    assert found.beyond[:, 0].tolist() == (np.abs(residual) > 1.2 * found.sd[0]).tolist() == [False, True, False, False]
    names = ["a", "b", "c", "d"]
    notes = found.notes(names, ["valence"], names)
    assert seen.unpack(notes["closed"]["valence"], names, "") == ["b"] and notes["dropped"] == 0.25
    assert seen.unpack(notes["rows"], names, "") == names


def test_gate_reads_training_rows_alone():
    rng = np.random.default_rng(1)
    true, predicted = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    other = predicted.copy()
    other[30:] = 1e6
    one, two = (gate(each, true, np.arange(30), 2.0) for each in (predicted, other))
    assert (one.slope == two.slope).all() and (one.beyond == two.beyond).all()


def test_a_lexicon_corrects_what_is_misspelt():
    vocabulary = ["[PAD]", "a", "b", "##s", "scorned", "lobby", "the", "they", "walked", "café"]
    lexicon = Lexicon(vocabulary)
    assert lexicon.words == ["a", "scorned", "lobby", "the", "they", "walked"]
    assert lexicon.corrected("the scornd loby walkt") == "the scorned lobby walked"
    assert lexicon.corrected("thex q a") == "the q a"  # one letter from 'the' and from 'they', none from anything
    assert lexicon.corrected("") == ""


def test_ctc_spelling_and_greedy_decoding():
    assert letters.written("Don’t  STOP, now!") == "don't stop now"
    assert letters.written("at 9:30 in 1984, the 2nd of 1,250 cafés") == (
        "at nine thirty in nineteen eighty four the second of one thousand two hundred and fifty cafes"
    )
    assert letters.written("\u0663 b2") == "b two"  # digits of other scripts are no numbers here
    assert letters.written("rock ‘n’ 3.5%") == "rock 'n' three point five"
    assert letters.needed(letters.spelled("ab")) == 2 and letters.needed(letters.spelled("bookkeeper")) == 13
    assert letters.spelled("Don’t  STOP, now!") == letters.spelled("don't stop now")
    path = [0, *letters.spelled("go"), 0, *letters.spelled("o n")]
    logits = torch.nn.functional.one_hot(torch.tensor([path]), letters.LABELS).float()
    assert letters.greedy(logits, torch.tensor([len(path)])) == ["goo n"]
    assert letters.greedy(logits, torch.tensor([1])) == [""]
