/*
 * test_context_limits.c - how much a session may have updated, and what it hears beyond:
 * NOUPDATE (RFC 5267 4.3.1). Real sessions on the memory engine.
 */
// links: commands store_memory
// lib: session_rig
#include "commands/context.h"
#include "lib/session_rig.h"
#include "lib/test.h"
#include "store/memory/memory_engine.h"

#define MANY_MESSAGES                                                                          \
    131072u /* in CONTEXTS_MAX orders they take more than a session may have */
#define LINE_BYTES ((size_t) 4096)

struct scene {
    struct rig *rig;
    struct rig_session *a;
};

static struct scene begin(void)
{
    const struct memory_engine_options options = {.no_conflict = true};
    struct scene scene = {.rig = rig_new(memory_engine_new(&options))};

    scene.a = rig_login(scene.rig, SESSION_FULL);
    return scene;
}

/* What it answers to this, and nothing before it. */
static struct slice ask(const struct scene *scene, const char *text)
{
    rig_take(scene->a, 0, rig_output(scene->a).len);
    rig_send(scene->a, slice_from_str(text));
    return rig_output(scene->a);
}

static bool says(struct slice answer, const char *part)
{
    return slice_search(answer, slice_from_str(part)) < answer.len;
}

static size_t count(const struct scene *scene)
{
    const struct contexts *contexts = rig_session_of(scene->a)->contexts;

    return contexts != NULL ? contexts->n : 0;
}

static void refuses_too_many(void **state)
{
    struct scene scene = begin();
    char line[128];

    (void) state;
    (void) ask(&scene, "a SELECT INBOX\r\n");
    for (unsigned i = 0; i < CONTEXTS_MAX; i++) {
        (void) snprintf(line, sizeof(line), "t%u UID SEARCH RETURN (UPDATE COUNT) UNSEEN\r\n",
                        i);
        assert_false(says(ask(&scene, line), "NOUPDATE"));
    }
    assert_int_equal(count(&scene), CONTEXTS_MAX);
    /* other options are honoured (4.3.1) */
    assert_true(says(ask(&scene, "b SEARCH RETURN (UPDATE COUNT) SEEN\r\n"),
                     "* ESEARCH (TAG \"b\") COUNT 0\r\n* NO [NOUPDATE \"b\"] "));
    assert_true(says(rig_output(scene.a), "b OK "));
    assert_true(says(ask(&scene, "c SORT RETURN (UPDATE) (SIZE) UTF-8 ALL\r\n"),
                     "* NO [NOUPDATE \"c\"] "));
    (void) ask(&scene, "d CANCELUPDATE \"t3\" \"b\"\r\n");
    assert_int_equal(count(&scene), CONTEXTS_MAX - 1);
    /* what was refused has no tag in use */
    assert_false(says(ask(&scene, "b SEARCH RETURN (UPDATE) SEEN\r\n"), "NOUPDATE"));
    assert_true(says(rig_output(scene.a), "b OK "));
    (void) ask(&scene, "e UNSELECT\r\n");
    assert_int_equal(count(&scene), 0);
    rig_free(scene.rig);
}

/* Messages, one flagged and one not in turns: a power of two. */
static void fill(const struct scene *scene, uint32_t n)
{
    (void) ask(scene, "a SELECT INBOX\r\nb APPEND INBOX (\\Flagged) {4+}\r\na\r\n\r\n"
                      "c APPEND INBOX {4+}\r\nb\r\n\r\n");
    for (uint32_t have = 2; have < n; have *= 2)
        assert_true(says(ask(scene, "d UID COPY 1:* INBOX\r\n"), "d OK "));
}

/* Updating sorts, as many as there may be; how many there are. */
static size_t sort_until_refused(const struct scene *scene)
{
    char line[128];

    for (size_t n = 0; n < CONTEXTS_MAX; n++) {
        (void) snprintf(line, sizeof(line),
                        "t%zu UID SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 ALL\r\n", n);
        if (says(ask(scene, line), "NOUPDATE"))
            break;
    }
    return count(scene);
}

