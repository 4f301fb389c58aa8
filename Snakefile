"""Serpentine: from a corpus to a report, each stage in stages/NAME.smk and stages/NAME.py, in this order.

snakemake                 every active study of params.yaml
snakemake STUDY           one of them
snakemake -n              what a change made stale, and why
"""

import sys
import time

from snakemake.utils import min_version

from stages.parameters import whole as parameters
from stages.raw_inputs import inventories
from stages.runtime import code_digest, errors
from stages.versions import checkout, runs
from stages.workflow import cluster, condition_jobs, corpus_jobs, failures, scoring_jobs, training_jobs
from stages.workflow.plan import Plan, options, prepare_environment

min_version("9.27")
prepare_environment()


try:
    settings = parameters.load()
    plan = Plan(settings)
    if workflow.is_main_process:
        parameters.write(settings)
        inventories.refresh(settings, plan.active)
        runs.record_pending()
        checkout.refuse_foreign()
        cluster.distrust_survivors()
except errors.UserError as mistake:
    sys.exit(f"error: {mistake}")

NAME, STARTED = r"[^/]+", time.time()


wildcard_constraints:
    corpus=NAME,
    protocol=NAME,
    transcripts=NAME,
    encoder=r"(?!\d+of\d+\.)[^/]+",
    study=NAME,
    system=NAME,
    trial=NAME,
    name=NAME,
    part=r"\d+of\d+",


# on a cluster: seconds of bookkeeping, done where Snakemake runs
localrules:
    inventory,
    inventory_encoder,
    inventory_transcripts,
    manifest,
    protocol,
    ceilings,
    report,


rule all:
    default_target: True
    input:
        [plan.report(study) for study in plan.active],


include: "stages/inventory.smk"
include: "stages/ingest.smk"
include: "stages/manifest.smk"
include: "stages/protocol.smk"
include: "stages/ceilings.smk"
include: "stages/transcribe.smk"
include: "stages/pretrain.smk"
include: "stages/features.smk"
include: "stages/adapt.smk"
include: "stages/cluster.smk"
include: "stages/retrain.smk"
include: "stages/train.smk"
include: "stages/teach.smk"
include: "stages/distill.smk"
include: "stages/evaluate.smk"
include: "stages/robustness.smk"
include: "stages/report.smk"


for study in plan.params["studies"]:

    rule:
        name:
            study
        input:
            plan.target(study),


onstart:
    try:
        cluster.begin(workflow)
    except errors.UserError as mistake:
        sys.exit(f"error: {mistake}")


onsuccess:
    cluster.end()
    try:
        runs.commit(workflow)
    except errors.UserError as mistake:
        sys.exit(f"error: {mistake}")


onerror:
    failures.show(since=STARTED)
