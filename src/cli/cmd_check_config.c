/* cmd_check_config.c - `roost check-config`: is a configuration right, and what may stand in
 * one. */
#include <jansson.h>

#include "cli/options.h"
#include "config/config.h"

static const char usage[] =
    "usage: roost check-config [FILE] [--json]\n"
    "       roost check-config --defaults [--json]\n\n"
    "Reads FILE (or the configuration of --config) as the server would, and says what is "
    "wrong\n"
    "with its line; for a name that is not known, the nearest one that is. Exit code 0: all "
    "settings\n"
    "are right. Files, addresses and users that they name are looked at by `roost serve`, "
    "which "
    "ends\n"
    "at once if one is missing; rules by `roost policy check`. --defaults prints every setting "
    "with\n"
    "its default and its reason.\n";

static void print_defaults(bool json)
{
    json_t *out = json_array();

    for (size_t i = 0; i < config_setting_count(); i++) {
        struct config_setting setting = config_setting_at(i);

        if (json)
            (void) json_array_append_new(out, json_pack("{ss ss ss ss}", "name", setting.name,
                                                        "kind", setting.kind, "default",
                                                        setting.value, "doc", setting.doc));
        else
            (void) printf("# %s (%s)\n%s = %s\n\n", setting.doc, setting.kind, setting.name,
                          setting.value);
    }
    if (json) {
        (void) json_dumpf(out, stdout, JSON_INDENT(2));
        (void) fputc('\n', stdout);
    }
    json_decref(out);
}

static void print_errors(const struct config_errors *errors, bool json)
{
    json_t *out = json_array();

    for (size_t i = 0; i < errors->n; i++) {
        const struct config_error *error = &errors->list[i];

        if (json)
            (void) json_array_append_new(out,
                                         json_pack("{ss si ss}", "file", error->file, "line",
                                                   error->line, "error", error->text));
        else
            (void) fprintf(stderr, "%s:%d: %s\n", error->file, error->line, error->text);
    }
    if (json) {
        (void) json_dumpf(out, stdout, JSON_INDENT(2));
        (void) fputc('\n', stdout);
    }
    json_decref(out);
}

int cmd_check_config(int argc, char *const *argv)
{
    AUTO(config_freep) struct config *config = NULL;
    struct config_errors errors = {.n = 0};
    bool defaults = false;
    const struct cli_option options[] = {
        {"--defaults", NULL, &defaults},
    };
    struct cli_args args;
    enum rc rc;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (args.n_words > 1)
        return cli_usage_error("check-config", "one file");
    if (defaults) {
        print_defaults(args.json);
        return CLI_OK;
    }
    rc = config_read(args.n_words == 1 ? args.words[0] : args.config, &config, &errors);
    if (rc || args.json)
        print_errors(&errors, args.json);
    else
        (void) printf("ok\n");
    return rc == RC_OK ? CLI_OK : CLI_FAILED;
}
