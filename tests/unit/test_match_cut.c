/* test_match_cut.c - many keys on a long message: a search leaves it and comes back, and what
 * it finds is what it would have found in one go. */
// links: search store_memory store_local
// lib: mail_world text_scene
#include "imap/search_key.h"
#include "lib/test.h"
#include "lib/text_scene.h"
#include "search/match.h"

#define TEXT_BYTES ((size_t) 4 << 20)
#define N_KEYS     40u
#define LINE       "At noon by the river, as every week, with bread and cheese.\r\n"
#define SHORT_MAIL "Subject: short\r\n\r\nlunch\r\n"

static void append_long(struct scene *scene)
{
    AUTO(buf_done) struct buf mail;

    buf_init(&mail, 2 * TEXT_BYTES);
    buf_str(&mail, "Subject: long\r\n\r\n");
    while (mail.len < TEXT_BYTES)
        buf_str(&mail, LINE);
    buf_str(&mail, "lunch\r\n");
    buf_byte(&mail, '\0');
    (void) world_append(scene->account, "INBOX", mail.ptr, NULL);
}

/* N_KEYS that all have to look at the whole text, and one more. */
static struct imap_search_key *keys(const char *last, struct arena *arena)
{
    AUTO(buf_done) struct buf text;
    struct imap_search_key *key;
    struct err err;

    buf_init(&text, 64 * (size_t) N_KEYS);
    for (unsigned i = 0; i < N_KEYS; i++)
        buf_printf(&text, "NOT %s xq%uz ", i % 2 != 0 ? "BODY" : "TEXT", i);
    buf_str(&text, last);
    assert_int_equal(imap_parse_filter(arena_dup(arena, buf_slice(&text)), arena, &key, &err),
                     RC_OK); /* which points into it */
    return key;
}

/* Returns how often the search was left. */
static unsigned count(struct scene *scene, struct mbox_view *view, const char *last,
                      uint32_t *out_hits)
{
    AUTO(arena_freep) struct arena *arena = arena_new(SCENE_ARENA_BYTES);
    struct search_scope scope = {.account = scene->account, .view = view};
    struct search *search;
    unsigned n_left = 0;
    struct err err;
    enum rc rc;

    assert_int_equal(search_start(&scope, keys(last, arena), arena, &search, &err), RC_OK);
    while ((rc = search_go(search, &err)) == RC_MORE)
        n_left++;
    assert_int_equal(rc, RC_OK);
    *out_hits = search_hits(search).count;
    search_done(search);
    return n_left;
}

static void many_keys_on_a_long_message_are_asked_in_pieces(void **state)
{
    const unsigned pieces = (unsigned) (TEXT_BYTES * N_KEYS / MATCH_CUT_WORK);
    struct mbox_view *view;
    struct scene scene;
    uint32_t n;

    (void) state;
    scene_open(&scene, false);
    (void) world_append(scene.account, "INBOX", SHORT_MAIL, NULL);
    append_long(&scene);
    (void) world_append(scene.account, "INBOX", SHORT_MAIL, NULL);
    append_long(&scene);
    view = scene_open_view(&scene, scene.inbox);
    assert_true(count(&scene, view, "BODY lunch", &n) >= 2 * pieces);
    assert_int_equal(n, 4);
    assert_true(count(&scene, view, "BODY dinner", &n) >= 1);
    assert_int_equal(n, 0);
    assert_true(count(&scene, view, "OR BODY dinner SUBJECT long", &n) >= 2 * pieces);
    assert_int_equal(n, 2);
    assert_true(count(&scene, view, "FUZZY (BODY river)", &n) >= 2 * pieces);
    assert_int_equal(n, 2);
    view_close(view);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_keys_on_a_long_message_are_asked_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
