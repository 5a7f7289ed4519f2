/*
 * fetch_item.c - one message's line of a FETCH answer.
 *
 * Spec: RFC 9051 7.5.2 and 6.4.5; RFC 3501 7.4.2 (RFC822 items). Items come in the order they
 * were asked for. UID is added to a UID FETCH (6.4.9), FLAGS where this FETCH has set \Seen.
 */
#include "commands/fetch.h"
#include "commands/section_place.h"
#include "mailbox/thread.h"

static const struct fetch_row *row_of(const struct fetch_run *run)
{
    return &run->rows[run->row_at];
}

static const struct msg_cold *cold_of(const struct fetch_run *run)
{
    return row_of(run)->cold;
}

static void separate(struct fetch_run *run)
{
    if (!run->line_empty)
        buf_byte(run->cmd->reply->out, ' ');
    run->line_empty = false;
}

void fetch_item_name(struct fetch_run *run, const struct imap_fetch_item *item)
{
    buf_append(run->cmd->reply->out,
               slice_from(run->names[item - run->args->items], run->line_empty ? 1 : 0));
    run->line_empty = false;
}

static void say_uid(struct fetch_run *run)
{
    separate(run);
    buf_str(run->cmd->reply->out, "UID ");
    buf_u64(run->cmd->reply->out, row_of(run)->uid);
}

static void say_flags(struct fetch_run *run)
{
    const struct fetch_row *row = row_of(run);
    struct buf *out = run->cmd->reply->out;

    separate(run);
    buf_str(out, "FLAGS ");
    if (row->kept != NULL)
        flags_text_list_kept(&run->flags, row->kept, out);
    else
        flags_text_list(&run->flags, row->index,
                        flags_text_bits(&run->flags, row->index, row->uid) |
                            (row->seen_now ? IMAP_SEEN : 0),
                        out);
}

/*
 * Of a message whose \Seen this FETCH has set: that change's. Of one whose expunge is withheld:
 * what the client may know, for a client takes the greatest MODSEQ it was told as where to
 * resume, and its VANISHED lies above (RFC 7162 3.2.10).
 */
static uint64_t modseq_of(struct fetch_run *run)
{
    const struct fetch_row *row = row_of(run);

    if (row->kept != NULL)
        return view_told_modseq(run->cmd->session->view);
    return row->seen_now ? run->seen_modseq : flags_text_modseq(&run->flags, row->index);
}

static void say_modseq(struct fetch_run *run)
{
    uint64_t modseq = modseq_of(run);

    separate(run);
    buf_printf(run->cmd->reply->out, "MODSEQ (%llu)", (unsigned long long) modseq);
}

static void say_date(struct fetch_run *run, const struct imap_fetch_item *item)
{
    const struct msg_cold *cold = cold_of(run);

    fetch_item_name(run, item);
    imap_print_date_time(run->cmd->reply->out,
                         (struct imap_date_time){cold->internaldate, cold->zone_min});
}

/* RFC 8474 5.3 */
static void say_object_id(struct fetch_run *run, const struct imap_fetch_item *item)
{
    bool thread = item->kind == IMAP_FETCH_THREADID;
    struct object_id id = cold_of(run)->emailid;
    char text[OBJECT_ID_TEXT_BYTES];

    if (thread)
        thread_id(cold_of(run), message_stored_digest(run->message), &id);
    fetch_item_name(run, item);
    object_id_print(thread ? 'T' : 'E', &id, text);
    buf_printf(run->cmd->reply->out, "(%s)", text);
}

/* RFC 8514 4.2; kept without a zone. */
static void say_savedate(struct fetch_run *run, const struct imap_fetch_item *item)
{
    const struct msg_cold *cold = cold_of(run);

    fetch_item_name(run, item);
    imap_print_date_time(run->cmd->reply->out, (struct imap_date_time){cold->savedate, 0});
}

/* The digest was read without its text, which begins with the preview. */
static enum rc make_preview(struct fetch_run *run, struct slice *out, struct err *err)
{
    enum rc rc = message_digest_with_text(run->message, &run->digest, err);

    if (rc == RC_OK && !message_preview(run->message, out))
        rc = err_set(err, RC_CORRUPT, "The stored message is damaged", "fetch: preview");
    return rc;
}

/* RFC 8970 3.2 and 4.1: with LAZY only what is made already, else NIL. */
static void say_preview(struct fetch_run *run, const struct imap_fetch_item *item)
{
    struct slice preview;
    struct err err;
    bool is_made = run->digest != NULL && message_preview(run->message, &preview);
    enum rc rc = is_made || item->lazy ? RC_OK : make_preview(run, &preview, &err);

    if (rc) {
        message_close(TAKE(run->message));
        run->digest = NULL;
        fetch_failed(run, &err, fetch_code_of(rc));
        return;
    }
    fetch_item_name(run, item);
    if (is_made || !item->lazy)
        imap_print_string(run->cmd->reply->out, preview, run->cmd->session->mode);
    else
        imap_print_nil(run->cmd->reply->out);
}

