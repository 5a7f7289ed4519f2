/*
 * load_change.c - changing what is there: STORE, COPY, MOVE, EXPUNGE; and hearing of changes:
 * LIST-STATUS, QRESYNC.
 */
#include <stdio.h>

#include "base/scan.h"
#include "load.h"

#define PIPELINE        100u /* STOREs sent at once */
#define QRESYNC_CHANGES 1000u

/* ---- STORE ---- */

static void prepare_store(struct client *client)
{
    client_log_in(client);
    mailbox_refill(client, "load");
    client_select(client, "load", client->n_messages);
}

static void prepare_store_big(struct client *client)
{
    client_log_in(client);
    mailbox_ensure_mixed(client, "pristine");
    mailbox_copy(client, "pristine", "load");
    client_select(client, "load", client->n_messages);
}

static void finish_store(struct client *client)
{
    wire_command(&client->wire, "UNSELECT");
    mailbox_expect(client, "load", client->n_messages);
    wire_log_out(&client->wire);
}

static void print_store(struct client *client, uint32_t uid, bool sets)
{
    wire_begin(&client->wire);
    buf_printf(&client->wire.out, "UID STORE %u %cFLAGS (\\Flagged)\r\n", uid,
               sets ? '+' : '-');
}

/* "* seq FETCH (...)" with the flag as it was set, then OK. */
static void check_store(struct client *client, uint32_t seq, bool sets, uint32_t tag)
{
    struct slice line = wire_line(&client->wire);
    struct scan sc = scan_of(line);
    uint32_t got;

    if (!scan_literal(&sc, SLICE("* ")) || !scan_u32(&sc, &got) || got != seq ||
        !scan_literal(&sc, SLICE(" FETCH (")) ||
        (slice_search(line, SLICE("\\Flagged")) < line.len) != sets)
        wire_wrong(&client->wire, "not the FETCH that was due", line);
    (void) wire_check_tagged(&client->wire, wire_line(&client->wire), tag);
}

static void run_store(struct client *client, size_t op)
{
    bool sets = op % 2 == 0;

    print_store(client, 1, sets);
    wire_send(&client->wire);
    check_store(client, 1, sets, client->wire.tag);
}

/* One message each. A server may tell of several at once, before their OKs. */
static void run_store_pipelined(struct client *client, size_t op)
{
    bool sets = op % 2 == 0, told[PIPELINE + 1] = {false};
    struct wire *wire = &client->wire;
    uint32_t tag = wire->tag, n_ok = 0, seq;

    for (seq = 1; seq <= PIPELINE; seq++)
        print_store(client, seq, sets);
    wire_send(wire);
    while (n_ok < PIPELINE) {
        struct slice line = wire_line(wire);
        struct scan sc = scan_of(line);

        if (!scan_literal(&sc, SLICE("* "))) {
            (void) wire_check_tagged(wire, line, tag + ++n_ok);
        } else if (scan_u32(&sc, &seq) && scan_literal(&sc, SLICE(" FETCH ("))) {
            if (seq == 0 || seq > PIPELINE ||
                (slice_search(line, SLICE("\\Flagged")) < line.len) != sets)
                wire_wrong(wire, "not a FETCH that was due", line);
            told[seq] = true;
        }
    }
    for (seq = 1; seq <= PIPELINE; seq++) {
        if (!told[seq])
            wire_wrong(wire, "a FETCH is missing", SLICE(""));
    }
}

/* How many messages the search finds. */
static uint32_t count_found(struct client *client, const char *key)
{
    struct wire *wire = &client->wire;
    struct slice line;
    uint32_t n = 0;

    wire_begin(wire);
    buf_printf(&wire->out, "UID SEARCH %s\r\n", key);
    wire_send(wire);
    for (line = wire_line(wire); slice_starts(line, SLICE("* ")); line = wire_line(wire)) {
        if (slice_starts(line, SLICE("* SEARCH")))
            n += (uint32_t) slice_count(slice_trim(slice_from(line, 2)), ' ');
    }
    (void) wire_check_tagged(wire, line, wire->tag);
    return n;
}

