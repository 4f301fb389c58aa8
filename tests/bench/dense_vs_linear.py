"""Why Dense (Pepino 2021) lies below logistic regression on RAVDESS with global normalisation: an ablation.

    python -m tests.bench.dense_vs_linear        after `make ravdess`; three minutes

Every row is a small network on the *mean* of an utterance's frames, so all differ from Dense in that; then one thing at
a time is changed towards the linear control. Folds, validation actors and stopping as in the study; validation and test
UAR, means over folds and three seeds.
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from stages.metrics.scores import uar
from stages.models.dense import LayerAverage
from stages.recipes.frames import Frames
from stages.recipes.training_inputs import Inputs

ROWS = {
    "as Dense: layers averaged, dropout 0.2": {"side_by_side": False, "decay": 0.0},
    "+ weight decay 1": {"side_by_side": False, "decay": 1.0},
    "+ layers side by side": {"side_by_side": True, "decay": 1.0},
}


def network(x: np.ndarray, targets, fold, seed: int, side_by_side: bool, decay: float) -> np.ndarray:
    """Predicted classes of all utterances; ``x`` is [utterances, layers, width]."""
    torch.manual_seed(seed)
    values, labels = torch.tensor(x, dtype=torch.float32), torch.from_numpy(targets)
    layers, width = values.shape[1:]
    average = LayerAverage(layers)
    head = torch.nn.Sequential(
        torch.nn.Linear(layers * width if side_by_side else width, 128),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.2),
        torch.nn.Linear(128, 128),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.2),
        torch.nn.Linear(128, int(targets.max()) + 1),
    )
    optimiser = torch.optim.AdamW([*average.parameters(), *head.parameters()], 1e-3, eps=1e-7, weight_decay=decay)

    def outputs(rows):
        return head(values[rows].flatten(1) if side_by_side else average(values[rows].transpose(0, 1)))

    best, found, waited = np.inf, None, 0
    while waited < 10:
        head.train()
        for batch in torch.from_numpy(fold.train)[torch.randperm(len(fold.train))].split(32):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(outputs(batch), labels[batch]).backward()
            optimiser.step()
        head.eval()
        with torch.no_grad():
            loss = float(torch.nn.functional.cross_entropy(outputs(fold.val), labels[fold.val]))
            waited += 1
            if loss < best:
                best, found, waited = loss, outputs(np.arange(len(values))).argmax(1).numpy(), 0
    return found


def main() -> None:
    data = Path("data")
    paths = {
        "manifest": data / "ingest/ravdess/manifest.csv",
        "protocol": data / "ingest/ravdess/protocols/ravdess-emobox.csv",
        "speech": data / "features/ravdess/whisper-tiny.h5",
    }
    inputs = Inputs(paths, "params.yaml", "emotion")
    store, targets, results = inputs.speech, inputs.examples.targets, {}
    frames = Frames(store, inputs.rows(store), [name for name in store.layers if name.isdigit()], 0, 0)
    for number in inputs.examples.folds:
        fold = inputs.examples.fold(number)
        frames.normalise("global", inputs.speakers, fold.train)
        x = frames.pooled("mean")
        test = np.setdiff1d(fold.scored, fold.val)
        flat = x.reshape(len(x), -1)
        flat = (flat - flat[fold.train].mean(0)) / (flat[fold.train].std(0) + 1e-6)
        found = {name: [network(x, targets, fold, seed, **how) for seed in range(3)] for name, how in ROWS.items()}
        control = LogisticRegression(C=0.001, max_iter=500, class_weight="balanced")
        found["logistic regression, layers side by side, C 0.001"] = [
            control.fit(flat[fold.train], targets[fold.train]).predict(flat)
        ]
        for name, seeds in found.items():
            scores = [[uar(targets[rows], p[rows]) for p in seeds] for rows in (fold.val, test)]
            results.setdefault(name, []).append(np.mean(scores, 1))
    print(f"{'RAVDESS, Whisper-tiny, mean-pooled, global normalisation':62} validation   test UAR")
    for name, scores in results.items():
        validation, test = np.mean(scores, 0)
        print(f"{name:62} {100 * validation:10.1f} {100 * test:10.1f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
