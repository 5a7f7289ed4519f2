/* test_auth_secrets.c - app passwords, password hashes, SASL PLAIN, lines of a passwd-file. */
// links: auth
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/admin.h"
#include "auth/app_password.h"
#include "auth/passwd_file.h"
#include "auth/password.h"
#include "auth/sasl.h"
#include "base/clock.h"
#include "base/log.h"
#include "lib/test.h"

static int start(void **state)
{
    (void) state;
    return auth_init(NULL) == RC_OK ? 0 : -1;
}

static void an_app_password_is_read_as_it_was_shown(void **state)
{
    struct app_password made, read;
    char shown[APP_PASSWORD_SHOWN_BYTES], typed[APP_PASSWORD_SHOWN_BYTES * 2];

    (void) state;
    for (int n = 0; n < 200; n++) {
        size_t len = 0;

        app_password_make(&made);
        app_password_show(&made, shown);
        assert_int_equal(strlen(shown), 24);
        assert_true(app_password_read(slice_from_str(shown), &read));
        assert_memory_equal(&made, &read, sizeof(made));
        for (const char *c = shown; *c != '\0'; c++) {
            typed[len++] = *c >= 'a' && *c <= 'z' ? (char) (*c - 32) : *c;
            if (*c == '-')
                typed[len - 1] = ' ';
        }
        assert_true(app_password_read(slice_of(typed, len), &read));
        assert_memory_equal(&made, &read, sizeof(made));
        assert_true(app_password_read(slice_of(made.chars, sizeof(made.chars)), &read));
    }
}

/* The code never changes: people have such passwords. */
static void passwords_that_were_given_out_stay_good(void **state)
{
    static const char *const given_out[] = {"abcdefghijklmnop4sgu", "765432zyxwvutsrqlpjj",
                                            "ahov4dkry7gnu3cjd43x"};
    struct app_password read;

    (void) state;
    for (size_t i = 0; i < COUNT(given_out); i++)
        assert_true(app_password_read(slice_from_str(given_out[i]), &read));
}

/* The code has distance five: all of up to two changed places, and random ones of up to four.
 */
static void up_to_four_wrong_characters_are_noticed(void **state)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct app_password made, wrong, read;

    (void) state;
    app_password_make(&made);
    for (size_t i = 0; i < APP_PASSWORD_CHARS; i++) {
        for (size_t k = 0; k < 32; k++) {
            wrong = made;
            wrong.chars[i] = digits[k];
            assert_int_equal(
                app_password_read(slice_of(wrong.chars, sizeof(wrong.chars)), &read),
                digits[k] == made.chars[i]);
        }
        for (size_t j = i + 1; j < APP_PASSWORD_CHARS; j++) {
            wrong = made;
            wrong.chars[i] = made.chars[j];
            wrong.chars[j] = made.chars[i];
            assert_int_equal(
                app_password_read(slice_of(wrong.chars, sizeof(wrong.chars)), &read),
                made.chars[i] == made.chars[j]);
        }
    }
    for (int n = 0; n < 20000; n++) {
        wrong = made;
        for (int k = 0; k < 4; k++)
            wrong.chars[randombytes_uniform(APP_PASSWORD_CHARS)] =
                digits[randombytes_uniform(32)];
        assert_int_equal(app_password_read(slice_of(wrong.chars, sizeof(wrong.chars)), &read),
                         memcmp(&wrong, &made, sizeof(made)) == 0);
    }
}

static void garbage_is_no_app_password(void **state)
{
    static const char *const rows[] = {
        "",
        "password",
        "pass",
        "aaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaab",
        "00000000000000000000",
        "aaaa_aaaa_aaaa_aaaa_aaaa",
        "a                                                                               a",
    };
    struct app_password read;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("%s\n", rows[i]);
        assert_false(app_password_read(slice_from_str(rows[i]), &read));
    }
}

/* Written down, so that a change of the format cannot go unseen (docs/formats/credentials.md).
 */
