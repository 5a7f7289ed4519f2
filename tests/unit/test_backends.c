/* test_backends.c - the order of the back-ends: who is asked, who decides, whose account it is.
 */
// links: auth
// lib: auth_place

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/admin.h"
#include "auth/login.h"
#include "auth/scram_store.h"
#include "lib/auth_place.h"
#include "lib/test.h"

#define NOW        1700000000
#define ASKED_MAX  16u
#define NAME_BYTES 64u

/* ---- the setting ---- */

static void the_setting_is_a_list_of_known_words(void **state)
{
    static const struct {
        const char *item;
        enum rc rc;
    } rows[] = {
        {"sqlite",                                RC_OK     },
        {"passwd-file",                           RC_OK     },
        {"ldap:corp",                             RC_OK     },
        {"sql:shop-2",                            RC_OK     },
        {"pam:roost.imap_d",                      RC_OK     },
        {"pam:a2345678901234567890123456789012",  RC_OK     },
        {"pam:a23456789012345678901234567890123", RC_INVALID},
        {"",                                      RC_INVALID},
        {"SQLITE",                                RC_INVALID},
        {"sqlite:",                               RC_INVALID},
        {"sqlite:x",                              RC_INVALID},
        {"ldap",                                  RC_INVALID},
        {"ldap:",                                 RC_INVALID},
        {"ldap:.corp",                            RC_INVALID},
        {"ldap:../corp",                          RC_INVALID},
        {"ldap:a/b",                              RC_INVALID},
        {"ldap:a b",                              RC_INVALID},
        {"ldap:a:b",                              RC_INVALID},
        {"ldap:\xc3\xbc",                         RC_INVALID},
        {"nis:corp",                              RC_INVALID},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct backend_chain chain;
        struct err err;

        enum rc rc = backend_chain_read(&rows[i].item, 1, &chain, &err);

        if (rc != rows[i].rc)
            fail_msg("\"%s\": %d", rows[i].item, rc);
        if (rows[i].rc == RC_OK)
            assert_string_equal(chain.list[0].text, rows[i].item);
    }
}

static void none_twice_and_not_too_many(void **state)
{
    static const char *const twice[] = {"sqlite", "ldap:a", "ldap:b", "ldap:a"};
    const char *many[BACKENDS_MAX + 1];
    char names[BACKENDS_MAX + 1][NAME_BYTES];
    struct backend_chain chain;
    struct err err;

    (void) state;
    for (size_t i = 0; i < COUNT(many); i++) {
        (void) snprintf(names[i], sizeof(names[i]), "pam:service%zu", i);
        many[i] = names[i];
    }
    assert_int_equal(backend_chain_read(twice, 0, &chain, &err), RC_INVALID);
    assert_int_equal(backend_chain_read(twice, 4, &chain, &err), RC_INVALID);
    assert_int_equal(backend_chain_read(twice, 3, &chain, &err), RC_OK);
    assert_string_equal(backend_name(&chain.list[2]), "b");
    assert_string_equal(backend_name(&chain.list[0]), "");
    assert_true(backend_is_idp(&chain.list[1]) && !backend_is_foreign(&chain.list[0]));
    assert_int_equal(backend_find(&chain, SLICE("ldap:b")), 2);
    assert_int_equal(backend_find(&chain, SLICE("ldap:c")), 3);
    assert_int_equal(backend_chain_read(many, BACKENDS_MAX, &chain, &err), RC_OK);
    assert_true(backend_chain_has_foreign(&chain) && !backend_chain_needs_idp(&chain));
    assert_int_equal(backend_chain_read(many, BACKENDS_MAX + 1, &chain, &err), RC_INVALID);
}

/* ---- logins against back-ends that this file plays ---- */

struct played_user {
    const char *backend, *name, *secret;
    const char *canonical; /* NULL: the name */
    const char *groups;    /* NULL: the back-end has none */
    bool disabled;
};

struct world {
    struct place *place;
    struct realm *realm;
    const struct played_user *users; /* up to one without a back-end */
    const char *down;                /* this back-end cannot be reached; NULL: all can */
    char asked[ASKED_MAX][NAME_BYTES];
    size_t n_asked;
    size_t n_created;
};

