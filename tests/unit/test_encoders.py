"""Speech encoders: batched equals single, strict loading, layers, files."""

import hashlib
import shutil

import numpy as np
import pytest
from pydantic import TypeAdapter

from stages.encoders import Encoder, batching, is_text, specs
from stages.parameters.resolve import resolved
from stages.runtime.errors import UserError
from tests.unit.catalogue import PARAMS, shipped

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
KINDS = {
    "group-norm HuBERT": {"model_type": "hubert"},
    "DistilHuBERT": {"model_type": "hubert", "feat_proj_layer_norm": False},
    "batch-norm HuBERT": {"model_type": "hubert", "conv_pos_batch_norm": True},
    "layer-norm wav2vec2": {
        "model_type": "wav2vec2",
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
    },
    "WavLM": {"model_type": "wavlm"},
    "data2vec": {"model_type": "data2vec-audio", "num_conv_pos_embeddings": 5, "conv_pos_kernel_size": 19},
}


def small(kind="group-norm HuBERT", normalise=False):
    from stages.encoders.speech import SpeechEncoder

    torch.manual_seed(3)
    encoder = SpeechEncoder.build(SMALL | KINDS[kind], normalise).eval()
    with torch.no_grad():  # give norms and biases values of their own, or a fault in them would not show
        for parameter in encoder.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
        for name, buffer in encoder.named_buffers():
            if "running_mean" in name:
                buffer.add_(torch.randn_like(buffer))
    return encoder


