/*
 * test_sort_thread.c - SORT and THREAD of random mailboxes against a slow, obvious reference:
 * the paragraphs of RFC 5256 one after the other, over lists of pointers.
 *
 * Subjects, dates, Message-IDs and References come from small stocks, so that threads, doubles,
 * cycles and ties are frequent. Messages come and go between the questions, and the columns
 * that the server keeps are thrown away now and then.
 */
// links: commands store_memory
// lib: session_rig
#include "lib/session_rig.h"
#include "lib/test.h"
#include "mailbox/shelf.h"
#include "search/key_keeper.h"
#include "store/memory/memory_engine.h"

#define MAILBOXES  60u
#define ROUNDS     6u
#define MAIL_MAX   64u
#define NODES_MAX  (2 * MAIL_MAX + IDS + MAIL_MAX)
#define REFS_MAX   6u
#define IDS        24u
#define TEXT_BYTES 65536u

/* A mail as the reference knows it: nothing here was parsed. */
struct mail {
    uint32_t uid;
    int64_t sent, arrival;
    size_t size;
    const char *subject; /* base, casemapped */
    bool is_reply;
    const char *from, *to, *cc; /* addr-mailbox, casemapped */
    unsigned id;                /* 0: none */
    unsigned refs[REFS_MAX], n_refs;
};

struct scene {
    struct rig *rig;
    struct rig_session *rs;
    uint64_t random;
    struct mail mails[MAIL_MAX];
    uint32_t n, uidnext;
    unsigned tag;
};

static uint32_t pick(struct scene *scene, uint32_t n)
{
    scene->random = scene->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (scene->random >> 33) % n;
}

/* ---- mail ---- */

static const struct {
    const char *raw, *base;
    bool is_reply;
} subjects[] = {
    {"tea",                      "TEA",                      false},
    {"Re: tea",                  "TEA",                      true },
    {"TEA (fwd)",                "TEA",                      true },
    {"[list] tea",               "TEA",                      false},
    {"Re: [list] Fwd: Tea",      "TEA",                      true },
    {"teapot and a long handle", "TEAPOT AND A LONG HANDLE", false},
    {"Teapot and a long hand",   "TEAPOT AND A LONG HAND",   false},
    {"teapot a",                 "TEAPOT A",                 false},
    {"teapot ",                  "TEAPOT",                   false},
    {"Re: teapot",               "TEAPOT",                   true },
    {"=?utf-8?q?=C3=A4?=",       "A\xcc\x88",                false},
    {"=?utf-8?q?Re=3A_=C3=84?=", "A\xcc\x88",                true },
    {"",                         "",                         false},
    {"Re: ",                     "",                         true },
    {"milk",                     "MILK",                     false},
    {"re: milk",                 "MILK",                     true },
    {"[fwd: milk]",              "MILK",                     true },
    {"[Fwd: Re: milk]",          "MILK",                     true },
};

static const struct {
    const char *raw, *mailbox;
} people[] = {
    {"",                                    ""          },
    {"Bob <bob@x>",                         "BOB"       },
    {"bob@y",                               "BOB"       },
    {"\"A B\" <ab@x>, bob@x",               "AB"        },
    {"abc@x",                               "ABC"       },
    {"a@x",                                 "A"         },
    {"=?iso-8859-1?q?=E9?= <longername@x>", "LONGERNAME"},
};

static void print_id(struct buf *buf, unsigned id)
{
    buf_printf(buf, " <id%u@x>", id);
}

