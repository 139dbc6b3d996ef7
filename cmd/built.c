#include "built.h"

int64_t built_s(void) {
    return DLV_BUILT_S;
}
