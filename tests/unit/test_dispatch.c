/*
 * test_dispatch.c - the table, the dispatcher, and answers that pause: real sessions on the
 * memory engine.
 */
// links: commands store_memory
// lib: session_rig
#include "lib/session_rig.h"
#include "lib/test.h"
#include "store/memory/memory_engine.h"

#define MANY_MESSAGES  20000u
#define BIG_BODY_BYTES ((size_t) 3 << 20)
#define COMMAND_BYTES  ((size_t) 64 << 20)
#define IDLE_STRUCT_MAX                                                                        \
    512u /* of the 4 KiB that an idle session may cost with its server part */

static struct rig *new_rig(uint32_t conflict_every)
{
    const struct memory_engine_options options = {.conflict_every = conflict_every,
                                                  .no_conflict = conflict_every == 0};

    return rig_new(memory_engine_new(&options));
}

static void send_text(struct rig_session *rs, const char *text)
{
    rig_send(rs, slice_from_str(text));
}

static bool was_told(struct rig_session *rs, const char *text)
{
    struct slice output = rig_output(rs);

    return slice_search(output, slice_from_str(text)) < output.len;
}

static void forget(struct rig_session *rs)
{
    rig_take(rs, 0, rig_output(rs).len);
}

static void every_row_of_the_table_is_whole(void **state)
{
    size_t n;
    const struct command *rows = command_table(&n);

    (void) state;
    for (size_t i = 0; i < n; i++) {
        const struct command *row = &rows[i];

        assert_ptr_equal(command_find(slice_from_str(row->name)), row); /* no name twice */
        assert_non_null(row->parse);
        assert_non_null(row->run);
        assert_true(row->states != 0 && (row->states & ~(unsigned) ST_ANY) == 0);
        assert_true(row->spec[0] != '\0');
        /* What changes the selected mailbox is a write, and needs one selected. */
        if ((row->flags & CMD_CHANGES) != 0) {
            assert_true((row->flags & CMD_WRITES) != 0);
            assert_int_equal(row->states, ST_SELECTED);
        }
        /* FETCH, STORE and SEARCH never tell EXPUNGE (RFC 9051 7.5.1). */
        if (slice_eq(slice_from_str(row->name), SLICE("FETCH")) ||
            slice_eq(slice_from_str(row->name), SLICE("STORE")) ||
            slice_eq(slice_from_str(row->name), SLICE("SEARCH")))
            assert_true((row->flags & CMD_EXPUNGES) == 0);
    }
    assert_null(command_find(SLICE("FETCHES")));
    assert_ptr_equal(command_find(SLICE("fetch")), command_find(SLICE("FETCH")));
}

static void commands_with_sequence_numbers_are_recognised(void **state)
{
    static const struct {
        const char *text;
        bool seqs;
    } rows[] = {
        {"a FETCH 1 FLAGS\r\n",           true },
        {"a uid FETCH 1 FLAGS\r\n",       false},
        {"a STORE 1 +FLAGS (\\Seen)\r\n", true },
        {"a SEARCH 1:4\r\n",              true },
        {"a UID SEARCH 1:4\r\n",          true }, /* keys may be sequence numbers */
        {"a ESEARCH 1:4\r\n",             true },
        {"a UID MOVE 1 x\r\n",            false},
        {"a NOOP\r\n",                    false},
        {"a NOOP\r\nb FETCH 1 UID\r\n",   true },
        {"a NOOP\r\nb FETCH 1 UID\r",     false}, /* not yet complete */
        {"a BOGUS 1\r\n",                 false},
        {"\r\n",                          false},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (command_seqs_wait(slice_from_str(rows[i].text)) != rows[i].seqs)
            fail_msg("row %zu: %s", i, rows[i].text);
}

static void ten_bad_commands_in_a_row_end_the_session(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);

    (void) state;
    for (unsigned i = 1; i < BAD_COMMANDS_MAX; i++)
        send_text(rs, "a BOGUS\r\n");
    send_text(rs, "a NOOP\r\n");
    for (unsigned i = 1; i < BAD_COMMANDS_MAX; i++)
        send_text(rs, "a BOGUS\r\n");
    assert_false(rig_is_closed(rs));
    send_text(rs, "a FETCH 1 FLAGS\r\n");
    assert_true(rig_is_closed(rs));
    assert_true(was_told(rs, "* BYE "));
    rig_free(rig);
}

