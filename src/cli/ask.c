#include "cli/ask.h"

#include <termios.h>
#include <unistd.h>

#include "base/scan.h"
#include "base/utf8.h"
#include "config/config.h"

#define ANSWER_MS     60000
#define TIME_BYTES    32u
#define VALUE_BYTES   4096u
#define PATH_BYTES    4096u
#define COLUMN_GAP    2u
#define COLUMN_WIDEST 48u

void cli_put_slice(FILE *to, struct slice text)
{
    struct scan sc = scan_of(text);
    struct slice left = text;
    uint32_t ch;

    while (!scan_done(&sc)) {
        bool is_shown = utf8_scan(&sc, &ch) && !utf8_is_control(ch);

        if (scan_left(&sc) == left.len) /* a byte that starts no character */
            (void) scan_take(&sc, 1, &left);
        if (is_shown)
            (void) fwrite(left.ptr, 1, left.len - scan_left(&sc), to);
        else
            (void) fputc('?', to);
        left = scan_rest(&sc);
    }
}

void cli_put_text(FILE *to, const char *text)
{
    cli_put_slice(to, slice_from_str(text));
}

static int failed(const struct err *err)
{
    (void) fputs("roost: ", stderr);
    cli_put_text(stderr, err->text);
    if (err->detail[0] != '\0') {
        (void) fputs(" (", stderr);
        cli_put_text(stderr, err->detail);
        (void) fputc(')', stderr);
    }
    (void) fputc('\n', stderr);
    return CLI_FAILED;
}

int cli_data_dir(const struct cli_args *args, char *out, size_t len)
{
    AUTO(config_freep) struct config *config = NULL;
    int code = args->data != NULL ? CLI_OK : cli_read_config(args->config, &config);

    if (code == CLI_OK)
        (void) snprintf(out, len, "%s", args->data != NULL ? args->data : config->data_dir);
    return code;
}

int cli_ask_open(const struct cli_args *args, const char *role, struct cli_ask *out)
{
    AUTO(config_freep) struct config *config = NULL;
    struct cli_ask ask = {0};
    char path[PATH_BYTES];
    struct err err;
    int code = args->data != NULL ? CLI_OK : cli_read_config(args->config, &config);

    if (code != CLI_OK)
        return code;
    (void) snprintf(path, sizeof(path), "%s/run/%s.sock",
                    args->data != NULL ? args->data : config->data_dir, role);
    if (control_connect(path, &ask.control, &err) != RC_OK)
        return failed(&err);
    ask.rows = json_array();
    *out = ask;
    return CLI_OK;
}

void cli_ask_close(struct cli_ask *ask)
{
    control_free(ask->control);
    json_decref(ask->rows);
    *ask = (struct cli_ask){0};
}

void cli_keep_row(struct cli_ask *ask, const struct control_field *fields, size_t n)
{
    json_t *row = json_object();

    if (ask->rows == NULL)
        ask->rows = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct control_field *field = &fields[i];
        json_t *value =
            json_stringn(field->value.ptr != NULL ? field->value.ptr : "", field->value.len);

        if (value == NULL) /* not UTF-8: nothing of ours */
            value = json_string("?");
        (void) json_object_setn_new(row, field->key.ptr, field->key.len, value);
    }
    (void) json_array_append_new(ask->rows, row);
}

/* One reply. *ended when it was the last one; the exit code is then that of the request.
 * taker NULL: data and progress are passed over. */
static int take_reply(struct cli_ask *ask, const struct cli_taker *taker, bool *ended)
{
    struct control_reply reply;
    struct err err;
    enum rc rc = control_next(ask->control, ANSWER_MS, &reply, &err);

    *ended = true;
    if (rc == RC_MORE) {
        (void) fprintf(stderr, "roost: no answer for %d seconds\n", ANSWER_MS / 1000);
        return CLI_FAILED;
    }
    if (rc)
        return failed(&err);
    if (reply.kind == CONTROL_END) {
        if (reply.rc == RC_OK)
            return CLI_OK;
        (void) fputs("roost: ", stderr);
        cli_put_slice(stderr, reply.text);
        (void) fputc('\n', stderr);
        return CLI_FAILED;
    }
    if (reply.kind == CONTROL_ROW)
        cli_keep_row(ask, reply.fields.field, reply.fields.n);
    if (reply.kind == CONTROL_PROGRESS && taker != NULL)
        taker->progress(taker->ctx, reply.done, reply.total);
    if (reply.kind == CONTROL_DATA && taker != NULL &&
        taker->data(taker->ctx, reply.bytes, &err) != RC_OK)
        return failed(&err);
    *ended = false;
    return CLI_OK;
}

static int take_answer(struct cli_ask *ask)
{
    bool ended = false;
    int code = CLI_OK;

    while (!ended)
        code = take_reply(ask, NULL, &ended);
    return code;
}

