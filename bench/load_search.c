/*
 * load_search.c - SEARCH, SORT and THREAD in a large mailbox.
 *
 * What is due is made from the messages' seed before the clock runs.
 */
#include <stdio.h>

#include "base/ascii.h"
#include "base/scan.h"
#include "load.h"

#define SINCE_PART 32u /* SINCE asks for the last such part of the mailbox, to the day */

struct asked {
    char command[160];
    bool (*is_wanted)(const struct mail_facts *facts, const struct asked *asked);
    int64_t since;
    bool *wanted;      /* by uid */
    uint32_t n;        /* wanted */
    struct buf answer; /* the last, checked when the clock stands */
};

static bool wants_body(const struct mail_facts *facts, const struct asked *asked)
{
    (void) asked;
    return facts->has_body_word;
}

static bool wants_subject(const struct mail_facts *facts, const struct asked *asked)
{
    (void) asked;
    return facts->has_subject_word;
}

static bool wants_sender(const struct mail_facts *facts, const struct asked *asked)
{
    (void) asked;
    return facts->sender == MAIL_SENDER;
}

static bool wants_since(const struct mail_facts *facts, const struct asked *asked)
{
    return facts->date >= asked->since;
}

static bool wants_unseen(const struct mail_facts *facts, const struct asked *asked)
{
    (void) asked;
    return !facts->is_seen;
}

static bool wants_all(const struct mail_facts *facts, const struct asked *asked)
{
    (void) facts;
    (void) asked;
    return true;
}

static struct asked *asked_new(struct client *client, const char *command,
                               bool (*is_wanted)(const struct mail_facts *,
                                                 const struct asked *))
{
    struct asked *asked = xcalloc(1, sizeof(*asked));

    (void) snprintf(asked->command, sizeof(asked->command), "%s", command);
    asked->is_wanted = is_wanted;
    asked->wanted = xcalloc(client->n_messages + 1, sizeof(*asked->wanted));
    buf_init(&asked->answer, WIRE_BUFFER_MAX_BYTES);
    client->own = asked;
    return asked;
}

static void expect_wanted(struct client *client)
{
    struct asked *asked = client->own;

    for (uint32_t uid = 1; uid <= client->n_messages; uid++) {
        struct mail_facts facts;

        mail_facts(&client->bag, uid, &facts);
        asked->wanted[uid] = asked->is_wanted(&facts, asked);
        asked->n += asked->wanted[uid];
    }
}

static void open_big(struct client *client)
{
    expect_wanted(client);
    client_log_in(client);
    mailbox_ensure_big(client);
    client_select(client, "big", client->n_messages);
}

static void open_fresh(struct client *client)
{
    expect_wanted(client);
    client_log_in(client);
    mailbox_ensure_mixed(client, "pristine");
    mailbox_copy(client, "pristine", "fresh");
    client_select(client, "fresh", client->n_messages);
}

/* ---- SEARCH ---- */

static void prepare_text(struct client *client)
{
    (void) asked_new(client, "UID SEARCH TEXT " MAIL_BODY_WORD, wants_body);
    open_big(client);
}

static void prepare_body(struct client *client)
{
    (void) asked_new(client, "UID SEARCH BODY " MAIL_BODY_WORD, wants_body);
    open_big(client);
}

static void prepare_subject(struct client *client)
{
    (void) asked_new(client, "UID SEARCH SUBJECT " MAIL_SUBJECT_WORD, wants_subject);
    open_big(client);
}

static void prepare_from(struct client *client)
{
    char command[160];

    (void) snprintf(command, sizeof(command), "UID SEARCH FROM .p%03u@", MAIL_SENDER);
    (void) asked_new(client, command, wants_sender);
    open_big(client);
}

static void prepare_since(struct client *client)
{
    uint32_t first = (uint32_t) (client->n_messages - client->n_messages / SINCE_PART);
    char date[MAIL_DATE_BYTES], command[160];
    struct mail_facts facts;

    mail_facts(&client->bag, first, &facts);
    mail_search_date(facts.date, date);
    (void) snprintf(command, sizeof(command), "UID SEARCH SINCE %s", date);
    asked_new(client, command, wants_since)->since = facts.date - facts.date % 86400;
    open_big(client);
}

static void prepare_unseen(struct client *client)
{
    (void) asked_new(client, "UID SEARCH UNSEEN", wants_unseen);
    open_big(client);
}