def clips(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [(0.1 * rng.standard_normal(n) + 0.02).astype(np.float32) for n in lengths]


def relative(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_batched_equals_single(kind, normalise):
    encoder = small(kind, normalise)
    waves = clips([16_000, 5_000, 400, 250, 7_777, 15_999, 31_000])
    singles = {}
    with torch.no_grad():
        for i, wave in enumerate(waves):
            conv, frames = encoder.frontend(*batching.collate([wave]))
            singles[i] = [conv[0], *[s[0] for s in encoder.context(conv, frames)]]
        worst, together = 0.0, 0
        for batch in batching.plan(np.array([len(w) for w in waves]), 100_000):
            conv, frames = encoder.frontend(*batching.collate([waves[i] for i in batch]))
            states = [conv, *encoder.context(conv, frames)]
            together = max(together, len(batch))
            for row, i in enumerate(batch):
                assert frames[row] == len(singles[i][0])
                for state, single in zip(states, singles[i], strict=True):
                    worst = max(worst, relative(state[row, : frames[row]], single))
    assert together > 2
    assert worst <= 1e-4


def test_plain_group_norm_would_differ():
    """The test above has teeth: without the mask the same model's frames change by far more."""
    encoder = small()
    wave = clips([8_000])[0]
    padded = torch.from_numpy(np.pad(wave, (0, 8_000)))[None]
    with torch.no_grad():
        single, _ = encoder.frontend(*batching.collate([wave]))
        masked, frames = encoder.frontend(padded, torch.tensor([8_000]))
        unmasked, _ = encoder.frontend(padded, torch.tensor([16_000]))
    valid = slice(0, int(frames[0]))
    assert relative(masked[0, valid], single[0]) <= 1e-5
    assert relative(unmasked[0, valid], single[0]) > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_same_hidden_states_as_transformers(kind):
    from transformers import AutoConfig, AutoModel

    encoder = small(kind)
    config = dict(SMALL | KINDS[kind])
    model = AutoModel.from_config(AutoConfig.for_model(config.pop("model_type"), **config)).eval()
    model.load_state_dict(encoder.model.state_dict())
    wave = torch.from_numpy(clips([12_345])[0])[None]
    with torch.no_grad():
        wanted = model(wave, output_hidden_states=True)
        wanted_conv = model.feature_extractor(wave).transpose(1, 2)
        conv, frames = encoder.frontend(wave, torch.tensor([12_345]))
        states = encoder.context(conv, frames)
    assert relative(conv, wanted_conv) <= 1e-5
    assert len(states) == len(wanted.hidden_states) == encoder.depth + 1
    for found, state in zip(states[:-1], wanted.hidden_states[:-1], strict=True):
        assert relative(found, state) <= 1e-5
    assert relative(states[-1], wanted.last_hidden_state) <= 1e-5


def test_frames_are_what_comes_out():
    encoder = small()
    assert encoder.receptive == 400
    assert encoder.hop == 0.02
    for samples in (1, 399, 400, 719, 720, 721, 16_000, 16_001, 40_000):
        with torch.no_grad():
            conv, frames = encoder.frontend(*batching.collate(clips([samples])))
        assert encoder.frames(samples) == int(frames[0]) == conv.shape[1]


def test_gradients_reach_cnn_and_mask_embedding():
    encoder = small().train()
    waves, lengths = batching.collate(clips([9_000, 4_000]))
    conv, frames = encoder.frontend(waves, lengths)
    mask = torch.zeros(conv.shape[:2], dtype=torch.bool)
    mask[:, 3:8] = True
    encoder.context(conv, frames, mask)[-1].square().mean().backward()
    assert encoder.model.masked_spec_embed.grad.abs().sum() > 0
    assert encoder.model.feature_extractor.conv_layers[0].conv.weight.grad.abs().sum() > 0
    encoder.zero_grad()
    encoder.freeze_cnn()
    conv, frames = encoder.frontend(waves, lengths)
    encoder.context(conv, frames, mask)[-1].square().mean().backward()
    assert encoder.model.feature_extractor.conv_layers[0].conv.weight.grad is None
    assert encoder.model.feature_projection.projection.weight.grad.abs().sum() > 0


def test_weights_of_the_hub_are_held_to_their_published_digest(tmp_path):
    """The hub's cache names a large file by its SHA-256; the snapshot links to it."""
    from stages.encoders import loading

    content = b"weights" * 100
    published = hashlib.sha256(content).hexdigest()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / published).write_bytes(content)
    link = tmp_path / "model.safetensors"
    link.symlink_to(tmp_path / "blobs" / published)
    assert loading.digest([link]) == published
    (tmp_path / "blobs" / published).write_bytes(b"W" + content[1:])
    line = rf"model\.safetensors: SHA-256 .* where the hub's is {published[:12]}…; delete .*{published} and run again"
    with pytest.raises(UserError, match=line):
        loading.digest([link])


def test_file_round_trip(tmp_path):
    from stages.encoders.speech import SpeechEncoder

    encoder = small(normalise=True)
    path = tmp_path / "small.safetensors"
    encoder.save(path, {"seen": {"source": "noise"}})
    again = SpeechEncoder.load(path)
    assert again.notes == {"seen": {"source": "noise"}}
    assert again.normalise
    assert len(again.weights) == 64
    batch = batching.collate(clips([9_000, 4_000]))
    with torch.no_grad():
        for found, wanted in zip(again(*batch)[0], encoder(*batch)[0], strict=True):
            assert torch.equal(found, wanted)
    assert encoder.state_dict().keys() == again.state_dict().keys()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="delete it"):
        SpeechEncoder.load(path)


