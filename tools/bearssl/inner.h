/* BearSSL's own header of this name, with its comparisons made opaque to the compiler.
 *
 * BearSSL chooses between two values by a mask made from a comparison's result, 0 or 1. A compiler
 * that knows that the result is one of these two may put the branch back: clang 14 did so where RSA
 * looks up a power by bits of the private exponent, as tests/constant_time found. A value that has
 * passed through an assembler statement, even an empty one, is one the compiler knows nothing
 * about. */
#ifndef DLV_BEARSSL_INNER_H
#define DLV_BEARSSL_INNER_H

#include_next "inner.h"

static inline uint32_t opaque(uint32_t value) {
    __asm__("" : "+r"(value));
    return value;
}

#define NOT(ctl) opaque(NOT(ctl))
#define MUX(ctl, x, y) MUX(opaque(ctl), x, y)
#define EQ(x, y) opaque(EQ(x, y))
#define NEQ(x, y) opaque(NEQ(x, y))
#define GT(x, y) opaque(GT(x, y))
#define EQ0(x) opaque(EQ0(x))
#define GT0(x) opaque(GT0(x))
#define GE0(x) opaque(GE0(x))
#define LT0(x) opaque(LT0(x))
#define LE0(x) opaque(LE0(x))

#endif