int cli_ask(struct cli_ask *ask, const char *verb, const struct control_field *fields, size_t n)
{
    struct err err;
    enum rc rc = control_request(ask->control, verb, fields, n, &err);

    return rc ? failed(&err) : take_answer(ask);
}

int cli_ask_all(struct cli_ask *ask, const char *verb)
{
    return cli_ask_all_of(ask, verb, NULL);
}

int cli_ask_all_of(struct cli_ask *ask, const char *verb, const struct control_field *of)
{
    size_t before;
    int code;

    do {
        struct control_field fields[2];

        fields[0] = CONTROL_TEXT("after", slice_from_str(cli_last(ask, "key")));
        if (of != NULL)
            fields[1] = *of;
        before = json_array_size(ask->rows);
        code = cli_ask(ask, verb, fields, of != NULL ? 2 : 1);
    } while (code == CLI_OK && json_array_size(ask->rows) > before &&
             cli_last(ask, "key")[0] != '\0');
    return code;
}

int cli_ask_begin(struct cli_ask *ask, const char *verb, const struct control_field *fields,
                  size_t n)
{
    struct err err;

    return control_request(ask->control, verb, fields, n, &err) ? failed(&err) : CLI_OK;
}

int cli_ask_take(struct cli_ask *ask, const struct cli_taker *taker)
{
    bool ended = false;
    int code = CLI_OK;

    while (!ended)
        code = take_reply(ask, taker, &ended);
    return code;
}

int cli_ask_row(struct cli_ask *ask)
{
    size_t before = json_array_size(ask->rows);
    bool ended = false;
    int code = CLI_OK;

    while (!ended && json_array_size(ask->rows) == before)
        code = take_reply(ask, NULL, &ended);
    return ended ? CLI_FAILED : code;
}

int cli_ask_data(struct cli_ask *ask, struct slice bytes)
{
    struct err err;

    for (size_t at = 0; at < bytes.len;) {
        struct slice part = slice_sub(bytes, at, CONTROL_DATA_MAX);
        enum rc rc = control_send_data(ask->control, part, &err);
        bool ended = false;
        int code = CLI_OK;

        if (rc == RC_OK)
            at += part.len;
        else if (rc == RC_MORE)
            code = take_reply(ask, NULL, &ended);
        else
            code = failed(&err);
        if (code != CLI_OK || ended)
            return CLI_FAILED;
    }
    return CLI_OK;
}

int cli_ask_end(struct cli_ask *ask)
{
    struct err err;
    enum rc rc;

    while ((rc = control_send_end(ask->control, &err)) == RC_MORE) {
        bool ended = false;
        int code = take_reply(ask, NULL, &ended);

        if (ended)
            return code;
    }
    return rc ? failed(&err) : take_answer(ask);
}

const char *cli_last(const struct cli_ask *ask, const char *key)
{
    size_t n = json_array_size(ask->rows);
    const char *text =
        n > 0 ? json_string_value(json_object_get(json_array_get(ask->rows, n - 1), key))
              : NULL;

    return text != NULL ? text : "";
}

static bool number_of(const char *text, int64_t *out)
{
    uint64_t value;

    if (!slice_to_u64(slice_from_str(text), &value) || value > INT64_MAX)
        return false;
    *out = (int64_t) value;
    return true;
}

/* "2026-11-21T20:27:00Z" (RFC 3339). */
static void time_text(int64_t seconds, char room[TIME_BYTES])
{
    time_t time = (time_t) seconds;
    struct tm tm;

    if (gmtime_r(&time, &tm) == NULL ||
        strftime(room, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void) snprintf(room, TIME_BYTES, "?");
}

/* A value as the table shows it. */
static void show_value(const json_t *row, const struct cli_column *column,
                       char room[VALUE_BYTES])
{
    const char *text = json_string_value(json_object_get(row, column->key));
    char time[TIME_BYTES];
    int64_t number;

    (void) snprintf(room, VALUE_BYTES, "%s", text != NULL ? text : "");
    for (char *c = room; *c != '\0'; c++)
        if (*c == '\n') /* a list, one a line */
            *c = ',';
    if (column->kind != CLI_TIME || !number_of(room, &number))
        return;
    time_text(number, time);
    (void) snprintf(room, VALUE_BYTES, "%s", number == 0 ? "never" : time);
}

/* A value as JSON has it: numbers as numbers, times as text, "never" as null. */
static json_t *json_value(const json_t *row, const struct cli_column *column)
{
    const char *text = json_string_value(json_object_get(row, column->key));
    char time[TIME_BYTES];
    int64_t number;

    if (text == NULL)
        return json_null();
    if (column->kind == CLI_TEXT || !number_of(text, &number))
        return json_string(text);
    if (column->kind == CLI_NUMBER)
        return json_integer(number);
    if (number == 0)
        return json_null();
    time_text(number, time);
    return json_string(time);
}

/* Characters, as far as a terminal's columns go without a table of widths. */
static size_t width_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char) *text & 0xc0) != 0x80;
    return n;
}