static void on_created(void *ctx, uint64_t id, struct slice name)
{
    struct world *world = ctx;

    (void) id;
    (void) name;
    world->n_created++;
}

static void start(struct world *world, struct place *place, const char *const *order,
                  size_t n_order, int64_t legacy_until, const struct played_user *users)
{
    static const char *const domains[] = {"example.org"};
    const struct realm_settings settings = {.domains = domains,
                                            .n_domains = 1,
                                            .catch_all = "",
                                            .detail_separator = "+",
                                            .passwd_file = "",
                                            .legacy_until = legacy_until,
                                            .backends = order,
                                            .n_backends = n_order};

    *world = (struct world){.place = place, .users = users};
    assert_int_equal(realm_new(place->db, &settings, on_created, world, &world->realm, NULL),
                     RC_OK);
}

static struct backend_answer play(struct world *world, const struct backend *backend,
                                  struct slice name, struct slice secret)
{
    struct backend_answer answer = {.result = BACKEND_UNKNOWN};

    assert_true(world->n_asked < ASKED_MAX);
    (void) snprintf(world->asked[world->n_asked++], NAME_BYTES, "%s", backend->text);
    if (world->down != NULL && strcmp(world->down, backend->text) == 0)
        return (struct backend_answer){.result = BACKEND_UNAVAILABLE};
    for (const struct played_user *user = world->users; user->backend != NULL; user++) {
        if (strcmp(user->backend, backend->text) != 0 ||
            !slice_eq(slice_from_str(user->name), name))
            continue;
        if (!slice_eq(slice_from_str(user->secret), secret))
            answer.result = BACKEND_WRONG;
        else if (user->disabled)
            answer.result = BACKEND_DISABLED;
        else
            answer.result = BACKEND_RIGHT;
        answer.user = slice_from_str(user->canonical != NULL ? user->canonical : user->name);
        answer.knows_groups = user->groups != NULL;
        answer.groups = slice_from_str(user->groups != NULL ? user->groups : "");
    }
    return answer;
}

static struct login_outcome try_as(struct world *world, const char *authzid, const char *user,
                                   const char *secret, bool enrolling)
{
    const struct login_place where = {
        .service = SERVICE_IMAP, .now = NOW, .enrolling = enrolling};
    struct login_outcome outcome;
    struct password_hash hash;
    struct sasl sasl;
    struct err err;

    plain_claim(&sasl, authzid, user, secret);
    world->n_asked = 0;
    login_check(world->realm, &sasl.claim, &where, world->place->arena, &outcome, &err);
    while (outcome.verdict == LOGIN_ASK) {
        struct backend_answer answer =
            play(world, &realm_backends(world->realm)->list[outcome.backend],
                 sasl_claim_user(&sasl.claim), auth_secret_slice(&sasl.claim.secret));

        login_after_answer(world->realm, &sasl.claim, &where, &answer, world->place->arena,
                           &outcome, &err);
    }
    if (outcome.verdict == LOGIN_HASH) {
        assert_int_equal(password_hash_parse(outcome.hash, &hash, NULL), RC_OK);
        login_after_hash(world->realm,
                         password_matches(&hash, auth_secret_slice(&sasl.claim.secret)),
                         world->place->arena, &outcome, &err);
    }
    return outcome;
}

static struct login_outcome try(struct world *world, const char *user, const char *secret)
{
    return try_as(world, "", user, secret, false);
}

static void check_refused(struct login_outcome outcome, const char *reason)
{
    assert_int_equal(outcome.verdict, LOGIN_REFUSED);
    assert_string_equal(login_reason_name(outcome.reason), reason);
}

static void check_asked(const struct world *world, const char *first, const char *second)
{
    size_t n = (first != NULL ? 1u : 0u) + (second != NULL ? 1u : 0u);

    assert_int_equal(world->n_asked, n);
    if (n > 0)
        assert_string_equal(world->asked[0], first);
    if (n > 1)
        assert_string_equal(world->asked[1], second);
}

static const char *const order[] = {"sqlite", "ldap:corp", "pam:imap"};

