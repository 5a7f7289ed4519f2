/* test_text_index.c - searches find the same with an index, with part of one, and with a
 * damaged one, as without. */
// links: search store_memory store_local
// lib: mail_world text_scene
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/live_bodies.h"
#include "imap/flags.h"
#include "lib/mail_world.h"
#include "lib/test.h"
#include "lib/text_scene.h"
#include "mime/comparator.h"
#include "search/prune.h"
#include "search/search.h"
#include "search/text_index.h"

#define QUERIES    150
#define FILE_BYTES ((size_t) 1 << 20)

static void answers_are_the_same_with_an_index(void **state)
{
    struct mbox_view *view;
    struct scene scene;

    (void) state;
    scene_open(&scene, false);
    scene_append(&scene, 300);
    scene_compare(&scene, scene.inbox, QUERIES); /* there is none yet */
    assert_int_equal(scene_count_segments(&scene), 0);
    scene_catch_up(&scene);
    assert_int_equal(scene_count_segments(&scene), 1);
    view = scene_open_view(&scene, scene.inbox);
    scene_compare_words(&scene, view);
    scene_compare_fuzzy(&scene, view, 3 * QUERIES);
    view_close(view);
    scene_compare(&scene, scene.inbox, QUERIES);
    scene_compare(&scene, scene.other, QUERIES);
    scene_close(&scene);
}

static void answers_are_the_same_while_it_is_behind(void **state)
{
    struct scene scene;

    (void) state;
    scene_open(&scene, false);
    for (int round = 0; round < 6; round++) {
        scene_append(&scene, 40);
        scene_compare(&scene, scene.inbox, QUERIES / 4);
        if (round != 2)
            scene_catch_up(&scene);
        scene_compare(&scene, scene.inbox, QUERIES / 4);
        (void) world_expunge(scene.account, scene.inbox, 10 * (uint32_t) round + 1,
                             10 * (uint32_t) round + 5);
        (void) world_flag(scene.account, scene.inbox, 10 * (uint32_t) round + 7, FLAG_OP_ADD,
                          FLAG_SEEN);
        scene_compare(&scene, scene.inbox, QUERIES / 4);
    }
    assert_true(scene_count_segments(&scene) < 5); /* merges took place */
    scene_compare(&scene, scene.other, QUERIES);
    scene_close(&scene);
}

