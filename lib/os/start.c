/* Where a release begins: relative relocations are applied here, before the C library's own start.
 *
 * Each pointer in a table of a position-independent program needs a relocation, 24 bytes in the format that
 * every C library reads. The packed format (RELR, in the ELF specification since 2022) takes about a bit, which
 * makes dlv 15 KB smaller; but musl reads it only from 1.2.4 on. So the linker is told to announce it by the tags
 * that Android used before the format was standard, which no version of musl acts upon, and it is read here.
 *
 * tools/toolchain.mk asks for this start where the linker can pack; otherwise nothing refers to it. */
#include "os/start.h"

#include <elf.h>
#include <stddef.h>

#if defined(__x86_64__)
__asm__(".pushsection .text.start_unpacking, \"ax\"\n"
        ".globl start_unpacking\n"
        ".hidden start_unpacking\n"
        "start_unpacking:\n"
        "    call start_relocate_all\n"
        "    jmp _start\n"
        ".popsection\n");
#elif defined(__aarch64__)
__asm__(".pushsection .text.start_unpacking, \"ax\"\n"
        ".globl start_unpacking\n"
        ".hidden start_unpacking\n"
        "start_unpacking:\n"
        "    bl start_relocate_all\n"
        "    b _start\n"
        ".popsection\n");
#endif

#if UINTPTR_MAX == UINT64_MAX
typedef Elf64_Dyn dynamic_entry;
#else
typedef Elf32_Dyn dynamic_entry;
#endif

#define TAG_RELR 0x6fffe000
#define TAG_RELR_SIZE 0x6fffe001

/* Made by the linker: the beginning of the program in memory, and its dynamic section. */
extern const uint8_t __ehdr_start[] __attribute__((visibility("hidden")));
extern const dynamic_entry _DYNAMIC[] __attribute__((visibility("hidden")));

void start_relocate_all(void) __attribute__((visibility("hidden"), no_stack_protector));

/* Adds the program's place in memory to the pointer that is `at`, if it is among those asked for. */
__attribute__((no_stack_protector)) static void add(uintptr_t at, uintptr_t from, uintptr_t to) {
    uintptr_t base = (uintptr_t)__ehdr_start;
    if (base + at >= from && base + at < to)
        *(uintptr_t *)(base + at) += base;
}

/* An even word is the place of a pointer to relocate. An odd one is a bitmap of the words that follow the last
 * place, from the second bit on. */
__attribute__((no_stack_protector)) void start_relocate(uintptr_t from, uintptr_t to) {
    const uintptr_t *entry = NULL;
    size_t size = 0;
    for (const dynamic_entry *dynamic = _DYNAMIC; dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag == TAG_RELR)
            entry = (const uintptr_t *)(__ehdr_start + dynamic->d_un.d_ptr);
        else if (dynamic->d_tag == TAG_RELR_SIZE)
            size = dynamic->d_un.d_val;
    }
    uintptr_t place = 0;
    for (size_t count = size / sizeof *entry; count > 0; count--, entry++) {
        if ((*entry & 1) == 0) {
            add(*entry, from, to);
            place = *entry + sizeof *entry;
            continue;
        }
        for (unsigned bit = 1; bit < 8 * sizeof *entry; bit++) {
            if ((*entry >> bit & 1) != 0)
                add(place + (bit - 1) * sizeof *entry, from, to);
        }
        place += (8 * sizeof *entry - 1) * sizeof *entry;
    }
}

/* Nothing of the C library works yet: no call, no canary, no pointer from a table. */
void start_relocate_all(void) {
    start_relocate(0, UINTPTR_MAX);
}
