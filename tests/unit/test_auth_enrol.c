/* test_auth_enrol.c - one-time codes, recovery codes, and who may make devices. */
// links: auth
// lib: auth_place
#include "auth/admin.h"
#include "auth/enrol.h"
#include "auth/throttle.h"
#include "lib/auth_place.h"
#include "lib/test.h"

#define NOW      1700000000
#define NOW_US   ((int64_t) 1000000000)
#define PASSWORD "correct horse battery"

static const struct ipaddr here = {
    .family = IPADDR_V4, .bytes = {192, 0, 2, 1}
};
static const char rfc_key[] = "12345678901234567890";

/* ---- RFC 4226, RFC 6238 ---- */

static void the_values_of_rfc_4226_appendix_d(void **state)
{
    static const uint32_t want[] = {755224, 287082, 359152, 969429, 338314,
                                    254676, 287922, 162583, 399871, 520489};

    (void) state;
    for (uint64_t i = 0; i < COUNT(want); i++)
        assert_int_equal(hotp_value(SLICE("12345678901234567890"), i) % 1000000, want[i]);
}

static void the_values_of_rfc_6238_appendix_b(void **state)
{
    static const struct {
        int64_t now;
        uint64_t step;
        uint32_t code; /* eight digits */
    } rows[] = {
        {59,          0x1,        94287082},
        {1111111109,  0x23523ec,  7081804 },
        {1111111111,  0x23523ed,  14050471},
        {1234567890,  0x273ef07,  89005924},
        {2000000000,  0x3f940aa,  69279037},
        {20000000000, 0x27bc86aa, 65353130},
    };
    struct totp_secret secret;

    (void) state;
    memcpy(secret.bytes, rfc_key, sizeof(secret.bytes));
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t step = 0;

        assert_int_equal(totp_step(rows[i].now), rows[i].step);
        assert_int_equal(hotp_value(slice_of(rfc_key, 20), rows[i].step) % 100000000,
                         rows[i].code);
        assert_true(totp_matches(&secret, rows[i].code % 1000000, rows[i].now, 0, &step));
        assert_int_equal(step, rows[i].step);
    }
    assert_int_equal(totp_step(-1), 0);
}

static uint32_t code_at(const struct totp_secret *secret, uint64_t step)
{
    return hotp_value(slice_of(secret->bytes, sizeof(secret->bytes)), step) % 1000000;
}

static void a_code_counts_one_step_to_either_side(void **state)
{
    static const int64_t starts[] = {1700000010, 1111111110, 60};
    struct totp_secret secret;

    (void) state;
    memcpy(secret.bytes, rfc_key, sizeof(secret.bytes));
    for (size_t i = 0; i < COUNT(starts); i++) {
        uint64_t step = totp_step(starts[i]), found = 0;
        uint32_t code = code_at(&secret, step);

        assert_int_equal(starts[i] % TOTP_STEP_SEC, 0);
        assert_false(totp_matches(&secret, code, starts[i] - 31, 0, &found));
        assert_true(totp_matches(&secret, code, starts[i] - 30, 0, &found));
        assert_true(totp_matches(&secret, code, starts[i], 0, &found));
        assert_true(totp_matches(&secret, code, starts[i] + 59, 0, &found));
        assert_int_equal(found, step);
        assert_false(totp_matches(&secret, code, starts[i] + 60, 0, &found));
    }
}

static void a_used_step_and_those_before_it_are_refused(void **state)
{
    uint64_t step = totp_step(NOW), found = 0;
    struct totp_secret secret;

    (void) state;
    memcpy(secret.bytes, rfc_key, sizeof(secret.bytes));
    assert_true(totp_matches(&secret, code_at(&secret, step), NOW, step - 1, &found));
    assert_false(totp_matches(&secret, code_at(&secret, step), NOW, step, &found));
    assert_false(totp_matches(&secret, code_at(&secret, step - 1), NOW, step, &found));
    assert_true(totp_matches(&secret, code_at(&secret, step + 1), NOW, step, &found));
    assert_int_equal(found, step + 1);
}

