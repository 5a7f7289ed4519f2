#include "cli/name_verbs.h"

int cli_list_names(int argc, char *const *argv, const char *verb,
                   const struct cli_column *columns, size_t n)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words != 0)
        return cli_usage_error(verb, "no arguments");
    code = cli_ask_open(&args, "auth", &ask);
    if (code == CLI_OK)
        code = cli_ask_all(&ask, verb);
    if (code == CLI_OK)
        cli_print_rows(&ask, columns, n, args.json);
    return code;
}

int cli_change_name(int argc, char *const *argv, const char *verb, const char *key,
                    const char *done)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words != 1)
        return cli_usage_error(argv[0], "one argument");
    code = cli_ask_open(&args, "auth", &ask);
    if (code == CLI_OK) {
        const struct control_field field = {slice_from_str(key), slice_from_str(args.words[0])};

        code = cli_ask(&ask, verb, &field, 1);
    }
    if (code == CLI_OK)
        (void) printf("%s\n", args.json ? "{}" : done);
    return code;
}
