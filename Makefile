# Model Ferry. `make demo` shows it, `make test` proves it; `make help` lists the rest.
#
#   DEVELOPER=1                    warnings are errors
#   SANITIZE=address,undefined     a sanitizer build, in a folder of its own
#   PREFIX=/usr/local DESTDIR=     where `make install` puts things
#
# A new .c file is found by itself: src/cli/cmd_NAME.c becomes the program ferry-NAME,
# tests/unit/**/test_*.c a unit test, tests/fuzz/fuzz_*.c a fuzz target, and
# tests/tools/NAME.c a helper in build/tests/.

VERSION := 0.1.0
PREFIX ?= /usr/local
CC ?= cc
PYTHON ?= /usr/bin/python3
SANITIZE ?=
BUILD ?= build$(if $(SANITIZE),/sanitize)
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# -- flags ---------------------------------------------------------------------------

PACKAGES := libcurl libcrypto jansson inih libarchive libgit2 libzstd expat
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes \
	-Wpointer-arith -Wwrite-strings -Wformat=2 -Wno-unknown-warning-option -Wno-format-truncation \
	-Wno-format-nonliteral $(if $(DEVELOPER),-Werror)
HARDENING := -fPIE -fstack-protector-strong -fstack-clash-protection
OPTIMISE := $(if $(SANITIZE),-O1 -fno-omit-frame-pointer,-O2 -D_FORTIFY_SOURCE=2)
SANITIZER := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)

ALL_CFLAGS := -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFERRY_VERSION='"$(VERSION)"' \
	-Isrc -Itests/unit/support -pthread -g $(OPTIMISE) $(WARNINGS) $(HARDENING) $(SANITIZER) $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS := -pie -pthread -Wl,--as-needed -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack \
	$(SANITIZER) $(LDFLAGS)

# -- what there is to build ----------------------------------------------------------

MAINS := src/cli/main.c src/cli/ferry.c
SOURCES := $(filter-out $(MAINS),$(wildcard src/*/*.c src/*/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
COMMANDS := $(patsubst src/cli/cmd_%.c,%,$(wildcard src/cli/cmd_*.c))
PROGRAMS := $(BUILD)/bin/ferry $(COMMANDS:%=$(BUILD)/bin/ferry-%)
UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c tests/unit/*/test_*.c))
UNIT_HELPERS := $(wildcard tests/unit/support/*.c)
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
LIBRARY := $(BUILD)/libferry.a
MAN_SOURCES := $(wildcard man/*.scd)
MAN_PAGES := $(MAN_SOURCES:man/%.scd=$(BUILD)/man/%)

.PHONY: all programs demo test check unit cli-tests bench fuzz lint install uninstall \
	clean dist deps docs help

all: deps
	@$(MAKE) --no-print-directory programs docs

programs: $(PROGRAMS) $(TOOLS)

# Flags that change rebuild everything.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(subst ','\'',$(ALL_CFLAGS)) $(ALL_LDFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(subst ','\'',$(ALL_CFLAGS)) $(ALL_LDFLAGS)' > $@
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/obj/main-%.o: src/cli/main.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DCOMMAND=cmd_$* -MMD -MP -c $< -o $@

$(BUILD)/bin/ferry: $(BUILD)/obj/src/cli/ferry.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/bin/ferry-%: $(BUILD)/obj/main-%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/tests/%: $(BUILD)/obj/tests/tools/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_HELPERS:%.c=$(BUILD)/obj/%.o) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -lcmocka -o $@

.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# -- tests ---------------------------------------------------------------------------

unit: $(UNIT_TESTS)
	@scripts/run-unit-tests $^

clean:
	rm -rf build
