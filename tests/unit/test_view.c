/*
 * test_view.c - a view's numbering against an obvious list, over random histories: messages
 * come, go and change while the view is told of it at its own pace.
 */
// links: mailbox store_memory store_local
// lib: mail_world
#include "lib/mail_world.h"
#include "lib/test.h"

#define ACCOUNT   7u
#define UIDS_MAX  12000u
#define HISTORIES 30u
#define TURNS     150u
#define MANY      9000u /* messages: more than two chunks */

/* What the client was told: uids in the order of their numbers. */
struct told {
    uint32_t uids[UIDS_MAX];
    size_t n;
    uint32_t told_uid;
    bool is_gone[UIDS_MAX];                               /* by uid: expunged */
    uint64_t flags_at[UIDS_MAX], told_flags_at[UIDS_MAX]; /* by uid: how many changes */
};

struct scene {
    struct mail_world world;
    struct account *account;
    uint32_t mbox_id, uidnext;
    uint64_t random;
    struct mbox_view *view;
    struct told *list;
    uint64_t told_modseq;
};

static uint32_t pick(struct scene *scene, uint32_t n)
{
    scene->random = scene->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (scene->random >> 33) % n;
}

static void append(struct scene *scene, uint32_t n)
{
    struct mail_txn *txn = world_begin(scene->account);

    for (uint32_t i = 0; i < n; i++) {
        struct new_message message = {.stage = world_stage(scene->account, "text")};
        struct err err;
        uint32_t uid;

        assert_int_equal(txn_append(txn, scene->mbox_id, &message, &uid, &err), RC_OK);
        assert_int_equal(uid, scene->uidnext++);
    }
    (void) world_commit(&txn);
}

static const struct memory_engine_options plain = {.no_conflict = true};

/* The store is opened anew: messages lie in pages. */
static void restart(struct scene *scene)
{
    account_close(scene->account);
    world_close(&scene->world);
    world_open_memory(&scene->world, &plain);
    scene->account = world_account(&scene->world, ACCOUNT);
}

/* Half of the scenes begin behind a restart, as a SELECT does. */
static void scene_open(struct scene *scene, uint64_t seed, uint32_t n)
{
    struct err err;

    *scene = (struct scene){.random = seed, .uidnext = 1};
    scene->list = xcalloc(1, sizeof(*scene->list));
    world_open_memory(&scene->world, &plain);
    scene->account = world_account(&scene->world, ACCOUNT);
    scene->mbox_id = world_mailbox_id(scene->account, "INBOX", 0);
    append(scene, n);
    if (seed % 2 == 0)
        restart(scene);
    assert_int_equal((seed % 2 == 0 ? view_open_counts : view_open)(
                         scene->account, 0, 0, scene->mbox_id, false, &scene->view, &err),
                     RC_OK);
    assert_int_equal(mbox_is_loaded(view_mbox(scene->view)), seed % 2 != 0);
    for (uint32_t uid = 1; uid <= n; uid++)
        scene->list->uids[scene->list->n++] = uid;
    scene->list->told_uid = n;
    scene->told_modseq = view_told_modseq(scene->view);
}

static void scene_close(struct scene *scene)
{
    view_close(scene->view);
    account_close(scene->account);
    world_done(&scene->world);
    free(scene->list);
}

/* ---- the world moves ---- */

static void expunge(struct scene *scene)
{
    uint32_t first = 1 + pick(scene, scene->uidnext), last = first + pick(scene, 4);

    (void) world_expunge(scene->account, scene->mbox_id, first, last);
    for (uint32_t uid = first; uid <= last && uid < scene->uidnext; uid++)
        scene->list->is_gone[uid] = true;
}

