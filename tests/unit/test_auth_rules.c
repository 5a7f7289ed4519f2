/* test_auth_rules.c - the database, recipients and login rules. */
// links: auth
// lib: auth_place
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/admin.h"
#include "auth/login.h"
#include "base/clock.h"
#include "lib/auth_place.h"
#include "lib/test.h"

#define NOW 1700000000

static void reopen(struct place *place)
{
    auth_db_close(place->db);
    place->db = NULL;
    assert_int_equal(auth_db_open(place->folder, false, &place->db, NULL), RC_OK);
}

/* ---- the database ---- */

static void an_account_outlives_a_restart(void **state)
{
    struct place *place = *state;
    uint64_t id = place_add(place, "Anna@Example.org"), other;
    struct auth_account account;

    reopen(place);
    assert_int_equal(auth_db_find_account(place->db, SLICE("anna@example.org"), place->arena,
                                          &account, NULL),
                     RC_OK);
    assert_int_equal(account.id, id);
    assert_int_equal(account.state, ACCOUNT_ENABLED);
    assert_slice_equal(account.name, SLICE("Anna@Example.org"));
    assert_int_equal(
        auth_db_add_account(place->db, SLICE("ANNA@example.ORG"), ACCOUNT_OWN, &other, NULL),
        RC_EXISTS);
    assert_int_equal(
        auth_db_find_account(place->db, SLICE("anna"), place->arena, &account, NULL),
        RC_NOT_FOUND);
}

static void a_deleted_account_frees_its_name_and_keeps_its_id(void **state)
{
    struct place *place = *state;
    uint64_t id = place_add(place, "anna"), again;
    struct auth_account account;
    uint64_t found, epoch, later;

    assert_int_equal(auth_db_add_alias(place->db, SLICE("sales"), id, NULL), RC_OK);
    assert_int_equal(auth_db_set_domain(place->db, SLICE("example.org"), id, NULL), RC_OK);
    assert_int_equal(auth_db_policy_epoch(place->db, &epoch, NULL), RC_OK);
    assert_int_equal(auth_db_set_state(place->db, id, ACCOUNT_DELETED, NULL), RC_OK);
    assert_int_equal(auth_db_policy_epoch(place->db, &later, NULL), RC_OK);
    assert_true(later > epoch);
    assert_int_equal(auth_db_get_account(place->db, id, place->arena, &account, NULL),
                     RC_NOT_FOUND);
    assert_int_equal(auth_db_find_alias(place->db, SLICE("sales"), &found, NULL), RC_NOT_FOUND);
    assert_int_equal(auth_db_find_domain(place->db, SLICE("example.org"), &found, NULL), RC_OK);
    assert_int_equal(found, 0);
    again = place_add(place, "anna");
    assert_int_not_equal(again, id);
    assert_int_equal(auth_db_set_state(place->db, id, ACCOUNT_ENABLED, NULL), RC_NOT_FOUND);
}

static void a_change_undone_inside_another_leaves_the_other(void **state)
{
    struct place *place = *state;
    struct auth_account account;
    uint64_t id;

    assert_int_equal(auth_db_begin(place->db, NULL), RC_OK);
    (void) place_add(place, "kept");
    assert_int_equal(auth_db_begin(place->db, NULL), RC_OK);
    (void) place_add(place, "undone");
    auth_db_rollback(place->db);
    assert_int_equal(auth_db_begin(place->db, NULL), RC_OK);
    id = place_add(place, "kept-too");
    assert_int_equal(auth_db_commit(place->db, NULL), RC_OK);
    assert_int_equal(auth_db_commit(place->db, NULL), RC_OK);
    reopen(place);
    assert_int_equal(
        auth_db_find_account(place->db, SLICE("kept"), place->arena, &account, NULL), RC_OK);
    assert_int_equal(auth_db_get_account(place->db, id, place->arena, &account, NULL), RC_OK);
    assert_int_equal(
        auth_db_find_account(place->db, SLICE("undone"), place->arena, &account, NULL),
        RC_NOT_FOUND);
}

