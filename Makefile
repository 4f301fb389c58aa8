# make          set up .venv, run the active studies of params.yaml, print their tables
# make STUDY    one active study
# make why      what is stale, because of what, and what the next run costs; make why STUDY: of one study
# make sync     after git checkout, dvc checkout or dvc pull
# make compare REV=…   the metrics here against those of a commit, paired
# make test     set up, then the tests (about 25 minutes)
# make lint     ruff, snakefmt, snakemake --lint
# make claims   the long statistical tests (hours)
# make encoders the built-in encoders from their beginning, shipped in stages/encoders/builtin/ (3 hours)

SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)
CORES ?= all
GPUS := $(shell command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -c '^GPU')
RUN = flock --nonblock --conflict-exit-code 75 .snakemake/one-run \
  snakemake --cores $(CORES) $(if $(filter-out 0,$(GPUS)),--resources gpu=$(GPUS)) --nolock --rerun-incomplete \
  --keep-going --quiet all --
SHOW = python -m stages.report --log data/logs/show.log --show

.PHONY: all test lint claims schema environment why sync compare encoders
all: environment
	@$(call run,all)
	@for study in $$(python -c 'import json; print(*json.load(open("data/settings.json"))["active"])'); do $(SHOW) data/report/$$study; done

environment:
	@envs/setup.sh
	@mkdir -p .snakemake

define run
  $(RUN) $(1) || { status=$$?; [ $$status != 75 ] || echo "error: another run holds this folder; wait for it or end it" >&2; exit $$status; }
endef

# behind `why`, words are names of studies to tell of, not to run
ifeq (why,$(firstword $(MAKECMDGOALS)))
ASKED := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
$(if $(ASKED),$(eval .PHONY: $(ASKED))$(eval $(ASKED):;@:))
endif

# any other word is the name of a study
%: environment
	@$(call run,$@)
	@$(SHOW) data/report/$@

Makefile: ;

why sync: environment
	@python -m stages.versions $@ $(ASKED)

compare: environment
	@python -m stages.versions compare $(REV)

encoders: environment
	snakemake --cores $(CORES) --nolock --rerun-incomplete data/pretrain/{hubert,hubert-ctc,bert}-whole.safetensors
	python -m stages.pretraining

schema: environment
	python -m stages.parameters --schema

test: environment
	OMP_NUM_THREADS=1 python -m pytest --numprocesses 2 --dist loadfile $(TESTS)

lint: environment
	ruff check && ruff format --check
	snakefmt --check Snakefile stages
	python -m tests.lint

claims: environment
	python -m pytest tests/claims -s