static void prepare_store_all(struct client *client)
{
    client_log_in(client);
    mailbox_ensure_mixed(client, "pristine");
    if (mailbox_status(client, "stores", "MESSAGES") != client->n_messages)
        mailbox_copy(client, "pristine", "stores");
    client_select(client, "stores", client->n_messages);
    wire_command(&client->wire, "UID STORE 1:* -FLAGS.SILENT (\\Flagged)");
}

static void before_store_all(struct client *client, size_t op)
{
    uint32_t n = count_found(client, "FLAGGED");

    if (n != (op % 2 == 0 ? 0 : client->n_messages))
        wire_wrong(&client->wire, "flags not as they were set", SLICE(""));
}

static void run_store_all(struct client *client, size_t op)
{
    wire_command(&client->wire, "UID STORE 1:* %cFLAGS.SILENT (\\Flagged)",
                 op % 2 == 0 ? '+' : '-');
}

static void finish_store_all(struct client *client)
{
    before_store_all(client, client->n_ops);
    wire_log_out(&client->wire);
}

/* ---- COPY, MOVE, EXPUNGE ---- */

static void prepare_many(struct client *client)
{
    client_log_in(client);
    mailbox_ensure_mixed(client, "pristine");
}

static void before_copy(struct client *client, size_t op)
{
    if (op > 0)
        wire_command(&client->wire, "UNSELECT");
    mailbox_make(client, "there");
    client_select(client, "pristine", client->n_messages);
}

static void run_copy(struct client *client, size_t op)
{
    (void) op;
    wire_command(&client->wire, "UID COPY 1:* there");
}

static void before_move(struct client *client, size_t op)
{
    if (op > 0)
        wire_command(&client->wire, "UNSELECT");
    mailbox_copy(client, "pristine", "here");
    mailbox_make(client, "there");
    client_select(client, "here", client->n_messages);
}

static void run_move(struct client *client, size_t op)
{
    (void) op;
    wire_command(&client->wire, "UID MOVE 1:* there");
}

static void expect_there(struct client *client)
{
    mailbox_expect(client, "pristine", client->n_messages);
    mailbox_expect(client, "there", client->n_messages);
    wire_command(&client->wire, "DELETE there");
    wire_log_out(&client->wire);
}

static void finish_copy(struct client *client)
{
    wire_command(&client->wire, "UNSELECT");
    expect_there(client);
}

static void finish_move(struct client *client)
{
    wire_command(&client->wire, "UNSELECT");
    mailbox_expect(client, "here", 0);
    expect_there(client);
}

static void before_expunge(struct client *client, size_t op)
{
    if (op > 0)
        wire_command(&client->wire, "UNSELECT");
    mailbox_copy(client, "pristine", "here");
    client_select(client, "here", client->n_messages);
    wire_command(&client->wire, "UID STORE 1:* +FLAGS.SILENT (\\Deleted)");
}

/* As many EXPUNGEs as there were messages, each of one that was there then (RFC 9051 7.5.1). */
static void run_expunge(struct client *client, size_t op)
{
    size_t left = client->n_messages;
    struct wire *wire = &client->wire;
    struct slice line;

    (void) op;
    wire_begin(wire);
    buf_str(&wire->out, "EXPUNGE\r\n");
    wire_send(wire);
    for (line = wire_line(wire); slice_starts(line, SLICE("* ")); line = wire_line(wire)) {
        struct scan sc = scan_of(slice_from(line, 2));
        uint32_t seq;

        if (!slice_ends(line, SLICE(" EXPUNGE")))
            continue;
        if (!scan_u32(&sc, &seq) || seq == 0 || seq > left)
            wire_wrong(wire, "not an EXPUNGE that was due", line);
        left--;
    }
    (void) wire_check_tagged(wire, line, wire->tag);
    if (left != 0)
        wire_wrong(wire, "messages left", SLICE(""));
}

static void finish_expunge(struct client *client)
{
    wire_command(&client->wire, "UNSELECT");
    mailbox_expect(client, "here", 0);
    wire_log_out(&client->wire);
}

/* ---- LIST-STATUS ---- */

static void prepare_list(struct client *client)
{
    struct wire *wire = &client->wire;
    char last[32];

    client_log_in(client);
    (void) snprintf(last, sizeof(last), "many/box%zu", client->n_messages);
    if (mailbox_status(client, last, "UIDNEXT") != 0)
        return;
    wire_try(wire, "CREATE many");
    for (size_t i = 1; i <= client->n_messages; i++) {
        wire_try(wire, "CREATE many/box%zu", i);
        if (i % 10 == 0) {
            char name[32];

            (void) snprintf(name, sizeof(name), "many/box%zu", i);
            append_send(client, name, (uint32_t) i);
            (void) wire_await_ok(wire);
        }
    }
    client->has_filled = true;
}

