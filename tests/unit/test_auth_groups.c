/* test_auth_groups.c - groups, members and shared accounts in the database. */
// links: auth
// lib: auth_place old_auth_db

#include "auth/admin.h"
#include "auth/db_stmt.h"
#include "auth/login.h"
#include "lib/auth_place.h"
#include "lib/old_auth_db.h"
#include "lib/test.h"

static uint64_t add_group(struct place *place, const char *name)
{
    uint64_t id = 0;

    assert_int_equal(auth_db_add_group(place->db, slice_from_str(name), &id, NULL), RC_OK);
    return id;
}

static size_t groups_of(struct place *place, uint64_t account)
{
    struct auth_groups groups;

    assert_int_equal(auth_db_groups_of(place->db, account, &groups, NULL), RC_OK);
    for (size_t i = 1; i < groups.n; i++)
        assert_true(groups.ids[i - 1] < groups.ids[i]);
    return groups.n;
}

static uint64_t epoch(struct place *place)
{
    uint64_t now = 0;

    assert_int_equal(auth_db_policy_epoch(place->db, &now, NULL), RC_OK);
    return now;
}

/* ---- names ---- */

static void groups_and_users_are_different_name_spaces(void **state)
{
    struct place *place = *state;
    uint64_t user = place_add(place, "sales"), group = add_group(place, "Sales"), other;
    struct auth_group found;

    assert_int_not_equal(user, group);
    assert_int_equal(auth_db_add_group(place->db, SLICE("SALES"), &other, NULL), RC_EXISTS);
    assert_int_equal(auth_db_add_shared(place->db, SLICE("sales"), &other, NULL), RC_EXISTS);
    assert_int_equal(auth_db_find_group(place->db, SLICE("sAlEs"), place->arena, &found, NULL),
                     RC_OK);
    assert_int_equal(found.id, group);
    assert_slice_equal(found.name, SLICE("Sales"));
}

static void words_of_access_control_lists_are_no_names(void **state)
{
    static const char *const refused[] = {"anyone",
                                          "ANYONE",
                                          "anonymous",
                                          "-ann",
                                          "group:staff",
                                          "a/b",
                                          "a*",
                                          "a%",
                                          "i0123456789abcdef",
                                          "I0123456789ABCDEF",
                                          "",
                                          "a b"};
    static const char *const taken[] = {
        "i0123456789abcde", "i0123456789abcdeg", "any-one", "anyone2", "a-b",
        "a.b@example.org"};
    struct place *place = *state;
    uint64_t id;

    for (size_t i = 0; i < COUNT(refused); i++) {
        struct slice name = slice_from_str(refused[i]);

        assert_int_equal(auth_db_add_group(place->db, name, &id, NULL), RC_SYNTAX);
        assert_int_equal(auth_db_add_shared(place->db, name, &id, NULL), RC_SYNTAX);
        assert_int_equal(auth_db_add_account(place->db, name, ACCOUNT_OWN, &id, NULL),
                         RC_SYNTAX);
    }
    for (size_t i = 0; i < COUNT(taken); i++) {
        (void) add_group(place, taken[i]);
        (void) place_add(place, taken[i]);
    }
}

/* ---- members ---- */

static bool count_member(void *ctx, const struct auth_account *account)
{
    size_t *n = ctx;

    assert_true(account->name.len > 0);
    ++*n;
    return true;
}

static void members_come_and_go(void **state)
{
    struct place *place = *state;
    uint64_t ann = place_add(place, "ann"), bob = place_add(place, "bob");
    uint64_t staff = add_group(place, "staff"), board = add_group(place, "board");
    uint64_t before = epoch(place);
    size_t n = 0;

    assert_int_equal(auth_db_add_member(place->db, staff, ann, NULL), RC_OK);
    assert_int_equal(auth_db_add_member(place->db, staff, bob, NULL), RC_OK);
    assert_int_equal(auth_db_add_member(place->db, board, ann, NULL), RC_OK);
    assert_int_equal(auth_db_add_member(place->db, board, ann, NULL), RC_EXISTS);
    assert_int_equal(epoch(place), before + 3);
    assert_int_equal(groups_of(place, ann), 2);
    assert_int_equal(auth_db_remove_member(place->db, board, bob, NULL), RC_NOT_FOUND);
    assert_int_equal(auth_db_remove_member(place->db, board, ann, NULL), RC_OK);
    assert_int_equal(groups_of(place, ann), 1);
    assert_int_equal(
        auth_db_each_member(place->db, staff, SLICE("ann"), count_member, &n, NULL), RC_OK);
    assert_int_equal(n, 1); /* bob, behind ann */
    assert_int_equal(auth_db_delete_group(place->db, staff, NULL), RC_OK);
    assert_int_equal(auth_db_delete_group(place->db, staff, NULL), RC_NOT_FOUND);
    assert_int_equal(groups_of(place, ann), 0);
    assert_int_equal(groups_of(place, bob), 0);
}

