/* test_base.c - the cursor, the arena, the buffer, the map, base64 and UTF-8. */
// links: base
#include "base/arena.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/log.h"
#include "base/map.h"
#include "base/scan.h"
#include "base/size.h"
#include "base/utf8.h"
#include "lib/test.h"

static void a_failed_read_leaves_the_cursor(void **state)
{
    struct scan sc = scan_of(SLICE("abc"));
    struct slice out;
    uint32_t value;

    (void) state;
    assert_false(scan_take(&sc, 4, &out));
    assert_false(scan_le32(&sc, &value));
    assert_false(scan_u32(&sc, &value));
    assert_int_equal(scan_offset(&sc), 0);
    assert_true(scan_literal_nocase(&sc, SLICE("AB")));
    assert_int_equal(scan_left(&sc), 1);
}

static void numbers_stop_at_their_maximum(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint32_t value;
    } rows[] = {
        {"0",                       true,  0         },
        {"4294967295",              true,  UINT32_MAX},
        {"4294967296",              false, 0         },
        {"99999999999999999999999", false, 0         },
        {"",                        false, 0         },
        {"-1",                      false, 0         },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct scan sc = scan_of(slice_from_str(rows[i].text));
        uint32_t value = 0;

        assert_int_equal(scan_u32(&sc, &value), rows[i].ok);
        assert_int_equal(value, rows[i].value);
    }
}

static void little_endian_fields_come_back(void **state)
{
    AUTO(buf_done) struct buf buf;
    struct scan sc;
    struct slice bytes;
    uint8_t b;
    uint16_t h;
    uint32_t w;
    uint64_t d;

    (void) state;
    buf_init(&buf, 1024);
    buf_le8(&buf, 0xfe);
    buf_le16(&buf, 0xabcd);
    buf_le32(&buf, 0xdeadbeef);
    buf_le64(&buf, 0x0123456789abcdefULL);
    buf_le_bytes(&buf, SLICE("mail"));
    sc = scan_of(buf_slice(&buf));
    assert_true(scan_le8(&sc, &b) && b == 0xfe);
    assert_true(scan_le16(&sc, &h) && h == 0xabcd);
    assert_true(scan_le32(&sc, &w) && w == 0xdeadbeef);
    assert_true(scan_le64(&sc, &d) && d == 0x0123456789abcdefULL);
    assert_false(scan_le_bytes(&sc, 3, &bytes));
    assert_true(scan_le_bytes(&sc, 4, &bytes) && slice_eq(bytes, SLICE("mail")));
    assert_true(scan_done(&sc));
}

static void numbers_are_printed_as_printf_does(void **state)
{
    uint64_t value = 0;

    (void) state;
    for (unsigned i = 0; i < 200; i++) {
        AUTO(buf_done) struct buf got = {.max = 64}, want = {.max = 64};

        buf_u64(&got, value);
        buf_printf(&want, "%llu", (unsigned long long) value);
        assert_slice_equal(buf_slice(&got), buf_slice(&want));
        /* 0, the borders of each number of digits, and what lies between */
        value = i % 3 == 0 ? value * 10 + 9 : i % 3 == 1 ? value + 1 : value * 7;
        if (i == 100)
            value = UINT64_MAX;
    }
}

static void a_full_buffer_says_so_and_keeps_what_it_has(void **state)
{
    AUTO(buf_done) struct buf buf;

    (void) state;
    buf_init(&buf, 4);
    buf_str(&buf, "abc");
    buf_str(&buf, "de");
    assert_true(buf.overflow);
    assert_true(slice_eq(buf_slice(&buf), SLICE("abc")));
}

static void an_arena_goes_back_to_its_mark(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct arena_mark mark;
    char *kept = arena_cstr(arena, SLICE("kept"));

    (void) state;
    mark = arena_mark(arena);
    for (size_t i = 0; i < 100; i++)
        memset(arena_alloc(arena, 5000), 'x', 5000);
    arena_rewind(arena, mark);
    assert_string_equal(kept, "kept");
    assert_int_equal(arena_mark(arena).total, mark.total);
    assert_null(arena_try(arena, ARENA_TEST_BYTES + 1));
}

static void the_map_finds_what_was_put_and_not_what_was_removed(void **state)
{
    AUTO(map_freep) struct map *map = map_new();
    static int values[1000];

    (void) state;
    for (uint64_t i = 0; i < COUNT(values); i++)
        assert_null(map_put(map, MAP_KEY(i), &values[i]));
    for (uint64_t i = 0; i < COUNT(values); i += 2)
        assert_ptr_equal(map_remove(map, MAP_KEY(i)), &values[i]);
    assert_int_equal(map_count(map), COUNT(values) / 2);
    for (uint64_t i = 0; i < COUNT(values); i++)
        assert_ptr_equal(map_get(map, MAP_KEY(i)), i % 2 ? &values[i] : NULL);
}

static void base64_is_strict(void **state)
{
    static const struct {
        const char *text;
        enum rc rc;
        const char *bytes;
    } rows[] = {
        {"",         RC_OK,     ""   },
        {"Zg==",     RC_OK,     "f"  },
        {"Zm8=",     RC_OK,     "fo" },
        {"Zm9v",     RC_OK,     "foo"},
        {"Zh==",     RC_SYNTAX, ""   }, /* bits behind the end are not zero */
        {"Zg=",      RC_SYNTAX, ""   },
        {"Z===",     RC_SYNTAX, ""   },
        {"Zm9v\n",   RC_SYNTAX, ""   },
        {"Zg==Zg==", RC_SYNTAX, ""   },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf out, again;

        buf_init(&out, 64);
        buf_init(&again, 64);
        assert_int_equal(base64_decode(slice_from_str(rows[i].text), &out), rows[i].rc);
        assert_true(slice_eq(buf_slice(&out), slice_from_str(rows[i].bytes)));
        base64_encode(&again, buf_slice(&out));
        if (rows[i].rc == RC_OK)
            assert_true(slice_eq(buf_slice(&again), slice_from_str(rows[i].text)));
    }
}

