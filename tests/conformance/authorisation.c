/*
 * authorisation.c - every command x every right x who asks, against a table.
 *
 *     authorisation
 *
 * The table below is RFC 4314 section 4 (and RFC 5464 3.3, RFC 6851 4.3 for what is not in it),
 * written from the texts. A cell is a command of one session on a mailbox of Fred's of its own,
 * for which a set of rights was given: to the user, to a group the user is in, to the user and
 * taken back, to others alone; or the session is Fred's. Checked are the answer; where it is to
 * be refused, that nothing changed; where it is to be done, what it did; and where the mailbox
 * is not to be seen, that the answer is byte for byte that for a mailbox that does not exist.
 * It prints the number of cells.
 */
#include <stdarg.h>

#include "lib/session_rig.h"
#include "store/memory/memory_engine.h"

#define ASK_BYTES 4096u
#define DUMMY     "dummy" /* a user who takes no part */

enum relation { OWNER, GRANTED, GROUP, REVOKED, STRANGER, RELATIONS };

static const char *const relation_names[RELATIONS] = {"owner", "granted", "group", "revoked",
                                                      "stranger"};

/* What a command that is done leaves behind. */
enum effect {
    EFFECT_NONE,
    EFFECT_LINE,      /* an untagged answer; without its right there is none */
    EFFECT_CHILD,     /* the mailbox has a child */
    EFFECT_GONE,      /* there is no such mailbox any more */
    EFFECT_GRANTED,   /* DUMMY stands in the list */
    EFFECT_SELECTED,  /* [READ-WRITE] or [READ-ONLY] as RFC 4314 5.2 says */
    EFFECT_DELIVERED, /* a third message, with the flags that the rights allow */
    EFFECT_SEEN,      /* message 1 has \Seen for who asked, with "s" */
    EFFECT_FLAGS,     /* message 1 has those of \Seen \Deleted \Flagged that were asked for and
                         are allowed */
    EFFECT_EXPUNGED,  /* message 2 is gone, with "e" */
    EFFECT_MOVED,     /* message 1 is gone */
    EFFECT_SHARED,    /* the last message has "x" as everybody's /comment */
    EFFECT_OWN,       /* and as the /comment of who asked, which nobody else sees */
};

struct row {
    const char *command; /* %s: the mailbox; %d: a new name */
    bool selected;       /* of the selected state: the mailbox is selected before */
    const char *needs;   /* every one of these rights */
    const char *any;     /* and one of these; "": none */
    enum effect effect;
    bool always_ok; /* without its rights it is answered OK and does nothing */
};