static void the_verifier_is_an_hmac_of_label_and_password(void **state)
{
    struct pepper pepper;
    struct app_password password;
    struct app_verifier verifier, other;
    unsigned char want[32];
    static const char text[] = "roost app password 1:aaaaaaaaaaaaaaaaaaaa";

    (void) state;
    memset(pepper.key, 0x5a, sizeof(pepper.key));
    memset(password.chars, 'a', sizeof(password.chars));
    app_password_verifier(&pepper, &password, &verifier);
    (void) crypto_auth_hmacsha256(want, (const unsigned char *) text, sizeof(text) - 1,
                                  pepper.key);
    assert_memory_equal(verifier.bytes, want, sizeof(want));
    pepper.key[0] ^= 1;
    app_password_verifier(&pepper, &password, &other);
    assert_memory_not_equal(verifier.bytes, other.bytes, sizeof(want));
}

#define SHA512_PASS                                                                            \
    "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"                                  \
    "jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"

#define SHA256_PASS "$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC."
#define MD5_PASS    "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/"
#define DES_PASS    "abJnggxhB/yWI"

static void hashes_of_each_scheme(void **state)
{
    static const struct {
        const char *hash, *secret;
        bool fits;
    } rows[] = {
        {"{PLAIN}pass",                                                             "pass",       true },
        {"{plain}pass",                                                             "pass",       true },
        {"{PLAIN}pass",                                                             "Pass",       false},
        {"{PLAIN}pass",                                                             "passx",      false},
        {"{PLAIN}pass",                                                             "pas",        false},
        {"{PLAIN}with space",                                                       "with space", true },
        {"{SHA512-CRYPT}" SHA512_PASS,                                              "password",   true },
        {"{SHA512-CRYPT}" SHA512_PASS,                                              "passwore",   false},
        {"{SHA256-CRYPT}" SHA256_PASS,                                              "password",   true },
        {"{SHA256-CRYPT}" SHA256_PASS,                                              "passwore",   false},
        {"{MD5-CRYPT}" MD5_PASS,                                                    "password",   true },
        {"{MD5-CRYPT}" MD5_PASS,                                                    "passwore",   false},
        {"{DES-CRYPT}" DES_PASS,                                                    "password",   true },
        {"{DES-CRYPT}" DES_PASS,                                                    "passwore",   false},
        {"{CRYPT}" SHA512_PASS,                                                     "password",   true },
        {"{CRYPT}" SHA512_PASS,                                                     "passwore",   false},
        {"{CRYPT}" SHA256_PASS,                                                     "password",   true },
        {"{CRYPT}" MD5_PASS,                                                        "password",   true },
        {"{CRYPT}" DES_PASS,                                                        "password",   true },
        {"{CRYPT}" DES_PASS,                                                        "passwore",   false},
        {"{CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",     "U*U",        true },
        {"{CLEARTEXT}pass",                                                         "pass",       true },
        {"{CLEARTEXT}pass",                                                         "Pass",       false},
        {"{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U",
         true                                                                                          },
        {"{BLF-CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U",
         true                                                                                          },
        {"{BLF-CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*V",
         false                                                                                         },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct password_hash hash;

        print_message("%s %s\n", rows[i].hash, rows[i].secret);
        assert_int_equal(password_hash_parse(slice_from_str(rows[i].hash), &hash, NULL), RC_OK);
        assert_int_equal(password_matches(&hash, slice_from_str(rows[i].secret)), rows[i].fits);
    }
}

static void a_hash_of_ours_fits_its_password_only(void **state)
{
    AUTO(buf_done) struct buf text;
    struct password_hash hash, dummy;

    (void) state;
    buf_init(&text, PASSWORD_HASH_MAX_BYTES);
    assert_int_equal(password_hash_make(SLICE("correct horse"), &text, NULL), RC_OK);
    assert_int_equal(password_hash_parse(buf_slice(&text), &hash, NULL), RC_OK);
    assert_false(password_hash_is_cheap(&hash));
    assert_false(password_hash_is_old(&hash));
    assert_true(password_matches(&hash, SLICE("correct horse")));
    assert_false(password_matches(&hash, SLICE("correct horsf")));
    assert_int_equal(password_hash_parse(password_hash_dummy(), &dummy, NULL), RC_OK);
    assert_false(password_matches(&dummy, SLICE("correct horse")));
}