static void a_lost_or_foreign_pepper_is_one_clear_error(void **state)
{
    struct place *place = *state;
    char path[64], text[41];
    struct auth_db *db = NULL;
    int fd;

    auth_db_close(place->db);
    place->db = NULL;
    (void) snprintf(path, sizeof(path), "%s/pepper.key", place->folder);
    fd = open(path, O_RDWR);
    assert_int_equal(read(fd, text, sizeof(text)), 40);
    text[39] ^= 1;
    assert_int_equal(pwrite(fd, text, 40, 0), 40);
    assert_int_equal(auth_db_open(place->folder, true, &db, NULL), RC_CORRUPT);
    assert_int_equal(ftruncate(fd, 39), 0);
    assert_int_equal(auth_db_open(place->folder, true, &db, NULL), RC_CORRUPT);
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_int_equal(auth_db_open(place->folder, true, &db, NULL), RC_DENIED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(auth_db_open(place->folder, true, &db, NULL), RC_CORRUPT);
    assert_int_equal(close(fd), 0);
    assert_null(db);
}

static void a_database_of_another_kind_is_refused(void **state)
{
    struct place *place = *state;
    char path[64];
    struct auth_db *db = NULL;
    int fd;

    auth_db_close(place->db);
    place->db = NULL;
    (void) snprintf(path, sizeof(path), "%s/auth.db", place->folder);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "\0\0\0\143", 4, 60), 4); /* user_version in the header: 99 */
    assert_int_equal(auth_db_open(place->folder, false, &db, NULL), RC_INVALID);
    assert_int_equal(pwrite(fd, "no database at all", 18, 0), 18);
    assert_int_equal(auth_db_open(place->folder, false, &db, NULL), RC_CORRUPT);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(auth_db_open(place->folder, false, &db, NULL), RC_NOT_FOUND);
}

static bool count_row(void *ctx, const struct auth_account *account)
{
    size_t *n = ctx;

    (void) account;
    return ++*n < 2;
}

static void a_list_goes_on_where_it_stopped(void **state)
{
    struct place *place = *state;
    size_t n = 0;

    (void) place_add(place, "b");
    (void) place_add(place, "a");
    (void) place_add(place, "c");
    assert_int_equal(auth_db_each_account(place->db, SLICE(""), count_row, &n, NULL), RC_OK);
    assert_int_equal(n, 2);
    n = 0;
    assert_int_equal(auth_db_each_account(place->db, SLICE("b"), count_row, &n, NULL), RC_OK);
    assert_int_equal(n, 1);
}

static void names_of_aliases_and_accounts_do_not_overlap(void **state)
{
    struct place *place = *state;
    uint64_t anna = place_add(place, "anna"), id;

    assert_int_equal(auth_db_add_alias(place->db, SLICE("ANNA"), anna, NULL), RC_EXISTS);
    assert_int_equal(auth_db_add_alias(place->db, SLICE("sales"), anna, NULL), RC_OK);
    assert_int_equal(auth_db_add_alias(place->db, SLICE("Sales"), anna, NULL), RC_EXISTS);
    assert_int_equal(auth_db_add_account(place->db, SLICE("sales"), ACCOUNT_OWN, &id, NULL),
                     RC_EXISTS);
    assert_int_equal(auth_db_delete_alias(place->db, SLICE("SALES"), NULL), RC_OK);
    assert_int_equal(auth_db_delete_alias(place->db, SLICE("sales"), NULL), RC_NOT_FOUND);
}

/* ---- realm and recipients ---- */

static const char *const our_domains[] = {"example.org", "B\xc3\xbc"
                                                         "cher.example"};

static struct realm_settings settings(void)
{
    return (struct realm_settings){.domains = our_domains,
                                   .n_domains = COUNT(our_domains),
                                   .catch_all = "",
                                   .detail_separator = "+",
                                   .passwd_file = ""};
}

static size_t n_created;

static void on_created(void *ctx, uint64_t id, struct slice name)
{
    (void) ctx;
    (void) id;
    (void) name;
    n_created++;
}

static struct realm *realm_of(struct place *place, const struct realm_settings *with)
{
    struct realm *realm = NULL;

    assert_int_equal(realm_new(place->db, with, on_created, NULL, &realm, NULL), RC_OK);
    return realm;
}

