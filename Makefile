# Posthorn. `make run` and `make test` do all the set-up they need on Debian 12 (packages by apt when run as root or with
# sudo). Everything else is a thin wrapper over CMake.
SHELL := /bin/bash
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
DEMO ?= $(CURDIR)/demo

.PHONY: help build console run test unit wire integration test-console slow fuzz asan tsan clang lint format docs bench fresh-debian install clean deps deps-test

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps:
	@tools/install-deps.sh build
deps-test:
	@tools/install-deps.sh build test

build: deps ## build/posthorn, optimised
	@cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPOSTHORN_TESTS=OFF $(CMAKE_ARGS) >/dev/null
	@cmake --build build -j $(JOBS) --target posthorn

console: ## build/console: the console for the browser (installs npm when it is missing)
	@tools/console.sh build

run: build ## a server with a demo domain on unprivileged ports, in the foreground
	@tools/console.sh try
	@tools/demo.sh build/posthorn "$(DEMO)"

test: deps-test ## all but slow: layout, clang; unit, wire, fuzz corpora, integration, the console in Chromium; asan; tsan
	@tools/install-deps.sh console browser
	@tools/test.sh all

unit: deps-test ## unit tests, wire scripts and fuzz corpora
	@tools/test.sh unit
integration: deps-test ## real servers and clients
	@tools/test.sh integration
test-console: deps-test ## the console: types, unit tests, and Chromium against a real server
	@tools/install-deps.sh console browser
	@tools/test.sh console
slow: deps-test ## 200 kills, 40 power cuts, long load (15 minutes)
	@tools/test.sh slow
asan: deps-test ## unit, wire, fuzz corpora and integration under ASAN and UBSAN
	@tools/test.sh asan
tsan: deps-test ## unit, wire, fuzz corpora and integration under TSAN
	@tools/test.sh tsan
clang: deps-test ## clang build, warnings are errors
	@tools/test.sh clang
lint: deps-test ## layout and includes
	@tools/test.sh lint
fuzz: deps-test ## each parser for FUZZ_SECONDS (60) with libFuzzer
	@tools/fuzz.sh $(or $(FUZZ_SECONDS),60)

format: ## clang-format on all sources
	@git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' | xargs clang-format -i

docs: build ## docs/settings.md and docs/events.md from the definitions, docs/openapi.json from the routes
	@cmake --build build --target gen-settings gen-events gen-openapi && build/gen-settings > docs/settings.md && \
		build/gen-events > docs/events.md && build/gen-openapi > docs/openapi.json

bench: build ## a quick benchmark of this machine, without peers
	@bench/quick.sh

fresh-debian: ## make run and make test in a minimal Debian 12 made by debootstrap (as root)
	@tools/fresh-debian.sh all

install: build ## into DESTDIR and PREFIX (/usr/local): program, console (when built), man pages, systemd unit
	@install -D -m 755 build/posthorn $(DESTDIR)$(PREFIX)/sbin/posthorn
	@if [ -f build/console/index.html ]; then rm -rf $(DESTDIR)$(PREFIX)/share/posthorn/console && \
		mkdir -p $(DESTDIR)$(PREFIX)/share/posthorn && cp -r build/console $(DESTDIR)$(PREFIX)/share/posthorn/console && \
		chmod -R u=rwX,go=rX $(DESTDIR)$(PREFIX)/share/posthorn; \
	else echo "The console is not built; make console builds it."; fi
	@for m in packaging/man/*.[1-8]; do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$$(basename $$m); done
	@mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	@sed 's|@PREFIX@|$(PREFIX)|g' packaging/posthorn.service.in > $(DESTDIR)$(PREFIX)/lib/systemd/system/posthorn.service

clean: ## removes build directories and the demo
	@rm -rf build build-* demo
