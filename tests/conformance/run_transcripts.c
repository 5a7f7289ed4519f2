/*
 * run_transcripts.c - plays one transcript against sessions in this process.
 *
 *     run_transcripts memory|conflicts|local FILE.imap
 *
 * The language is described in README.md beside it. Exit 0: everything was as expected; else
 * the line, what was expected and what was there.
 */
#include <ftw.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/ascii.h"
#include "commands/referral.h"
#include "imap/response.h"
#include "lib/answer.h"
#include "lib/session_rig.h"
#include "mailbox/acl.h"
#include "store/local/local.h"
#include "store/memory/memory_engine.h"

#define SESSIONS_MAX     26u
#define FILE_MAX_BYTES   ((size_t) 4 << 20)
#define PLAY_ARENA_BYTES ((size_t) 1 << 30)
#define CONFLICT_EVERY   3u
#define DATA_MAX         32u
#define REMOTES_MAX      8u

struct data_block {
    struct slice name, bytes;
};

struct play {
    const char *path;
    unsigned line;
    struct arena *arena;
    struct rig *rig;
    struct rig_session *sessions[SESSIONS_MAX];
    bool allows_more[SESSIONS_MAX];
    struct buf waiting[SESSIONS_MAX]; /* to be sent with the next line */
    struct answer_names names;
    struct data_block data[DATA_MAX];
    size_t n_data;
    struct slice it; /* the mailbox a setup clause named last */
    unsigned n_setup;
    char *folder; /* of the local engine; NULL: none */
    struct remote_mailbox remotes[REMOTES_MAX];
    struct referrals referrals;
};

_Noreturn PRINTF_LIKE(2, 3) static void fail(const struct play *play, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%u: ", play->path, play->line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

/* ---- sessions ---- */

static struct rig_session *session_of(struct play *play, char letter)
{
    size_t at = (size_t) (letter - 'A');

    if (letter < 'A' || letter > 'Z')
        fail(play, "no session is called '%c'", letter);
    if (play->sessions[at] == NULL) {
        play->sessions[at] = rig_login(play->rig, SESSION_FULL);
        buf_init(&play->waiting[at], FILE_MAX_BYTES);
    }
    return play->sessions[at];
}

/* Whatever is said must be in the grammar, expected or not. */
static void check_grammar(struct play *play, size_t at)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PLAY_ARENA_BYTES);
    struct rig_session *rs = play->sessions[at];
    struct slice output = rig_output(rs);
    size_t len;

    for (; (len = answer_length(output)) > 0; output = slice_from(output, len)) {
        struct slice answer = slice_sub(output, 0, len);
        struct imap_response response;
        struct err err;

        if (imap_parse_response(answer, rig_session_of(rs)->mode, arena, &response, &err) !=
            RC_OK)
            fail(play, "%c was told what is not in the grammar (%s): %.*s", (char) ('A' + at),
                 err.text, SLICE_ARG(answer));
    }
}

/* Nothing may be left that was not expected. */
static void check_drained(struct play *play, size_t at)
{
    struct rig_session *rs = play->sessions[at];
    struct slice output = rig_output(rs);
    size_t len;

    for (; (len = answer_length(output)) > 0; output = slice_from(output, len))
        if (!play->allows_more[at] || !slice_starts(output, SLICE("* ")))
            fail(play, "%c was also told: %.*s", (char) ('A' + at),
                 SLICE_ARG(slice_sub(output, 0, len)));
    if (output.len > 0)
        fail(play, "%c: answer without an end: %.*s", (char) ('A' + at), SLICE_ARG(output));
    rig_take(rs, 0, rig_output(rs).len);
    play->allows_more[at] = false;
}

/* ---- text ---- */

/* {name} and <data> put in. Data goes out as literals, and stands as one in expectations. */
static struct slice expand(struct play *play, struct slice text, bool sending)
{
    AUTO(buf_done) struct buf out;