/* "* WORD ..." and the tagged OK. */
static void run_asked(struct client *client, size_t op)
{
    struct asked *asked = client->own;
    struct wire *wire = &client->wire;
    struct slice line;

    (void) op;
    wire_begin(wire);
    buf_printf(&wire->out, "%s\r\n", asked->command);
    wire_send(wire);
    buf_reset(&asked->answer);
    for (line = wire_line(wire); slice_starts(line, SLICE("* ")); line = wire_line(wire)) {
        if (!slice_starts(line, SLICE("* OK "))) /* how far it is: RFC 9051 7.1.1, RFC 9585 */
            buf_append(&asked->answer, slice_from(line, 2));
    }
    (void) wire_check_tagged(wire, line, wire->tag);
}

/* The numbers of the answer, in its order; false at its end. */
static bool next_number(struct client *client, struct scan *sc, uint32_t *out)
{
    const struct asked *asked = client->own;

    if (scan_done(sc))
        return false;
    if (!scan_byte(sc, ' ') || !scan_u32(sc, out) || *out == 0 || *out > client->n_messages ||
        !asked->wanted[*out])
        wire_wrong(&client->wire, "not what is to be found", scan_rest(sc));
    return true;
}

static struct scan answer_of(struct client *client, struct slice word)
{
    const struct asked *asked = client->own;
    struct scan sc = scan_of(slice_trim(buf_slice(&asked->answer)));

    if (!scan_literal(&sc, word))
        wire_wrong(&client->wire, asked->command, scan_rest(&sc));
    return sc;
}

static void asked_free(struct client *client)
{
    struct asked *asked = client->own;

    wire_log_out(&client->wire);
    buf_done(&asked->answer);
    free(asked->wanted);
    free(asked);
}

static void expect_all(struct client *client, uint32_t n)
{
    const struct asked *asked = client->own;
    char text[64];

    if (n == asked->n)
        return;
    (void) snprintf(text, sizeof(text), "%u found, not %u", n, asked->n);
    wire_wrong(&client->wire, asked->command, slice_from_str(text));
}

static void finish_search(struct client *client)
{
    struct scan sc = answer_of(client, SLICE("SEARCH"));
    struct asked *asked = client->own;
    uint32_t uid, n = 0;

    for (; next_number(client, &sc, &uid); n++)
        asked->wanted[uid] = false; /* once each */
    expect_all(client, n);
    asked_free(client);
}

/* ---- SORT ---- */

static void prepare_sort_date(struct client *client)
{
    (void) asked_new(client, "UID SORT (DATE) UTF-8 ALL", wants_all);
    open_big(client);
    run_asked(client, 0);
}

static void prepare_sort_date_first(struct client *client)
{
    (void) asked_new(client, "UID SORT (DATE) UTF-8 ALL", wants_all);
    open_fresh(client);
}

static void prepare_sort_subject(struct client *client)
{
    (void) asked_new(client, "UID SORT (SUBJECT) UTF-8 ALL", wants_all);
    open_big(client);
    run_asked(client, 0);
}

static void prepare_sort_subject_first(struct client *client)
{
    (void) asked_new(client, "UID SORT (SUBJECT) UTF-8 ALL", wants_all);
    open_fresh(client);
}

/* RFC 5256 section 2.2: by date sent, and where that is the same by number. */
static bool date_follows(const struct mail_facts *a, const struct mail_facts *b)
{
    return a->sent < b->sent || (a->sent == b->sent && a->number < b->number);
}

/* RFC 5256 section 2.1, of the subjects that mailbag makes. */
static struct slice base_subject(const struct mail_facts *facts)
{
    struct slice subject = slice_from_str(facts->subject);

    return slice_starts(subject, SLICE("Re: ")) ? slice_from(subject, 4) : subject;
}

/* Other scripts stand where a server's collation has them: only plain ASCII is compared. */
static bool is_compared(const struct mail_facts *facts)
{
    return !slice_starts(base_subject(facts), SLICE("=?"));
}

static bool subject_follows(const struct mail_facts *a, const struct mail_facts *b)
{
    struct slice x = base_subject(a), y = base_subject(b);

    for (size_t i = 0; i < MIN(x.len, y.len); i++) {
        char p = ascii_upper(x.ptr[i]), q = ascii_upper(y.ptr[i]);

        if (p != q)
            return p < q;
    }
    return x.len != y.len ? x.len < y.len : a->number < b->number;
}

