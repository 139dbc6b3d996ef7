# The one place that knows where the C library is and which flags each kind of build takes.
#
# VARIANT  release   static PIE against musl: what is shipped
#          sanitize  the system's own C library, clang, ASan and UBSan: what tests run a second time
#          threads   the same with TSan, for what runs on several threads
#          host      the system's own C library, optimised: only for benchmarks beside other libraries
#
# Sets CFLAGS_DLV, CFLAGS_HOT, CFLAGS_BEARSSL, CFLAGS_SHA256, BEARSSL_CC_HASH, BEARSSL_CC_RSA, and the function LINK
# ($(call LINK,output,objects and archives)).

comma := ,
try_cc = $(shell $(1) -Werror $(2) -c -x c /dev/null -o /dev/null 2>/dev/null && echo $(2))
gcc_file = $(shell $(CC) -print-file-name=$(1))

MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)

WARNINGS := -Wall -Wextra -Werror -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
    -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)=. -gno-record-gcc-switches
# What hardens a release, as far as the compiler $(1) knows it. No -fcf-protection: nothing turns on what it is
# for in a program without the dynamic linker of another C library, and it takes 3 KB.
hardening = -fPIE -fstack-protector-strong $(call try_cc,$(1),-fcf-protection=none) \
    $(call try_cc,$(1),-mbranch-protection=standard) $(call try_cc,$(1),-fstack-clash-protection)
zero_locals = $(or $(call try_cc,$(1),-ftrivial-auto-var-init=zero), \
    $(call try_cc,$(1),-ftrivial-auto-var-init=zero -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang))

# BearSSL's RSA is 1.4 times faster from clang, its SHA-256 a little faster from gcc. Where there is
# no clang, CC compiles all of it.
BEARSSL_CC_HASH ?= $(CC)
BEARSSL_CC_RSA ?= $(if $(call try_cc,clang,-O3),clang,$(CC))

ifeq ($(VARIANT),release)
# Nothing unwinds the stack, so there are no tables for it.
release_flags = -g -fno-asynchronous-unwind-tables -fno-unwind-tables $(call hardening,$(1)) $(REPRODUCIBLE) -ffunction-sections -fdata-sections $(call musl_cflags,$(1))
# LLVM's linker leaves no holes between the parts of the file: 8 KB less. Where it is missing, or does not
# know the machine, the compiler's own does it.
LINKER := $(if $(filter x86_64-% aarch64-%,$(MACHINE)),$(shell $(CC) -fuse-ld=lld -nostdlib -shared -x c /dev/null \
    -o /dev/null 2>/dev/null && echo -fuse-ld=lld))
# It packs relocations, too, which lib/os/start.c applies: 15 KB less.
PACKED := $(if $(LINKER),-Wl$(comma)--pack-dyn-relocs=relr$(comma)--use-android-relr-tags$(comma)-e$(comma)start_unpacking)
# Functions that are the same to the byte are there once.
FOLDED := $(if $(LINKER),-Wl$(comma)--icf=all)
LINK_HARDENING := $(LINKER) $(PACKED) $(FOLDED) -Wl,-O2,-z,text,-z,relro,-z,now,-z,noexecstack,--gc-sections,--build-id=none

ifneq (,$(findstring musl,$(MACHINE)))
# The compiler's own C library is musl (Alpine).
musl_cflags =
LINK = $(CC) -static-pie $(LINK_HARDENING) -Wl,-Map=$(1).map -o $(1) $(2)
else
# musl beside another C library (Debian's musl-dev). `musl-gcc -static-pie` links a dynamic PIE, so
# the start files are named here.
MUSL_TRIPLE := $(firstword $(subst -, ,$(MACHINE)))-linux-musl
MUSL_INCLUDE ?= /usr/include/$(MUSL_TRIPLE)
MUSL_LIB ?= /usr/lib/$(MUSL_TRIPLE)
compiler_include = $(if $(findstring clang,$(shell $(1) --version)),$(shell $(1) -print-resource-dir)/include,$(shell $(1) -print-file-name=include))
musl_cflags = -nostdinc -isystem $(MUSL_INCLUDE) -isystem $(call compiler_include,$(1))
LINK = $(CC) -nostdlib -static-pie -Wl,--no-dynamic-linker $(LINK_HARDENING) -Wl,-Map=$(1).map -o $(1) \
    $(MUSL_LIB)/rcrt1.o $(MUSL_LIB)/crti.o $(call gcc_file,crtbeginS.o) $(2) \
    -L$(MUSL_LIB) -Wl,--start-group $(MUSL_LIB)/libc.a $(call gcc_file,libgcc.a) -Wl,--end-group \
    $(call gcc_file,crtendS.o) $(MUSL_LIB)/crtn.o
