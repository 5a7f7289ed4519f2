/*
 * test_context.c - updating searches and sorts beside fresh ones: a client that does what ADDTO
 * and REMOVEFROM say, and EXPUNGE, must hold the result of the same command given anew,
 * whatever it and other sessions do (RFC 5267 4.3). Commands run with conflicts.
 */
// links: commands store_memory
// lib: session_rig
#include "base/clock.h"
#include "commands/context.h"
#include "imap/response.h"
#include "lib/session_rig.h"
#include "lib/test.h"
#include "store/memory/memory_engine.h"

#define STEPS       500u
#define START_SEC   1700000000
#define NUMBERS_MAX 4096u
#define TEXT_BYTES  ((size_t) 4096)

/* A result as the client holds it. */
struct held {
    bool uid, sorts;
    const char *what; /* behind RETURN (...) */
    uint32_t numbers[NUMBERS_MAX];
    uint32_t n;
};

#define HELD_MAX 18u

struct walk {
    struct rig *rig;
    struct rig_session *watcher, *other, *third;
    struct held held[HELD_MAX];
    size_t n_held;
    bool
        names_uids; /* no message numbers: UIDONLY, or VANISHED would take a list of all uids */
    uint64_t seed;
    uint32_t exists;
    unsigned tags;
    int64_t now;
    struct arena *arena;
    char said[TEXT_BYTES]; /* the last line, for who reads the failure */
};

/* xorshift64*: the same walk for the same seed everywhere. */
static uint32_t below(struct walk *walk, uint32_t n)
{
    walk->seed ^= walk->seed >> 12;
    walk->seed ^= walk->seed << 25;
    walk->seed ^= walk->seed >> 27;
    return (uint32_t) ((walk->seed * 2685821657736338717u) >> 33) % n;
}

PRINTF_LIKE(3, 4)
static void say(struct walk *walk, struct rig_session *rs, const char *fmt, ...)
{
    char text[TEXT_BYTES];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    assert_true(n > 0 && (size_t) n < sizeof(text));
    memcpy(walk->said, text, (size_t) n + 1);
    rig_send(rs, slice_of(text, (size_t) n));
}

/* ---- what the client makes of an answer ---- */

static void put(struct held *held, uint32_t at, uint32_t number)
{
    assert_true(at <= held->n && held->n < NUMBERS_MAX);
    memmove(&held->numbers[at + 1], &held->numbers[at], (held->n - at) * sizeof(uint32_t));
    held->numbers[at] = number;
    held->n++;
}

static void take(struct held *held, uint32_t at)
{
    held->n--;
    memmove(&held->numbers[at], &held->numbers[at + 1], (held->n - at) * sizeof(uint32_t));
}

static uint32_t place_of(const struct held *held, uint32_t number)
{
    uint32_t at = 0;

    while (at < held->n && held->numbers[at] != number)
        at++;
    return at;
}

/* RFC 5267 4.3.3 and 4.3.4, word by word. */
static void update(const struct walk *walk, struct held *held,
                   const struct imap_esearch_update *update)
{
    uint32_t at = update->position;

    if (held->sorts != (at != 0))
        fail_msg("position %u behind %s", at, walk->said);
    for (size_t i = 0; i < update->set.n; i++) {
        const struct seq_range *range = &update->set.ranges[i];

        for (uint32_t number = range->first; number <= range->last; number++) {
            uint32_t place = place_of(held, number);

            if (update->removes != (place < held->n))
                fail_msg("%u is%s there (%s), behind %s", number, update->removes ? " not" : "",
                         held->what, walk->said);
            if (!held->uid && number > walk->exists)
                fail_msg("%u of %u", number, walk->exists);
            if (at == 0 && !update->removes)
                for (place = 0; place < held->n && held->numbers[place] < number; place++)
                    ;
            if (at != 0 && update->removes)
                assert_int_equal(place, at - 1);
            if (at != 0)
                place = update->removes ? at - 1 : at++ - 1;
            if (update->removes)
                take(held, place);
            else
                put(held, place, number);
        }
    }
}

static void expunge(struct walk *walk, uint32_t seq)
{
    assert_in_range(seq, 1, walk->exists);
    walk->exists--;
    for (size_t i = 0; i < walk->n_held; i++) {
        struct held *held = &walk->held[i];

        if (held->uid)
            continue;
        if (place_of(held, seq) < held->n) /* 4.3.4: REMOVEFROM comes before */
            fail_msg("expunged %u is held (%s)", seq, held->what);
        for (uint32_t k = 0; k < held->n; k++)
            held->numbers[k] -= held->numbers[k] > seq;
    }
}