// clang-format off
static const struct row rows[] = {
    /* command                                     selected needs  any      effect            always OK */
    {"LIST \"\" %s",                               false,  "l",    "",      EFFECT_LINE,      true},
    {"RLIST \"\" %s",                              false,  "l",    "",      EFFECT_LINE,      true},
    {"XLIST \"\" %s",                              false,  "l",    "",      EFFECT_LINE,      true},
    {"LIST \"\" %s RETURN (MYRIGHTS)",             false,  "l",    "",      EFFECT_LINE,      true},
    {"LIST \"\" (%s \"nothing/*\") RETURN (SUBSCRIBED CHILDREN)", false, "l", "", EFFECT_LINE, true},
    {"SUBSCRIBE %s",                               false,  "",     "",      EFFECT_NONE,      true},
    {"UNSUBSCRIBE %s",                             false,  "",     "",      EFFECT_NONE,      true},
    {"CREATE %s/child",                            false,  "k",    "",      EFFECT_CHILD,     false},
    {"DELETE %s",                                  false,  "x",    "",      EFFECT_GONE,      false},
    {"RENAME %s %d",                               false,  "x",    "",      EFFECT_GONE,      false},
    {"SELECT %s",                                  false,  "r",    "",      EFFECT_SELECTED,  false},
    {"EXAMINE %s",                                 false,  "r",    "",      EFFECT_NONE,      false},
    {"STATUS %s (MESSAGES UNSEEN)",                false,  "r",    "",      EFFECT_LINE,      false},
    {"SETACL %s " DUMMY " lr",                     false,  "a",    "",      EFFECT_GRANTED,   false},
    {"SETACL %s " DUMMY " +lr",                    false,  "a",    "",      EFFECT_GRANTED,   false},
    {"DELETEACL %s " DUMMY,                        false,  "a",    "",      EFFECT_NONE,      false},
    {"GETACL %s",                                  false,  "a",    "",      EFFECT_LINE,      false},
    {"LISTRIGHTS %s " DUMMY,                       false,  "a",    "",      EFFECT_LINE,      false},
    {"MYRIGHTS %s",                                false,  "",     "lrikxa", EFFECT_LINE,     false},
    {"APPEND %s (\\Seen \\Deleted \\Flagged $kw) {3+}\r\nx\r\n", false, "i", "", EFFECT_DELIVERED, false},
    {"GETMETADATA %s /shared/comment",             false,  "",     "rswip", EFFECT_LINE,      false},
    {"SETMETADATA %s (/private/comment \"x\")",    false,  "",     "rswip", EFFECT_NONE,      false},
    {"SETMETADATA %s (/shared/comment \"x\")",     false,  "w",    "rswip", EFFECT_NONE,      false},
    {"SETMETADATA %s (/shared/vendor/roost/sharedseen \"true\")", false, "a", "rswip", EFFECT_NONE, false},
    {"APPEND %s ANNOTATION (/comment (value.priv \"x\")) {3+}\r\nx\r\n", false, "ir", "", EFFECT_OWN, false},
    {"APPEND %s ANNOTATION (/comment (value.shared \"x\")) {3+}\r\nx\r\n", false, "irn", "", EFFECT_SHARED, false},
    {"COPY 1 %s",                                  false,  "i",    "",      EFFECT_DELIVERED, false},
    {"UID COPY 1:* %s",                            false,  "i",    "",      EFFECT_DELIVERED, false},
    {"MOVE 1 %s",                                  false,  "i",    "",      EFFECT_DELIVERED, false},
    {"NOOP",                                       true,   "",     "",      EFFECT_NONE,      false},
    {"ESEARCH IN (mailboxes %s) ALL",              false,  "r",    "",      EFFECT_LINE,      true},
    {"ESEARCH IN (subtree-one %s subscribed) RETURN (COUNT) ALL", false, "r", "", EFFECT_LINE, true},
    {"ESEARCH ALL",                                true,   "",     "",      EFFECT_LINE,      false},
    {"COMPARATOR i;octet",                         true,   "",     "",      EFFECT_LINE,      false},
    {"SEARCH ALL",                                 true,   "",     "",      EFFECT_LINE,      false},
    {"SEARCH RETURN (UPDATE ALL) UNSEEN",          true,   "",     "",      EFFECT_LINE,      false},
    {"CANCELUPDATE \"a1\"",                        true,   "",     "",      EFFECT_NONE,      false},
    {"SORT (SUBJECT) UTF-8 ALL",                   true,   "",     "",      EFFECT_LINE,      false},
    {"UID THREAD REFERENCES UTF-8 ALL",            true,   "",     "",      EFFECT_LINE,      false},
    {"FETCH 1 FLAGS",                              true,   "",     "",      EFFECT_LINE,      false},
    {"FETCH 1 BODY[]",                             true,   "",     "",      EFFECT_SEEN,      false},
    {"UID FETCH 1:* BODY.PEEK[HEADER]",            true,   "",     "",      EFFECT_LINE,      false},
    {"STORE 1 +FLAGS (\\Seen)",                    true,   "s",    "",      EFFECT_FLAGS,     false},
    {"STORE 1 +FLAGS (\\Deleted)",                 true,   "t",    "",      EFFECT_FLAGS,     false},
    {"STORE 1 +FLAGS (\\Flagged)",                 true,   "w",    "",      EFFECT_FLAGS,     false},
    {"UID STORE 1:* +FLAGS.SILENT ($kw)",          true,   "w",    "",      EFFECT_NONE,      false},
    {"STORE 1 +FLAGS (\\Seen \\Deleted \\Flagged)", true,  "",     "stw",   EFFECT_FLAGS,     false},
    {"STORE 1 FLAGS (\\Seen \\Deleted \\Flagged)", true,   "",     "stw",   EFFECT_FLAGS,     false},
    {"EXPUNGE",                                    true,   "e",    "",      EFFECT_EXPUNGED,  false},
    {"UID EXPUNGE 2",                              true,   "e",    "",      EFFECT_EXPUNGED,  false},
    {"CLOSE",                                      true,   "e",    "",      EFFECT_EXPUNGED,  true},
    {"FETCH 1 (ANNOTATION (/comment value))",      true,   "",     "",      EFFECT_LINE,      false},
    {"SEARCH ANNOTATION * value \"x\"",            true,   "",     "",      EFFECT_LINE,      false},
    {"STORE 2 ANNOTATION (/comment (value.priv \"x\"))", true, "", "",      EFFECT_OWN,       false},
    {"STORE 2 ANNOTATION (/comment (value.shared \"x\"))", true, "n", "",   EFFECT_SHARED,    false},
    {"COPY 1 INBOX",                               true,   "",     "",      EFFECT_NONE,      false},
    {"MOVE 1 INBOX",                               true,   "te",   "",      EFFECT_MOVED,     false},
};
// clang-format on

