/*
 * load_read.c - opening a mailbox and reading it: SELECT, FETCH.
 *
 * Looking at 100,000 answers would take the driver longer than a good server needs to give
 * them. So while the clock runs their bytes are hashed and nothing else; when it stands the
 * same command is given once more, its answers are taken apart and compared with what the
 * messages' seed says, and their hash must be that of the answers that were timed.
 */
#include <stdio.h>
#include <xxhash.h>

#include "base/scan.h"
#include "load.h"

#define THUNDERBIRD_FIELDS                                                                     \
    "From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups "        \
    "In-Reply-To Content-Type Reply-To"

#define COMMAND_FLAGS "UID FETCH 1:* (FLAGS)"
#define COMMAND_ENVELOPE                                                                       \
    "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
#define COMMAND_HEADERS                                                                        \
    "UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (" THUNDERBIRD_FIELDS ")])"
#define COMMAND_BODY "UID FETCH 1:* (BODY.PEEK[])"

static XXH3_state_t *hash_new(void)
{
    XXH3_state_t *hash = XXH3_createState();

    if (hash == NULL)
        die("load: no memory");
    (void) XXH3_64bits_reset(hash);
    return hash;
}

/* "* seq FETCH (...)": what stands between the parentheses; all of it goes into hash. What
 * takes a while may say so meanwhile (RFC 9585). */
static struct slice fetch_response(struct client *client, size_t seq, XXH3_state_t *hash)
{
    struct slice response = wire_response(&client->wire);
    struct scan sc;
    uint32_t got;

    while (wire_is_progress(response))
        response = wire_response(&client->wire);
    (void) XXH3_64bits_update(hash, response.ptr, response.len);
    (void) XXH3_64bits_update(hash, "\r\n", 2);
    sc = scan_of(response);
    if (!scan_literal(&sc, SLICE("* ")) || !scan_u32(&sc, &got) || got != seq ||
        !scan_literal(&sc, SLICE(" FETCH (")) || !slice_ends(response, SLICE(")")))
        wire_wrong(&client->wire, "not the FETCH that was due", response);
    return slice_sub(scan_rest(&sc), 0, scan_left(&sc) - 1);
}

static void fetch_hashed(struct client *client, const char *command)
{
    struct wire *wire = &client->wire;
    uint64_t before = wire->n_received;
    XXH3_state_t *hash = hash_new();

    wire_begin(wire);
    buf_printf(&wire->out, "%s\r\n", command);
    wire_send(wire);
    client->n_bytes += wire_hash_to_tagged(wire, hash);
    (void) wire_check_tagged(wire, wire_line(wire), wire->tag);
    client->hash = XXH3_64bits_digest(hash);
    (void) XXH3_freeState(hash);
    client->n_received += wire->n_received - before;
}

/* What stands behind `want`; the rest of an answer is looked through from there on. */
static struct slice demand(const struct client *client, struct slice rest, const char *want)
{
    size_t at = slice_search(rest, slice_from_str(want));

    if (at >= rest.len)
        wire_wrong(&client->wire, want, rest);
    return slice_from(rest, at + strlen(want));
}

static void check_flag(const struct client *client, struct slice response, const char *flag,
                       bool is_set)
{
    struct slice flags = demand(client, response, "FLAGS (");

    flags = slice_sub(flags, 0, slice_find(flags, ')'));
    if ((slice_search(flags, slice_from_str(flag)) < flags.len) != is_set)
        wire_wrong(&client->wire, flag, response);
}

static void check_flags(struct client *client, uint32_t number, struct slice response)
{
    struct mail_facts facts;
    char uid[32];

    mail_facts(&client->bag, number, &facts);
    (void) snprintf(uid, sizeof(uid), "UID %u", number);
    (void) demand(client, response, uid);
    check_flag(client, response, "\\Seen", facts.is_seen);
    check_flag(client, response, "\\Answered", facts.is_answered);
}

/* Parentheses outside strings close what they open. */
static void check_balance(const struct client *client, struct slice response)
{
    int depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < response.len; i++) {
        char c = response.ptr[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '(' || c == ')'))
            depth += c == '(' ? 1 : -1;
        if (depth < 0)
            break;
    }
    if (depth != 0 || quoted)
        wire_wrong(&client->wire, "unbalanced", response);
}

