/* test_text_index.c - searches find the same with an index, with part of one, and with a
 * damaged one, as without. */
// links: search store_memory store_local
// lib: mail_world
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/live_bodies.h"
#include "imap/flags.h"
#include "lib/mail_world.h"
#include "lib/plain_digester.h"
#include "lib/test.h"
#include "mime/comparator.h"
#include "search/prune.h"
#include "search/search.h"
#include "search/text_index.h"
#include "search/text_segment_build.h"

#define ACCOUNT     7u
#define QUERIES     150
#define DEPTH       3
#define FILE_BYTES  ((size_t) 1 << 20)
#define ARENA_BYTES ((size_t) 256 << 20)

struct scene {
    struct mail_world world;
    struct account *account;
    struct text_index *index;
    uint32_t inbox, other;
    uint64_t seed;
    bool wants_scores;
};

static uint32_t draw(struct scene *scene, uint32_t below)
{
    scene->seed = scene->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (scene->seed >> 33) % below;
}

/* Words of several scripts; some are parts of others, some differ in case only. */
static const char *const words[] = {
    "alpha", "Alphabet",   "beta",        "betamax", "gamma",  "straße",      "STRASSE",
    "ﬁne",   "fine",       "日本語",      "日本",    "Привет", "привет",      "ναι",
    "😀",     "e\xcc\x81t", "\xc3\xa9t",   "kernel",  "panic",  "kernelpanic", "a",
    "ab",    "abc",        "abcd",        "lunch",   "monday", "report",      "quarterly",
    "42",    "zz9",        "x@y.example", "-----",
};

static void put_words(struct scene *scene, struct buf *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        /* low numbers often, high ones seldom */
        uint32_t bound = 1 + draw(scene, COUNT(words));

        buf_str(out, words[draw(scene, bound)]);
        buf_byte(out, draw(scene, 12) == 0 ? '\n' : ' ');
    }
}