static void a_deleted_account_leaves_its_groups(void **state)
{
    struct place *place = *state;
    uint64_t ann = place_add(place, "ann"), staff = add_group(place, "staff");
    size_t n = 0;

    assert_int_equal(auth_db_add_member(place->db, staff, ann, NULL), RC_OK);
    assert_int_equal(auth_db_set_state(place->db, ann, ACCOUNT_DELETED, NULL), RC_OK);
    assert_int_equal(groups_of(place, ann), 0);
    assert_int_equal(auth_db_each_member(place->db, staff, SLICE(""), count_member, &n, NULL),
                     RC_OK);
    assert_int_equal(n, 0);
}

static void an_account_is_in_a_bounded_number_of_groups(void **state)
{
    struct place *place = *state;
    uint64_t ann = place_add(place, "ann");
    char name[16];

    for (unsigned i = 0; i <= GROUPS_PER_ACCOUNT_MAX; i++) {
        (void) snprintf(name, sizeof(name), "g%u", i);
        assert_int_equal(auth_db_add_member(place->db, add_group(place, name), ann, NULL),
                         i < GROUPS_PER_ACCOUNT_MAX ? RC_OK : RC_LIMIT);
    }
    assert_int_equal(groups_of(place, ann), GROUPS_PER_ACCOUNT_MAX);
}

static void a_group_limits_what_it_names(void **state)
{
    struct place *place = *state;
    uint64_t staff = add_group(place, "staff");
    struct auth_group group;

    assert_int_equal(auth_db_limit_group(place->db, staff, GROUP_STORAGE, true, 0, NULL),
                     RC_OK);
    assert_int_equal(
        auth_db_limit_group(place->db, staff, GROUP_MAILBOXES, true, GROUP_UNLIMITED, NULL),
        RC_OK);
    assert_int_equal(
        auth_db_limit_group(place->db, staff, GROUP_MESSAGES, true, GROUP_LIMIT_MAX + 1, NULL),
        RC_INVALID);
    assert_int_equal(auth_db_find_group(place->db, SLICE("staff"), place->arena, &group, NULL),
                     RC_OK);
    assert_true(group.limited[GROUP_STORAGE]);
    assert_int_equal(group.limit[GROUP_STORAGE], 0);
    assert_false(group.limited[GROUP_MESSAGES]);
    assert_true(group.limited[GROUP_MAILBOXES]);
    assert_true(group.limit[GROUP_MAILBOXES] == GROUP_UNLIMITED);
    assert_int_equal(auth_db_limit_group(place->db, staff, GROUP_STORAGE, false, 0, NULL),
                     RC_OK);
    assert_int_equal(auth_db_find_group(place->db, SLICE("staff"), place->arena, &group, NULL),
                     RC_OK);
    assert_false(group.limited[GROUP_STORAGE]);
    assert_int_equal(auth_db_limit_group(place->db, staff + 1, GROUP_STORAGE, true, 1, NULL),
                     RC_NOT_FOUND);
}

/* ---- shared accounts ---- */

static void nobody_announced(void *ctx, uint64_t id, struct slice name)
{
    (void) ctx;
    (void) id;
    (void) name;
}

