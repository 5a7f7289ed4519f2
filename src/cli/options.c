#include "cli/options.h"

#include "cli/request.h"
#include "config/config.h"

#define ACTION_NAME_BYTES 64u /* "mailbox create" */

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

/* Does word stand for this option, and has it a value behind "="? */
static bool option_matches(const char *word, const char *name, const char **value)
{
    size_t len = strlen(name);

    if (strncmp(word, name, len) != 0 || (word[len] != '\0' && word[len] != '='))
        return false;
    *value = word[len] == '=' ? word + len + 1 : NULL;
    return true;
}

static bool take_option(const struct cli_option *option, const char *value, int argc,
                        char *const *argv, int *at)
{
    if (option->flag != NULL) {
        if (value != NULL)
            (void) fprintf(stderr, "roost: %s takes no value\n", option->name);
        *option->flag = true;
        return value == NULL;
    }
    if (value == NULL && *at + 1 < argc)
        value = argv[++*at];
    if (value == NULL)
        (void) fprintf(stderr, "roost: %s needs a value\n", option->name);
    *option->value = value;
    return value != NULL;
}

static bool find_option(const struct cli_option *options, size_t n, int argc, char *const *argv,
                        int *at, bool *ok)
{
    const char *value;

    for (size_t i = 0; i < n; i++) {
        if (option_matches(argv[*at], options[i].name, &value)) {
            *ok = take_option(&options[i], value, argc, argv, at);
            return true;
        }
    }
    return false;
}

bool cli_parse(int argc, char *const *argv, const struct cli_option *options, size_t n_options,
               struct cli_args *out)
{
    const char *environment = getenv("ROOST_CONFIG");
    struct cli_args args = {.config = environment != NULL ? environment : CLI_DEFAULT_CONFIG};
    const struct cli_option common[] = {
        {"--config", &args.config, NULL      },
        {"-c",       &args.config, NULL      },
        {"--data",   &args.data,   NULL      },
        {"--json",   NULL,         &args.json},
        {"--help",   NULL,         &args.help},
        {"-h",       NULL,         &args.help},
    };
    bool only_words = false, ok = true;

    for (int at = 1; ok && at < argc; at++) {
        if (!only_words && strcmp(argv[at], "--") == 0) {
            only_words = true;
        } else if (only_words || !is_option(argv[at])) {
            if (args.n_words == CLI_WORDS_MAX)
                return cli_usage_error(argv[0], "too many arguments") == CLI_OK;
            args.words[args.n_words++] = argv[at];
        } else if (!find_option(common, COUNT(common), argc, argv, &at, &ok) &&
                   !find_option(options, n_options, argc, argv, &at, &ok)) {
            (void) fprintf(stderr, "roost: \"%s\" is no option of \"%s\"; try --help\n",
                           argv[at], argv[0]);
            return false;
        }
    }
    if (ok)
        *out = args;
    return ok;
}

int cli_read_config(const char *path, struct config **out)
{
    struct config_errors errors = {.n = 0};

    if (config_read(path, out, &errors) == RC_OK)
        return CLI_OK;
    for (size_t i = 0; i < errors.n; i++)
        (void) fprintf(stderr, "roost: %s:%d: %s\n", errors.list[i].file, errors.list[i].line,
                       errors.list[i].text);
    return CLI_FAILED;
}

int cli_usage_error(const char *action, const char *what)
{
    (void) fprintf(stderr, "roost %s: %s; try --help\n", action, what);
    return CLI_USAGE;
}

static bool wants_help(int argc, char *const *argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static void print_help(FILE *to, const char *intro, const struct cli_action *actions, size_t n)
{
    (void) fprintf(to, "%s\n", intro);
    for (size_t i = 0; i < n; i++)
        (void) fprintf(to, "%s\n", actions[i].help);
    (void) fprintf(to,
                   "Everywhere:\n"
                   "  -c, --config FILE  the server's configuration (default $ROOST_CONFIG,\n"
                   "                     or " CLI_DEFAULT_CONFIG ")\n"
                   "      --data DIR     its data directory, instead of the configuration\n"
                   "      --json         answer in JSON\n\n"
                   "Exit codes: 0 done, 1 it did not work, 2 wrong command line.\n");
}

/* word: of which it is an action; argv[0] is the action. */
static int run(const char *word, const struct cli_action *action, int argc, char *const *argv)
{
    char name[ACTION_NAME_BYTES];

    if (action->run != NULL)
        return action->run(argc, argv);
    (void) snprintf(name, sizeof(name), "%s %s", word, action->name);
    return cli_run_request(name, action->request, argc, argv);
}

int cli_run_action(int argc, char *const *argv, const char *intro,
                   const struct cli_action *actions, size_t n)
{
    for (size_t i = 0; argc >= 2 && i < n; i++) {
        if (strcmp(argv[1], actions[i].name) != 0)
            continue;
        if (!wants_help(argc - 1, argv + 1))
            return run(argv[0], &actions[i], argc - 1, argv + 1);
        (void) fputs(actions[i].help, stdout);
        return CLI_OK;
    }
    if (argc >= 2 && wants_help(argc, argv)) {
        print_help(stdout, intro, actions, n);
        return CLI_OK;
    }
    if (argc >= 2) {
        (void) fprintf(stderr, "roost: \"%s %s\" is no command; try roost %s --help\n", argv[0],
                       argv[1], argv[0]);
        return CLI_USAGE;
    }
    print_help(stderr, intro, actions, n);
    return CLI_USAGE;
}
