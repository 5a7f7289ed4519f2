/* test_breached.c - the list of stolen passwords, and what a new account password must be like.
 */
// links: auth
#include <openssl/sha.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/admin.h"
#include "auth/breached.h"
#include "auth/password_rules.h"
#include "base/buf.h"
#include "lib/test.h"

#define N_WORDS    600u
#define LINE_BYTES 64u

struct list {
    char path[48];
    char lines[N_WORDS][LINE_BYTES];
    size_t n;
};

/* "word17", whose count is 18 */
static struct slice word(char room[32], size_t i)
{
    (void) snprintf(room, 32, "word%zu", i);
    return slice_from_str(room);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, 40);
}

static void hash_line(struct slice text, uint64_t count, char out[LINE_BYTES])
{
    unsigned char hash[20];

    (void) SHA1((const unsigned char *) text.ptr, text.len, hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        (void) snprintf(out + 2 * i, 3, "%02X", hash[i]);
    (void) snprintf(out + 40, LINE_BYTES - 40, ":%llu", (unsigned long long) count);
}

static struct list *list_make(size_t n)
{
    struct list *list = xcalloc(1, sizeof(*list));
    char room[32];
    int fd;

    (void) snprintf(list->path, sizeof(list->path), "/tmp/roost-test-breached-XXXXXX");
    fd = mkstemp(list->path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    list->n = n;
    for (size_t i = 0; i < n; i++)
        hash_line(word(room, i), i + 1, list->lines[i]);
    qsort(list->lines, n, LINE_BYTES, compare);
    return list;
}

static void list_write(const struct list *list, const char *end, const char *last_end)
{
    FILE *file = fopen(list->path, "w");

    assert_non_null(file);
    for (size_t i = 0; i < list->n; i++)
        assert_true(fprintf(file, "%s%s", list->lines[i], i + 1 < list->n ? end : last_end) >
                    0);
    assert_int_equal(fclose(file), 0);
}

static void list_drop(struct list *list)
{
    assert_int_equal(unlink(list->path), 0);
    free(list);
}

static uint64_t find(const struct list *list, struct slice password)
{
    uint64_t count = 99999999;
    struct err err;

    if (breached_find(list->path, password, &count, &err) != RC_OK)
        fail_msg("%s", err.detail);
    return count;
}

static void every_line_is_found_and_nothing_else(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 100, N_WORDS};
    static const char *const ends[][2] = {
        {"\n",   "\n"  },
        {"\r\n", "\r\n"},
        {"\r\n", ""    }
    };
    char room[32];

    (void) state;
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct list *list = list_make(sizes[s]);

        for (size_t e = 0; e < COUNT(ends); e++) {
            list_write(list, ends[e][0], ends[e][1]);
            for (size_t i = 0; i < sizes[s]; i++)
                assert_int_equal(find(list, word(room, i)), i + 1);
            for (size_t i = sizes[s]; i < sizes[s] + 100; i++)
                assert_int_equal(find(list, word(room, i)), 0);
        }
        list_drop(list);
    }
}

static void the_longest_count_is_read(void **state)
{
    struct list *list = list_make(3);

    (void) state;
    for (size_t i = 0; i < 3; i++)
        (void) snprintf(list->lines[i] + 40, LINE_BYTES - 40, ":18446744073709551615");
    list_write(list, "\r\n", "\r\n");
    assert_true(find(list, SLICE("word1")) == UINT64_MAX);
    assert_int_equal(find(list, SLICE("absent")), 0);
    list_drop(list);
}

static void refuse(const struct list *list, enum rc rc)
{
    uint64_t count = 7;
    struct err err;

    assert_int_equal(breached_find(list->path, SLICE("word5"), &count, &err), rc);
    assert_int_equal(count, 7);
    assert_true(strlen(err.detail) > 0);
}

