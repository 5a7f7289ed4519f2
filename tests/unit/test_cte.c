/* test_cte.c - transfer encodings, whole, in steps, and damaged. */
// links: mime
#include <string.h>

#include "lib/test.h"
#include "mime/cte.h"

static const struct {
    enum digest_encoding encoding;
    const char *text, *bytes;
    bool sound;
} rows[] = {
    {DIGEST_CTE_IDENTITY, "a=41\r\n",                                       "a=41\r\n", true },
    {DIGEST_CTE_BASE64,   "YWJj",                                           "abc",      true },
    {DIGEST_CTE_BASE64,   "YW\r\nJj\r\n",                                   "abc",      true },
    {DIGEST_CTE_BASE64,   "YQ==",                                           "a",        true },
    {DIGEST_CTE_BASE64,   "YQ",                                             "a",        true }, /* no padding */
    {DIGEST_CTE_BASE64,   "YWI=YWI=",                                       "abab",     false},
    {DIGEST_CTE_BASE64,   "YW!Jj",                                          "abc",      false},
    {DIGEST_CTE_BASE64,   "YWJjY",                                          "abc",      false},
    {DIGEST_CTE_BASE64,   "",                                               "",         true },
    {DIGEST_CTE_QP,       "a=3Db=3d",                                       "a=b=",     true },
    {DIGEST_CTE_QP,       "a=\r\nb",                                        "ab",       true },
    {DIGEST_CTE_QP,       "a= \t\r\nb",                                     "ab",       true },
    {DIGEST_CTE_QP,       "a=\nb",                                          "ab",       true },
    {DIGEST_CTE_QP,       "a \t\r\nb ",                                     "a\r\nb",   true },
    {DIGEST_CTE_QP,       "a  b",                                           "a  b",     true },
    {DIGEST_CTE_QP,       "a=",                                             "a",        true },
    {DIGEST_CTE_QP,       "a=4",                                            "a=4",      false},
    {DIGEST_CTE_QP,       "a=XYb",                                          "a=XYb",    false},
    {DIGEST_CTE_UUENCODE, "x\r\nbegin 644 f\r\n#86)C\r\n`\r\nend\r\ny\r\n", "abc",      true },
    {DIGEST_CTE_UNKNOWN,  "as is",                                          "as is",    false},
};

static void rows_of_encodings(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf out = {0};
        struct slice text = slice_from_str(rows[i].text);
        bool damaged;

        buf_init(&out, 4096);
        print_message("%s\n", rows[i].text);
        assert_int_equal(cte_decode(rows[i].encoding, text, &out), rows[i].sound);
        assert_slice_equal(buf_slice(&out), slice_from_str(rows[i].bytes));
        assert_int_equal(cte_decoded_size(rows[i].encoding, text, &damaged), out.len);
        assert_int_equal(damaged, !rows[i].sound);
    }
}

static void long_text_decodes_across_steps(void **state)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf out = {0};

    (void) state;
    buf_init(&text, (size_t) 1 << 20);
    buf_init(&out, (size_t) 1 << 20);
    for (int i = 0; i < 20000; i++)
        buf_str(&text, i % 3 == 0 ? "=41 =\r\n" : "b   c");
    assert_true(cte_decode(DIGEST_CTE_QP, buf_slice(&text), &out));
    assert_int_equal(out.len, 6667 * 2 + 13333 * 5);
    assert_slice_equal(slice_sub(buf_slice(&out), 0, 14), SLICE("A b   cb   cA "));
}

static void names_of_encodings(void **state)
{
    (void) state;
    assert_int_equal(cte_from_field(SLICE(" BASE64\r\n")), DIGEST_CTE_BASE64);
    assert_int_equal(cte_from_field(SLICE("Quoted-Printable (c)")), DIGEST_CTE_QP);
    assert_int_equal(cte_from_field(SLICE("\"7bit\"")), DIGEST_CTE_IDENTITY);
    assert_int_equal(cte_from_field(SLICE("(a (b)) base64")), DIGEST_CTE_BASE64);
    assert_int_equal(cte_from_field(SLICE("")), DIGEST_CTE_IDENTITY);
    assert_int_equal(cte_from_field(SLICE("x-yenc")), DIGEST_CTE_UNKNOWN);
    assert_int_equal(cte_from_field(SLICE(";;")), DIGEST_CTE_UNKNOWN);
    assert_slice_equal(cte_name(SLICE(" (a) Base64\r\n (b)")), SLICE("Base64"));
    assert_slice_equal(cte_name(SLICE("\"7bit\"")), SLICE("7bit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_encodings),
        cmocka_unit_test(long_text_decodes_across_steps),
        cmocka_unit_test(names_of_encodings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
