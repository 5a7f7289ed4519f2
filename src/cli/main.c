/* main.c - the table of subcommands. */
#include <stdbool.h>

#include "cli/cli.h"

static const struct cli_command commands[] = {
    {"init",         "make a data directory with a first account",  cmd_init         },
    {"serve",        "run the server in the foreground",            cmd_serve        },
    {"check-config", "is a configuration right; all settings",      cmd_check_config },
    {"status",       "processes, sessions and store of the server", cmd_server_status},
    {"reload",       "read configuration and certificates again",   cmd_reload       },
    {"user",         "accounts and their passwords",                cmd_user         },
    {"device",       "app passwords, one for each device",          cmd_device       },
    {"policy",       "rules about logins: is a file right",         cmd_policy       },
    {"explain",      "what the rules say of a login, and why",      cmd_explain      },
    {"totp",         "second factors, for making devices",          cmd_totp         },
    {"group",        "groups: rights and quota for many at once",   cmd_group        },
    {"shared",       "accounts that belong to nobody, for teams",   cmd_shared       },
    {"quota",        "how much a user, or a group's members, hold", cmd_quota        },
    {"alias",        "addresses whose mail a user gets",            cmd_alias        },
    {"domain",       "mail domains and catch-alls",                 cmd_domain       },
    {"session",      "who is logged in; end sessions",              cmd_session      },
    {"mailbox",      "mailboxes of a user, and rights on them",     cmd_mailbox      },
    {"check",        "is all mail there; what is lost; --repair",   cmd_check        },
    {"audit",        "is the audit log as it was written",          cmd_audit        },
    {"scrub",        "read and verify everything that is stored",   cmd_scrub        },
    {"quarantine",   "accounts out of service after crashes",       cmd_quarantine   },
    {"undelete",     "expunged mail and deleted mailboxes, back",   cmd_undelete     },
    {"backup",       "hot, incremental backups, and their proof",   cmd_backup       },
    {"restore",      "a server, a user or a mailbox from a backup", cmd_restore      },
    {"import",       "mail from mbox, Maildir, .eml and tar files", cmd_import       },
    {"export",       "a user's mail as a Maildir or as mbox files", cmd_export       },
};

static void print_help(FILE *to)
{
    (void) fprintf(to, "usage: roost SUBCOMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        (void) fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].summary);
    (void) fprintf(
        to, "\n\"roost SUBCOMMAND --help\" or \"roost help SUBCOMMAND\" explains each; "
            "\"roost --version\" tells the version.\n"
            "All but init and serve take --json, and -c FILE or --data DIR to find the "
            "server, also before the subcommand.\n"
            "Exit codes: 0 done, 1 it did not work, 2 wrong command line, 3 done but for "
            "what was named.\n");
}

static const struct cli_command *find(const char *name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int help(const char *name)
{
    static char option[] = "--help";
    const struct cli_command *command = name != NULL ? find(name) : NULL;
    char *argv[] = {(char *) (uintptr_t) name, option, NULL};

    if (command != NULL)
        return command->run(2, argv);
    print_help(name != NULL ? stderr : stdout);
    return name != NULL ? CLI_USAGE : CLI_OK;
}

/* How many words are options for all subcommands that stand before the subcommand. */
static int count_leading(int argc, char *const *argv)
{
    int n = 0;

    while (n < argc) {
        const char *word = argv[n];
        bool has_value = strcmp(word, "-c") == 0 || strcmp(word, "--data") == 0;

        if (!has_value && strncmp(word, "--data=", 7) != 0 && strcmp(word, "--json") != 0)
            break;
        n += has_value && n + 1 < argc ? 2 : 1;
    }
    return n;
}

/* argv[0] is the subcommand; leading options go behind its words, or before "--". */
static int run(const struct cli_command *command, int argc, char *const *argv, int n_leading,
               char *const *leading)
{
    AUTO(freep) char **words = xcalloc((size_t) (argc + n_leading) + 1, sizeof(*words));
    int end = 0;

    while (end < argc && strcmp(argv[end], "--") != 0)
        end++;
    memcpy(words, argv, (size_t) end * sizeof(*words));
    memcpy(words + end, leading, (size_t) n_leading * sizeof(*words));
    memcpy(words + end + n_leading, argv + end, (size_t) (argc - end) * sizeof(*words));
    return command->run(argc + n_leading, words);
}

int cli_main(int argc, char *const *argv)
{
    int n_leading = argc >= 2 ? count_leading(argc - 1, argv + 1) : 0, at = 1 + n_leading;
    const char *word = at < argc ? argv[at] : "";
    const struct cli_command *command = find(word);

    if (command != NULL)
        return run(command, argc - at, argv + at, n_leading, argv + 1);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return help(at + 1 < argc ? argv[at + 1] : NULL);
    if (strcmp(word, "--version") == 0) {
        (void) printf("roost " ROOST_VERSION "\n");
        return CLI_OK;
    }
    if (*word != '\0') {
        (void) fprintf(stderr, "roost: \"%s\" is no subcommand; \"roost --help\" lists them\n",
                       word);
        return CLI_USAGE;
    }
    print_help(stderr);
    return CLI_USAGE;
}