def folder_with(encoder, tmp_path, change=lambda state: state):
    """A local folder in Hugging Face layout, its tensors as ``change`` leaves them."""
    from safetensors.torch import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    encoder.model.config.save_pretrained(folder)
    state = {k: v.clone().contiguous() for k, v in encoder.model.state_dict().items()}
    save_file(change(state), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def loaded(folder, **changes):
    from stages.encoders import load_speech

    values = {"kind": "transformers", "source": str(folder), "revision": "", "layers": ["all"]}
    values |= {"normalise": False, "truncate_layers": 0}
    return load_speech(TypeAdapter(Encoder).validate_python(values | changes))


def old_names(state):
    """Weight-norm tensors as torch < 2.1 named them (transformers #26796)."""
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    renamed = {}
    for name, value in state.items():
        for new, old in names.items():
            name = name.replace(new, old)
        renamed[name] = value
    assert any(name.endswith("weight_g") for name in renamed)
    return renamed


@pytest.mark.parametrize("change", [lambda s: s, old_names], ids=["new names", "old weight-norm names"])
def test_loads_a_folder_exactly(tmp_path, change):
    encoder = small("layer-norm wav2vec2")
    again = loaded(folder_with(encoder, tmp_path, change))
    batch = batching.collate(clips([9_000, 4_000]))
    with torch.no_grad():
        for found, wanted in zip(again(*batch)[0], encoder(*batch)[0], strict=True):
            assert torch.equal(found, wanted)
    assert not again.training


def test_heads_are_left_out(tmp_path):
    extra = {"lm_head.weight": torch.zeros(4, 32), "quantizer.codevectors": torch.zeros(1, 4, 8)}
    assert loaded(folder_with(small(), tmp_path, lambda s: s | extra)).depth == 3


@pytest.mark.parametrize(
    "lost", ["encoder.pos_conv_embed.conv.parametrizations.weight.original1", "feature_projection.projection.bias"]
)
def test_missing_weights_are_refused(tmp_path, lost):
    folder = folder_with(small(), tmp_path, lambda s: {k: v for k, v in s.items() if k != lost})
    with pytest.raises(UserError, match=f"lack {lost.replace('.', '[.]')}"):
        loaded(folder)


def test_unexpected_and_misshapen_weights_are_refused(tmp_path):
    folder = folder_with(small(), tmp_path, lambda s: s | {"encoder.layers.3.surprise": torch.zeros(2)})
    with pytest.raises(UserError, match=r"unexpected encoder\.layers\.3\.surprise"):
        loaded(folder)
    shutil.rmtree(folder)
    bias = "feature_projection.projection.bias"
    folder = folder_with(small(), tmp_path, lambda s: s | {bias: torch.zeros(7)})
    with pytest.raises(UserError, match=bias):
        loaded(folder)


def test_truncation_keeps_the_final_norm(tmp_path):
    encoder = small("layer-norm wav2vec2")
    folder = folder_with(encoder, tmp_path)
    short = loaded(folder, truncate_layers=2)
    batch = batching.collate(clips([9_000, 4_000]))
    with torch.no_grad():
        whole, cut = encoder(*batch)[0], short(*batch)[0]
        normed = encoder.model.encoder.layer_norm(whole[2])
    assert short.depth == 2
    assert len(cut) == 3
    assert torch.equal(cut[1], whole[1])
    assert torch.allclose(cut[2], normed)
    with pytest.raises(UserError, match="3 blocks"):
        loaded(folder, truncate_layers=4)
    with pytest.raises(UserError, match="no layer '3'"):
        specs.chosen(
            TypeAdapter(Encoder).validate_python(
                {
                    "kind": "transformers",
                    "source": "x",
                    "revision": "",
                    "layers": ["3"],
                    "normalise": False,
                    "truncate_layers": 2,
                }
            ),
            short.depth,
            True,
        )


def test_hub_that_cannot_be_reached(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"nobody/nothing' at revision 0{40}.*folder"):
        loaded("nobody/nothing", revision="0" * 40)
    with pytest.raises(UserError, match=r"config\.json"):
        loaded(tmp_path / "none")


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "transformers", "layers": ["last"]},
        {"kind": "transformers", "layers": ["1", "1"]},
        {"kind": "transformers", "revision": "main"},
        {"kind": "mfcc", "layers": ["1"]},
        {"kind": "nothing"},
    ],
)
def test_specs_refuse(values):
    model = {"transformers": specs.Transformers, "mfcc": specs.Mfcc}.get(values["kind"])
    with pytest.raises(ValueError, match="validation error"):
        TypeAdapter(Encoder).validate_python((shipped(model) if model else {}) | values)


@pytest.mark.parametrize("model", [specs.Transformers, specs.Whisper, specs.BuiltinSpeech, specs.BuiltinText,
                                   specs.Text, specs.Egemaps, specs.Spectrogram, specs.Mfcc])  # fmt: skip
def test_shipped_specs_are_valid(model):
    spec = TypeAdapter(Encoder).validate_python(shipped(model))
    assert type(spec) is model
    assert is_text(spec) == is_text(shipped(model)) == model.__name__.endswith("Text")