static const char *message(struct scene *scene, struct buf *out, uint32_t i)
{
    buf_reset(out);
    buf_printf(out, "From: %s <u%u@%s.example>\r\nSubject: ", words[draw(scene, 4)], i % 7,
               words[draw(scene, 3)]);
    buf_str(out, draw(scene, 3) == 0 ? "=?utf-8?q?stra=C3=9Fe?= " : "Re: ");
    buf_printf(out, "%s %s\r\n", words[draw(scene, COUNT(words))], words[draw(scene, 9)]);
    if (draw(scene, 2) == 0)
        buf_printf(out, "To: a%u@b.example,\r\n c@d.example\r\n", draw(scene, 20));
    if (draw(scene, 9) == 0)
        buf_str(out, "Cc: somebody@else.example\r\nCc: twice@else.example\r\n");
    if (draw(scene, 3) > 0)
        buf_printf(out, "Date: %u Feb 2021 10:00:00 +0%u00\r\n", 1 + draw(scene, 28),
                   draw(scene, 9));
    buf_printf(out, "Message-ID: <%u.%u@host.example>\r\nX-%s: %s\r\n", i, draw(scene, 1000),
               draw(scene, 2) == 0 ? "One" : "Two", words[draw(scene, COUNT(words))]);
    buf_str(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    put_words(scene, out, draw(scene, 60));
    buf_str(out, "\r\n");
    buf_byte(out, '\0');
    return out->ptr;
}

static void append(struct scene *scene, uint32_t n)
{
    AUTO(buf_done) struct buf text;

    uint64_t position = 0;

    buf_init(&text, FILE_BYTES);
    for (uint32_t i = 0; i < n; i++)
        (void) world_append(scene->account, draw(scene, 4) == 0 ? "Archive" : "INBOX",
                            message(scene, &text, i), &position);
    account_wait_durable(scene->account, position);
}

static void open_index(struct scene *scene)
{
    scene->index = text_index_new(&(struct text_index_options){.store = scene->world.store});
    mail_store_set_index(scene->world.store, scene->index);
}

static void close_index(struct scene *scene)
{
    mail_store_set_index(scene->world.store, NULL);
    text_index_free(scene->index);
    scene->index = NULL;
}

static void scene_open(struct scene *scene, bool is_local)
{
    const struct memory_engine_options memory = {.no_conflict = true};
    const struct local_options local = {.no_packer = true};

    *scene = (struct scene){.seed = 11};
    if (is_local)
        world_open_local(&scene->world, &local);
    else
        world_open_memory(&scene->world, &memory);
    scene->account = world_account(&scene->world, ACCOUNT);
    scene->inbox = world_mailbox_id(scene->account, "INBOX", 0);
    scene->other = world_mailbox_id(scene->account, "Archive", 0);
    open_index(scene);
}

static void scene_close(struct scene *scene)
{
    if (scene->index != NULL)
        close_index(scene);
    account_close(scene->account);
    world_done(&scene->world);
}

static void catch_up(struct scene *scene)
{
    struct err err;

    assert_int_equal(text_index_catch_up(scene->index, scene->account, &err), RC_OK);
}

static size_t count_segments(struct scene *scene)
{
    struct index_row *row = text_index_take(scene->index, ACCOUNT);
    size_t n = row != NULL ? row->n : 0;

    index_row_unref(row);
    return n;
}

/* ---- keys ---- */

/* A part of a word, of two, or nothing of the kind. */
static struct slice needle(struct scene *scene, struct arena *arena)
{
    const char *word = words[draw(scene, COUNT(words))];
    struct slice text = slice_from_str(word);
    uint32_t kind = draw(scene, 8);

    if (kind == 0)
        return slice_from_str(
            arena_printf(arena, "%s %s", word, words[draw(scene, COUNT(words))]));
    if (kind == 1)
        return SLICE("nowhere to be found");
    if (kind == 2 && (text.ptr[0] & 0x80) == 0)
        return slice_sub(text, 0, 1 + draw(scene, 3));
    if (kind == 3)
        return SLICE("");
    return text;
}

/* A word with an error or two, or without its beginning or end. */
static const char *nearly(struct scene *scene, struct arena *arena)
{
    const char *word = words[draw(scene, COUNT(words))];
    char *made = arena_cstr(arena, slice_from_str(word));
    size_t len = strlen(made), at = draw(scene, (uint32_t) len);

    switch (draw(scene, 5)) {
    case 0:
        made[at] = (char) ('a' + (char) draw(scene, 26));
        break;
    case 1:
        made[MAX(len - 1, (size_t) 1)] = '\0';
        break;
    case 2:
        made += len > 6 ? 1 : 0;
        break;
    case 3:
        return arena_printf(arena, "%sing", word);
    default:
        break;
    }
    return made;
}

/* One to five words, as they may be asked for: some are there, some nearly, some not at all. */
static void make_fuzzy(struct scene *scene, struct imap_search_key *key, struct arena *arena)
{
    uint32_t n = 1 + draw(scene, 3) * draw(scene, 3);
    const char *text = nearly(scene, arena);

    for (uint32_t i = 1; i < n; i++)
        text = arena_printf(arena, "%s %s", text, nearly(scene, arena));
    key->text = slice_from_str(text);
    key->fuzzy = true;
}

static struct imap_search_key *leaf(struct scene *scene, struct arena *arena)
{
    static const enum imap_key kinds[] = {
        IMAP_KEY_TEXT,      IMAP_KEY_TEXT,    IMAP_KEY_BODY,       IMAP_KEY_BODY,
        IMAP_KEY_SUBJECT,   IMAP_KEY_FROM,    IMAP_KEY_TO,         IMAP_KEY_CC,
        IMAP_KEY_BCC,       IMAP_KEY_HEADER,  IMAP_KEY_SENTBEFORE, IMAP_KEY_SENTON,
        IMAP_KEY_SENTSINCE, IMAP_KEY_FLAG,    IMAP_KEY_LARGER,     IMAP_KEY_SMALLER,
        IMAP_KEY_ALL,       IMAP_KEY_KEYWORD, IMAP_KEY_SINCE,      IMAP_KEY_MODSEQ,
    };
    static const char *const fields[] = {"Subject", "message-id", "X-One", "to", "X-None", "Y"};
    struct imap_search_key *key = ARENA_NEW(arena, struct imap_search_key);

    key->kind = kinds[draw(scene, COUNT(kinds))];
    key->text = needle(scene, arena);
    key->field = slice_from_str(fields[draw(scene, COUNT(fields))]);
    key->day = 18659 + (int32_t) draw(scene, 28); /* February 2021 */
    key->number = draw(scene, 500);
    key->flag = draw(scene, 2) == 0 ? IMAP_SEEN : IMAP_FLAGGED;
    key->unset = draw(scene, 2) == 0;
    if (key->kind == IMAP_KEY_FROM && draw(scene, 2) == 0)
        key->text = SLICE("@alpha");
    if (draw(scene, 3) == 0)
        make_fuzzy(scene, key, arena);
    return key;
}

static struct imap_search_key *tree(struct scene *scene, struct arena *arena, int depth)
{
    static const enum imap_key kinds[] = {IMAP_KEY_AND, IMAP_KEY_OR, IMAP_KEY_NOT};
    struct imap_search_key **children, *key;

    if (depth == 0 || draw(scene, 3) == 0)
        return leaf(scene, arena);
    key = ARENA_NEW(arena, struct imap_search_key);
    key->kind = kinds[draw(scene, COUNT(kinds))];
    key->n_children = key->kind == IMAP_KEY_NOT ? 1 : 2;
    children = ARENA_ARRAY(arena, struct imap_search_key *, key->n_children);
    for (size_t i = 0; i < key->n_children; i++)
        children[i] = tree(scene, arena, depth - 1);
    key->children = children;
    return key;
}

/* ---- comparing ---- */

/* kept is what an earlier search left, or NULL; out_kept NULL: nothing is to be left. */
static struct search_hits run_on(struct scene *scene, struct mbox_view *view,
                                 const struct imap_search_key *key, unsigned comparator,
                                 struct pruner *kept, struct pruner **out_kept,
                                 struct arena *arena)
{
    struct search_scope scope = {.account = scene->account,
                                 .view = view,
                                 .comparator = comparator,
                                 .kept = kept,
                                 .wants_scores = scene->wants_scores};
    struct search_hits hits;
    struct search *search;
    struct err err = {0};
    enum rc rc;

    assert_int_equal(search_start(&scope, key, arena, &search, &err), RC_OK);
    do {
        rc = search_go(search, &err);
    } while (rc == RC_MORE);
    if (rc != RC_OK)
        fail_msg("search: %s", err.detail);
    hits = search_hits(search);
    if (out_kept != NULL)
        *out_kept = search_keep(search);
    search_done(search);
    return hits;
}

static struct search_hits run(struct scene *scene, struct mbox_view *view,
                              const struct imap_search_key *key, unsigned comparator,
                              struct arena *arena)
{
    return run_on(scene, view, key, comparator, NULL, NULL, arena);
}

static bool same(const struct uid_set *a, const struct uid_set *b)
{
    return a->n == b->n &&
           (a->n == 0 || memcmp(a->runs, b->runs, a->n * sizeof(*a->runs)) == 0);
}

static bool same_scores(const struct search_hits *a, const struct search_hits *b)
{
    if (a->scores == NULL || b->scores == NULL)
        return a->scores == b->scores;
    return memcmp(a->scores, b->scores, a->count) == 0;
}

static void compare_one(struct scene *scene, struct mbox_view *view,
                        const struct imap_search_key *key)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
    /* RFC 5255 4.2: mostly the default one; the others are met by less than it, or by what no
     * index knows. */
    unsigned comparator = draw(scene, 2) == 0 ? draw(scene, comparator_count()) : 0;
    struct search_hits with, without;

    if (draw(scene, 4) == 0)
        comparator = comparator_count() - 1 - draw(scene, 2); /* i;octet, i;ascii-casemap */
    scene->wants_scores = draw(scene, 2) == 0;
    with = run(scene, view, key, comparator, arena);

    mail_store_set_index(scene->world.store, NULL);
    without = run(scene, view, key, comparator, arena);
    mail_store_set_index(scene->world.store, scene->index);
    if (with.count != without.count || with.modseq != without.modseq ||
        !same(&with.uids, &without.uids) || !same(&with.seqs, &without.seqs) ||
        !same_scores(&with, &without)) {
        AUTO(buf_done) struct buf text;

        buf_init(&text, FILE_BYTES);
        imap_print_search_key(&text, key);
        fail_msg("%.*s by %u: %u hits with the index, %u without%s",
                 SLICE_ARG(buf_slice(&text)), comparator, with.count, without.count,
                 with.count == without.count ? ", or other scores" : "");
    }
}