static void check_envelope(struct client *client, uint32_t number, struct slice response)
{
    struct slice rest;
    struct mail_facts facts;
    char text[MAIL_TEXT_MAX_BYTES + 40], date[MAIL_DATE_BYTES + 8];

    check_flags(client, number, response);
    check_balance(client, response);
    mail_facts(&client->bag, number, &facts);
    mail_internal_date(facts.date, date);
    rest = demand(client, response, "INTERNALDATE \"");
    if (!slice_starts(slice_from(rest, 1), slice_from_str(date + 1)) ||
        (rest.ptr[0] != date[0] && (rest.ptr[0] != ' ' || date[0] != '0')))
        wire_wrong(&client->wire, date, response);
    (void) snprintf(text, sizeof(text), "RFC822.SIZE %zu", client_message(client, number).len);
    (void) demand(client, response, text);
    mail_header_date(facts.sent, date);
    (void) snprintf(text, sizeof(text), "ENVELOPE (\"%s\" ", date);
    rest = demand(client, response, text);
    (void) snprintf(text, sizeof(text), "\"%s\" ((", facts.subject);
    if (!slice_starts(rest, slice_from_str(text)))
        wire_wrong(&client->wire, text, response);
    (void) snprintf(text, sizeof(text), " \"%s\")", facts.message_id);
    (void) demand(client, rest, text);
    (void) demand(client, response, "BODYSTRUCTURE (");
}

/* The fields of the message that Thunderbird asks for, in the message's order. */
static void wanted_fields(struct slice message, struct buf *out)
{
    static const char names[] = " " THUNDERBIRD_FIELDS " ";
    bool wanted = false;

    for (size_t at = 0; at < message.len;) {
        struct slice rest = slice_from(message, at);
        struct slice line = slice_sub(rest, 0, slice_find(rest, '\n') + 1);
        char name[64];

        at += line.len;
        if (line.ptr[0] != ' ' && line.ptr[0] != '\t') {
            (void) snprintf(name, sizeof(name), " %.*s ", (int) slice_find(line, ':'),
                            line.ptr);
            wanted = line.len > 2 && strstr(names, name) != NULL;
        }
        if (wanted || line.len == 2)
            buf_append(out, line);
        if (line.len == 2)
            return;
    }
}

static void check_headers(struct client *client, uint32_t number, struct slice response)
{
    struct slice message = client_message(client, number), rest;
    AUTO(buf_done) struct buf want;
    char text[40];

    (void) snprintf(text, sizeof(text), "RFC822.SIZE %zu", message.len);
    (void) demand(client, response, text);
    check_flags(client, number, response);
    buf_init(&want, WIRE_BUFFER_MAX_BYTES);
    wanted_fields(message, &want);
    (void) snprintf(text, sizeof(text), " {%zu}\r\n", want.len);
    rest = demand(client, response, text);
    if (!slice_starts(rest, buf_slice(&want)))
        wire_wrong(&client->wire, "not the header fields that are in the message", response);
}

static void check_body(struct client *client, uint32_t number, struct slice response)
{
    struct slice want = client_message(client, number);
    char text[40];

    (void) snprintf(text, sizeof(text), "BODY[] {%zu}\r\n", want.len);
    if (!slice_starts(demand(client, response, text), want))
        wire_wrong(&client->wire, "not the message that was stored", response);
}

struct reading {
    const char *command;
    void (*check)(struct client *client, uint32_t number, struct slice response);
};

static const struct reading reading_flags = {COMMAND_FLAGS, check_flags};
static const struct reading reading_envelope = {COMMAND_ENVELOPE, check_envelope};
static const struct reading reading_headers = {COMMAND_HEADERS, check_headers};
static const struct reading reading_body = {COMMAND_BODY, check_body};