static void recipients(void **state)
{
    static const struct {
        const char *address;
        enum resolve_code code;
        const char *user, *detail;
    } rows[] = {
        {"anna@example.org",           RESOLVE_OK,       "anna",               ""      },
        {"ANNA@EXAMPLE.ORG",           RESOLVE_OK,       "anna",               ""      },
        {"anna",                       RESOLVE_OK,       "anna",               ""      },
        {"anna@example.org.",          RESOLVE_OK,       "anna",               ""      },
        {"anna@xn--bcher-kva.example", RESOLVE_OK,       "anna",               ""      },
        {"anna@b\xc3\xbc"
         "cher.example",      RESOLVE_OK,       "anna",               ""      },
        {"\"anna\"@example.org",       RESOLVE_OK,       "anna",               ""      },
        {"\"an\\na\"@example.org",     RESOLVE_OK,       "anna",               ""      },
        {"anna+Work.2@example.org",    RESOLVE_OK,       "anna",               "Work.2"},
        {"anna+a+b@example.org",       RESOLVE_OK,       "anna",               "a+b"   },
        {"anna+@example.org",          RESOLVE_OK,       "anna",               ""      },
        {"a+b@example.org",            RESOLVE_OK,       "a+b",                ""      },
        {"anna@elsewhere.example",     RESOLVE_UNKNOWN,  "",                   ""      },
        {"bob@hosted.example",         RESOLVE_OK,       "bob@hosted.example", ""      },
        {"Bob+x@Hosted.example",       RESOLVE_OK,       "bob@hosted.example", "x"     },
        {"carl@hosted.example",        RESOLVE_UNKNOWN,  "",                   ""      },
        {"bob@example.org",            RESOLVE_UNKNOWN,  "",                   ""      },
        {"sales@example.org",          RESOLVE_OK,       "anna",               ""      },
        {"sales+q4@example.org",       RESOLVE_OK,       "anna",               "q4"    },
        {"info@hosted.example",        RESOLVE_OK,       "bob@hosted.example", ""      },
        {"info@example.org",           RESOLVE_UNKNOWN,  "",                   ""      },
        {"any.body@catch.example",     RESOLVE_OK,       "anna",               ""      },
        {"\"any body\"@catch.example", RESOLVE_OK,       "anna",               ""      },
        {"any+detail@catch.example",   RESOLVE_OK,       "anna",               "detail"},
        {"anna@catch.example",         RESOLVE_OK,       "anna",               ""      },
        {"off@example.org",            RESOLVE_DISABLED, "off",                ""      },
        {"off+x@example.org",          RESOLVE_DISABLED, "off",                "x"     },
        {"\"a@b\"@example.org",        RESOLVE_UNKNOWN,  "",                   ""      },
        {"+x@example.org",             RESOLVE_UNKNOWN,  "",                   ""      },
        {"\"anna@example.org",         RESOLVE_SYNTAX,   "",                   ""      },
        {"\"anna\"x@example.org",      RESOLVE_SYNTAX,   "",                   ""      },
        {"anna@",                      RESOLVE_SYNTAX,   "",                   ""      },
        {"@example.org",               RESOLVE_SYNTAX,   "",                   ""      },
        {"\"\"@example.org",           RESOLVE_SYNTAX,   "",                   ""      },
        {"",                           RESOLVE_SYNTAX,   "",                   ""      },
        {"anna@exa mple.org",          RESOLVE_SYNTAX,   "",                   ""      },
        {"anna\xff@example.org",       RESOLVE_SYNTAX,   "",                   ""      },
    };
    struct place *place = *state;
    const struct realm_settings with = settings();
    AUTO(realm_freep) struct realm *realm = realm_of(place, &with);
    struct resolve_lookup lookup = realm_lookup(realm);
    uint64_t anna = place_add(place, "anna"), bob = place_add(place, "bob@hosted.example");
    uint64_t off = place_add(place, "off");

    (void) place_add(place, "a+b");
    assert_int_equal(auth_db_set_state(place->db, off, ACCOUNT_DISABLED, NULL), RC_OK);
    assert_int_equal(auth_db_add_alias(place->db, SLICE("sales"), anna, NULL), RC_OK);
    assert_int_equal(auth_db_add_alias(place->db, SLICE("info@hosted.example"), bob, NULL),
                     RC_OK);
    assert_int_equal(auth_db_set_domain(place->db, SLICE("Catch.example"), anna, NULL), RC_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct resolved found;

        print_message("%s\n", rows[i].address);
        resolve_recipient(&lookup, slice_from_str(rows[i].address), place->arena, &found);
        assert_int_equal(found.code, rows[i].code);
        assert_slice_equal(found.user, slice_from_str(rows[i].user));
        assert_slice_equal(found.detail, slice_from_str(rows[i].detail));
    }
}

/* What a foreign back-end may know a recipient by. */
static void names_to_ask_elsewhere(void **state)
{
    static const struct {
        const char *address;
        size_t n;
        const char *names[RESOLVE_NAMES_MAX];
        const char *details[RESOLVE_NAMES_MAX];
    } rows[] = {
        {"Eve@Example.org",       2, {"Eve@example.org", "Eve"},                                   {"", ""}},
        {"Eve+a+b@example.org",
         4,                          {"Eve+a+b@example.org", "Eve+a+b", "Eve@example.org", "Eve"},
         {"", "", "a+b", "a+b"}                                                                            },
        {"postmaster",            1, {"postmaster"},                                               {""}    },
        {"\"e v\"@example.org",   0, {NULL},                                                       {NULL}  },
        {"\"a@b\"@example.org",   0, {NULL},                                                       {NULL}  },
        {"eve@elsewhere.example", 0, {NULL},                                                       {NULL}  },
        {"eve@",                  0, {NULL},                                                       {NULL}  },
        {"+x@example.org",        2, {"+x@example.org", "+x"},                                     {"", ""}},
    };
    struct place *place = *state;
    struct realm_settings with = settings();
    AUTO(realm_freep) struct realm *realm = realm_of(place, &with);
    struct resolve_lookup lookup = realm_lookup(realm);

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct resolve_name names[RESOLVE_NAMES_MAX];
        size_t n = resolve_names(&lookup, slice_from_str(rows[i].address), place->arena, names);

        print_message("%s\n", rows[i].address);
        assert_int_equal(n, rows[i].n);
        for (size_t k = 0; k < n; k++) {
            assert_slice_equal(names[k].name, slice_from_str(rows[i].names[k]));
            assert_slice_equal(names[k].detail, slice_from_str(rows[i].details[k]));
        }
    }
}