static const char all_rights[] = "lrswipkxtean";

struct matrix {
    struct rig *rig;
    struct rig_session *by[RELATIONS];
    struct rig_session *owner; /* another one of Fred's, that looks on */
    struct arena *arena;
    unsigned cell;    /* all so far */
    const char *here; /* what to say when it fails */
};

_Noreturn PRINTF_LIKE(3, 4) static void wrong(const struct matrix *m, struct slice said,
                                              const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "cell %u, %s: ", m->cell, m->here);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n%.*s\n", SLICE_ARG(said));
    exit(1);
}

/* Everything that is answered, in the arena. */
PRINTF_LIKE(3, 4)
static struct slice ask(struct matrix *m, struct rig_session *rs, const char *fmt, ...)
{
    char text[ASK_BYTES];
    struct slice answer;
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    rig_send(rs, slice_from_str(arena_printf(m->arena, "t %s\r\n", text)));
    answer = arena_dup(m->arena, rig_output(rs));
    rig_take(rs, 0, rig_output(rs).len);
    return answer;
}

static bool has(struct slice text, const char *part)
{
    return slice_search(text, slice_from_str(part)) < text.len;
}

static void must(struct matrix *m, struct slice answer)
{
    if (!slice_starts(answer, SLICE("t OK")) && !has(answer, "\r\nt OK"))
        wrong(m, answer, "preparing");
}

/* ---- one cell ---- */

struct cell {
    const struct row *row;
    enum relation who;
    const char *rights;  /* given */
    const char *allowed; /* what of them counts for who asks */
    char inner[32];      /* the mailbox in Fred's account */
    char name[64];       /* as the session knows it */
    char missing[64];    /* one that is not there */
};

static bool may(const struct cell *cell, char right)
{
    return strchr(cell->allowed, right) != NULL;
}

static bool is_seen(const struct cell *cell)
{
    return may(cell, 'l');
}

static bool is_permitted(const struct cell *cell)
{
    const struct row *row = cell->row;
    bool any = row->any[0] == '\0';

    for (const char *at = row->any; *at != '\0'; at++)
        any = any || may(cell, *at);
    for (const char *at = row->needs; *at != '\0'; at++)
        if (!may(cell, *at))
            return false;
    return any;
}

static void name_it(const struct matrix *m, struct cell *cell, char letter, char *out, size_t n)
{
    if (cell->who == OWNER)
        (void) snprintf(out, n, "%c%06u", letter, m->cell);
    else
        (void) snprintf(out, n, "\"Other Users/Fred/%c%06u\"", letter, m->cell);
}

/* A name below another, inside its quotes. */
static const char *fill(struct matrix *m, const struct cell *cell, const char *name)
{
    const char *command = cell->row->command, *at = strstr(command, "%s"), *end;
    char to[64];

    if (at == NULL)
        return command;
    (void) snprintf(to, sizeof(to),
                    cell->who == OWNER ? "target/%06u" : "\"Other Users/Fred/target/%06u\"",
                    m->cell);
    end = strstr(command, "%d");
    if (end != NULL)
        return arena_printf(m->arena, "%.*s%s %s", (int) (at - command), command, name, to);
    if (slice_starts(slice_from_str(at), SLICE("%s/child"))) {
        size_t len = strlen(name) - (name[0] == '"');

        return arena_printf(m->arena, "%.*s%.*s/child%s", (int) (at - command), command,
                            (int) len, name, name[0] == '"' ? "\"" : "");
    }
    return arena_printf(m->arena, "%.*s%s%s", (int) (at - command), command, name, at + 2);
}