static void a_read_only_login_changes_nothing(void **state)
{
    static const char *const refused[] = {
        "a CREATE x\r\n",      "a DELETE Drafts\r\n",           "a RENAME Drafts x\r\n",
        "a SUBSCRIBE x\r\n",   "a UNSUBSCRIBE INBOX\r\n",       "a EXPUNGE\r\n",
        "a COPY 1 Drafts\r\n", "a STORE 1 +FLAGS (\\Seen)\r\n", "a MOVE 1 Drafts\r\n",
        "a UID EXPUNGE 1\r\n", "a APPEND INBOX {2+}\r\nhi\r\n",
    };
    struct rig *rig = new_rig(0);
    struct rig_session *owner = rig_login(rig, SESSION_FULL);
    struct rig_session *rs = rig_login(rig, SESSION_READ_ONLY);

    (void) state;
    send_text(owner, "o APPEND INBOX {2+}\r\nhi\r\n");
    send_text(rs, "a SELECT INBOX\r\n");
    assert_true(was_told(rs, "a OK [READ-ONLY]"));
    for (size_t i = 0; i < COUNT(refused); i++) {
        forget(rs);
        send_text(rs, refused[i]);
        if (!was_told(rs, "a NO [NOPERM]"))
            fail_msg("%s", refused[i]);
    }
    forget(rs);
    send_text(rs, "a FETCH 1 (BODY[] FLAGS)\r\nb FETCH 1 FLAGS\r\n");
    assert_false(was_told(rs, "\\Seen"));
    rig_free(rig);
}

static void append_many(struct rig_session *rs, unsigned n)
{
    AUTO(buf_done) struct buf command;

    buf_init(&command, COMMAND_BYTES);
    for (unsigned i = 0; i < n; i++)
        buf_str(&command, "p APPEND INBOX {5+}\r\nA: b\r\n\r\n");
    rig_send(rs, buf_slice(&command));
    forget(rs);
}

static size_t count_of(struct slice text, const char *word)
{
    struct slice needle = slice_from_str(word);
    size_t n = 0, at;

    while ((at = slice_search(text, needle)) < text.len) {
        n++;
        text = slice_from(text, at + needle.len);
    }
    return n;
}

static void long_answers_pause_and_lose_nothing(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);

    (void) state;
    append_many(rs, MANY_MESSAGES);
    send_text(rs, "a SELECT INBOX\r\n");
    forget(rs);
    send_text(rs, "b FETCH 1:* FLAGS\r\n");
    assert_true(rig_pauses(rs) > 0);
    assert_int_equal(count_of(rig_output(rs), " FETCH (FLAGS "), MANY_MESSAGES);
    assert_true(was_told(rs, "* 20000 FETCH "));
    assert_true(slice_ends(rig_output(rs), SLICE("b OK FETCH completed\r\n")));
    forget(rs);
    send_text(rs, "c FETCH 1:* (UID INTERNALDATE)\r\n");
    assert_int_equal(count_of(rig_output(rs), "INTERNALDATE"), MANY_MESSAGES);
    forget(rs);
    send_text(rs, "d STORE 1:* +FLAGS (\\Seen)\r\n"); /* told by the sync */
    assert_int_equal(count_of(rig_output(rs), " FETCH (FLAGS "), MANY_MESSAGES);
    forget(rs);
    send_text(rs, "e SEARCH SEEN BODY nothing\r\n");
    assert_true(was_told(rs, "* SEARCH\r\ne OK"));
    rig_free(rig);
}

