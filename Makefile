# make demo   install and train a first residual network (under five minutes on two cores)
# make test   install what the tests need and run them
# Everything goes into .venv; nothing else on the machine is touched.

PYTHON ?= python3
EXTRAS ?= dev,plot,images
JOBS ?= 2
DEMO_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test test-all lint coverage clean

help:
	@sed -n 's/^# make/make/p' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: $(BIN)/python setup.cfg
	$(PIP) install -e ".[plot]"
	@touch $@

$(VENV)/.dev-$(EXTRAS): $(BIN)/python setup.cfg
	$(PIP) install -e ".[$(EXTRAS)]"
	@touch $@

demo: $(VENV)/.user
	$(BIN)/minires train --model resnet20 --epochs 4 $(DEMO_ARGS)
	@echo "first         source $(VENV)/bin/activate"

test: $(VENV)/.dev-$(EXTRAS)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "not slow" $(PYTEST_ARGS)

# make test-all   also the tests that take minutes
test-all: $(VENV)/.dev-$(EXTRAS)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

# make lint   flake8, as in continuous integration
lint: $(VENV)/.dev-$(EXTRAS)
	$(BIN)/python -m flake8 minires minires_command.py tests tutorials

# make coverage   which lines the tests reach
coverage: $(VENV)/.dev-$(EXTRAS)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest -m "not slow"
	$(BIN)/python -m coverage report

clean:
	rm -rf $(VENV) build dist *.egg-info