/* Uids that are held have not vanished. */
static void vanish(const struct walk *walk, const struct seqset *uids)
{
    for (size_t i = 0; i < walk->n_held; i++)
        for (size_t k = 0; walk->held[i].uid && k < walk->held[i].n; k++)
            for (size_t r = 0; r < uids->n; r++)
                assert_false(uids->ranges[r].first <= walk->held[i].numbers[k] &&
                             walk->held[i].numbers[k] <= uids->ranges[r].last);
}

static struct held *held_of(struct walk *walk, struct slice tag)
{
    uint64_t at;

    if (tag.len < 2 || tag.ptr[0] != 'w' || !slice_to_u64(slice_from(tag, 1), &at))
        return NULL;
    assert_true(at < walk->n_held);
    return &walk->held[at];
}

static void list_of(const struct seqset *set, uint32_t *numbers, uint32_t *out_n)
{
    uint32_t n = 0;

    for (size_t i = 0; i < set->n; i++)
        for (uint32_t k = set->ranges[i].first; k <= set->ranges[i].last; k++)
            numbers[n++] = k;
    *out_n = n;
}

struct fresh {
    bool is_there;
    uint32_t numbers[NUMBERS_MAX];
    uint32_t n;
};

static void hear(struct walk *walk, const struct imap_response *response, struct fresh *fresh)
{
    struct held *held = NULL;

    if (response->tag.len > 0)
        return;
    if (response->data == IMAP_DATA_EXISTS)
        walk->exists = response->number;
    else if (response->data == IMAP_DATA_EXPUNGE)
        expunge(walk, response->number);
    else if (response->data == IMAP_DATA_VANISHED)
        vanish(walk, &response->vanished.uids);
    else if (response->data == IMAP_DATA_ESEARCH)
        held = held_of(walk, response->esearch.tag);
    if (response->data != IMAP_DATA_ESEARCH)
        return;
    if (response->esearch.n_updates == 0) {
        assert_non_null(fresh);
        fresh->is_there = true;
        list_of(&response->esearch.all, fresh->numbers, &fresh->n);
        return;
    }
    assert_non_null(held);
    assert_int_equal(response->esearch.uid, held->uid);
    for (size_t i = 0; i < response->esearch.n_updates; i++)
        update(walk, held, &response->esearch.updates[i]);
}

/* All that a session has answered; of the watcher it is drawn. */
static void listen(struct walk *walk, struct rig_session *rs, struct fresh *fresh)
{
    struct slice all = rig_output(rs);

    while (all.len > 0) {
        size_t end = slice_search(all, SLICE("\r\n")) + 2;
        struct imap_response response;
        struct err err;

        assert_true(end <= all.len);
        arena_reset(walk->arena);
        if (imap_parse_response(slice_sub(all, 0, end), rig_session_of(rs)->mode, walk->arena,
                                &response, &err) != RC_OK)
            fail_msg("%s: %.*s", err.text, SLICE_ARG(slice_sub(all, 0, end)));
        if (response.data == IMAP_DATA_STATUS && response.cond != IMAP_OK)
            fail_msg("%s answered %.*s", walk->said, SLICE_ARG(slice_sub(all, 0, end)));
        if (rs == walk->watcher)
            hear(walk, &response, fresh);
        all = slice_from(all, end);
    }
    rig_take(rs, 0, rig_output(rs).len);
}

/* ---- the walk ---- */

static void watch(struct walk *walk, bool uid, bool sorts, const char *what)
{
    struct held *held = &walk->held[walk->n_held];
    struct fresh fresh = {0};

    if (walk->names_uids && !uid)
        return;
    assert_true(walk->n_held < HELD_MAX);
    *held = (struct held){.uid = uid, .sorts = sorts, .what = what};
    walk->n_held++;
    say(walk, walk->watcher, "w%zu %s%s RETURN (UPDATE ALL) %s\r\n", walk->n_held - 1,
        uid ? "UID " : "", sorts ? "SORT" : "SEARCH", what);
    listen(walk, walk->watcher, &fresh);
    memcpy(held->numbers, fresh.numbers, sizeof(fresh.numbers));
    held->n = fresh.n;
}