static void any_domain_and_one_catch_all(void **state)
{
    static const char *const any[] = {"*"};
    struct place *place = *state;
    struct realm_settings with = settings();
    AUTO(realm_freep) struct realm *realm = NULL;
    struct resolve_lookup lookup;
    struct resolved found;

    with.domains = any;
    with.n_domains = 1;
    with.catch_all = "anna";
    with.detail_separator = "";
    (void) place_add(place, "anna");
    (void) place_add(place, "u1");
    realm = realm_of(place, &with);
    lookup = realm_lookup(realm);
    resolve_recipient(&lookup, SLICE("u1@anything"), place->arena, &found);
    assert_slice_equal(found.user, SLICE("u1"));
    resolve_recipient(&lookup, SLICE("u1+x@anything"), place->arena, &found);
    assert_slice_equal(found.user, SLICE("anna")); /* no details: another name */
    assert_slice_equal(found.detail, SLICE(""));
}

/* Where any domain is ours, one more costs a guesser nothing. */
static void guesses_count_for_a_name_whatever_domain_it_is_given(void **state)
{
    static const char *const any[] = {"*"};
    struct place *place = *state;
    struct realm_settings with = settings();
    AUTO(realm_freep) struct realm *listed = realm_of(place, &with);
    AUTO(realm_freep) struct realm *all = NULL;

    with.domains = any;
    with.n_domains = 1;
    all = realm_of(place, &with);
    assert_slice_equal(realm_guessed(listed, SLICE("u1@a")), SLICE("u1@a"));
    assert_slice_equal(realm_guessed(all, SLICE("u1@a")), SLICE("u1"));
    assert_slice_equal(realm_guessed(all, SLICE("u1@a@b")), SLICE("u1@a"));
    assert_slice_equal(realm_guessed(all, SLICE("u1")), SLICE("u1"));
}

/* An issuer's anna of another domain is not ours, although mail to her is. */
static void any_domain_is_not_that_of_a_token(void **state)
{
    static const char *const any[] = {"*", "example.org"};
    static const struct {
        const char *told;
        size_t n_domains;
        enum login_by by;
        bool in;
    } rows[] = {
        {"u1",               1, LOGIN_BY_TOKEN,  true },
        {"u1@elsewhere.com", 1, LOGIN_BY_TOKEN,  false},
        {"u1@example.org",   1, LOGIN_BY_TOKEN,  false},
        {"u1@example.org",   2, LOGIN_BY_TOKEN,  true },
        {"u1@elsewhere.com", 2, LOGIN_BY_TOKEN,  false},
        {"u1@elsewhere.com", 2, LOGIN_BY_TICKET, true }, /* its realm is one that is named */
    };
    struct place *place = *state;

    (void) place_add(place, "u1");
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sasl_claim nobody = {.user_len = 0};
        struct realm_settings with = settings();
        AUTO(realm_freep) struct realm *realm = NULL;
        struct login_outcome outcome;

        with.domains = any;
        with.n_domains = rows[i].n_domains;
        realm = realm_of(place, &with);
        login_check_token(realm, &nobody, rows[i].by, slice_from_str(rows[i].told), NOW + 1,
                          place->arena, &outcome, NULL);
        assert_int_equal(outcome.verdict, rows[i].in ? LOGIN_GRANTED : LOGIN_REFUSED);
    }
}

/* ---- login rules ---- */

static struct login_outcome login_from(struct place *place, struct realm *realm,
                                       const char *from, const char *authzid, const char *user,
                                       const char *secret)
{
    struct login_place where = {.service = SERVICE_IMAP, .now = NOW};
    struct login_outcome outcome;
    struct sasl sasl;
    struct err err;

    plain_claim(&sasl, authzid, user, secret);
    assert_true(ipaddr_parse(slice_from_str(from), &where.peer));
    login_check(realm, &sasl.claim, &where, place->arena, &outcome, &err);
    if (outcome.verdict == LOGIN_HASH) {
        struct password_hash hash;

        assert_int_equal(password_hash_parse(outcome.hash, &hash, NULL), RC_OK);
        login_after_hash(realm, password_matches(&hash, auth_secret_slice(&sasl.claim.secret)),
                         place->arena, &outcome, &err);
    }
    return outcome;
}

static struct login_outcome login(struct place *place, struct realm *realm, const char *authzid,
                                  const char *user, const char *secret)
{
    return login_from(place, realm, "192.0.2.1", authzid, user, secret);
}

