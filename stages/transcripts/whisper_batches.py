"""Batches of clips through Whisper, with the text, the checks and the fallback of ``whisper.transcribe``.

``transcribe`` takes one clip at a time and hears each window of 30 s once. Here clips of one window go through
``whisper.decode`` together, timestamps on, and its rules (Radford et al. 2022, section 4.5) are applied to each:
what counts as silence, what is decoded again at a higher temperature, which tokens are text, and whether it would go on
after the last timestamp. The few clips in which it would, and those beyond 30 s, go through ``transcribe`` itself.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import whisper
from whisper.audio import HOP_LENGTH, N_FFT, N_SAMPLES, SAMPLE_RATE, log_mel_spectrogram
from whisper.decoding import DecodingOptions, DecodingResult, DecodingTask
from whisper.tokenizer import get_tokenizer

STEP = SAMPLE_RATE
"""Short windows end on multiples of this many samples."""
FLAGS = ("repetitive", "improbable", "silent", "rushed")


def window(samples: int, settings) -> int:
    """Samples that the encoder hears of a clip: 30 s, or its own length and the margin, rounded up."""
    if settings.window == "30s":
        return N_SAMPLES
    whole = int(samples) + round(settings.margin * SAMPLE_RATE)
    return min(-(-whole // STEP) * STEP, N_SAMPLES)


def batches(lengths: np.ndarray, settings) -> list[list[int]]:
    """Positions of clips that are heard together: same window, at most ``settings.batch``; long ones alone."""
    groups: dict[int, list[int]] = {}
    for i, samples in enumerate(lengths):
        groups.setdefault(window(samples, settings) if samples <= N_SAMPLES else -1, []).append(i)
    found = []
    for size, group in sorted(groups.items()):
        rows = settings.batch if size > 0 else 1
        found += [group[start : start + rows] for start in range(0, len(group), rows)]
    return found


def listen(model, settings, names: list[str], waves: list[np.ndarray]) -> list[dict]:
    """What Whisper heard in clips float32 [samples] of one window, see :func:`batches`.

    Keys: text, avg_logprob (mean log probability per token), no_speech_prob, compression_ratio (of the text, zlib),
    temperature (0 unless the fallback was needed) and the flags, each 0 or 1: repetitive and improbable (the two checks
    of Whisper, failed to the last), silent (taken for silence, so without text), rushed (more words than can be said).
    """
    if len(waves[0]) > N_SAMPLES:
        return [_long(model, settings, name, wave) for name, wave in zip(names, waves, strict=True)]
    with torch.no_grad():
        heard = _encode(model, settings, waves)
        results = _Task(model, _options(settings, 0.0)).run(heard)
        rows = []
        for name, wave, features, result in zip(names, waves, heard, results, strict=True):
            if settings.window == "clip" and _failed(settings, result):  # in 30 s it may pass, as most do
                features = _encode(model, settings.model_copy(update={"window": "30s"}), [wave])[0]
                result = _Task(model, _options(settings, 0.0)).run(features[None])[0]
            for temperature in settings.temperatures:
                if not _failed(settings, result):
                    break
                _seed(settings, name)
                result = _Task(model, _options(settings, temperature)).run(features[None])[0]
            text = _text(model, settings, result, len(wave) // HOP_LENGTH)
            rows.append(_long(model, settings, name, wave) if text is None else _row(settings, wave, text, [result]))
    return rows


class _Task(DecodingTask):
    """Decoding of what the encoder has heard already, in windows of any length."""

    def _get_audio_features(self, heard: torch.Tensor) -> torch.Tensor:
        return heard

    def _main_loop(self, heard: torch.Tensor, tokens: torch.Tensor):
        """As Whisper's own, but clips whose text has ended leave the batch: one that repeats itself holds up no other.

        Returns tokens [clips, longest], filled up with the end's, sums of log probabilities and of no speech.
        """
        if self.n_group > 1:
            return super()._main_loop(heard, tokens)
        end, silence = self.tokenizer.eot, [float("nan")] * len(tokens)
        found = torch.full((len(tokens), self.n_ctx + 1), end, device=tokens.device)
        sums, rows = torch.zeros(len(tokens), device=heard.device), torch.arange(len(tokens), device=tokens.device)
        try:
            for step in range(self.sample_len):
                logits = self.inference.logits(tokens, heard)
                if step == 0 and self.tokenizer.no_speech is not None:
                    first = logits[:, self.sot_index].float().softmax(-1)
                    silence = first[:, self.tokenizer.no_speech].tolist()
                logits = logits[:, -1]
                for rule in self.logit_filters:
                    rule.apply(logits, tokens)
                part = sums[rows]
                tokens, completed = self.decoder.update(tokens, logits, part)
                sums[rows], found[rows, : tokens.shape[1]] = part, tokens
                if completed or tokens.shape[1] > self.n_ctx:
                    break
                goes_on = tokens[:, -1] != end
                if goes_on.float().mean() <= 0.75:
                    tokens, heard, rows = tokens[goes_on], heard[goes_on], rows[goes_on]
                    cache = self.inference.kv_cache
                    cache.update({module: values[goes_on] for module, values in cache.items()})
        finally:
            self.inference.cleanup_caching()
        return found[:, : tokens.shape[1]], sums, silence


def _encode(model, settings, waves: list[np.ndarray]) -> torch.Tensor:
    """The encoder's output [clips, frames, width], 50 frames per second of the clips' window.

    A processor takes the clips one by one, each thread another: that is twice as fast as all threads on the same clip,
    and what is heard of a clip does not depend on the others.
    """
    frames = window(len(waves[0]), settings) // HOP_LENGTH

    def encode(part: list[np.ndarray]) -> torch.Tensor:
        with torch.no_grad():
            mels = torch.stack([_mel(model, wave, frames) for wave in part])
            return _forward(model.encoder, mels.to(torch.float16 if settings.precision == "fp16" else torch.float32))

    if model.device.type != "cpu":
        return encode(waves)
    with ThreadPoolExecutor(settings.threads, initializer=lambda: torch.set_num_threads(1)) as pool:
        return torch.cat(list(pool.map(encode, [[wave] for wave in waves])))


def _forward(encoder, mels: torch.Tensor) -> torch.Tensor:
    """Whisper's encoder on mels of any length; its own forward insists on 30 s."""
    gelu = torch.nn.functional.gelu
    values = gelu(encoder.conv2(gelu(encoder.conv1(mels)))).permute(0, 2, 1)
    values = (values + encoder.positional_embedding[: values.shape[1]]).to(values.dtype)
    for block in encoder.blocks:
        values = block(values)
    return encoder.ln_post(values)


