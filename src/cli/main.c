/* main.c - the table of subcommands. */
#include "cli/cli.h"

static const struct cli_command commands[] = {
    {"user",   "accounts and their passwords",               cmd_user  },
    {"device", "app passwords, one for each device",         cmd_device},
    {"alias",  "addresses whose mail a user gets",           cmd_alias },
    {"domain", "mail domains and catch-alls",                cmd_domain},
    {"init",   "make a data directory with a first account", cmd_init  },
    {"serve",  "run the server in the foreground",           cmd_serve },
};

static void print_help(FILE *to)
{
    (void) fprintf(to, "usage: roost SUBCOMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        (void) fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].summary);
    (void) fprintf(to, "\n\"roost SUBCOMMAND --help\" explains each.\n");
}

int cli_main(int argc, char *const *argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        print_help(stdout);
        return CLI_OK;
    }
    for (size_t i = 0; argc >= 2 && i < COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    if (argc >= 2)
        (void) fprintf(stderr, "roost: \"%s\" is no subcommand\n\n", argv[1]);
    print_help(stderr);
    return CLI_USAGE;
}