static struct mbox_view *open_view(struct scene *scene, uint32_t mbox)
{
    struct mbox_view *view;
    struct err err;

    assert_int_equal(view_open(scene->account, ACCOUNT, 0, mbox, true, &view, &err), RC_OK);
    return view;
}

static void compare(struct scene *scene, uint32_t mbox, int queries)
{
    struct mbox_view *view = open_view(scene, mbox);

    for (int i = 0; i < queries; i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);

        compare_one(scene, view, tree(scene, arena, DEPTH));
    }
    view_close(view);
}

/* Each kind of key alone, for each word. */
static void compare_words(struct scene *scene, struct mbox_view *view)
{
    static const enum imap_key kinds[] = {IMAP_KEY_TEXT, IMAP_KEY_BODY, IMAP_KEY_SUBJECT,
                                          IMAP_KEY_FROM, IMAP_KEY_HEADER};

    for (size_t i = 0; i < COUNT(words); i++) {
        for (size_t k = 0; k < COUNT(kinds); k++) {
            const struct imap_search_key key = {
                .kind = kinds[k], .text = slice_from_str(words[i]), .field = SLICE("X-Two")};

            compare_one(scene, view, &key);
        }
    }
}

/* Fuzzy keys alone, so that what they say is all there is. */
static void compare_fuzzy(struct scene *scene, struct mbox_view *view, int queries)
{
    static const enum imap_key kinds[] = {IMAP_KEY_TEXT,    IMAP_KEY_TEXT, IMAP_KEY_BODY,
                                          IMAP_KEY_SUBJECT, IMAP_KEY_FROM, IMAP_KEY_TO,
                                          IMAP_KEY_HEADER};
    static const char *const fields[] = {"X-One", "subject", "Message-ID"};

    for (int i = 0; i < queries; i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
        struct imap_search_key *key = ARENA_NEW(arena, struct imap_search_key);

        key->kind = kinds[draw(scene, COUNT(kinds))];
        key->field = slice_from_str(fields[draw(scene, COUNT(fields))]);
        make_fuzzy(scene, key, arena);
        compare_one(scene, view, key);
    }
}