static void write_text(const struct list *list, const char *text)
{
    FILE *file = fopen(list->path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void a_list_that_is_none_is_said_to_be(void **state)
{
    struct list *list = list_make(N_WORDS);
    char room[LINE_BYTES];
    uint64_t count;

    (void) state;
    assert_int_equal(breached_find("/nonexistent/list", SLICE("x"), &count, NULL),
                     RC_NOT_FOUND);
    assert_int_equal(breached_find("/tmp", SLICE("x"), &count, NULL), RC_CORRUPT);
    write_text(list, "");
    refuse(list, RC_CORRUPT);
    write_text(list, "password\n123456\n");
    refuse(list, RC_CORRUPT);
    write_text(list, "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8\n");
    refuse(list, RC_CORRUPT);
    write_text(list, "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:1 \n");
    refuse(list, RC_CORRUPT);
    write_text(list, "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:99999999999999999999999\n");
    refuse(list, RC_CORRUPT);
    for (size_t i = 0; i < N_WORDS / 2; i++) { /* the other way round */
        memcpy(room, list->lines[i], LINE_BYTES);
        memcpy(list->lines[i], list->lines[N_WORDS - 1 - i], LINE_BYTES);
        memcpy(list->lines[N_WORDS - 1 - i], room, LINE_BYTES);
    }
    list_write(list, "\n", "\n");
    refuse(list, RC_CORRUPT);
    qsort(list->lines, N_WORDS, LINE_BYTES, compare);
    for (size_t i = 0; i + 1 < N_WORDS; i += 2) { /* by count, say: no order at all */
        memcpy(room, list->lines[i], LINE_BYTES);
        memcpy(list->lines[i], list->lines[(i * 7919) % N_WORDS], LINE_BYTES);
        memcpy(list->lines[(i * 7919) % N_WORDS], room, LINE_BYTES);
    }
    list_write(list, "\n", "\n");
    refuse(list, RC_CORRUPT);
    list_drop(list);
}

static void what_a_new_password_must_be_like(void **state)
{
    static const struct {
        const char *secret;
        enum rc rc;
        const char *text;
    } rows[] = {
        {"elevenchars",                                      RC_INVALID, "short"  },
        {"twelve chars",                                     RC_OK,      ""       },
        {"",                                                 RC_INVALID, "short"  },
        {"\xc3\xa4\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa4", RC_INVALID,
         "short"                                                                  }, /* six, not twelve */
        {"aaaaaaaaaaaaaaaaaaa",                              RC_INVALID, "guessed"},
        {"Annamaria-Longname",                               RC_INVALID, "guessed"},
        {"annamaria-longname@EXAMPLE.org",                   RC_INVALID, "guessed"},
        {"annamaria-longname1",                              RC_OK,      ""       },
        {"stolen password",                                  RC_INVALID, "stolen" },
    };
    struct list *list = list_make(3);
    const struct password_rules rules = {.min_chars = 12, .breached = list->path},
                                none = {.min_chars = 8, .breached = ""},
                                gone = {.min_chars = 8, .breached = "/nonexistent/list"};

    (void) state;
    hash_line(SLICE("stolen password"), 17, list->lines[0]);
    qsort(list->lines, 3, LINE_BYTES, compare);
    list_write(list, "\r\n", "\r\n");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {.text = ""};

        print_message("%s\n", rows[i].secret);
        assert_int_equal(password_rules_check(&rules, SLICE("annamaria-longname@example.org"),
                                              slice_from_str(rows[i].secret), &err),
                         rows[i].rc);
        assert_non_null(strstr(err.text, rows[i].text));
    }
    assert_int_equal(password_rules_check(&none, SLICE("anna"), SLICE("stolen password"), NULL),
                     RC_OK);
    assert_int_equal(password_rules_check(&gone, SLICE("anna"), SLICE("stolen password"), NULL),
                     RC_NOT_FOUND);
    list_drop(list);
}

static void a_hash_that_costs_too_little_is_weak(void **state)
{
#define SALT_HASH "$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    static const struct {
        const char *text;
        bool weak;
    } rows[] = {
        {"{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1" SALT_HASH,    false},
        {"{ARGON2ID}$argon2id$v=19$m=1048576,t=64,p=1" SALT_HASH, false},
        {"{ARGON2ID}$argon2id$v=19$m=65535,t=2,p=1" SALT_HASH,    true },
        {"{ARGON2ID}$argon2id$v=19$m=65536,t=1,p=1" SALT_HASH,    true },
        {"{ARGON2ID}$argon2id$v=19$m=8,t=64,p=1" SALT_HASH,       true },
        {"{SHA512-CRYPT}$6$salt$hash",                            false},
    };
    AUTO(buf_done) struct buf ours = {.max = PASSWORD_HASH_MAX_BYTES};
    struct password_hash hash;

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("%s\n", rows[i].text);
        assert_int_equal(password_hash_parse(slice_from_str(rows[i].text), &hash, NULL), RC_OK);
        assert_int_equal(password_hash_is_weak(&hash), rows[i].weak);
        assert_int_equal(password_hash_is_old(&hash), rows[i].weak || i == COUNT(rows) - 1);
    }
    assert_int_equal(auth_init(NULL), RC_OK);
    assert_int_equal(password_hash_make(SLICE("x"), &ours, NULL), RC_OK);
    assert_int_equal(password_hash_parse(buf_slice(&ours), &hash, NULL), RC_OK);
    assert_false(password_hash_is_weak(&hash));
    assert_false(password_hash_is_old(&hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_found_and_nothing_else),
        cmocka_unit_test(the_longest_count_is_read),
        cmocka_unit_test(a_list_that_is_none_is_said_to_be),
        cmocka_unit_test(what_a_new_password_must_be_like),
        cmocka_unit_test(a_hash_that_costs_too_little_is_weak),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
