"""Transcribe clips with Whisper in batches, with the text, checks and fallback of ``whisper.transcribe``.

``transcribe`` decodes one clip at a time in windows of 30 s. Here ``whisper.decode`` decodes clips of one window size
together, with timestamps, and each clip gets the same rules (Radford et al. 2022, section 4.5): what counts as silence,
what is decoded again at a higher temperature, which tokens are text, and whether decoding would continue after the last
timestamp. ``transcribe`` itself decodes the few clips that would continue, and those longer than 30 s.
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
    """Samples of a clip's encoder window: 30 s, or its own length plus the margin, rounded up."""
    if settings.window == "30s":
        return N_SAMPLES
    whole = int(samples) + round(settings.margin * SAMPLE_RATE)
    return min(-(-whole // STEP) * STEP, N_SAMPLES)


def batches(lengths: np.ndarray, settings) -> list[list[int]]:
    """Positions of clips that are decoded together: same window, at most ``settings.batch``; long clips alone."""
    groups: dict[int, list[int]] = {}
    for i, samples in enumerate(lengths):
        groups.setdefault(window(samples, settings) if samples <= N_SAMPLES else -1, []).append(i)
    lists = []
    for size, group in sorted(groups.items()):
        rows = settings.batch if size > 0 else 1
        lists += [group[start : start + rows] for start in range(0, len(group), rows)]
    return lists


def listen(model, settings, names: list[str], waves: list[np.ndarray]) -> list[dict]:
    """Whisper's result for clips, float32 [samples], of one window size (see :func:`batches`).

    Keys: text, avg_logprob (mean log probability per token), no_speech_prob, compression_ratio (of the text, zlib),
    temperature (0 unless the fallback was needed) and the flags, each 0 or 1: repetitive and improbable (Whisper's two
    checks, failed at every temperature), silent (counts as silence, no text), rushed (more words than one can say).
    """
    if len(waves[0]) > N_SAMPLES:
        return [_long(model, settings, name, wave) for name, wave in zip(names, waves, strict=True)]
    with torch.no_grad():
        encoded = _encode(model, settings, waves)
        results = _Task(model, _options(settings, 0.0)).run(encoded)
        rows = []
        for name, wave, features, result in zip(names, waves, encoded, results, strict=True):
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
    """Decoding of encoder outputs, in windows of any length."""

    def _get_audio_features(self, heard: torch.Tensor) -> torch.Tensor:
        return heard

    def _main_loop(self, heard: torch.Tensor, tokens: torch.Tensor):
        """Whisper's own loop, but clips whose text has ended leave the batch, so a repetitive clip delays no other.

        Returns tokens [clips, longest], padded with the end token, sums of log probabilities, no-speech probabilities.
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

    On a CPU each thread encodes one clip at a time: that is twice as fast as all threads on the same clip, and a clip's
    result does not depend on the others.
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
    """Whisper's encoder on mels of any length; its own forward requires 30 s."""
    gelu = torch.nn.functional.gelu
    values = gelu(encoder.conv2(gelu(encoder.conv1(mels)))).permute(0, 2, 1)
    values = (values + encoder.positional_embedding[: values.shape[1]]).to(values.dtype)
    for block in encoder.blocks:
        values = block(values)
    return encoder.ln_post(values)


def _mel(model, wave: np.ndarray, frames: int) -> torch.Tensor:
    """Log-mel spectrogram [mels, frames] as whisper.transcribe computes it: the clip's complete frames, then zeros.

    It appends 30 s of silence before the spectrum; half a window has the same effect.
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
    """The text of a result as in whisper.transcribe, or None if it would continue after the last timestamp.

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
    kept = [piece for piece in pieces if piece[0] != piece[-1]]  # skip segments without duration
    return " ".join(tokeniser.decode([t for piece in kept for t in piece if t < tokeniser.eot]).split())


def _long(model, settings, name: str, wave: np.ndarray) -> dict:
    """A clip through whisper.transcribe in windows of 30 s, with the worst quality values of its segments."""
    _seed(settings, name)
    result = whisper.transcribe(
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
    return _row(settings, wave, " ".join(result["text"].split()), [_Segment(part) for part in result["segments"]])


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
