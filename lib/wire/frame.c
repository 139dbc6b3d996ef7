#include "wire/frame.h"

#include "base/bytes.h"

#include <string.h>

static const uint8_t magic[3] = {'d', 'l', 'v'};

enum frame_result frame_read_header(struct frame *frame, const uint8_t *bytes, size_t len) {
    size_t magic_len = len < sizeof magic ? len : sizeof magic;
    if (memcmp(bytes, magic, magic_len) != 0)
        return FRAME_FOREIGN;
    if (len >= 4 && bytes[3] != FRAME_VERSION)
        return FRAME_OTHER_VERSION;
    if (len < FRAME_HEADER_LEN)
        return FRAME_WAIT;
    frame->type = bytes[4];
    frame->detail = bytes[5];
    frame->len = load_le16(bytes + 6);
    if (frame->len < FRAME_HEADER_LEN || (frame->detail != 0 && frame->type != FRAME_REFUSE))
        return FRAME_FOREIGN;
    return FRAME_OK;
}

void frame_write_header(uint8_t bytes[FRAME_HEADER_LEN], enum frame_type type, uint8_t detail,
                        size_t len) {
    memcpy(bytes, magic, sizeof magic);
    bytes[3] = FRAME_VERSION;
    bytes[4] = (uint8_t)type;
    bytes[5] = detail;
    store_le16(bytes + 6, (uint16_t)len);
}
