/*
 * test_thread_bombs.c - 100,000 messages that answer each other in chains, cycles and worse are
 * threaded and printed in time that grows with them, and on a small stack.
 *
 * Counted, not timed: the folder's files for THREAD are built once more with
 * -fsanitize-coverage=trace-pc, so that each basic block run is a step. Twice the messages may
 * take 2.3 times the steps: there is a sort and a forest, of n log n.
 */
// links: thread_steps
#include <pthread.h>

#include "lib/test.h"
#include "search/sort_keys.h"
#include "search/threading.h"

#define MANY        100000u
#define SOME        30000u /* where nothing is deep */
#define STACK_BYTES ((size_t) 256 << 10)
#define MAIL_BYTES  ((size_t) 256 << 10)
#define TEXT_BYTES  ((size_t) 16 << 20)
#define GROWTH_MAX  2.3
#define LONG_LIST   64u /* ids in each References of the widest shape */

void __sanitizer_cov_trace_pc(void);

static uint64_t steps; /* of the one thread that counts at a time */

void __sanitizer_cov_trace_pc(void)
{
    steps++;
}

/* ---- shapes: message i of n answers ---- */

static void put_id(struct buf *out, uint32_t i)
{
    buf_printf(out, " <%u@x>", i);
}

static void chain(struct buf *out, uint32_t i, uint32_t n)
{
    (void) n;
    if (i > 0)
        put_id(out, i - 1);
}

static void chain_backwards(struct buf *out, uint32_t i, uint32_t n)
{
    if (i + 1 < n)
        put_id(out, i + 1);
}

static void cycle(struct buf *out, uint32_t i, uint32_t n)
{
    put_id(out, (i + 1) % n);
}

static void cycles_of_two(struct buf *out, uint32_t i, uint32_t n)
{
    (void) n;
    put_id(out, i ^ 1);
}

static void all_of_one(struct buf *out, uint32_t i, uint32_t n)
{
    (void) i;
    put_id(out, n + 1); /* which is not there */
}

static void chain_of_the_missing(struct buf *out, uint32_t i, uint32_t n)
{
    put_id(out, n + 2 * i);
    put_id(out, n + 2 * i + 1);
    put_id(out, n + 2 * i + 2);
}

/* Each list contradicts the one before: who is above whom changes all the time. */
static void lists_that_disagree(struct buf *out, uint32_t i, uint32_t n)
{
    for (uint32_t k = 0; k < LONG_LIST; k++)
        put_id(out, (i % 2 == 0 ? i + k : i + n - k) % n);
}

static void nobody(struct buf *out, uint32_t i, uint32_t n)
{
    (void) out;
    (void) i;
    (void) n;
}

static const struct {
    const char *what, *subject;
    void (*answers)(struct buf *out, uint32_t i, uint32_t n);
    uint32_t n;
    const char *begins; /* how REFS prints it, where that is simple */
} shapes[] = {
    {"a chain",                      "s",        chain,                MANY,     "(1 2 3 4 "   },
    {"a chain, youngest first",      "s",        chain_backwards,      MANY,     NULL          },
    {"a cycle",                      "s",        cycle,                MANY,     NULL          },
    {"cycles of two",                "s",        cycles_of_two,        SOME,     "(2 1)(4 3)"  },
    {"all answer what is not there", "s",        all_of_one,           SOME,     "((1)(2)(3)"  },
    {"a chain of the missing",       "",         chain_of_the_missing, MANY,     NULL          },
    {"lists that disagree",          "s",        lists_that_disagree,  SOME / 3, NULL          },
    {"one subject",                  "s",        nobody,               SOME,     "(1)(2)(3)(4)"},
    {"replies alone",                "Re: s",    nobody,               SOME,     NULL          },
    {"no subjects",                  "Re: Fwd:", nobody,               SOME,     NULL          },
};

/* ---- rows without a mailbox ---- */

struct rows {
    struct sort_keys keys;
    struct key_segment *segment;
    uint32_t text_base[2];
    struct key_place *places;
    int64_t *times;
    uint32_t *sizes;
    struct key_rows rows;
};

