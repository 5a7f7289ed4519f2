/* digest_keys.c - the sort and thread keys of a digest. */
#include "base/utf8.h"
#include "mime/charset.h"
#include "mime/date.h"
#include "mime/digest_table.h"
#include "mime/envelope.h"
#include "mime/header.h"
#include "mime/msgid.h"
#include "mime/subject.h"
#include "mime/words.h"

#define KEY_MAX_BYTES 2048u /* of a subject or name: what sorts equal so far is equal */

enum { KEY_HAS_SENT = 1, KEY_IS_REPLY = 2 };

static void put_key(struct digest_writer *w, struct slice utf8)
{
    digest_put_string(w, &w->section[SECTION_KEYS], utf8_cut(utf8, KEY_MAX_BYTES));
}

static void put_subject(struct digest_writer *w, const struct envelope *envelope,
                        bool *out_is_reply)
{
    AUTO(buf_done) struct buf base = {0};
    struct slice raw = envelope->text[ENV_SUBJECT];

    buf_init(&base, 4 * raw.len + 64);
    *out_is_reply = subject_base(raw, &base);
    put_key(w, buf_slice(&base));
}

/* addr-mailbox of the first address structure (RFC 5256 section 3). */
static void put_mailbox(struct digest_writer *w, const struct addr_list *list)
{
    AUTO(buf_done) struct buf utf8 = {0};
    struct slice mailbox = list->n > 0 ? list->items[0].mailbox : (struct slice){0};

    buf_init(&utf8, 3 * mailbox.len + 64);
    charset_to_utf8((struct slice){"", 0}, mailbox, &utf8);
    put_key(w, buf_slice(&utf8));
}

/* RFC 5957 section 3. */
static void put_display(struct digest_writer *w, const struct addr_list *list)
{
    AUTO(buf_done) struct buf raw = {0};
    AUTO(buf_done) struct buf utf8 = {0};
    struct addr first = list->n > 0 ? list->items[0] : (struct addr){0};

    buf_init(&utf8, 4 * (first.name.len + first.mailbox.len + first.host.len) + 64);
    buf_init(&raw, first.mailbox.len + first.host.len + 2);
    words_decode(first.name, &utf8);
    if (utf8.len == 0) {
        buf_append(&raw, first.mailbox);
        if (first.mailbox.ptr != NULL && first.host.ptr != NULL)
            buf_byte(&raw, '@');
        buf_append(&raw, first.host);
        charset_to_utf8((struct slice){"", 0}, buf_slice(&raw), &utf8);
    }
    put_key(w, buf_slice(&utf8));
}

static void put_id(struct digest_writer *w, struct slice id)
{
    AUTO(buf_done) struct buf normal = {0};
    AUTO(buf_done) struct buf utf8 = {0};

    buf_init(&normal, id.len + 1);
    buf_init(&utf8, 3 * id.len + 64);
    msgid_normalise(id, &normal);
    charset_to_utf8((struct slice){"", 0}, buf_slice(&normal), &utf8);
    put_key(w, buf_slice(&utf8));
}

/* The first id of a field; bare: one without brackets will do. */
static void put_first_id(struct digest_writer *w, struct slice raw, bool bare)
{
    struct scan sc = scan_of(raw);
    struct slice id;

    if (msgid_next(&sc, &id))
        put_id(w, id);
    else if (bare && slice_trim(raw).len <= MSGID_MAX_BYTES)
        put_id(w, slice_trim(raw));
    else
        put_id(w, slice_of("", 0));
}

static void put_references(struct digest_writer *w, struct slice raw)
{
    struct scan sc = scan_of(raw);
    struct slice id;
    uint32_t n = 0, skip;

    while (msgid_next(&sc, &id))
        n++;
    skip = n > MSGID_REFERENCES_MAX ? n - MSGID_REFERENCES_MAX : 0;
    buf_le32(&w->section[SECTION_KEYS], n - skip);
    sc = scan_of(raw);
    for (uint32_t i = 0; msgid_next(&sc, &id); i++)
        if (i >= skip)
            put_id(w, id);
}

void digest_write_keys(struct digest_writer *w, const struct envelope *envelope)
{
    struct buf *keys = &w->section[SECTION_KEYS];
    struct mime_date date = {0};
    bool has_sent = date_parse(envelope->text[ENV_DATE], &date), is_reply;

    buf_le32(keys, has_sent ? KEY_HAS_SENT : 0);
    buf_le32(keys, (uint32_t) date.day);
    buf_le64(keys, (uint64_t) date.utc_sec);
    put_subject(w, envelope, &is_reply);
    if (is_reply)
        buf_patch_le32(keys, 0, (has_sent ? KEY_HAS_SENT : 0) | KEY_IS_REPLY);
    put_mailbox(w, &envelope->list[ENV_FROM]);
    put_mailbox(w, &envelope->list[ENV_TO]);
    put_mailbox(w, &envelope->list[ENV_CC]);
    put_display(w, &envelope->list[ENV_FROM]);
    put_display(w, &envelope->list[ENV_TO]);
    put_first_id(w, envelope->text[ENV_MESSAGE_ID], true);
    put_first_id(w, envelope->text[ENV_IN_REPLY_TO], false);
    put_references(w, envelope->text[ENV_REFERENCES]);
}