/* What the index said is asked of one mailbox after the other; bodies come meanwhile. */
static void what_it_said_serves_other_mailboxes(void **state)
{
    struct scene scene;

    (void) state;
    scene_open(&scene, false);
    for (int i = 0; i < QUERIES; i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(SCENE_ARENA_BYTES);
        const struct imap_search_key *key = scene_tree(&scene, arena, SCENE_DEPTH);
        struct mbox_view *inbox, *other;
        struct search_hits first, second, alone;
        struct pruner *kept = NULL;
        unsigned comparator =
            scene_draw(&scene, 3) == 0 ? scene_draw(&scene, comparator_count()) : 0;

        if (i % 10 == 0)
            scene_append(&scene, 20);
        if (i % 20 == 5)
            scene_catch_up(&scene);
        inbox = scene_open_view(&scene, scene.inbox);
        first = scene_run_on(&scene, inbox, key, comparator, NULL, &kept, arena);
        if (i % 10 == 3) {
            scene_append(&scene, 10);
            scene_catch_up(&scene);
        }
        other = scene_open_view(&scene, scene.other);
        second = scene_run_on(&scene, other, key, comparator, kept, &kept, arena);
        mail_store_set_index(scene.world.store, NULL);
        alone = scene_run(&scene, other, key, comparator, arena);
        assert_true(scene_same_uids(&second.uids, &alone.uids) &&
                    second.modseq == alone.modseq);
        mail_store_set_index(scene.world.store, scene.index);
        second = scene_run_on(&scene, inbox, key, comparator, kept, NULL, arena);
        assert_true(scene_same_uids(&first.uids, &second.uids));
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
    scene_append(&scene, 120);
    scene_catch_up(&scene);
    view = scene_open_view(&scene, scene.inbox);
    (void) world_expunge(scene.account, scene.inbox, 20, 30);
    (void) world_expunge(scene.account, scene.inbox, 50, 50);
    scene_append(&scene, 20);
    view_park(view);
    assert_int_equal(view_refresh(view, 0, &err), RC_OK);
    assert_true(view_has_withheld(view));
    scene_compare_words(&scene, view);
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
    scene_append(&scene, 1500);
    scene_catch_up(&scene);
    for (uint32_t i = 0; i < 4; i++) {
        buf_reset(&text);
        buf_str(&text, "Subject: long\r\n\r\n");
        while (text.len < 3 * FILE_BYTES)
            buf_str(&text, "all work and no play\r\n");
        buf_printf(&text, "needle %u\r\n", i);
        buf_byte(&text, '\0');
        (void) world_append(scene.account, "INBOX", text.ptr, &position);
        scene_append(&scene, 150); /* without digests */
    }
    view = scene_open_view(&scene, scene.inbox);
    for (size_t i = 0; i < COUNT(needles); i++) {
        struct imap_search_key body = {.kind = IMAP_KEY_BODY,
                                       .text = slice_from_str(needles[i])};
        struct imap_search_key sent = {.kind = IMAP_KEY_SENTSINCE, .day = 18670};
        struct imap_search_key *const both[] = {&body, &sent};
        const struct imap_search_key some = {
            .kind = IMAP_KEY_OR, .children = both, .n_children = 2};
        AUTO(arena_freep) struct arena *arena = arena_new(SCENE_ARENA_BYTES);

        scene_compare_one(&scene, view, &body);
        scene_compare_one(&scene, view, &some);
        assert_in_range(scene_run(&scene, view, &body, COMPARATOR_DEFAULT, arena).count,
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

    (void) snprintf(folder, sizeof(folder), "%s/derived/%016x", scene->world.path,
                    SCENE_ACCOUNT);
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
    scene_append(&scene, 6);
    scene_catch_up(&scene);
    find_file(&scene, path, sizeof(path));
    len = read_file(path, whole);
    view = scene_open_view(&scene, scene.inbox);
    for (size_t i = 0; i < COUNT(asked); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(SCENE_ARENA_BYTES);

        scene_compare_one(&scene, view, &asked[i]);
        want[i] = scene_run(&scene, view, &asked[i], COMPARATOR_DEFAULT, arena).count;
    }
    for (size_t at = 0; at < len; at += 3) {
        scene_close_index(&scene);
        whole[at] = (char) ((unsigned char) whole[at] ^ 1u << at % 8);
        write_file(path, whole, len);
        whole[at] = (char) ((unsigned char) whole[at] ^ 1u << at % 8);
        scene_open_index(&scene);
        for (size_t i = 0; i < COUNT(asked); i++) {
            AUTO(arena_freep) struct arena *arena = arena_new(SCENE_ARENA_BYTES);

            assert_int_equal(
                scene_run(&scene, view, &asked[i], COMPARATOR_DEFAULT, arena).count, want[i]);
        }
        n_gone += scene_count_segments(&scene) == 0;
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
    scene_append(&scene, 50);
    scene_catch_up(&scene);
    find_file(&scene, path, sizeof(path));
    len = read_file(path, whole);
    whole[len / 2] = (char) ~(unsigned char) whole[len / 2];
    scene_close_index(&scene);
    write_file(path, whole, len - 1);
    scene_open_index(&scene);
    assert_int_equal(scene_count_segments(&scene), 0); /* found at the first look */
    scene_compare(&scene, scene.inbox, QUERIES / 8);
    scene_catch_up(&scene);
    assert_int_equal(scene_count_segments(&scene), 1);
    scene_compare(&scene, scene.inbox, QUERIES / 8);
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
    scene_append(&scene, 20);
    scene_catch_up(&scene);
    find_file(&scene, path, sizeof(path));
    len = read_file(path, first);
    for (int i = 0; i < 3; i++) {
        scene_append(&scene, 20);
        scene_catch_up(&scene);
    }
    assert_int_equal(scene_count_segments(&scene), 1);
    find_file(&scene, merged, sizeof(merged));
    scene_close_index(&scene);
    write_file(path, first, len);
    scene_open_index(&scene);
    assert_int_equal(scene_count_segments(&scene), 1);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(merged, F_OK), 0);
    scene_compare(&scene, scene.inbox, QUERIES / 4);
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

    read = engine->ops->page_reader(engine, SCENE_ACCOUNT, &ctx);
    assert_int_equal(acct_each_live_body(state, read, ctx, see_living, living, &err), RC_OK);
    qsort(living->ids, living->n, sizeof(*living->ids), by_id);
    assert_int_equal(engine->ops->keep_bodies(engine, SCENE_ACCOUNT, living->ids, living->n,
                                              acct_next_body_id(state), &missing, &err),
                     RC_OK);
    assert_int_equal(missing, 0);
    acct_unref(state);
}

static uint32_t covered_now(struct scene *scene)
{
    struct index_row *row = text_index_take(scene->index, SCENE_ACCOUNT);
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
    scene_append(&scene, 1600);
    scene_catch_up(&scene);
    assert_int_equal(covered_now(&scene), 1600);
    (void) world_expunge(scene.account, scene.inbox, 1, 1100);
    scene_catch_up(&scene);
    assert_int_equal(covered_now(&scene), 1600); /* the engine still has them */
    assert_int_equal(account_expire(scene.account, INT64_MAX / 2, &err), RC_OK);
    sweep(&scene);
    scene_catch_up(&scene);
    assert_true(covered_now(&scene) < 600);
    scene_compare(&scene, scene.inbox, QUERIES / 8);
    scene_compare(&scene, scene.other, QUERIES / 8);
    scene_close(&scene);
}

/* Places in a segment have 32 bits: what would be too much for one stays as it is. */
static void segments_of_too_much_stay_apart(void **state)
{
    struct scene scene;

    (void) state;
    scene_open(&scene, false);
    scene_close_index(&scene);
    scene.merged_bytes = 1;
    scene_open_index(&scene);
    for (uint32_t n = 1; n <= INDEX_FANOUT + 1; n++) {
        scene_append(&scene, 20);
        scene_catch_up(&scene);
        assert_int_equal(scene_count_segments(&scene), n);
    }
    scene_compare(&scene, scene.inbox, QUERIES);
    scene_close_index(&scene);
    scene.merged_bytes = 0;
    scene_open_index(&scene);
    scene_catch_up(&scene);
    assert_true(scene_count_segments(&scene) < INDEX_FANOUT + 1);
    scene_compare(&scene, scene.inbox, QUERIES);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_same_with_an_index),
        cmocka_unit_test(answers_are_the_same_while_it_is_behind),
        cmocka_unit_test(what_it_said_serves_other_mailboxes),
        cmocka_unit_test(numbers_are_the_session_s_own),
        cmocka_unit_test(many_candidates_are_decided_in_steps),
        cmocka_unit_test(no_flipped_bit_changes_an_answer),
        cmocka_unit_test(what_is_damaged_is_made_again),
        cmocka_unit_test(an_interrupted_merge_is_cleared_up),
        cmocka_unit_test(segments_of_what_is_gone_are_made_anew),
        cmocka_unit_test(segments_of_too_much_stay_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