static void make_rows(struct rows *rows, size_t shape, uint32_t n)
{
    AUTO(buf_done) struct buf mail = {.max = MAIL_BYTES}, table = {.max = DIGEST_MAX_BYTES};
    struct key_maker maker;

    *rows = (struct rows){.segment = NULL};
    rows->places = xcalloc(n, sizeof(*rows->places));
    rows->times = xcalloc(n, sizeof(*rows->times));
    rows->sizes = xcalloc(n, sizeof(*rows->sizes));
    key_maker_start(&maker, n, 1);
    for (uint32_t i = 0; i < n; i++) {
        struct digest digest;
        struct err err;

        buf_reset(&mail);
        buf_reset(&table);
        buf_printf(&mail,
                   "Subject: %s\r\nMessage-ID: <%u@x>\r\nReferences:", shapes[shape].subject,
                   i);
        shapes[shape].answers(&mail, i, n);
        buf_str(&mail, "\r\n\r\n");
        digest_build(buf_slice(&mail), &table);
        assert_int_equal(digest_open(buf_slice(&table), &digest, &err), RC_OK);
        key_maker_set(&maker, i, i + 1, &digest);
        rows->places[i] = (struct key_place){0, i};
        rows->times[i] = (int64_t) i;
    }
    rows->segment = key_maker_finish(&maker, n);
    key_maker_done(&maker);
    rows->keys = (struct sort_keys){.seed = 1,
                                    .segments = &rows->segment,
                                    .n_segments = 1,
                                    .n_rows = n,
                                    .text_base = rows->text_base,
                                    .n_texts = rows->segment->n_texts};
    rows->rows = (struct key_rows){.n = n,
                                   .keys = &rows->keys,
                                   .places = rows->places,
                                   .sent = rows->times,
                                   .arrival = rows->times,
                                   .size = rows->sizes};
}

static void free_rows(struct rows *rows)
{
    key_segment_unref(rows->segment);
    free(rows->places);
    free(rows->times);
    free(rows->sizes);
}

/* ---- threads ---- */

struct job {
    enum threading how;
    const struct key_rows *rows;
    struct buf text;
    uint64_t steps;
};

static void *thread_them(void *ctx)
{
    struct job *job = ctx;
    uint32_t *numbers = xcalloc(job->rows->n, sizeof(*numbers));
    struct thread_tree tree;

    for (uint32_t i = 0; i < job->rows->n; i++)
        numbers[i] = i + 1;
    steps = 0;
    thread_make(job->how, job->rows, &tree);
    thread_print(&tree, numbers, &job->text);
    job->steps = steps;
    thread_tree_done(&tree);
    free(numbers);
    return NULL;
}

/* On a stack where recursion as deep as the threads has no room. */
static void run(struct job *job)
{
    pthread_attr_t attr;
    pthread_t thread;

    buf_init(&job->text, TEXT_BYTES);
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attr, thread_them, job), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void) pthread_attr_destroy(&attr);
}

/* Each message once, and every list that begins ends. */
static void check_text(const char *what, struct slice text, uint32_t n)
{
    AUTO(freep) bool *seen = xcalloc((size_t) n + 1, sizeof(*seen));
    struct scan sc = scan_of(text);
    uint32_t depth = 0, found = 0, number;

    while (!scan_done(&sc)) {
        if (scan_byte(&sc, '(')) {
            depth++;
        } else if (scan_byte(&sc, ')')) {
            assert_true(depth-- > 0);
        } else if (!scan_byte(&sc, ' ')) {
            if (!scan_u32(&sc, &number) || number == 0 || number > n || seen[number])
                fail_msg("%s: at %zu of %.*s", what, scan_offset(&sc),
                         (int) MIN(text.len, 200u), text.ptr);
            seen[number] = true;
            found++;
        }
    }
    assert_int_equal(depth, 0);
    assert_int_equal(found, n);
}

/* What was made of the texts and ids is made anew by each. */
static void forget(struct rows *rows)
{
    free(atomic_exchange(&rows->keys.ranks, NULL));
    free(atomic_exchange(&rows->keys.ids, NULL));
}

static const enum threading ways[] = {THREADING_ORDEREDSUBJECT, THREADING_REFERENCES,
                                      THREADING_REFS};

static void count_steps(size_t shape, uint32_t n, uint64_t *out)
{
    struct rows rows;

    make_rows(&rows, shape, n);
    for (size_t way = 0; way < COUNT(ways); way++) {
        struct job job = {.how = ways[way], .rows = &rows.rows};

        run(&job);
        assert_false(job.text.overflow);
        check_text(shapes[shape].what, buf_slice(&job.text), n);
        if (ways[way] == THREADING_REFS && shapes[shape].begins != NULL) {
            struct slice begins = slice_from_str(shapes[shape].begins);

            assert_slice_equal(slice_sub(buf_slice(&job.text), 0, begins.len), begins);
        }
        buf_done(&job.text);
        out[way] = job.steps;
        forget(&rows);
    }
    free_rows(&rows);
}

static void bombs_take_linear_time_and_little_stack(void **state)
{
    (void) state;
    for (size_t shape = 0; shape < COUNT(shapes); shape++) {
        uint64_t half[COUNT(ways)], whole[COUNT(ways)];

        count_steps(shape, shapes[shape].n / 2, half);
        count_steps(shape, shapes[shape].n, whole);
        for (size_t way = 0; way < COUNT(ways); way++)
            if ((double) whole[way] > GROWTH_MAX * (double) half[way])
                fail_msg("%s, way %zu: %llu steps, then %llu", shapes[shape].what, way,
                         (unsigned long long) half[way], (unsigned long long) whole[way]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bombs_take_linear_time_and_little_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
