/* test_word_index.c - the words of segments: what is built, merged and asked, and in how much
 * memory. That answers are those of the texts is test_text_index.c's. */
// links: search store_memory store_local
// lib: mail_world text_scene
#include <malloc.h>

#include "base/utf8.h"
#include "lib/mail_world.h"
#include "lib/plain_digester.h"
#include "lib/test.h"
#include "lib/text_scene.h"
#include "search/bits.h"
#include "search/prune.h"
#include "search/search.h"
#include "search/text_index.h"
#include "search/text_segment_build.h"
#include "search/word_ask.h"
#include "search/word_build.h"

#define ACCOUNT     7u
#define MAIL_BYTES  ((size_t) 32 << 20)
#define ARENA_BYTES ((size_t) 64 << 20)
#define FROM        5u /* the first body id of the segments here */

static const uint8_t everywhere[WORD_PLACES] = {90, 90, 90, 90, 100, 60, 85};

static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (*seed >> 33) % below;
}

static struct engine *open_engine(void)
{
    const struct memory_engine_options options = {.no_conflict = true};
    struct commit_group group = {.account = ACCOUNT, .records = SLICE("x")};
    struct engine *engine = memory_engine_new(&options);
    uint64_t position;
    struct err err;

    assert_int_equal(engine->ops->commit(engine, &group, 1, &position, &err), RC_OK);
    return engine;
}

/* A message as a digest; table holds its bytes. */
static struct digest digest_of(struct slice mail, struct buf *table)
{
    struct digest digest;
    struct err err;

    buf_reset(table);
    digest_build(mail, table);
    assert_int_equal(digest_open(buf_slice(table), &digest, &err), RC_OK);
    return digest;
}

static void add_mail(struct text_segment_build *build, uint64_t body_id, struct slice mail)
{
    AUTO(buf_done) struct buf table;
    struct digest digest;

    buf_init(&table, DIGEST_MAX_BYTES);
    digest = digest_of(mail, &table);
    text_segment_build_add(build, body_id, &digest);
}

static struct text_segment *open_segment(struct engine *engine, uint64_t from, uint64_t to)
{
    const struct derived_name name = {SEGMENT_KIND, from, to};
    struct text_segment *segment = NULL;
    struct err err = {0};

    if (text_segment_open(engine, ACCOUNT, &name, &segment, &err) != RC_OK)
        fail_msg("segment: %s", err.detail);
    return segment;
}

static bool always(void *ctx)
{
    (void) ctx;
    return true;
}

static struct text_segment *write_segment(struct engine *engine,
                                          struct text_segment_build *build, uint64_t from,
                                          uint64_t to)
{
    struct err err = {0};

    if (text_segment_build_write(build, engine, ACCOUNT, to, always, NULL, &err) != RC_OK)
        fail_msg("segment: %s", err.detail);
    text_segment_build_free(build);
    return open_segment(engine, from, to);
}

/* ---- merging ---- */

static void put_words(struct buf *out, uint64_t *seed, uint32_t n)
{
    static const char *const alphabets[] = {"abc", "xyzq0", "\xd0\xb0\xd0\xb1", "\xe6\x9d\xb1"};

    for (uint32_t i = 0; i < n; i++) {
        const char *letters = alphabets[draw(seed, COUNT(alphabets))];
        uint32_t len = 1 + draw(seed, 4), width = letters[0] == '\xd0' ? 2 : 1;

        if (letters[0] == '\xe6')
            width = 3;
        for (uint32_t k = 0; k < len; k++)
            buf_append(
                out, slice_of(letters + width * draw(seed, (uint32_t) strlen(letters) / width),
                              width));
        buf_str(out, draw(seed, 9) == 0 ? "\r\n" : " ");
    }
}

