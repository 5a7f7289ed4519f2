/* test_lines.c - base64 in lines comes back from what it says, and what is not quite that does
 * not. */
// links: store_local
#include "lib/test.h"
#include "store/local/lines.h"

static enum rc read_memory(void *ctx, uint64_t offset, char *out, size_t len, struct err *err)
{
    const struct slice *bytes = ctx;

    (void) err;
    assert_true(offset + len <= bytes->len);
    memcpy(out, bytes->ptr + offset, len);
    return RC_OK;
}

static const struct {
    const char *text;
    size_t taken;
} line_rows[] = {
    {"QUJD\r\nREVG\r\n",         12},
    {"QUJD\r\nREVG",             10},
    {"QUJDREVG\r\nREVG\r\nR0hJ", 16}, /* a shorter line is the last */
    {"QUJD\r\nRA==\r\n",         12},
    {"QUJD\r\nRA==\r\nQUJD\r\n", 12},
    {"QUJD\r\nRB==\r\n",         6 }, /* unused bits are not zero */
    {"QUJD\nREVG\n",             0 }, /* LF */
    {"QUJ\r\n",                  0 },
    {"Q*JD\r\n",                 0 },
    {"\r\nQUJD\r\n",             0 },
    {"",                         0 },
};

static void lines_of_base64_come_back(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(line_rows); i++) {
        struct slice text = slice_from_str(line_rows[i].text), bytes;
        AUTO(buf_done) struct buf decoded;
        char again[64];
        uint8_t line = 0;
        size_t taken;
        struct err err;

        print_message("row %zu\n", i);
        buf_init(&decoded, 64);
        taken = lines_decode(text, &line, &decoded);
        assert_int_equal(taken, line_rows[i].taken);
        bytes = buf_slice(&decoded);
        for (size_t from = 0; from < taken; from++) {
            assert_int_equal(lines_read(read_memory, &bytes, bytes.len, line, from, again,
                                        taken - from, &err),
                             RC_OK);
            assert_memory_equal(again, text.ptr + from, taken - from);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_base64_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
