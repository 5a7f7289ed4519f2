/* cmd_policy.c - `roost policy`: is a file of rules right. */
#include "auth/name.h"
#include "auth/policy_file.h"
#include "cli/ask.h"

static const char intro[] =
    "usage: roost policy ACTION ...\n\n"
    "Rules about who may come in, from which device, from where and when: the setting\n"
    "policy_file. \"roost explain login\" tells what they say of one login.\n";

static const char check_help[] =
    "  policy check FILE\n"
    "      Is the file right? Says the line of the first error, and which rules can never "
    "decide\n"
    "      because one before them always does. No server need run.\n";

static const struct cli_column columns[] = {
    {"line",     "LINE",    CLI_NUMBER},
    {"rule",     "RULE",    CLI_TEXT  },
    {"shadowed", "VOID BY", CLI_TEXT  },
};

static void keep_void(struct cli_ask *ask, const struct policy_rule *rule,
                      const struct policy_rule *by)
{
    char line[24], shadowed[32];

    (void) snprintf(line, sizeof(line), "%u", rule->line);
    (void) snprintf(shadowed, sizeof(shadowed), "line %u", by->line);
    cli_keep_row(ask,
                 (const struct control_field[]){
                     CONTROL_TEXT("line", slice_from_str(line)),
                     CONTROL_TEXT("rule", rule->text),
                     CONTROL_TEXT("shadowed", slice_from_str(shadowed)),
                 },
                 3);
}

/* Void rules are most likely a mistake, and do no harm. */
static int show(const struct cli_args *args, const struct policy *policy)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    size_t n_void = 0;

    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *by = policy_shadowed_by(policy, i);

        if (by == NULL)
            continue;
        keep_void(&ask, &policy->rules[i], by);
        n_void++;
    }
    if (n_void > 0 || args->json)
        cli_print_rows(&ask, columns, COUNT(columns), args->json);
    if (!args->json)
        (void) printf("%zu rules, %zu of them void\n", policy->n_rules, n_void);
    return n_void > 0 ? CLI_PARTLY : CLI_OK;
}

static int policy_check(int argc, char *const *argv)
{
    AUTO(policy_freep) struct policy *policy = NULL;
    struct cli_args args;
    struct err err;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words != 1)
        return cli_usage_error("policy check", "one file");
    if (auth_names_init(&err) == RC_OK &&
        policy_file_read(args.words[0], &policy, &err) == RC_OK)
        return show(&args, policy);
    (void) fprintf(stderr, "roost: %s: %s\n", args.words[0], err.detail);
    return CLI_FAILED;
}

int cmd_policy(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"check", check_help, .run = policy_check},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