static void make_mail(struct buf *out, uint64_t *seed)
{
    static const char *const fields[] = {"Subject: ", "From: ", "To: ", "Cc: ", "Bcc: ", "X: "};

    buf_reset(out);
    for (size_t i = 0; i < COUNT(fields); i++) {
        if (draw(seed, 3) == 0)
            continue;
        buf_str(out, fields[i]);
        for (uint32_t n = draw(seed, 5); n > 0; n--) {
            buf_byte(out, (char) ('a' + (char) draw(seed, 20)));
            buf_byte(out, ' ');
        }
        buf_str(out, "\r\n");
    }
    buf_str(out, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
    put_words(out, seed, draw(seed, 60));
}

static bool go_on(void *ctx)
{
    (void) ctx;
    return true;
}

static struct slice read_blob(struct engine *engine, uint64_t from, uint64_t to,
                              struct buf *out)
{
    const struct derived_name name = {SEGMENT_KIND, from, to};
    struct derived *derived = NULL;
    uint64_t len;
    struct err err;
    char *room;

    assert_int_equal(engine->ops->derived_open(engine, ACCOUNT, &name, &derived, &err), RC_OK);
    len = engine->ops->derived_length(derived);
    room = buf_reserve(out, (size_t) len);
    assert_int_equal(engine->ops->derived_read(derived, 0, room, (size_t) len, &err), RC_OK);
    out->len += (size_t) len;
    engine->ops->derived_close(derived);
    return buf_slice(out);
}

/* One segment of all is, byte for byte, what segments of parts become. */
static void segments_become_what_one_would_be(void **state)
{
    enum { BODIES = 300 };
    AUTO(buf_done) struct buf mail = {.max = MAIL_BYTES};
    AUTO(buf_done) struct buf whole = {.max = MAIL_BYTES}, merged = {.max = MAIL_BYTES};
    struct engine *one = open_engine(), *parts = open_engine();
    struct text_segment_build *all = text_segment_build_new(FROM), *part = NULL;
    struct text_segment *segments[3];
    uint64_t seed = 20261122, begin = FROM;
    size_t n = 0;
    struct err err = {0};

    (void) state;
    for (uint64_t id = FROM; id < FROM + BODIES; id++) {
        if (part == NULL)
            part = text_segment_build_new(begin = id);
        if (draw(&seed, 10) > 0) { /* some are gone */
            make_mail(&mail, &seed);
            add_mail(all, id, buf_slice(&mail));
            add_mail(part, id, buf_slice(&mail));
        }
        if ((id + 1 - FROM) % (BODIES / COUNT(segments)) == 0)
            segments[n++] = write_segment(parts, TAKE(part), begin, id + 1);
    }
    assert_int_equal(n, COUNT(segments));
    assert_int_equal(text_segment_merge(segments, n, parts, ACCOUNT, go_on, NULL, &err), RC_OK);
    text_segment_free(write_segment(one, all, FROM, FROM + BODIES));
    assert_slice_equal(read_blob(parts, FROM, FROM + BODIES, &merged),
                       read_blob(one, FROM, FROM + BODIES, &whole));
    for (size_t i = 0; i < n; i++)
        text_segment_free(segments[i]);
    one->ops->close(one);
    parts->ops->close(parts);
}

/* ---- asking ---- */

static void ask(const struct text_segment *segment, const char *text, uint64_t slice,
                uint64_t *bits, uint8_t *scores, uint32_t *out_slices)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
    const struct fuzzy *fuzzy = fuzzy_new(slice_from_str(text), arena);
    struct word_ask *ask = word_ask_new(segment, fuzzy, everywhere, bits, scores);
    struct err err = {0};
    uint64_t work = 0;
    enum rc rc;

    for (*out_slices = 1; (rc = word_ask_go(ask, slice, &work, &err)) == RC_MORE; work = 0)
        ++*out_slices;
    assert_int_equal(rc, RC_OK);
    word_ask_free(ask);
}