/* ---- tests ---- */

static void answers_are_the_same_with_an_index(void **state)
{
    struct mbox_view *view;
    struct scene scene;

    (void) state;
    scene_open(&scene, false);
    append(&scene, 300);
    compare(&scene, scene.inbox, QUERIES); /* there is none yet */
    assert_int_equal(count_segments(&scene), 0);
    catch_up(&scene);
    assert_int_equal(count_segments(&scene), 1);
    view = open_view(&scene, scene.inbox);
    compare_words(&scene, view);
    compare_fuzzy(&scene, view, 3 * QUERIES);
    view_close(view);
    compare(&scene, scene.inbox, QUERIES);
    compare(&scene, scene.other, QUERIES);
    scene_close(&scene);
}

/* More fuzzy keys than have scores of their own by the index: hits are read for them. */
static void many_fuzzy_keys_are_read(void **state)
{
    static const enum imap_key kinds[] = {IMAP_KEY_OR, IMAP_KEY_AND};
    struct imap_search_key leaves[PRUNE_SCORED_MAX + 1] = {0};
    struct imap_search_key *children[COUNT(leaves)];
    struct mbox_view *view;
    struct scene scene;

    (void) state;
    scene_open(&scene, false);
    append(&scene, 100);
    catch_up(&scene);
    view = open_view(&scene, scene.inbox);
    for (size_t i = 0; i < COUNT(leaves); i++) {
        leaves[i] =
            (struct imap_search_key){.kind = IMAP_KEY_TEXT,
                                     .text = i % 2 == 0 ? SLICE("alpha") : SLICE("alhpa"),
                                     .fuzzy = true};
        children[i] = &leaves[i];
    }
    for (size_t i = 0; i < COUNT(kinds); i++) {
        for (size_t n = 2; n <= COUNT(leaves); n += COUNT(leaves) - 2) {
            const struct imap_search_key key = {
                .kind = kinds[i], .children = children, .n_children = n};

            for (unsigned again = 0; again < 4; again++) /* with scores and without */
                compare_one(&scene, view, &key);
        }
    }
    view_close(view);
    scene_close(&scene);
}

