/*
 * test_reader_wipe.c - of a command, which may be a LOGIN, nothing stays in memory that was
 * given back: free() and realloc() look before they do.
 */
// links: imap
#include <malloc.h>

#include "imap/reader.h"
#include "lib/test.h"

#define SECRET "canary-Zq8WvR1t"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

#ifndef IS_SANITIZED
static unsigned n_left; /* blocks that went with the secret in them */
static unsigned n_seen; /* blocks that went */

void __libc_free(void *block);
void *__libc_realloc(void *block, size_t size);

static void look(const void *block)
{
    if (block == NULL)
        return;
    n_seen++;
    if (memmem(block, malloc_usable_size((void *) (uintptr_t) block), SECRET, strlen(SECRET)) !=
        NULL)
        n_left++;
}

void free(void *block)
{
    look(block);
    __libc_free(block);
}

void *realloc(void *block, size_t size)
{
    look(block);
    return __libc_realloc(block, size);
}
#endif

#ifdef IS_SANITIZED
static void nothing_of_a_command_stays_behind(void **state)
{
    (void) state;
    skip(); /* free() is the sanitizer's */
}
#else
static void nothing_of_a_command_stays_behind(void **state)
{
    static const struct reader_limits limits = {.line_bytes = READER_LINE_PRELOGIN_BYTES,
                                                .literal_bytes = READER_LINE_PRELOGIN_BYTES};
    struct imap_reader *reader = imap_reader_new(&limits, NULL, NULL);
    struct slice login = SLICE("a LOGIN u \"" SECRET),
                 more = SLICE("abcdefghijklmnopqrstuvwxyz");
    enum imap_read said = imap_reader_feed(reader, &login, NULL);
    unsigned seen_before = n_seen;

    (void) state;
    for (size_t len = 0; len < READER_LINE_PRELOGIN_BYTES / 2; len += more.len) {
        struct slice piece = more;

        assert_int_equal(said, READ_MORE);
        said = imap_reader_feed(reader, &piece, NULL);
    }
    more = SLICE("\"\r\n");
    assert_int_equal(imap_reader_feed(reader, &more, NULL), READ_COMMAND);
    assert_true(slice_search(imap_reader_text(reader).text, SLICE(SECRET)) <
                imap_reader_text(reader).text.len);
    imap_reader_next(reader);
    imap_reader_free(reader);
    assert_true(n_seen > seen_before);
    assert_int_equal(n_left, 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_a_command_stays_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
