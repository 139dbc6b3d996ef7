# dlv: `make demo` shows the main job, `make check` proves it, `make bench` measures it.
#
#   make [CC=clang]     build/dlv
#   make APPLETS="..."  the same with these applets alone; SMALL=1: all of it for size (each with a BUILD of its own)
#   make kiosk          build/kiosk/release/dlv: what a kiosk needs, for size (KIOSK_APPLETS)
#   make ARCH=aarch64   build/arm64/release/dlv for another machine; armhf and s390x likewise
#   make install        DESTDIR, PREFIX: the binary, its applet links, man pages, completions, documents
#   make dist           build/dist: a tarball, a Debian package, an SBOM, and their digests
#   make reproducible   two builds in differently named directories, compared byte for byte
#   make format         lays the sources out by .clang-format

MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
VARIANT ?= release
BUILD ?= build
DEPS := .deps
PREFIX ?= /usr/local
VERSION := 0.1.0
PYTHON := /usr/bin/python3

# Another machine's, by Debian's compilers and its musl.
ifneq ($(ARCH),)
all:
	@APPLETS='$(APPLETS)' SMALL='$(SMALL)' tools/cross --build $(ARCH)
else

.PHONY: always all demo check soak chaos nation bench bench-national roadside kiosk dist deb install clean distclean reproducible format man fuzz unit size constant-time
all: $(BUILD)/dlv $(BUILD)/dlv-load

ifeq ($(filter clean distclean format,$(MAKECMDGOALS)),)
# Missing or older than tools/setup: made by the rule below, and make starts over.
include $(DEPS)/build.mk
ifneq ($(wildcard $(DEPS)/build.mk),)
include tools/toolchain.mk
endif
endif

$(DEPS)/build.mk: tools/setup
	@tools/setup build
$(DEPS)/%.stamp: tools/setup
	@tools/setup $*

# --- BearSSL: every primitive --------------------------------------------------------------------
BEARSSL := $(DEPS)/bearssl-0.6
BEARSSL_SRC := $(sort $(wildcard $(BEARSSL)/src/*.c $(BEARSSL)/src/*/*.c))
BEARSSL_OBJ := $(BEARSSL_SRC:$(BEARSSL)/src/%.c=$(BUILD)/bearssl/%.o)
# What an opening, an answer or a row passes through is compiled for speed, the rest for size. RSA and
# X25519 (which is for size: 6 KB less, an opening a twentieth dearer) are faster from one compiler, SHA-256 from the
# other (tools/toolchain.mk).
BEARSSL_NUMBERS := $(filter $(BUILD)/bearssl/rsa/% $(BUILD)/bearssl/int/% $(BUILD)/bearssl/ec/%,$(BEARSSL_OBJ))
BEARSSL_HOT := $(filter $(BUILD)/bearssl/int/i62% $(addprefix $(BUILD)/bearssl/,int/i31_montmul.o int/i31_muladd.o \
    int/i31_decode.o int/i31_decred.o int/i31_decmod.o int/i31_encode.o int/i31_fmont.o int/i31_tmont.o int/i31_ninv31.o \
    int/i31_add.o int/i31_sub.o int/i31_mulacc.o int/i31_reduce.o int/i31_rshift.o int/i32_div32.o \
    symcipher/chacha20_sse2.o symcipher/chacha20_ct.o symcipher/poly1305_ctmulq.o \
    symcipher/poly1305_ctmul.o mac/hmac.o codec/ccopy.o),$(BEARSSL_OBJ)) $(SHA256_OBJ)
SHA256_OBJ := $(BUILD)/bearssl/hash/sha2small.o $(BUILD)/bearssl/codec/dec32be.o $(BUILD)/bearssl/codec/enc32be.o
BEARSSL_FLAGS_NUMBERS := $(call CFLAGS_BEARSSL,$(BEARSSL_CC_RSA)) $(CFLAGS_RSA_SMALL)
BEARSSL_FLAGS_HASH := $(call CFLAGS_BEARSSL,$(BEARSSL_CC_HASH))