/* The store's memory when a digest was made last, and the most. */
static struct {
    struct mail_store *store;
    size_t most;
} watched;

static enum rc watch_digest(struct digester *digester, uint64_t account, struct slice message,
                            struct arena *arena, struct slice *out, struct err *err)
{
    watched.most = MAX(watched.most, store_memory(watched.store));
    return plain_digest(digester, account, message, arena, out, err);
}

/* What a segment takes while it is made counts in the store's budget, and no longer. */
static void what_is_built_is_counted(void **state)
{
    struct scene scene;
    size_t before;

    (void) state;
    scene_open(&scene, false);
    append(&scene, 200);
    before = store_memory(scene.world.store);
    watched.store = scene.world.store;
    watched.most = 0;
    scene.world.digester.make = watch_digest;
    catch_up(&scene);
    assert_true(watched.most > before + 2 * SEGMENT_BUILD_SPAN / 8); /* its bits alone */
    assert_true(store_memory(scene.world.store) < watched.most);
    scene_close(&scene);
}

static void answers_are_the_same_while_it_is_behind(void **state)
{
    struct scene scene;

    (void) state;
    scene_open(&scene, false);
    for (int round = 0; round < 6; round++) {
        append(&scene, 40);
        compare(&scene, scene.inbox, QUERIES / 4);
        if (round != 2)
            catch_up(&scene);
        compare(&scene, scene.inbox, QUERIES / 4);
        (void) world_expunge(scene.account, scene.inbox, 10 * (uint32_t) round + 1,
                             10 * (uint32_t) round + 5);
        (void) world_flag(scene.account, scene.inbox, 10 * (uint32_t) round + 7, FLAG_OP_ADD,
                          FLAG_SEEN);
        compare(&scene, scene.inbox, QUERIES / 4);
    }
    assert_true(count_segments(&scene) < 5); /* merges took place */
    compare(&scene, scene.other, QUERIES);
    scene_close(&scene);
}