static void make_header(struct scene *scene, struct mail *mail, struct buf *out)
{
    unsigned subject = pick(scene, COUNT(subjects)), from = pick(scene, COUNT(people));
    unsigned to = pick(scene, COUNT(people)), cc = pick(scene, COUNT(people));
    unsigned day = pick(scene, 9) + 1;

    mail->subject = subjects[subject].base;
    mail->is_reply = subjects[subject].is_reply;
    mail->from = people[from].mailbox;
    mail->to = people[to].mailbox;
    mail->cc = people[cc].mailbox;
    mail->id = pick(scene, IDS + 3);
    if (mail->id > IDS)
        mail->id = 0;
    if (subjects[subject].raw[0] != '\0' || pick(scene, 2) == 0)
        buf_printf(out, "Subject: %s\r\n", subjects[subject].raw);
    buf_printf(out, "From: %s\r\nTo: %s\r\nCC: %s\r\n", people[from].raw, people[to].raw,
               people[cc].raw);
    if (mail->id != 0) {
        buf_str(out, "Message-ID:");
        print_id(out, mail->id);
        buf_str(out, "\r\n");
    }
    mail->sent = mail->arrival;
    if (pick(scene, 4) != 0) {
        buf_printf(out, "Date: 0%u Jan 2020 02:00:00 +0200\r\n", day);
        mail->sent = 1577836800 + (int64_t) (day - 1) * 86400;
    }
}

/* References; without them In-Reply-To; both sometimes. */
static void make_references(struct scene *scene, struct mail *mail, struct buf *out)
{
    unsigned reply_to = 0;

    mail->n_refs = pick(scene, 2) == 0 ? 0 : pick(scene, REFS_MAX + 1);
    if (mail->n_refs > 0)
        buf_str(out, "References:");
    for (unsigned i = 0; i < mail->n_refs; i++) {
        mail->refs[i] = pick(scene, IDS) + 1;
        print_id(out, mail->refs[i]);
    }
    if (mail->n_refs > 0)
        buf_str(out, "\r\n");
    if (pick(scene, 3) == 0)
        reply_to = pick(scene, IDS) + 1;
    if (reply_to == 0)
        return;
    buf_str(out, "In-Reply-To:");
    print_id(out, reply_to);
    print_id(out, pick(scene, IDS) + 1);
    buf_str(out, "\r\n");
    if (mail->n_refs == 0)
        mail->refs[mail->n_refs++] = reply_to;
}

static struct slice say(struct scene *scene, const char *fmt, const char *a, const char *b)
{
    AUTO(buf_done) struct buf line;

    buf_init(&line, TEXT_BYTES);
    buf_printf(&line, "t%u ", ++scene->tag);
    buf_printf(&line, "%s%s%s\r\n", fmt, a, b);
    rig_take(scene->rs, 0, rig_output(scene->rs).len);
    rig_send(scene->rs, buf_slice(&line));
    return rig_output(scene->rs);
}

static void must_be_ok(struct slice said)
{
    if (slice_search(said, SLICE(" OK ")) >= said.len)
        fail_msg("%.*s", SLICE_ARG(said));
}

static void deliver(struct scene *scene)
{
    struct mail *mail = &scene->mails[scene->n];
    AUTO(buf_done) struct buf text;
    char head[128];
    unsigned day = pick(scene, 9) + 1;

    *mail = (struct mail){.uid = scene->uidnext++};
    mail->arrival = 1577836800 + (int64_t) (day - 1) * 86400;
    buf_init(&text, TEXT_BYTES);
    make_header(scene, mail, &text);
    make_references(scene, mail, &text);
    buf_printf(&text, "\r\n%.*s", (int) pick(scene, 12), "text of text");
    mail->size = text.len;
    (void) snprintf(head, sizeof(head),
                    "APPEND INBOX \"0%u-Jan-2020 00:00:00 +0000\" {%zu+}\r\n", day, text.len);
    buf_byte(&text, '\0');
    must_be_ok(say(scene, head, text.ptr, ""));
    scene->n++;
}

static void expunge_some(struct scene *scene)
{
    uint32_t kept = 0;
    char uid[16];

    for (uint32_t i = 0; i < scene->n; i++) {
        if (pick(scene, 5) != 0) {
            scene->mails[kept++] = scene->mails[i];
            continue;
        }
        (void) snprintf(uid, sizeof(uid), "%u", scene->mails[i].uid);
        must_be_ok(say(scene, "UID STORE ", uid, " +FLAGS.SILENT (\\Deleted)"));
    }
    must_be_ok(say(scene, "EXPUNGE", "", ""));
    scene->n = kept;
}

