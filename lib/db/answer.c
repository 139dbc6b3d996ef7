#include "db/answer.h"

struct db_answer db_answer_found(const struct licence *licence, uint32_t day) {
    return (struct db_answer){
        .verdict = licence_verdict(licence, day), .is_found = true, .licence = *licence};
}

struct db_answer db_answer_none(void) {
    return (struct db_answer){.verdict = VERDICT_UNKNOWN};
}

bool db_answer_is_same(const struct db_answer *one, const struct db_answer *other) {
    const struct licence *a = &one->licence, *b = &other->licence;
    return one->verdict == other->verdict && one->is_found == other->is_found &&
           a->status == b->status && a->kind == b->kind && a->classes == b->classes &&
           a->valid_from == b->valid_from && a->valid_to == b->valid_to;
}
