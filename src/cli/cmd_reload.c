/* cmd_reload.c - `roost reload`: a running server reads its configuration and files again. */
#include "cli/ask.h"

static const char help[] =
    "usage: roost reload [-c FILE | --data DIR]\n\n"
    "The running server reads its configuration, certificates, passwd-file and policy_file "
    "again\n"
    "and opens its log file anew, as on SIGHUP. certificate, certificate_key and log_level "
    "count\n"
    "at once; other settings that have changed are listed, and wait for a restart. Nobody is\n"
    "disconnected, but for sessions that new rules would not give as they are. Exit code 1: "
    "what\n"
    "is named was refused, a certificate and a key that do not fit for one, and what was in "
    "use\n"
    "stays. The deploy hook of an ACME client:\n"
    "  $ certbot certonly ... --deploy-hook \"roost reload\"\n";

static const struct cli_column columns[] = {
    {"setting", "WAITS FOR A RESTART", CLI_TEXT},
};

int cmd_reload(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(help, stdout);
        return CLI_OK;
    }
    if (args.n_words != 0)
        return cli_usage_error("reload", "no arguments");
    code = cli_ask_open(&args, "supervisor", &ask);
    if (code == CLI_OK)
        code = cli_ask(&ask, "reload", NULL, 0);
    if (code == CLI_OK && !args.json)
        (void) printf("reloaded\n");
    if (code == CLI_OK)
        cli_print_rows(&ask, columns, COUNT(columns), args.json);
    return code;
}
