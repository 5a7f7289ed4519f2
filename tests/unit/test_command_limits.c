/* test_command_limits.c - what a command may hold is taken, and one more is refused. What a
 * command means is test_command.c's. */
// links: imap
#include "imap/command.h"
#include "lib/test.h"

static enum rc parse(const char *text, imap_parse_fn *fn)
{
    AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
    const struct imap_mode rev1 = {0};
    struct imap_text whole = {.text = slice_from_str(text)};
    struct imap_cmd cmd;
    struct err err;
    enum rc rc = imap_parse_head(&whole, rev1, arena, &cmd, &err);

    return rc ? rc : imap_parse_args(&cmd, fn, &err);
}

/* n opening parentheses, or n NOTs, around ALL. */
static enum rc nested_search(const char *open, const char *close, size_t n)
{
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, 1 << 20);
    buf_str(&text, "a SEARCH ");
    for (size_t i = 0; i < n; i++)
        buf_str(&text, open);
    buf_str(&text, "ALL");
    for (size_t i = 0; i < n; i++)
        buf_str(&text, close);
    buf_byte(&text, '\0');
    return parse(text.ptr, imap_parse_search);
}

static void search_keys_nest_to_a_limit(void **state)
{
    (void) state;
    assert_int_equal(nested_search("(", ")", SEARCH_MAX_DEPTH), RC_OK);
    assert_int_equal(nested_search("(", ")", SEARCH_MAX_DEPTH + 1), RC_LIMIT);
    assert_int_equal(nested_search("NOT ", "", SEARCH_MAX_DEPTH), RC_OK);
    assert_int_equal(nested_search("NOT ", "", SEARCH_MAX_DEPTH + 1), RC_LIMIT);
    assert_int_equal(nested_search("OR ALL ", "", 10000), RC_LIMIT);
}

/* A command of n words behind a beginning. */
static enum rc repeated(imap_parse_fn *fn, const char *begin, const char *word, size_t n,
                        const char *end)
{
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, 1 << 20);
    buf_str(&text, begin);
    for (size_t i = 0; i < n; i++)
        buf_str(&text, word);
    buf_str(&text, end);
    buf_byte(&text, '\0');
    return parse(text.ptr, fn);
}

// clang-format off
static const struct {
    imap_parse_fn *fn;
    const char *begin, *word;
    size_t n; /* so many words are taken, and one more is not */
    const char *end;
    enum rc beyond;
} counts[] = {
    {imap_parse_fetch, "a FETCH 1 (UID", " UID", FETCH_MAX_ITEMS - 1, ")", RC_LIMIT},
    {imap_parse_fetch, "a FETCH 1 BODY[1", ".1", SECTION_MAX_PARTS - 1, "]", RC_LIMIT},
    {imap_parse_fetch, "a FETCH 1 BODY[HEADER.FIELDS (x", " x", SECTION_MAX_FIELDS - 1, ")]", RC_LIMIT},
    {imap_parse_fetch, "a FETCH 1 (ANNOTATION ((/a", " /a", ANNOTATIONS_MAX - 1, ") value))", RC_LIMIT},
    {imap_parse_store, "a STORE 1 FLAGS (x", " x", IMAP_FLAGS_MAX - 1, ")", RC_LIMIT},
    {imap_parse_store, "a STORE 1 FLAGS ", "k", IMAP_KEYWORD_MAX_BYTES, "", RC_LIMIT},
    {imap_parse_setquota, "a SETQUOTA x (a 1", " b 2", SETQUOTA_MAX_RESOURCES - 1, ")", RC_LIMIT},
    {imap_parse_urlfetch, "a URLFETCH x", " x", URLS_MAX - 1, "", RC_LIMIT},
    {imap_parse_genurlauth, "a GENURLAUTH x y", " x y", URLS_MAX - 1, "", RC_LIMIT},
    {imap_parse_getmetadata, "a GETMETADATA x (/shared/a", " /shared/a", METADATA_MAX_ENTRIES - 1, ")", RC_LIMIT},
    {imap_parse_notify, "a NOTIFY SET (MAILBOXES (x", " x", FILTER_MAX_NAMES - 1, ") NONE)", RC_LIMIT},
    {imap_parse_notify, "a NOTIFY SET (INBOXES NONE)", " (SUBTREE (x) (MailboxName))", NOTIFY_MAX_GROUPS - 1, "", RC_LIMIT},
    {imap_parse_esearch, "a ESEARCH IN (PERSONAL", " SUBTREE x", ESEARCH_MAX_FILTERS - 1, ") ALL", RC_LIMIT},
    {imap_parse_esearch, "a ESEARCH IN (MAILBOXES (x", " x", FILTER_MAX_NAMES - 1, ")) ALL", RC_LIMIT},
    {imap_parse_list, "a LIST \"\" (x", " x", LIST_MAX_PATTERNS - 1, ")", RC_LIMIT},
    {imap_parse_enable, "a ENABLE", " X", ENABLE_MAX_CAPABILITIES, "", RC_LIMIT},
    {imap_parse_id, "a ID (\"a\" NIL", " \"a\" NIL", ID_MAX_FIELDS - 1, ")", RC_SYNTAX},
    {imap_parse_search, "a SEARCH ALL", " ALL", SEARCH_MAX_KEYS - 2, "", RC_LIMIT},
};
// clang-format on

static void counts_have_limits(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        for (size_t more = 0; more <= 1; more++) {
            enum rc rc = repeated(counts[i].fn, counts[i].begin, counts[i].word,
                                  counts[i].n + more, counts[i].end);

            if (rc != (more == 0 ? RC_OK : counts[i].beyond))
                fail_msg("%s, %zu times%s: %s", counts[i].begin, counts[i].n + more,
                         counts[i].word, rc_name(rc));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_keys_nest_to_a_limit),
        cmocka_unit_test(counts_have_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