$(BEARSSL_NUMBERS): $(BUILD)/bearssl/%.o: $(BEARSSL)/src/%.c Makefile tools/toolchain.mk tools/bearssl/inner.h
	@mkdir -p $(@D)
	@$(BEARSSL_CC_RSA) $(BEARSSL_FLAGS_NUMBERS) $(BEARSSL_SPEED) -w -Itools/bearssl -I$(BEARSSL)/inc -I$(BEARSSL)/src -c $< -o $@
$(filter-out $(BEARSSL_NUMBERS),$(BEARSSL_OBJ)): $(BUILD)/bearssl/%.o: $(BEARSSL)/src/%.c Makefile tools/toolchain.mk tools/bearssl/inner.h
	@mkdir -p $(@D)
	@$(BEARSSL_CC_HASH) $(BEARSSL_FLAGS_HASH) $(BEARSSL_SPEED) -w -Itools/bearssl -I$(BEARSSL)/inc -I$(BEARSSL)/src -c $< -o $@
$(BEARSSL_HOT) $(SHA256_OBJ): BEARSSL_SPEED = $(CFLAGS_BEARSSL_HOT)
$(SHA256_OBJ): BEARSSL_SPEED = $(CFLAGS_BEARSSL_HOT) $(call CFLAGS_SHA256,$(BEARSSL_CC_HASH))
$(BUILD)/libbearssl.a: $(BEARSSL_OBJ)
	@echo "  AR      $@"
	@rm -f $@ && $(AR) rcsD $@ $^

