/*
 * engine_checks.h - what every storage engine must do (src/store/engine.h), as one suite. A
 * test program gives a way to open an engine on storage that lasts for the whole run and adds
 * ENGINE_CHECKS to its cmocka table, with engine_checks_fixture as the initial state.
 */
#ifndef ROOST_TESTS_ENGINE_CHECKS_H
#define ROOST_TESTS_ENGINE_CHECKS_H

#include "lib/test.h"
#include "store/engine.h"

struct engine_fixture {
    /* Opens an engine on the same storage as before. Never two at once. */
    struct engine *(*open)(void *ctx);
    /* Ends it as a power cut would; NULL: not possible here. */
    void (*crash)(void *ctx, struct engine *engine);
    /* Keeps commits from becoming durable until switched off again; NULL: not possible here. */
    void (*hold)(void *ctx, struct engine *engine, bool on);
    void *ctx;
};

void check_positions_grow_and_become_durable(void **state);
void check_a_commit_is_whole_or_nothing(void **state);
void check_a_commit_of_several_accounts(void **state);
void check_a_stale_base_is_a_conflict(void **state);
void check_bodies_are_read_in_ranges(void **state);
void check_an_open_body_is_pinned(void **state);
void check_a_stage_can_be_given_up(void **state);
void check_finished_stages_are_committed(void **state);
void check_load_after_close(void **state);
void check_pages_replace_the_tail(void **state);
void check_digests_are_kept_by_version(void **state);
void check_derived_blobs_are_whole_or_not_there(void **state);
void check_uidvalidity_never_repeats(void **state);
void check_remove_takes_everything(void **state);
void check_list_names_every_account_once(void **state);
void check_eight_threads(void **state);
void check_a_crash_leaves_a_prefix(void **state);

#define ENGINE_CHECK(fn, fixture) cmocka_unit_test_prestate(fn, fixture)

// clang-format off
#define ENGINE_CHECKS(fixture)                                                                 \
    ENGINE_CHECK(check_positions_grow_and_become_durable, fixture),                            \
    ENGINE_CHECK(check_a_commit_is_whole_or_nothing, fixture),                                 \
    ENGINE_CHECK(check_a_commit_of_several_accounts, fixture),                                 \
    ENGINE_CHECK(check_a_stale_base_is_a_conflict, fixture),                                   \
    ENGINE_CHECK(check_bodies_are_read_in_ranges, fixture),                                    \
    ENGINE_CHECK(check_an_open_body_is_pinned, fixture),                                       \
    ENGINE_CHECK(check_a_stage_can_be_given_up, fixture),                                      \
    ENGINE_CHECK(check_finished_stages_are_committed, fixture),                                \
    ENGINE_CHECK(check_load_after_close, fixture),                                             \
    ENGINE_CHECK(check_pages_replace_the_tail, fixture),                                       \
    ENGINE_CHECK(check_digests_are_kept_by_version, fixture),                                  \
    ENGINE_CHECK(check_derived_blobs_are_whole_or_not_there, fixture),                         \
    ENGINE_CHECK(check_uidvalidity_never_repeats, fixture),                                    \
    ENGINE_CHECK(check_remove_takes_everything, fixture),                                      \
    ENGINE_CHECK(check_list_names_every_account_once, fixture),                                \
    ENGINE_CHECK(check_eight_threads, fixture),                                                \
    ENGINE_CHECK(check_a_crash_leaves_a_prefix, fixture)
// clang-format on

#endif