static void compare(struct walk *walk, struct held *held)
{
    struct fresh fresh = {0};

    say(walk, walk->watcher, "f%u %s%s RETURN (ALL) %s\r\n", walk->tags++,
        held->uid ? "UID " : "", held->sorts ? "SORT" : "SEARCH", held->what);
    listen(walk, walk->watcher, &fresh);
    assert_true(fresh.is_there);
    for (uint32_t i = 0; i < MIN(fresh.n, held->n); i++)
        if (fresh.numbers[i] != held->numbers[i])
            fail_msg("%s: at %u is %u, held is %u", held->what, i, fresh.numbers[i],
                     held->numbers[i]);
    if (fresh.n != held->n)
        fail_msg("%s: %u are held of %u", held->what, held->n, fresh.n);
}

/* Held and fresh are the same in all of them, whether EXPUNGEs are told or not. */
static void compare_all(struct walk *walk)
{
    for (size_t i = 0; i < walk->n_held; i++)
        compare(walk, &walk->held[i]);
}

static void append(struct walk *walk, struct rig_session *rs)
{
    static const char *const subjects[] = {"apples", "Re: apples", "berries", "", "cherries"};
    char body[64], date[40];
    size_t len = below(walk, sizeof(body));
    int64_t sent = walk->now - below(walk, 400);
    const char *subject = subjects[below(walk, COUNT(subjects))];
    const char *flags = below(walk, 3) == 0 ? " (\\Flagged $one)" : "";
    char from = (char) ('a' + below(walk, 6));
    char text[TEXT_BYTES / 2];
    int n;

    memset(body, 'x', len);
    (void) strftime(date, sizeof(date), "%d-%b-%Y %H:%M:%S +0000",
                    gmtime_r(&(time_t){(time_t) sent}, &(struct tm){0}));
    n = snprintf(text, sizeof(text), "Subject: %s\r\nFrom: %c@example.org\r\n\r\n%.*s", subject,
                 from, (int) len, body);
    say(walk, rs, "t%u APPEND INBOX%s \"%s\" {%d+}\r\n%s\r\n", walk->tags++, flags, date, n,
        text);
}

static void change_flags(struct walk *walk, struct rig_session *rs)
{
    static const char *const flags[] = {"\\Seen", "\\Flagged", "\\Deleted", "$one",
                                        "\\Answered"};
    uint32_t from = 1 + below(walk, 200), to = from + below(walk, below(walk, 6) == 0 ? 90 : 4);
    char op = below(walk, 3) == 0 ? '-' : '+';
    const char *silent = below(walk, 2) == 0 ? ".SILENT" : "";

    say(walk, rs, "t%u UID STORE %u:%u %cFLAGS%s (%s)\r\n", walk->tags++, from, to, op, silent,
        flags[below(walk, COUNT(flags))]);
}

static void annotate(struct walk *walk, struct rig_session *rs)
{
    uint32_t uid = 1 + below(walk, 200), last = uid + below(walk, 3);
    const char *whose = below(walk, 2) == 0 ? "shared" : "priv";

    say(walk, rs, "t%u UID STORE %u:%u ANNOTATION (/comment (value.%s \"%c\"))\r\n",
        walk->tags++, uid, last, whose, (char) ('a' + below(walk, 6)));
}

static void move(struct walk *walk, struct rig_session *rs)
{
    uint32_t uid = 1 + below(walk, 200), last = uid + below(walk, 4);
    const char *verb = below(walk, 2) == 0 ? "MOVE" : "COPY";

    say(walk, rs, "t%u UID %s %u:%u %s\r\n", walk->tags++, verb, uid, last,
        below(walk, 4) == 0 ? "Elsewhere" : "INBOX");
}

static void do_something(struct walk *walk)
{
    struct rig_session *sessions[] = {walk->watcher, walk->other, walk->third};
    struct rig_session *rs = sessions[below(walk, 3)];

    switch (below(walk, 10)) {
    case 0:
    case 1:
        append(walk, rs);
        break;
    case 2:
        move(walk, rs);
        break;
    case 3:
        annotate(walk, rs);
        break;
    case 4:
        say(walk, rs, "t%u EXPUNGE\r\n", walk->tags++);
        break;
    case 5: /* time passes */
        walk->now += 1 + below(walk, 40);
        clock_set_for_test(walk->now * 1000000);
        return;
    default:
        change_flags(walk, rs);
        break;
    }
    listen(walk, rs, NULL);
}

