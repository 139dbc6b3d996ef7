#include "xdp/program.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
    return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

/* --- the program ------------------------------------------------------------------------------ */

/* Instructions, by what they do (Documentation/bpf/instruction-set.rst). A jump counts instructions
 * from the one behind it; the table names its places, so that none is counted by hand. */
#define LOAD(size, to, from, offset)                                                               \
    { BPF_LDX | BPF_MEM | BPF_##size, to, from, offset, 0 }
#define MOVE(to, from)                                                                             \
    { BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0 }
#define SET(to, number)                                                                            \
    { BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, number }
#define ADD(to, number)                                                                            \
    { BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, number }
#define AND(to, number)                                                                            \
    { BPF_ALU64 | BPF_AND | BPF_K, to, 0, 0, number }
#define TO_HOST16(to)                                                                              \
    { BPF_ALU | BPF_END | BPF_TO_BE, to, 0, 0, 16 }
#define JUMP(condition, a, number, place)                                                          \
    { BPF_JMP | BPF_##condition | BPF_K, a, 0, place, number }
#define JUMP_REGISTERS(condition, a, b, place)                                                     \
    { BPF_JMP | BPF_##condition | BPF_X, a, b, place, 0 }
#define GO(place)                                                                                  \
    { BPF_JMP | BPF_JA, 0, 0, place, 0 }
#define CALL(helper)                                                                               \
    { BPF_JMP | BPF_CALL, 0, 0, 0, helper }
#define RETURN                                                                                     \
    { BPF_JMP | BPF_EXIT, 0, 0, 0, 0 }
#define PLACE(name)                                                                                \
    { 0, 0, 0, name, 0 }

enum { R0, R1, R2, R3, R4, R5, R6 };
enum { CONTEXT = R6, DATA = R2, END = R3, TYPE = R4, SCRATCH = R5 };

/* Names of places. Their numbers are larger than any distance of a jump. */
enum { FIRST_PLACE = 0x4000, NETWORK = FIRST_PLACE, IPV6, PORT, PASS, PLACES_END };

/* These are filled in before loading. */
enum { PORT_NUMBER = 0x7FFF0001, MAP_NUMBER = 0x7FFF0002 };

static const struct bpf_insn listing[] = {
    MOVE(CONTEXT, R1),
    LOAD(W, DATA, CONTEXT, offsetof(struct xdp_md, data)),
    LOAD(W, END, CONTEXT, offsetof(struct xdp_md, data_end)),

    /* Ethernet: at least a header, a VLAN tag's worth, IPv4 and UDP; not sent to many. */
    MOVE(SCRATCH, DATA),
    ADD(SCRATCH, 14 + 4 + 20 + 8),
    JUMP_REGISTERS(JGT, SCRATCH, END, PASS),
    LOAD(B, SCRATCH, DATA, 0),
    AND(SCRATCH, 1),
    JUMP(JNE, SCRATCH, 0, PASS),
    LOAD(H, TYPE, DATA, 12),
    TO_HOST16(TYPE),
    JUMP(JNE, TYPE, 0x8100, NETWORK),
    LOAD(H, TYPE, DATA, 16),
    TO_HOST16(TYPE),
    ADD(DATA, 4),

    /* IPv4: no options, no fragment, UDP. */
    PLACE(NETWORK),
    JUMP(JNE, TYPE, 0x0800, IPV6),
    MOVE(SCRATCH, DATA),
    ADD(SCRATCH, 14 + 20 + 8),
    JUMP_REGISTERS(JGT, SCRATCH, END, PASS),
    LOAD(B, SCRATCH, DATA, 14),
    JUMP(JNE, SCRATCH, 0x45, PASS),
    LOAD(H, SCRATCH, DATA, 14 + 6),
    TO_HOST16(SCRATCH),
    AND(SCRATCH, 0x3FFF),
    JUMP(JNE, SCRATCH, 0, PASS),
    LOAD(B, SCRATCH, DATA, 14 + 9),
    JUMP(JNE, SCRATCH, 17, PASS),
    LOAD(H, SCRATCH, DATA, 14 + 20 + 2),
    GO(PORT),

    /* IPv6: UDP at once, no extension header. */
    PLACE(IPV6),
    JUMP(JNE, TYPE, 0x86DD, PASS),
    MOVE(SCRATCH, DATA),
    ADD(SCRATCH, 14 + 40 + 8),
    JUMP_REGISTERS(JGT, SCRATCH, END, PASS),
    LOAD(B, SCRATCH, DATA, 14 + 6),
    JUMP(JNE, SCRATCH, 17, PASS),
    LOAD(H, SCRATCH, DATA, 14 + 40 + 2),

    /* Datagrams to our port go to the socket of this queue, or, where there is none, to the
     * kernel. */
    PLACE(PORT),
    TO_HOST16(SCRATCH),
    JUMP(JNE, SCRATCH, PORT_NUMBER, PASS),
    LOAD(W, R2, CONTEXT, offsetof(struct xdp_md, rx_queue_index)),
    {BPF_LD | BPF_IMM | BPF_DW, R1, BPF_PSEUDO_MAP_FD, 0, MAP_NUMBER},
    {0, 0, 0, 0, 0}, /* the upper half of the instruction before */
    SET(R3, XDP_PASS),
    CALL(BPF_FUNC_redirect_map),
    RETURN,

    PLACE(PASS),
    SET(R0, XDP_PASS),
    RETURN,
};

#define LISTING_LEN (sizeof listing / sizeof *listing)

static bool is_place(const struct bpf_insn *line, size_t i) {
    return line->code == 0 && line->off >= FIRST_PLACE && i > 0;
}

/* Assembles the listing: removes the places, turns jumps into distances, fills in port and map.
 * Returns the number of instructions. */
static unsigned assemble(struct bpf_insn *out, uint16_t port, int map) {
    int at[PLACES_END - FIRST_PLACE] = {0};
    unsigned n = 0;
    for (size_t i = 0; i < LISTING_LEN; i++) {
        if (is_place(&listing[i], i))
            at[listing[i].off - FIRST_PLACE] = (int)n;
        else
            out[n++] = listing[i];
    }
    for (unsigned i = 0; i < n; i++) {
        if (out[i].off >= FIRST_PLACE)
            out[i].off = (short)(at[out[i].off - FIRST_PLACE] - (int)i - 1);
        if (out[i].imm == PORT_NUMBER)
            out[i].imm = port;
        if (out[i].imm == MAP_NUMBER)
            out[i].imm = map;
    }
    return n;
}

/* --- loading ---------------------------------------------------------------------------------- */

static int make_map(void) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_type = BPF_MAP_TYPE_XSKMAP;
    attributes.key_size = 4;
    attributes.value_size = 4;
    attributes.max_entries = XDP_QUEUES_MAX;
    return bpf(BPF_MAP_CREATE, &attributes);
}

static int load_program(uint16_t port, int map) {
    struct bpf_insn instructions[LISTING_LEN];
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_XDP;
    attributes.insn_cnt = assemble(instructions, port, map);
    attributes.insns = (uintptr_t)instructions;
    attributes.license = (uintptr_t) "";
    attributes.expected_attach_type = BPF_XDP;
    return bpf(BPF_PROG_LOAD, &attributes);
}

static int link_program(int program, unsigned interface, unsigned flags) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.link_create.prog_fd = (unsigned)program;
    attributes.link_create.target_ifindex = interface;
    attributes.link_create.attach_type = BPF_XDP;
    attributes.link_create.flags = flags;
    return bpf(BPF_LINK_CREATE, &attributes);
}

static void close_all(const struct xdp_program *program) {
    int saved = errno;
    if (program->map >= 0)
        close(program->map);
    if (program->program >= 0)
        close(program->program);
    errno = saved;
}

int xdp_program_attach(struct xdp_program *program, const char *interface, uint16_t port,
                       bool is_generic_asked, struct error *error) {
    unsigned index = if_nametoindex(interface);
    *program = (struct xdp_program){-1, -1, -1, XDP_MODE_NATIVE};
    if (index == 0)
        return error_set_errno(error, "AF_XDP: no interface %s", interface);
    program->map = make_map();
    if (program->map < 0)
        return error_set_errno(error, "AF_XDP: no XSKMAP (needs CAP_BPF and a kernel with AF_XDP)");
    program->program = load_program(port, program->map);
    if (program->program < 0) {
        close_all(program);
        return error_set_errno(error, "AF_XDP: the kernel does not take the eBPF program");
    }
    if (!is_generic_asked)
        program->link = link_program(program->program, index, XDP_FLAGS_DRV_MODE);
    if (program->link < 0 &&
        (is_generic_asked || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOTSUP)) {
        program->mode = XDP_MODE_GENERIC;
        program->link = link_program(program->program, index, XDP_FLAGS_SKB_MODE);
    }
    if (program->link >= 0)
        return 0;
    close_all(program);
    return error_set_errno(error, "AF_XDP: cannot attach to %s%s", interface,
                           errno == EBUSY || errno == EEXIST ? " (another XDP program is there)"
                                                             : "");
}

int xdp_program_set(const struct xdp_program *program, unsigned queue, int socket,
                    struct error *error) {
    union bpf_attr attributes;
    uint32_t key = queue, value = (uint32_t)socket;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_fd = (unsigned)program->map;
    attributes.key = (uintptr_t)&key;
    attributes.value = (uintptr_t)&value;
    return bpf(BPF_MAP_UPDATE_ELEM, &attributes) == 0
               ? 0
               : error_set_errno(error, "AF_XDP: queue %u", queue);
}
