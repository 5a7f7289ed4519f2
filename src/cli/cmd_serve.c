/* cmd_serve.c - `roost serve -c FILE`: run the server in the foreground until SIGTERM. */
#include "cli/cli.h"
#include "config/config.h"
#include "roles/supervisor.h"

static const char usage[] =
    "usage: roost serve -c FILE\n\n"
    "Runs the server in the foreground. FILE is the configuration.\n"
    "SIGHUP reads the certificates and opens the log file again; SIGTERM ends it in\n"
    "order, a second one at once.\n";

static void print_errors(const struct config_errors *errors)
{
    for (size_t i = 0; i < errors->n; i++)
        (void) fprintf(stderr, "roost: %s:%d: %s\n", errors->list[i].file, errors->list[i].line,
                       errors->list[i].text);
}

int cmd_serve(int argc, char *const *argv)
{
    AUTO(config_freep) struct config *config = NULL;
    struct config_errors errors = {.n = 0};

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (argc != 3 || strcmp(argv[1], "-c") != 0) {
        (void) fputs(usage, stderr);
        return CLI_USAGE;
    }
    if (config_read(argv[2], &config, &errors)) {
        print_errors(&errors);
        return CLI_FAILED;
    }
    return supervisor_run(config);
}
