/*
 * test_mime_linear.c - work grows with the bytes and no faster, whatever they are.
 *
 * Counted, not timed: this program is built from mime/ and base/ with
 * -fsanitize-coverage=trace-pc, so that each basic block run is a step; bytes that memchr,
 * memcmp, memcpy and memmove go over count as steps of sixteen. Twice the input may take 2.2
 * times the steps. Bytes are those of the message, and of the substitute that is made of it.
 */
// links: mime_steps
#include <string.h>

#include "lib/test.h"
#include "mime/digest.h"
#include "mime/text.h"

#define SMALL_BYTES    ((size_t) 128 << 10)
#define STEPS_PER_BYTE 500u
#define BYTES_PER_STEP 16u

void __sanitizer_cov_trace_pc(void);
void *__real_memchr(const void *s, int c, size_t n);
int __real_memcmp(const void *a, const void *b, size_t n);
void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__wrap_memchr(const void *s, int c, size_t n);
int __wrap_memcmp(const void *a, const void *b, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);

static uint64_t steps;

void __sanitizer_cov_trace_pc(void)
{
    steps++;
}

void *__wrap_memchr(const void *s, int c, size_t n)
{
    void *found = __real_memchr(s, c, n);

    steps +=
        (found != NULL ? (size_t) ((char *) found - (const char *) s) : n) / BYTES_PER_STEP;
    return found;
}

int __wrap_memcmp(const void *a, const void *b, size_t n)
{
    steps += n / BYTES_PER_STEP;
    return __real_memcmp(a, b, n);
}

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
    steps += n / BYTES_PER_STEP;
    return __real_memcpy(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
    steps += n / BYTES_PER_STEP;
    return __real_memmove(to, from, n);
}