static void refuses_hashes_of_no_form_or_beyond_reason(void **state)
{
    static const struct {
        const char *hash;
        enum rc rc;
    } rows[] = {
        {"",                                                                        RC_SYNTAX },
        {"pass",                                                                    RC_SYNTAX },
        {"{PLAIN",                                                                  RC_SYNTAX },
        {"{PLAIN}",                                                                 RC_SYNTAX },
        {"{MD5}x",                                                                  RC_INVALID},
        {"{ARGON2ID}x",                                                             RC_SYNTAX },
        {"{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$AAAA",                           RC_SYNTAX },
        {"{ARGON2ID}$argon2id$v=19$m=1048577,t=2,p=1$AAAA$BBBB",                    RC_LIMIT  },
        {"{ARGON2ID}$argon2id$v=19$m=65536,t=65,p=1$AAAA$BBBB",                     RC_LIMIT  },
        {"{ARGON2ID}$argon2id$v=19$m=-1,t=2,p=1$AAAA$BBBB",                         RC_SYNTAX },
        {"{SHA512-CRYPT}$5$salt$x",                                                 RC_SYNTAX },
        {"{SHA512-CRYPT}$6$rounds=5000001$salt$x",                                  RC_LIMIT  },
        {"{SHA512-CRYPT}$6$rounds=x$salt$x",                                        RC_SYNTAX },
        {"{SHA512-CRYPT}$6$sa lt$x",                                                RC_SYNTAX },
        {"{SHA256-CRYPT}$6$salt$x",                                                 RC_SYNTAX },
        {"{SHA256-CRYPT}$5$rounds=5000001$salt$x",                                  RC_LIMIT  },
        {"{MD5-CRYPT}$1$saltsalts$qjXMvbEw8oaL.CzflDtaK/",                          RC_SYNTAX },
        {"{MD5-CRYPT}$1$saltsalt$qjXMvbEw8oaL.CzflDtaK",                            RC_SYNTAX },
        {"{DES-CRYPT}abJnggxhB/yW",                                                 RC_SYNTAX },
        {"{DES-CRYPT}abJnggxhB/yW*",                                                RC_SYNTAX },
        {"{CRYPT}$7$salt$x",                                                        RC_SYNTAX },
        {"{CRYPT}$6$rounds=5000001$salt$x",                                         RC_LIMIT  },
        {"{CRYPT}",                                                                 RC_SYNTAX },
        {"{BLF-CRYPT}$2y$17$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", RC_LIMIT  },
        {"{BLF-CRYPT}$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", RC_SYNTAX },
        {"{BLF-CRYPT}$2y$05$short",                                                 RC_SYNTAX },
    };
    struct password_hash hash;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("%s\n", rows[i].hash);
        assert_int_equal(password_hash_parse(slice_from_str(rows[i].hash), &hash, NULL),
                         rows[i].rc);
    }
}

static void plain_has_three_fields(void **state)
{
#define ROW(text, rc, authzid, user, secret)                                                   \
    {                                                                                          \
        text, sizeof(text) - 1, rc, authzid, user, secret                                      \
    }
    static const struct {
        const char *message;
        size_t len;
        enum rc rc;
        const char *authzid, *user, *secret;
    } rows[] = {
        ROW("\0anna\0pass", RC_OK, "", "anna", "pass"),
        ROW("anna\0anna\0pass", RC_OK, "anna", "anna", "pass"),
        ROW("\0\xc3\xbc\0\xc3\xa4", RC_OK, "", "\xc3\xbc", "\xc3\xa4"),
        ROW("", RC_SYNTAX, "", "", ""),
        ROW("\0", RC_SYNTAX, "", "", ""),
        ROW("\0\0", RC_SYNTAX, "", "", ""),
        ROW("\0anna\0", RC_SYNTAX, "", "", ""),
        ROW("\0\0pass", RC_SYNTAX, "", "", ""),
        ROW("anna\0pass", RC_SYNTAX, "", "", ""),
        ROW("\0anna\0pass\0", RC_SYNTAX, "", "", ""),
        ROW("\0anna\0pa\0ss", RC_SYNTAX, "", "", ""),
        ROW("\0an\xff\0pass", RC_SYNTAX, "", "", ""),
    };
#undef ROW
    AUTO(buf_done) struct buf out;
    struct sasl sasl;

    (void) state;
    buf_init(&out, SASL_MESSAGE_MAX_BYTES);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice message = slice_of(rows[i].message, rows[i].len);

        print_message("row %zu\n", i);
        assert_int_equal(sasl_init(&sasl, SLICE("plain"), NULL), RC_OK);
        assert_int_equal(sasl_start(&sasl, &message, &out, NULL), rows[i].rc);
        if (rows[i].rc != RC_OK)
            continue;
        assert_slice_equal(sasl_claim_authzid(&sasl.claim), slice_from_str(rows[i].authzid));
        assert_slice_equal(sasl_claim_user(&sasl.claim), slice_from_str(rows[i].user));
        assert_slice_equal(auth_secret_slice(&sasl.claim.secret),
                           slice_from_str(rows[i].secret));
        /* Without an initial response: an empty challenge, then the same. */
        assert_int_equal(sasl_init(&sasl, SLICE("PLAIN"), NULL), RC_OK);
        assert_int_equal(sasl_start(&sasl, NULL, &out, NULL), RC_MORE);
        assert_int_equal(out.len, 0);
        assert_int_equal(sasl_step(&sasl, message, &out, NULL), RC_OK);
        sasl_wipe(&sasl);
        assert_int_equal(sasl_claim_user(&sasl.claim).len, 0);
    }
    assert_int_equal(sasl_init(&sasl, SLICE("CRAM-MD5"), NULL), RC_NOT_FOUND);
    assert_int_equal(sasl_init(&sasl, SLICE(""), NULL), RC_NOT_FOUND);
}