/* Its numbers do not fit WORD_ASK_BYTES at once; each is found all the same, and no other. */
static void a_long_segment_is_walked_more_than_once(void **state)
{
    static const uint32_t numbers[] = {0, 1, 99999, 123360, 123361, 123362, 200000, 262000};
    static const char key[] = "a bb cc dd ee ff gg hh ii jj kk ll mm nn oo pp";
    uint32_t span = SEGMENT_BUILD_SPAN, slices;
    AUTO(freep) uint64_t *bits = xcalloc(BITS_WORDS(span), sizeof(*bits));
    AUTO(freep) uint8_t *scores = xcalloc(span, sizeof(*scores));
    struct text_segment_build *build = text_segment_build_new(FROM);
    struct engine *engine = open_engine();
    struct text_segment *segment;

    (void) state;
    assert_true(span > WORD_ASK_BYTES / (FUZZY_WORDS_MAX + 1));
    for (size_t i = 0; i < COUNT(numbers); i++)
        add_mail(build, FROM + numbers[i],
                 i % 2 == 0 ? SLICE("Subject: a bb cc dd ee ff gg hh\r\n\r\n"
                                    "ii jj kk ll mm nn oo pp\r\n")
                            : SLICE("Subject: a bb cc dd ee ff gg hh\r\n\r\nmm nn oo pp\r\n"));
    segment = write_segment(engine, build, FROM, FROM + span);
    ask(segment, key, 0, bits, scores, &slices);
    assert_true(slices > 2);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        assert_true(bit_is_set(bits, numbers[i]));
        /* With all words it may be a phrase; with twelve of sixteen it is not. */
        assert_int_equal(scores[numbers[i]] == WORD_SCORE_UNSURE, i % 2 == 0);
    }
    assert_int_equal(bits_count(bits, BITS_WORDS(span)), COUNT(numbers));
    text_segment_free(segment);
    engine->ops->close(engine);
}

/* ---- memory ---- */

/* Words of their own, of 48 characters of four octets, from `first` on. */
static void put_long_words(struct buf *out, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        uint32_t rest = i;

        for (uint32_t k = 0; k < WORD_MAX_CHARS; k++, rest /= 32)
            utf8_append(out, 0x10900 + rest % 20); /* Phoenician, which has no case */
        buf_byte(out, '\n');
    }
}

/* Bytes whose trigrams are all different for long. */
static void put_trigrams(struct buf *out, uint64_t *seed, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        utf8_append(out, 0x4e00 + draw(seed, 20000));
    buf_byte(out, '\n');
}

static void adversarial_mail(struct buf *out, uint64_t *seed, uint32_t at)
{
    buf_reset(out);
    buf_str(out, "Subject: ");
    put_trigrams(out, seed, 15000);
    buf_str(out, "Content-Type: text/plain; charset=utf-8\n\n");
    if (at % 2 == 0)
        put_long_words(out, at * 60000, 60000);
    else
        put_trigrams(out, seed, 300000);
}

/* Small pieces that are free, but kept by malloc for their thread, count as in use. */
#define KEPT_BY_MALLOC_BYTES 32768u

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* What is said of memory is what is taken (where malloc tells: a sanitizer's does not); and no
 * mail makes that more than the limit. */
static void what_is_built_stays_within_its_memory(void **state)
{
    AUTO(buf_done) struct buf mail = {.max = MAIL_BYTES}, table = {.max = DIGEST_MAX_BYTES};
    size_t before, said = 0, taken = 0;
    struct text_segment_build *build;
    uint64_t seed = 7, id = FROM;

    (void) state;
    (void) buf_reserve(&mail, MAIL_BYTES);
    (void) buf_reserve(&table, 2 * MAIL_BYTES);
    before = in_use();
    build = text_segment_build_new(FROM);
    while (!text_segment_build_is_full(build, id)) {
        struct digest digest;

        adversarial_mail(&mail, &seed, (uint32_t) (id - FROM));
        digest = digest_of(buf_slice(&mail), &table);
        text_segment_build_add(build, id++, &digest);
        said = text_segment_build_bytes(build);
        taken = in_use() - before;
        if (before > 0)
            assert_in_range(said, taken - taken / 50, taken + taken / 50);
        assert_true(said <= SEGMENT_BUILD_MAX_BYTES);
    }
    assert_true(id > FROM + 1 && said >= SEGMENT_BUILD_BYTES);
    text_segment_build_free(build);
    assert_in_range(in_use(), before, before + KEPT_BY_MALLOC_BYTES);
}

/* The store's memory when a digest was made last, and the most. */
static struct {
    struct mail_store *store;
    size_t most;
} watched;

static enum rc watch_digest(struct digester *digester, uint64_t account,
                            const struct slice *messages, size_t n, struct arena *arena,
                            struct slice *tables, struct err *err)
{
    watched.most = MAX(watched.most, store_memory(watched.store));
    return plain_digest(digester, account, messages, n, arena, tables, err);
}

/* What a segment takes while it is made counts in the store's budget, and no longer. */
static void what_is_built_is_counted(void **state)
{
    struct scene scene;
    size_t before;

    (void) state;
    scene_open(&scene, false);
    scene_append(&scene, 200);
    before = store_memory(scene.world.store);
    watched.store = scene.world.store;
    watched.most = 0;
    scene.world.digester.make = watch_digest;
    scene_catch_up(&scene);
    assert_true(watched.most > before + 2 * SEGMENT_BUILD_SPAN / 8); /* its bits alone */
    assert_true(store_memory(scene.world.store) < watched.most);
    scene_close(&scene);
}

/* ---- limits of a message ---- */

static uint32_t count_hits(struct mail_world *world, struct account *account,
                           struct mbox_view *view, const struct imap_search_key *key,
                           struct text_index *index)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
    const struct search_scope scope = {.account = account, .view = view, .wants_scores = true};
    struct search *search;
    uint32_t count;
    struct err err;
    enum rc rc;

    mail_store_set_index(world->store, index);
    assert_int_equal(search_start(&scope, key, arena, &search, &err), RC_OK);
    while ((rc = search_go(search, &err)) == RC_MORE)
        continue;
    assert_int_equal(rc, RC_OK);
    count = search_hits(search).count;
    search_done(search);
    return count;
}