endif
# What is called from many places is one piece of code, not one in each: 6 KB less, where speed does not matter. Calls at
# a function's end that are no jumps, and registers that are saved at its beginning: 3.5 KB less.
CFLAGS_DLV := $(or $(call try_cc,$(CC),-Oz),-Os) $(call try_cc,$(CC),-fno-inline-small-functions) \
    $(call try_cc,$(CC),-fno-tree-dominator-opts) $(call try_cc,$(CC),-fno-optimize-sibling-calls) \
    $(call try_cc,$(CC),-fno-caller-saves) $(call try_cc,$(CC),-fno-shrink-wrap) $(call zero_locals,$(CC)) $(call release_flags,$(CC))
# Padding before loops and functions is 3 KB, and what it wins cannot be measured.
CFLAGS_HOT := -O2 $(call try_cc,$(CC),-falign-functions=1) $(call try_cc,$(CC),-fno-align-loops) $(call try_cc,$(CC),-fno-align-jumps) \
    $(call try_cc,$(CC),-fno-align-labels) $(call try_cc,$(CC),-foptimize-sibling-calls) $(call try_cc,$(CC),-fcaller-saves) \
    $(call try_cc,$(CC),-fshrink-wrap)
CFLAGS_BEARSSL_HOT := -O3
CFLAGS_BEARSSL = -Os $(call release_flags,$(1))
# SHA-256's rounds unrolled, their variables in registers: a block in 124 ns instead of 168 (gcc
# 12, which by itself vectorises the message schedule), in 142 instead of 171 (clang 14). Short copies
# are made in place: musl's memcpy takes its time to start.
CFLAGS_SHA256 = $(or \
    $(call try_cc,$(1),-fno-tree-vectorize --param max-completely-peel-times=16 --param max-completely-peeled-insns=2000), \
    $(call try_cc,$(1),-mllvm -unroll-threshold=20000)) $(call try_cc,$(1),-minline-stringops-dynamically)
# For a kiosk, which asks once in a while: 30 KB less.
ifeq ($(SMALL),1)
CFLAGS_HOT :=
CFLAGS_BEARSSL_HOT := -Os
CFLAGS_SHA256 :=
# RSA is done in words of 32 bits.
CFLAGS_RSA_SMALL := -DBR_INT128=0 -DBR_UMUL128=0
CFLAGS_DLV += -DDLV_SMALL -DDLV_ONE_THREAD $(call try_cc,$(CC),-fno-move-loop-invariants)
endif
endif

ifneq (,$(filter sanitize threads,$(VARIANT)))
CC := clang
BEARSSL_CC_HASH := clang
BEARSSL_CC_RSA := clang
ifeq ($(VARIANT),sanitize)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
COVERAGE := -fsanitize=fuzzer-no-link
CFLAGS_BEARSSL = -O2 -g -fno-omit-frame-pointer -fsanitize=address
else
SANITIZE := -fsanitize=thread
CFLAGS_BEARSSL = -O2 -g
endif
CFLAGS_DLV := -O1 -g -fno-omit-frame-pointer $(COVERAGE) $(SANITIZE)
LINK = $(CC) -pthread $(SANITIZE) $(FUZZER) -o $(1) $(2)
endif

ifeq ($(VARIANT),host)
CFLAGS_DLV := -O2 -g
CFLAGS_BEARSSL = -O3 -g
LINK = $(CC) -pthread -o $(1) $(2) $(BENCH_LIBS)
endif

CFLAGS_DLV += -std=c11 -D_GNU_SOURCE $(WARNINGS) -pthread
