#include "cli/request.h"

static int send(struct cli_ask *ask, const struct cli_request *request,
                const struct cli_args *args, bool apart)
{
    struct control_field fields[CLI_REQUEST_FIELDS_MAX + 1];
    size_t n = request->n_fields;

    for (size_t i = 0; i < n; i++)
        fields[i] = (struct control_field){slice_from_str(request->fields[i]),
                                           slice_from_str(args->words[i])};
    if (apart)
        fields[n++] = CONTROL_TEXT("apart", SLICE("yes"));
    return request->has_pages ? cli_ask_all(ask, request->verb)
                              : cli_ask(ask, request->verb, fields, n);
}

int cli_run_request(const char *name, const struct cli_request *request, int argc,
                    char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    bool yes = false, apart = false;
    const struct cli_option final[] = {
        {"--yes", NULL, &yes}
    };
    const struct cli_option making[] = {
        {"--apart", NULL, &apart}
    };
    const struct cli_option *options = request->is_final ? final : making;
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, options, request->is_final || request->may_be_apart, &args))
        return CLI_USAGE;
    if (args.n_words != request->n_fields)
        return cli_usage_error(name, request->wants);
    if (request->is_final && !yes)
        return cli_usage_error(name, "this cannot be undone: add --yes");
    code = cli_ask_open(&args, request->role, &ask);
    if (code == CLI_OK)
        code = send(&ask, request, &args, apart);
    if (code != CLI_OK)
        return code;
    if (request->done == NULL)
        cli_print_rows(&ask, request->columns, request->n_columns, args.json);
    else
        (void) printf("%s\n", args.json ? "{}" : request->done);
    return CLI_OK;
}
