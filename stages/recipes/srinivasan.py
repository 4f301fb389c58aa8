"""Srinivasan 2022: regressors on frozen features, the multimodal teacher, and students that hear audio alone.

One model serves all rows of Tables 2 and 3. A student is drawn to the teacher's joint embedding where the teacher is
right (see gate.py); without a teacher it is fine-tuned alone.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import model_validator

from ..config.settings import setting
from ..training.economy import Economy
from .system_config import DIMENSIONS, System

if TYPE_CHECKING:
    from .modalities import Frozen, Tuned
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Srinivasan(Economy, System):
    """Rows 3 to 12 of Table 2 and 2 to 6 of Table 3."""

    recipe: Literal["srinivasan"] = setting("the recipe: stages/recipes/srinivasan.py")
    task: DIMENSIONS = setting("what is predicted")
    sees: Literal["speech", "text", "both"] = setting("text: of the study's transcripts; both: a teacher")
    aggregator: Literal["gru", "transformer"] = setting("what sums up a modality (the paper: comparable)")
    hidden: int = setting("units of that", ge=1)
    gru_layers: int = setting("layers of that", ge=1)
    embedding: int = setting("width of the projection; a student's is its teacher's", ge=1)
    normalise: Literal["speaker", "global", "none"] = setting("of frozen features (the paper names none)")
    tuned_blocks: int = setting("top transformer blocks of the speech encoder that are fine-tuned; 0: frozen", ge=0)
    start: str = setting("a system of the study whose trained weights this one starts from; '': from none")
    start_with: Literal["encoder", "gru", "whole"] = setting(
        "what is taken of it: the encoder, with its GRU, or with projection and prediction too"
    )
    teacher: str = setting("the system that teaches; '': none (the settings from here to residuals then do nothing)")
    weight: float = setting("lambda, of the embedding loss (equation 7)", ge=0)
    distance: Literal["norm", "mse"] = setting("embedding loss: un-squared L2 norm as printed, or mean square")
    gate: float = setting("residuals beyond so many standard deviations close the gate; 0: never (T/S)", ge=0)
    residuals: Literal["train", "cross"] = setting(
        "of the teacher itself on its training rows, or of its cross-fitted predictions"
    )
    cross_folds: int = setting(
        "of a teacher: parts of the training speakers, each predicted by a model of the others too; 0: none", ge=0
    )
    alpha: dict[Literal["arousal", "valence", "dominance"], float] = setting(
        "weight of each dimension in the loss (equation 5); only their ratio counts"
    )
    learning_rate: float = setting("of Adam, times 0.75 after more than 2 epochs without improvement", gt=0)
    encoder_rate: float = setting("learning rate of the tuned blocks, as a share of learning_rate", gt=0)
    batch: int = setting("utterances per forward pass", ge=2)
    epochs: int = setting("epochs; the best on validation is kept", ge=1)
    inputs: ClassVar = ("speech", "text", "speech-weights", "teacher", "start")
    networked: ClassVar = True

    @model_validator(mode="after")
    def _fits(self):
        if self.sees != "speech" and (self.tuned_blocks or self.teacher):
            raise ValueError(f"sees: {self.sees}: a student hears speech alone, and only speech encoders are tuned")
        if self.tuned_blocks and self.normalise != "none":
            raise ValueError("normalise: is for frozen features; set it to none, or tuned_blocks to 0")
        if self.cross_folds == 1 or (self.cross_folds and self.sees != "both"):
            raise ValueError("cross_folds: 2 or more, of a system that sees both; 0 for any other")
        if self.aggregator == "transformer" and self.hidden % 4:
            raise ValueError("hidden: a transformer has four heads; give a multiple of 4")
        if not all(weight > 0 for weight in self.alpha.values()) or len(self.alpha) < 3:
            raise ValueError("alpha: a positive weight for each of arousal, valence and dominance")
        return self

    @property
    def stage(self) -> str:
        return "teach" if self.sees == "both" else "distill" if self.heavy else "train"

    @property
    def heavy(self) -> bool:
        return bool(self.teacher or self.tuned_blocks)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those seen, in the order in which their summaries are joined."""
        return ("speech", "text") if self.sees == "both" else (self.sees,)

    @property
    def after(self) -> dict[str, str]:
        return {name: system for name in ("teacher", "start") if (system := getattr(self, name))}

    def files(self) -> tuple[str, ...]:
        return (*self.modalities, *(["speech-weights"] if self.tuned_blocks else []), *self.after)

    def layers_read(self) -> dict[str, list[str]]:
        """The last layer; where blocks are trained, the state that the first of them takes."""
        layer = f"last-{self.tuned_blocks}" if self.tuned_blocks else "last"
        return {kind: [layer] for kind in self.modalities}