static const struct played_user people[] = {
    {.backend = "ldap:corp",     .name = "anna", .secret = "directory"},
    {.backend = "pam:imap",     .name = "anna", .secret = "system"},
    {.backend = "pam:imap",      .name = "bob", .secret = "system"},
    {.backend = "ldap:corp",        .name = "dora", .secret = "directory", .disabled = true},
    {.backend = "ldap:corp",
     .name = "eve@corp.example",
     .secret = "directory",
     .canonical = "eve"},
    {.backend = "ldap:corp",        .name = "mallory", .secret = "directory", .canonical = "anna"},
    {.backend = "pam:imap",     .name = "mallet", .secret = "system", .canonical = "anna"},
    {.backend = "ldap:corp",     .name = "spaces", .secret = "directory", .canonical = "a b"},
    {.backend = "ldap:corp",                          .name = "shared", .secret = "directory", .canonical = "info"},
    {.backend = "ldap:corp", .name = "alias", .secret = "directory", .canonical = "sales"},
    {.backend = NULL        },
};

static void own_password(struct place *place, const char *name, const char *password)
{
    AUTO(buf_done) struct buf hash = {.max = PASSWORD_HASH_MAX_BYTES};

    assert_int_equal(password_hash_make(slice_from_str(password), &hash, NULL), RC_OK);
    assert_int_equal(
        auth_db_set_password(place->db, place_add(place, name), buf_slice(&hash), NULL), RC_OK);
}

static void the_first_who_knows_the_user_decides(void **state)
{
    struct world world;
    struct login_outcome outcome;

    start(&world, *state, order, COUNT(order), NOW + 1, people);
    own_password(world.place, "carl", "ours");
    outcome = try(&world, "anna", "directory");
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);
    assert_int_equal(outcome.by, LOGIN_BY_BACKEND);
    assert_slice_equal(outcome.user, SLICE("anna"));
    check_asked(&world, "ldap:corp", NULL);
    assert_int_equal(world.n_created, 1);
    check_refused(try(&world, "anna", "system"), "wrong_password"); /* PAM is not asked */
    check_asked(&world, "ldap:corp", NULL);
    assert_int_equal(try(&world, "bob", "system").verdict, LOGIN_GRANTED);
    check_asked(&world, "ldap:corp", "pam:imap");
    assert_int_equal(try(&world, "bob", "system").verdict, LOGIN_GRANTED);
    check_asked(&world, "pam:imap", NULL); /* it is PAM's now */
    assert_int_equal(world.n_created, 2);
    assert_int_equal(try(&world, "carl", "ours").verdict, LOGIN_GRANTED);
    check_asked(&world, NULL, NULL);
    check_refused(try(&world, "carl", "directory"), "wrong_password");
    check_asked(&world, NULL, NULL);
    check_refused(try(&world, "nobody", "directory"), "unknown_user");
    check_asked(&world, "ldap:corp", "pam:imap");
    check_refused(try(&world, "dora", "directory"), "disabled");
    assert_int_equal(world.n_created, 2);
    realm_free(world.realm);
}

static void one_that_cannot_be_reached_lets_nobody_pass(void **state)
{
    struct world world;

    start(&world, *state, order, COUNT(order), NOW + 1, people);
    own_password(world.place, "carl", "ours");
    world.down = "ldap:corp";
    check_refused(try(&world, "anna", "system"), "backend_unavailable");
    check_asked(&world, "ldap:corp", NULL);
    check_refused(try(&world, "bob", "system"), "backend_unavailable");
    check_refused(try(&world, "nobody", "x"), "backend_unavailable");
    assert_int_equal(login_reason_code(LOGIN_REASON_BACKEND), AUTH_CODE_UNAVAILABLE);
    assert_false(login_reason_is_guess(LOGIN_REASON_BACKEND));
    assert_int_equal(try(&world, "carl", "ours").verdict, LOGIN_GRANTED);
    world.down = NULL;
    assert_int_equal(try(&world, "bob", "system").verdict, LOGIN_GRANTED);
    world.down = "ldap:corp"; /* bob is known to be PAM's: LDAP has no part in it */
    assert_int_equal(try(&world, "bob", "system").verdict, LOGIN_GRANTED);
    realm_free(world.realm);
}