/* \Seen is set for each message of a set larger than a batch, told with its body and not again,
 * whatever conflicts the commits meet. */
static void reading_sets_seen_in_batches(void **state)
{
    struct rig *rig = new_rig(2);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);

    (void) state;
    append_many(rs, 200);
    send_text(rs, "a SELECT INBOX\r\n");
    forget(rs);
    send_text(rs, "b FETCH 1:* BODY[]\r\n");
    assert_int_equal(count_of(rig_output(rs), "BODY[] {5}\r\n"), 200);
    assert_int_equal(count_of(rig_output(rs), "FLAGS (\\Seen"), 200);
    assert_int_equal(count_of(rig_output(rs), " FETCH ("), 200);
    forget(rs);
    send_text(rs, "c SEARCH UNSEEN\r\n");
    assert_true(was_told(rs, "* SEARCH\r\n"));
    rig_free(rig);
}

static void a_big_body_comes_whole_in_pieces(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    AUTO(buf_done) struct buf message, command;
    struct slice output;

    (void) state;
    buf_init(&message, COMMAND_BYTES);
    buf_init(&command, COMMAND_BYTES);
    buf_str(&message, "Subject: big\r\n\r\n");
    for (unsigned i = 0; message.len < BIG_BODY_BYTES; i++)
        buf_printf(&message, "line %u\r\n", i);
    buf_printf(&command, "a APPEND INBOX {%zu+}\r\n", message.len);
    buf_append(&command, buf_slice(&message));
    buf_str(&command, "\r\nb SELECT INBOX\r\n");
    rig_send(rs, buf_slice(&command));
    forget(rs);
    send_text(rs, "c FETCH 1 (BODY.PEEK[] UID BODY.PEEK[TEXT]<1000000.500000>)\r\n");
    assert_true(rig_pauses(rs) > 0);
    output = rig_output(rs);
    assert_int_equal(slice_search(output, buf_slice(&message)) < output.len, true);
    assert_true(was_told(rs, " UID 1 BODY[TEXT]<1000000> {500000}\r\n"));
    assert_true(slice_ends(output, SLICE("c OK FETCH completed\r\n")));
    rig_free(rig);
}

/* RFC 4467: URLFETCH is as patient as FETCH, and its answer as whole. */
static void a_big_body_comes_by_url_in_pieces(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    AUTO(buf_done) struct buf message, command;
    struct slice output, url;

    (void) state;
    buf_init(&message, COMMAND_BYTES);
    buf_init(&command, COMMAND_BYTES);
    buf_str(&message, "Subject: big\r\n\r\n");
    for (unsigned i = 0; message.len < BIG_BODY_BYTES; i++)
        buf_printf(&message, "line %u\r\n", i);
    buf_printf(&command, "a APPEND INBOX {%zu+}\r\n", message.len);
    buf_append(&command, buf_slice(&message));
    buf_str(&command, "\r\n");
    rig_send(rs, buf_slice(&command));
    forget(rs);
    send_text(rs,
              "b GENURLAUTH imap://" RIG_OWNER "@x/INBOX/;UID=1;URLAUTH=authuser INTERNAL\r\n");
    assert_true(slice_starts(rig_output(rs), SLICE("* GENURLAUTH imap:")));
    url = slice_from(rig_output(rs), strlen("* GENURLAUTH "));
    url = slice_sub(url, 0, slice_find(url, '\r'));
    buf_reset(&command);
    buf_printf(&command, "c URLFETCH %.*s (%.*s BODY)\r\n", SLICE_ARG(url), SLICE_ARG(url));
    forget(rs);
    rig_send(rs, buf_slice(&command));
    assert_true(rig_pauses(rs) > 0);
    output = rig_output(rs);
    assert_int_equal(count_of(output, "Subject: big\r\n\r\nline 0\r\n"), 2);
    assert_true(slice_search(output, buf_slice(&message)) < output.len);
    assert_true(slice_ends(output, SLICE(")\r\nc OK URLFETCH completed\r\n")));
    rig_free(rig);
}