/* ---- SORT ---- */

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_by(const char *key, const struct mail *a, const struct mail *b)
{
    if (strcmp(key, "ARRIVAL") == 0)
        return compare_numbers(a->arrival, b->arrival);
    if (strcmp(key, "DATE") == 0)
        return compare_numbers(a->sent, b->sent);
    if (strcmp(key, "SIZE") == 0)
        return compare_numbers((int64_t) a->size, (int64_t) b->size);
    if (strcmp(key, "SUBJECT") == 0)
        return strcmp(a->subject, b->subject);
    if (strcmp(key, "FROM") == 0)
        return strcmp(a->from, b->from);
    if (strcmp(key, "TO") == 0)
        return strcmp(a->to, b->to);
    assert_string_equal(key, "CC");
    return strcmp(a->cc, b->cc);
}

static const char *const keys[] = {"ARRIVAL", "DATE", "SIZE", "SUBJECT", "FROM", "TO", "CC"};

struct program {
    const char *key[3];
    bool reverse[3];
    unsigned n;
};

static int compare(const struct program *program, const struct mail *a, const struct mail *b)
{
    for (unsigned i = 0; i < program->n; i++) {
        int order = compare_by(program->key[i], a, b);

        if (order != 0)
            return program->reverse[i] ? -order : order;
    }
    return compare_numbers(a->uid, b->uid);
}

/* Each message is put before the first that is greater. */
static size_t insertion(const struct program *program, const struct mail **list, size_t n,
                        const struct mail *mail)
{
    size_t at = 0;

    while (at < n && compare(program, list[at], mail) < 0)
        at++;
    memmove(list + at + 1, list + at, (n - at) * sizeof(struct mail *));
    list[at] = mail;
    return n + 1;
}

static void print_mails(const struct scene *scene)
{
    for (uint32_t i = 0; i < scene->n; i++) {
        const struct mail *mail = &scene->mails[i];

        print_message("%u: id %u, sent %lld, arrived %lld, %s\"%s\", after", mail->uid,
                      mail->id, (long long) mail->sent, (long long) mail->arrival,
                      mail->is_reply ? "reply to " : "", mail->subject);
        for (unsigned k = 0; k < mail->n_refs; k++)
            print_message(" %u", mail->refs[k]);
        print_message("\n");
    }
}

static void expect(struct scene *scene, const struct buf *command, const struct buf *want)
{
    struct slice said;
    struct buf text = *command;

    buf_byte(&text, '\0');
    said = say(scene, text.ptr, "", "");
    if (slice_starts(said, buf_slice(want)) && slice_search(said, SLICE(" OK ")) < said.len) {
        free(text.ptr);
        return;
    }
    print_mails(scene);
    fail_msg("%s\nsaid %.*swant %.*s", text.ptr, SLICE_ARG(said), SLICE_ARG(buf_slice(want)));
}

static void check_sort(struct scene *scene, uint32_t from, uint32_t to)
{
    struct program program = {.n = pick(scene, 3) + 1};
    const struct mail *list[MAIL_MAX + 1];
    AUTO(buf_done) struct buf want;
    struct buf command; /* expect() frees it */
    size_t n = 0;

    buf_init(&want, TEXT_BYTES);
    buf_init(&command, TEXT_BYTES);
    buf_str(&command, "UID SORT (");
    for (unsigned i = 0; i < program.n; i++) {
        program.key[i] = keys[pick(scene, COUNT(keys))];
        program.reverse[i] = pick(scene, 2) == 0;
        buf_printf(&command, "%s%s%s", i > 0 ? " " : "", program.reverse[i] ? "REVERSE " : "",
                   program.key[i]);
    }
    buf_printf(&command, ") UTF-8 UID %u:%u", from, to);
    for (uint32_t i = 0; i < scene->n; i++)
        if (scene->mails[i].uid >= from && scene->mails[i].uid <= to)
            n = insertion(&program, list, n, &scene->mails[i]);
    buf_str(&want, "* SORT");
    for (size_t i = 0; i < n; i++)
        buf_printf(&want, " %u", list[i]->uid);
    buf_str(&want, "\r\n");
    expect(scene, &command, &want);
}