static void what_is_typed_is_six_digits(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint32_t code;
    } rows[] = {
        {"755224",            true,  755224},
        {"755 224",           true,  755224},
        {" 75-52-24 ",        true,  755224},
        {"000000",            true,  0     },
        {"012345",            true,  12345 },
        {"",                  false, 0     },
        {"75522",             false, 0     },
        {"7552244",           false, 0     },
        {"75522a",            false, 0     },
        {"+75522",            false, 0     },
        {"755224\n",          false, 0     },
        {"7 5 5 2 2 4      ", false, 0     }, /* 17 bytes */
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t code = 7;

        print_message("%s\n", rows[i].text);
        assert_int_equal(totp_read(slice_from_str(rows[i].text), &code), rows[i].ok);
        assert_int_equal(code, rows[i].ok ? rows[i].code : 7);
    }
}

static void a_secret_is_shown_in_base32_and_in_a_uri(void **state)
{
    char shown[TOTP_SECRET_CHARS + 1];
    AUTO(buf_done) struct buf uri = {.max = TOTP_URI_MAX_BYTES};
    struct totp_secret secret;

    (void) state;
    memcpy(secret.bytes, rfc_key, sizeof(secret.bytes));
    totp_secret_show(&secret, shown);
    assert_string_equal(shown, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    totp_print_uri(&uri, SLICE("mail.example.org"), SLICE("b\xc3\xa4r&x=1@example.org"),
                   &secret);
    assert_slice_equal(buf_slice(&uri),
                       SLICE("otpauth://totp/mail.example.org:b%C3%A4r%26x%3D1%40example.org"
                             "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=mail.example.org"
                             "&algorithm=SHA1&digits=6&period=30"));
}

static void the_longest_names_fit_in_a_uri(void **state)
{
    AUTO(buf_done) struct buf uri = {.max = TOTP_URI_MAX_BYTES};
    struct totp_secret secret = {{0}};
    char name[AUTH_NAME_MAX_BYTES], host[255];

    (void) state;
    memset(name, '\xe4', sizeof(name));
    memset(host, 'h', sizeof(host));
    totp_print_uri(&uri, slice_of(host, sizeof(host)), slice_of(name, sizeof(name)), &secret);
    assert_false(uri.overflow);
}

static void a_sealed_secret_opens_for_its_account_alone(void **state)
{
    const struct place *place = *state;
    const struct pepper *pepper = auth_db_pepper(place->db);
    struct totp_secret secret, opened;
    unsigned char sealed[TOTP_SEALED_BYTES];

    totp_secret_make(&secret);
    totp_seal(pepper, 77, &secret, sealed);
    assert_true(totp_unseal(pepper, 77, sealed, &opened));
    assert_memory_equal(secret.bytes, opened.bytes, sizeof(secret.bytes));
    assert_false(totp_unseal(pepper, 78, sealed, &opened));
    sealed[TOTP_SEALED_BYTES - 1] ^= 1;
    assert_false(totp_unseal(pepper, 77, sealed, &opened));
}

/* ---- recovery codes ---- */

static void a_recovery_code_is_read_as_it_was_shown(void **state)
{
    struct recovery_codes codes;
    struct recovery_code back;
    char shown[RECOVERY_SHOWN_BYTES];

    (void) state;
    recovery_codes_make(&codes);
    for (size_t i = 0; i < RECOVERY_CODES; i++) {
        recovery_show(&codes.code[i], shown);
        assert_int_equal(strlen(shown), 19);
        assert_true(recovery_read(slice_from_str(shown), &back));
        assert_memory_equal(back.chars, codes.code[i].chars, RECOVERY_CHARS);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(codes.code[k].chars, back.chars, RECOVERY_CHARS);
    }
    assert_true(recovery_read(SLICE("ABCD efgh 2345 mnop"), &back));
    assert_memory_equal(back.chars, "abcdefgh2345mnop", RECOVERY_CHARS);
    assert_false(recovery_read(SLICE("abcd-efgh-2345-mno"), &back));
    assert_false(recovery_read(SLICE("abcd-efgh-2345-mnopq"), &back));
    assert_false(recovery_read(SLICE("abcd-efgh-1345-mnop"), &back));
    assert_false(recovery_read(SLICE(""), &back));
}

/* ---- the second factor of an account ---- */

static const char *print_code(const struct totp_secret *secret, int64_t now, char room[8])
{
    (void) snprintf(room, 8, "%06u", (unsigned) code_at(secret, totp_step(now)));
    return room;
}

/* Begun and confirmed at NOW - 300. */
static struct recovery_codes enable(struct place *place, uint64_t id,
                                    struct totp_secret *secret)
{
    struct recovery_codes codes;
    char code[8];

    assert_int_equal(factor_begin(place->db, id, secret, NULL), RC_OK);
    assert_int_equal(factor_confirm(place->db, id,
                                    slice_from_str(print_code(secret, NOW - 300, code)),
                                    NOW - 300, &codes, NULL),
                     RC_OK);
    return codes;
}

static enum factor_kind kind_of(struct place *place, uint64_t id, const char *code, int64_t now)
{
    struct factor_match match;

    assert_int_equal(factor_check(place->db, id, slice_from_str(code), now, &match, NULL),
                     RC_OK);
    return match.kind;
}

static void a_second_factor_counts_once_a_code_of_it_came(void **state)
{
    struct place *place = *state;
    uint64_t id = place_add(place, "anna");
    struct totp_secret secret, second;
    struct recovery_codes codes;
    char code[8], wrong[8];

    assert_int_equal(factor_confirm(place->db, id, SLICE("123456"), NOW, &codes, NULL),
                     RC_NOT_FOUND);
    assert_int_equal(factor_begin(place->db, id, &secret, NULL), RC_OK);
    (void) print_code(&secret, NOW, code);
    assert_int_equal(kind_of(place, id, code, NOW), FACTOR_NONE);
    assert_int_equal(factor_begin(place->db, id, &second, NULL), RC_OK); /* in its place */
    assert_memory_not_equal(secret.bytes, second.bytes, sizeof(secret.bytes));
    (void) print_code(&second, NOW, code);
    (void) print_code(&second, NOW - 3000, wrong);
    assert_int_equal(factor_confirm(place->db, id, slice_from_str(wrong), NOW, &codes, NULL),
                     RC_DENIED);
    assert_int_equal(factor_confirm(place->db, id, slice_from_str(code), NOW, &codes, NULL),
                     RC_OK);
    assert_int_equal(factor_begin(place->db, id, &secret, NULL), RC_EXISTS);
    assert_int_equal(kind_of(place, id, code, NOW), FACTOR_NONE); /* the first code is used */
    (void) print_code(&second, NOW + 30, code);
    assert_int_equal(kind_of(place, id, code, NOW), FACTOR_TOTP);
    assert_int_equal(factor_forget(place->db, id, NULL), RC_OK);
    assert_int_equal(kind_of(place, id, code, NOW), FACTOR_NONE);
    assert_int_equal(factor_forget(place->db, id, NULL), RC_NOT_FOUND);
}

static void no_restart_makes_a_used_code_good(void **state)
{
    struct place *place = *state;
    uint64_t id = place_add(place, "anna"), n_left;
    struct totp_secret secret;
    struct recovery_codes codes = enable(place, id, &secret);
    struct factor_match totp, paper;
    char code[8], shown[RECOVERY_SHOWN_BYTES];

    (void) print_code(&secret, NOW, code);
    recovery_show(&codes.code[3], shown);
    assert_int_equal(factor_check(place->db, id, slice_from_str(code), NOW, &totp, NULL),
                     RC_OK);
    assert_int_equal(factor_use(place->db, id, &totp, NULL), RC_OK);
    assert_int_equal(factor_use(place->db, id, &totp, NULL), RC_NOT_FOUND);
    assert_int_equal(factor_check(place->db, id, slice_from_str(shown), NOW, &paper, NULL),
                     RC_OK);
    assert_int_equal(paper.kind, FACTOR_RECOVERY);
    assert_int_equal(factor_use(place->db, id, &paper, NULL), RC_OK);
    assert_int_equal(factor_use(place->db, id, &paper, NULL), RC_NOT_FOUND);
    auth_db_close(place->db);
    assert_int_equal(auth_db_open(place->folder, false, &place->db, NULL), RC_OK);
    assert_int_equal(kind_of(place, id, code, NOW), FACTOR_NONE);
    assert_int_equal(kind_of(place, id, shown, NOW), FACTOR_NONE);
    assert_int_equal(auth_db_count_recovery(place->db, id, &n_left, NULL), RC_OK);
    assert_int_equal(n_left, RECOVERY_CODES - 1);
    assert_int_equal(factor_new_codes(place->db, id, &codes, NULL), RC_OK);
    assert_int_equal(auth_db_count_recovery(place->db, id, &n_left, NULL), RC_OK);
    assert_int_equal(n_left, RECOVERY_CODES);
}

static void a_factor_belongs_to_one_account_and_goes_with_it(void **state)
{
    struct place *place = *state;
    uint64_t anna = place_add(place, "anna"), bob = place_add(place, "bob"), shared;
    struct totp_secret secret, other;
    struct recovery_codes codes = enable(place, anna, &secret);
    struct totp_row row;
    char code[8], shown[RECOVERY_SHOWN_BYTES];
    uint64_t n_left = 99;

    (void) enable(place, bob, &other);
    (void) print_code(&secret, NOW, code);
    recovery_show(&codes.code[0], shown);
    assert_int_equal(kind_of(place, bob, code, NOW), FACTOR_NONE);
    assert_int_equal(kind_of(place, bob, shown, NOW), FACTOR_NONE);
    assert_int_equal(kind_of(place, 0, code, NOW), FACTOR_NONE);
    assert_int_equal(auth_db_add_shared(place->db, SLICE("info"), &shared, NULL), RC_OK);
    assert_int_equal(factor_begin(place->db, shared, &other, NULL), RC_INVALID);
    assert_int_equal(auth_db_set_state(place->db, anna, ACCOUNT_DELETED, NULL), RC_OK);
    assert_int_equal(auth_db_get_totp(place->db, anna, &row, NULL), RC_NOT_FOUND);
    assert_int_equal(auth_db_count_recovery(place->db, anna, &n_left, NULL), RC_OK);
    assert_int_equal(n_left, 0);
}

/* ---- who may make devices ---- */

struct scene {
    struct place *place;
    struct realm *realm;
    struct enrol *enrol;
    uint64_t anna; /* with a password and a second factor */
    struct totp_secret secret;
    struct recovery_codes codes;
};

static struct scene scene_make(struct place *place)
{
    const struct realm_settings settings = {
        .catch_all = "", .detail_separator = "+", .passwd_file = ""};
    struct scene scene = {.place = place, .anna = place_add(place, "anna")};
    AUTO(buf_done) struct buf hash = {.max = PASSWORD_HASH_MAX_BYTES};

    assert_int_equal(realm_new(place->db, &settings, NULL, NULL, &scene.realm, NULL), RC_OK);
    scene.enrol = enrol_new(scene.realm);
    assert_int_equal(password_hash_make(SLICE(PASSWORD), &hash, NULL), RC_OK);
    assert_int_equal(auth_db_set_password(place->db, scene.anna, buf_slice(&hash), NULL),
                     RC_OK);
    scene.codes = enable(place, scene.anna, &scene.secret);
    return scene;
}

static void scene_drop(struct scene *scene)
{
    enrol_free(scene->enrol);
    realm_free(scene->realm);
}

static struct login_outcome outcome_of(struct scene *scene, const char *user,
                                       const char *password)
{
    const struct login_place place = {.service = SERVICE_IMAP, .now = NOW, .enrolling = true};
    struct login_outcome outcome;
    struct sasl_claim claim = {.user_len = (uint16_t) strlen(user)};

    memcpy(claim.user, user, strlen(user));
    assert_int_equal(auth_secret_prepare(slice_from_str(password), &claim.secret, NULL), RC_OK);
    arena_reset(scene->place->arena);
    login_check(scene->realm, &claim, &place, scene->place->arena, &outcome, NULL);
    return outcome;
}

/* As if a thread had found that the password fits, or does not. */
static enum enrol_reason judge(struct scene *scene, const char *user, bool matched,
                               const char *code, int64_t now, int64_t now_us)
{
    const struct enrol_claim claim = {
        .code = slice_from_str(code), .now = now, .now_us = now_us};
    struct login_outcome outcome = outcome_of(scene, user, PASSWORD);
    enum factor_kind kind;

    assert_int_equal(outcome.verdict, LOGIN_HASH);
    login_after_hash(scene->realm, matched, scene->place->arena, &outcome, NULL);
    return enrol_judge(scene->enrol, &claim, &outcome, &kind, NULL);
}

static void the_password_is_checked_by_one_slow_hash_whoever_is_named(void **state)
{
    static const char *const names[] = {"anna", "bob", "nobody", "not a name at all", ""};
    struct place *place = *state;
    struct scene scene = scene_make(place);

    (void) place_add(place, "bob"); /* has no account password */
    for (size_t i = 0; i < COUNT(names); i++) {
        struct login_outcome outcome = outcome_of(&scene, names[i], PASSWORD);

        assert_int_equal(outcome.verdict, LOGIN_HASH);
        assert_true(slice_starts(outcome.hash, SLICE("{ARGON2ID}$argon2id$v=19$m=65536,t=2,")));
        assert_int_equal(enrol_password_matches(outcome.hash, SLICE(PASSWORD)), i == 0);
        assert_false(enrol_password_matches(outcome.hash, SLICE("wrong")));
    }
    assert_false(enrol_password_matches(SLICE(""), SLICE(PASSWORD)));
    scene_drop(&scene);
}

/* An app password opens no way to further ones. */
static void an_app_password_makes_no_devices(void **state)
{
    struct place *place = *state;
    struct scene scene = scene_make(place);
    struct auth_device device = {.account_id = scene.anna,
                                 .name = SLICE("phone"),
                                 .scope = SCOPE_IMAP,
                                 .access = ACCESS_FULL};
    struct admin_device made;
    struct login_outcome outcome;

    assert_int_equal(auth_admin_add_device(place->db, &device, &made, NULL), RC_OK);
    outcome = outcome_of(&scene, "anna", made.password);
    assert_int_equal(outcome.verdict, LOGIN_HASH);
    assert_false(enrol_password_matches(outcome.hash, slice_from_str(made.password)));
    scene_drop(&scene);
}

static void password_and_code_or_nothing(void **state)
{
    struct place *place = *state;
    struct scene scene = scene_make(place);
    char code[8], later[8], paper[RECOVERY_SHOWN_BYTES];

    (void) place_add(place, "bob");
    (void) print_code(&scene.secret, NOW, code);
    (void) print_code(&scene.secret, NOW + 30, later);
    recovery_show(&scene.codes.code[9], paper);
    assert_int_equal(judge(&scene, "nobody", true, code, NOW, NOW_US),
                     ENROL_REASON_UNKNOWN_USER);
    assert_int_equal(judge(&scene, "bob", true, code, NOW, NOW_US),
                     ENROL_REASON_WRONG_PASSWORD); /* there is none to be right */
    assert_int_equal(judge(&scene, "anna", false, code, NOW, NOW_US),
                     ENROL_REASON_WRONG_PASSWORD); /* and the code stays good */
    assert_int_equal(judge(&scene, "anna", true, "", NOW, NOW_US), ENROL_REASON_WRONG_CODE);
    assert_int_equal(judge(&scene, "anna", true, "garbage", NOW, NOW_US),
                     ENROL_REASON_WRONG_CODE);
    assert_int_equal(judge(&scene, "ANNA", true, code, NOW, NOW_US), ENROL_REASON_NONE);
    assert_int_equal(judge(&scene, "anna", true, code, NOW, NOW_US),
                     ENROL_REASON_WRONG_CODE); /* replayed */
    assert_int_equal(judge(&scene, "anna", true, later, NOW, NOW_US), ENROL_REASON_NONE);
    assert_int_equal(judge(&scene, "anna", true, paper, NOW, NOW_US), ENROL_REASON_NONE);
    assert_int_equal(judge(&scene, "anna", true, paper, NOW, NOW_US), ENROL_REASON_WRONG_CODE);
    assert_int_equal(auth_db_set_state(place->db, scene.anna, ACCOUNT_DISABLED, NULL), RC_OK);
    (void) print_code(&scene.secret, NOW + 60, code);
    assert_int_equal(judge(&scene, "anna", true, code, NOW + 60, NOW_US),
                     ENROL_REASON_DISABLED);
    assert_int_equal(auth_db_set_state(place->db, scene.anna, ACCOUNT_ENABLED, NULL), RC_OK);
    assert_int_equal(factor_forget(place->db, scene.anna, NULL), RC_OK);
    assert_int_equal(judge(&scene, "anna", true, code, NOW + 60, NOW_US),
                     ENROL_REASON_NO_SECOND_FACTOR);
    scene_drop(&scene);
}

/* An attacker who has the password tries codes for a day, as fast as one can: 1e5 of them, and
 * among them each code of each step. What is let through to the comparison is bounded. */
static void who_has_the_password_cannot_try_codes_for_long(void **state)
{
    struct place *place = *state;
    struct scene scene = scene_make(place);
    struct login_outcome password = outcome_of(&scene, "anna", PASSWORD);
    size_t n_compared = 0, n_tried = 100000;
    char code[8], good[8], paper[RECOVERY_SHOWN_BYTES];
    const int64_t day_us = (int64_t) 86400 * 1000000, last_us = NOW_US + day_us - 400000;

    login_after_hash(scene.realm, true, place->arena, &password, NULL);
    assert_int_equal(password.verdict, LOGIN_GRANTED);
    for (size_t i = 0; i < n_tried; i++) {
        int64_t at_us = NOW_US + day_us / (int64_t) n_tried * (int64_t) i;
        int64_t now = NOW + at_us / 1000000;
        uint32_t guess = (code_at(&scene.secret, totp_step(now)) + 1 + (uint32_t) i) % 1000000;
        const struct enrol_claim claim = {
            .code = slice_of(code, TOTP_DIGITS), .now = now, .now_us = at_us};
        uint64_t step;
        enum enrol_reason reason;
        enum factor_kind kind;

        while (totp_matches(&scene.secret, guess, now, 0, &step)) /* this run is unlucky */
            guess = (guess + 1) % 1000000;
        (void) snprintf(code, sizeof(code), "%06u", (unsigned) guess);
        reason = enrol_judge(scene.enrol, &claim, &password, &kind, NULL);
        assert_true(reason == ENROL_REASON_WRONG_CODE || reason == ENROL_REASON_CODE_LIMIT);
        n_compared += reason == ENROL_REASON_WRONG_CODE;
    }
    assert_in_range(n_compared, ENROL_WRONG_MAX,
                    ENROL_WRONG_MAX + 86400 / ENROL_WRONG_DRAIN_SEC);
    /* The right one is refused as well now, and says so to nobody; paper is good. */
    (void) print_code(&scene.secret, NOW + 86400 + 1000, good);
    assert_int_equal(judge(&scene, "anna", true, good, NOW + 86400 + 1000, last_us),
                     ENROL_REASON_CODE_LIMIT);
    recovery_show(&scene.codes.code[0], paper);
    assert_int_equal(judge(&scene, "anna", true, paper, NOW + 86400, last_us),
                     ENROL_REASON_NONE);
    /* Who has proved it is the owner: their wrong codes are forgotten. */
    assert_int_equal(judge(&scene, "anna", true, good, NOW + 86400 + 1000, last_us),
                     ENROL_REASON_NONE);
    scene_drop(&scene);
}

static void a_limit_on_codes_ends_by_itself(void **state)
{
    struct scene scene = scene_make(*state);
    const int64_t drain_us = (int64_t) ENROL_WRONG_DRAIN_SEC * 1000000;
    char good[8];

    (void) print_code(&scene.secret, NOW, good);
    for (size_t i = 0; i < ENROL_WRONG_MAX; i++)
        assert_int_equal(judge(&scene, "anna", true, "", NOW, NOW_US), ENROL_REASON_WRONG_CODE);
    assert_int_equal(judge(&scene, "anna", true, good, NOW, NOW_US), ENROL_REASON_CODE_LIMIT);
    assert_int_equal(judge(&scene, "anna", true, good, NOW, NOW_US + drain_us - 1),
                     ENROL_REASON_CODE_LIMIT);
    assert_int_equal(judge(&scene, "anna", true, good, NOW, NOW_US + drain_us),
                     ENROL_REASON_NONE);
    scene_drop(&scene);
}

static enum enrol_reason judge_password(struct scene *scene, uint64_t account, const char *code,
                                        int64_t now_us)
{
    const struct login_outcome right = {.verdict = LOGIN_GRANTED, .account = account};
    const struct enrol_claim claim = {
        .code = slice_from_str(code), .now = NOW, .now_us = now_us};
    enum factor_kind kind;

    return enrol_judge(scene->enrol, &claim, &right, &kind, NULL);
}

/* Many users, each with a second factor: their ids in out. */
static void add_many(struct place *place, size_t n, uint64_t *out)
{
    struct totp_secret secret;
    char name[16];

    totp_secret_make(&secret);
    assert_int_equal(auth_db_begin(place->db, NULL), RC_OK);
    for (size_t i = 0; i < n; i++) {
        struct totp_row row = {.state = TOTP_ENABLED};

        (void) snprintf(name, sizeof(name), "user%zu", i);
        out[i] = row.account = place_add(place, name);
        totp_seal(auth_db_pepper(place->db), row.account, &secret, row.sealed);
        assert_int_equal(auth_db_put_totp(place->db, &row, NULL), RC_OK);
    }
    assert_int_equal(auth_db_end(place->db, RC_OK, NULL), RC_OK);
}

/* The account whose wrong codes are forgotten first makes room for one too many. */
static void wrong_codes_of_so_many_accounts_are_remembered(void **state)
{
    static uint64_t others[ENROL_WRONG_ACCOUNTS];
    struct scene scene = scene_make(*state);
    char good[8];

    (void) print_code(&scene.secret, NOW, good);
    add_many(scene.place, COUNT(others), others);
    for (size_t i = 0; i < ENROL_WRONG_MAX; i++)
        assert_int_equal(judge_password(&scene, scene.anna, "", NOW_US),
                         ENROL_REASON_WRONG_CODE);
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_int_equal(judge_password(&scene, scene.anna, good, NOW_US + 1),
                         ENROL_REASON_CODE_LIMIT);
        for (size_t k = 0; k < ENROL_WRONG_MAX; k++)
            assert_int_equal(judge_password(&scene, others[i], "", NOW_US + 1),
                             ENROL_REASON_WRONG_CODE);
    }
    assert_int_equal(judge_password(&scene, scene.anna, good, NOW_US + 1), ENROL_REASON_NONE);
    scene_drop(&scene);
}