# --- dlv -----------------------------------------------------------------------------------------
LIB_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(filter-out lib/text/tables.c lib/os/constants.c,$(wildcard lib/*/*.c))))
CMD_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard cmd/*.c)))
# The load generator: a tool beside dlv, which is not deployed.
LOAD_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tools/load/*.c))) $(BUILD)/tools/load/help_texts.o
# musl comes without the kernel's headers.
INCLUDES := -Ilib -isystem $(BEARSSL)/inc -idirafter $(DEPS)/kernel-headers
# What an answer passes through is compiled for speed, the rest for size: dbgen is not slower by it.
HOT := lib/base/bytes lib/crypto/sha256 lib/db/entry lib/db/find lib/db/lookup_key lib/db/merkle \
    lib/serve/ticket_cache lib/wire/answer lib/wire/question lib/wire/ticket
$(HOT:%=$(BUILD)/%.o): CFLAGS_SPEED = $(CFLAGS_HOT)

# The time of the sources, which no clock may be behind. Its object follows it.
# In a tarball, git has written both into tools/commit.
ARCHIVED := $(shell grep -v Format tools/commit)
BUILT_S := $(or $(SOURCE_DATE_EPOCH),$(firstword $(ARCHIVED)),$(shell git log -1 --format=%ct 2>/dev/null),0)
COMMIT := $(or $(word 2,$(ARCHIVED)),$(shell git rev-parse --short=12 HEAD 2>/dev/null),unknown)
MUSL := $(shell dpkg-query -W -f '$${Version}' musl-dev 2>/dev/null || echo the system)
$(BUILD)/built.stamp: always
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = "$(BUILT_S) $(COMMIT)" ] || echo "$(BUILT_S) $(COMMIT)" >$@
$(BUILD)/cmd/built.o $(BUILD)/cmd/dlv.o: $(BUILD)/built.stamp
$(BUILD)/cmd/built.o: CPPFLAGS_FILE = -DDLV_BUILT_S=$(BUILT_S)
$(BUILD)/cmd/dlv.o: CPPFLAGS_FILE = -DDLV_VERSION='"$(VERSION)"' \
    -DDLV_COMMIT='"$(COMMIT)"' -DMUSL_VERSION='"$(MUSL)"' -DRSA_COMPILER='"$(shell $(BEARSSL_CC_RSA) --version | head -n 1)"' \
    -DDLV_COMPILER='"$(shell $(CC) --version | head -n 1)"' -DBEARSSL_SHA256='"$(BEARSSL_SHA256)"'
# What is not named is not linked: neither the applet nor what it alone needs.
ALL_APPLETS := $(basename $(notdir $(sort $(wildcard cmd/help/*.txt))))
APPLETS ?= $(ALL_APPLETS)
ifneq ($(filter-out $(ALL_APPLETS),$(APPLETS)),)
$(error APPLETS: there is no applet "$(firstword $(filter-out $(ALL_APPLETS),$(APPLETS)))"; there are $(ALL_APPLETS))
endif
CHOSEN_APPLETS := $(sort $(APPLETS))
$(BUILD)/applets.stamp: always
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = '$(CHOSEN_APPLETS)' ] || echo '$(CHOSEN_APPLETS)' >$@
$(BUILD)/cmd/applets.o $(BUILD)/cmd/verify.o $(BUILD)/help.gz: $(BUILD)/applets.stamp
$(BUILD)/cmd/applets.o: CPPFLAGS_FILE = -DAPPLETS='${CHOSEN_APPLETS:%=APPLET(%)}'
# A build that does not read audit logs does not check them.
$(BUILD)/cmd/verify.o: CPPFLAGS_FILE = $(if $(filter audit,$(CHOSEN_APPLETS)),-DWITH_AUDIT)
# The texts of help, compressed.
$(BUILD)/help.gz: $(CHOSEN_APPLETS:%=cmd/help/%.txt)
$(BUILD)/load_help.gz: tools/load/load.txt
$(BUILD)/%.gz:
	@mkdir -p $(@D)
	@for text in $(filter %.txt,$^); do printf '\n= %s\n\n= synopsis\n' $$(basename $$text .txt); cat $$text; done >$@.txt && tools/pack $@.txt >$@
$(BUILD)/cmd/help_texts.o: $(BUILD)/help.gz
$(BUILD)/cmd/help_texts.o: CPPFLAGS_FILE = -DHELP_TEXTS='"$(BUILD)/help.gz"'
$(BUILD)/tools/load/help_texts.o: cmd/help_texts.c $(BUILD)/load_help.gz
	@$(CC) $(CFLAGS_DLV) $(INCLUDES) -DHELP_TEXTS='"$(BUILD)/load_help.gz"' -c $< -o $@
$(BUILD)/tools/load/%.o $(BUILD)/tests/%.o: CPPFLAGS_FILE = -Icmd -Itools/load -Itests/support
$(BUILD)/%.o: %.c Makefile tools/toolchain.mk $(DEPS)/build.mk
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CFLAGS_DLV) $(CFLAGS_SPEED) $(INCLUDES) $(CPPFLAGS_FILE) -MMD -MP -c $< -o $@
# Likewise the built-in vectors, and what Unicode says.
$(BUILD)/builtin.gz: vectors/builtin.rsp
	@tools/pack $< >$@
$(BUILD)/lib/kat/builtin.o: $(BUILD)/builtin.gz
$(BUILD)/lib/kat/builtin.o: CPPFLAGS_FILE = -DBUILTIN_VECTORS='"$(BUILD)/builtin.gz"'
$(BUILD)/text_tables.gz: lib/text/tables.c lib/text/tables.h lib/text/tables_sizes.h
	@mkdir -p $(@D)
	@$(CC) -Ilib -ffreestanding -c $< -o $(@:.gz=.o)
	@$$($(CC) -print-prog-name=objcopy) -O binary -j .rodata $(@:.gz=.o) $(@:.gz=.bin)
	@tools/pack $(@:.gz=.bin) >$@
$(BUILD)/lib/text/tables_unpack.o: $(BUILD)/text_tables.gz
$(BUILD)/lib/text/tables_unpack.o: CPPFLAGS_FILE = -DTEXT_TABLES='"$(BUILD)/text_tables.gz"'
$(BUILD)/libdlv.a: $(LIB_OBJ)
	@rm -f $@ && $(AR) rcsD $@ $^
DLV_OBJ := $(CMD_OBJ) $(LIB_OBJ) $(BUILD)/libbearssl.a
# Its constants are compressed where the linker can leave them out (lib/os/constants.c): linked once to learn them,
# and again to carry them compressed; all else is to be the same in both.
ifneq ($(PACKED),)
CONSTANTS := $(BUILD)/constants
$(CONSTANTS)/plain.ld: tools/constants.ld
	@mkdir -p $(@D)
	@sed 's/ (NOLOAD)//' $< >$@
$(CONSTANTS)/plain: private LINK_HARDENING += -Wl,-T,$(CONSTANTS)/plain.ld
$(CONSTANTS)/plain: $(DLV_OBJ) $(BUILD)/lib/os/constants.o $(CONSTANTS)/none.o $(CONSTANTS)/plain.ld
	@$(call LINK,$@,$(filter-out %.ld,$^))
$(CONSTANTS)/packed.gz: $(CONSTANTS)/plain
	@$$($(CC) -print-prog-name=objcopy) -O binary -j .constants $< $(@:.gz=.bin)
	@tools/pack $(@:.gz=.bin) >$@
$(CONSTANTS)/none.o: private CONTENT := .byte 0
$(CONSTANTS)/packed.o: private CONTENT := .incbin "$(CONSTANTS)/packed.gz"
$(CONSTANTS)/none.o $(CONSTANTS)/packed.o: Makefile
	@mkdir -p $(@D)
	@printf '.section .packed,"a"\n.long end - start\nstart: %s\nend:\n' '$(CONTENT)' | $(CC) -c -x assembler - -o $@
$(CONSTANTS)/packed.o: $(CONSTANTS)/packed.gz
$(BUILD)/dlv: private LINK_HARDENING += -Wl,-T,tools/constants.ld
$(BUILD)/dlv: $(BUILD)/lib/os/constants.o $(CONSTANTS)/packed.o tools/constants.ld
endif
$(BUILD)/dlv: $(DLV_OBJ)
	@echo "  LINK    $@"
	@$(call LINK,$@,$(filter-out %.ld,$^))
	@$(if $(PACKED),for program in $(CONSTANTS)/plain $@; do $$($(CC) -print-prog-name=objcopy) -O binary -R .constants \
	    -R .packed $$program $(CONSTANTS)/$$(basename $$program).rest; done && cmp $(CONSTANTS)/plain.rest $(CONSTANTS)/dlv.rest)
$(BUILD)/dlv-load: $(LOAD_OBJ) $(filter %/built.o %/run.o %/options.o %/nearest.o %/help.o %/json.o %/print.o %/trouble.o,$(CMD_OBJ)) \
    $(BUILD)/libdlv.a $(BUILD)/libbearssl.a
	@echo "  LINK    $@"
	@$(call LINK,$@,$^)
-include $(LIB_OBJ:.o=.d) $(BUILD)/lib/os/constants.d $(CMD_OBJ:.o=.d) $(LOAD_OBJ:.o=.d) $(wildcard $(BUILD)/tests/*/*.d)

# --- tests ---------------------------------------------------------------------------------------
# dlv with a clock that is wrong.
$(BUILD)/shifted/dlv: LINK_HARDENING += -Wl,--wrap=time,--wrap=clock_gettime -Wl,--wrap=built_s
$(BUILD)/shifted/dlv: $(BUILD)/tests/support/shifted_clock.o $(CMD_OBJ) $(LIB_OBJ) $(BUILD)/libbearssl.a
	@mkdir -p $(@D)
	@$(call LINK,$@,$^)
# dlv whose first worker is in an attacker's hands.
$(BUILD)/hostile/dlv: LINK_HARDENING += -Wl,--wrap=worker_run
$(BUILD)/hostile/dlv: $(BUILD)/tests/support/hostile_worker.o $(CMD_OBJ) $(LIB_OBJ) $(BUILD)/libbearssl.a
	@mkdir -p $(@D)
	@$(call LINK,$@,$^)
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(filter-out tests/unit/unit.c,$(wildcard tests/unit/*.c)))
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/tests/unit/unit.o $(BUILD)/tests/support/database.o $(BUILD)/tools/load/histogram.o $(BUILD)/libdlv.a $(BUILD)/libbearssl.a
	@mkdir -p $(@D)
	@$(call LINK,$@,$^)
unit: $(UNIT)
	@set -e; for test in $(UNIT); do $$test; done
.SECONDARY:

FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_SECONDS ?= 6
$(FUZZ): FUZZER = -fsanitize=fuzzer
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/libdlv.a $(BUILD)/libbearssl.a
	@mkdir -p $(@D)
	@$(call LINK,$@,$^)
fuzz: $(FUZZ) tests/fuzz/run
	@tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ)

HOST := $(MAKE) --no-print-directory VARIANT=host BUILD=build/host
SANITIZED := $(MAKE) --no-print-directory VARIANT=sanitize BUILD=build/sanitize
THREADS := $(MAKE) --no-print-directory VARIANT=threads BUILD=build/threads
check: all $(BUILD)/shifted/dlv $(BUILD)/hostile/dlv $(DEPS)/check.stamp
	@$(MAKE) --no-print-directory unit
	@tests/rooms $(BUILD)
	@$(BUILD)/dlv selftest vectors/*.rsp
	@+$(SANITIZED) all unit
	@+$(MAKE) --no-print-directory kiosk
	@+$(THREADS) all
	@DLV=$(abspath $(BUILD)/dlv) DLV_KIOSK=$(abspath build/kiosk/dlv) DLV_SHIFTED=$(abspath $(BUILD)/shifted/dlv) DLV_HOSTILE_WORKER=$(abspath $(BUILD)/hostile/dlv) DLV_SANITIZED=$(abspath build/sanitize/dlv) DLV_THREADS=$(abspath build/threads/dlv) \
	    $(PYTHON) -m pytest -q -p no:cacheprovider -n 4 tests/integration
	@+$(SANITIZED) fuzz
	@+$(MAKE) --no-print-directory constant-time

# What takes long: thousands of histories of small registries, a million people, an hour of mixed load.
soak: all
	@DLV=$(abspath $(BUILD)/dlv) HISTORIES=3000 POINTS=40 $(PYTHON) -m pytest -q -p no:cacheprovider -n 2 tests/integration/test_base.py -k "histories or every_write"
	@DLV=$(abspath $(BUILD)/dlv) MUTATIONS=20000 PRODUCT_PART=1 $(PYTHON) -m pytest -q -p no:cacheprovider -n 2 tests/integration/test_evidence.py tests/integration/test_verdicts.py \
	    -k "mutations or product"
	@DLV=$(abspath $(BUILD)/dlv) PEOPLE=1000000 $(PYTHON) -m pytest -q -p no:cacheprovider tests/integration/test_people.py
	@DLV=$(abspath $(BUILD)/dlv) $(PYTHON) tests/integration/soak.py

# Ten minutes in which everything fails at random, held against a model; SEED=N makes the same decisions again.
chaos: all $(BUILD)/shifted/dlv
	@DLV=$(abspath $(BUILD)/dlv) DLV_SHIFTED=$(abspath $(BUILD)/shifted/dlv) SECONDS=$${SECONDS:-600} $(PYTHON) tests/integration/chaos.py

# Registry, signer, central server, three regions and kiosks on this machine, until Ctrl-C; TEST=SECONDS has it fail in
# every way meanwhile.
nation: all $(DEPS)/nation.stamp
	@tools/nation --dlv $(BUILD)/dlv $(if $(TEST),--test $(TEST))

# The release's objects under valgrind, with all secrets marked; and again with mutants of them, each of
# which must be found (tests/constant_time/run writes them).
SECRETS := $(BUILD)/constant_time/secrets
CT_WRAPPED := br_i31_decode br_i31_decode_mod br_rsa_oaep_unpad br_rsa_pkcs1_sign_get_default \
    br_rsa_pkcs1_vrfy_get_default x25519_share x25519_agree rsa_oaep_encrypt rsa_sign rsa_verify aead_open
# Debian's valgrind does not read clang's debug information; the names of functions suffice.
$(SECRETS) $(BUILD)/constant_time/with_%: LINK_HARDENING += -Wl,--strip-debug $(CT_WRAPPED:%=-Wl,--wrap=%)
$(BUILD)/tests/constant_time/%.o: CPPFLAGS_FILE = -iquote /usr/include
$(SECRETS): $(BUILD)/tests/constant_time/secrets.o $(BUILD)/libdlv.a $(BUILD)/libbearssl.a
	@mkdir -p $(@D)
	@$(call LINK,$@,$^)
$(BUILD)/constant_time/with_%: $(BUILD)/constant_time/%.c $(BUILD)/tests/constant_time/secrets.o $(BUILD)/libdlv.a $(BUILD)/libbearssl.a
	@$(CC) $(CFLAGS_DLV) -w $(INCLUDES) -c $< -o $(<:.c=.o)
	@$(call LINK,$@,$(<:.c=.o) $(filter-out $<,$^))
constant-time: $(SECRETS) $(BUILD)/dlv
	@+MAKE='$(MAKE)' tests/constant_time/run $(BUILD)

# Runs on the machine that builds, so it takes that machine's C library.
build/make_registry: tools/make_registry.c
	@mkdir -p $(@D)
	@cc -O2 -Wall -Wextra -Werror $< -o $@

KIOSK_APPLETS ?= client kiosk scan selftest verify
kiosk: $(DEPS)/build.mk
	@+$(MAKE) --no-print-directory SMALL=1 BUILD=build/kiosk APPLETS='$(KIOSK_APPLETS)' build/kiosk/release/dlv
	@echo "build/kiosk/release/dlv: $$(wc -c <build/kiosk/release/dlv) bytes"

size: all
	@tools/size $(BUILD)/dlv

demo: all build/make_registry
	@tools/demo $(BUILD)/dlv build/make_registry

$(BUILD)/bench/lookup: BENCH_LIBS = -lcdb -llmdb -lsqlite3 -lpthread
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/tests/support/database.o $(BUILD)/tools/load/load.o $(BUILD)/tools/load/histogram.o $(BUILD)/libdlv.a $(BUILD)/libbearssl.a
	@mkdir -p $(@D)
	@$(call LINK,$@,$^)
bench: all $(DEPS)/bench.stamp build/make_registry $(BUILD)/bench/crypto $(BUILD)/bench/hashing $(BUILD)/bench/echo
	@+$(HOST) build/host/bench/lookup
	@tests/bench/run
roadside: all
	@tools/roadside $(BUILD)/dlv
bench-national: all $(DEPS)/bench.stamp build/make_registry $(BUILD)/bench/hashing
	@+$(HOST) build/host/bench/lookup
	@tests/bench/national

# --- what leaves the house -----------------------------------------------------------------------
# What is installed is what is published: the binary without what a debugger wants.
RELEASE := $(BUILD)/release/dlv
$(RELEASE): $(BUILD)/dlv
	@mkdir -p $(@D)
	@$$($(CC) -print-prog-name=strip) -R .comment -o $@ $<
man: all $(RELEASE)
	@rm -rf $(BUILD)/man && mkdir -p $(BUILD)/man
	@for page in dlv $(CHOSEN_APPLETS); do tools/package/man_page $(BUILD)/dlv $$page \
	    >$(BUILD)/man/$$([ $$page = dlv ] || echo dlv-)$$page.1; done
	@for shell in bash zsh fish; do tools/package/completion $$shell $(BUILD)/dlv >$(BUILD)/man/completion.$$shell; done
SHARE = $(DESTDIR)$(PREFIX)/share
UNITS := dlv-server.service dlv-build.service dlv-build.timer dlv-sync.service dlv-sync.timer dlv-kiosk.service
install: man
	install -D -m 755 $(RELEASE) $(DESTDIR)$(PREFIX)/bin/dlv
	for applet in $(CHOSEN_APPLETS); do ln -sf dlv $(DESTDIR)$(PREFIX)/bin/dlv-$$applet; done
	install -d $(SHARE)/man/man1
	install -m 644 $(BUILD)/man/*.1 $(SHARE)/man/man1
	install -D -m 644 $(BUILD)/man/completion.bash $(SHARE)/bash-completion/completions/dlv
	install -D -m 644 $(BUILD)/man/completion.zsh $(SHARE)/zsh/vendor-completions/_dlv
	install -D -m 644 $(BUILD)/man/completion.fish $(SHARE)/fish/vendor_completions.d/dlv.fish
	for applet in $(CHOSEN_APPLETS); do ln -sf dlv $(SHARE)/bash-completion/completions/dlv-$$applet; \
	    ln -sf dlv.fish $(SHARE)/fish/vendor_completions.d/dlv-$$applet.fish; done
	install -d $(SHARE)/doc/dlv
	install -m 644 README.md LICENSE tools/package/OPERATIONS.md tools/package/dlv.rules.yml lib/db/FORMAT.md lib/db/EVIDENCE.md lib/audit/AUDIT.md \
	    lib/wire/PROTOCOL.md lib/text/MATCHING.md $(SHARE)/doc/dlv
	install -m 644 tools/package/copyright $(SHARE)/doc/dlv/copyright
	install -m 755 tools/package/dlv-server.openrc $(SHARE)/doc/dlv

# A tarball, a Debian package, what they are made of, and the digests of all that, in build/dist: the same bytes each time.
DIST := $(BUILD)/dist
DIST_FILES := dlv-$(VERSION).tar.gz dlv_$(VERSION).deb dlv dlv-$(VERSION).spdx.json
dist: man
	@rm -rf $(DIST) && mkdir -p $(DIST)
	@git archive --format=tar --prefix=dlv-$(VERSION)/ HEAD | gzip -9n >$(DIST)/dlv-$(VERSION).tar.gz
	@cp $(RELEASE) $(DIST)/dlv
	@$(PYTHON) tools/package/sbom $(RELEASE) $(VERSION) $(COMMIT) $(BUILT_S) $(CC) >$(DIST)/dlv-$(VERSION).spdx.json
	@$(MAKE) --no-print-directory -s install DESTDIR=$(abspath $(DIST))/stage PREFIX=/usr
	@install -d $(DIST)/stage/usr/lib/systemd/system
	@install -m 644 $(UNITS:%=tools/package/%) $(DIST)/stage/usr/lib/systemd/system
	@install -D -m 644 tools/package/dlv.sysusers $(DIST)/stage/usr/lib/sysusers.d/dlv.conf
	@SOURCE_DATE_EPOCH=$(BUILT_S) tools/package/deb $(DIST)/stage $(VERSION) $(DIST)/dlv_$(VERSION).deb
	@rm -rf $(DIST)/stage
	@cd $(DIST) && sha256sum $(DIST_FILES) >SHA256SUMS && cat SHA256SUMS
deb: dist

reproducible: $(DEPS)/build.mk
	@+tools/reproducible "$(CC)"

format:
	clang-format -i cmd/*.[ch] lib/*/*.[ch] tests/*/*.[ch] tools/*.c tools/*/*.[ch]

clean:
	rm -rf build
distclean: clean
	rm -rf $(DEPS)

endif # ARCH
