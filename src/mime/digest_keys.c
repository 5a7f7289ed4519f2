/* digest_keys.c - the sort and thread keys of a digest. */
#include "base/utf8.h"
#include "base/varint.h"
#include "mime/charset.h"
#include "mime/date.h"
#include "mime/digest_table.h"
#include "mime/envelope.h"
#include "mime/header.h"
#include "mime/msgid.h"
#include "mime/subject.h"
#include "mime/words.h"

#define KEY_MAX_BYTES 2048u /* of a subject or name: what sorts equal so far is equal */

#define DAY_SEC 86400

/* The bytes to the pool, the length to the section. */
static void put_key(struct digest_writer *w, struct slice utf8)
{
    struct slice key = utf8_cut(utf8, KEY_MAX_BYTES);

    buf_varint(&w->section[SECTION_KEYS], key.len);
    buf_append(&w->section[SECTION_STRINGS], key);
}

/* Days since 1970 in UTC. */
static int64_t day_of(int64_t utc_sec)
{
    return utc_sec / DAY_SEC - (utc_sec % DAY_SEC < 0 ? 1 : 0);
}

/* The flags and the date, then the first string. */
static void put_subject(struct digest_writer *w, const struct envelope *envelope)
{
    AUTO(buf_done) struct buf base = {0};
    struct slice raw = envelope->text[ENV_SUBJECT];
    struct buf *keys = &w->section[SECTION_KEYS];
    struct mime_date date = {0};
    unsigned flags = date_parse(envelope->text[ENV_DATE], &date) ? KEY_HAS_SENT : 0;

    buf_init(&base, charset_room(raw.len));
    flags |= subject_base(raw, &base) ? KEY_IS_REPLY : 0;
    buf_le8(keys, (uint8_t) flags);
    buf_varint_signed(keys, date.utc_sec);
    buf_varint_signed(keys, date.day - day_of(date.utc_sec));
    buf_varint(keys, w->section[SECTION_STRINGS].len);
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
    buf_varint(&w->section[SECTION_KEYS], n - skip);
    sc = scan_of(raw);
    for (uint32_t i = 0; msgid_next(&sc, &id); i++)
        if (i >= skip)
            put_id(w, id);
}

void digest_write_keys(struct digest_writer *w, const struct envelope *envelope)
{
    put_subject(w, envelope);
    put_mailbox(w, &envelope->list[ENV_FROM]);
    put_mailbox(w, &envelope->list[ENV_TO]);
    put_mailbox(w, &envelope->list[ENV_CC]);
    put_display(w, &envelope->list[ENV_FROM]);
    put_display(w, &envelope->list[ENV_TO]);
    put_first_id(w, envelope->text[ENV_MESSAGE_ID], true);
    put_first_id(w, envelope->text[ENV_IN_REPLY_TO], false);
    put_references(w, envelope->text[ENV_REFERENCES]);
}

/* ---- reading ---- */

/* The next length, and as much of the pool; empty where either is cut. */
static bool next_string(struct digest_references *from, struct slice *out)
{
    uint32_t len = 0;

    *out = slice_of("", 0);
    if (!scan_varint32(&from->lengths, UINT32_MAX, &len) || len > from->strings.len)
        return false;
    *out = slice_sub(from->strings, 0, len);
    from->strings = slice_from(from->strings, len);
    return true;
}

/* False if something is missing; what is missing is empty then. */
static bool read_keys(const struct digest *d, struct digest_keys *out,
                      struct digest_references *at)
{
    struct digest_keys keys = {0};
    struct slice *const strings[DIGEST_KEY_STRINGS] = {
        &keys.base_subject, &keys.from_mailbox, &keys.to_mailbox, &keys.cc_mailbox,
        &keys.from_display, &keys.to_display,   &keys.message_id, &keys.in_reply_to,
    };
    uint32_t first = 0;
    int64_t days = 0;
    uint8_t flags = 0;
    bool whole;

    at->lengths = scan_of(digest_section_bytes(d, SECTION_KEYS));
    whole = scan_le8(&at->lengths, &flags) &&
            scan_varint_signed(&at->lengths, &keys.sent_sec) &&
            scan_varint_signed(&at->lengths, &days) &&
            scan_varint32(&at->lengths, UINT32_MAX, &first);
    at->strings = slice_from(digest_section_bytes(d, SECTION_STRINGS), first);
    for (size_t i = 0; i < COUNT(strings); i++)
        whole = next_string(at, strings[i]) && whole;
    whole = scan_varint32(&at->lengths, UINT32_MAX, &keys.n_references) && whole;
    keys.has_sent = (flags & KEY_HAS_SENT) != 0;
    keys.is_reply = (flags & KEY_IS_REPLY) != 0;
    keys.sent_day = (int32_t) (uint32_t) ((uint64_t) day_of(keys.sent_sec) + (uint64_t) days);
    *out = keys;
    return whole;
}

bool digest_keys_are_sound(const struct digest *digest)
{
    struct digest_references references;
    struct digest_keys keys;
    struct slice id;

    if (!read_keys(digest, &keys, &references) ||
        keys.n_references > scan_left(&references.lengths))
        return false;
    for (uint32_t i = 0; i < keys.n_references; i++)
        if (!next_string(&references, &id))
            return false;
    return scan_done(&references.lengths);
}

struct digest_keys digest_keys(const struct digest *digest)
{
    struct digest_references references;
    struct digest_keys keys;

    (void) read_keys(digest, &keys, &references);
    return keys;
}

void digest_references(const struct digest *digest, struct digest_references *out)
{
    struct digest_keys keys;

    (void) read_keys(digest, &keys, out);
}

bool digest_next_reference(struct digest_references *references, struct slice *out)
{
    return next_string(references, out);
}