static void run_list(struct client *client, size_t op)
{
    size_t n_listed = 0, n_status = 0, n_full = 0;
    struct wire *wire = &client->wire;
    struct slice line;

    (void) op;
    wire_begin(wire);
    buf_str(&wire->out, "LIST \"\" many/* RETURN (STATUS (MESSAGES UIDNEXT UNSEEN))\r\n");
    wire_send(wire);
    for (line = wire_line(wire); slice_starts(line, SLICE("* ")); line = wire_line(wire)) {
        n_listed += slice_starts(line, SLICE("* LIST "));
        n_status += slice_starts(line, SLICE("* STATUS "));
        n_full += slice_search(line, SLICE("MESSAGES 1")) < line.len;
    }
    (void) wire_check_tagged(wire, line, wire->tag);
    if (n_listed != client->n_messages || n_status != client->n_messages ||
        n_full != client->n_messages / 10)
        wire_wrong(wire, "not all mailboxes, or not their messages", SLICE(""));
}

/* ---- QRESYNC ---- */

struct resync {
    uint32_t validity;
    uint64_t modseq;
    uint32_t n; /* changed, and as many expunged */
    uint8_t *state;
};

enum { RESYNC_SAME, RESYNC_CHANGED, RESYNC_GONE };

/* The number behind `word` in what SELECT answers. */
static uint64_t number_in(const struct wire *wire, struct slice line, const char *word)
{
    struct scan sc =
        scan_of(slice_from(line, slice_search(line, slice_from_str(word)) + strlen(word)));
    uint64_t value;

    if (!scan_u64(&sc, INT64_MAX, &value))
        wire_wrong(wire, word, line);
    return value;
}

static void select_codes(struct client *client, struct resync *out)
{
    struct wire *wire = &client->wire;
    struct slice line;

    wire_begin(wire);
    buf_str(&wire->out, "SELECT resync (CONDSTORE)\r\n");
    wire_send(wire);
    for (line = wire_line(wire); slice_starts(line, SLICE("* ")); line = wire_line(wire)) {
        if (slice_search(line, SLICE("[UIDVALIDITY ")) < line.len)
            out->validity = (uint32_t) number_in(wire, line, "[UIDVALIDITY ");
        if (slice_search(line, SLICE("[HIGHESTMODSEQ ")) < line.len)
            out->modseq = number_in(wire, line, "[HIGHESTMODSEQ ");
    }
    (void) wire_check_tagged(wire, line, wire->tag);
}

/* Every `step`-th message from `first` on, n of them, in one UID STORE. */
static void store_each(struct client *client, struct resync *resync, uint32_t first,
                       const char *what, uint8_t state)
{
    uint32_t step = (uint32_t) client->n_messages / resync->n;
    struct buf *out = &client->wire.out;

    wire_begin(&client->wire);
    buf_str(out, "UID STORE ");
    for (uint32_t i = 0; i < resync->n; i++) {
        buf_printf(out, "%s%u", i > 0 ? "," : "", first + i * step);
        resync->state[first + i * step] = state;
    }
    buf_printf(out, " %s\r\n", what);
    wire_send(&client->wire);
    (void) wire_await_ok(&client->wire);
}

/* What another client did while this one was away. */
static void prepare_resync(struct client *client)
{
    struct resync *resync = xcalloc(1, sizeof(*resync));

    client->own = resync;
    resync->state = xcalloc(client->n_messages + 1, 1);
    resync->n = (uint32_t) MIN(client->n_messages / 4, (size_t) QRESYNC_CHANGES);
    client_log_in(client);
    mailbox_ensure_mixed(client, "pristine");
    mailbox_copy(client, "pristine", "resync");
    wire_command(&client->wire, "ENABLE QRESYNC");
    select_codes(client, resync);
    store_each(client, resync, 1, "FLAGS.SILENT (\\Draft)", RESYNC_CHANGED);
    store_each(client, resync, 3, "+FLAGS.SILENT (\\Deleted)", RESYNC_GONE);
    wire_command(&client->wire, "EXPUNGE");
    wire_command(&client->wire, "UNSELECT");
}

