#include "base/inflate.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

#define CODE_BITS_MAX 15
#define LITERALS 288 /* bytes, the end of a block, and lengths */
#define DISTANCES 30
#define LENGTH_CODES 19 /* of the code that code lengths are written in */
#define BLOCK_END 256

/* Where something is wrong, `is_bad` is set, and zeros come: so it is asked about in few places only. */
struct stream {
    const uint8_t *in;
    size_t in_len;
    size_t in_at;
    uint8_t *out;
    size_t out_max;
    size_t out_len;
    uint32_t bits; /* that were read and not taken yet, the first one lowest */
    unsigned bit_count;
    bool is_bad;
};

/* A Huffman code: how many symbols there are of each length, and the symbols in the order of their codes
 * (section 3.2.2). */
struct code {
    uint16_t counts[CODE_BITS_MAX + 1];
    uint16_t symbols[LITERALS];
};

static unsigned take_bits(struct stream *stream, unsigned count) {
    while (stream->bit_count < count) {
        if (stream->in_at == stream->in_len) {
            stream->is_bad = true;
            return 0;
        }
        stream->bits |= (uint32_t)stream->in[stream->in_at++] << stream->bit_count;
        stream->bit_count += 8;
    }
    unsigned value = stream->bits & ((1u << count) - 1);
    stream->bits >>= count;
    stream->bit_count -= count;
    return value;
}

static void put(struct stream *stream, uint8_t byte) {
    if (stream->out_len < stream->out_max)
        stream->out[stream->out_len++] = byte;
    else
        stream->is_bad = true;
}

/* Makes the code whose symbols have these lengths in bits; 0: there is no such symbol. */
static void code_init(struct code *code, const uint8_t *lengths, unsigned count) {
    uint16_t at[CODE_BITS_MAX + 2] = {0};
    memset(code, 0, sizeof *code);
    for (unsigned i = 0; i < count; i++)
        code->counts[lengths[i]]++;
    code->counts[0] = 0;
    for (unsigned length = 1; length <= CODE_BITS_MAX; length++)
        at[length + 1] = (uint16_t)(at[length] + code->counts[length]);
    for (unsigned i = 0; i < count; i++) {
        if (lengths[i] != 0)
            code->symbols[at[lengths[i]]++] = (uint16_t)i;
    }
}

/* Takes one symbol: codes of the same length are consecutive numbers, those of the next length follow. */
static unsigned take_symbol(struct stream *stream, const struct code *code) {
    unsigned value = 0, first = 0, index = 0;
    for (unsigned length = 1; length <= CODE_BITS_MAX; length++) {
        value = value << 1 | take_bits(stream, 1);
        if (value < first + code->counts[length] && value >= first)
            return code->symbols[(index + value - first) % LITERALS];
        index += code->counts[length];
        first = (first + code->counts[length]) << 1;
    }
    stream->is_bad = true;
    return BLOCK_END;
}

/* The value that a symbol and the bits behind it stand for: symbols come in groups of `per_bits`, each with a
 * bit more than the group before (section 3.2.5). */
static unsigned take_value(struct stream *stream, unsigned symbol, unsigned per_bits) {
    if (symbol < 2 * per_bits || stream->is_bad)
        return symbol;
    unsigned bits = symbol / per_bits - 1;
    return ((per_bits + symbol % per_bits) << bits) + take_bits(stream, bits);
}

static void copy_back(struct stream *stream, unsigned length, size_t distance) {
    if (distance > stream->out_len)
        stream->is_bad = true;
    while (length-- > 0 && !stream->is_bad)
        put(stream, stream->out[stream->out_len - distance]);
}

static void take_compressed(struct stream *stream, const struct code *literals,
                            const struct code *distances) {
    while (!stream->is_bad) {
        unsigned symbol = take_symbol(stream, literals);
        if (symbol == BLOCK_END)
            return;
        if (symbol < BLOCK_END) {
            put(stream, (uint8_t)symbol);
            continue;
        }
        /* 285 is a length of its own */
        unsigned length = symbol == 285 ? 258 : 3 + take_value(stream, symbol - BLOCK_END - 1, 4);
        copy_back(stream, length, 1 + take_value(stream, take_symbol(stream, distances), 2));
    }
}

/* The codes of a block that brings its own (section 3.2.7). */
static void take_codes(struct stream *stream, struct code *literals, struct code *distances) {
    static const uint8_t order[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + 32 + 138] = {0};
    unsigned literal_count = 257 + take_bits(stream, 5), distance_count = 1 + take_bits(stream, 5);
    unsigned length_count = 4 + take_bits(stream, 4), total = literal_count + distance_count;
    for (unsigned i = 0; i < length_count; i++)
        lengths[order[i]] = (uint8_t)take_bits(stream, 3);
    code_init(literals, lengths, LENGTH_CODES);
    stream->is_bad |= literal_count > LITERALS;
    for (unsigned at = 0; at < total && !stream->is_bad;) {
        unsigned symbol = take_symbol(stream, literals), repeats = 1;
        uint8_t length = (uint8_t)symbol;
        if (symbol > 15) {
            length = symbol == 16 && at > 0 ? lengths[at - 1] : 0;
            repeats = symbol == 16   ? 3 + take_bits(stream, 2)
                      : symbol == 17 ? 3 + take_bits(stream, 3)
                                     : 11 + take_bits(stream, 7);
        }
        while (repeats-- > 0)
            lengths[at++] = length;
    }
    code_init(literals, lengths, literal_count);
    code_init(distances, lengths + literal_count, distance_count);
}

/* The codes that every decoder knows (section 3.2.6). */
static void fixed_codes(struct code *literals, struct code *distances) {
    uint8_t lengths[LITERALS];
    memset(lengths, 8, LITERALS);
    memset(lengths + 144, 9, 256 - 144);
    memset(lengths + 256, 7, 280 - 256);
    code_init(literals, lengths, LITERALS);
    memset(lengths, 5, DISTANCES);
    code_init(distances, lengths, DISTANCES);
}

static void take_stored(struct stream *stream) {
    take_bits(stream, stream->bit_count % 8);
    unsigned len = take_bits(stream, 16);
    stream->is_bad |= (take_bits(stream, 16) ^ len) != 0xFFFF;
    while (len-- > 0 && !stream->is_bad)
        put(stream, (uint8_t)take_bits(stream, 8));
}

ssize_t inflate(void *out, size_t out_max, const void *in, size_t in_len) {
    struct stream stream = {.in = in, .in_len = in_len, .out = out, .out_max = out_max};
    struct code literals, distances;
    for (bool is_last = false; !is_last && !stream.is_bad;) {
        is_last = take_bits(&stream, 1) == 1;
        unsigned type = take_bits(&stream, 2);
        if (type == 0) {
            take_stored(&stream);
            continue;
        }
        if (type == 1)
            fixed_codes(&literals, &distances);
        else
            take_codes(&stream, &literals, &distances);
        stream.is_bad |= type == 3;
        take_compressed(&stream, &literals, &distances);
    }
    return stream.is_bad ? ERR_FORMAT : (ssize_t)stream.out_len;
}

#define GZIP_HEADER_LEN 10

ssize_t inflate_gzip(void *out, size_t out_max, const void *in, size_t in_len) {
    if (in_len < GZIP_HEADER_LEN)
        return ERR_FORMAT;
    return inflate(out, out_max, (const uint8_t *)in + GZIP_HEADER_LEN, in_len - GZIP_HEADER_LEN);
}