/* ---- THREAD, as RFC 5256 says it ---- */

struct node {
    const struct mail *mail; /* NULL: a dummy */
    struct node *parent;
    struct node *children[NODES_MAX];
    size_t n;
};

struct forest_of {
    struct node nodes[NODES_MAX];
    size_t n;
    struct node *by_id[IDS + 1];
    struct node *root;
};

static struct node *new_node(struct forest_of *forest, const struct mail *mail)
{
    struct node *node = &forest->nodes[forest->n++];

    assert_true(forest->n <= NODES_MAX);
    node->mail = mail;
    return node;
}

static bool is_below(const struct node *node, const struct node *above)
{
    for (; node != NULL; node = node->parent)
        if (node == above)
            return true;
    return false;
}

static void detach(struct node *node)
{
    struct node *parent = node->parent;
    size_t at = 0;

    if (parent == NULL)
        return;
    while (parent->children[at] != node)
        at++;
    memmove(parent->children + at, parent->children + at + 1,
            (--parent->n - at) * sizeof(struct node *));
    node->parent = NULL;
}

static void attach(struct node *parent, struct node *node)
{
    detach(node);
    parent->children[parent->n++] = node;
    node->parent = parent;
}

static struct node *of_id(struct forest_of *forest, unsigned id)
{
    if (forest->by_id[id] == NULL)
        forest->by_id[id] = new_node(forest, NULL);
    return forest->by_id[id];
}

/* Steps 1.A and 1.B */
static void link_mail(struct forest_of *forest, const struct mail *mail)
{
    struct node *node, *before = NULL;

    if (mail->id != 0 && of_id(forest, mail->id)->mail == NULL) {
        node = of_id(forest, mail->id);
        node->mail = mail;
    } else {
        node = new_node(forest, mail);
    }
    for (unsigned i = 0; i < mail->n_refs; i++) {
        struct node *reference = of_id(forest, mail->refs[i]);

        if (before != NULL && reference->parent == NULL && !is_below(before, reference))
            attach(before, reference);
        before = reference;
    }
    detach(node);
    if (before != NULL && !is_below(before, node))
        attach(before, node);
}

/* Step 3, below node: the lowest first, so that a dummy without messages below it is no child
 * of one above. */
static void prune(struct node *node, bool is_root)
{
    for (size_t i = 0; i < node->n; i++)
        prune(node->children[i], false);
    for (size_t i = 0; i < node->n;) {
        struct node *child = node->children[i];

        if (child->mail == NULL && (child->n == 0 || !is_root || child->n == 1)) {
            detach(child);
            while (child->n > 0)
                attach(node, child->children[0]);
            continue;
        }
        i++;
    }
}

static const struct mail *date_of(const struct node *node)
{
    return node->mail != NULL ? node->mail : node->children[0]->mail;
}

static const struct program by_date = {.key = {"DATE"}, .n = 1};

/* Steps 4 and 6: the children of all, then the node's own. */
static void sort_below(struct node *node)
{
    for (size_t i = 0; i < node->n; i++)
        sort_below(node->children[i]);
    for (size_t i = 1; i < node->n; i++) {
        for (size_t k = i; k > 0; k--) {
            struct node *a = node->children[k - 1], *b = node->children[k];

            if (compare(&by_date, date_of(a), date_of(b)) < 0)
                break;
            node->children[k - 1] = b;
            node->children[k] = a;
        }
    }
}

static struct node **entry_of(struct node **table, size_t *n, const struct node *node)
{
    size_t at = 0;