def _mel(model, wave: np.ndarray, frames: int) -> torch.Tensor:
    """Log-mel spectrogram [mels, frames] as whisper.transcribe makes it: the clip's whole frames, then zeros.

    It appends 30 s of silence before it takes the spectrum; half a window of it is enough to the same effect.
    """
    content = len(wave) // HOP_LENGTH
    mel = log_mel_spectrogram(wave, model.dims.n_mels, padding=N_FFT, device=model.device)[:, : min(content, frames)]
    return torch.nn.functional.pad(mel, (0, frames - mel.shape[1]))


def _options(settings, temperature: float) -> DecodingOptions:
    return DecodingOptions(
        language=settings.language,
        temperature=temperature,
        beam_size=settings.beam if settings.beam > 1 and temperature == 0 else None,
        fp16=settings.precision == "fp16",
    )


def _failed(settings, result: DecodingResult) -> bool:
    """Whisper's own rule: repetitive or improbable, unless it is silence."""
    if result.no_speech_prob > settings.no_speech and result.avg_logprob < settings.logprob:
        return False
    return result.compression_ratio > settings.compression_ratio or result.avg_logprob < settings.logprob


def _silent(settings, result: DecodingResult) -> bool:
    return result.no_speech_prob > settings.no_speech and not result.avg_logprob > settings.logprob


def _text(model, settings, result: DecodingResult, content: int) -> str | None:
    """The text that whisper.transcribe makes of a result, or None where it would go on after the last timestamp.

    ``content`` is the clip's number of mel frames.
    """
    if _silent(settings, result) or not content:
        return ""
    tokeniser = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language=settings.language)
    tokens, first = np.array(result.tokens, int), tokeniser.timestamp_begin
    stamp = tokens >= first
    cuts = (np.flatnonzero(stamp[:-1] & stamp[1:]) + 1).tolist()
    if not cuts:
        return " ".join(result.text.split())
    if stamp[-2:].tolist() == [False, True]:
        cuts.append(len(tokens))
    elif (tokens[cuts[-1] - 1] - first) * 2 < content:
        return None
    pieces = np.split(tokens, cuts)[: len(cuts)]
    kept = [piece for piece in pieces if piece[0] != piece[-1]]  # an instantaneous segment is none
    return " ".join(tokeniser.decode([t for piece in kept for t in piece if t < tokeniser.eot]).split())


def _long(model, settings, name: str, wave: np.ndarray) -> dict:
    """A clip through whisper.transcribe, in windows of 30 s; the qualities are its segments' worst."""
    _seed(settings, name)
    found = whisper.transcribe(
        model,
        wave,
        temperature=(0.0, *settings.temperatures),
        compression_ratio_threshold=settings.compression_ratio,
        logprob_threshold=settings.logprob,
        no_speech_threshold=settings.no_speech,
        language=settings.language,
        beam_size=settings.beam if settings.beam > 1 else None,
        fp16=settings.precision == "fp16",
    )
    return _row(settings, wave, " ".join(found["text"].split()), [_Segment(part) for part in found["segments"]])


class _Segment:
    """A segment of whisper.transcribe with the names of a DecodingResult."""

    def __init__(self, part: dict):
        self.avg_logprob, self.no_speech_prob = part["avg_logprob"], part["no_speech_prob"]
        self.compression_ratio, self.temperature = part["compression_ratio"], part["temperature"]


def _row(settings, wave: np.ndarray, text: str, parts: list) -> dict:
    ratio = max((float(part.compression_ratio) for part in parts), default=None)
    logprob = min((float(part.avg_logprob) for part in parts), default=None)
    seconds = max(len(wave), 1) / SAMPLE_RATE
    return {
        "text": text,
        "avg_logprob": logprob,
        "no_speech_prob": max((float(part.no_speech_prob) for part in parts), default=None),
        "compression_ratio": ratio,
        "temperature": max((float(part.temperature) for part in parts), default=None),
        "repetitive": int(ratio is not None and ratio > settings.compression_ratio),
        "improbable": int(logprob is not None and logprob < settings.logprob),
        "silent": int(not parts or all(_silent(settings, part) for part in parts)),
        "rushed": int(len(text.split()) > settings.pace * seconds),
    }


def _seed(settings, name: str) -> None:
    digest = hashlib.sha256(f"{settings.seed}:{name}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:7], "little"))
