/*
 * options.h - what the subcommands' command lines have in common: `roost WORD ACTION ARGS`,
 * with
 * --config, --json and --help everywhere.
 *
 * Options may stand anywhere, as "--name VALUE" or "--name=VALUE"; "--" ends them. What is
 * wrong is said on standard error, with the usage, and the exit code is CLI_USAGE.
 */
#ifndef ROOST_CLI_OPTIONS_H
#define ROOST_CLI_OPTIONS_H

#include <stdbool.h>

#include "cli/cli.h"

#define CLI_WORDS_MAX      8u
#define CLI_DEFAULT_CONFIG "/etc/roost/roost.conf" /* unless $ROOST_CONFIG or --config says */

/* One option: with a value, or a flag. */
struct cli_option {
    const char *name; /* "--device" */
    const char **value;
    bool *flag;
};

struct cli_args {
    const char *config;
    const char *data; /* the data directory, if it was given; config is not read then */
    bool json, help;
    const char *words[CLI_WORDS_MAX]; /* what is no option */
    size_t n_words;
};

struct cli_request; /* request.h */
struct config;      /* config/config.h */

/* `roost user ACTION`: name, its help in full, and what runs it. */
struct cli_action {
    const char *name;
    const char *help;
    int (*run)(int argc, char *const *argv); /* argv[0] is the action */
    const struct cli_request *request;       /* run is NULL: it is just this */
};

/* False after having said what is wrong. Names that start alike are not guessed. */
bool cli_parse(int argc, char *const *argv, const struct cli_option *options, size_t n_options,
               struct cli_args *out);

/* CLI_FAILED after having said what is wrong with the file. */
int cli_read_config(const char *path, struct config **out);

/* Run the action that argv[1] names; `roost WORD`, `--help` and nonsense print the help. */
int cli_run_action(int argc, char *const *argv, const char *intro,
                   const struct cli_action *actions, size_t n);
/* "roost user add: WHAT", and the exit code. */
int cli_usage_error(const char *action, const char *what);

#endif
