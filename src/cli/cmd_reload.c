/* cmd_reload.c - `roost reload`: certificates, passwd-file, rules and log file are read again. */
#include "cli/ask.h"

static const char help[] =
    "usage: roost reload [-c FILE | --data DIR]\n\n"
    "The running server reads its certificates, a passwd-file and a policy_file again and opens\n"
    "its log file anew, as on SIGHUP. Nobody is disconnected, but for sessions that new rules\n"
    "would not give as they are. The deploy hook of an ACME client:\n"
    "  $ certbot certonly ... --deploy-hook \"roost reload\"\n";

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
    if (code == CLI_OK)
        (void) printf(args.json ? "{}\n" : "reloaded\n");
    return code;
}