    while (at < *n && strcmp(date_of(table[at])->subject, date_of(node)->subject) != 0)
        at++;
    if (at == *n) {
        table[at] = NULL;
        *n += 1;
    }
    return &table[at];
}

/* Step 5.C of one message. */
static void merge(struct forest_of *forest, struct node *node, struct node **entry)
{
    struct node *there = *entry;

    if (node->mail == NULL && there->mail == NULL) {
        while (node->n > 0)
            attach(there, node->children[0]);
        detach(node);
    } else if (there->mail == NULL || (node->mail->is_reply && !there->mail->is_reply)) {
        attach(there, node);
    } else {
        struct node *dummy = new_node(forest, NULL);

        attach(dummy, there);
        attach(dummy, node);
        attach(forest->root, dummy);
        *entry = dummy;
    }
}

static void gather(struct forest_of *forest)
{
    static struct node *table[NODES_MAX], *roots[NODES_MAX];
    size_t n_table = 0, n_roots = forest->root->n;

    memcpy(roots, forest->root->children, n_roots * sizeof(struct node *));
    for (size_t i = 0; i < n_roots; i++) {
        struct node **entry;

        if (date_of(roots[i])->subject[0] == '\0')
            continue;
        entry = entry_of(table, &n_table, roots[i]);
        if (*entry == NULL ||
            ((*entry)->mail != NULL && (roots[i]->mail == NULL || ((*entry)->mail->is_reply &&
                                                                   !roots[i]->mail->is_reply))))
            *entry = roots[i];
    }
    for (size_t i = 0; i < n_roots; i++) {
        struct node **entry;

        if (roots[i]->parent != forest->root || date_of(roots[i])->subject[0] == '\0')
            continue;
        entry = entry_of(table, &n_table, roots[i]);
        if (*entry != roots[i])
            merge(forest, roots[i], entry);
    }
}

static int64_t newest(const struct node *node)
{
    int64_t best = node->mail != NULL ? node->mail->arrival : INT64_MIN;

    for (size_t i = 0; i < node->n; i++)
        best = MAX(best, newest(node->children[i]));
    return best;
}

static void sort_by_newest(struct node *root)
{
    for (size_t i = 1; i < root->n; i++) {
        for (size_t k = i; k > 0; k--) {
            struct node *a = root->children[k - 1], *b = root->children[k];

            if (newest(a) <= newest(b))
                break;
            root->children[k - 1] = b;
            root->children[k] = a;
        }
    }
}

static void print_node(const struct node *node, bool first, struct buf *out)
{
    if (node->mail != NULL)
        buf_printf(out, "%s%u", first ? "" : " ", node->mail->uid);
    if (node->n == 1) {
        print_node(node->children[0], first && node->mail == NULL, out);
        return;
    }
    if (node->n > 1 && node->mail != NULL)
        buf_byte(out, ' ');
    for (size_t i = 0; i < node->n; i++) {
        buf_byte(out, '(');
        print_node(node->children[i], true, out);
        buf_byte(out, ')');
    }
}

static void by_references(struct scene *scene, uint32_t from, uint32_t to, bool subjects_count,
                          struct forest_of *forest)
{
    size_t n;

    for (uint32_t i = 0; i < scene->n; i++)
        if (scene->mails[i].uid >= from && scene->mails[i].uid <= to)
            link_mail(forest, &scene->mails[i]);
    n = forest->n;
    forest->root = new_node(forest, NULL);
    for (size_t i = 0; i < n; i++)
        if (forest->nodes[i].parent == NULL)
            attach(forest->root, &forest->nodes[i]);
    prune(forest->root, true);
    sort_below(forest->root);
    if (subjects_count)
        gather(forest);
    sort_below(forest->root);
    if (!subjects_count)
        sort_by_newest(forest->root);
}