#define assert_refused(outcome_, reason_)                                                      \
    do {                                                                                       \
        struct login_outcome got_ = (outcome_);                                                \
        assert_int_equal(got_.verdict, LOGIN_REFUSED);                                         \
        assert_string_equal(login_reason_name(got_.reason), reason_);                          \
    } while (0)

static void a_device_gets_in_and_a_stranger_does_not(void **state)
{
    struct place *place = *state;
    const struct realm_settings with = settings();
    AUTO(realm_freep) struct realm *realm = realm_of(place, &with);
    struct admin_device anna, bob, send_only;
    struct auth_device extra = {
        .name = SLICE("scanner"), .scope = SCOPE_SEND, .access = ACCESS_FULL};
    struct login_outcome outcome;

    assert_int_equal(auth_admin_add_user(place->db, SLICE("anna"), SLICE("phone"), &anna, NULL),
                     RC_OK);
    assert_int_equal(auth_admin_add_user(place->db, SLICE("bob"), SLICE("phone"), &bob, NULL),
                     RC_OK);
    extra.account_id = anna.account;
    assert_int_equal(auth_admin_add_device(place->db, &extra, &send_only, NULL), RC_OK);

    outcome = login(place, realm, "", "Anna", anna.password);
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);
    assert_int_equal(outcome.account, anna.account);
    assert_int_equal(outcome.device.id, anna.device);
    assert_slice_equal(outcome.device.name, SLICE("phone"));
    outcome = login(place, realm, "", "anna@example.org", anna.password);
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);
    outcome = login(place, realm, "ANNA", "anna", anna.password);
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);

    assert_refused(login(place, realm, "", "anna", bob.password), "wrong_password");
    assert_refused(login(place, realm, "", "anna", "password"), "wrong_password");
    assert_refused(login(place, realm, "", "nobody", anna.password), "unknown_user");
    assert_refused(login(place, realm, "", "anna@elsewhere.example", anna.password),
                   "unknown_user");
    assert_refused(login(place, realm, "bob", "anna", anna.password), "other_user");
    assert_refused(login(place, realm, "bob", "anna", "wrong"), "wrong_password");
    assert_refused(login(place, realm, "", "anna", send_only.password), "device_scope");

    assert_int_equal(auth_db_revoke_device(place->db, bob.account, anna.device, NULL),
                     RC_NOT_FOUND); /* another's */
    assert_int_equal(auth_db_revoke_device(place->db, anna.account, anna.device, NULL), RC_OK);
    assert_refused(login(place, realm, "", "anna", anna.password), "device_revoked");
    assert_int_equal(auth_db_set_state(place->db, bob.account, ACCOUNT_DISABLED, NULL), RC_OK);
    assert_refused(login(place, realm, "", "bob", bob.password), "disabled");
    assert_refused(login(place, realm, "", "bob", "wrong"), "wrong_password");
    assert_int_equal(auth_db_set_state(place->db, bob.account, ACCOUNT_ENABLED, NULL), RC_OK);
    outcome = login(place, realm, "", "bob", bob.password);
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);
}

static void an_expired_device_says_so(void **state)
{
    struct place *place = *state;
    const struct realm_settings with = settings();
    AUTO(realm_freep) struct realm *realm = realm_of(place, &with);
    struct auth_device device = {.name = SLICE("guest"),
                                 .scope = SCOPE_IMAP,
                                 .access = ACCESS_READ_ONLY,
                                 .folders = SLICE("INBOX\nWork"),
                                 .account_id = place_add(place, "anna"),
                                 .expires = NOW};
    struct admin_device made;
    struct login_outcome outcome;

    assert_int_equal(auth_admin_add_device(place->db, &device, &made, NULL), RC_OK);
    assert_refused(login(place, realm, "", "anna", made.password), "device_expired");
    device.expires = NOW + 1;
    assert_int_equal(auth_admin_add_device(place->db, &device, &made, NULL), RC_OK);
    outcome = login(place, realm, "", "anna", made.password);
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);
    assert_int_equal(outcome.device.access, ACCESS_READ_ONLY);
    assert_slice_equal(outcome.device.folders, SLICE("INBOX\nWork"));
}