static void before_resync(struct client *client, size_t op)
{
    if (op > 0)
        wire_command(&client->wire, "UNSELECT");
}

/* "* VANISHED (EARLIER) set": how many of those that went are in it; none that is there is. */
static uint32_t count_vanished(struct client *client, struct slice set)
{
    const struct resync *resync = client->own;
    struct scan sc = scan_of(set);
    uint32_t n = 0;

    do {
        uint32_t first, last;

        if (!scan_u32(&sc, &first))
            wire_wrong(&client->wire, "VANISHED", set);
        last = first;
        if ((scan_byte(&sc, ':') && !scan_u32(&sc, &last)) || last < first)
            wire_wrong(&client->wire, "VANISHED", set);
        for (uint32_t uid = first; uid <= last && uid <= client->n_messages; uid++) {
            if (resync->state[uid] != RESYNC_GONE)
                wire_wrong(&client->wire, "VANISHED names one that is there", set);
            n++;
        }
    } while (scan_byte(&sc, ','));
    return n;
}

static bool is_changed(const struct client *client, struct slice line)
{
    const struct resync *resync = client->own;
    uint64_t uid = number_in(&client->wire, line, "UID ");

    return uid <= client->n_messages && resync->state[uid] == RESYNC_CHANGED &&
           slice_search(line, SLICE("\\Draft")) < line.len;
}

static void run_resync(struct client *client, size_t op)
{
    static const char vanished[] = "* VANISHED (EARLIER) ";
    const struct resync *resync = client->own;
    uint32_t n_changed = 0, n_gone = 0;
    struct wire *wire = &client->wire;
    struct slice line;

    (void) op;
    wire_begin(wire);
    buf_printf(&wire->out, "SELECT resync (QRESYNC (%u %llu 1:%zu))\r\n", resync->validity,
               (unsigned long long) resync->modseq, client->n_messages);
    wire_send(wire);
    for (line = wire_line(wire); slice_starts(line, SLICE("* ")); line = wire_line(wire)) {
        if (slice_starts(line, slice_from_str(vanished)))
            n_gone += count_vanished(client, slice_from(line, sizeof(vanished) - 1));
        else if (slice_search(line, SLICE(" FETCH (")) < line.len)
            n_changed += is_changed(client, line);
    }
    (void) wire_check_tagged(wire, line, wire->tag);
    if (n_changed != resync->n || n_gone != resync->n)
        wire_wrong(wire, "not all that changed or went", SLICE(""));
}

static void finish_resync(struct client *client)
{
    struct resync *resync = client->own;

    wire_log_out(&client->wire);
    free(resync->state);
    free(resync);
}

// clang-format off
const struct scenario change_scenarios[] = {
    /* name        user clients ops messages bytes units   writes  prepare            before            run                  finish */
    {"store",         1, 1, 1000,   100, 4096, 1,           false, prepare_store,     NULL,             run_store,           finish_store    },
    {"store-big",    33, 1,  500, 10000,    0, 1,           false, prepare_store_big, NULL,             run_store,           finish_store    },
    {"store-pipe",    1, 1,  200, PIPELINE, 4096, PIPELINE,    false, prepare_store,     NULL,             run_store_pipelined, finish_store    },
    {"store-all",    33, 1,    4, 10000,    0, 1,           false, prepare_store_all, before_store_all, run_store_all,       finish_store_all},
    {"copy",         35, 1,    3, 10000,    0, 1,           true,  prepare_many,      before_copy,      run_copy,            finish_copy     },
    {"move",         35, 1,    3, 10000,    0, 1,           true,  prepare_many,      before_move,      run_move,            finish_move     },
    {"expunge",      35, 1,    3, 10000,    0, 1,           true,  prepare_many,      before_expunge,   run_expunge,         finish_expunge  },
    {"list-status",  36, 1,   20,  1000, 4096, 1,           false, prepare_list,      NULL,             run_list,            scenario_log_out},
    {"qresync",      33, 1,   20, 10000,    0, 1,           false, prepare_resync,    before_resync,    run_resync,          finish_resync   },
    {.name = NULL},
};
// clang-format on