static void change_flags(struct scene *scene)
{
    uint32_t uid = 1 + pick(scene, scene->uidnext);

    if (uid == scene->uidnext || scene->list->is_gone[uid])
        return;
    /* Each change is one: the flag is set and taken in turn. */
    (void) world_flag(scene->account, scene->mbox_id, uid,
                      scene->list->flags_at[uid] % 2 == 0 ? FLAG_OP_ADD : FLAG_OP_REMOVE,
                      FLAG_SEEN);
    scene->list->flags_at[uid]++;
}

static void move_world(struct scene *scene)
{
    for (uint32_t n = pick(scene, 5); n > 0; n--) {
        switch (pick(scene, 3)) {
        case 0:
            append(scene, 1 + pick(scene, 3));
            break;
        case 1:
            expunge(scene);
            break;
        default:
            change_flags(scene);
            break;
        }
    }
}

/* ---- what must be ---- */

static void check_numbers(const struct scene *scene)
{
    const struct told *list = scene->list;
    uint32_t last = 0;
    size_t at = 0;

    assert_int_equal(view_count(scene->view), list->n);
    for (size_t i = 0; i < list->n; i++) {
        assert_int_equal(view_uid(scene->view, (uint32_t) i + 1), list->uids[i]);
        last = list->uids[i];
    }
    assert_int_equal(view_last_uid(scene->view), last);
    for (uint32_t uid = 1; uid <= scene->uidnext; uid++) {
        bool is_there = at < list->n && list->uids[at] == uid;

        assert_int_equal(view_seq(scene->view, uid), is_there ? at + 1 : 0);
        assert_int_equal(view_is_withheld(scene->view, uid), is_there && list->is_gone[uid]);
        at += is_there;
    }
}

static void check_walk(struct scene *scene)
{
    uint32_t from = 1 + pick(scene, scene->uidnext);
    struct view_walk walk;

    view_walk_start(&walk, scene->view, from);
    for (size_t i = 0; i < scene->list->n; i++) {
        uint32_t uid = scene->list->uids[i];

        if (uid < from || scene->list->is_gone[uid])
            continue;
        assert_true(view_walk_next(&walk));
        assert_int_equal(walk.uid, uid);
        assert_int_equal(walk.seq, i + 1);
        assert_int_equal(mbox_uid(view_mbox(scene->view), walk.index), uid);
    }
    assert_false(view_walk_next(&walk));
}

/* What a stretch says is what the walk says step by step. */
static void check_stretches(struct scene *scene)
{
    uint32_t from = 1 + pick(scene, scene->uidnext), last = from + pick(scene, scene->uidnext);
    struct view_walk stretched, stepped;
    uint32_t n;

    view_walk_start(&stretched, scene->view, from);
    view_walk_start(&stepped, scene->view, from);
    while (view_walk_stretch(&stretched, last, &n)) {
        assert_true(n > 0);
        for (uint32_t i = 0; i < n; i++) {
            assert_true(view_walk_next(&stepped));
            assert_true(stepped.uid <= last);
            assert_int_equal(stepped.seq, stretched.seq + i);
            assert_int_equal(stepped.index, stretched.index + i);
            assert_int_equal(stepped.uid, stretched.chunk.uid[view_walk_row(&stretched) + i]);
        }
    }
    assert_false(view_walk_next(&stepped) && stepped.uid <= last);
}

/* Some of the uids in a row: what the client knows is found with its number. */
static void check_walk_to(struct scene *scene)
{
    struct view_walk walk = {.view = scene->view};

    for (size_t i = 0; i < scene->list->n; i++) {
        uint32_t uid = scene->list->uids[i];
        bool is_there = !scene->list->is_gone[uid];

        if (pick(scene, 3) == 0)
            continue;
        assert_int_equal(view_walk_to(&walk, uid), is_there);
        if (is_there)
            assert_int_equal(walk.seq, i + 1);
    }
}