class Trained(NamedTuple):
    """A trained model, its input, how it predicts (see :class:`stages.recipes.modalities.Frozen`), scaling, history."""

    model: object
    seen: "Frozen | Tuned"
    outputs: Callable[[np.ndarray], np.ndarray]
    scaling: dict[str, np.ndarray]
    history: dict


def train(row: Srinivasan, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, dimensions] in the corpus' units, the model's arrays, notes.

    A teacher's arrays hold besides what a student learns from: ``teacher/embedding`` [utterances, embedding] and
    ``teacher/predicted`` [utterances, dimensions] in the corpus' units, zero outside this fold's training and
    validation rows, for a student must never see the teacher's view of a test utterance; and, where it is cross-fitted,
    ``teacher/crossed`` [utterances, dimensions], NaN outside the training rows.
    """
    from ..training.weights import network
    from .cross_fitting import cross_fitted

    views = {}
    if row.cross_folds:

        def predicted_by(inner, share):
            return _trained(row, inputs, inner, seed, share, None, {}).outputs(inner.test)

        views["teacher/crossed"] = cross_fitted(inputs, fold, row.cross_folds, unit, predicted_by)
    pull, notes = _pull(row, inputs, fold, seed) if row.teacher else (None, {})
    taken = inputs.before("start", fold, seed) if row.start else {}
    made = _trained(row, inputs, fold, seed, unit, pull, taken)
    inputs.note_seen("regressor", inputs.examples.names(fold.train))
    arrays = network(made.model) | {f"model/scaling/{name}": values for name, values in made.scaling.items()}
    if row.sees == "both":
        views |= _views(row, inputs, fold, made)
        notes["fit"] = {
            part: inputs.examples.agreement(rows, views["teacher/predicted"][rows])
            for part, rows in (("train", fold.train), ("val", fold.val))
        }
    return made.outputs(fold.scored), arrays | made.seen.arrays() | views, notes | {"history": made.history}


def restored(row: Srinivasan, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled

    model, seen = _model(row, inputs, arrays, inputs.outputs, lambda model: filled(model, arrays))
    return seen.predictor(model, arrays["scaling/low"], arrays["scaling/span"])


def _model(row: Srinivasan, inputs, fit, outputs: int, begin: Callable):
    """The model, with the weights that ``begin`` puts into it, and what it sees; ``fit``: of the normalisation."""
    from ..models.srinivasan import Srinivasan as Model
    from .modalities import Frozen, Tuned

    encoder = inputs.speech_encoder() if row.tuned_blocks else None
    seen = None if encoder else Frozen(inputs, row.modalities, row.normalise, fit)
    widths = seen.widths if seen else {"speech": encoder.width}
    sizes = row.aggregator, row.hidden, row.gru_layers, row.embedding
    model = begin(Model(widths, *sizes, outputs, encoder).to(inputs.device))
    return model, seen or Tuned(inputs, encoder, row.tuned_blocks, row.batch)


def _trained(row: Srinivasan, inputs, fold, seed: int, unit, pull: Callable | None, taken: dict) -> Trained:
    """A model trained on a fold; ``pull`` is the embedding loss, ``taken`` the unit whose weights it starts from."""
    import torch

    from ..models.losses import ccc_loss
    from ..training.batches import shuffled
    from ..training.loop import fit, on_plateau, seeded
    from .fine_tuning import groups, scaled

    examples = inputs.examples
    generator = seeded(seed)
    model, seen = _model(row, inputs, fold, examples.outputs, lambda model: _begun(row, model, taken))
    optimiser = torch.optim.Adam(groups(model, row.learning_rate, row.learning_rate * row.encoder_rate))
    low, span, targets = scaled(examples, fold, inputs.device)
    outputs = seen.predictor(model, low, span)
    alpha = _alpha(row, examples.dimensions, inputs.device)

    def loss_of(positions):
        embedding, predicted = model(*seen(positions))
        loss = ccc_loss(predicted, targets[positions], weights=alpha)
        return pull(loss, embedding, positions) if pull else loss

    history = fit(
        model,
        optimiser,
        lambda _: shuffled(fold.train, row.batch, generator, drop_last=True),
        loss_of,
        lambda: examples.score(fold.val, outputs(fold.val)),
        epochs=row.epochs,
        plateau=on_plateau(optimiser, 0.75, 2),
        generator=generator,
        economy=row,
        unit=unit,
    )
    return Trained(model, seen, outputs, {"low": low, "span": span}, history.__dict__)


def _begun(row: Srinivasan, model, taken: dict):
    """``model`` with the part of another unit's weights that the row takes; frozen rows have no encoder to take."""
    from ..encoders.checkpoint import fill
    from ..training.weights import as_tensors

    if taken:
        own = model.state_dict()
        parts = {"encoder": ("encoder.",), "gru": ("encoder.", "summaries."), "whole": ("",)}[row.start_with]
        found = {name: value for name, value in as_tensors(taken, "network/").items() if name.startswith(parts)}
        kept = {name for name in own if not name.startswith(parts) or name.startswith("encoder.")}
        fill(model, {name: own[name] for name in kept} | found, f"start: {row.start}")
    return model