    buf_init(&out, FILE_MAX_BYTES);
    for (size_t i = 0; i < text.len; i++) {
        struct slice rest = slice_from(text, i + 1);
        char close = (char) (text.ptr[i] == '{' ? '}' : text.ptr[i] == '<' ? '>' : 0);
        size_t end = close != 0 ? slice_find(rest, close) : rest.len;
        struct slice name = slice_sub(rest, 0, end);
        const struct slice *value = close == '}' ? answer_lookup(&play->names, name) : NULL;
        bool done = false;

        if (end < rest.len && value != NULL && sending) {
            buf_append(&out, *value);
            done = true;
        }
        for (size_t k = 0; end < rest.len && close == '>' && !done && k < play->n_data; k++) {
            if (!slice_eq(play->data[k].name, name))
                continue;
            buf_printf(&out, sending ? "{%zu+}\r\n" : "{%zu}\r\n", play->data[k].bytes.len);
            buf_append(&out, play->data[k].bytes);
            done = true;
        }
        if (done)
            i += end + 1;
        else
            buf_byte(&out, text.ptr[i]);
    }
    return arena_dup(play->arena, buf_slice(&out));
}

/* ---- setup ---- */

static void run_quietly(struct play *play, struct rig_session *rs, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static void run_quietly(struct play *play, struct rig_session *rs, const char *fmt, ...)
{
    AUTO(buf_done) struct buf command;
    struct slice output;
    char text[4096];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap); /* setup lines are short */
    va_end(ap);
    buf_init(&command, FILE_MAX_BYTES);
    buf_printf(&command, "setup%u ", ++play->n_setup);
    buf_str(&command, text);
    buf_str(&command, "\r\n");
    rig_send(rs, buf_slice(&command));
    output = rig_output(rs);
    if (slice_search(output, SLICE(" OK ")) == output.len)
        fail(play, "setup: %s: %.*s", text, SLICE_ARG(output));
}

static void forget_output(struct rig_session *rs)
{
    rig_take(rs, 0, rig_output(rs).len);
}

static void append_messages(struct play *play, struct slice mailbox, uint64_t n)
{
    struct rig_session *rs = rig_login(play->rig, SESSION_FULL);

    if (!slice_eq_nocase(mailbox, SLICE("INBOX")))
        rig_send(rs, slice_from_str(arena_printf(play->arena, "create CREATE \"%.*s\"\r\n",
                                                 SLICE_ARG(mailbox))));
    forget_output(rs); /* a NO means that it is there already */
    for (uint64_t i = 1; i <= n; i++) {
        AUTO(buf_done) struct buf message;

        buf_init(&message, FILE_MAX_BYTES);
        buf_printf(&message,
                   "From: Fred Foobar <foobar@example.com>\r\n"
                   "To: mooch@example.com\r\n"
                   "Date: Mon, %llu Feb 1994 21:52:25 -0800\r\n"
                   "Subject: message %llu\r\n"
                   "Message-ID: <%llu@example.com>\r\n\r\nHello Joe\r\n",
                   (unsigned long long) (i % 28 + 1), (unsigned long long) i,
                   (unsigned long long) i);
        for (uint64_t k = 0; k < i; k++)
            for (unsigned c = 0; c < 100; c++)
                buf_byte(&message, (char) (c == 98 ? '\r' : c == 99 ? '\n' : 'x'));
        run_quietly(play, rs, "APPEND \"%.*s\" {%zu+}\r\n%.*s", SLICE_ARG(mailbox), message.len,
                    SLICE_ARG(buf_slice(&message)));
        forget_output(rs);
    }
    rig_logout(rs);
}

static struct slice next_word(struct slice *text)
{
    struct slice word;
    size_t end;

    *text = slice_trim(*text);
    end = slice_find(*text, ' ');
    word = slice_sub(*text, 0, end);
    *text = slice_trim(slice_from(*text, end));
    return word;
}

static struct slice mailbox_named(struct play *play, struct slice name)
{
    if (!slice_eq(name, SLICE("it")))
        play->it = arena_dup(play->arena, name);
    return play->it;
}

/* "A and B have NAME selected", "A has it examined" */
static void select_for(struct play *play, struct slice clause)
{
    char letters[SESSIONS_MAX];
    size_t n = 0;
    struct slice word = next_word(&clause), name, verb;

    for (; n < SESSIONS_MAX && word.len > 0; word = next_word(&clause)) {
        if (slice_eq(word, SLICE("have")) || slice_eq(word, SLICE("has")))
            break;
        if (!slice_eq(word, SLICE("and")))
            letters[n++] = word.ptr[0];
    }
    name = mailbox_named(play, next_word(&clause));
    verb = next_word(&clause);
    for (size_t i = 0; i < n; i++) {
        struct rig_session *rs = session_of(play, letters[i]);

        run_quietly(play, rs, "%s \"%.*s\"",
                    slice_eq(verb, SLICE("examined")) ? "EXAMINE" : "SELECT", SLICE_ARG(name));
        forget_output(rs);
    }
}