static void a_byte_above_ascii_is_found_wherever_it_stands(void **state)
{
    char bytes[20];

    (void) state;
    memset(bytes, 'a', sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        assert_true(utf8_is_ascii(slice_of(bytes, len)));
        for (size_t at = 0; at < len; at++) {
            bytes[at] = '\x80';
            assert_false(utf8_is_ascii(slice_of(bytes, len)));
            bytes[at] = 'a';
        }
    }
}

static void sizes_have_units(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t bytes;
    } rows[] = {
        {"0",                    true,  0                 },
        {"64k",                  true,  64 << 10          },
        {"1M",                   true,  1 << 20           },
        {"2g",                   true,  (uint64_t) 2 << 30},
        {"3T",                   true,  (uint64_t) 3 << 40},
        {"18446744073709551615", true,  UINT64_MAX        },
        {"16777216T",            false, 0                 }, /* 2^64 */
        {"",                     false, 0                 },
        {"M",                    false, 0                 },
        {"1 M",                  false, 0                 },
        {"1MM",                  false, 0                 },
        {"-1",                   false, 0                 },
        {"12Q",                  false, 0                 },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t bytes = 0;

        assert_int_equal(size_parse(slice_from_str(rows[i].text), &bytes), rows[i].ok);
        assert_int_equal(bytes, rows[i].bytes);
    }
}

static void utf8_refuses_what_rfc_3629_refuses(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"plain",              true },
        {"gr\xc3\xbc\xc3\x9f", true },
        {"\xf0\x9f\x90\x94",   true },
        {"\xc0\x80",           false}, /* not the shortest form */
        {"\xed\xa0\x80",       false}, /* surrogate */
        {"\xf4\x90\x80\x80",   false}, /* over U+10FFFF */
        {"\xe2\x82",           false},
        {"\x80",               false},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(utf8_is_valid(slice_from_str(rows[i].text)), rows[i].valid);
}

/* Each length, and both sides of where the printing goes another way. */
static void numbers_of_each_length_are_printed(void **state)
{
    uint64_t bound = 1;

    (void) state;
    for (unsigned i = 0; i <= 20; i++) {
        for (uint64_t n = bound - 1; n != bound + 2; n++) {
            AUTO(buf_done) struct buf fast, plain;
            char text[DECIMAL_MAX_BYTES + 1] = "";

            buf_init(&fast, 64);
            buf_init(&plain, 64);
            buf_u64(&fast, n); /* into an empty buffer, and into one with room */
            buf_u64(&fast, n);
            buf_printf(&plain, "%llu%llu", (unsigned long long) n, (unsigned long long) n);
            assert_slice_equal(buf_slice(&fast), buf_slice(&plain));
            *decimal_put_32(text, (uint32_t) n) = '\0';
            buf_reset(&plain);
            buf_printf(&plain, "%u", (uint32_t) n);
            assert_slice_equal(slice_from_str(text), buf_slice(&plain));
        }
        bound = i == 19 ? UINT64_MAX - 1 : bound * 10;
    }
}

static void a_number_that_does_not_fit_is_left_out(void **state)
{
    AUTO(buf_done) struct buf out;

    (void) state;
    buf_init(&out, 4);
    buf_u64(&out, 123);
    buf_u64(&out, 45);
    assert_true(out.overflow);
    assert_slice_equal(buf_slice(&out), SLICE("123"));
}

static void an_id_in_the_log_has_all_its_digits(void **state)
{
    char text[LOG_ID_BYTES];

    (void) state;
    assert_slice_equal(log_id(text, 0), SLICE("0"));
    assert_slice_equal(log_id(text, UINT64_MAX), SLICE("18446744073709551615"));
}

static int64_t asked_again(int *asked)
{
    return 10 - 20 * (*asked)++;
}

static void the_lesser_and_the_greater_ask_once(void **state)
{
    int asked = 0;

    (void) state;
    assert_int_equal(MAX(asked_again(&asked), 0), 10);
    assert_int_equal(asked, 1);
    asked = 0;
    assert_int_equal(MIN(20, MAX(asked_again(&asked), 0)), 10);
    assert_int_equal(asked, 1);
    assert_int_equal(MIN((uint8_t) 200, UINT64_MAX), 200);
    assert_int_equal(MAX(-1, (int64_t) INT32_MIN), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_read_leaves_the_cursor),
        cmocka_unit_test(numbers_stop_at_their_maximum),
        cmocka_unit_test(little_endian_fields_come_back),
        cmocka_unit_test(numbers_are_printed_as_printf_does),
        cmocka_unit_test(a_full_buffer_says_so_and_keeps_what_it_has),
        cmocka_unit_test(an_arena_goes_back_to_its_mark),
        cmocka_unit_test(the_map_finds_what_was_put_and_not_what_was_removed),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(a_byte_above_ascii_is_found_wherever_it_stands),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(utf8_refuses_what_rfc_3629_refuses),
        cmocka_unit_test(numbers_of_each_length_are_printed),
        cmocka_unit_test(a_number_that_does_not_fit_is_left_out),
        cmocka_unit_test(an_id_in_the_log_has_all_its_digits),
        cmocka_unit_test(the_lesser_and_the_greater_ask_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
