/*
 * ask.h - requests to a running role, and their rows as a table or as JSON.
 *
 * Rows are kept as a JSON array of objects until they are printed. Failures are said on
 * standard error in one line; functions answer an exit code of cli.h. What is printed on a
 * terminal has its control characters taken out: names of devices and clients come from
 * strangers.
 */
#ifndef ROOST_CLI_ASK_H
#define ROOST_CLI_ASK_H

#include <jansson.h>

#include "cli/options.h"
#include "ipc/control.h"

struct cli_ask {
    struct control *control;
    json_t *rows; /* an array */
};

/* Connect to DATA/run/ROLE.sock of the server that args->config configures. */
int cli_ask_open(const struct cli_args *args, const char *role, struct cli_ask *out);
/* The data directory of that server, for what works without it. */
int cli_data_dir(const struct cli_args *args, char *out, size_t len);
void cli_ask_close(struct cli_ask *ask); /* also the AUTO cleanup */

/* One request without data; its rows are added to ask->rows. */
int cli_ask(struct cli_ask *ask, const char *verb, const struct control_field *fields,
            size_t n);
/* Page after page of a list, until one is empty: "after" is the last row's "key". */
int cli_ask_all(struct cli_ask *ask, const char *verb);
/* The same of a list that a field of the request chooses. */
int cli_ask_all_of(struct cli_ask *ask, const char *verb, const struct control_field *of);
/* A request with data: begin, any number of parts, then the end with its answer. */
int cli_ask_begin(struct cli_ask *ask, const char *verb, const struct control_field *fields,
                  size_t n);
int cli_ask_data(struct cli_ask *ask, struct slice bytes);
int cli_ask_end(struct cli_ask *ask);
/* Who gets the data of an answer, and how far it has come. */
struct cli_taker {
    enum rc (*data)(void *ctx, struct slice bytes, struct err *err);
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};
/* The answer of a request without data of its own, its data handed on; rows are kept. */
int cli_ask_take(struct cli_ask *ask, const struct cli_taker *taker);
/* One row more, from elsewhere than a server; ask->rows is made if there are none. */
void cli_keep_row(struct cli_ask *ask, const struct control_field *fields, size_t n);
/* Read replies until a row has come; CLI_FAILED if the request ended instead. */
int cli_ask_row(struct cli_ask *ask);

enum cli_kind { CLI_TEXT, CLI_NUMBER, CLI_TIME /* seconds; 0 is shown as "never" */ };

struct cli_column {
    const char *key, *title;
    enum cli_kind kind;
};

/* With json: an array of objects with just these columns; else a table with a header. */
void cli_print_rows(const struct cli_ask *ask, const struct cli_column *columns, size_t n,
                    bool json);
/* The field of the last row, or "". */
const char *cli_last(const struct cli_ask *ask, const char *key);
/* Text for a terminal: controls (utf8_is_control()) and bytes that are no UTF-8 become "?". */
void cli_put_text(FILE *to, const char *text);
void cli_put_slice(FILE *to, struct slice text);

/* A secret from standard input (its first line) or, on a terminal, typed twice unseen. */
int cli_read_secret(const char *prompt, bool from_stdin, char *room, size_t size);
/* One that is known already, so typed once; what names it in the message that it is missing. */
int cli_read_known(const char *prompt, const char *what, bool from_stdin, char *room,
                   size_t size);

#endif