static void bind_status(struct play *play, struct slice name, struct slice item)
{
    struct rig_session *rs = rig_login(play->rig, SESSION_FULL);
    struct slice output;
    size_t open, close;

    run_quietly(play, rs, "STATUS \"%.*s\" (%.*s)", SLICE_ARG(play->it), SLICE_ARG(item));
    output = rig_output(rs);
    open = slice_find(output, '(');
    output = slice_from(output, open + item.len + 2);
    close = slice_find(output, ')');
    answer_bind(&play->names, slice_sub(name, 1, name.len - 2), slice_sub(output, 0, close));
    rig_logout(rs);
}

/* ---- setup: who there is ---- */

static uint64_t user_named(struct play *play, struct slice name)
{
    return rig_person(play->rig, PRINCIPAL_USER, name);
}

/* "A is fred": before A says anything. */
static void log_in_as(struct play *play, char letter, struct slice name)
{
    size_t at = (size_t) (letter - 'A');

    if (letter < 'A' || letter > 'Z' || play->sessions[at] != NULL)
        fail(play, "%c is somebody already", letter);
    play->sessions[at] = rig_login_as(play->rig, user_named(play, name), SESSION_FULL);
    buf_init(&play->waiting[at], FILE_MAX_BYTES);
}

/* "team gives david lrs": the INBOX of an ownerless account, which the administrator shares. */
static void give(struct play *play, struct slice giver, struct slice rest)
{
    AUTO(principals_unrefp)
    struct principals *people = mail_store_principals(rig_store(play->rig));
    uint64_t id = rig_person(play->rig, PRINCIPAL_SHARED, giver), position = 0;
    AUTO(account_closep) struct account *account = NULL;
    struct acl_change change = {.op = ACL_SET};
    struct err err;
    enum rc rc = account_open(rig_store(play->rig), id, true, &account, &err);

    if (!rc)
        rc = acl_word_read(people, next_word(&rest), &change.name, &err);
    if (!rc && !rights_parse(rest, &change.rights))
        fail(play, "no rights: %.*s", SLICE_ARG(rest));
    while (!rc || rc == RC_CONFLICT) {
        rc = account_put_acl(account, &(struct actor){0}, SLICE("INBOX"), &change, &position,
                             &err);
        if (!rc) {
            account_wait_durable(account, position);
            return;
        }
    }
    fail(play, "setup: %s", err.text);
}

/* "A finds Shared/News at server2": the names in ascending order. */
static void find_elsewhere(struct play *play, struct session *session, struct slice rest)
{
    struct slice name = next_word(&rest);

    if (!slice_eq(next_word(&rest), SLICE("at")) || play->referrals.n == REMOTES_MAX)
        fail(play, "setup: want NAME at SERVER");
    play->remotes[play->referrals.n++] = (struct remote_mailbox){name, rest};
    play->referrals.mailboxes = play->remotes;
    play->referrals.here = SLICE("here");
    session->referrals = &play->referrals;
    session->user = "fred";
}

/* False: the clause is not about people. */
static bool set_up_people(struct play *play, struct slice first, struct slice second,
                          struct slice rest)
{
    struct rig *rig = play->rig;

    if (first.len == 1 && slice_eq(second, SLICE("is")))
        log_in_as(play, first.ptr[0], rest);
    else if (first.len == 1 && slice_eq(second, SLICE("submits")))
        rig_session_of(session_of(play, first.ptr[0]))->submits = true;
    else if (first.len == 1 && slice_eq(second, SLICE("finds")))
        find_elsewhere(play, rig_session_of(session_of(play, first.ptr[0])), rest);
    else if (slice_eq(second, SLICE("joins")) || slice_eq(second, SLICE("leaves")))
        rig_set_member(rig, user_named(play, first), rig_person(rig, PRINCIPAL_GROUP, rest),
                       slice_eq(second, SLICE("joins")));
    else if (slice_eq(second, SLICE("vanishes")))
        rig_remove_person(rig, user_named(play, first));
    else if (slice_eq(second, SLICE("gives")))
        give(play, first, rest);
    else
        return false;
    return true;
}