static void check_reading(struct client *client, const struct reading *reading)
{
    struct wire *wire = &client->wire;
    XXH3_state_t *hash = hash_new();

    wire_begin(wire);
    buf_printf(&wire->out, "%s\r\n", reading->command);
    wire_send(wire);
    for (size_t seq = 1; seq <= client->n_messages; seq++) {
        struct slice response = fetch_response(client, seq, hash);

        reading->check(client, (uint32_t) seq, response);
    }
    (void) wire_check_tagged(wire, wire_line(wire), wire->tag);
    if (XXH3_64bits_digest(hash) != client->hash)
        wire_wrong(wire, "the answer that was timed is another",
                   slice_from_str(reading->command));
    (void) XXH3_freeState(hash);
}

static void run_reading(struct client *client, size_t op)
{
    (void) op;
    fetch_hashed(client, client->reading->command);
}

static void finish_reading(struct client *client)
{
    check_reading(client, client->reading);
    wire_log_out(&client->wire);
}

/* A mailbox that has been read before. */
static void read_big(struct client *client, const struct reading *reading)
{
    client->reading = reading;
    client_log_in(client);
    mailbox_ensure_big(client);
    client_select(client, "big", client->n_messages);
    fetch_hashed(client, reading->command);
    client->n_bytes = client->n_received = 0;
}

static void prepare_flags(struct client *client)
{
    read_big(client, &reading_flags);
}

static void prepare_envelope(struct client *client)
{
    read_big(client, &reading_envelope);
}

static void prepare_headers(struct client *client)
{
    read_big(client, &reading_headers);
}

/* One that has never been read: a copy of one that has not been either. */
static void read_fresh(struct client *client, const struct reading *reading)
{
    client->reading = reading;
    client_log_in(client);
    mailbox_ensure_mixed(client, "pristine");
    mailbox_copy(client, "pristine", "fresh");
    client_select(client, "fresh", client->n_messages);
}

static void prepare_envelope_first(struct client *client)
{
    read_fresh(client, &reading_envelope);
}

static void prepare_headers_first(struct client *client)
{
    read_fresh(client, &reading_headers);
}

static void prepare_body(struct client *client)
{
    char mailbox[32];

    client->reading = &reading_body;
    (void) snprintf(mailbox, sizeof(mailbox), "body%zu", client->bag.message_bytes);
    client_log_in(client);
    mailbox_ensure_sized(client, mailbox);
    client_select(client, mailbox, client->n_messages);
}

static void prepare_big(struct client *client)
{
    client_log_in(client);
    mailbox_ensure_big(client);
}

/* The mailbox is there; nothing is asked of the server before, it may have just started. */
static void prepare_select_first(struct client *client)
{
    client_log_in(client);
}

static void run_select(struct client *client, size_t op)
{
    (void) op;
    client_select(client, "big", client->n_messages);
}

static void before_select(struct client *client, size_t op)
{
    if (op > 0)
        wire_command(&client->wire, "UNSELECT");
}

// clang-format off
const struct scenario read_scenarios[] = {
    /* name            user clients ops messages bytes units        writes prepare                 before         run          finish */
    {"big",              33, 1,   1, 10000,    0, 1,           false, prepare_big,            NULL,          run_select,  scenario_log_out},
    {"select-first",     33, 1,   1, 10000,    0, 1,           false, prepare_select_first,   NULL,          run_select,  scenario_log_out},
    {"select",           33, 1, 200, 10000,    0, 1,           false, prepare_big,            before_select, run_select,  scenario_log_out},
    {"fetch-flags",      33, 1,  10, 10000,    0, PER_MESSAGE, false, prepare_flags,          NULL,          run_reading, finish_reading  },
    {"envelope-first",   33, 1,   1, 10000,    0, PER_MESSAGE, false, prepare_envelope_first, NULL,          run_reading, finish_reading  },
    {"envelope",         33, 1,   3, 10000,    0, PER_MESSAGE, false, prepare_envelope,       NULL,          run_reading, finish_reading  },
    {"headers-first",    33, 1,   1, 10000,    0, PER_MESSAGE, false, prepare_headers_first,  NULL,          run_reading, finish_reading  },
    {"headers",          33, 1,   3, 10000,    0, PER_MESSAGE, false, prepare_headers,        NULL,          run_reading, finish_reading  },
    {"fetch-body",       34, 1,   3,  5000, 4096, PER_MESSAGE, false, prepare_body,           NULL,          run_reading, finish_reading  },
    {.name = NULL},
};
// clang-format on
