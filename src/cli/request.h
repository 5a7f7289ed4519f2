/*
 * request.h - actions that are one request: the words of the command line are its fields, and
 * the answer is rows or a word. Most of `roost user`, `device`, `group` and such are these.
 */
#ifndef ROOST_CLI_REQUEST_H
#define ROOST_CLI_REQUEST_H

#include "cli/ask.h"

#define CLI_REQUEST_FIELDS_MAX 3u

struct cli_request {
    const char *role; /* "auth", "mail" */
    const char *verb; /* "device.revoke" */
    /* What each word of the command line is to the server. All of them are wanted, and no more.
     */
    const char *fields[CLI_REQUEST_FIELDS_MAX];
    size_t n_fields;
    const char *wants; /* the words as people call them: "a user and a name" */
    bool is_final;     /* asks for --yes */
    bool may_be_apart; /* takes --apart: what is made may take mail from somebody */
    bool has_pages;    /* the list comes page by page */
    const char *done;  /* said when it is done; NULL: rows, in these columns */
    const struct cli_column *columns;
    size_t n_columns;
};

/* name: "device revoke"; argv[0] is the action. An exit code of cli.h. */
int cli_run_request(const char *name, const struct cli_request *request, int argc,
                    char *const *argv);

#endif