static void set_up(struct play *play, struct slice clause)
{
    struct slice rest = clause, first = next_word(&rest), second = next_word(&rest);
    uint64_t n;

    if (set_up_people(play, first, second, rest))
        return;
    if (slice_eq(second, SLICE("holds")) && slice_to_u64(next_word(&rest), &n)) {
        append_messages(play, mailbox_named(play, first), n);
    } else if (slice_eq(second, SLICE("exists"))) {
        append_messages(play, mailbox_named(play, first), 0);
    } else if (first.len == 1 && slice_eq(second, SLICE("speaks"))) {
        run_quietly(play, session_of(play, first.ptr[0]), "ENABLE %.*s", SLICE_ARG(rest));
        forget_output(session_of(play, first.ptr[0]));
    } else if (first.len == 1 && slice_eq(second, SLICE("sets"))) {
        rig_session_of(session_of(play, first.ptr[0]))->sets_quota = true;
    } else if (first.len == 1 && slice_eq(second, SLICE("may"))) {
        rig_session_of(session_of(play, first.ptr[0]))->rights = SESSION_READ_ONLY;
    } else if (first.len == 1 && slice_eq(second, SLICE("handles")) &&
               slice_to_u64(next_word(&rest), &n)) {
        rig_session_of(session_of(play, first.ptr[0]))->message_limit = (uint32_t) n;
    } else if (first.len == 1 && slice_eq(second, SLICE("saves")) &&
               slice_to_u64(next_word(&rest), &n)) {
        rig_session_of(session_of(play, first.ptr[0]))->save_limit = (uint32_t) n;
    } else if (first.len > 2 && first.ptr[0] == '{' && slice_starts(rest, SLICE("its "))) {
        bind_status(play, first, slice_from(rest, 4));
    } else if (first.len == 1) {
        select_for(play, clause);
    } else {
        fail(play, "setup clause not understood: %.*s", SLICE_ARG(clause));
    }
}

/* ---- lines ---- */

static void send_line(struct play *play, size_t at, struct slice text, bool hold)
{
    struct rig_session *rs = session_of(play, (char) ('A' + at));
    struct buf *waiting = &play->waiting[at];

    if (waiting->len == 0)
        check_drained(play, at);
    buf_append(waiting, expand(play, text, true));
    buf_str(waiting, "\r\n");
    if (hold)
        return;
    rig_send(rs, buf_slice(waiting));
    buf_reset(waiting);
    check_grammar(play, at);
}

static void expect(struct play *play, size_t at, char kind, struct slice text)
{
    struct rig_session *rs = session_of(play, (char) ('A' + at));
    struct slice want, output;
    size_t from = 0, len;

    rig_poll(rs);
    check_grammar(play, at);
    if (slice_eq(text, SLICE("..."))) {
        play->allows_more[at] = true;
        return;
    }
    want = expand(play, text, false);
    output = rig_output(rs);
    for (; (len = answer_length(slice_from(output, from))) > 0; from += len) {
        if (answer_matches(want, slice_sub(output, from, len), &play->names)) {
            rig_take(rs, from, len);
            return;
        }
        if (kind == '-')
            break;
    }
    fail(play, "%c was not told: %.*s\n  but:\n%.*s", (char) ('A' + at), SLICE_ARG(text),
         SLICE_ARG(output));
}

static void play_line(struct play *play, struct slice line)
{
    size_t at = (size_t) (line.ptr[0] - 'A');
    struct slice text = slice_trim(slice_from(line, 2));

    (void) session_of(play, line.ptr[0]);
    switch (line.ptr[1]) {
    case ':':
    case '&':
        send_line(play, at, text, line.ptr[1] == '&');
        return;
    case '~':
    case '<':
    case '-':
        expect(play, at, line.ptr[1], text);
        return;
    case '+':
        expect(play, at, '+', slice_of(line.ptr + 1, line.len - 1));
        return;
    case '!':
        if (!rig_is_closed(play->sessions[at]))
            fail(play, "%c is still there", line.ptr[0]);
        return;
    default:
        fail(play, "line not understood: %.*s", SLICE_ARG(line));
    }
}

