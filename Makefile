.PHONY: demo test check vllm clean
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

demo: $(STAMP)
	$(VENV)/bin/trialogue demo

test: $(STAMP)
	PYTHONSAFEPATH=1 $(PY) -m pytest -q -n 2 -rs tests

check: $(STAMP)
	PYTHONSAFEPATH=1 $(PY) -m pytest -q -n 2 -m "not slow and not vllm and not browser and not postgres and not ray" tests

$(STAMP): pyproject.toml constraints-cpu.txt
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install -q -c constraints-cpu.txt -e '.[dev,pg]'
	touch $(STAMP)
