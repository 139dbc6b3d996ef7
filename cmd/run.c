#include "run.h"

#include "help.h"

#include "kat/kat.h"

int applet_run(const struct applet *applet, int argc, char **argv) {
    int operand_count;
    trouble_set_applet(applet->name);
    switch (options_parse(applet->options, argc, argv, &operand_count)) {
    case OPTIONS_WRONG:
        return EXIT_TROUBLE;
    case OPTIONS_HELP:
        help_print(applet);
        return finish_output();
    case OPTIONS_READ:
        break;
    }
    if (applet->needs_cryptography) {
        struct kat_count count;
        struct error error;
        if (kat_run_builtin(&count, &error) != 0)
            return trouble("self-test failed, nothing is done: %s", error.text);
    }
    return applet->run(operand_count, argv);
}