/* "data NAME" up to "end": lines without their first two blanks, joined with CRLF. */
static struct slice read_data(struct play *play, struct slice name, struct slice rest)
{
    AUTO(buf_done) struct buf bytes;

    buf_init(&bytes, FILE_MAX_BYTES);
    while (rest.len > 0) {
        size_t end = slice_find(rest, '\n');
        struct slice line = slice_sub(rest, 0, end);

        rest = slice_from(rest, MIN(end + 1, rest.len));
        play->line++;
        if (slice_eq(line, SLICE("end")))
            break;
        buf_append(&bytes, slice_from(line, MIN((size_t) 2, line.len)));
        buf_str(&bytes, "\r\n");
    }
    if (play->n_data == DATA_MAX)
        fail(play, "more than %u data blocks", DATA_MAX);
    play->data[play->n_data++] =
        (struct data_block){name, arena_dup(play->arena, buf_slice(&bytes))};
    return rest;
}

static void play_setup(struct play *play, struct slice clauses)
{
    while (clauses.len > 0) {
        size_t end = slice_find(clauses, ';');

        set_up(play, slice_trim(slice_sub(clauses, 0, end)));
        clauses = slice_trim(slice_from(clauses, MIN(end + 1, clauses.len)));
    }
}

static void play_all(struct play *play, struct slice text)
{
    while (text.len > 0) {
        size_t end = slice_find(text, '\n');
        struct slice line = slice_sub(text, 0, end);

        text = slice_from(text, MIN(end + 1, text.len));
        play->line++;
        if (slice_trim(line).len == 0 || line.ptr[0] == '#')
            continue;
        if (slice_starts(line, SLICE("data ")))
            text = read_data(play, slice_trim(slice_from(line, 5)), text);
        else if (slice_starts(line, SLICE("setup:")))
            play_setup(play, slice_trim(slice_from(line, 6)));
        else
            play_line(play, line);
    }
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (play->sessions[i] != NULL)
            check_drained(play, i);
}

static struct slice read_file(const char *path, struct arena *arena)
{
    char *text = arena_alloc(arena, FILE_MAX_BYTES);
    FILE *file = fopen(path, "r");
    size_t len;

    if (file == NULL)
        die("%s: cannot be opened", path);
    len = fread(text, 1, FILE_MAX_BYTES, file);
    (void) fclose(file); /* read only */
    return slice_of(text, len);
}

/* ---- engines ---- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void) info;
    (void) type;
    (void) ftw;
    return remove(path);
}

static struct engine *open_local(struct play *play)
{
    const char *tmp = getenv("TMPDIR");
    struct local_options options = {.segment_bytes = (uint64_t) 1 << 20,
                                    .first_segment_bytes = (uint64_t) 1 << 20,
                                    .map_bytes = (uint64_t) 64 << 20};
    struct engine *engine;
    struct err err;

    play->folder =
        arena_printf(play->arena, "%s/transcript.XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(play->folder) == NULL)
        die("%s: cannot be made", play->folder);
    options.path = arena_printf(play->arena, "%s/store", play->folder);
    if (local_store_create(options.path, &err) != RC_OK ||
        local_engine_open(&options, &engine, &err) != RC_OK)
        die("local engine: %s: %s", err.text, err.detail);
    return engine;
}

static struct engine *open_engine(struct play *play, const char *name)
{
    struct memory_engine_options options = {0};

    if (slice_eq(slice_from_str(name), SLICE("local")))
        return open_local(play);
    if (slice_eq(slice_from_str(name), SLICE("conflicts")))
        options.conflict_every = CONFLICT_EVERY;
    else
        options.no_conflict = true;
    return memory_engine_new(&options);
}

int main(int argc, char **argv)
{
    AUTO(arena_freep) struct arena *arena = arena_new(PLAY_ARENA_BYTES);
    struct play play = {.arena = arena, .names.arena = arena};

    if (argc != 3)
        die("usage: run_transcripts memory|conflicts|local FILE.imap");
    play.path = argv[2];
    play.rig = rig_new(open_engine(&play, argv[1]));
    play_all(&play, read_file(argv[2], arena));
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        buf_done(&play.waiting[i]);
    rig_free(play.rig);
    if (play.folder != NULL && nftw(play.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        die("%s: cannot be removed", play.folder);
    return 0;
}
