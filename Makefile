# Model Ferry. `make demo` shows it, `make test` proves it; `make help` lists the rest.
#
#   DEVELOPER=1                    warnings are errors
#   SANITIZE=address,undefined     a sanitizer build, in a folder of its own
#   SANITIZE=thread                one that finds data races; `ci/threads` runs the tests of threads
#   PORTABLE=1                     without the calls that only Linux has, in a folder of its own
#   PREFIX=/usr/local DESTDIR=     where `make install` puts things
#   LIBDIR=PREFIX/lib              where the libraries go
#   V=1                            shows the commands that make runs
#
# A new .c file is found by itself: src/cli/cmd_NAME.c (or a folder of it) becomes the program
# ferry-NAME, tests/unit/**/test_*.c a unit test, tests/fuzz/fuzz_*.c a fuzz target, and
# tests/tools/NAME.c a helper in build/tests/.

VERSION := 0.1.0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
CC ?= cc
OBJCOPY ?= objcopy
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3
SANITIZE ?=
PORTABLE ?=
SANITIZED := $(if $(SANITIZE),/sanitize$(if $(findstring thread,$(SANITIZE)),-thread))
BUILD ?= build$(SANITIZED)$(if $(PORTABLE),/portable)
FUZZ_SECONDS ?= 60
# V=1 shows the commands.
Q := $(if $(V),,@)
# The number of processes that build and run unit tests at once: that of `make -j`, else one for
# each processor. End-to-end tests also wait, so there are two more.
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
PYTEST_JOBS ?= $(shell n=$(JOBS); echo $$((n < 6 ? n + 2 : 8)))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# -- flags ---------------------------------------------------------------------------

PACKAGES := libcurl libcrypto jansson inih libarchive libgit2 libzstd expat \
	sqlite3 libpq libmaxminddb libmicrohttpd hiredis
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null) -lm

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes \
	-Wpointer-arith -Wwrite-strings -Wformat=2 -Wno-unknown-warning-option \
	-Wno-format-truncation -Wno-format-nonliteral $(if $(DEVELOPER),-Werror)
HARDENING := -fPIC -fvisibility=hidden -fstack-protector-strong -fstack-clash-protection
OPTIMISE := $(if $(SANITIZE),-O1 -fno-omit-frame-pointer,-O2 -D_FORTIFY_SOURCE=2)
# GCC takes variables for uninitialized in code that a sanitizer adds to.
SANITIZER := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
	-Wno-maybe-uninitialized)

# What the C library may declare: everything on Linux; with PORTABLE=1, POSIX and the few further
# functions in ci/portable.h.
OFFER := -D_GNU_SOURCE
ALL_CFLAGS = -std=c17 $(OFFER) -D_FILE_OFFSET_BITS=64 -DFERRY_VERSION='"$(VERSION)"' \
	$(if $(PORTABLE),-DFERRY_PORTABLE) -Isrc -Itests/unit/support -pthread -g $(OPTIMISE) \
	$(WARNINGS) $(HARDENING) $(SANITIZER) $(PKG_CFLAGS) $(CFLAGS)
# For linkers of ELF systems, including FreeBSD. On macOS leave out all -Wl options, which its
# linker does not support, and -fstack-clash-protection above.
ALL_LDFLAGS := -pie -pthread -Wl,--as-needed -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack \
	$(SANITIZER) $(LDFLAGS)

ifneq ($(PORTABLE),)
$(BUILD)/obj/src/%.o $(BUILD)/obj/main-%.o: OFFER := -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE \
	-include ci/portable.h
endif

# -- what there is to build ----------------------------------------------------------

