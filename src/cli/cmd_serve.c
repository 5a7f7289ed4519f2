/* cmd_serve.c - `roost serve -c FILE`: run the server in the foreground until SIGTERM. */
#include "cli/options.h"
#include "config/config.h"
#include "roles/supervisor.h"

static const char usage[] =
    "usage: roost serve -c FILE\n\n"
    "Runs the server in the foreground. FILE is the configuration.\n"
    "SIGHUP does what `roost reload` does; SIGTERM ends the server in order, a second one\n"
    "at once.\n";

int cmd_serve(int argc, char *const *argv)
{
    AUTO(config_freep) struct config *config = NULL;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (argc != 3 || strcmp(argv[1], "-c") != 0) {
        (void) fputs(usage, stderr);
        return CLI_USAGE;
    }
    if (cli_read_config(argv[2], &config) != CLI_OK)
        return CLI_FAILED;
    return supervisor_run(config, argv[2]);
}