static void by_subject(struct scene *scene, uint32_t from, uint32_t to,
                       struct forest_of *forest)
{
    static const struct program program = {
        .key = {"SUBJECT", "DATE"},
          .n = 2
    };
    const struct mail *list[MAIL_MAX + 1];
    struct node *first = NULL;
    size_t n = 0;

    forest->root = new_node(forest, NULL);
    for (uint32_t i = 0; i < scene->n; i++)
        if (scene->mails[i].uid >= from && scene->mails[i].uid <= to)
            n = insertion(&program, list, n, &scene->mails[i]);
    for (size_t i = 0; i < n; i++) {
        struct node *node = new_node(forest, list[i]);

        if (first != NULL && strcmp(first->mail->subject, list[i]->subject) == 0) {
            attach(first, node);
            continue;
        }
        first = node;
        attach(forest->root, node);
    }
    sort_below(forest->root);
}

static void check_thread(struct scene *scene, const char *algorithm, uint32_t from, uint32_t to)
{
    AUTO(freep) struct forest_of *forest = xcalloc(1, sizeof(*forest));
    AUTO(buf_done) struct buf want;
    struct buf command; /* expect() frees it */

    buf_init(&want, TEXT_BYTES);
    buf_init(&command, TEXT_BYTES);
    buf_printf(&command, "UID THREAD %s UTF-8 UID %u:%u", algorithm, from, to);
    if (strcmp(algorithm, "ORDEREDSUBJECT") == 0)
        by_subject(scene, from, to, forest);
    else
        by_references(scene, from, to, strcmp(algorithm, "REFERENCES") == 0, forest);
    buf_str(&want, "* THREAD");
    if (forest->root->n > 0)
        buf_byte(&want, ' ');
    for (size_t i = 0; i < forest->root->n; i++) {
        buf_byte(&want, '(');
        print_node(forest->root->children[i], true, &want);
        buf_byte(&want, ')');
    }
    buf_str(&want, "\r\n");
    expect(scene, &command, &want);
}

/* ---- */

/* Behind new mail, all of it: then the columns come from there. */
static void make_keys(struct scene *scene)
{
    struct key_keeper *keeper =
        key_keeper_new(&(struct key_keeper_options){.store = rig_store(scene->rig)});
    struct err err;

    assert_int_equal(key_keeper_catch_up(keeper, rig_session_of(scene->rs)->account, &err),
                     RC_OK);
    key_keeper_free(keeper);
}

static void ask_everything(struct scene *scene)
{
    static const char *const algorithms[] = {"ORDEREDSUBJECT", "REFERENCES", "REFS"};

    if (pick(scene, 3) == 0)
        make_keys(scene);
    if (pick(scene, 3) == 0)
        shelf_clear(rig_session_of(scene->rs)->account);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t a = pick(scene, scene->uidnext) + 1, b = pick(scene, scene->uidnext) + 1;

        if (i < 2)
            a = 1, b = UINT32_MAX;
        check_sort(scene, MIN(a, b), MAX(a, b));
        for (size_t k = 0; k < COUNT(algorithms); k++)
            check_thread(scene, algorithms[k], MIN(a, b), MAX(a, b));
    }
}

static void answers_are_those_of_the_reference(void **state)
{
    (void) state;
    for (unsigned i = 0; i < MAILBOXES; i++) {
        const struct memory_engine_options options = {.no_conflict = true};
        struct scene scene = {
            .rig = rig_new(memory_engine_new(&options)), .random = i + 1, .uidnext = 1};

        scene.rs = rig_login(scene.rig, SESSION_FULL);
        must_be_ok(say(&scene, "SELECT INBOX", "", ""));
        print_message("seed %u\n", i + 1);
        for (unsigned round = 0; round < ROUNDS; round++) {
            for (uint32_t more = pick(&scene, 20); more > 0 && scene.n < MAIL_MAX; more--)
                deliver(&scene);
            ask_everything(&scene);
            if (pick(&scene, 2) == 0)
                expunge_some(&scene);
        }
        ask_everything(&scene);
        rig_free(scene.rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_the_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
