/* test_postings.c - ascending numbers go in and come out, and other bytes do no harm. */
// links: search
#include "lib/test.h"
#include "search/bits.h"
#include "search/postings.h"

#define NUMBERS_MAX 60000u

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (seed >> 33) % below;
}

static void check(const uint32_t *numbers, uint32_t n, uint32_t below)
{
    AUTO(freep) uint32_t *got = xcalloc(n + 1u, sizeof(*got));
    AUTO(freep) uint64_t *bits = xcalloc(BITS_WORDS(below) + 1, sizeof(*bits));
    AUTO(buf_done) struct buf out;

    buf_init(&out, 64u << 20);
    postings_encode(numbers, n, &out);
    assert_true(postings_decode(buf_slice(&out), n, below, got));
    assert_memory_equal(got, numbers, n * sizeof(*got));
    assert_true(postings_decode_bits(buf_slice(&out), n, below, bits));
    assert_int_equal(bits_count(bits, BITS_WORDS(below)), n);
    for (uint32_t i = 0; i < n; i++)
        assert_true(bit_is_set(bits, numbers[i]));
    if (n > 0) {
        assert_false(postings_decode(buf_slice(&out), n, numbers[n - 1], got));
        assert_false(
            postings_decode(slice_sub(buf_slice(&out), 0, out.len - 1), n, below, got));
        buf_byte(&out, 0);
        assert_false(postings_decode(buf_slice(&out), n, below, got));
    }
}

static void lists_come_back(void **state)
{
    static const struct {
        uint32_t below, one_in;
    } rows[] = {
        {1,        1       },
        {2,        1       },
        {64,       1       },
        {65,       2       },
        {4096,     3       },
        {100000,   1       },
        {100000,   2       },
        {100000,   7       },
        {100000,   100     },
        {100000,   5000    },
        {1u << 20, 1u << 18},
    };
    AUTO(freep) uint32_t *numbers = xcalloc(NUMBERS_MAX, sizeof(*numbers));

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t n = 0;

        seed = i;
        for (uint64_t at = rows[i].one_in == 1 ? 0 : draw(rows[i].one_in);
             at < rows[i].below && n < NUMBERS_MAX;
             at += 1u + (rows[i].one_in == 1 ? 0 : draw(2 * rows[i].one_in)))
            numbers[n++] = (uint32_t) at;
        check(numbers, n, rows[i].below);
    }
}

static void clusters_and_single_numbers(void **state)
{
    uint32_t numbers[300] = {0}, n = 0;

    (void) state;
    check(numbers, 0, 10);
    for (uint32_t at = 0; at < 100; at++)
        numbers[n++] = 1000 + at;
    numbers[n++] = 900000;
    for (uint32_t at = 0; at < 100; at++)
        numbers[n++] = 950000 + 3 * at;
    check(numbers, n, 1u << 20);
    numbers[0] = (1u << 20) - 1;
    check(numbers, 1, 1u << 20);
    numbers[0] = 0;
    check(numbers, 1, 1);
}

/* A list costs what its gaps are worth: log2 of the mean gap and two bits. */
static void sparse_lists_are_small(void **state)
{
    AUTO(freep) uint32_t *numbers = xcalloc(NUMBERS_MAX, sizeof(*numbers));
    AUTO(buf_done) struct buf out;
    uint32_t n = 0;

    (void) state;
    seed = 5;
    for (uint32_t at = draw(128); at < 100000; at += 1 + draw(128))
        numbers[n++] = at;
    buf_init(&out, 1u << 20);
    postings_encode(numbers, n, &out);
    assert_true(out.len * 8 < n * 8);
    for (n = 0; n < NUMBERS_MAX; n++)
        numbers[n] = n;
    buf_reset(&out);
    postings_encode(numbers, n, &out);
    assert_true(out.len * 8 < n + n / 8);
}

static void any_bytes_are_read_safely(void **state)
{
    char bytes[200];
    uint32_t numbers[400];

    (void) state;
    seed = 9;
    for (int round = 0; round < 20000; round++) {
        uint32_t len = draw(sizeof(bytes)), n = draw(400), below = 1 + draw(100000);

        for (uint32_t i = 0; i < len; i++)
            bytes[i] = (char) draw(round % 3 == 0 ? 4 : 256);
        if (!postings_decode(slice_of(bytes, len), n, below, numbers))
            continue;
        for (uint32_t i = 0; i < n; i++)
            assert_true(numbers[i] < below && (i == 0 || numbers[i] > numbers[i - 1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_come_back),
        cmocka_unit_test(clusters_and_single_numbers),
        cmocka_unit_test(sparse_lists_are_small),
        cmocka_unit_test(any_bytes_are_read_safely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