static void a_nul_is_hidden_in_body_and_kept_in_binary(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);

    (void) state;
    rig_send(rs, SLICE("a APPEND INBOX ~{11+}\r\nA: b\r\n\r\nx\0y\r\nb SELECT INBOX\r\n"));
    forget(rs);
    send_text(rs, "c FETCH 1 BODY.PEEK[TEXT]\r\n");
    assert_true(slice_search(rig_output(rs), SLICE("BODY[TEXT] {3}\r\nx\x80y)")) <
                rig_output(rs).len);
    forget(rs);
    send_text(rs, "d FETCH 1 BINARY.PEEK[1]\r\n");
    assert_true(slice_search(rig_output(rs), SLICE("BINARY[1] ~{3}\r\nx\0y)")) <
                rig_output(rs).len);
    rig_free(rig);
}

static void a_multiappend_has_a_limit(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    AUTO(buf_done) struct buf command;

    (void) state;
    buf_init(&command, COMMAND_BYTES);
    for (unsigned n = APPEND_MESSAGES_MAX; n <= APPEND_MESSAGES_MAX + 1; n++) {
        buf_reset(&command);
        buf_str(&command, "a APPEND INBOX");
        for (unsigned i = 0; i < n; i++)
            buf_str(&command, " {2+}\r\nhi");
        buf_str(&command, "\r\n");
        forget(rs);
        rig_send(rs, buf_slice(&command));
        assert_true(was_told(rs, n <= APPEND_MESSAGES_MAX ? "a OK [APPENDUID" : "a BAD "));
    }
    send_text(rs, "b STATUS INBOX (MESSAGES)\r\n");
    assert_true(was_told(rs, "(MESSAGES 1024)"));
    rig_free(rig);
}

/* RFC 4469: what a short command may make of URLs is bounded. */
static void catenated_urls_have_limits(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    AUTO(buf_done) struct buf command;

    (void) state;
    buf_init(&command, COMMAND_BYTES);
    buf_printf(&command, "a APPEND Drafts {1024+}\r\nA: b\r\n\r\n");
    for (unsigned i = 8; i < 1024; i++)
        buf_byte(&command, 'x');
    buf_str(&command, "\r\n");
    rig_send(rs, buf_slice(&command));
    assert_true(was_told(rs, "a OK [APPENDUID"));
    rig_session_of(rs)->message_max_bytes = 8 * 1024;

    for (unsigned n = 8; n <= 9; n++) { /* one message: as large as any, or larger */
        buf_reset(&command);
        buf_str(&command, "b APPEND INBOX CATENATE (URL /Drafts/;UID=1");
        for (unsigned i = 1; i < n; i++)
            buf_str(&command, " URL /Drafts/;UID=1");
        buf_str(&command, ")\r\n");
        forget(rs);
        rig_send(rs, buf_slice(&command));
        assert_true(was_told(rs, n == 8 ? "b OK [APPENDUID" : "b NO [TOOBIG]"));
    }
    for (unsigned n = 4; n <= 5; n++) { /* all of them */
        buf_reset(&command);
        buf_str(&command, "c APPEND INBOX");
        for (unsigned i = 0; i < n * 8; i++)
            buf_str(&command, i % 8 == 0   ? " CATENATE (URL /Drafts/;UID=1"
                              : i % 8 == 7 ? " URL /Drafts/;UID=1)"
                                           : " URL /Drafts/;UID=1");
        buf_str(&command, "\r\n");
        forget(rs);
        rig_send(rs, buf_slice(&command));
        assert_true(was_told(rs, n == 4 ? "c OK [APPENDUID" : "c NO [LIMIT]"));
    }
    rig_free(rig);
}

