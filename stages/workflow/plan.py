"""Studies, systems and encoders resolved to the paths of their files. The rules of the Snakefile use it."""

import gc
import os
import sys

from ..conditions import config
from ..config.settings import dig
from ..raw_inputs import names as inventories
from ..recipes import chain, system_config
from ..runtime.errors import UserError

DATA = "data"

Files = dict[str, str | list[str]]


class Reads(dict):
    """Settings by dotted key. Snakemake records keys and values; in a command line only the keys are printed."""

    def __str__(self) -> str:
        return " ".join(self)


class Plan:
    """The checked settings as a graph of files.

    Every ``..._inputs`` method gives a dictionary from the name of an input to its path; the rules hand the same
    names to their script as options.
    """

    def __init__(self, params: dict, path: str = "params.yaml"):
        self.params, self.path = params, path
        self.active: list[str] = params["active"]

    def row(self, study: str, name: str) -> system_config.System:
        """The settings of a system in a study, its changes applied."""
        changes = self.params["studies"][study]["changes"].get(name, {})
        return system_config.row(self.params["systems"][name], changes, name, study, self.path)

    def entry(self, study: str, stage: str, name: str) -> dict:
        """The settings of an entry of ``adapt``, ``cluster`` or ``retrain`` in a study."""
        return chain.entry(self.params, study, stage, name)

    def chain(self, study: str, row: system_config.System) -> list[chain.Output]:
        """The outputs of ``adapt``, ``cluster`` and ``retrain`` that a row starts from, and those behind them."""
        return chain.behind(row.starts_from, lambda stage, name: self.entry(study, stage, name))

    def encoder(self, study: str, wanted: str, kind: str) -> str:
        """The encoder that stands for ``wanted`` in a study; see :func:`stages.recipes.system_config.encoder`."""
        return system_config.encoder(
            self.params["studies"][study], wanted, kind, self.params["encoders"].get(wanted, {})
        )

    def transcripts(self, study: str, name: str) -> str:
        """The entry of ``transcripts:`` whose text a system reads in a study; empty where it reads none."""
        row, own = self.row(study, name), self.params["studies"][study]
        return system_config.transcripts(own, row)

    def networked(self, encoder: str) -> bool:
        """Whether an encoder is a network, which a GPU computes faster, and not a descriptor."""
        return self.params["encoders"][encoder]["kind"] not in ("egemaps", "spectrogram", "mfcc")

    def heard(self, encoder: str) -> bool:
        """Whether an encoder that is fine-tuned may need the waveforms, though it is frozen below some boundary.

        Whisper's blocks see more than the feature store has (stages/encoders/prefix.py), and an encoder from a folder
        may be one that cannot be taken apart.
        """
        return self.params["encoders"][encoder]["kind"] in ("whisper", "transformers")

    def parts(self, study: str, name: str) -> list[str]:
        """The jobs that share the folds of a system."""
        count = self.params["studies"][study]["parts"] if self.row(study, name).heavy else 1
        return [f"{i}of{count}" for i in range(1, count + 1)]

    def shards(self, corpus: str, encoder: str) -> list[str]:
        """The shards of a corpus' store of speech features; none if the store is a single file."""
        count = self.params["shards"].get(corpus, 1)
        if count == 1:
            return []
        return [f"{DATA}/features/{corpus}/{encoder}/{i}of{count}.h5" for i in range(1, count + 1)]

    def files(
        self, study: str, names: tuple[str, ...], speech="study", text="study", beside="", transcripts=""
    ) -> Files:
        """Paths of the inputs ``names`` (see stages/recipes/training_inputs.py) in a study, with manifest and protocol.

        Where stores are in shards, ``frames`` are all of these; scripts find them by themselves.
        """
        own = self.params["studies"][study]
        corpus = own["corpus"]
        speech, text = self.encoder(study, speech, "speech"), self.encoder(study, text, "text")
        every = {
            "speech": f"{DATA}/features/{corpus}/{speech}.h5",
            "beside": f"{DATA}/features/{corpus}/{beside}.h5" if beside else "",
            "text": f"{DATA}/features/{corpus}/{transcripts}/{text}.h5",
            "audio": f"{DATA}/ingest/{corpus}/audio.h5",
            "transcripts": f"{DATA}/transcribe/{corpus}/{transcripts}.csv",
            "speech-weights": self.weights(speech),
            "text-weights": self.weights(text),
        }
        found = {
            "manifest": f"{DATA}/ingest/{corpus}/manifest.csv",
            "protocol": f"{DATA}/ingest/{corpus}/protocols/{own['protocol']}.csv",
        }
        encoders = {"speech": speech, "beside": beside}
        frames = [path for k, one in encoders.items() if k in names and one for path in self.shards(corpus, one)]
        found |= {name: every[name] for name in names if every.get(name)}
        used = [one for kind, one in (("speech", speech), ("text", text)) if f"{kind}-weights" in names]
        return found | ({"frames": list(dict.fromkeys(frames))} if frames else {}) | self.inventory(*used)

    def weights(self, encoder: str) -> str:
        """The file of an encoder that this pipeline pretrains; empty for any other encoder."""
        spec = self.params["encoders"].get(encoder, {})
        return f"{DATA}/pretrain/{spec['pretrain']}.safetensors" if "pretrain" in spec else ""

    def started(self, pretrain: str) -> Files:
        """The input ``source`` of a pretraining that starts from a file which an earlier one made."""
        source = self.params["pretrain"][pretrain].get("source", "")
        return {"source": source} if source.endswith(".safetensors") else {}

    def inventory(self, *encoders: str) -> Files:
        """The input ``inventory`` of a job that opens ``encoders``, if one of them is a local folder."""
        found = inventories.of_encoders(self.params, encoders)
        return {"inventory": found} if found else {}

    def predictions(self, study: str, name: str) -> list[str]:
        stage = self.row(study, name).stage
        return [f"{DATA}/{stage}/{study}/{name}/{part}.csv" for part in self.parts(study, name)]

    def models(self, study: str, name: str) -> list[str]:
        """The files with the models, beside the predictions."""
        return [path.removesuffix(".csv") + ".safetensors" for path in self.predictions(study, name)]

    def system_encoder_names(self, study: str, name: str) -> list[str]:
        """The encoders that a system uses in a study."""
        wanted = self.row(study, name).encoders()
        return list(dict.fromkeys(filter(None, (self.encoder(study, one, kind) for kind, one in wanted.items()))))

    def pretrained(self, study: str, name: str) -> list[str]:
        """The files of the encoders of a system that the pipeline pretrains itself."""
        return [path for path in map(self.weights, self.system_encoder_names(study, name)) if path]

    def published(self, study: str, name: str) -> list[str]:
        """The encoders of a system that come with published weights."""
        return [one for one in self.system_encoder_names(study, name) if "source" in self.params["encoders"][one]]

    def ledger(self, study: str) -> str:
        """The folder that counts how often the test part of a study's protocol was scored."""
        own = self.params["studies"][study]
        return f"{DATA}/scorings/{own['corpus']}/{own['protocol']}"

    def trial(self, name: str) -> config.Trial:
        """An entry of ``robustness:``."""
        return config.checked(self.params["robustness"][name], name, self.path)

    def trials(self, study: str) -> list[tuple[str, str]]:
        """Trial and system of every job of ``robustness`` that a study asks for."""
        own = self.params["studies"][study]
        return [
            (trial, name)
            for trial, wanted in own.get("trials", {}).items()
            for name in wanted or own["systems"]
            if name in own["systems"] and not config.untried(self.trial(trial), self.row(study, name))
        ]

    def report(self, study: str) -> str:
        return f"{DATA}/report/{study}/index.html"

    def target(self, study: str):
        """The report of an active study; for an inactive study an input function that raises the remedy."""
        if study in self.active:
            return self.report(study)

        def refuse(wildcards):
            raise self._inactive(study)

        return refuse

    def _inactive(self, study: str) -> UserError:
        return UserError(
            f"{self.path}: study '{study}' is not active; add it to the list:"
            f" active: [{', '.join([*self.active, study])}]"
        )

    def reads(self, *keys: str) -> Reads:
        """The settings at dotted ``keys``: all that a job may read of them.

        Raises
        ------
        UserError
            A key is of a row, or of an entry behind one, in a study that is not active.
        """
        for study in (key.split(".")[1] for key in keys if key.startswith(("rows.", "chains."))):
            if study not in self.active:
                raise self._inactive(study)
        return Reads({key: dig(self.params, key, self.path) for key in keys})


def options(inputs) -> str:
    """Named inputs of a rule as command-line options: ``--name path ...``.

    Without ``frames``, which their store names, and ``inventory``, which only says whether raw files have changed.
    """
    return " ".join(f"--{name} {paths}" for name, paths in inputs.items() if name not in ("frames", "inventory"))


def prepare_environment() -> None:
    """Set the environment of this run's jobs: our Python comes first, and they know their parent process.

    A job whose parent is another one is an orphan; see :func:`stages.runtime.process.die_with_parent`. What this
    process has imported stays to its end: the collector need not walk through it again and again.
    """
    gc.freeze()
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    os.environ["SERPENTINE_PARENT"] = str(os.getpid())