/* A message: head, then `again` until it is long enough, then tail. */
// clang-format off
static const struct {
    const char *what, *head, *again, *tail;
} shapes[] = {
    {"address fields", "", "To: a@b\r\n", "\r\n"},
    {"addresses", "To: a@b", ",a@b", "\r\n\r\n"},
    {"commas", "To: ", ",", "\r\n\r\n"},
    {"open quotes", "To: ", "\"a,", "\r\n\r\n"},
    {"open quotes, escaped", "To: ", "\"\\", "\r\n\r\n"},
    {"open comments", "To: ", "(a,", "\r\n\r\n"},
    {"open brackets", "To: ", "<a", "\r\n\r\n"},
    {"groups", "To: ", "a:", "\r\n\r\n"},
    {"at signs", "To: ", "@", "\r\n\r\n"},
    {"domain literals", "To: ", "a@[b:c],", "\r\n\r\n"},
    {"open domain literals", "To: ", "@[a", "\r\n\r\n"},
    {"folds", "Subject: a", "\r\n ", "\r\n\r\n"},
    {"header lines", "", "a:\r\n", "\r\n"},
    {"header lines without colon", "", "a\r\n", "\r\n"},
    {"one header line", "a: ", "b", ""},
    {"bare CR", "", "a: b\r", ""},
    {"word starts", "Subject: ", "=?a?q?", "\r\n\r\n"},
    {"word starts with an end", "Subject: ", "=?no?q?", "?=\r\n\r\n"},
    {"words", "Subject: ", "=?utf-8?q?a?= ", "\r\n\r\n"},
    {"words of changing charset", "Subject: ", "=?utf-8?q?a?= =?koi8-r?q?b?= ", "\r\n\r\n"},
    {"equal signs", "Subject: ", "=", "\r\n\r\n"},
    {"blobs", "Subject: ", "[a]", "\r\n\r\n"},
    {"open blobs", "Subject: ", "[", "\r\n\r\n"},
    {"replies", "Subject: ", "re:", "\r\n\r\n"},
    {"replies with blobs", "Subject: ", "re[a]:[b]", "\r\n\r\n"},
    {"forwards", "Subject: ", "[fwd:", "]]]]\r\n\r\n"},
    {"forwards of replies", "Subject: [fwd:", "re:[a]", "]\r\n\r\n"},
    {"trailers", "Subject: a", "(fwd) ", "\r\n\r\n"},
    {"references", "References: ", "<a@b>", "\r\n\r\n"},
    {"open references", "References: ", "<", "\r\n\r\n"},
    {"parameters", "Content-Type: text/plain", ";a=b", "\r\n\r\n"},
    {"parameters without semicolon", "Content-Type: text/plain", " a=b", "\r\n\r\n"},
    {"continued parameters", "Content-Type: text/plain", "; name*1*=b", "\r\n\r\n"},
    {"open parameter comments", "Content-Type: text/plain; a=", "(", "\r\n\r\n"},
    {"languages", "Content-Language: ", "a,", "\r\n\r\n"},
    {"dates", "Date: ", "1 ", "\r\n\r\n"},
    {"dates with comments", "Date: ", "1(a)", "\r\n\r\n"},
    {"dates with open comments", "Date: ", "1(", "\r\n\r\n"},
    {"open comments before an encoding", "Content-Transfer-Encoding: ", "(", "\r\n\r\n"},
    {"dashes", "Content-Type: multipart/mixed; boundary=-\r\n\r\n", "--\r\n", ""},
    {"near delimiters", "Content-Type: multipart/mixed; boundary=a\r\n\r\n", "--aa\r\n", ""},
    {"parts", "Content-Type: multipart/mixed; boundary=a\r\n\r\n", "--a\r\n\r\nx\r\n", ""},
    {"messages in messages", "", "Content-Type: message/rfc822\r\n\r\n", "x"},
    {"parts in parts", "", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n", "x"},
    {"base64", "Content-Transfer-Encoding: base64\r\n\r\n", "YWJj\r\n", ""},
    {"base64 padding", "Content-Transfer-Encoding: base64\r\n\r\n", "=", ""},
    {"quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=C3=A4 =\r\n", ""},
    {"quoted-printable spaces", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", " ", "x"},
    {"quoted-printable equals", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "= ", "x"},
    {"uuencode", "Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 6 x\r\n", "#86)C\r\n", ""},
    {"tags", "Content-Type: text/html\r\n\r\n", "<a b='c'>d", ""},
    {"open tags", "Content-Type: text/html\r\n\r\n", "<", ""},
    {"open comments", "Content-Type: text/html\r\n\r\n", "<!--", ""},
    {"references to characters", "Content-Type: text/html\r\n\r\n", "&amp", ""},
    {"long references", "Content-Type: text/html\r\n\r\n&", "a", ""},
    {"UTF-8 addresses", "To: ", "\xc3\xa4@b,", "\r\n\r\n"},
    {"a UTF-8 address among others", "To: \xc3\xa4", ",\"a\"", "\r\n\r\n"},
    {"UTF-8 groups", "To: ", "\xc3\xa4:", "\r\n\r\n"},
    {"UTF-8 quotes", "To: \xc3\xa4", "\"\\", "\r\n\r\n"},
    {"UTF-8 subject", "Subject: ", "\xc3\xa4", "\r\n\r\n"},
    {"UTF-8 fields", "", "Subject: \xc3\xa4\r\nA: b\r\n", "\r\n"},
    {"UTF-8 lines", "", "\xc3\xa4\r\n", "\r\n"},
    {"UTF-8 parameters", "Content-Type: text/plain", ";a=\xc3\xa4;b=c", "\r\n\r\n"},
    {"parts with UTF-8", "Content-Type: multipart/mixed; boundary=a\r\n\r\n", "--a\r\nX: \xc3\xa4\r\n\r\nx\r\n", ""},
    {"messages with UTF-8", "", "X: \xc3\xa4\r\nContent-Type: message/global\r\n\r\n", "x"},
    {"8-bit text", "\r\n", "\xe4\xff", ""},
    {"UTF-8 text", "\r\n", "\xc3\xa4 ", ""},
    {"invisible text", "\r\n", "\xe2\x80\x8b", ""},
    {"quoted text", "\r\n", "> a\r\n", ""},
};
// clang-format on

static void compose(size_t shape, size_t len, struct buf *out)
{
    buf_reset(out);
    buf_str(out, shapes[shape].head);
    while (out->len < len)
        buf_str(out, shapes[shape].again);
    buf_str(out, shapes[shape].tail);
}

/* Of the message and its substitute. */
static size_t bytes_of(struct slice table)
{
    struct digest_substitute substitute;
    struct digest digest, shown;
    struct err err;
    size_t bytes;

    assert_int_equal(digest_open(table, &digest, &err), RC_OK);
    bytes = digest.message_size;
    if (digest_get_substitute(&digest, &substitute) &&
        digest_open_substitute(&substitute, &shown, &err) == RC_OK)
        bytes += shown.message_size;
    return bytes;
}

static uint64_t steps_to_build(struct slice msg, size_t *out_bytes)
{
    AUTO(buf_done) struct buf table = {0};
    uint64_t taken;

    buf_init(&table, DIGEST_MAX_BYTES);
    steps = 0;
    digest_build(msg, &table);
    taken = steps;
    *out_bytes = bytes_of(buf_slice(&table));
    return taken;
}

static void twice_the_message_is_twice_the_work(void **state)
{
    AUTO(buf_done) struct buf msg = {0};

    (void) state;
    buf_init(&msg, 8 * SMALL_BYTES);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        uint64_t once, twice;
        size_t bytes, ignored;

        compose(i, SMALL_BYTES, &msg);
        once = steps_to_build(buf_slice(&msg), &bytes);
        compose(i, 2 * SMALL_BYTES, &msg);
        twice = steps_to_build(buf_slice(&msg), &ignored);
        print_message("%s: %llu, %llu steps\n", shapes[i].what, (unsigned long long) once,
                      (unsigned long long) twice);
        assert_true(once / bytes < STEPS_PER_BYTE);
        assert_true(twice * 10 <= once * 22);
    }
}

static void casemap_is_linear(void **state)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf out = {0};
    uint64_t once;

    (void) state;
    buf_init(&text, 8 * SMALL_BYTES);
    buf_init(&out, 64 * SMALL_BYTES);
    while (text.len < SMALL_BYTES)
        buf_str(&text, "a\xc3\xa4\xff");
    steps = 0;
    mime_casemap(buf_slice(&text), &out);
    once = steps;
    while (text.len < 2 * SMALL_BYTES)
        buf_str(&text, "a\xc3\xa4\xff");
    buf_reset(&out);
    steps = 0;
    mime_casemap(buf_slice(&text), &out);
    assert_true(steps * 10 <= once * 22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twice_the_message_is_twice_the_work),
        cmocka_unit_test(casemap_is_linear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
