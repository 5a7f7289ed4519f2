/* text_scene.c - mail of drawn words, keys that ask for them, and searches that must agree. */
#include "lib/text_scene.h"

#include "imap/flags.h"
#include "lib/test.h"
#include "mime/comparator.h"

#define FILE_BYTES ((size_t) 1 << 20)

uint32_t scene_draw(struct scene *scene, uint32_t below)
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
        uint32_t bound = 1 + scene_draw(scene, COUNT(words));

        buf_str(out, words[scene_draw(scene, bound)]);
        buf_byte(out, scene_draw(scene, 12) == 0 ? '\n' : ' ');
    }
}

static const char *message(struct scene *scene, struct buf *out, uint32_t i)
{
    buf_reset(out);
    buf_printf(out, "From: %s <u%u@%s.example>\r\nSubject: ", words[scene_draw(scene, 4)],
               i % 7, words[scene_draw(scene, 3)]);
    buf_str(out, scene_draw(scene, 3) == 0 ? "=?utf-8?q?stra=C3=9Fe?= " : "Re: ");
    buf_printf(out, "%s %s\r\n", words[scene_draw(scene, COUNT(words))],
               words[scene_draw(scene, 9)]);
    if (scene_draw(scene, 2) == 0)
        buf_printf(out, "To: a%u@b.example,\r\n c@d.example\r\n", scene_draw(scene, 20));
    if (scene_draw(scene, 9) == 0)
        buf_str(out, "Cc: somebody@else.example\r\nCc: twice@else.example\r\n");
    if (scene_draw(scene, 3) > 0)
        buf_printf(out, "Date: %u Feb 2021 10:00:00 +0%u00\r\n", 1 + scene_draw(scene, 28),
                   scene_draw(scene, 9));
    buf_printf(out, "Message-ID: <%u.%u@host.example>\r\nX-%s: %s\r\n", i,
               scene_draw(scene, 1000), scene_draw(scene, 2) == 0 ? "One" : "Two",
               words[scene_draw(scene, COUNT(words))]);
    buf_str(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    put_words(scene, out, scene_draw(scene, 60));
    buf_str(out, "\r\n");
    buf_byte(out, '\0');
    return out->ptr;
}

void scene_append(struct scene *scene, uint32_t n)
{
    AUTO(buf_done) struct buf text;

    uint64_t position = 0;

    buf_init(&text, FILE_BYTES);
    for (uint32_t i = 0; i < n; i++)
        (void) world_append(scene->account, scene_draw(scene, 4) == 0 ? "Archive" : "INBOX",
                            message(scene, &text, i), &position);
    account_wait_durable(scene->account, position);
}

void scene_open_index(struct scene *scene)
{
    scene->index = text_index_new(&(struct text_index_options){
        .store = scene->world.store, .merged_bytes = scene->merged_bytes});
    mail_store_set_index(scene->world.store, scene->index);
}

void scene_close_index(struct scene *scene)
{
    mail_store_set_index(scene->world.store, NULL);
    text_index_free(scene->index);
    scene->index = NULL;
}

void scene_open(struct scene *scene, bool is_local)
{
    const struct memory_engine_options memory = {.no_conflict = true};
    const struct local_options local = {.no_packer = true};

    *scene = (struct scene){.seed = 11};
    if (is_local)
        world_open_local(&scene->world, &local);
    else
        world_open_memory(&scene->world, &memory);
    scene->account = world_account(&scene->world, SCENE_ACCOUNT);
    scene->inbox = world_mailbox_id(scene->account, "INBOX", 0);
    scene->other = world_mailbox_id(scene->account, "Archive", 0);
    scene_open_index(scene);
}

void scene_close(struct scene *scene)
{
    if (scene->index != NULL)
        scene_close_index(scene);
    account_close(scene->account);
    world_done(&scene->world);
}

void scene_catch_up(struct scene *scene)
{
    struct err err;

    assert_int_equal(text_index_catch_up(scene->index, scene->account, &err), RC_OK);
}

size_t scene_count_segments(struct scene *scene)
{
    struct index_row *row = text_index_take(scene->index, SCENE_ACCOUNT);
    size_t n = row != NULL ? row->n : 0;

    index_row_unref(row);
    return n;
}

/* ---- keys ---- */

/* A part of a word, of two, or nothing of the kind. */
static struct slice needle(struct scene *scene, struct arena *arena)
{
    const char *word = words[scene_draw(scene, COUNT(words))];
    struct slice text = slice_from_str(word);
    uint32_t kind = scene_draw(scene, 8);

    if (kind == 0)
        return slice_from_str(
            arena_printf(arena, "%s %s", word, words[scene_draw(scene, COUNT(words))]));
    if (kind == 1)
        return SLICE("nowhere to be found");
    if (kind == 2 && (text.ptr[0] & 0x80) == 0)
        return slice_sub(text, 0, 1 + scene_draw(scene, 3));
    if (kind == 3)
        return SLICE("");
    return text;
}

/* A word with an error or two, or without its beginning or end. */
static const char *nearly(struct scene *scene, struct arena *arena)
{
    const char *word = words[scene_draw(scene, COUNT(words))];
    char *made = arena_cstr(arena, slice_from_str(word));
    size_t len = strlen(made), at = scene_draw(scene, (uint32_t) len);

    switch (scene_draw(scene, 5)) {
    case 0:
        made[at] = (char) ('a' + (char) scene_draw(scene, 26));
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
    uint32_t n = 1 + scene_draw(scene, 3) * scene_draw(scene, 3);
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

    key->kind = kinds[scene_draw(scene, COUNT(kinds))];
    key->text = needle(scene, arena);
    key->field = slice_from_str(fields[scene_draw(scene, COUNT(fields))]);
    key->day = 18659 + (int32_t) scene_draw(scene, 28); /* February 2021 */
    key->number = scene_draw(scene, 500);
    key->flag = scene_draw(scene, 2) == 0 ? IMAP_SEEN : IMAP_FLAGGED;
    key->unset = scene_draw(scene, 2) == 0;
    if (key->kind == IMAP_KEY_FROM && scene_draw(scene, 2) == 0)
        key->text = SLICE("@alpha");
    if (scene_draw(scene, 3) == 0)
        make_fuzzy(scene, key, arena);
    return key;
}

struct imap_search_key *scene_tree(struct scene *scene, struct arena *arena, int depth)
{
    static const enum imap_key kinds[] = {IMAP_KEY_AND, IMAP_KEY_OR, IMAP_KEY_NOT};
    struct imap_search_key **children, *key;

    if (depth == 0 || scene_draw(scene, 3) == 0)
        return leaf(scene, arena);
    key = ARENA_NEW(arena, struct imap_search_key);
    key->kind = kinds[scene_draw(scene, COUNT(kinds))];
    key->n_children = key->kind == IMAP_KEY_NOT ? 1 : 2;
    children = ARENA_ARRAY(arena, struct imap_search_key *, key->n_children);
    for (size_t i = 0; i < key->n_children; i++)
        children[i] = scene_tree(scene, arena, depth - 1);
    key->children = children;
    return key;
}

/* ---- comparing ---- */

struct search_hits scene_run_on(struct scene *scene, struct mbox_view *view,
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

struct search_hits scene_run(struct scene *scene, struct mbox_view *view,
                             const struct imap_search_key *key, unsigned comparator,
                             struct arena *arena)
{
    return scene_run_on(scene, view, key, comparator, NULL, NULL, arena);
}

bool scene_same_uids(const struct uid_set *a, const struct uid_set *b)
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

void scene_compare_one(struct scene *scene, struct mbox_view *view,
                       const struct imap_search_key *key)
{
    AUTO(arena_freep) struct arena *arena = arena_new(SCENE_ARENA_BYTES);
    /* RFC 5255 4.2: mostly the default one; the others are met by less than it, or by what no
     * index knows. */
    unsigned comparator = scene_draw(scene, 2) == 0 ? scene_draw(scene, comparator_count()) : 0;
    struct search_hits with, without;

    if (scene_draw(scene, 4) == 0)
        comparator =
            comparator_count() - 1 - scene_draw(scene, 2); /* i;octet, i;ascii-casemap */
    scene->wants_scores = scene_draw(scene, 2) == 0;
    with = scene_run(scene, view, key, comparator, arena);

    mail_store_set_index(scene->world.store, NULL);
    without = scene_run(scene, view, key, comparator, arena);
    mail_store_set_index(scene->world.store, scene->index);
    if (with.count != without.count || with.modseq != without.modseq ||
        !scene_same_uids(&with.uids, &without.uids) ||
        !scene_same_uids(&with.seqs, &without.seqs) || !same_scores(&with, &without)) {
        AUTO(buf_done) struct buf text;

        buf_init(&text, FILE_BYTES);
        imap_print_search_key(&text, key);
        fail_msg("%.*s by %u: %u hits with the index, %u without%s",
                 SLICE_ARG(buf_slice(&text)), comparator, with.count, without.count,
                 with.count == without.count ? ", or other scores" : "");
    }
}

struct mbox_view *scene_open_view(struct scene *scene, uint32_t mbox)
{
    struct mbox_view *view;
    struct err err;

    assert_int_equal(view_open(scene->account, SCENE_ACCOUNT, 0, mbox, true, &view, &err),
                     RC_OK);
    return view;
}

void scene_compare(struct scene *scene, uint32_t mbox, int queries)
{
    struct mbox_view *view = scene_open_view(scene, mbox);

    for (int i = 0; i < queries; i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(SCENE_ARENA_BYTES);

        scene_compare_one(scene, view, scene_tree(scene, arena, SCENE_DEPTH));
    }
    view_close(view);
}

void scene_compare_words(struct scene *scene, struct mbox_view *view)
{
    static const enum imap_key kinds[] = {IMAP_KEY_TEXT, IMAP_KEY_BODY, IMAP_KEY_SUBJECT,
                                          IMAP_KEY_FROM, IMAP_KEY_HEADER};

    for (size_t i = 0; i < COUNT(words); i++) {
        for (size_t k = 0; k < COUNT(kinds); k++) {
            const struct imap_search_key key = {
                .kind = kinds[k], .text = slice_from_str(words[i]), .field = SLICE("X-Two")};

            scene_compare_one(scene, view, &key);
        }
    }
}

void scene_compare_fuzzy(struct scene *scene, struct mbox_view *view, int queries)
{
    static const enum imap_key kinds[] = {IMAP_KEY_TEXT,    IMAP_KEY_TEXT, IMAP_KEY_BODY,
                                          IMAP_KEY_SUBJECT, IMAP_KEY_FROM, IMAP_KEY_TO,
                                          IMAP_KEY_HEADER};
    static const char *const fields[] = {"X-One", "subject", "Message-ID"};

    for (int i = 0; i < queries; i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(SCENE_ARENA_BYTES);
        struct imap_search_key *key = ARENA_NEW(arena, struct imap_search_key);

        key->kind = kinds[scene_draw(scene, COUNT(kinds))];
        key->field = slice_from_str(fields[scene_draw(scene, COUNT(fields))]);
        make_fuzzy(scene, key, arena);
        scene_compare_one(scene, view, key);
    }
}