static void send_urls(struct rig_session *rs, unsigned n, const char *url)
{
    AUTO(buf_done) struct buf command;

    buf_init(&command, COMMAND_BYTES);
    buf_printf(&command, "a APPEND INBOX CATENATE (URL %s", url);
    for (unsigned i = 1; i < n; i++)
        buf_printf(&command, " URL %s", url);
    buf_str(&command, ")\r\n");
    forget(rs);
    rig_send(rs, buf_slice(&command));
}

static void ten_thousand_urls_are_refused(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);

    (void) state;
    send_urls(rs, 10000, "/INBOX/;UID=1");
    assert_true(was_told(rs, "a BAD "));
    send_urls(rs, CATENATE_MAX_PARTS + 1, "/a");
    assert_true(was_told(rs, "a NO [LIMIT]"));
    send_urls(rs, CATENATE_MAX_PARTS, "/a");
    assert_true(was_told(rs, "a NO [BADURL /a]"));
    send_text(rs, "b STATUS INBOX (MESSAGES)\r\n");
    assert_true(was_told(rs, "(MESSAGES 0)"));
    rig_free(rig);
}

/* RFC 4469 section 5: an URL is an astring. */
static void an_url_may_be_a_literal(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);

    (void) state;
    send_text(rs, "a CREATE URL\r\nb APPEND URL {8+}\r\nA: b\r\n\r\n\r\n");
    assert_true(was_told(rs, "b OK [APPENDUID"));
    forget(rs);
    send_text(rs, "c APPEND {3+}\r\nURL CATENATE (URL {11}\r\n");
    assert_true(was_told(rs, "+ OK"));
    send_text(rs, "/URL/;UID=1 TEXT ~{2+}\r\nhi URL {11+}\r\n/URL/;UID=1 TEXT {1}\r\n");
    send_text(rs, "x)\r\n");
    assert_true(was_told(rs, "c OK [APPENDUID"));
    forget(rs);
    send_text(rs, "d SELECT URL\r\ne FETCH 2 BODY.PEEK[]\r\n");
    assert_true(slice_search(rig_output(rs), SLICE("{19}\r\nA: b\r\n\r\nhiA: b\r\n\r\nx)")) <
                rig_output(rs).len);
    rig_free(rig);
}

static void a_list_of_many_mailboxes_pauses(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    AUTO(buf_done) struct buf command;

    (void) state;
    buf_init(&command, COMMAND_BYTES);
    for (unsigned i = 0; i < 5000; i++)
        buf_printf(&command, "a SUBSCRIBE s/%04u\r\n", i);
    rig_send(rs, buf_slice(&command));
    forget(rs);
    send_text(rs, "b LIST (SUBSCRIBED) \"\" *\r\n");
    assert_true(rig_pauses(rs) > 0);
    assert_int_equal(count_of(rig_output(rs), "* LIST (\\NonExistent \\Subscribed)"), 5000);
    forget(rs);
    send_text(rs, "c LSUB \"\" %\r\n");
    assert_int_equal(count_of(rig_output(rs), "* LSUB (\\Noselect) \"/\" s\r\n"), 1);
    rig_free(rig);
}

static void an_aborted_answer_leaves_nothing_behind(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    const struct command_input input = {.text = {.text = SLICE("b FETCH 1:* FLAGS")}};
    struct cmd *running = NULL;
    AUTO(buf_done) struct buf out;

    (void) state;
    buf_init(&out, COMMAND_BYTES);
    append_many(rs, MANY_MESSAGES);
    send_text(rs, "a SELECT INBOX\r\n");
    assert_int_equal(command_start(rig_session_of(rs), &input, &out, &running), COMMAND_MORE);
    assert_non_null(running);
    command_abort(&running);
    assert_null(running);
    rig_free(rig); /* the leak checker sees the rest */
}