static bool copies(const struct row *row)
{
    return !row->selected && (has(slice_from_str(row->command), "COPY ") ||
                              has(slice_from_str(row->command), "MOVE "));
}

/* A mailbox with two messages, the second \Deleted, and its list. */
static void prepare(struct matrix *m, const struct cell *cell)
{
    const char *box = cell->inner, *rights = cell->rights;

    must(m, ask(m, m->owner, "CREATE %s", box));
    must(m, ask(m, m->owner, "APPEND %s {3+}\r\na\r\n", box));
    must(m, ask(m, m->owner, "APPEND %s (\\Deleted) {3+}\r\nb\r\n", box));
    must(m, ask(m, m->owner, "SETMETADATA %s (/shared/comment \"note\")", box));
    must(m, ask(m, m->owner, "SETACL %s granted \"%s\"", box, rights));
    must(m, ask(m, m->owner, "SETACL %s group:members \"%s\"", box, rights));
    must(m, ask(m, m->owner, "SETACL %s revoked \"%s\"", box, rights));
    must(m, ask(m, m->owner, "DELETEACL %s revoked", box));
    if (!copies(cell->row))
        return;
    must(m, ask(m, m->by[cell->who], "CREATE source%06u", m->cell));
    must(m, ask(m, m->by[cell->who],
                "APPEND source%06u (\\Seen \\Deleted \\Flagged $kw) {3+}\r\nc\r\n", m->cell));
    must(m, ask(m, m->by[cell->who], "SELECT source%06u", m->cell));
}

/* All that could change, as the owner sees it. */
static struct slice picture(struct matrix *m, const struct cell *cell)
{
    struct slice status = ask(
        m, m->owner, "STATUS %s (MESSAGES UIDNEXT UNSEEN DELETED HIGHESTMODSEQ)", cell->inner);
    struct slice list = ask(m, m->owner, "GETACL %s", cell->inner);
    struct slice names = ask(m, m->owner, "LIST \"\" %s*", cell->inner);

    return slice_from_str(arena_printf(m->arena, "%.*s%.*s%.*s", SLICE_ARG(status),
                                       SLICE_ARG(list), SLICE_ARG(names)));
}

/* ---- what was done ---- */

static void expect(const struct matrix *m, bool is, bool should, const char *what,
                   struct slice said)
{
    if (is != should)
        wrong(m, said, "%s: is %d, should be %d", what, is, should);
}

/* Flags of a message as the owner sees them; \Seen as who asked does. */
static void check_flags(struct matrix *m, const struct cell *cell, unsigned seq, bool seen,
                        bool deleted, bool flagged)
{
    struct slice said;

    must(m, ask(m, m->owner, "EXAMINE %s", cell->inner));
    said = ask(m, m->owner, "FETCH %u FLAGS", seq);
    expect(m, has(said, "\\Deleted"), deleted, "\\Deleted", said);
    expect(m, has(said, "\\Flagged"), flagged, "\\Flagged", said);
    if (cell->who != OWNER)
        expect(m, has(said, "\\Seen"), false, "the owner's \\Seen", said);
    must(m, ask(m, m->owner, "UNSELECT"));
    if (!may(cell, 'r'))
        return;
    must(m, ask(m, m->by[cell->who], "EXAMINE %s", cell->name));
    said = ask(m, m->by[cell->who], "FETCH %u FLAGS", seq);
    expect(m, has(said, "\\Seen"), seen, "\\Seen", said);
}

static bool asked_for(const struct cell *cell, const char *flag)
{
    return has(slice_from_str(cell->row->command), flag);
}

/* /comment of the last message as who asked, and as the owner. */
static void check_comment(struct matrix *m, const struct cell *cell, bool shared)
{
    const char *value = shared ? "value.shared x" : "value.priv x";
    struct slice said;

    must(m, ask(m, m->owner, "EXAMINE %s", cell->inner));
    said = ask(m, m->owner, "SEARCH * ANNOTATION /comment value%s \"x\"",
               shared ? ".shared" : ".priv");
    expect(m, !has(said, "* SEARCH\r\n"), shared || cell->who == OWNER, value, said);
    must(m, ask(m, m->owner, "UNSELECT"));
    must(m, ask(m, m->by[cell->who], "EXAMINE %s", cell->name));
    said = ask(m, m->by[cell->who], "FETCH * (ANNOTATION (/comment value))");
    expect(m, has(said, shared ? "value.shared \"x\"" : "value.priv \"x\""), true, value, said);
}

