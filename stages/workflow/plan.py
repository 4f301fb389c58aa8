"""Which files a job reads: studies, systems and encoders resolved to paths. The rules of the Snakefile ask here."""

import os
import sys

from ..conditions import config
from ..config.settings import dig
from ..corpora.manifest import known
from ..protocols.config import columns
from ..raw_inputs import names as inventories
from ..recipes import system_config
from ..runtime import code_digest
from ..runtime.errors import UserError

DATA = "data"

Files = dict[str, str | list[str]]


class Reads(dict):
    """Settings by dotted key, as Snakemake records them; in a command line it prints as its keys."""

    def __str__(self) -> str:
        return " ".join(self)


class Plan:
    """The validated parameters, seen as a graph of files.

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

    def encoder(self, study: str, wanted: str, kind: str) -> str:
        """The encoder that stands for ``wanted`` in a study; see :func:`stages.recipes.system_config.encoder`."""
        return system_config.encoder(
            self.params["studies"][study], wanted, kind, self.params["encoders"].get(wanted, {})
        )

    def networked(self, encoder: str) -> bool:
        """Whether an encoder is a network, which a GPU computes faster, and not a descriptor."""
        return self.params["encoders"][encoder]["kind"] not in ("egemaps", "spectrogram", "mfcc")

    def parts(self, study: str, name: str) -> list[str]:
        """The jobs that share the folds of a system."""
        count = self.params["studies"][study]["parts"] if self.row(study, name).heavy else 1
        return [f"{i}of{count}" for i in range(1, count + 1)]

    def shards(self, corpus: str, encoder: str) -> list[str]:
        """The files that hold the frames of a corpus' store of speech features, where it is not a single one."""
        count = self.params["shards"].get(corpus, 1)
        if count == 1:
            return []
        return [f"{DATA}/features/{corpus}/{encoder}/{i}of{count}.h5" for i in range(1, count + 1)]

    def files(self, study: str, names: tuple[str, ...], speech="study", text="study", beside="") -> Files:
        """Paths of the inputs ``names`` (see stages/recipes/inputs.py) in a study, with manifest and protocol.

        Where stores are in shards, ``frames`` are all of these; scripts find them by themselves.
        """
        own = self.params["studies"][study]
        corpus, transcripts = own["corpus"], own["transcripts"]
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
        """The file of an encoder that the pipeline pretrains itself; empty for any other."""
        spec = self.params["encoders"].get(encoder, {})
        return f"{DATA}/pretrain/{spec['pretrain']}.safetensors" if "pretrain" in spec else ""

    def inventory(self, *encoders: str) -> Files:
        """The input ``inventory`` of a job that opens ``encoders``, where one lies in a folder of this disk."""
        found = inventories.of_encoders(self.params, encoders)
        return {"inventory": found} if found else {}

    def protocol_inputs(self, corpus: str, protocol: str) -> Files:
        """Manifest of a corpus, with the columns beyond it where the protocol's definition names one of those."""
        found: Files = {"manifest": f"{DATA}/ingest/{corpus}/manifest.csv"}
        named = columns(self.params["protocols"][protocol])
        if self.params["corpora"][corpus]["reader"] == "table" and not all(map(known, named)):
            found["extra"] = inventories.corpus(corpus)["extra"]
        return found

    def features_inputs(self, corpus: str, encoder: str, transcripts: str = "", part: str = "") -> Files:
        """Inputs of the job that extracts a store or one ``part`` of it, or that joins those."""
        if not transcripts and not part and (shards := self.shards(corpus, encoder)):
            return {"audio": f"{DATA}/ingest/{corpus}/audio.h5", "shards": shards}
        source = (
            {"transcripts": f"{DATA}/transcribe/{corpus}/{transcripts}.csv"}
            if transcripts
            else {"audio": f"{DATA}/ingest/{corpus}/audio.h5"}
        )
        weights = self.weights(encoder)
        return source | ({"pretrained": weights} if weights else {}) | self.inventory(encoder)

    def chain_inputs(self, stage: str, study: str, name: str, part: str) -> Files:
        """Inputs of ``adapt``, ``cluster`` and ``retrain``, each beginning from the one before."""
        entry = self.params[stage][name]
        found = self.files(study, ("speech", "audio", "speech-weights"), entry["speech"])
        before = {"cluster": "adapt", "retrain": "cluster"}.get(stage)
        if before and entry[before]:
            found["start"] = f"{DATA}/{before}/{study}/{entry[before]}/{part}.safetensors"
        return found

    def system_inputs(self, study: str, name: str, part: str) -> Files:
        """Inputs of the job that trains a system."""
        row = self.row(study, name)
        found = self.files(study, row.files(), row.speech, row.text, getattr(row, "beside", ""))
        if row.recipe == "external":
            found["elsewhere"] = row.file
        if "start" in row.files():
            if row.recipe == "student":
                found["start"] = f"{DATA}/teach/{study}/{row.teacher}/1of1.views.safetensors"
            elif row.start:
                found["start"] = f"{DATA}/retrain/{study}/{row.start}/{part}.safetensors"
        return found

    def training_cores(self, study: str, name: str) -> int:
        """What a training job can use: several workers for a frozen system with several seeds."""
        section, row = self.params["train"], self.row(study, name)
        several = not row.heavy and not row.deterministic and len(self.params["studies"][study]["seeds"]) > 1
        return section["threads"] * (section["workers"] if several else 1)

    def chain_reads(self, stage: str, study: str, name: str) -> dict:
        """What a job of ``adapt``, ``cluster`` or ``retrain`` depends on of params.yaml."""
        speech = self.encoder(study, self.params[stage][name]["speech"], "speech")
        return self.reads(f"{stage}.{name}", f"studies.{study}.seeds", f"encoders.{speech}")

    def encoder_options(self, study: str, speech: str = "", text: str = "", beside: str = "") -> str:
        """The command-line options that name a job's encoders; '' for one that it does not use."""
        wanted = {"speech": speech, "text": text, "beside": beside}
        return " ".join(f"--{k}-encoder {self.encoder(study, name, k)}" for k, name in wanted.items() if name)

    def system_encoders(self, study: str, name: str) -> str:
        row = self.row(study, name)
        return self.encoder_options(study, **row.encoders())

    def predictions(self, study: str, name: str) -> list[str]:
        stage = self.row(study, name).stage
        return [f"{DATA}/{stage}/{study}/{name}/{part}.csv" for part in self.parts(study, name)]

    def models(self, study: str, name: str) -> list[str]:
        """The models that lie beside the predictions."""
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

    def evaluate_reads(self, study: str, name: str) -> dict:
        """What scoring a system depends on of params.yaml: its section, and where its encoders come from."""
        return self.reads("evaluate", *(f"encoders.{one}.source" for one in self.published(study, name)))

    def seen_options(self, study: str, name: str) -> str:
        """The command-line options that say what a system's published encoders are, and where scorings are counted."""
        corpus, encoders = self.params["studies"][study]["corpus"], " ".join(self.published(study, name))
        return f"--corpus {corpus} --ledger {self.ledger(study)}" + (f" --encoders {encoders}" if encoders else "")

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

    def reads_text(self, study: str) -> bool:
        """Whether a system of the study reads its transcripts."""
        own = self.params["studies"][study]
        return bool(own["transcripts"]) and any(self.row(study, name).reads_text for name in own["systems"])

    def report_inputs(self, study: str) -> Files:
        own = self.params["studies"][study]
        found = self.files(study, ()) | self.protocol_inputs(own["corpus"], own["protocol"])
        if self.reads_text(study):
            found["transcripts"] = f"{DATA}/transcribe/{own['corpus']}/{own['transcripts']}.csv"
        found["evaluations"] = [f"{DATA}/evaluate/{study}/{name}.json" for name in own["systems"]]
        found["predictions"] = [f"{DATA}/evaluate/{study}/{name}.csv" for name in own["systems"]]
        if tried := self.trials(study):
            found["robustness"] = [f"{DATA}/robustness/{study}/{trial}/{name}.json" for trial, name in tried]
            found["tried"] = [f"{DATA}/robustness/{study}/{trial}/{name}.csv" for trial, name in tried]
        found["quarantine"] = f"{DATA}/ingest/{own['corpus']}/quarantine.csv"
        if self.params["corpora"][own["corpus"]]["reader"] == "planted":
            found["ceilings"] = f"{DATA}/ingest/{own['corpus']}/ceilings.json"
        return found

    def report(self, study: str) -> str:
        return f"{DATA}/report/{study}/index.html"

    def report_reads(self, study: str) -> dict:
        """What a report depends on of params.yaml: its section, the study, its corpus, protocol and systems' rows."""
        own = self.params["studies"][study]
        keys = [f"corpora.{own['corpus']}", f"protocols.{own['protocol']}"]
        keys += [f"robustness.{trial}" for trial in own.get("trials", {})]
        keys += [f"transcripts.{own['transcripts']}"] if self.reads_text(study) else []
        for name in own["systems"]:
            named = set(self.row(study, name).encoders().values()) - {"study"}
            keys += [f"systems.{name}", f"rows.{study}.{name}", *(f"encoders.{encoder}" for encoder in sorted(named))]
        return self.reads("report", "evaluate", f"studies.{study}", *dict.fromkeys(keys))

    def target(self, study: str):
        """The report of an active study; for any other an input function that says what to do."""
        if study in self.active:
            return self.report(study)

        def refuse(wildcards):
            raise UserError(
                f"{self.path}: study '{study}' is not active; add it to the list:"
                f" active: [{', '.join([*self.active, study])}]"
            )

        return refuse

    def reads(self, *keys: str) -> Reads:
        """The settings at dotted ``keys``: all that a job may read of them."""
        return Reads({key: dig(self.params, key, self.path) for key in keys})

    def system_reads(self, stage: str, study: str, name: str) -> dict:
        """What a training job reads: its stage's section, its row in the study, the seeds, its encoders."""
        row = self.row(study, name)
        keys = [stage, f"rows.{study}.{name}", f"studies.{study}.seeds"]
        if {"speech-weights", "text-weights"} & set(row.files()):
            keys.append(f"encoders.{self.encoder(study, row.speech, 'speech')}")
        if "text-weights" in row.files():
            keys.append(f"encoders.{self.encoder(study, row.text, 'text')}")
        return self.reads(*keys)

    def recipe_code(self, stage: str, study: str, name: str) -> str:
        return code_digest.digest(stage, f"recipes.{self.row(study, name).recipe}")


def options(inputs) -> str:
    """Named inputs of a rule as command-line options: ``--name path ...``.

    Left out are ``frames``, which stand in their store, and ``inventory``, which says whether raw files have changed.
    """
    return " ".join(f"--{name} {paths}" for name, paths in inputs.items() if name not in ("frames", "inventory"))


def prepare_environment() -> None:
    """What the jobs of this run find in their environment: our Python first, and which process is their parent.

    A job whose parent is another one is an orphan; see :func:`stages.runtime.process.die_with_parent`.
    """
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    os.environ["SERPENTINE_PARENT"] = str(os.getpid())