static void a_saved_result_has_a_limit(void **state)
{
    struct rig *rig = new_rig(0);
    struct session *session = rig_session_of(rig_login(rig, SESSION_FULL));
    size_t n = (size_t) SAVED_RUNS_MAX + 1;
    struct uid_run *runs = xcalloc(n, sizeof(*runs));
    struct uid_set uids = {runs, SAVED_RUNS_MAX};

    (void) state;
    for (size_t i = 0; i < n; i++)
        runs[i].first = runs[i].last = (uint32_t) (2 * i + 1);
    assert_true(session_save(session, &uids));
    assert_int_equal(session_saved(session).n, SAVED_RUNS_MAX);
    uids.n = n;
    assert_false(session_save(session, &uids));
    assert_int_equal(session_saved(session).n, 0); /* a refused result empties it */
    free(runs);
    rig_free(rig);
}

/* RFC 9051 7.1: once a mailbox takes no more keywords, PERMANENTFLAGS comes without "\*". */
static void the_last_keyword_ends_the_offer(void **state)
{
    struct rig *rig = new_rig(0);
    struct rig_session *rs = rig_login(rig, SESSION_FULL);
    struct rig_session *other = rig_login(rig, SESSION_FULL);
    AUTO(buf_done) struct buf command;

    (void) state;
    buf_init(&command, COMMAND_BYTES);
    append_many(rs, 1);
    send_text(rs, "a SELECT INBOX\r\n");
    send_text(other, "a SELECT INBOX\r\n");
    assert_true(was_told(rs, " \\*)]"));
    buf_str(&command, "a STORE 1 +FLAGS.SILENT (k0");
    for (unsigned i = 1; i < KEYWORDS_MAX - 1; i++)
        buf_printf(&command, " k%u", i);
    buf_str(&command, ")\r\n");
    forget(rs);
    rig_send(rs, buf_slice(&command));
    assert_true(was_told(rs, "a OK"));
    assert_false(was_told(rs, "PERMANENTFLAGS"));
    send_text(rs, "b STORE 1 +FLAGS.SILENT (last)\r\n");
    assert_true(was_told(rs, "* FLAGS ("));
    assert_true(was_told(rs, "* OK [PERMANENTFLAGS ("));
    assert_true(was_told(rs, " last)] "));
    assert_false(was_told(rs, "\\*"));
    forget(rs);
    send_text(rs, "c NOOP\r\nd STORE 1 +FLAGS (more)\r\n");
    assert_true(was_told(rs, "d NO [LIMIT]"));
    assert_false(was_told(rs, "PERMANENTFLAGS")); /* said once */
    forget(other);
    send_text(other, "a NOOP\r\n");
    assert_true(was_told(other, " last)] "));
    rig_free(rig);
}

static void a_session_is_small(void **state)
{
    (void) state;
    assert_true(sizeof(struct session) <= IDLE_STRUCT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_table_is_whole),
        cmocka_unit_test(commands_with_sequence_numbers_are_recognised),
        cmocka_unit_test(ten_bad_commands_in_a_row_end_the_session),
        cmocka_unit_test(a_read_only_login_changes_nothing),
        cmocka_unit_test(long_answers_pause_and_lose_nothing),
        cmocka_unit_test(reading_sets_seen_in_batches),
        cmocka_unit_test(a_big_body_comes_whole_in_pieces),
        cmocka_unit_test(a_big_body_comes_by_url_in_pieces),
        cmocka_unit_test(a_nul_is_hidden_in_body_and_kept_in_binary),
        cmocka_unit_test(a_multiappend_has_a_limit),
        cmocka_unit_test(catenated_urls_have_limits),
        cmocka_unit_test(ten_thousand_urls_are_refused),
        cmocka_unit_test(an_url_may_be_a_literal),
        cmocka_unit_test(a_list_of_many_mailboxes_pauses),
        cmocka_unit_test(an_aborted_answer_leaves_nothing_behind),
        cmocka_unit_test(a_saved_result_has_a_limit),
        cmocka_unit_test(the_last_keyword_ends_the_offer),
        cmocka_unit_test(a_session_is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
