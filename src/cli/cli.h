/*
 * cli.h - `roost SUBCOMMAND`: the table of subcommands, and the exit codes scripts rely on.
 */
#ifndef ROOST_CLI_CLI_H
#define ROOST_CLI_CLI_H

#include "base/err.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* it was tried and did not work */
    CLI_USAGE = 2,  /* the command line is wrong */
    CLI_PARTLY = 3, /* done, but for what was named */
};

struct cli_command {
    const char *name;
    const char *summary;                     /* one line of `roost --help` */
    int (*run)(int argc, char *const *argv); /* argv[0] is the subcommand */
};

/* Find the subcommand and run it. */
int cli_main(int argc, char *const *argv);

int cmd_alias(int argc, char *const *argv);
int cmd_audit(int argc, char *const *argv);
int cmd_check(int argc, char *const *argv);
int cmd_backup(int argc, char *const *argv);
int cmd_check_config(int argc, char *const *argv);
int cmd_device(int argc, char *const *argv);
int cmd_domain(int argc, char *const *argv);
int cmd_explain(int argc, char *const *argv);
int cmd_export(int argc, char *const *argv);
int cmd_group(int argc, char *const *argv);
int cmd_import(int argc, char *const *argv);
int cmd_init(int argc, char *const *argv);
int cmd_mailbox(int argc, char *const *argv);
int cmd_policy(int argc, char *const *argv);
int cmd_quarantine(int argc, char *const *argv);
int cmd_quota(int argc, char *const *argv);
int cmd_scrub(int argc, char *const *argv);
int cmd_undelete(int argc, char *const *argv);
int cmd_reload(int argc, char *const *argv);
int cmd_restore(int argc, char *const *argv);
int cmd_shared(int argc, char *const *argv);
int cmd_serve(int argc, char *const *argv);
int cmd_session(int argc, char *const *argv);
int cmd_server_status(int argc, char *const *argv);
int cmd_totp(int argc, char *const *argv);
int cmd_user(int argc, char *const *argv);

#endif