static void plain_has_limits(void **state)
{
    static char message[3 + AUTH_NAME_MAX_BYTES + AUTH_SECRET_MAX_BYTES];
    AUTO(buf_done) struct buf out;
    struct slice s = {message, 2 + AUTH_NAME_MAX_BYTES + AUTH_SECRET_MAX_BYTES};
    struct sasl sasl;

    (void) state;
    buf_init(&out, 16);
    memset(message, 'a', sizeof(message));
    message[0] = message[1 + AUTH_NAME_MAX_BYTES] = '\0';
    assert_int_equal(sasl_init(&sasl, SLICE("PLAIN"), NULL), RC_OK);
    assert_int_equal(sasl_step(&sasl, s, &out, NULL), RC_OK);
    s.len++; /* one more byte of password */
    assert_int_equal(sasl_step(&sasl, s, &out, NULL), RC_LIMIT);
    message[1 + AUTH_NAME_MAX_BYTES] = 'a'; /* one more byte of name */
    message[2 + AUTH_NAME_MAX_BYTES] = '\0';
    assert_int_equal(sasl_step(&sasl, s, &out, NULL), RC_LIMIT);
}

static void lines_of_a_passwd_file(void **state)
{
    static const struct {
        const char *line;
        enum rc rc;
        const char *key;
    } rows[] = {
        {"u1:{PLAIN}pass:1000:1000::/home/u1:/bin/false:userdb_mail=x", RC_OK,        "u1"            },
        {"u1:{PLAIN}pass",                                              RC_OK,        "u1"            },
        {"U1@Example.org:{PLAIN}pass::::::",                            RC_OK,        "u1@example.org"},
        {"",                                                            RC_NOT_FOUND, ""              },
        {"# u1:{PLAIN}pass",                                            RC_NOT_FOUND, ""              },
        {"u1",                                                          RC_SYNTAX,    ""              },
        {":{PLAIN}pass",                                                RC_SYNTAX,    ""              },
        {"u 1:{PLAIN}pass",                                             RC_SYNTAX,    ""              },
        {"u1:pass",                                                     RC_SYNTAX,    ""              },
        {"u1:{PLAIN}:",                                                 RC_SYNTAX,    ""              },
        {"u1:{CRAM-MD5}0123",                                           RC_INVALID,   ""              },
        {"u1:{SHA512-CRYPT}$6$rounds=99999999$a$b",                     RC_LIMIT,     ""              },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct passwd_entry entry = {0};

        print_message("%s\n", rows[i].line);
        assert_int_equal(passwd_parse_line(slice_from_str(rows[i].line), &entry, NULL),
                         rows[i].rc);
        assert_slice_equal(auth_key_slice(&entry.key), slice_from_str(rows[i].key));
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, true);
    assert_int_equal(fclose(file), 0);
}

static void ignore_log(void *ctx, enum log_level level, const char *event,
                       const struct log_field *fields, size_t n)
{
    size_t *bad_lines = ctx;

    (void) level;
    (void) fields;
    (void) n;
    if (strcmp(event, "passwd_file.line") == 0)
        (*bad_lines)++;
}