static void a_device_logs_in_from_its_networks_only(void **state)
{
    struct place *place = *state;
    const struct realm_settings with = settings();
    AUTO(realm_freep) struct realm *realm = realm_of(place, &with);
    struct auth_device device = {.name = SLICE("scanner"),
                                 .scope = SCOPE_IMAP,
                                 .access = ACCESS_FULL,
                                 .networks = SLICE("198.51.100.0/24\n2001:db8:1::/48"),
                                 .account_id = place_add(place, "anna")};
    struct admin_device made;

    assert_int_equal(auth_admin_add_device(place->db, &device, &made, NULL), RC_OK);
    assert_refused(login(place, realm, "", "anna", made.password), "device_network");
    assert_refused(login_from(place, realm, "2001:db8:2::1", "", "anna", made.password),
                   "device_network");
    assert_int_equal(
        login_from(place, realm, "198.51.100.9", "", "anna", made.password).verdict,
        LOGIN_GRANTED);
    assert_int_equal(
        login_from(place, realm, "2001:db8:1:2::3", "", "anna", made.password).verdict,
        LOGIN_GRANTED);
    reopen(place); /* the realm has the closed database: made again */
    realm_free(realm);
    realm = realm_of(place, &with);
    assert_refused(login(place, realm, "", "anna", made.password), "device_network");
    device.networks = SLICE("198.51.100.9/24");
    assert_int_equal(auth_admin_add_device(place->db, &device, &made, NULL), RC_INVALID);
}

static void set_password(struct place *place, uint64_t id, const char *password)
{
    AUTO(buf_done) struct buf hash = {.max = PASSWORD_HASH_MAX_BYTES};

    assert_int_equal(password_hash_make(slice_from_str(password), &hash, NULL), RC_OK);
    assert_int_equal(auth_db_set_password(place->db, id, buf_slice(&hash), NULL), RC_OK);
}

/* What a thread has found out about the old one lets nobody in; the new one is looked at, be it
 * only another hash of the same. */
static void a_password_may_change_while_a_thread_looks_at_it(void **state)
{
    static const char *const changes[] = {"another", "the same", ""};
    struct place *place = *state;
    struct realm_settings with = settings();
    const struct login_place where = {.service = SERVICE_IMAP, .now = NOW};
    AUTO(realm_freep) struct realm *realm = NULL;
    uint64_t id = place_add(place, "anna");
    struct sasl sasl;

    with.legacy_until = NOW + 1;
    realm = realm_of(place, &with);
    plain_claim(&sasl, "", "anna", "the same");
    for (size_t i = 0; i < COUNT(changes); i++) {
        bool same = strcmp(changes[i], "the same") == 0;
        struct login_outcome outcome;
        struct password_hash hash;
        struct slice old;

        set_password(place, id, "the same");
        login_check(realm, &sasl.claim, &where, place->arena, &outcome, NULL);
        assert_int_equal(outcome.verdict, LOGIN_HASH);
        old = outcome.hash;
        if (changes[i][0] == '\0')
            assert_int_equal(auth_db_set_password(place->db, id, SLICE(""), NULL), RC_OK);
        else
            set_password(place, id, changes[i]);
        login_after_hash(realm, true, place->arena, &outcome, NULL);
        if (changes[i][0] == '\0') {
            assert_refused(outcome, "wrong_password");
            continue;
        }
        assert_int_equal(outcome.verdict, LOGIN_HASH);
        assert_false(slice_eq(outcome.hash, old));
        assert_int_equal(password_hash_parse(outcome.hash, &hash, NULL), RC_OK);
        assert_int_equal(password_matches(&hash, auth_secret_slice(&sasl.claim.secret)), same);
        login_after_hash(realm, same, place->arena, &outcome, NULL);
        assert_int_equal(outcome.verdict, same ? LOGIN_GRANTED : LOGIN_REFUSED);
    }
    sasl_wipe(&sasl);
}

static void an_account_password_counts_only_until_its_date(void **state)
{
    struct place *place = *state;
    struct realm_settings with = settings();
    AUTO(buf_done) struct buf hash = {.max = PASSWORD_HASH_MAX_BYTES};
    uint64_t id = place_add(place, "anna");

    assert_int_equal(password_hash_make(SLICE("account password"), &hash, NULL), RC_OK);
    assert_int_equal(auth_db_set_password(place->db, id, buf_slice(&hash), NULL), RC_OK);
    assert_int_equal(auth_db_set_password(place->db, id, SLICE("{PLAIN}x"), NULL), RC_INVALID);
    for (int64_t until = NOW; until <= NOW + 1; until++) {
        AUTO(realm_freep) struct realm *realm = NULL;
        struct login_outcome outcome;

        with.legacy_until = until;
        realm = realm_of(place, &with);
        outcome = login(place, realm, "", "anna", "account password");
        assert_int_equal(outcome.verdict, until > NOW ? LOGIN_GRANTED : LOGIN_REFUSED);
        if (until > NOW) {
            assert_int_equal(outcome.by, LOGIN_BY_LEGACY);
            assert_refused(login(place, realm, "", "anna", "another"), "wrong_password");
            assert_refused(login(place, realm, "", "nobody", "another"), "unknown_user");
        }
    }
}