/* One word more than a message may have in the index, in mail that else is like any. */
static void a_message_of_too_many_words_is_read(void **state)
{
    const struct memory_engine_options memory = {.no_conflict = true};
    const struct imap_search_key key = {
        .kind = IMAP_KEY_TEXT, .text = SLICE("neeedle"), .fuzzy = true};
    AUTO(buf_done) struct buf mail = {.max = MAIL_BYTES};
    struct text_segment_build *build = text_segment_build_new(FROM);
    struct engine *engine = open_engine();
    struct text_segment *segment;

    (void) state;
    for (uint32_t more = 0; more < 2; more++) { /* "a", "Subject" and "needle" are three */
        buf_reset(&mail);
        buf_str(&mail, "Subject: needle\r\n\r\n");
        for (uint32_t i = 0; i < SEGMENT_WORDS_MAX - 1 + more; i++)
            buf_printf(&mail, "%x\n", 0x100000 + i);
        add_mail(build, FROM + more, buf_slice(&mail));
    }
    segment = write_segment(engine, build, FROM, FROM + 2);
    assert_false(bit_is_set(text_segment_wordless(segment), 0));
    assert_true(bit_is_set(text_segment_wordless(segment), 1));
    assert_false(bit_is_set(text_segment_uncovered(segment), 1)); /* its trigrams are there */
    text_segment_free(segment);
    engine->ops->close(engine);
    {
        struct mail_world world = {.memory_bytes = 0};
        struct text_index *index;
        struct account *account;
        struct mbox_view *view;
        uint64_t position;
        struct err err;

        world_open_memory(&world, &memory);
        account = world_account(&world, ACCOUNT);
        buf_byte(&mail, '\0');
        (void) world_append(account, "INBOX", mail.ptr, &position);
        account_wait_durable(account, position);
        index = text_index_new(&(struct text_index_options){.store = world.store});
        mail_store_set_index(world.store, index);
        assert_int_equal(text_index_catch_up(index, account, &err), RC_OK);
        assert_int_equal(view_open(account, ACCOUNT, 0, world_mailbox_id(account, "INBOX", 0),
                                   true, &view, &err),
                         RC_OK);
        assert_int_equal(count_hits(&world, account, view, &key, index), 1);
        assert_int_equal(count_hits(&world, account, view, &key, NULL), 1);
        view_close(view);
        text_index_free(index);
        account_close(account);
        world_done(&world);
    }
}

/* ---- limits of a search ---- */

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
    scene_append(&scene, 100);
    scene_catch_up(&scene);
    view = scene_open_view(&scene, scene.inbox);
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
                scene_compare_one(&scene, view, &key);
        }
    }
    view_close(view);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_become_what_one_would_be),
        cmocka_unit_test(a_long_segment_is_walked_more_than_once),
        cmocka_unit_test(what_is_built_stays_within_its_memory),
        cmocka_unit_test(what_is_built_is_counted),
        cmocka_unit_test(a_message_of_too_many_words_is_read),
        cmocka_unit_test(many_fuzzy_keys_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
