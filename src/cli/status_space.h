/* status_space.h - the space report of `roost status`. */
#ifndef ROOST_CLI_STATUS_SPACE_H
#define ROOST_CLI_STATUS_SPACE_H

#include "cli/ask.h"

/* The store; or one user, account not NULL; or the top users by what they take. An exit code.
 */
int cli_status_space(const struct cli_args *args, const char *account, const char *top);

#endif