/* The watcher hears, in one way or another; behind SEARCH EXPUNGE is not told. */
static void look(struct walk *walk)
{
    uint32_t way = below(walk, 4);

    if (way == 0 && !walk->names_uids) {
        say(walk, walk->watcher, "n%u SEARCH RETURN (SAVE) ALL\r\n", walk->tags++);
    } else if (way <= 1) {
        say(walk, walk->watcher, "n%u IDLE\r\n", walk->tags++);
        rig_poll(walk->watcher);
        rig_send(walk->watcher, SLICE("DONE\r\n"));
    } else {
        say(walk, walk->watcher, "n%u NOOP\r\n", walk->tags++);
    }
    listen(walk, walk->watcher, NULL);
}

// clang-format off
static const struct {
    bool sorts;
    const char *what;
} searches[] = {
    {false, "UNSEEN"},
    {false, "OR FLAGGED KEYWORD $one"},
    {false, "ALL"},
    {false, "NOT SUBJECT apples UNDELETED"},
    {false, "OR UID 20:* UID 3,7"},
    {false, "UID *"},
    {false, "UID 150:*"},
    {false, "YOUNGER 200"},
    {false, "OLDER 100 OR YOUNGER 300 FLAGGED"},
    {false, "ANNOTATION /comment value \"a\""},
    {true,  "(SUBJECT) UTF-8 UNSEEN"},
    {true,  "(REVERSE ARRIVAL FROM) UTF-8 ALL"},
    {true,  "(SIZE) UTF-8 OR FLAGGED UNSEEN"},
    {true,  "(ANNOTATION /comment value.shared REVERSE SIZE) UTF-8 UNDELETED"},
    {true,  "(ANNOTATION /comment value.priv) UTF-8 ALL"},
    {true,  "(REVERSE FROM SUBJECT) UTF-8 YOUNGER 250"},
};
// clang-format on

static void run(const char *first, const char *select, bool names_uids, uint64_t seed)
{
    const struct memory_engine_options options = {.conflict_every = 5};
    AUTO(freep) struct walk *walk = xcalloc(1, sizeof(*walk));

    walk->seed = seed;
    walk->now = START_SEC;
    walk->names_uids = names_uids;
    walk->arena = arena_new(ARENA_TEST_BYTES);
    clock_set_for_test(walk->now * 1000000);
    walk->rig = rig_new(memory_engine_new(&options));
    walk->watcher = rig_login(walk->rig, SESSION_FULL);
    walk->other = rig_login(walk->rig, SESSION_FULL);
    walk->third = rig_login(walk->rig, SESSION_FULL);
    say(walk, walk->other, "s CREATE Elsewhere\r\nt SELECT INBOX\r\n");
    say(walk, walk->third, "s SELECT INBOX\r\n");
    for (unsigned i = 0; i < 30; i++)
        append(walk, walk->other);
    listen(walk, walk->other, NULL);
    listen(walk, walk->third, NULL);
    say(walk, walk->watcher, "%s%s\r\n", first, select);
    listen(walk, walk->watcher, NULL);
    for (size_t i = 0; i < COUNT(searches); i++)
        watch(walk, (seed + i) % 2 == 0 || names_uids, searches[i].sorts, searches[i].what);
    for (unsigned step = 0; step < STEPS; step++) {
        do_something(walk);
        if (below(walk, 3) == 0)
            continue;
        look(walk);
        compare_all(walk);
    }
    clock_set_for_test(0);
    rig_free(walk->rig);
    arena_free(walk->arena);
}

static void what_is_held_is_what_is_found(void **state)
{
    (void) state;
    run("", "x SELECT INBOX", false, 1);
    run("", "x SELECT INBOX", false, 2);
}

static void qresync_tells_vanished(void **state)
{
    (void) state;
    run("y ENABLE QRESYNC\r\n", "x SELECT INBOX", true, 3);
}

static void uidonly_has_no_numbers(void **state)
{
    (void) state;
    run("y ENABLE UIDONLY IMAP4rev2\r\n", "x SELECT INBOX", true, 4);
}

/* Only while it is selected: messages come and go, and NOTIFY tells between commands. */
static void notify_tells_at_any_time(void **state)
{
    (void) state;
    run("y NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))\r\n", "x SELECT INBOX",
        false, 5);
    run("y NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))\r\n", "x SELECT INBOX",
        false, 6);
    run("y NOTIFY NONE\r\n", "x SELECT INBOX", false, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_held_is_what_is_found),
        cmocka_unit_test(qresync_tells_vanished),
        cmocka_unit_test(uidonly_has_no_numbers),
        cmocka_unit_test(notify_tells_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