static void a_name_there_is_no_other_account_here(void **state)
{
    struct world world;
    struct login_outcome outcome;
    uint64_t id;

    start(&world, *state, order, COUNT(order), NOW + 1, people);
    own_password(world.place, "carl", "ours");
    assert_int_equal(auth_db_add_shared(world.place->db, SLICE("info"), &id, NULL), RC_OK);
    assert_int_equal(auth_db_add_alias(world.place->db, SLICE("sales"), id, NULL), RC_OK);
    outcome = try(&world, "eve@corp.example", "directory");
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);
    assert_slice_equal(outcome.user, SLICE("eve"));
    id = outcome.account;
    assert_int_equal(try(&world, "eve@corp.example", "directory").account, id);
    assert_int_equal(try(&world, "anna", "directory").verdict, LOGIN_GRANTED);
    /* the directory says who is who among its own; PAM does not among those */
    assert_int_equal(try(&world, "mallory", "directory").verdict, LOGIN_GRANTED);
    check_refused(try(&world, "mallet", "system"), "backend_name");
    check_refused(try(&world, "spaces", "directory"), "backend_name");
    check_refused(try(&world, "shared", "directory"), "backend_name");
    check_refused(try(&world, "alias", "directory"), "backend_name");
    realm_free(world.realm);
}

static void an_account_of_ours_without_password_may_be_proved_elsewhere(void **state)
{
    struct world world;
    uint64_t anna;

    start(&world, *state, order, COUNT(order), NOW + 1, people);
    anna = place_add(world.place, "anna");
    assert_int_equal(try(&world, "anna", "directory").account, anna);
    assert_int_equal(try(&world, "mallory", "directory").account, anna);
    assert_int_equal(auth_db_set_state(world.place->db, anna, ACCOUNT_DISABLED, NULL), RC_OK);
    check_refused(try(&world, "anna", "directory"), "disabled");
    check_refused(try(&world, "anna", "wrong"), "wrong_password");
    assert_int_equal(world.n_created, 0);
    realm_free(world.realm);
}

static void who_one_acts_as_is_judged_by_the_account_found(void **state)
{
    struct world world;

    start(&world, *state, order, COUNT(order), NOW + 1, people);
    assert_int_equal(try_as(&world, "anna", "anna", "directory", false).verdict, LOGIN_GRANTED);
    check_refused(try_as(&world, "bob", "anna", "directory", false), "other_user");
    assert_int_equal(try_as(&world, "eve", "eve@corp.example", "directory", false).verdict,
                     LOGIN_GRANTED);
    realm_free(world.realm);
}

/* G36: a foreign password alone opens nothing as installed, and is not even carried there. */
static void without_a_date_only_enrolment_asks(void **state)
{
    struct world world;
    struct admin_device made;
    struct auth_device device = {
        .name = SLICE("phone"), .scope = SCOPE_IMAP, .access = ACCESS_FULL};
    struct login_outcome outcome;

    start(&world, *state, order, COUNT(order), 0, people);
    check_refused(try(&world, "anna", "directory"), "unknown_user");
    check_asked(&world, NULL, NULL);
    outcome = try_as(&world, "", "anna", "directory", true);
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);
    assert_int_equal(outcome.by, LOGIN_BY_BACKEND);
    device.account_id = outcome.account;
    assert_int_equal(auth_admin_add_device(world.place->db, &device, &made, NULL), RC_OK);
    check_refused(try(&world, "anna", "directory"), "wrong_password");
    check_asked(&world, NULL, NULL);
    assert_int_equal(try(&world, "anna", made.password).verdict, LOGIN_GRANTED);
    assert_int_equal(try_as(&world, "", "anna", made.password, true).verdict, LOGIN_REFUSED);
    realm_free(world.realm);
}

static void an_account_stands_while_its_back_end_is_configured(void **state)
{
    static const char *const fewer[] = {"sqlite", "pam:imap"};
    struct admin_device made;
    struct auth_device device = {
        .name = SLICE("phone"), .scope = SCOPE_IMAP, .access = ACCESS_FULL};
    struct world world;

    start(&world, *state, order, COUNT(order), NOW + 1, people);
    device.account_id = try(&world, "anna", "directory").account;
    assert_int_equal(auth_admin_add_device(world.place->db, &device, &made, NULL), RC_OK);
    realm_free(world.realm);
    start(&world, *state, fewer, COUNT(fewer), NOW + 1, people);
    check_refused(try(&world, "anna", made.password), "disabled");
    check_refused(try(&world, "anna", "system"), "wrong_password"); /* PAM's anna is another */
    check_asked(&world, NULL, NULL);
    assert_int_equal(auth_db_adopt(world.place->db, device.account_id, NULL), RC_OK);
    assert_int_equal(try(&world, "anna", made.password).verdict, LOGIN_GRANTED);
    assert_int_equal(try(&world, "anna", "system").account, device.account_id);
    realm_free(world.realm);
}