static void put_cell(const char *text, size_t width, bool last)
{
    cli_put_text(stdout, text);
    for (size_t n = width_of(text); !last && n < width + COLUMN_GAP; n++)
        (void) fputc(' ', stdout);
}

static size_t column_width(const json_t *rows, const struct cli_column *column)
{
    size_t widest = strlen(column->title), at;
    char room[VALUE_BYTES];
    const json_t *row;

    json_array_foreach(rows, at, row)
    {
        show_value(row, column, room);
        widest = MAX(widest, MIN(width_of(room), (size_t) COLUMN_WIDEST));
    }
    return widest;
}

static void print_table(const json_t *rows, const struct cli_column *columns, size_t n)
{
    size_t *widths = xcalloc(n, sizeof(size_t)), at;
    char room[VALUE_BYTES];
    const json_t *row;

    for (size_t i = 0; i < n; i++)
        widths[i] = column_width(rows, &columns[i]);
    for (size_t i = 0; i < n; i++)
        put_cell(columns[i].title, widths[i], i + 1 == n);
    (void) fputc('\n', stdout);
    json_array_foreach(rows, at, row)
    {
        for (size_t i = 0; i < n; i++) {
            show_value(row, &columns[i], room);
            put_cell(room, widths[i], i + 1 == n);
        }
        (void) fputc('\n', stdout);
    }
    free(widths);
}

static void print_json(const json_t *rows, const struct cli_column *columns, size_t n)
{
    json_t *out = json_array();
    const json_t *row;
    size_t at;

    json_array_foreach(rows, at, row)
    {
        json_t *object = json_object();

        for (size_t i = 0; i < n; i++)
            (void) json_object_set_new(object, columns[i].key, json_value(row, &columns[i]));
        (void) json_array_append_new(out, object);
    }
    (void) json_dumpf(out, stdout, JSON_INDENT(2));
    (void) fputc('\n', stdout);
    json_decref(out);
}

void cli_print_rows(const struct cli_ask *ask, const struct cli_column *columns, size_t n,
                    bool json)
{
    if (json)
        print_json(ask->rows, columns, n);
    else if (json_array_size(ask->rows) > 0)
        print_table(ask->rows, columns, n);
}

/* A line without its end; false at the end of input and for one that does not fit. */
static bool read_line(char *room, size_t size)
{
    size_t len;

    if (fgets(room, (int) size, stdin) == NULL)
        return false;
    len = strlen(room);
    if (len == 0 || room[len - 1] != '\n')
        return len > 0 && len + 1 < size;
    room[len - 1] = '\0';
    return true;
}

static bool ask_unseen(const char *prompt, char *room, size_t size)
{
    struct termios seen, unseen;
    bool ok;

    if (tcgetattr(STDIN_FILENO, &seen) != 0)
        return false;
    unseen = seen;
    unseen.c_lflag &= ~(tcflag_t) ECHO;
    (void) fputs(prompt, stderr);
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen); /* then it is seen, but still read */
    ok = read_line(room, size);
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &seen);
    (void) fputc('\n', stderr);
    return ok;
}

int cli_read_secret(const char *prompt, bool from_stdin, char *room, size_t size)
{
    char again[VALUE_BYTES];
    bool same;

    if (from_stdin) {
        if (read_line(room, size) && room[0] != '\0')
            return CLI_OK;
        (void) fprintf(stderr, "roost: no password on standard input\n");
        return CLI_FAILED;
    }
    if (isatty(STDIN_FILENO) == 0) {
        (void) fprintf(stderr, "roost: no terminal to ask on; use --password-stdin\n");
        return CLI_USAGE;
    }
    if (!ask_unseen(prompt, room, size) || room[0] == '\0' ||
        !ask_unseen("The same again: ", again, sizeof(again)))
        return CLI_FAILED;
    same = strcmp(room, again) == 0;
    explicit_bzero(again, sizeof(again));
    if (!same)
        (void) fprintf(stderr, "roost: the two differ\n");
    return same ? CLI_OK : CLI_FAILED;
}

int cli_read_known(const char *prompt, const char *what, bool from_stdin, char *room,
                   size_t size)
{
    bool ok;

    if (!from_stdin && isatty(STDIN_FILENO) == 0) {
        (void) fprintf(stderr, "roost: no terminal to ask on; use --password-stdin\n");
        return CLI_USAGE;
    }
    ok = from_stdin ? read_line(room, size) : ask_unseen(prompt, room, size);
    if (ok && room[0] != '\0')
        return CLI_OK;
    (void) fprintf(stderr, "roost: no %s\n", what);
    return CLI_FAILED;
}
