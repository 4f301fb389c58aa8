"""The models of all sections put together: what params.yaml and the catalogue may say."""

from typing import Annotated, Any

from pydantic import Field

from ..adapt import Adapt
from ..cluster import Cluster
from ..conditions import config as conditions
from ..config.settings import Section, setting
from ..corpora.readers import Corpus
from ..distill import Distill
from ..encoders import Encoder
from ..encoders.specs import Features
from ..evaluate import Evaluate
from ..ingest import Ingest
from ..pretrain import Pretrain
from ..protocols.config import Protocol
from ..recipes.cmgi import Cmgi
from ..recipes.control import Control
from ..recipes.correlation import Correlation
from ..recipes.external import External
from ..recipes.finetune import Finetune
from ..recipes.fusion import Fusion
from ..recipes.gmp import Gmp
from ..recipes.layers import Layers
from ..recipes.linear import Linear
from ..recipes.probe import Probe
from ..recipes.regressor import Regressor
from ..recipes.srinivasan import Srinivasan
from ..report import Report
from ..retrain import Retrain
from ..teach import Teach
from ..train import Train
from ..transcribe import Source

Row = Annotated[
    Control
    | External
    | Linear
    | Correlation
    | Probe
    | Fusion
    | Finetune
    | Regressor
    | Layers
    | Cmgi
    | Gmp
    | Srinivasan,
    Field(discriminator="recipe"),
]


REGISTRIES = (
    *("studies", "corpora", "protocols", "transcripts", "encoders", "systems"),
    *("pretrain", "adapt", "cluster", "retrain", "robustness"),
)
RESERVED = ("all", "claims", "compare", "environment", "lint", "schema", "sync", "test", "why")
"""Words of the Makefile."""


class Study(Section):
    """One corpus, one protocol, encoders and transcripts, and the systems compared on them: one report."""

    corpus: str = setting("a name in corpora")
    protocol: str = setting("a name in protocols")
    speech: str = setting("the study's own speech encoder, a name in encoders")
    text: str = setting("the study's own text encoder, a name in encoders; '' where none is needed")
    transcripts: str = setting("a name in transcripts; '' where none are needed")
    substitute: bool = setting("true: the study's own encoders stand for those that the systems' rows name")
    parts: int = setting("jobs that share the folds of a heavy system; one per fold suits a cluster", ge=1)
    seeds: list[int] = setting("one training of every fold each", min_length=1)
    systems: list[str] = setting("names in systems", min_length=1)
    not_run: dict[str, str] = Field(
        {}, description="a row of the papers' tables that no system stands for: why; may be left out"
    )
    changes: dict[str, dict[str, Any]] = setting(
        "system, or STAGE.ENTRY of adapt, cluster or retrain: settings that differ here; reported as deviations"
    )
    trials: dict[str, list[str]] = Field(
        {}, description="a name in robustness: systems tried on it, [] for all that can be; may be left out"
    )


class Params(Section):
    """Everything."""

    active: list[str] = setting("the studies that this repository runs and versions")
    studies: dict[str, Study] = setting("what is compared, where")
    corpora: dict[str, Corpus] = setting("where utterances come from")
    protocols: dict[str, Protocol] = setting(
        "how a corpus is split; classes and merged labels. Empty keys may be left out"
    )
    transcripts: dict[str, Source] = setting("where text comes from")
    encoders: dict[str, Encoder] = setting("frozen or fine-tuned feature extractors")
    shards: dict[str, Annotated[int, Field(ge=1)]] = setting(
        "corpus: jobs (GPUs) that share the extraction of each of its speech features; 1 where it is not named"
    )
    systems: dict[str, Row] = setting("how a system is trained: one row each")
    ingest: Ingest
    pretrain: dict[str, Pretrain] = setting("built-in encoders")
    features: Features
    adapt: dict[str, Adapt] = setting("Pan 2024, stage 1")
    cluster: dict[str, Cluster] = setting("Pan 2024, pseudo-labels")
    retrain: dict[str, Retrain] = setting("Pan 2024, stage 2")
    train: Train
    teach: Teach
    distill: Distill
    evaluate: Evaluate
    robustness: dict[str, conditions.Trial] = setting("what trained systems are tried on, where a study asks for it")
    report: Report