TINYBERT = {"hidden_size": 312, "num_hidden_layers": 4, "num_attention_heads": 12, "intermediate_size": 1200}
"""TinyBERT_General_4L_312D; all else is BERT's."""
ROBUST = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
TABLE_1 = {
    "w2v2": ("layer-norm wav2vec2", ROBUST, [165.34, 179.91], [165, 180], 175.7),
    "hubert": ("group-norm HuBERT", {}, [94.96, 109.46], [95, 109], 105.3),
    "distil": ("DistilHuBERT", {"num_hidden_layers": 2}, [24.08, 38.58], [24, 39], 34.4),
}
"""Row of de Oliveira 2023: kind, configuration, millions of parameters alone and with text, as printed, those trained.

34.4 M of 175.7 M are the fifth of a large model's trainable parameters that the abstract speaks of.
"""


@pytest.mark.parametrize("row", TABLE_1)
def test_models_have_the_parameters_of_de_oliveiras_table_1(row):
    """165, 95 and 24 M alone, 180, 109 and 39 M with TinyBERT, which the paper's counts leave without its pooler."""
    from transformers import AutoModel, BertConfig

    from stages.encoders.speech import SpeechEncoder
    from stages.encoders.text import TextEncoder, without_pooler
    from stages.models.regressor import Regressor
    from stages.recipes.fine_tuning import sizes

    kind, changes, counted, printed, trained = TABLE_1[row]
    whole, config = resolved(PARAMS), BertConfig(**TINYBERT)
    with torch.device("meta"):
        encoder = SpeechEncoder.build(KINDS[kind] | changes)
        if cut := whole["encoders"][whole["systems"][f"deoliveira2023-{row}"]["speech"]]["truncate_layers"]:
            encoder.truncate(cut)
        text = TextEncoder(AutoModel.from_config(config, **without_pooler(config)), None, True, 512)
        models = [Regressor(encoder, one, 3, "mean+max", 0.1) for one in (None, text)]
    encoder.freeze_cnn()
    counts = [sizes(model)["parameters"] for model in models]
    assert [round(count["all"] / 1e6, 2) for count in counts] == counted
    assert [round(count["all"] / 1e6) for count in counts] == printed
    if row == "w2v2":
        assert encoder.depth == 12 and isinstance(encoder.model.encoder.layer_norm, torch.nn.LayerNorm)
    assert round(counts[1]["trained"] / 1e6, 1) == trained


@pytest.mark.parametrize("kind", KINDS)
def test_taps_before_the_blocks(kind):
    """Pepino's f0 is the projected CNN output; hidden_states[0] follows from it through the positional convolution."""
    encoder = small(kind)
    wave, lengths = batching.collate(clips([9_000]))
    with torch.no_grad():
        conv, frames = encoder.frontend(wave, lengths)
        states, f0 = encoder.context(conv, frames), encoder.local(conv)
        inner = encoder.model.encoder
        first = f0 + inner.pos_conv_embed(f0)
        if kind != "layer-norm wav2vec2":
            first = inner.layer_norm(first)
    assert f0.shape == states[0].shape
    assert relative(f0, states[0]) > 0.05
    assert relative(first, states[0]) <= 1e-5


def unseen_folder(tmp_path, kind, **extra):
    from transformers import AutoConfig, AutoModel, SeamlessM4TFeatureExtractor

    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(kind, **shape | extra))
    model.save_pretrained(tmp_path / kind)
    if kind == "wav2vec2-bert":
        SeamlessM4TFeatureExtractor(feature_size=80, num_mel_bins=80, stride=2).save_pretrained(tmp_path / kind)
    return tmp_path / kind, model.eval()


def unseen_spec(folder, **changes):
    return specs.Transformers.model_validate(
        shipped(specs.Transformers, source=str(folder), revision="", layers=["all"]) | changes
    )


NARROW = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
UNSEEN = {
    "wav2vec2-conformer": (NARROW | {"conv_dim": [16] * 7}, 0.02),
    "sew": (NARROW | {"conv_dim": [16] * 13}, 0.04),
    "wav2vec2-bert": ({"feature_projection_input_dim": 160}, 0.02),  # takes log-mels
}