/* RFC 6858 3: that of the substitute, if its digest can be had. */
static void say_size(struct fetch_run *run, const struct imap_fetch_item *item)
{
    fetch_item_name(run, item);
    buf_u64(run->cmd->reply->out,
            run->digest != NULL ? message_size(run->message) : cold_of(run)->size);
}

/* RFC 5257 4.4: a list has an entry at least, so without any there is no item. */
static void say_annotations(struct fetch_run *run, const struct imap_fetch_item *item)
{
    const struct reader *reader = view_reader(run->cmd->session->view);
    const struct fetch_row *row = row_of(run);
    struct annotation_source source = row->kept != NULL
                                          ? annotation_source_of_kept(reader, row->kept)
                                          : annotation_source_of(reader, run->mbox, row->uid);
    struct buf *out = run->cmd->reply->out;
    size_t before = out->len;
    bool was_empty = run->line_empty;

    fetch_item_name(run, item);
    if (annotation_text_list(&run->queries[run->item_at], &source, run->cmd->session->mode,
                             out))
        return;
    buf_truncate(out, before);
    run->line_empty = was_empty;
}

static void say_wire(struct fetch_run *run, const struct imap_fetch_item *item,
                     enum digest_item what)
{
    fetch_item_name(run, item);
    buf_append(run->cmd->reply->out,
               digest_wire(run->digest, what, section_form(run->cmd->session->mode)));
}

static void say_binary_size(struct fetch_run *run, const struct imap_fetch_item *item)
{
    const struct imap_section *section = &item->section;
    uint64_t size = run->digest->message_size;
    struct err err;
    uint32_t index;

    if (section->n_parts > 0) {
        struct digest_part part;

        if (digest_find_part(run->digest, section->parts, section->n_parts, &index) != RC_OK) {
            (void) err_set(&err, RC_NOT_FOUND, "No such part", "fetch: binary.size");
            fetch_failed(run, &err, NULL);
            return;
        }
        part = digest_part(run->digest, index);
        if ((part.flags & DIGEST_PART_UNDECODABLE) != 0) {
            (void) err_set(&err, RC_INVALID, "The part cannot be decoded", "fetch: cte");
            fetch_failed(run, &err, "UNKNOWN-CTE");
            return;
        }
        size = part.decoded_size;
    }
    fetch_item_name(run, item);
    buf_u64(run->cmd->reply->out, size);
}

static void say_item(struct fetch_run *run, const struct imap_fetch_item *item)
{
    switch (item->kind) {
    case IMAP_FETCH_FLAGS:
        say_flags(run);
        return;
    case IMAP_FETCH_UID:
        say_uid(run);
        return;
    case IMAP_FETCH_INTERNALDATE:
        say_date(run, item);
        return;
    case IMAP_FETCH_RFC822_SIZE:
        say_size(run, item);
        return;
    case IMAP_FETCH_MODSEQ:
        say_modseq(run);
        return;
    case IMAP_FETCH_EMAILID:
    case IMAP_FETCH_THREADID:
        say_object_id(run, item);
        return;
    case IMAP_FETCH_SAVEDATE:
        say_savedate(run, item);
        return;
    case IMAP_FETCH_PREVIEW:
        say_preview(run, item);
        return;
    case IMAP_FETCH_ANNOTATION:
        say_annotations(run, item);
        return;
    case IMAP_FETCH_ENVELOPE:
        say_wire(run, item, DIGEST_ENVELOPE);
        return;
    case IMAP_FETCH_BODY:
        say_wire(run, item, DIGEST_BODY);
        return;
    case IMAP_FETCH_BODYSTRUCTURE:
        say_wire(run, item, DIGEST_BODYSTRUCTURE);
        return;
    case IMAP_FETCH_BINARY_SIZE:
        say_binary_size(run, item);
        return;
    case IMAP_FETCH_BINARY:
        fetch_binary_begin(run, item);
        return;
    case IMAP_FETCH_BODY_SECTION:
    case IMAP_FETCH_RFC822:
    case IMAP_FETCH_RFC822_HEADER:
    case IMAP_FETCH_RFC822_TEXT:
        fetch_section_begin(run, item);
        return;
    }
}

static bool needs_body(enum imap_fetch_kind kind)
{
    return (fetch_column_kinds & 1u << kind) == 0;
}

bool fetch_needs_body(const struct fetch_run *run, const struct imap_fetch_item *item)
{
    return needs_body(item->kind) || (run->downgrades && item->kind == IMAP_FETCH_RFC822_SIZE);
}