MAINS := src/cli/frame/main.c src/cli/ferry.c
SOURCES := $(filter-out $(MAINS),$(wildcard src/*/*.c src/*/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/assets.o
COMMANDS := $(patsubst cmd_%.c,%,$(notdir $(wildcard src/cli/cmd_*.c src/cli/*/cmd_*.c)))
PROGRAMS := $(BUILD)/bin/ferry $(COMMANDS:%=$(BUILD)/bin/ferry-%)
UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%, \
	$(wildcard tests/unit/test_*.c tests/unit/*/test_*.c))
# They take longest, above all under valgrind, and are begun first.
LONG_TESTS := publish/test_push_objects mirror/test_git mirror/test_contract http/test_http \
	serve/test_pull fetch/test_delta_engine health/test_rolling publish/test_feed \
	repository/test_writer_bins tuf/test_advisories fetch/test_delta publish/test_reuse \
	hash/test_onepass repository/test_minisign repository/test_repository tuf/test_client
LONG_FIRST = $(filter $(LONG_TESTS:%=$(BUILD)/tests/unit/%),$(UNIT_TESTS)) \
	$(filter-out $(LONG_TESTS:%=$(BUILD)/tests/unit/%),$(UNIT_TESTS))
UNIT_HELPERS := $(wildcard tests/unit/support/*.c)
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
# They take the place of calls of Linux.
SIMULATED := $(if $(filter Linux,$(shell uname -s)),$(patsubst tests/simulated/%.c, \
	$(BUILD)/tests/simulated-%.so,$(wildcard tests/simulated/*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
# All objects, for the programs and the tests; what applications get is libferry, below.
LIBRARY := $(BUILD)/all.a
MAN_SOURCES := $(wildcard man/*.scd)
MAN_PAGES := $(MAN_SOURCES:man/%.scd=$(BUILD)/man/%)

.PHONY: FORCE all programs product libferry demo demo-cloud test quick check unit \
	unit-programs arm-kernel cli-tests npm old-client bench fuzz lint format install \
	install-libferry install-ops uninstall clean dist deb deps docs help

all: deps
	@$(MAKE) --no-print-directory $(PARALLEL) programs docs

programs: $(PROGRAMS) $(TOOLS) $(SIMULATED) libferry

# What is installed, without what only the tests need.
product: $(PROGRAMS) libferry docs

# Changed flags rebuild everything.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(subst ','\'',$(ALL_CFLAGS)) $(ALL_LDFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(subst ','\'',$(ALL_CFLAGS)) $(ALL_LDFLAGS)' > $@
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC    $<'
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The files of the static site, embedded.
ASSETS := $(wildcard src/site/assets/*)
$(BUILD)/assets.c: $(ASSETS) scripts/embed
	@mkdir -p $(@D)
	$(Q)scripts/embed $(ASSETS) > $@

$(BUILD)/obj/assets.o: $(BUILD)/assets.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC    $<'
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/obj/main-%.o: src/cli/frame/main.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC    $< ($*)'
	$(Q)$(CC) $(ALL_CFLAGS) -DCOMMAND=cmd_$* -MMD -MP -c $< -o $@

$(BUILD)/bin/ferry: $(BUILD)/obj/src/cli/ferry.o $(LIBRARY)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/bin/ferry-%: $(BUILD)/obj/main-%.o $(LIBRARY)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -o $@

# -- libferry ------------------------------------------------------------------------

# Its number changes when a program that was built with an earlier one would not run.
SONAME := libferry.so.1
REALNAME := $(SONAME).$(VERSION)
LIBFERRY_PACKAGES := libcurl libcrypto jansson inih libzstd
LIBFERRY_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBFERRY_PACKAGES) 2>/dev/null)
LIBFERRY_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard src/ferry/*.c))

libferry: $(BUILD)/lib/libferry.a $(BUILD)/lib/libferry.so

$(BUILD)/lib/$(REALNAME): $(LIBFERRY_OBJECTS) $(LIBRARY) src/ferry/libferry.map
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(CC) $(filter-out -pie,$(ALL_LDFLAGS)) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs \
		-Wl,--version-script,src/ferry/libferry.map $(filter %.o %.a,$^) $(LIBFERRY_LIBS) \
		-o $@

$(BUILD)/lib/libferry.so: $(BUILD)/lib/$(REALNAME)
	$(Q)ln -sf $(<F) $(@D)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# One object, in which only the names of ferry.h are left: an application may use the same ones.
$(BUILD)/lib/libferry.a: $(LIBFERRY_OBJECTS) $(LIBRARY)
	@mkdir -p $(@D)
	@echo '  AR    $@'
	$(Q)$(CC) -r -nostdlib $(filter %.o %.a,$^) -o $(@D)/libferry.o
	$(Q)$(OBJCOPY) --localize-hidden $(@D)/libferry.o
	@rm -f $@
	$(Q)$(AR) rcs $@ $(@D)/libferry.o

$(BUILD)/tests/%: $(BUILD)/obj/tests/tools/%.o $(LIBRARY)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) $(PKG_LIBS) -o $@

# Preloaded into programs that the tests run: always built without sanitizers.
$(BUILD)/tests/simulated-%.so: tests/simulated/%.c
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE -g -O2 $(WARNINGS) -Wno-missing-prototypes -shared -fPIC \
		$< -o $@

$(BUILD)/tests/mirror-contract: $(BUILD)/obj/tests/unit/support/mirror_contract.o
$(BUILD)/tests/db-contract: $(BUILD)/obj/tests/unit/support/db_contract.o

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_HELPERS:%.c=$(BUILD)/obj/%.o) $(LIBRARY)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -lcmocka -o $@

.SECONDARY:
# The .d files are made together with the objects; do not search implicit rules for them.
$(BUILD)/obj/%.d: ;
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# -- documents -----------------------------------------------------------------------

COMPLETIONS := $(addprefix $(BUILD)/completions/,ferry.bash _ferry ferry.fish)

docs: $(MAN_PAGES) $(COMPLETIONS)

# A line "@OPTIONS@" in a command's page is replaced by the list from its option table.
$(BUILD)/man/%: man/%.scd scripts/make-man $(PROGRAMS)
	@mkdir -p $(@D)
	@echo '  MAN   $@'
	$(Q)scripts/make-man $< $(BUILD)/bin > $@

$(BUILD)/completions/ferry.bash: SHELL_NAME := bash
$(BUILD)/completions/_ferry: SHELL_NAME := zsh
$(BUILD)/completions/ferry.fish: SHELL_NAME := fish
$(COMPLETIONS): $(PROGRAMS)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/bin/ferry completion $(SHELL_NAME) > $@

# -- dependencies --------------------------------------------------------------------

deps:
	@scripts/install-deps build

# -- tests ---------------------------------------------------------------------------

# Installs what is missing, then builds and passes all tests.
test:
	@scripts/install-deps build test
	@$(MAKE) --no-print-directory check

# In less than a minute: the unit tests, the help and usage errors of every command, and the tours
# of the README.
quick:
	@$(MAKE) --no-print-directory $(PARALLEL) programs unit-programs
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory cli-tests \
		CLI_TESTS='tests/cli/test_frame.py tests/cli/test_readme.py'

# Runs both, one after the other, even if the first fails.
check:
	@$(MAKE) --no-print-directory $(PARALLEL) old-client npm programs docs unit-programs
	@failed=0; \
	$(MAKE) --no-print-directory unit || failed=1; \
	$(if $(SANITIZE),,$(MAKE) --no-print-directory arm-kernel || failed=1;) \
	$(MAKE) --no-print-directory cli-tests || failed=1; \
	exit $$failed

unit-programs: $(UNIT_TESTS)

# The SHA-256 block function for Armv8, as a separate program under qemu, without OpenSSL.
ARM_CC ?= aarch64-linux-gnu-gcc
ARM_RUN ?= qemu-aarch64
ARM_SOURCES := tests/arm/kernel.c tests/unit/support/sha256_check.c src/hash/sha256_kernel_arm.c \
	src/util/os.c

arm-kernel:
	@if command -v $(ARM_CC) >/dev/null && command -v $(ARM_RUN) >/dev/null; then \
		$(MAKE) --no-print-directory $(BUILD)/arm-kernel && \
		$(ARM_RUN) $(BUILD)/arm-kernel; \
	else \
		echo 'arm kernel: SKIPPED: $(ARM_CC) or $(ARM_RUN) is missing'; \
		[ "$$CI" != true ]; \
	fi

$(BUILD)/arm-kernel: $(ARM_SOURCES) $(wildcard src/hash/sha256_kernel*.h) \
		tests/unit/support/sha256_check.h
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(ARM_CC) -std=c17 -D_GNU_SOURCE -O2 $(WARNINGS) -static -ffunction-sections \
		-Wl,--gc-sections -Isrc -Itests/unit/support $(ARM_SOURCES) -o $@

# WITHOUT='fetch/test_delta …': but not these.
unit: unit-programs
	@JOBS=$(JOBS) scripts/run-unit-tests \
		$(filter-out $(WITHOUT:%=$(BUILD)/tests/unit/%),$(LONG_FIRST))

# The client of version 0.1, for the tests of compatibility: once for each checkout.
old-client:
	@+PYTHON=$(PYTHON) scripts/build-old tests/data/0.1/source.tar.xz build/0.1

# The packages that the tests use, while compilers keep the processors busy. Where that fails, the
# tests that need them say why.
npm:
	@cd tests/cli && $(PYTHON) -c 'import node_servers; node_servers.install()' 2>/dev/null || :

# PYTEST_ARGS="-k fetch -x" picks tests.
CLI_TESTS ?= tests/cli tests/ci
cli-tests: programs
	FERRY_BIN_DIR=$(abspath $(BUILD)/bin) $(PYTHON) -m pytest -q -p no:cacheprovider \
		-n $(PYTEST_JOBS) --durations=25 --durations-min=5 $(PYTEST_ARGS) \
		$(CLI_TESTS)

lint:
	@scripts/install-deps build test
	@ci/lint

# Needs clang-format 14.
format:
	@scripts/format

bench:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) programs
	@scripts/bench $(BUILD)
	@scripts/bench-buckets $(BUILD)
	@scripts/bench-catalog $(BUILD)
	@scripts/bench-fetch $(BUILD)
	@scripts/bench-fleet $(BUILD)
	@scripts/bench-health $(BUILD)
	@scripts/bench-serve $(BUILD)
	@scripts/bench-serve-auth $(BUILD)
	@scripts/bench-site $(BUILD)
	@scripts/bench-start $(BUILD)
	@scripts/bench-stats $(BUILD)
	@scripts/bench-verify $(BUILD)

# Runs the binary of each tests/fuzz/fuzz_*.c for FUZZ_SECONDS.
fuzz:
	@scripts/install-deps build test
	@$(MAKE) --no-print-directory $(PARALLEL) BUILD=build/fuzz CC=clang \
		SANITIZE=address,undefined,fuzzer-no-link DEVELOPER=1 fuzzers
	@scripts/run-fuzzers build/fuzz/fuzz $(FUZZ_SECONDS)

.PHONY: fuzzers fuzz-objects objects
fuzzers: $(FUZZERS)

# For lint: that they compile.
fuzz-objects: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/fuzz/fuzz_*.c))

# For lint, too: all of the programs, but for the linking.
objects: fuzz-objects $(OBJECTS) $(SIMULATED) $(BUILD)/obj/src/cli/ferry.o \
	$(COMMANDS:%=$(BUILD)/obj/main-%.o) $(TOOLS:$(BUILD)/tests/%=$(BUILD)/obj/tests/tools/%.o)

$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(LIBRARY)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer $^ $(PKG_LIBS) -o $@

demo:
	@scripts/install-deps build
	@$(MAKE) --no-print-directory $(PARALLEL) programs
	@scripts/demo $(BUILD)/bin

demo-cloud:
	@scripts/install-deps build demo-cloud
	@$(MAKE) --no-print-directory $(PARALLEL) programs
	@scripts/demo-cloud $(BUILD)/bin

# -- installing ----------------------------------------------------------------------

install: product install-libferry install-ops
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	for section in 1 3 5 7; do \
		install -d $(DESTDIR)$(PREFIX)/share/man/man$$section && \
		install -m 644 $(BUILD)/man/*.$$section $(DESTDIR)$(PREFIX)/share/man/man$$section \
		|| exit 1; \
	done
	install -d $(DESTDIR)$(PREFIX)/share/model-ferry/schemas
	install -m 644 schemas/*.json $(DESTDIR)$(PREFIX)/share/model-ferry/schemas
	install -d $(DESTDIR)$(PREFIX)/share/model-ferry/examples/verify-fleet
	install -m 644 examples/verify-fleet/* \
		$(DESTDIR)$(PREFIX)/share/model-ferry/examples/verify-fleet
	chmod 755 $(DESTDIR)$(PREFIX)/share/model-ferry/examples/verify-fleet/slurm.sh
	install -d $(DESTDIR)$(PREFIX)/share/model-ferry/examples/pipelines
	install -m 755 scripts/publish scripts/submission \
		$(DESTDIR)$(PREFIX)/share/model-ferry/examples/pipelines
	install -m 644 ci/github/*.yml ci/gitlab/*.yml \
		$(DESTDIR)$(PREFIX)/share/model-ferry/examples/pipelines
	install -D -m 644 $(BUILD)/completions/ferry.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ferry
	install -D -m 644 $(BUILD)/completions/_ferry \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_ferry
	install -D -m 644 $(BUILD)/completions/ferry.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ferry.fish

# The units run the programs of this PREFIX.
OPS := share/model-ferry/ops
install-ops:
	install -d $(addprefix $(DESTDIR)$(PREFIX)/$(OPS)/,prometheus grafana systemd alerts \
		container kubernetes node fronts)
	install -m 644 scripts/ops/crontab scripts/ops/logrotate scripts/ops/nginx-log.conf \
		$(DESTDIR)$(PREFIX)/$(OPS)
	install -m 644 scripts/ops/prometheus/* $(DESTDIR)$(PREFIX)/$(OPS)/prometheus
	install -m 644 scripts/ops/grafana/* $(DESTDIR)$(PREFIX)/$(OPS)/grafana
	install -m 644 scripts/ops/systemd/* $(DESTDIR)$(PREFIX)/$(OPS)/systemd
	install -m 755 scripts/ops/alerts/* $(DESTDIR)$(PREFIX)/$(OPS)/alerts
	install -m 644 scripts/ops/container/* $(DESTDIR)$(PREFIX)/$(OPS)/container
	install -m 644 scripts/ops/kubernetes/* $(DESTDIR)$(PREFIX)/$(OPS)/kubernetes
	install -m 644 scripts/ops/node/* $(DESTDIR)$(PREFIX)/$(OPS)/node
	install -m 644 scripts/ops/fronts/* $(DESTDIR)$(PREFIX)/$(OPS)/fronts
	sed -i 's|^ExecStart=ferry |ExecStart=$(PREFIX)/bin/ferry |' \
		$(DESTDIR)$(PREFIX)/$(OPS)/systemd/*.service \
		$(DESTDIR)$(PREFIX)/$(OPS)/node/*.service
	sed -i 's|/usr/local/|$(PREFIX)/|' $(DESTDIR)$(PREFIX)/$(OPS)/crontab \
		$(DESTDIR)$(PREFIX)/$(OPS)/node/crontab \
		$(DESTDIR)$(PREFIX)/$(OPS)/grafana/provisioning.yml

install-libferry: libferry
	install -D -m 644 src/ferry/ferry.h $(DESTDIR)$(PREFIX)/include/ferry.h
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 $(BUILD)/lib/libferry.a $(DESTDIR)$(LIBDIR)
	install -m 644 $(BUILD)/lib/$(REALNAME) $(DESTDIR)$(LIBDIR)
	ln -sf $(REALNAME) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libferry.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' \
		-e 's|@VERSION@|$(VERSION)|' -e 's|@PACKAGES@|$(LIBFERRY_PACKAGES)|' \
		src/ferry/libferry.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/libferry.pc
	install -d $(DESTDIR)$(PREFIX)/share/model-ferry/examples/libferry
	install -m 644 examples/libferry/fetch.* \
		$(DESTDIR)$(PREFIX)/share/model-ferry/examples/libferry
	chmod 755 $(DESTDIR)$(PREFIX)/share/model-ferry/examples/libferry/fetch.mjs

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(PROGRAMS)))
	for page in $(notdir $(MAN_PAGES)); do \
		rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page; \
	done
	rm -f $(DESTDIR)$(PREFIX)/include/ferry.h $(addprefix $(DESTDIR)$(LIBDIR)/, \
		pkgconfig/libferry.pc libferry.a libferry.so $(SONAME) $(REALNAME))
	rm -rf $(DESTDIR)$(PREFIX)/share/model-ferry
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ferry \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_ferry \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ferry.fish

# -- releases ------------------------------------------------------------------------

# DIST_KEY=KEY.pem: also signs it.
dist: $(if $(DIST_KEY),$(BUILD)/tests/sign-file)
	@SIGN=$(BUILD)/tests/sign-file scripts/dist $(VERSION) build $(DIST_KEY)

# Packages for the Debian or Ubuntu of this machine, of what `make dist` archives.
deb: dist
	@scripts/install-deps build deb
	@scripts/make-deb $(VERSION) build

clean:
	rm -rf build

help:
	@printf '%s\n' \
		'make demo       shows the whole path on this machine, with a small random model' \
		'make demo-cloud shows it with two buckets of an S3 server, which it installs' \
		'make test       installs missing packages, builds, runs all tests' \
		'make            builds into build/bin' \
		'make quick      runs some of the tests, in less than a minute' \
		'make check      runs all tests, without installing packages' \
		'make bench      measures speed and memory' \
		'make fuzz       runs every fuzz target for FUZZ_SECONDS (60)' \
		'make lint       checks warnings, layers, scripts, man pages and more' \
		'make format     formats the C files with clang-format' \
		'make install    installs into PREFIX (/usr/local), below DESTDIR' \
		'make uninstall  removes what install has installed' \
		'make dist       makes a source archive in build/' \
		'make deb        makes Debian packages in build/deb/' \
		'make clean      removes build/'