static void a_changed_passwd_file_is_read_again(void **state)
{
    char folder[] = "/tmp/roost-test-passwd-XXXXXX", path[64];
    AUTO(passwd_file_freep) struct passwd_file *file = NULL;
    size_t bad_lines = 0;

    (void) state;
    assert_non_null(mkdtemp(folder));
    (void) snprintf(path, sizeof(path), "%s/users", folder);
    log_set_sink(ignore_log, &bad_lines);
    clock_set_for_test(1000000000);
    write_file(path, "u1:{PLAIN}one\r\nbad line\nu2:{PLAIN}two\nu1:{PLAIN}again\n");
    file = passwd_file_new(path);
    passwd_file_refresh(file);
    assert_int_equal(passwd_file_count(file), 2);
    assert_int_equal(bad_lines, 2); /* the one without a colon and the second u1 */
    assert_true(password_matches(&passwd_file_find(file, SLICE("u1"))->hash, SLICE("one")));
    assert_null(passwd_file_find(file, SLICE("u3")));
    assert_null(passwd_file_dummy(file));

    write_file(path, "u3:{PLAIN}three\nu4:{SHA512-CRYPT}" SHA512_PASS);
    passwd_file_refresh(file); /* too soon to look */
    assert_int_equal(passwd_file_count(file), 2);
    clock_set_for_test(1000000000 + 1000000);
    passwd_file_refresh(file);
    assert_int_equal(passwd_file_count(file), 2);
    assert_non_null(passwd_file_find(file, SLICE("u4")));
    assert_non_null(passwd_file_dummy(file));

    assert_int_equal(unlink(path), 0); /* gone: the users stay */
    clock_set_for_test(1000000000 + 2000000);
    passwd_file_refresh(file);
    assert_non_null(passwd_file_find(file, SLICE("u3")));
    clock_set_for_test(0);
    log_set_sink(NULL, NULL);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- a passwd-file that is written in place ---- */

struct rewritten {
    char folder[32], path[64];
    struct passwd_file *file;
    char changed[64]; /* the users told of */
};

static void note_changed(void *ctx, struct slice key)
{
    struct rewritten *at = ctx;
    size_t len = strlen(at->changed);

    (void) snprintf(at->changed + len, sizeof(at->changed) - len, "%.*s ", SLICE_ARG(key));
}

/* The file has these bytes now, and was last written to then. */
static void write_at(const struct rewritten *at, const char *text, int64_t us)
{
    const struct timespec times[2] = {
        {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000},
        {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000},
    };

    write_file(at->path, text);
    assert_int_equal(utimensat(AT_FDCWD, at->path, times, 0), 0);
}

static bool has_password(const struct rewritten *at, const char *user, const char *password)
{
    const struct passwd_user *found = passwd_file_find(at->file, slice_from_str(user));

    return found != NULL && password_matches(&found->hash, slice_from_str(password));
}

static int rewritten_set_up(void **state)
{
    struct rewritten *at = xcalloc(1, sizeof(*at));

    (void) snprintf(at->folder, sizeof(at->folder), "/tmp/roost-test-passwd-XXXXXX");
    assert_non_null(mkdtemp(at->folder));
    (void) snprintf(at->path, sizeof(at->path), "%s/users", at->folder);
    at->file = passwd_file_new(at->path);
    passwd_file_on_changed(at->file, note_changed, at);
    *state = at;
    return 0;
}

static int rewritten_tear_down(void **state)
{
    struct rewritten *at = *state;

    clock_set_for_test(0);
    passwd_file_free(at->file);
    assert_int_equal(unlink(at->path), 0);
    assert_int_equal(rmdir(at->folder), 0);
    free(at);
    return 0;
}

#define NOW_US  ((int64_t) 1600000000 * 1000000)
#define LOOK_US ((int64_t) 1000000) /* from one look to the next */

static void a_passwd_file_counts_when_it_is_whole(void **state)
{
    struct rewritten *at = *state;
    int64_t now = NOW_US;

    clock_set_for_test(now);
    write_at(at, "u1:{PLAIN}one\nu2:{PLAIN}two\n", now - PASSWD_SETTLE_US);
    assert_true(passwd_file_refresh(at->file));
    clock_set_for_test(now += LOOK_US);
    write_at(at, "u1:{PLAIN}three\nu2:{PLA", now); /* half of it */
    assert_false(passwd_file_refresh(at->file));
    assert_true(has_password(at, "u1", "one") && has_password(at, "u2", "two"));
    clock_set_for_test(now += LOOK_US);
    write_at(at, "", now); /* none of it */
    assert_false(passwd_file_refresh(at->file));
    assert_true(has_password(at, "u2", "two"));
    clock_set_for_test(now += LOOK_US);
    write_at(at, "u1:{PLAIN}three\nu2:{PLAIN}four\n", now);
    assert_true(passwd_file_refresh(at->file));
    assert_true(has_password(at, "u1", "three") && has_password(at, "u2", "four"));

    clock_set_for_test(now += LOOK_US);
    write_at(at, "u1:{PLAIN}three\nu2:{PLAIN}five", now); /* that is all */
    assert_false(passwd_file_refresh(at->file));
    clock_set_for_test(now += PASSWD_SETTLE_US - 1);
    assert_false(passwd_file_refresh(at->file));
    clock_set_for_test(now += LOOK_US);
    assert_true(passwd_file_refresh(at->file));
    assert_true(has_password(at, "u2", "five"));
}

/* Its size, its inode and its time may then all be what they were. */
static void two_writes_at_one_time_are_both_seen(void **state)
{
    struct rewritten *at = *state;
    int64_t now = NOW_US;

    for (unsigned i = 0; i < 50; i++) {
        clock_set_for_test(now);
        write_at(at, "u1:{PLAIN}one\n", now);
        (void) passwd_file_refresh(at->file);
        write_at(at, "u1:{PLAIN}two\n", now);
        clock_set_for_test(now += LOOK_US);
        (void) passwd_file_refresh(at->file);
        assert_true(has_password(at, "u1", "two"));
        clock_set_for_test(now += LOOK_US);
    }
}

static void who_has_another_password_is_told(void **state)
{
    struct rewritten *at = *state;
    int64_t now = NOW_US;

    clock_set_for_test(now);
    write_at(at, "u1:{PLAIN}one\nu2:{PLAIN}two\nu3:{PLAIN}three\n", 1);
    assert_true(passwd_file_refresh(at->file));
    assert_string_equal(at->changed, "");
    clock_set_for_test(now += LOOK_US);
    write_at(at, "u4:{PLAIN}four\nu1:{PLAIN}ONE\nu2:{PLAIN}two\n", 2);
    assert_true(passwd_file_refresh(at->file));
    assert_string_equal(at->changed, "u1 ");
    clock_set_for_test(now += LOOK_US);
    write_at(at, "u4:{PLAIN}four\nu1:{PLAIN}ONE\nu2:{PLAIN}two\n", 3);
    assert_false(passwd_file_refresh(at->file)); /* nothing is another */
    clock_set_for_test(now += LOOK_US);
    write_at(at, "u4:{CLEARTEXT}four\nu1:{PLAIN}ONE\nu2:{PLAIN}two\n", 4);
    assert_true(passwd_file_refresh(at->file));
    assert_string_equal(at->changed, "u1 u4 ");
}

int main(void)
{
#define REWRITTEN(fn) cmocka_unit_test_setup_teardown(fn, rewritten_set_up, rewritten_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_app_password_is_read_as_it_was_shown),
        cmocka_unit_test(passwords_that_were_given_out_stay_good),
        cmocka_unit_test(up_to_four_wrong_characters_are_noticed),
        cmocka_unit_test(garbage_is_no_app_password),
        cmocka_unit_test(the_verifier_is_an_hmac_of_label_and_password),
        cmocka_unit_test(hashes_of_each_scheme),
        cmocka_unit_test(a_hash_of_ours_fits_its_password_only),
        cmocka_unit_test(refuses_hashes_of_no_form_or_beyond_reason),
        cmocka_unit_test(plain_has_three_fields),
        cmocka_unit_test(plain_has_limits),
        cmocka_unit_test(lines_of_a_passwd_file),
        cmocka_unit_test(a_changed_passwd_file_is_read_again),
        REWRITTEN(a_passwd_file_counts_when_it_is_whole),
        REWRITTEN(two_writes_at_one_time_are_both_seen),
        REWRITTEN(who_has_another_password_is_told),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