bool fetch_needs_digest(const struct fetch_run *run, const struct imap_fetch_item *item)
{
    if (run->downgrades && item->kind == IMAP_FETCH_RFC822_SIZE)
        return true;
    if (run->downgrades && needs_body(item->kind))
        return true;
    if (item->kind == IMAP_FETCH_BODY_SECTION)
        return section_needs_digest(&item->section);
    return needs_body(item->kind) && item->kind != IMAP_FETCH_RFC822;
}

/* A message whose digest cannot be had leaves its items out; the rest is answered. */
static bool has_what_it_needs(struct fetch_run *run, const struct imap_fetch_item *item)
{
    struct err err;
    enum rc rc;

    if (!run->needs_body[item - run->args->items])
        return true;
    if (run->message == NULL)
        return item->kind == IMAP_FETCH_RFC822_SIZE;
    if (run->digest != NULL || !fetch_needs_digest(run, item))
        return true;
    if (item->lazy) {
        run->digest = message_digest_if_made(run->message);
        return true;
    }
    rc = message_digest(run->message, &run->digest, &err);
    if (rc == RC_OK || item->kind == IMAP_FETCH_RFC822_SIZE)
        return true;
    message_close(TAKE(run->message));
    fetch_failed(run, &err, fetch_code_of(rc));
    return false;
}

static bool asks_for(const struct fetch_run *run, enum imap_fetch_kind kind)
{
    return (run->args->kinds & (1u << kind)) != 0;
}

/* RFC 9051 6.4.9; RFC 7162 3.2.4: a change of flags is told with uid and MODSEQ. UIDFETCH has
 * the uid in front (RFC 9586 3.3). */
static bool needs_uid(const struct fetch_run *run)
{
    if (run->cmd->session->mode.uidonly)
        return false;
    return run->adds_uid || (row_of(run)->seen_now &&
                             session_has_enabled(run->cmd->session, IMAP_CAP_CONDSTORE));
}

/* RFC 7162 3.1.4.1: CHANGEDSINCE asks for it too. */
static bool needs_modseq(const struct fetch_run *run)
{
    return run->adds_modseq || (row_of(run)->seen_now &&
                                session_has_enabled(run->cmd->session, IMAP_CAP_CONDSTORE));
}

static void open_line(struct fetch_run *run)
{
    struct buf *out = run->cmd->reply->out;

    run->line_open = run->line_empty = true;
    run->line_start = out->len;
    run->item_at = 0;
    if (run->needs_message) {
        const struct msg_cold *cold = cold_of(run);

        run->message =
            run->digests != NULL
                ? message_open_from(run->digests, run->row_at, cold->body_id, cold->size)
                : message_open(view_account(run->cmd->session->view), cold->body_id,
                               cold->size);
        if (run->downgrades)
            message_downgrade(run->message);
    }
    imap_print_fetch_open(out, row_of(run)->seq, row_of(run)->uid, run->cmd->session->mode);
    if (needs_uid(run) && !asks_for(run, IMAP_FETCH_UID))
        say_uid(run);
    if (row_of(run)->seen_now && !asks_for(run, IMAP_FETCH_FLAGS))
        say_flags(run);
    if (needs_modseq(run) && !asks_for(run, IMAP_FETCH_MODSEQ))
        say_modseq(run);
}

/* An answer without a single item is no answer (RFC 9051 section 9, msg-att). Nothing was sent
 * of it then, since only an item's bytes let it pause. */
static void close_line(struct fetch_run *run)
{
    if (run->line_empty)
        buf_truncate(run->cmd->reply->out, run->line_start);
    else
        buf_str(run->cmd->reply->out, ")\r\n");
    message_close(TAKE(run->message));
    run->digest = NULL;
    run->line_open = false;
}

/* Is what was answered the substitute's? The preview is decoded text, the thread a name. */
static bool shows_substitute(const struct fetch_run *run, const struct imap_fetch_item *item)
{
    return needs_body(item->kind) && item->kind != IMAP_FETCH_PREVIEW &&
           item->kind != IMAP_FETCH_THREADID && run->message != NULL &&
           message_is_substitute(run->message);
}

/* The client may never read on: a session that waits for it keeps no digest. */
static void wait_small(struct fetch_run *run)
{
    message_drop_digest(run->message);
    run->digest = NULL;
}

enum rc fetch_message(struct fetch_run *run, struct err *err)
{
    if (!run->line_open)
        open_line(run);
    while (run->item_at < run->args->n) {
        const struct imap_fetch_item *item = &run->args->items[run->item_at];

        if (!run->streaming && has_what_it_needs(run, item)) {
            say_item(run, item);
            if (shows_substitute(run, item))
                fetch_note_downgraded(run);
        }
        if (run->streaming) {
            enum rc rc = fetch_stream_go(run, err);

            if (rc == RC_MORE)
                wait_small(run);
            if (rc)
                return rc;
            run->streaming = false;
        }
        run->item_at++;
    }
    close_line(run);
    return RC_OK;
}