static void check_runs(struct scene *scene)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    uint32_t n = (uint32_t) scene->list->n, first = 1 + pick(scene, n + 2),
             last = first + pick(scene, n + 2);
    struct uid_set_builder builder;
    struct uid_set set;

    uid_set_start(&builder, arena);
    view_seqs_to_uids(scene->view, first, last, &builder);
    set = uid_set_finish(&builder);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(uid_set_contains(&set, scene->list->uids[i]),
                         i + 1 >= first && i + 1 <= last);
}

static bool has_withheld(const struct told *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->is_gone[list->uids[i]])
            return true;
    return false;
}

/* ---- what is told ---- */

static void take_out(struct told *list, uint32_t seq, uint32_t uid)
{
    assert_true(seq >= 1 && seq <= list->n);
    assert_int_equal(list->uids[seq - 1], uid);
    assert_true(list->is_gone[uid]);
    memmove(&list->uids[seq - 1], &list->uids[seq], (list->n - seq) * sizeof(uint32_t));
    list->n--;
}

static void check_told_flags(struct scene *scene, const struct view_changes *changes,
                             uint32_t known_uid)
{
    struct told *list = scene->list;
    size_t at = 0;

    for (uint32_t uid = 1; uid < scene->uidnext; uid++) {
        bool is_told = at < changes->n_changed && changes->changed_uids[at] == uid;
        bool is_due = uid <= known_uid && !list->is_gone[uid] &&
                      list->flags_at[uid] != list->told_flags_at[uid];

        assert_int_equal(is_told, is_due);
        at += is_told;
        if (!list->is_gone[uid])
            list->told_flags_at[uid] = list->flags_at[uid];
    }
    assert_int_equal(at, changes->n_changed);
}

static void sync_view(struct scene *scene, bool expunges)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct told *list = scene->list;
    uint32_t known_uid = list->told_uid;
    bool has_new = false;
    struct view_changes changes;

    view_sync(scene->view, expunges ? VIEW_TELL_ALL : VIEW_TELL_ALL & ~VIEW_TELL_EXPUNGES,
              arena, &changes);
    for (size_t i = 0; i < changes.n_expunged; i++)
        take_out(list, changes.expunged_seqs[i], changes.expunged_uids[i]);
    if (expunges)
        assert_false(has_withheld(list));
    else
        assert_int_equal(changes.n_expunged, 0);
    for (uint32_t uid = list->told_uid + 1; uid < scene->uidnext; uid++) {
        if (list->is_gone[uid])
            continue;
        list->uids[list->n++] = uid;
        has_new = true;
    }
    list->told_uid = scene->uidnext - 1;
    assert_int_equal(changes.exists_changed, has_new);
    assert_int_equal(changes.exists, list->n);
    check_told_flags(scene, &changes, known_uid);
    assert_true(view_told_modseq(scene->view) >= scene->told_modseq); /* never falls */
    scene->told_modseq = view_told_modseq(scene->view);
    if (has_withheld(list)) /* RFC 7162 3.2: below the lowest that is withheld */
        assert_true(scene->told_modseq < mbox_counts(view_mbox(scene->view))->highestmodseq);
    else
        assert_int_equal(scene->told_modseq,
                         mbox_counts(view_mbox(scene->view))->highestmodseq);
}

/* A conflict: the command's view goes back to its mark and is refreshed again. */
static void go_back_sometimes(struct scene *scene)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct view_mark *mark;
    struct err err;

    if (pick(scene, 4) != 0)
        return;
    mark = view_mark(scene->view, arena);
    move_world(scene);
    assert_int_equal(view_refresh(scene->view, 0, &err), RC_OK);
    view_rewind(scene->view, mark);
    assert_int_equal(view_refresh(scene->view, 0, &err), RC_OK);
}

/* Where nothing was moved but a command comes that names no message. */
static void count_only(struct scene *scene)
{
    struct err err;

    assert_int_equal(view_refresh_counts(scene->view, 0, &err), RC_OK);
    assert_int_equal(view_count(scene->view), scene->list->n);
    sync_view(scene, true);
    view_park(scene->view);
}

