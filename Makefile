# make demo   install and train a first residual network (less than three minutes on two cores)
# make test   install what the tests need and run them
# Everything goes into .venv; nothing else on the machine is touched. Another Python has a folder of its own:
# make test PYTHON=python3.13   in .venv-python3.13

PYTHON ?= python3
EXTRAS ?= dev,plot,images
JOBS ?= 2
DEMO_ARGS ?=
FAST ?= 1
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
LOWEST := .venv-lowest
MUTATION := .venv-mutation
INSTALLED := .venv-installed
DOCS := .venv-docs
LITE := .venv-lite
CUDA := .venv-cuda
SITE := docs/_build/html
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --quiet install

.PHONY: help demo test test-all test-lowest test-installed docs translations lite lint format coverage cuda-ci mutation clean

help:
	@sed -n 's/^# make/make/p' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: $(BIN)/python setup.cfg
	$(BIN)/python $(PIP) -e ".[plot]"
	@touch $@

$(VENV)/.dev-$(EXTRAS): $(BIN)/python setup.cfg
	$(BIN)/python $(PIP) -e ".[$(EXTRAS)]"
	@touch $@

demo: $(VENV)/.user
	$(BIN)/minires train --model resnet20 --epochs 3 $(DEMO_ARGS)
	@echo "first         source $(VENV)/bin/activate"

test: $(VENV)/.dev-$(EXTRAS)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "not slow" $(PYTEST_ARGS)

# make test-all   also the tests that take minutes
test-all: $(VENV)/.dev-$(EXTRAS)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

# make test-lowest   every command and the tests with the lowest versions that setup.cfg allows (Python 3.11 or 3.12)
$(LOWEST)/.ready: setup.cfg tests/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(PYTHON) tests/lowest.py > $(LOWEST)/pins.txt
	$(LOWEST)/bin/python $(PIP) -c $(LOWEST)/pins.txt -e ".[$(EXTRAS),notebook]"
	@touch $@

test-lowest: $(LOWEST)/.ready
	$(LOWEST)/bin/python tests/smoke.py
	OPENBLAS_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n $(JOBS) -m "not slow" $(PYTEST_ARGS)

# make test-installed   every command, from a source archive that is installed away from the sources
test-installed: $(VENV)/.dev-$(EXTRAS)
	rm -rf dist && $(PYTHON) -m venv --clear $(INSTALLED)
	$(BIN)/python -c "from setuptools.build_meta import build_sdist; build_sdist('dist')"
	$(INSTALLED)/bin/python $(PIP) dist/minires-*.tar.gz
	$(INSTALLED)/bin/python tests/smoke.py

# make docs   the site in docs/_build/html, in English and Chinese; what tutorials print is kept until minires changes
# make docs FAST=   the same with the long computations of the tutorials at full length
$(DOCS)/.ready: setup.cfg docs/ipython_kernel_config.py
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python $(PIP) -e ".[docs]"
	mkdir -p $(DOCS)/etc/ipython
	cp docs/ipython_kernel_config.py $(DOCS)/etc/ipython
	npm install --silent --no-save --prefix $(DOCS) mathjax@3.2.2
	@touch $@

docs: $(DOCS)/.ready
	mkdir -p docs/_build/static/mathjax
	cp $(DOCS)/node_modules/mathjax/es5/tex-svg-full.js docs/_build/static/mathjax
	set -e; for language in en zh; do \
	    $(DOCS)/bin/python docs/stage.py $$language docs/_build/$$language; \
	    DOCS_LANGUAGE=$$language MINIRES_FAST=$(FAST) OPENBLAS_NUM_THREADS=1 $(DOCS)/bin/python -m sphinx -qW --keep-going \
	        -c docs docs/_build/$$language $(SITE)/$$language; \
	done
	cp docs/start.html $(SITE)/index.html
	$(DOCS)/bin/python docs/links.py $(SITE)

# make translations   bring the Chinese catalogues in docs/locale to the English that stands there now
translations: $(DOCS)/.ready
	$(DOCS)/bin/python docs/stage.py en docs/_build/en
	$(DOCS)/bin/python -m sphinx -q -b gettext -D nb_execution_mode=off -c docs docs/_build/en docs/_build/gettext
	$(DOCS)/bin/python docs/translations.py docs/_build/gettext docs/_build/en

# make lite   tutorials and assignments in JupyterLite, for a browser alone, in docs/_build/lite
# make lite MINIRES_PYODIDE=DIR   the same with the runtime from a folder: docs/lite/pyodide_folder.py makes one
$(LITE)/.ready: setup.cfg
	$(PYTHON) -m venv --clear $(LITE)
	$(LITE)/bin/python $(PIP) -e ".[lite]"
	@touch $@

lite: $(LITE)/.ready
	MINIRES_PYODIDE=$(MINIRES_PYODIDE) $(LITE)/bin/python docs/lite/build.py docs/_build/lite

# make lint   as in continuous integration: mistakes, types, and whether everything is formatted
lint: $(VENV)/.dev-$(EXTRAS)
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

# make format   write everything in one style
format: $(VENV)/.dev-$(EXTRAS)
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

# make coverage   which lines the tests reach
coverage: $(VENV)/.dev-$(EXTRAS)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest -m "not slow"
	$(BIN)/python -m coverage report

# make cuda-ci   every CUDA kernel compiled for every architecture without a GPU: registers, shared memory, no spills
# make cuda-ci ARCHITECTURES="80 120"   the same for some of them, and no table
$(CUDA)/.ready: setup.cfg
	$(PYTHON) -m venv --clear $(CUDA)
	$(CUDA)/bin/python $(PIP) -e ".[cuda-ci]"
	@touch $@

cuda-ci: $(CUDA)/.ready
	$(CUDA)/bin/python bench/cuda_ci.py bench/results/cuda/kernels.md $(ARCHITECTURES)

# make mutation   does a test notice every change of the layers, losses, optimisers and sums of the trace? (an hour or two)
# make mutation ONLY=minires/layers/norm.py   the same for one file
$(MUTATION)/.ready: setup.cfg
	$(PYTHON) -m venv --clear $(MUTATION)
	$(MUTATION)/bin/python $(PIP) -e ".[dev,mutation]"
	@touch $@

mutation: $(MUTATION)/.ready
	$(MUTATION)/bin/python tests/mutation/run.py $(ONLY)

clean:
	rm -rf $(VENV) $(LOWEST) $(INSTALLED) $(MUTATION) $(DOCS) $(LITE) $(CUDA) docs/_build build dist *.egg-info