static void write_users(const struct place *place, char path[64], const char *text)
{
    FILE *file;

    (void) snprintf(path, 64, "%s/users", place->folder);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void users_of_a_file_get_accounts_when_they_are_met(void **state)
{
    struct place *place = *state;
    struct realm_settings with = settings();
    AUTO(realm_freep) struct realm *realm = NULL;
    struct resolve_lookup lookup;
    struct login_outcome outcome;
    struct resolved found;
    char path[64];

    n_created = 0;
    clock_set_for_test((int64_t) NOW * 1000000);
    write_users(place, path, "u1:{PLAIN}pass\nu2:{PLAIN}pass\n");
    with.passwd_file = path;
    realm = realm_of(place, &with);
    lookup = realm_lookup(realm);
    outcome = login(place, realm, "", "u1", "pass");
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);
    assert_int_equal(outcome.by, LOGIN_BY_PASSWD_FILE);
    assert_refused(login(place, realm, "", "u1", "wrong"), "wrong_password");
    assert_refused(login(place, realm, "", "u3", "pass"), "unknown_user");
    assert_int_equal(n_created, 1);
    resolve_recipient(&lookup, SLICE("u2@example.org"), place->arena, &found);
    assert_int_equal(found.code, RESOLVE_OK);
    assert_int_equal(n_created, 2);

    write_users(place, path, "u1:{PLAIN}other\n"); /* u2's line is gone */
    clock_set_for_test((int64_t) (NOW + 1) * 1000000);
    assert_refused(login(place, realm, "", "u2", "pass"), "wrong_password");
    outcome = login(place, realm, "", "u1", "other");
    assert_int_equal(outcome.verdict, LOGIN_GRANTED);
    resolve_recipient(&lookup, SLICE("u2@example.org"), place->arena, &found);
    assert_int_equal(found.code, RESOLVE_DISABLED);
    assert_int_equal(auth_db_adopt(place->db, found.account, NULL), RC_OK);
    resolve_recipient(&lookup, SLICE("u2@example.org"), place->arena, &found);
    assert_int_equal(found.code, RESOLVE_OK);
    clock_set_for_test(0);
}

#define LINE(salt) "u1:{SHA512-CRYPT}$6$" salt "$hash\n"

/* The same of a line of the file: its sessions were ended when it was read. */
static void a_line_may_change_while_a_thread_looks_at_it(void **state)
{
    static const char *const lines[] = {LINE("another"), "", LINE("pass")};
    const struct login_place where = {.service = SERVICE_IMAP, .now = NOW};
    struct place *place = *state;
    struct realm_settings with = settings();
    AUTO(realm_freep) struct realm *realm = NULL;
    struct login_outcome outcome;
    struct sasl sasl;
    char path[64];

    clock_set_for_test((int64_t) NOW * 1000000);
    write_users(place, path, LINE("pass"));
    with.passwd_file = path;
    realm = realm_of(place, &with);
    plain_claim(&sasl, "", "u1", "pass");
    for (size_t i = 0; i < COUNT(lines); i++) {
        write_users(place, path, LINE("pass"));
        clock_set_for_test((int64_t) (NOW + 2 * i + 1) * 1000000);
        login_check(realm, &sasl.claim, &where, place->arena, &outcome, NULL);
        assert_int_equal(outcome.verdict, LOGIN_HASH);
        assert_int_equal(outcome.by, LOGIN_BY_PASSWD_FILE);
        write_users(place, path, lines[i]);
        clock_set_for_test((int64_t) (NOW + 2 * i + 2) * 1000000);
        realm_refresh(realm);
        login_after_hash(realm, true, place->arena, &outcome, NULL);
        assert_int_equal(outcome.verdict, i == 0   ? LOGIN_HASH
                                          : i == 1 ? LOGIN_REFUSED
                                                   : LOGIN_GRANTED);
        if (i != 0)
            continue;
        login_after_hash(realm, false, place->arena, &outcome, NULL);
        assert_refused(outcome, "wrong_password");
    }
    clock_set_for_test(0);
    sasl_wipe(&sasl);
}

/* ---- devices confirmed from a network ---- */

static bool is_confirmed(struct place *place, uint64_t account, uint64_t device,
                         const char *from, int64_t now)
{
    struct ipaddr address = {0};
    bool is = false;

    assert_true(*from == '\0' || ipaddr_parse(slice_from_str(from), &address));
    assert_int_equal(auth_db_is_confirmed(place->db, account, device, &address, now, &is, NULL),
                     RC_OK);
    return is;
}

static enum rc confirm(struct place *place, uint64_t account, uint64_t device, const char *from,
                       int64_t until)
{
    struct auth_confirmed row = {.account = account, .device = device, .until = until};
    struct ipaddr address = {0};

    assert_true(*from == '\0' || ipaddr_parse(slice_from_str(from), &address));
    confirmed_network(&address, row.network);
    return auth_db_confirm(place->db, &row, NOW, NULL);
}