/* What the index said is asked of one mailbox after the other; bodies come meanwhile. */
static void what_it_said_serves_other_mailboxes(void **state)
{
    struct scene scene;

    (void) state;
    scene_open(&scene, false);
    for (int i = 0; i < QUERIES; i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
        const struct imap_search_key *key = tree(&scene, arena, DEPTH);
        struct mbox_view *inbox, *other;
        struct search_hits first, second, alone;
        struct pruner *kept = NULL;
        unsigned comparator = draw(&scene, 3) == 0 ? draw(&scene, comparator_count()) : 0;

        if (i % 10 == 0)
            append(&scene, 20);
        if (i % 20 == 5)
            catch_up(&scene);
        inbox = open_view(&scene, scene.inbox);
        first = run_on(&scene, inbox, key, comparator, NULL, &kept, arena);
        if (i % 10 == 3) {
            append(&scene, 10);
            catch_up(&scene);
        }
        other = open_view(&scene, scene.other);
        second = run_on(&scene, other, key, comparator, kept, &kept, arena);
        mail_store_set_index(scene.world.store, NULL);
        alone = run(&scene, other, key, comparator, arena);
        assert_true(same(&second.uids, &alone.uids) && second.modseq == alone.modseq);
        mail_store_set_index(scene.world.store, scene.index);
        second = run_on(&scene, inbox, key, comparator, kept, NULL, arena);
        assert_true(same(&first.uids, &second.uids));
        view_close(inbox);
        view_close(other);
    }
    scene_close(&scene);
}

/* A view that has not heard of expunges and of new messages numbers as it did. */
static void numbers_are_the_session_s_own(void **state)
{
    struct mbox_view *view;
    struct scene scene;
    struct err err;

    (void) state;
    scene_open(&scene, false);
    append(&scene, 120);
    catch_up(&scene);
    view = open_view(&scene, scene.inbox);
    (void) world_expunge(scene.account, scene.inbox, 20, 30);
    (void) world_expunge(scene.account, scene.inbox, 50, 50);
    append(&scene, 20);
    view_park(view);
    assert_int_equal(view_refresh(view, 0, &err), RC_OK);
    assert_true(view_has_withheld(view));
    compare_words(&scene, view);
    view_close(view);
    scene_close(&scene);
}

/* More candidates than are read at once, of which most have no digest yet; some are too long to
 * be read among others. */
static void many_candidates_are_decided_in_steps(void **state)
{
    static const char *const needles[] = {"a", "al", "x", "needle"};
    AUTO(buf_done) struct buf text = {.max = 8 * FILE_BYTES};
    struct mbox_view *view;
    struct scene scene;
    uint64_t position;

    (void) state;
    scene_open(&scene, false);
    append(&scene, 1500);
    catch_up(&scene);
    for (uint32_t i = 0; i < 4; i++) {
        buf_reset(&text);
        buf_str(&text, "Subject: long\r\n\r\n");
        while (text.len < 3 * FILE_BYTES)
            buf_str(&text, "all work and no play\r\n");
        buf_printf(&text, "needle %u\r\n", i);
        buf_byte(&text, '\0');
        (void) world_append(scene.account, "INBOX", text.ptr, &position);
        append(&scene, 150); /* without digests */
    }
    view = open_view(&scene, scene.inbox);
    for (size_t i = 0; i < COUNT(needles); i++) {
        struct imap_search_key body = {.kind = IMAP_KEY_BODY,
                                       .text = slice_from_str(needles[i])};
        struct imap_search_key sent = {.kind = IMAP_KEY_SENTSINCE, .day = 18670};
        struct imap_search_key *const both[] = {&body, &sent};
        const struct imap_search_key some = {
            .kind = IMAP_KEY_OR, .children = both, .n_children = 2};
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);

        compare_one(&scene, view, &body);
        compare_one(&scene, view, &some);
        assert_in_range(run(&scene, view, &body, COMPARATOR_DEFAULT, arena).count,
                        i == 2 ? 0 : 4, UINT32_MAX);
    }
    view_close(view);
    scene_close(&scene);
}

/* ---- damage ---- */