static void refuses_what_is_too_large(void **state)
{
    struct scene scene = begin();
    size_t n;

    (void) state;
    fill(&scene, MANY_MESSAGES);
    n = sort_until_refused(&scene);
    assert_in_range(n, 2, CONTEXTS_MAX - 1);
    /* a search takes less (4.3.1) */
    assert_false(says(ask(&scene, "e UID SEARCH RETURN (UPDATE COUNT) ALL\r\n"), "NOUPDATE"));
    rig_free(scene.rig);
}

static void ends_what_grows_too_large(void **state)
{
    struct scene scene = begin();
    struct slice answer;

    (void) state;
    fill(&scene, MANY_MESSAGES / 4);
    assert_int_equal(sort_until_refused(&scene), CONTEXTS_MAX);
    for (unsigned i = 0; i < 2; i++)
        (void) ask(&scene, "d UID COPY 1:* INBOX\r\n");
    answer = rig_output(scene.a);
    assert_true(says(answer, "* NO [NOUPDATE \"t"));
    assert_true(says(answer, "d OK "));
    assert_in_range(count(&scene), 2, CONTEXTS_MAX - 1);
    assert_false(contexts_are_too_large(rig_session_of(scene.a)));
    rig_free(scene.rig);
}

/* Before their places are looked for, which takes memory for each. */
static void ends_what_grows_by_too_many_at_once(void **state)
{
    enum { FEW = 64 };
    struct scene scene = begin();

    (void) state;
    fill(&scene, FEW);
    (void) ask(&scene, "e UID SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 ALL\r\n");
    assert_int_equal(count(&scene), 1);
    rig_session_of(scene.a)->contexts->order_max = 3 * FEW;
    assert_false(says(ask(&scene, "f UID COPY 1:* INBOX\r\n"), "NOUPDATE"));
    assert_true(says(ask(&scene, "g UID COPY 1:* INBOX\r\n"), "* NO [NOUPDATE \"e\"] "));
    assert_true(says(rig_output(scene.a), "g OK "));
    assert_int_equal(count(&scene), 0);
    rig_free(scene.rig);
}

/* "$" stands for every other message, and is frozen each time. */
static void refuses_keys_that_are_too_large(void **state)
{
    struct scene scene = begin();

    (void) state;
    fill(&scene, MANY_MESSAGES);
    (void) ask(&scene, "e UID SEARCH RETURN (SAVE) FLAGGED\r\n");
    assert_false(says(ask(&scene, "f UID SEARCH RETURN (UPDATE) $ $\r\n"), "NOUPDATE"));
    assert_true(says(ask(&scene, "g UID SEARCH RETURN (UPDATE COUNT) $ $ $ $ $ $ $ $ $\r\n"),
                     "COUNT 65536\r\n* NO [NOUPDATE \"g\"] "));
    assert_int_equal(count(&scene), 1);
    rig_free(scene.rig);
}

static void takes_so_many_tags(void **state)
{
    struct scene scene = begin();
    AUTO(buf_done) struct buf line;

    (void) state;
    buf_init(&line, LINE_BYTES);
    (void) ask(&scene, "a SELECT INBOX\r\nx UID SEARCH RETURN (UPDATE) ALL\r\n");
    buf_str(&line, "b CANCELUPDATE");
    for (unsigned i = 0; i < CANCELUPDATE_MAX_TAGS; i++)
        buf_str(&line, " \"y\"");
    buf_str(&line, " \"x\"\r\n");
    buf_byte(&line, '\0');
    assert_true(says(ask(&scene, line.ptr), "b NO [LIMIT] "));
    assert_int_equal(count(&scene), 1);
    rig_free(scene.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_too_many),
        cmocka_unit_test(refuses_what_is_too_large),
        cmocka_unit_test(ends_what_grows_too_large),
        cmocka_unit_test(ends_what_grows_by_too_many_at_once),
        cmocka_unit_test(takes_so_many_tags),
        cmocka_unit_test(refuses_keys_that_are_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
