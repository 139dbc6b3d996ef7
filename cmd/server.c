#include "applet.h"
static const struct option options[] = {{NULL, 0, NULL, NULL, NULL, NULL}};
static int run(int operand_count, char **operands) { (void)operand_count; (void)operands; return 2; }
const struct applet applet_server = {.name = "server", .summary = "x", .synopsis = "", .options = options, .description = "", .run = run};