static void take_turn(struct scene *scene)
{
    struct err err;

    if (pick(scene, 4) == 0)
        count_only(scene);
    move_world(scene);
    if (pick(scene, 4) == 0)
        count_only(scene);
    if (scene->uidnext + 20 >= UIDS_MAX)
        fail_msg("the history is too long");
    assert_int_equal(view_refresh(scene->view, 0, &err), RC_OK);
    go_back_sometimes(scene);
    check_numbers(scene);
    check_walk(scene);
    check_stretches(scene);
    check_walk_to(scene);
    check_runs(scene);
    sync_view(scene, pick(scene, 3) == 0);
    check_numbers(scene);
    assert_int_equal(view_has_withheld(scene->view), has_withheld(scene->list));
    view_park(scene->view);
    assert_int_equal(view_has_news(scene->view, 0, VIEW_TELL_ALL), has_withheld(scene->list));
}

static void numbers_are_those_of_an_obvious_list(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct scene scene;

        scene_open(&scene, seed, (uint32_t) seed % 9);
        for (unsigned turn = 0; turn < TURNS; turn++)
            take_turn(&scene);
        scene_close(&scene);
    }
}

static void the_same_over_several_chunks(void **state)
{
    struct scene scene;

    (void) state;
    scene_open(&scene, 78, MANY);
    for (unsigned turn = 0; turn < 20; turn++)
        take_turn(&scene);
    scene_close(&scene);
}

/* ---- without messages ---- */

static void select_counts(struct scene *scene, struct mbox_view **out)
{
    struct err err;

    assert_int_equal(view_open_counts(scene->account, 0, 0, scene->mbox_id, false, out, &err),
                     RC_OK);
}

static void who_only_counts_leaves_messages_in_pages(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct view_changes changes;
    struct mbox_view *view;
    struct scene scene;
    struct err err;

    (void) state;
    scene_open(&scene, 1, MANY);
    for (uint32_t uid = 1; uid <= 3; uid++)
        (void) world_flag(scene.account, scene.mbox_id, uid, FLAG_OP_ADD, FLAG_SEEN);
    view_close(scene.view);
    restart(&scene);
    select_counts(&scene, &view);
    assert_false(mbox_is_loaded(view_mbox(view)));
    assert_int_equal(view_count(view), MANY);
    assert_int_equal(view_first_unseen(view), 4);
    assert_int_equal(view_recent_count(view), MANY); /* no record says who was told */
    for (int i = 0; i < 2; i++) {
        view_park(view);
        assert_false(view_has_news(view, 0, VIEW_TELL_ALL));
        assert_int_equal(view_refresh_counts(view, 0, &err), RC_OK);
        view_sync(view, VIEW_TELL_ALL, arena, &changes);
        assert_true(changes.n_expunged == 0 && changes.n_changed == 0);
        assert_false(changes.exists_changed || mbox_is_loaded(view_mbox(view)));
    }
    append(&scene, 1); /* the last chunk comes in, the others do not */
    assert_true(view_has_news(view, 0, VIEW_TELL_ALL));
    assert_int_equal(view_refresh_counts(view, 0, &err), RC_OK);
    view_sync(view, VIEW_TELL_ALL, arena, &changes);
    assert_true(changes.exists_changed && changes.exists == MANY + 1);
    assert_int_equal(changes.recent, MANY + 1);
    assert_int_equal(view_seq(view, MANY + 1), MANY + 1);
    assert_int_equal(view_first_unseen(view), 4);
    scene.view = view;
    scene_close(&scene);
}

/* Which of the recent ones are still there only the messages say: those of the last chunk, or
 * all of them. */