/* At the door, before any of this: what one source costs who guesses, by throttle.h. */
static void a_source_that_tries_codes_waits_longer_and_longer(void **state)
{
    AUTO(throttle_freep) struct throttle *throttle = throttle_new();
    struct throttle_key key = throttle_key(throttle, &here, SLICE("anna"));
    int64_t now_us = NOW_US, day_us = (int64_t) 86400 * 1000000;
    size_t n = 0;

    (void) state;
    while (now_us < NOW_US + day_us) {
        now_us += throttle_turn(throttle, key, SLICE(PASSWORD), now_us) +
                  throttle_failed(throttle, key, now_us) + 1000;
        n++;
    }
    assert_in_range(n, 1, 20000); /* of a million codes */
}

static void a_session_is_of_one_account_and_ends(void **state)
{
    struct scene scene = scene_make(*state);
    uint64_t bob = place_add(scene.place, "bob");
    struct enrol_token anna, other, wrong;
    struct enrol_session session;
    const int64_t end_us = NOW_US + (int64_t) ENROL_SESSION_SEC * 1000000;

    enrol_open(scene.enrol, scene.anna, SLICE("anna"), &here, NOW_US, &anna);
    enrol_open(scene.enrol, bob, SLICE("bob"), &here, NOW_US, &other);
    assert_int_equal(enrol_find(scene.enrol, &anna, NOW_US, &session, NULL), RC_OK);
    assert_int_equal(session.account, scene.anna);
    assert_slice_equal(session.user, SLICE("anna"));
    assert_true(ipaddr_eq(&session.peer, &here));
    for (size_t i = 0; i < ENROL_TOKEN_BYTES; i++) {
        wrong = anna;
        wrong.bytes[i] ^= 1;
        assert_int_equal(enrol_find(scene.enrol, &wrong, NOW_US, &session, NULL), RC_NOT_FOUND);
    }
    assert_int_equal(enrol_find(scene.enrol, &anna, end_us - 1, &session, NULL), RC_OK);
    assert_int_equal(enrol_find(scene.enrol, &anna, end_us, &session, NULL), RC_NOT_FOUND);
    enrol_open(scene.enrol, scene.anna, SLICE("anna"), &here, end_us, &anna);
    enrol_open(scene.enrol, bob, SLICE("bob"), &here, end_us, &other);
    enrol_forget(scene.enrol, bob);
    assert_int_equal(enrol_find(scene.enrol, &other, end_us, &session, NULL), RC_NOT_FOUND);
    assert_int_equal(auth_db_set_state(scene.place->db, scene.anna, ACCOUNT_DISABLED, NULL),
                     RC_OK);
    assert_int_equal(enrol_find(scene.enrol, &anna, end_us, &session, NULL), RC_NOT_FOUND);
    assert_int_equal(auth_db_set_state(scene.place->db, scene.anna, ACCOUNT_ENABLED, NULL),
                     RC_OK);
    assert_int_equal(enrol_find(scene.enrol, &anna, end_us, &session, NULL), RC_OK);
    enrol_close(scene.enrol, &anna);
    assert_int_equal(enrol_find(scene.enrol, &anna, end_us, &session, NULL), RC_NOT_FOUND);
    assert_int_equal(enrol_n_sessions(scene.enrol), 0);
    scene_drop(&scene);
}