@pytest.mark.parametrize("kind", UNSEEN)
def test_an_encoder_never_seen_works_by_folder(tmp_path, kind):
    """Models that no line of ours names: their rate, depth and width are measured, the values are the model's."""
    from stages.encoders.extractors import open_extractor

    folder, model = unseen_folder(tmp_path, kind, **UNSEEN[kind][0])
    extractor = open_extractor(unseen_spec(folder), None, torch.device("cpu"), "fp32")
    assert (extractor.hop, extractor.widths) == (UNSEEN[kind][1], {"0": 32, "1": 32, "2": 32})
    waves = clips([16_000, 9_999, 40_123])
    for wave, found in zip(waves, extractor.run(waves), strict=True):
        assert {values.shape for values in found.values()} == {(extractor.frames(len(wave)), 32)}
    if kind != "wav2vec2-bert":
        with torch.no_grad():
            wanted = model(torch.from_numpy(waves[0])[None], output_hidden_states=True).hidden_states
        for i, state in enumerate(wanted):
            assert relative(torch.from_numpy(extractor.run(waves[:1])[0][str(i)]), state[0]) <= 1e-5


def test_an_encoder_that_cannot_be_stored_is_refused_with_the_reason(tmp_path):
    from transformers import ASTFeatureExtractor

    from stages.encoders.extractors import open_extractor

    def refusal(folder, **changes):
        with pytest.raises(UserError) as caught:
            open_extractor(unseen_spec(folder, **changes), None, torch.device("cpu"), "fp32")
        return str(caught.value)

    short, _ = unseen_folder(tmp_path, "wav2vec2-conformer", **UNSEEN["wav2vec2-conformer"][0])
    assert "truncate_layers works in the wav2vec 2.0 family only" in refusal(short, truncate_layers=1)
    fixed, _ = unseen_folder(tmp_path, "audio-spectrogram-transformer")
    ASTFeatureExtractor().save_pretrained(fixed)
    assert "follow no rule" in refusal(fixed)
    text, _ = unseen_folder(tmp_path, "bert")
    assert "takes 'input_ids', not audio" in refusal(text)
    mels, _ = unseen_folder(tmp_path, "wav2vec2-bert", feature_projection_input_dim=160)
    (mels / "preprocessor_config.json").unlink()
    assert "no preprocessor_config.json" in refusal(mels)
    (text / "config.json").write_text('{"model_type": "from-the-future"}')
    assert "from-the-future" in refusal(text)


def test_local_is_the_cnn_output_normed_and_projected_without_position():
    encoder = small()
    with torch.no_grad():
        conv, frames = encoder.frontend(*batching.collate(clips([8_000])))
        projection = encoder.model.feature_projection
        wanted = projection.projection(projection.layer_norm(conv))
        torch.testing.assert_close(encoder.local(conv), wanted, atol=1e-5, rtol=1e-4)
        assert relative(encoder.context(conv, frames)[0], wanted) > 0.1


@pytest.mark.parametrize("groups", [2, 8, 16])
def test_bf16_hears_what_fp32_hears(groups):
    """Groups of 32, 8 and 4 channels in the positional convolution; the narrow ones once gave another embedding."""
    from stages.encoders.speech import SpeechEncoder

    torch.manual_seed(0)
    config = {"model_type": "hubert", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"intermediate_size": 128, "conv_dim": [32] * 7, "num_conv_pos_embeddings": 32}
    encoder = SpeechEncoder.build(config | {"num_conv_pos_embedding_groups": groups}).eval()
    waves, lengths = torch.randn(2, 16_000), torch.tensor([16_000, 9_000])
    with torch.no_grad():
        exact, frames = encoder(waves, lengths)
        with torch.autocast("cpu", torch.bfloat16):
            rounded, _ = encoder(waves, lengths)
    for a, b in zip(exact, rounded, strict=True):
        for one, other, n in zip(a, b, frames, strict=True):
            assert (one[:n] - other[:n]).norm() < 0.05 * one[:n].norm()