static void check_order(struct client *client, bool by_subject)
{
    struct scan sc = answer_of(client, SLICE("SORT"));
    struct asked *asked = client->own;
    struct mail_facts before = {0}, facts;
    uint32_t uid, n = 0;

    for (; next_number(client, &sc, &uid); n++) {
        asked->wanted[uid] = false;
        mail_facts(&client->bag, uid, &facts);
        if (by_subject && !is_compared(&facts))
            continue;
        if (before.number != 0 &&
            !(by_subject ? subject_follows(&before, &facts) : date_follows(&before, &facts)))
            wire_wrong(&client->wire, "not in order", slice_from_str(facts.message_id));
        before = facts;
    }
    expect_all(client, n);
    asked_free(client);
}

static void finish_sort_date(struct client *client)
{
    check_order(client, false);
}

static void finish_sort_subject(struct client *client)
{
    check_order(client, true);
}

/* ---- THREAD ---- */

static void prepare_thread(struct client *client)
{
    (void) asked_new(client, "UID THREAD REFERENCES UTF-8 ALL", wants_all);
    open_big(client);
    run_asked(client, 0);
}

static void prepare_thread_first(struct client *client)
{
    (void) asked_new(client, "UID THREAD REFERENCES UTF-8 ALL", wants_all);
    open_fresh(client);
}

/*
 * Every message stands in it once, and those of one chain of answers in one thread. Threads may
 * hold several chains: RFC 5256 joins those whose subjects are the same.
 */
static void finish_thread(struct client *client)
{
    struct scan sc = answer_of(client, SLICE("THREAD "));
    struct asked *asked = client->own;
    AUTO(freep)
    uint32_t *thread_of_root = xcalloc(client->n_messages + 1, sizeof(*thread_of_root));
    uint32_t depth = 0, thread = 0, n = 0, uid;

    while (!scan_done(&sc)) {
        struct mail_facts facts;

        if (scan_byte(&sc, '(')) {
            thread += depth++ == 0;
        } else if (scan_byte(&sc, ')') && depth > 0) {
            depth--;
        } else if (!scan_byte(&sc, ' ')) {
            if (!scan_u32(&sc, &uid) || uid == 0 || uid > client->n_messages ||
                !asked->wanted[uid] || depth == 0)
                wire_wrong(&client->wire, "THREAD", scan_rest(&sc));
            asked->wanted[uid] = false;
            n++;
            mail_facts(&client->bag, uid, &facts);
            if (thread_of_root[facts.root] != 0 && thread_of_root[facts.root] != thread)
                wire_wrong(&client->wire, "one conversation in two threads",
                           slice_from_str(facts.message_id));
            thread_of_root[facts.root] = thread;
        }
    }
    expect_all(client, n);
    asked_free(client);
}

// clang-format off
const struct scenario search_scenarios[] = {
    /* name                user clients ops messages bytes units writes prepare                  before run        finish */
    {"search-text",          33, 1, 1, 10000, 0, 1, false, prepare_text,               NULL, run_asked, finish_search      },
    {"search-body",          33, 1, 1, 10000, 0, 1, false, prepare_body,               NULL, run_asked, finish_search      },
    {"search-subject",       33, 1, 5, 10000, 0, 1, false, prepare_subject,            NULL, run_asked, finish_search      },
    {"search-from",          33, 1, 5, 10000, 0, 1, false, prepare_from,               NULL, run_asked, finish_search      },
    {"search-since",         33, 1, 5, 10000, 0, 1, false, prepare_since,              NULL, run_asked, finish_search      },
    {"search-unseen",        33, 1, 9, 10000, 0, 1, false, prepare_unseen,             NULL, run_asked, finish_search      },
    {"sort-date-first",      33, 1, 1, 10000, 0, 1, false, prepare_sort_date_first,    NULL, run_asked, finish_sort_date   },
    {"sort-date",            33, 1, 5, 10000, 0, 1, false, prepare_sort_date,          NULL, run_asked, finish_sort_date   },
    {"sort-subject-first",   33, 1, 1, 10000, 0, 1, false, prepare_sort_subject_first, NULL, run_asked, finish_sort_subject},
    {"sort-subject",         33, 1, 5, 10000, 0, 1, false, prepare_sort_subject,       NULL, run_asked, finish_sort_subject},
    {"thread-first",         33, 1, 1, 10000, 0, 1, false, prepare_thread_first,       NULL, run_asked, finish_thread      },
    {"thread",               33, 1, 5, 10000, 0, 1, false, prepare_thread,             NULL, run_asked, finish_thread      },
    {.name = NULL},
};
// clang-format on