/* ---- groups ---- */

static size_t groups_of(const struct world *world, uint64_t account)
{
    struct auth_groups groups;

    assert_int_equal(auth_db_groups_of(world->place->db, account, &groups, NULL), RC_OK);
    return groups.n;
}

static void groups_follow_what_the_back_end_says(void **state)
{
    struct played_user users[] = {
        {.backend = "ldap:corp", .name = "anna", .secret = "x", .groups = "staff\nnone\nStaff"},
        {.backend = NULL        }
    };
    struct login_outcome outcome;
    uint64_t staff, board, club;
    struct world world;

    start(&world, *state, order, COUNT(order), NOW + 1, users);
    assert_int_equal(auth_db_add_group(world.place->db, SLICE("Staff"), &staff, NULL), RC_OK);
    assert_int_equal(auth_db_add_group(world.place->db, SLICE("board"), &board, NULL), RC_OK);
    assert_int_equal(auth_db_add_group(world.place->db, SLICE("club"), &club, NULL), RC_OK);
    outcome = try(&world, "anna", "x");
    assert_true(outcome.groups_changed);
    assert_int_equal(groups_of(&world, outcome.account), 1);
    assert_int_equal(auth_db_add_member(world.place->db, club, outcome.account, NULL), RC_OK);
    assert_false(try(&world, "anna", "x").groups_changed);
    users[0].groups = "board\nclub\na/b\n\xff";
    assert_true(try(&world, "anna", "x").groups_changed);
    assert_int_equal(groups_of(&world, outcome.account), 2);
    users[0].groups = ""; /* club stays: an administrator said so */
    assert_true(try(&world, "anna", "x").groups_changed);
    assert_int_equal(groups_of(&world, outcome.account), 1);
    users[0].groups = NULL; /* nothing is said */
    assert_false(try(&world, "anna", "x").groups_changed);
    users[0].secret = "y";
    users[0].groups = "staff";
    check_refused(try(&world, "anna", "x"), "wrong_password");
    assert_int_equal(groups_of(&world, outcome.account), 1);
    realm_free(world.realm);
}

static void more_groups_than_fit_are_left(void **state)
{
    AUTO(buf_done) struct buf names = {.max = 65536};
    struct played_user users[] = {
        {.backend = "ldap:corp", .name = "anna", .secret = "x"},
        {.backend = NULL        }
    };
    AUTO(freep) char *text = NULL;
    struct world world;
    char name[NAME_BYTES];
    uint64_t id;

    start(&world, *state, order, COUNT(order), NOW + 1, users);
    for (size_t i = 0; i < GROUPS_PER_ACCOUNT_MAX + 2; i++) {
        (void) snprintf(name, sizeof(name), "g%zu", i);
        assert_int_equal(auth_db_add_group(world.place->db, slice_from_str(name), &id, NULL),
                         RC_OK);
        buf_str(&names, name);
        buf_byte(&names, '\n');
    }
    text = strndup(buf_slice(&names).ptr, names.len);
    users[0].groups = text;
    id = try(&world, "anna", "x").account;
    assert_int_equal(groups_of(&world, id), GROUPS_PER_ACCOUNT_MAX);
    realm_free(world.realm);
}

/* ---- SCRAM ---- */

/* Keys of the account password "ours", as a login by it leaves them. */
static void teach_keys(struct place *place, uint64_t account, const char *name)
{
    struct scram_set set;

    scram_set_make(auth_db_pepper(place->db), slice_from_str(name), account, 0, SLICE("ours"),
                   SCRAM_HASH_BIT(SCRAM_SHA_256), &set);
    assert_int_equal(scram_set_store(place->db, &set, NULL), RC_OK);
}