static void check_effect(struct matrix *m, const struct cell *cell, struct slice said)
{
    struct slice status = ask(m, m->owner, "STATUS %s (MESSAGES)", cell->inner);
    bool writes = may(cell, 'i') || may(cell, 'e') || may(cell, 's') || may(cell, 'w') ||
                  may(cell, 't') || may(cell, 'n');

    switch (cell->row->effect) {
    case EFFECT_NONE:
        break;
    case EFFECT_LINE:
        expect(m, has(said, "* "), true, "an answer", said);
        break;
    case EFFECT_CHILD:
        expect(m, has(ask(m, m->owner, "LIST \"\" %s/child", cell->inner), "* LIST"), true,
               "a child", said);
        break;
    case EFFECT_GONE:
        expect(m, has(status, "NO [NONEXISTENT]"), true, "gone", status);
        break;
    case EFFECT_GRANTED:
        expect(m, has(ask(m, m->owner, "GETACL %s", cell->inner), " " DUMMY " lr"), true,
               "granted", said);
        break;
    case EFFECT_SELECTED:
        expect(m, has(said, "t OK [READ-WRITE]"), writes, "READ-WRITE", said);
        expect(m, has(said, "t OK [READ-ONLY]"), !writes, "READ-ONLY", said);
        break;
    case EFFECT_DELIVERED:
        expect(m, has(status, "MESSAGES 3"), true, "delivered", status);
        check_flags(m, cell, 3, may(cell, 's'), may(cell, 't'), may(cell, 'w'));
        break;
    case EFFECT_SEEN:
        check_flags(m, cell, 1, may(cell, 's'), false, false);
        break;
    case EFFECT_FLAGS:
        check_flags(m, cell, 1, may(cell, 's') && asked_for(cell, "\\Seen"),
                    may(cell, 't') && asked_for(cell, "\\Deleted"),
                    may(cell, 'w') && asked_for(cell, "\\Flagged"));
        break;
    case EFFECT_EXPUNGED:
    case EFFECT_MOVED:
        expect(m, has(status, "MESSAGES 1"), true, "one message less", status);
        break;
    case EFFECT_SHARED:
        check_comment(m, cell, true);
        break;
    case EFFECT_OWN:
        check_comment(m, cell, false);
        break;
    }
}

static void check_done(struct matrix *m, const struct cell *cell, struct slice said)
{
    must(m, said);
    check_effect(m, cell, said);
}

static void check_refused(struct matrix *m, const struct cell *cell, struct slice said,
                          struct slice before)
{
    struct slice after = picture(m, cell);
    bool answered_ok = cell->row->always_ok;

    if (answered_ok)
        must(m, said);
    else if (!has(said, cell->row->selected ? "t NO [" : "t NO [NOPERM] "))
        wrong(m, said, "is not refused");
    if (answered_ok && cell->row->effect == EFFECT_LINE)
        expect(m, has(said, "* LIST"), false, "an answer", said);
    if (!slice_eq(before, after))
        wrong(m, after, "was refused and changed something:\n%.*s", SLICE_ARG(before));
}

/* RFC 4314 6: nothing tells it from a mailbox that does not exist. */
static void check_unseen(struct matrix *m, const struct cell *cell, struct slice said,
                         struct slice before)
{
    struct rig_session *rs = m->by[cell->who];
    struct slice missing, after = picture(m, cell);

    if (copies(cell->row))
        must(m, ask(m, rs, "SELECT source%06u", m->cell));
    missing = ask(m, rs, "%s", fill(m, cell, cell->missing));
    if (!slice_eq(said, missing))
        wrong(m, said, "differs from a missing mailbox:\n%.*s", SLICE_ARG(missing));
    if (!slice_eq(before, after))
        wrong(m, after, "changed something unseen:\n%.*s", SLICE_ARG(before));
}