/* The only segment's file. */
static void find_file(struct scene *scene, char *out, size_t room)
{
    char folder[160];
    const struct dirent *entry;
    DIR *dir;

    (void) snprintf(folder, sizeof(folder), "%s/derived/%016x", scene->world.path, ACCOUNT);
    dir = opendir(folder);
    assert_non_null(dir);
    out[0] = '\0';
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            (void) snprintf(out, room, "%s/%.60s", folder, entry->d_name);
    (void) closedir(dir);
    assert_true(out[0] != '\0');
}

static size_t read_file(const char *path, char *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    assert_true(fd >= 0);
    n = read(fd, out, FILE_BYTES);
    assert_true(n > 0);
    (void) close(fd);
    return (size_t) n;
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    (void) close(fd);
}

static const struct imap_search_key asked[] = {
    {.kind = IMAP_KEY_TEXT,    .text = {"abcd", 4}},
    {.kind = IMAP_KEY_BODY,    .text = {"alp", 3} },
    {.kind = IMAP_KEY_SUBJECT, .text = {"re: ", 4}},
    {.kind = IMAP_KEY_FROM,    .text = {"u3@", 3} },
    {.kind = IMAP_KEY_HEADER,  .text = {"host", 4}, .field = {"Message-ID", 10}},
    {.kind = IMAP_KEY_SENTSINCE,                        .day = 18670                 },
};

/* Of every third byte a bit, of each place of the file a byte: what was damaged is found and
 * goes, what nobody reads does no harm, and no answer changes. */
static void no_flipped_bit_changes_an_answer(void **state)
{
    AUTO(freep) char *whole = xmalloc(FILE_BYTES);
    uint32_t want[COUNT(asked)];
    struct mbox_view *view;
    struct scene scene;
    char path[256];
    size_t len, n_gone = 0;

    (void) state;
    scene_open(&scene, true);
    append(&scene, 6);
    catch_up(&scene);
    find_file(&scene, path, sizeof(path));
    len = read_file(path, whole);
    view = open_view(&scene, scene.inbox);
    for (size_t i = 0; i < COUNT(asked); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);

        compare_one(&scene, view, &asked[i]);
        want[i] = run(&scene, view, &asked[i], COMPARATOR_DEFAULT, arena).count;
    }
    for (size_t at = 0; at < len; at += 3) {
        close_index(&scene);
        whole[at] = (char) ((unsigned char) whole[at] ^ 1u << at % 8);
        write_file(path, whole, len);
        whole[at] = (char) ((unsigned char) whole[at] ^ 1u << at % 8);
        open_index(&scene);
        for (size_t i = 0; i < COUNT(asked); i++) {
            AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);

            assert_int_equal(run(&scene, view, &asked[i], COMPARATOR_DEFAULT, arena).count,
                             want[i]);
        }
        n_gone += count_segments(&scene) == 0;
    }
    assert_true(n_gone > 100); /* the most of the file that a search reads */
    view_close(view);
    scene_close(&scene);
}

static void what_is_damaged_is_made_again(void **state)
{
    AUTO(freep) char *whole = xmalloc(FILE_BYTES);
    struct scene scene;
    char path[256];
    size_t len;

    (void) state;
    scene_open(&scene, true);
    append(&scene, 50);
    catch_up(&scene);
    find_file(&scene, path, sizeof(path));
    len = read_file(path, whole);
    whole[len / 2] = (char) ~(unsigned char) whole[len / 2];
    close_index(&scene);
    write_file(path, whole, len - 1);
    open_index(&scene);
    assert_int_equal(count_segments(&scene), 0); /* found at the first look */
    compare(&scene, scene.inbox, QUERIES / 8);
    catch_up(&scene);
    assert_int_equal(count_segments(&scene), 1);
    compare(&scene, scene.inbox, QUERIES / 8);
    scene_close(&scene);
}