static void what_counts_do_not_say_messages_do(void **state)
{
    (void) state;
    for (int old = 0; old <= 1; old++) {
        uint32_t first = old ? 20 : MANY, n = MANY + 5;
        struct mbox_view *view;
        struct scene scene;

        scene_open(&scene, 1, first);
        view_close(scene.view); /* has claimed them, which the next record tells */
        append(&scene, n - first);
        (void) world_expunge(scene.account, scene.mbox_id, 3, 4);
        (void) world_expunge(scene.account, scene.mbox_id, n - 2, n - 2);
        restart(&scene);
        select_counts(&scene, &view);
        assert_int_equal(mbox_is_loaded(view_mbox(view)), old);
        assert_true(mbox_has_tail(view_mbox(view)));
        assert_int_equal(view_recent_count(view), n - first - 1);
        assert_int_equal(view_count(view), n - 3);
        scene.view = view;
        scene_close(&scene);
    }
}

/* ---- \Recent ---- */

static uint32_t recent_of(struct mbox_view *view)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct view_changes changes;
    struct err err;

    assert_int_equal(view_refresh(view, 0, &err), RC_OK);
    view_sync(view, VIEW_TELL_ALL, arena, &changes);
    return changes.recent;
}

static void recent_belongs_to_the_first_who_may_write(void **state)
{
    struct mbox_view *reader, *writer, *late;
    struct scene scene;
    struct err err;

    (void) state;
    scene_open(&scene, 1, 0);
    append(&scene, 3);
    assert_int_equal(view_open(scene.account, 0, 0, scene.mbox_id, true, &reader, &err), RC_OK);
    assert_int_equal(view_recent_count(reader), 3); /* sees it, and takes it from nobody */
    assert_int_equal(view_open(scene.account, 0, 0, scene.mbox_id, false, &writer, &err),
                     RC_OK);
    assert_int_equal(view_recent_count(writer), 3);
    assert_true(view_is_recent(writer, 1));
    assert_int_equal(view_open(scene.account, 0, 0, scene.mbox_id, false, &late, &err), RC_OK);
    assert_int_equal(view_recent_count(late), 0);
    append(&scene, 2);
    assert_int_equal(recent_of(late), 2);
    assert_int_equal(recent_of(writer), 3);
    assert_int_equal(recent_of(reader), 0);
    assert_false(view_is_recent(writer, 4));
    (void) world_expunge(scene.account, scene.mbox_id, 1, 4);
    assert_int_equal(recent_of(writer), 0);
    assert_int_equal(recent_of(late), 1);
    view_close(reader);
    view_close(writer);
    view_close(late);
    scene_close(&scene);
}

/* ---- known flags ---- */

static void silent_changes_are_not_told_and_reports_are(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const struct uid_run run = {2, 3};
    const struct uid_set two = {&run, 1};
    struct view_changes changes;
    struct scene scene;
    struct err err;
    uint64_t modseq;

    (void) state;
    scene_open(&scene, 1, 5);
    (void) world_flag(scene.account, scene.mbox_id, 2, FLAG_OP_ADD, FLAG_SEEN);
    assert_int_equal(view_refresh(scene.view, 0, &err), RC_OK);
    modseq = mbox_counts(view_mbox(scene.view))->highestmodseq;
    view_mark_known(scene.view, &two, modseq);
    view_sync(scene.view, VIEW_TELL_NEW | VIEW_TELL_FLAGS, arena, &changes);
    assert_int_equal(changes.n_changed, 0);

    (void) world_flag(scene.account, scene.mbox_id, 3, FLAG_OP_ADD, FLAG_SEEN);
    view_mark_known(scene.view, &two, modseq + 1);
    (void) world_flag(scene.account, scene.mbox_id, 3, FLAG_OP_ADD, FLAG_FLAGGED);
    assert_int_equal(view_refresh(scene.view, 0, &err), RC_OK);
    view_sync(scene.view, VIEW_TELL_NEW | VIEW_TELL_FLAGS, arena, &changes);
    assert_int_equal(changes.n_changed, 1); /* somebody changed it again */
    assert_int_equal(changes.changed_uids[0], 3);

    view_report(scene.view, &two);
    assert_int_equal(view_refresh(scene.view, 0, &err), RC_OK);
    view_sync(scene.view, VIEW_TELL_NEW | VIEW_TELL_FLAGS, arena, &changes);
    assert_int_equal(changes.n_changed, 2); /* unchanged, but asked for */
    view_sync(scene.view, VIEW_TELL_NEW | VIEW_TELL_FLAGS, arena, &changes);
    assert_int_equal(changes.n_changed, 0);
    scene_close(&scene);
}