static void sessions_and_what_they_make_have_limits(void **state)
{
    struct scene scene = scene_make(*state);
    struct enrol_token first, last, token;
    struct enrol_session session;

    enrol_open(scene.enrol, scene.anna, SLICE("anna"), &here, NOW_US, &first);
    for (size_t i = 0; i < ENROL_SESSIONS_EACH; i++)
        enrol_open(scene.enrol, scene.anna, SLICE("anna"), &here, NOW_US, &last);
    assert_int_equal(enrol_n_sessions(scene.enrol), ENROL_SESSIONS_EACH);
    assert_int_equal(enrol_find(scene.enrol, &first, NOW_US, &session, NULL), RC_NOT_FOUND);
    assert_int_equal(enrol_find(scene.enrol, &last, NOW_US, &session, NULL), RC_OK);
    for (size_t i = 0; i < ENROL_DEVICES_EACH; i++)
        assert_int_equal(enrol_count_device(scene.enrol, &last, NULL), RC_OK);
    assert_int_equal(enrol_count_device(scene.enrol, &last, NULL), RC_LIMIT);
    assert_int_equal(enrol_count_device(scene.enrol, &first, NULL), RC_NOT_FOUND);
    for (uint64_t i = 0; i < ENROL_SESSIONS_MAX; i++)
        enrol_open(scene.enrol, 1000000 + i, SLICE("x"), &here, NOW_US, &token);
    assert_int_equal(enrol_n_sessions(scene.enrol), ENROL_SESSIONS_MAX);
    assert_int_equal(enrol_find(scene.enrol, &last, NOW_US, &session, NULL), RC_NOT_FOUND);
    scene_drop(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_values_of_rfc_4226_appendix_d),
        cmocka_unit_test(the_values_of_rfc_6238_appendix_b),
        cmocka_unit_test(a_code_counts_one_step_to_either_side),
        cmocka_unit_test(a_used_step_and_those_before_it_are_refused),
        cmocka_unit_test(what_is_typed_is_six_digits),
        cmocka_unit_test(a_secret_is_shown_in_base32_and_in_a_uri),
        cmocka_unit_test(the_longest_names_fit_in_a_uri),
        cmocka_unit_test_setup_teardown(a_sealed_secret_opens_for_its_account_alone, place_make,
                                        place_drop),
        cmocka_unit_test(a_recovery_code_is_read_as_it_was_shown),
        cmocka_unit_test_setup_teardown(a_second_factor_counts_once_a_code_of_it_came,
                                        place_make, place_drop),
        cmocka_unit_test_setup_teardown(no_restart_makes_a_used_code_good, place_make,
                                        place_drop),
        cmocka_unit_test_setup_teardown(a_factor_belongs_to_one_account_and_goes_with_it,
                                        place_make, place_drop),
        cmocka_unit_test_setup_teardown(
            the_password_is_checked_by_one_slow_hash_whoever_is_named, place_make, place_drop),
        cmocka_unit_test_setup_teardown(an_app_password_makes_no_devices, place_make,
                                        place_drop),
        cmocka_unit_test_setup_teardown(password_and_code_or_nothing, place_make, place_drop),
        cmocka_unit_test_setup_teardown(who_has_the_password_cannot_try_codes_for_long,
                                        place_make, place_drop),
        cmocka_unit_test_setup_teardown(a_limit_on_codes_ends_by_itself, place_make,
                                        place_drop),
        cmocka_unit_test_setup_teardown(wrong_codes_of_so_many_accounts_are_remembered,
                                        place_make, place_drop),
        cmocka_unit_test(a_source_that_tries_codes_waits_longer_and_longer),
        cmocka_unit_test_setup_teardown(a_session_is_of_one_account_and_ends, place_make,
                                        place_drop),
        cmocka_unit_test_setup_teardown(sessions_and_what_they_make_have_limits, place_make,
                                        place_drop),
    };

    return cmocka_run_group_tests(tests, place_start, NULL);
}