/* Both what was merged and what came of it are there, as after a crash between. */
static void an_interrupted_merge_is_cleared_up(void **state)
{
    AUTO(freep) char *first = xmalloc(FILE_BYTES);
    struct scene scene;
    char path[256], merged[256];
    size_t len;

    (void) state;
    scene_open(&scene, true);
    append(&scene, 20);
    catch_up(&scene);
    find_file(&scene, path, sizeof(path));
    len = read_file(path, first);
    for (int i = 0; i < 3; i++) {
        append(&scene, 20);
        catch_up(&scene);
    }
    assert_int_equal(count_segments(&scene), 1);
    find_file(&scene, merged, sizeof(merged));
    close_index(&scene);
    write_file(path, first, len);
    open_index(&scene);
    assert_int_equal(count_segments(&scene), 1);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(merged, F_OK), 0);
    compare(&scene, scene.inbox, QUERIES / 4);
    scene_close(&scene);
}

struct living {
    uint64_t ids[2000];
    size_t n;
};

static enum rc see_living(void *ctx, const uint64_t *ids, size_t n, struct err *err)
{
    struct living *living = ctx;

    (void) err;
    assert_true(living->n + n <= COUNT(living->ids));
    memcpy(living->ids + living->n, ids, n * sizeof(*ids));
    living->n += n;
    return RC_OK;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

/* As the sweeper tells the engine, in time. */
static void sweep(struct scene *scene)
{
    struct engine *engine = scene->world.engine;
    struct acct_state *state = account_read(scene->account, 0);
    AUTO(freep) struct living *living = xcalloc(1, sizeof(*living));
    page_read_fn *read;
    uint64_t missing;
    struct err err;
    void *ctx;

    read = engine->ops->page_reader(engine, ACCOUNT, &ctx);
    assert_int_equal(acct_each_live_body(state, read, ctx, see_living, living, &err), RC_OK);
    qsort(living->ids, living->n, sizeof(*living->ids), by_id);
    assert_int_equal(engine->ops->keep_bodies(engine, ACCOUNT, living->ids, living->n,
                                              acct_next_body_id(state), &missing, &err),
                     RC_OK);
    assert_int_equal(missing, 0);
    acct_unref(state);
}

static uint32_t covered_now(struct scene *scene)
{
    struct index_row *row = text_index_take(scene->index, ACCOUNT);
    uint32_t covered = 0;

    for (size_t i = 0; row != NULL && i < row->n; i++)
        covered += text_segment_covered(row->segments[i]);
    index_row_unref(row);
    return covered;
}

static void segments_of_what_is_gone_are_made_anew(void **state)
{
    struct scene scene;
    struct err err;

    (void) state;
    scene_open(&scene, false);
    append(&scene, 1600);
    catch_up(&scene);
    assert_int_equal(covered_now(&scene), 1600);
    (void) world_expunge(scene.account, scene.inbox, 1, 1100);
    catch_up(&scene);
    assert_int_equal(covered_now(&scene), 1600); /* the engine still has them */
    assert_int_equal(account_expire(scene.account, INT64_MAX / 2, &err), RC_OK);
    sweep(&scene);
    catch_up(&scene);
    assert_true(covered_now(&scene) < 600);
    compare(&scene, scene.inbox, QUERIES / 8);
    compare(&scene, scene.other, QUERIES / 8);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_same_with_an_index),
        cmocka_unit_test(many_fuzzy_keys_are_read),
        cmocka_unit_test(what_is_built_is_counted),
        cmocka_unit_test(answers_are_the_same_while_it_is_behind),
        cmocka_unit_test(what_it_said_serves_other_mailboxes),
        cmocka_unit_test(numbers_are_the_session_s_own),
        cmocka_unit_test(many_candidates_are_decided_in_steps),
        cmocka_unit_test(no_flipped_bit_changes_an_answer),
        cmocka_unit_test(what_is_damaged_is_made_again),
        cmocka_unit_test(an_interrupted_merge_is_cleared_up),
        cmocka_unit_test(segments_of_what_is_gone_are_made_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