def _alpha(row: Srinivasan, dimensions: list[str], device):
    """Weights of the dimensions [dimensions] that add up to one; None where all are the same."""
    import torch

    alpha = torch.tensor([row.alpha[name] for name in dimensions], device=device)
    return None if (alpha == alpha[0]).all() else alpha / alpha.sum()


def _pull(row: Srinivasan, inputs, fold, seed: int) -> tuple[Callable, dict]:
    """What adds the embedding loss (equations 6 and 7) to a loss, and notes with the gate."""
    import torch

    from .gate import gate

    examples = inputs.examples
    views = inputs.before("teacher", fold, seed)
    predicted = views["crossed" if row.residuals == "cross" else "predicted"]
    closing = gate(predicted, examples.targets, fold.train, row.gate)
    inputs.note_seen("gate", examples.names(fold.train))
    notes = closing.notes(examples.names(fold.train), examples.dimensions, inputs.utterances)
    learns = np.zeros(len(examples.targets), bool)
    learns[fold.train] = closing.open
    learns = torch.from_numpy(learns).to(inputs.device)
    taught = torch.from_numpy(views["embedding"]).to(inputs.device)

    def pull(loss, embedding, positions):
        open_here = learns[positions]
        if not row.weight or not open_here.any():
            return loss
        gap = (embedding.float() - taught[positions])[open_here]
        distance = gap.norm(dim=1) if row.distance == "norm" else gap.square().mean(1)
        return loss + row.weight * distance.mean()

    return pull, {"gate": notes}


def _views(row: Srinivasan, inputs, fold, made: Trained) -> dict[str, np.ndarray]:
    known = np.concatenate([fold.train, fold.val])
    count, outputs = len(inputs.examples.targets), inputs.examples.outputs
    embedding, predicted = np.zeros((count, row.embedding), np.float32), np.zeros((count, outputs), np.float32)
    embedding[known], scaled = made.seen.views(made.model, known)
    predicted[known] = scaled * made.scaling["span"] + made.scaling["low"]
    return {"teacher/embedding": embedding, "teacher/predicted": predicted}