static void a_confirmation_is_for_one_device_one_network_and_a_time(void **state)
{
    static const struct {
        uint64_t device;
        const char *from;
        int64_t now;
        bool is;
    } rows[] = {
        {3, "192.0.2.77",         NOW,       true },
        {3, "192.0.3.7",          NOW,       false},
        {3, "2001:db8:1:ffff::9", NOW,       true },
        {3, "2001:db8:2::9",      NOW,       false},
        {3, "",                   NOW,       false},
        {4, "192.0.2.7",          NOW,       false},
        {0, "192.0.2.7",          NOW,       false},
        {0, "",                   NOW,       true },
        {3, "192.0.2.77",         NOW + 99,  true },
        {3, "192.0.2.77",         NOW + 100, false},
    };
    struct place *place = *state;
    uint64_t anna = place_add(place, "anna"), bert = place_add(place, "bert");
    bool ended = false;

    assert_int_equal(confirm(place, anna, 3, "192.0.2.7", NOW + 100), RC_OK);
    assert_int_equal(confirm(place, anna, 3, "2001:db8:1::1", NOW + 100), RC_OK);
    assert_int_equal(confirm(place, anna, 0, "", NOW + 100), RC_OK);
    for (size_t i = 0; i < COUNT(rows); i++)
        if (is_confirmed(place, anna, rows[i].device, rows[i].from, rows[i].now) != rows[i].is)
            fail_msg("%s", rows[i].from);
    assert_false(is_confirmed(place, bert, 3, "192.0.2.7", NOW));
    assert_int_equal(auth_db_confirmed_ended(place->db, NOW, NOW + 99, &ended, NULL), RC_OK);
    assert_false(ended);
    assert_int_equal(auth_db_confirmed_ended(place->db, NOW + 99, NOW + 100, &ended, NULL),
                     RC_OK);
    assert_true(ended);
    assert_int_equal(auth_db_confirmed_ended(place->db, NOW + 100, NOW + 200, &ended, NULL),
                     RC_OK);
    assert_false(ended);
    reopen(place);
    assert_int_equal(auth_db_forget_confirmed(place->db, anna, 3, NULL), RC_OK);
    assert_false(is_confirmed(place, anna, 3, "192.0.2.7", NOW));
    assert_true(is_confirmed(place, anna, 0, "", NOW));
    assert_int_equal(auth_db_set_state(place->db, anna, ACCOUNT_DELETED, NULL), RC_OK);
    assert_false(is_confirmed(place, anna, 0, "", NOW));
}

static void confirmed_networks_of_a_user_have_a_limit(void **state)
{
    struct place *place = *state;
    uint64_t anna = place_add(place, "anna");
    char from[32];

    for (unsigned i = 0; i <= CONFIRMED_PER_ACCOUNT_MAX; i++) {
        (void) snprintf(from, sizeof(from), "10.%u.%u.1", i / 256, i % 256);
        assert_int_equal(confirm(place, anna, 3, from, i == 0 ? NOW : NOW + 100), RC_OK);
    }
    assert_int_equal(confirm(place, anna, 3, "10.9.9.9", NOW + 100), RC_LIMIT);
    assert_false(
        is_confirmed(place, anna, 3, "10.0.0.1", NOW)); /* it was over, and made room */
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(an_account_outlives_a_restart),
        WITH_PLACE(a_deleted_account_frees_its_name_and_keeps_its_id),
        WITH_PLACE(a_change_undone_inside_another_leaves_the_other),
        WITH_PLACE(a_lost_or_foreign_pepper_is_one_clear_error),
        WITH_PLACE(a_database_of_another_kind_is_refused),
        WITH_PLACE(a_list_goes_on_where_it_stopped),
        WITH_PLACE(names_of_aliases_and_accounts_do_not_overlap),
        WITH_PLACE(recipients),
        WITH_PLACE(names_to_ask_elsewhere),
        WITH_PLACE(any_domain_and_one_catch_all),
        WITH_PLACE(a_device_gets_in_and_a_stranger_does_not),
        WITH_PLACE(an_expired_device_says_so),
        WITH_PLACE(a_device_logs_in_from_its_networks_only),
        WITH_PLACE(a_password_may_change_while_a_thread_looks_at_it),
        WITH_PLACE(an_account_password_counts_only_until_its_date),
        WITH_PLACE(a_confirmation_is_for_one_device_one_network_and_a_time),
        WITH_PLACE(confirmed_networks_of_a_user_have_a_limit),
        WITH_PLACE(guesses_count_for_a_name_whatever_domain_it_is_given),
        WITH_PLACE(any_domain_is_not_that_of_a_token),
        WITH_PLACE(users_of_a_file_get_accounts_when_they_are_met),
        WITH_PLACE(a_line_may_change_while_a_thread_looks_at_it),
    };

    return cmocka_run_group_tests(tests, place_start, NULL);
}