static void run_selected(struct matrix *m, const struct cell *cell)
{
    struct rig_session *rs = m->by[cell->who];
    struct slice before, said, opened = ask(m, rs, "SELECT %s", cell->name);

    if (!is_seen(cell) || !may(cell, 'r')) {
        if (!has(opened, is_seen(cell) ? "t NO [NOPERM] " : "t NO [NONEXISTENT] "))
            wrong(m, opened, "could be selected");
        return;
    }
    before = picture(m, cell);
    said = ask(m, rs, "%s", cell->row->command);
    if (is_permitted(cell))
        check_done(m, cell, said);
    else
        check_refused(m, cell, said, before);
}

static void run_by_name(struct matrix *m, const struct cell *cell)
{
    struct rig_session *rs = m->by[cell->who];
    struct slice before = picture(m, cell);
    struct slice said = ask(m, rs, "%s", fill(m, cell, cell->name));

    if (!is_seen(cell))
        check_unseen(m, cell, said, before);
    else if (is_permitted(cell))
        check_done(m, cell, said);
    else
        check_refused(m, cell, said, before);
}

static void run_cell(struct matrix *m, const struct row *row, enum relation who,
                     const char *rights)
{
    struct cell cell = {.row = row, .who = who, .rights = rights};

    m->cell++;
    m->here = arena_printf(m->arena, "%s as %s with \"%s\"", row->command, relation_names[who],
                           rights);
    cell.allowed = who == OWNER ? all_rights : who <= GROUP ? rights : "";
    (void) snprintf(cell.inner, sizeof(cell.inner), "m%06u", m->cell);
    name_it(m, &cell, 'm', cell.name, sizeof(cell.name));
    name_it(m, &cell, 'x', cell.missing, sizeof(cell.missing));
    prepare(m, &cell);
    if (row->selected)
        run_selected(m, &cell);
    else
        run_by_name(m, &cell);
    (void) ask(m, m->by[who], "UNSELECT"); /* BAD where nothing is selected */
}

/* ---- all of them ---- */

static void set_up(struct matrix *m)
{
    struct memory_engine_options options = {.no_conflict = true};
    uint64_t group;

    m->rig = rig_new(memory_engine_new(&options));
    group = rig_person(m->rig, PRINCIPAL_GROUP, SLICE("members"));
    (void) rig_person(m->rig, PRINCIPAL_USER, SLICE(DUMMY));
    m->owner = rig_login(m->rig, SESSION_FULL);
    m->by[OWNER] = rig_login(m->rig, SESSION_FULL);
    for (enum relation who = GRANTED; who < RELATIONS; who++) {
        uint64_t id = rig_person(m->rig, PRINCIPAL_USER, slice_from_str(relation_names[who]));

        if (who == GROUP)
            rig_set_member(m->rig, id, group, true);
        m->by[who] = rig_login_as(m->rig, id, SESSION_FULL);
    }
    m->here = "set up";
    must(m, ask(m, m->owner, "CREATE target"));
    must(m, ask(m, m->owner, "SETACL target anyone lk"));
}

static void run_set(struct matrix *m, const char *rights)
{
    m->arena = arena_new((size_t) 1 << 30);
    set_up(m);
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (enum relation who = OWNER; who < RELATIONS; who++)
            run_cell(m, &rows[i], who, rights);
    }
    rig_free(m->rig);
    arena_free(m->arena);
}

/* None, all, each alone, each with l, each with lr, each missing from all. */
int main(void)
{
    struct matrix m = {.cell = 0};
    char rights[sizeof(all_rights) + 3];

    run_set(&m, "");
    run_set(&m, all_rights);
    for (size_t i = 0; i < sizeof(all_rights) - 1; i++) {
        char one = all_rights[i];
        size_t n = 0;

        (void) snprintf(rights, sizeof(rights), "%c", one);
        run_set(&m, rights);
        (void) snprintf(rights, sizeof(rights), "l%c", one);
        run_set(&m, rights);
        (void) snprintf(rights, sizeof(rights), "lr%c", one);
        run_set(&m, rights);
        for (size_t k = 0; k < sizeof(all_rights) - 1; k++)
            if (k != i)
                rights[n++] = all_rights[k];
        rights[n] = '\0';
        run_set(&m, rights);
    }
    printf("%u cells, 0 deviations\n", m.cell);
    return 0;
}
