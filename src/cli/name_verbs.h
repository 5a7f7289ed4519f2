/* name_verbs.h - what `roost alias` and `roost domain` have in common: add, list, delete. */
#ifndef ROOST_CLI_NAME_VERBS_H
#define ROOST_CLI_NAME_VERBS_H

#include "cli/ask.h"

/* All rows of a list verb, for an action without arguments. */
int cli_list_names(int argc, char *const *argv, const char *verb,
                   const struct cli_column *columns, size_t n);
/* A verb with one field, for an action with one argument. */
int cli_change_name(int argc, char *const *argv, const char *verb, const char *key,
                    const char *done);

#endif
