#include "unit.h"

#include "net/socket.h"

static void check_split(const char *text, const char *host, const char *port) {
    char got_host[NET_HOST_SIZE], got_port[NET_PORT_SIZE];
    struct error error;
    int code = net_split(text, "8080", got_host, got_port, &error);
    CHECK((code == 0) == (host != NULL));
    if (code == 0 && host != NULL) {
        CHECK_TEXT(got_host, host);
        CHECK_TEXT(got_port, port);
    }
}

int main(void) {
    check_split("localhost", "localhost", "8080");
    check_split("localhost:1", "localhost", "1");
    check_split("127.0.0.1:65535", "127.0.0.1", "65535");
    check_split("[::1]:99", "::1", "99");
    check_split("[::1]", "::1", "8080");
    check_split(":0", "", "0");
    check_split("::1", NULL, NULL);
    check_split("[::1", NULL, NULL);
    check_split("[::1]x", NULL, NULL);
    check_split("a:", NULL, NULL);
    check_split("a:x", NULL, NULL);
    check_split("a:65536", NULL, NULL);
    check_split("a:-1", NULL, NULL);
    check_split("a:000001", NULL, NULL);
    return unit_end("net");
}