/* And HIGHESTMODSEQ as told stays below it. */
static void what_is_not_told_stays_to_be_told(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    const unsigned counts = VIEW_TELL_EXPUNGES | VIEW_TELL_NEW;
    struct view_changes changes;
    struct scene scene;
    struct err err;
    uint64_t told;

    (void) state;
    scene_open(&scene, 1, 3);
    told = view_told_modseq(scene.view);
    (void) world_flag(scene.account, scene.mbox_id, 2, FLAG_OP_ADD, FLAG_SEEN);
    (void) world_append(scene.account, "INBOX", "new", NULL);
    view_park(scene.view);
    assert_false(view_has_news(scene.view, 0, 0));
    assert_true(view_has_news(scene.view, 0, VIEW_TELL_NEW));
    assert_int_equal(view_refresh(scene.view, 0, &err), RC_OK);
    view_sync(scene.view, 0, arena, &changes);
    assert_true(!changes.exists_changed && changes.n_changed == 0);
    assert_int_equal(view_count(scene.view), 3);
    assert_int_equal(view_seq(scene.view, 4), 0);
    assert_false(view_is_counted(scene.view));
    view_sync(scene.view, counts, arena, &changes);
    assert_true(changes.exists_changed && changes.n_changed == 0);
    assert_int_equal(changes.first_new_uid, 4);
    assert_int_equal(view_count(scene.view), 4);
    assert_true(view_is_counted(scene.view));
    assert_int_equal(view_told_modseq(scene.view), told);
    assert_false(view_has_news(scene.view, 0, counts));
    assert_true(view_has_news(scene.view, 0, VIEW_TELL_ALL));
    view_sync(scene.view, VIEW_TELL_ALL, arena, &changes);
    assert_int_equal(changes.n_changed,
                     2); /* the new one's, too: it was told nothing of them */
    assert_int_equal(changes.changed_uids[0], 2);
    assert_int_equal(view_told_modseq(scene.view),
                     mbox_counts(view_mbox(scene.view))->highestmodseq);
    assert_false(view_has_news(scene.view, 0, VIEW_TELL_ALL));
    scene_close(&scene);
}

static void a_view_of_a_deleted_mailbox_says_so(void **state)
{
    struct mail_txn *txn;
    struct scene scene;
    struct mbox_view *view;
    struct err err;

    (void) state;
    scene_open(&scene, 1, 1);
    assert_int_equal(view_open(scene.account, 0, 0, world_mailbox_id(scene.account, "Junk", 0),
                               false, &view, &err),
                     RC_OK);
    view_park(view);
    txn = world_begin(scene.account);
    assert_int_equal(txn_delete_mailbox(txn, SLICE("Junk"), &err), RC_OK);
    (void) world_commit(&txn);
    assert_true(view_has_news(view, 0, VIEW_TELL_ALL));
    assert_int_equal(view_refresh(view, 0, &err), RC_NOT_FOUND);
    view_close(view);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_an_obvious_list),
        cmocka_unit_test(the_same_over_several_chunks),
        cmocka_unit_test(who_only_counts_leaves_messages_in_pages),
        cmocka_unit_test(what_counts_do_not_say_messages_do),
        cmocka_unit_test(recent_belongs_to_the_first_who_may_write),
        cmocka_unit_test(silent_changes_are_not_told_and_reports_are),
        cmocka_unit_test(what_is_not_told_stays_to_be_told),
        cmocka_unit_test(a_view_of_a_deleted_mailbox_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