static void nobody_logs_in_as_a_shared_account(void **state)
{
    static const char *const domains[] = {"example.org"};
    const struct realm_settings settings = {.domains = domains,
                                            .n_domains = 1,
                                            .catch_all = "",
                                            .detail_separator = "+",
                                            .passwd_file = "",
                                            .legacy_until = INT64_MAX};
    const struct auth_device device = {
        .name = SLICE("phone"), .scope = SCOPE_IMAP, .access = ACCESS_FULL};
    struct place *place = *state;
    AUTO(realm_freep) struct realm *realm = NULL;
    struct sasl_claim claim = {.user_len = 4, .user = "info"};
    struct auth_device wanted = device;
    struct login_outcome outcome;
    struct resolve_lookup lookup;
    struct admin_device made;
    struct resolved resolved;
    uint64_t info;

    assert_int_equal(auth_db_add_shared(place->db, SLICE("info"), &info, NULL), RC_OK);
    wanted.account_id = info;
    assert_int_equal(auth_admin_add_device(place->db, &wanted, &made, NULL), RC_INVALID);
    assert_int_equal(auth_db_set_password(place->db, info, SLICE("{PLAIN}x"), NULL),
                     RC_INVALID);
    assert_int_equal(realm_new(place->db, &settings, nobody_announced, NULL, &realm, NULL),
                     RC_OK);
    assert_int_equal(auth_secret_prepare(SLICE("x"), &claim.secret, NULL), RC_OK);
    login_check(realm, &claim, &(struct login_place){.service = SERVICE_IMAP, .now = 1},
                place->arena, &outcome, NULL);
    assert_int_equal(outcome.account, 0); /* as for a name that nobody has */
    assert_int_not_equal(outcome.verdict, LOGIN_GRANTED);
    lookup = realm_lookup(realm);
    resolve_recipient(&lookup, SLICE("Info+Projects@example.org"), place->arena, &resolved);
    assert_int_equal(resolved.code, RESOLVE_OK);
    assert_int_equal(resolved.account, info);
    assert_slice_equal(resolved.detail, SLICE("Projects"));
}

/* ---- an older database ---- */

/* What versions 2 and 3 added is taken out again, which leaves what version 1 was. */
static void a_database_of_version_1_is_brought_up(void **state)
{
    struct place *place = *state;
    uint64_t ann = place_add(place, "ann"), staff;
    struct auth_account account;

    auth_db_close(place->db);
    place->db = NULL;
    old_auth_db_make(place->folder, 1,
                     "DROP TABLE members; DROP TABLE groups;"
                     "ALTER TABLE accounts DROP COLUMN kind;"
                     "DELETE FROM migrations WHERE version >= 2");
    assert_int_equal(auth_db_open(place->folder, false, &place->db, NULL), RC_OK);
    assert_int_equal(auth_db_get_account(place->db, ann, place->arena, &account, NULL), RC_OK);
    assert_int_equal(account.kind, ACCOUNT_USER);
    staff = add_group(place, "staff");
    assert_int_equal(auth_db_add_member(place->db, staff, ann, NULL), RC_OK);
    assert_int_equal(groups_of(place, ann), 1);
}

static bool has_keys(const struct place *place, uint64_t account)
{
    bool has = false;

    assert_int_equal(auth_db_has_scram(place->db, account, 1, SCRAM_SHA_256, &has, NULL),
                     RC_OK);
    return has;
}

/* Up to version 9 the salt of a name with a domain was another one. */
static void keys_of_an_old_salt_are_forgotten(void **state)
{
    struct place *place = *state;
    struct scram_row bare = {
        .account = place_add(place, "ann"), .device = 1, .hash = SCRAM_SHA_256};
    struct scram_row full = {
        .account = place_add(place, "ann@example.org"), .device = 1, .hash = SCRAM_SHA_256};

    assert_int_equal(auth_db_put_scram(place->db, &bare, NULL), RC_OK);
    assert_int_equal(auth_db_put_scram(place->db, &full, NULL), RC_OK);
    assert_true(has_keys(place, full.account));
    assert_int_equal(sqlite3_exec(place->db->sqlite,
                                  "PRAGMA user_version = 9;"
                                  "DELETE FROM migrations WHERE version > 9",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    auth_db_close(TAKE(place->db));
    assert_int_equal(auth_db_open(place->folder, false, &place->db, NULL), RC_OK);
    assert_true(has_keys(place, bare.account));
    assert_false(has_keys(place, full.account));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, place_make, place_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(groups_and_users_are_different_name_spaces),
        CASE(words_of_access_control_lists_are_no_names),
        CASE(members_come_and_go),
        CASE(a_deleted_account_leaves_its_groups),
        CASE(an_account_is_in_a_bounded_number_of_groups),
        CASE(a_group_limits_what_it_names),
        CASE(nobody_logs_in_as_a_shared_account),
        CASE(a_database_of_version_1_is_brought_up),
        CASE(keys_of_an_old_salt_are_forgotten),
    };

    return cmocka_run_group_tests(tests, place_start, NULL);
}