/* A proof of "ours". */
static void claim_by_scram(struct place *place, const char *name, struct sasl *out)
{
    unsigned char salted[32], client[32], signature[32];
    struct scram_salt salt;
    struct scram_keys keys;

    assert_int_equal(sasl_init(out, SLICE("SCRAM-SHA-256"), NULL), RC_OK);
    sasl_claim_as(out, slice_from_str(name));
    buf_str(&out->scram.message, "n=,r=,r=,s=,i=4096,c=,r=");
    scram_salt_of(auth_db_pepper(place->db), slice_from_str(name), &salt);
    scram_derive(SCRAM_SHA_256, SLICE("ours"), &salt, SCRAM_ITERATIONS, &keys);
    assert_int_equal(PKCS5_PBKDF2_HMAC("ours", 4, salt.bytes, sizeof(salt.bytes),
                                       SCRAM_ITERATIONS, EVP_sha256(), 32, salted),
                     1);
    assert_non_null(
        HMAC(EVP_sha256(), salted, 32, (const unsigned char *) "Client Key", 10, client, NULL));
    assert_non_null(HMAC(EVP_sha256(), keys.stored, 32,
                         (const unsigned char *) out->scram.message.ptr, out->scram.message.len,
                         signature, NULL));
    for (size_t i = 0; i < sizeof(client); i++)
        out->scram.proof[i] = client[i] ^ signature[i];
}

/* Passwords of the database count by whichever mechanism while it is a back-end. */
static void a_back_end_that_is_none_lets_nobody_in_by_scram(void **state)
{
    static const struct played_user users[] = {{.name = NULL}};
    static const char *const orders[][2] = {
        {"sqlite",      "ldap:corp"},
        {"passwd-file", "ldap:corp"},
    };
    const struct login_place where = {.service = SERVICE_IMAP, .now = NOW};
    struct place *place = *state;
    struct auth_account anna;
    struct auth_key key;

    own_password(place, "anna", "ours");
    assert_int_equal(auth_name_key(SLICE("anna"), &key, NULL), RC_OK);
    assert_int_equal(
        auth_db_find_account(place->db, auth_key_slice(&key), place->arena, &anna, NULL),
        RC_OK);
    teach_keys(place, anna.id, "anna");
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct login_outcome outcome;
        struct scram_keys keys;
        struct world world;
        struct sasl sasl;

        start(&world, place, orders[i], 2, NOW + 1, users);
        claim_by_scram(place, "anna", &sasl);
        login_check_scram(world.realm, &sasl, &where, place->arena, &outcome, &keys, NULL);
        assert_int_equal(outcome.verdict, i == 0 ? LOGIN_GRANTED : LOGIN_REFUSED);
        assert_int_equal(try(&world, "anna", "ours").verdict, outcome.verdict);
        sasl_wipe(&sasl);
        realm_free(world.realm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_setting_is_a_list_of_known_words),
        cmocka_unit_test(none_twice_and_not_too_many),
        cmocka_unit_test_setup_teardown(the_first_who_knows_the_user_decides, place_make,
                                        place_drop),
        cmocka_unit_test_setup_teardown(one_that_cannot_be_reached_lets_nobody_pass, place_make,
                                        place_drop),
        cmocka_unit_test_setup_teardown(a_name_there_is_no_other_account_here, place_make,
                                        place_drop),
        cmocka_unit_test_setup_teardown(
            an_account_of_ours_without_password_may_be_proved_elsewhere, place_make,
            place_drop),
        cmocka_unit_test_setup_teardown(who_one_acts_as_is_judged_by_the_account_found,
                                        place_make, place_drop),
        cmocka_unit_test_setup_teardown(without_a_date_only_enrolment_asks, place_make,
                                        place_drop),
        cmocka_unit_test_setup_teardown(an_account_stands_while_its_back_end_is_configured,
                                        place_make, place_drop),
        cmocka_unit_test_setup_teardown(groups_follow_what_the_back_end_says, place_make,
                                        place_drop),
        cmocka_unit_test_setup_teardown(more_groups_than_fit_are_left, place_make, place_drop),
        cmocka_unit_test_setup_teardown(a_back_end_that_is_none_lets_nobody_in_by_scram,
                                        place_make, place_drop),
    };

    return cmocka_run_group_tests(tests, place_start, NULL);
}
