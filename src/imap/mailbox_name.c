#include "imap/mailbox_name.h"

#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/utf8.h"
#include "imap/print.h"

/* A spelling may be longer than the name: NFC joins letters and marks. */
#define NAME_SPELLING_MAX_BYTES ((size_t) 4 * MAILBOX_NAME_MAX_BYTES)

static enum rc too_long(size_t len, struct err *err)
{
    return err_set(err, RC_INVALID, "Mailbox name is too long", "mailbox: %zu bytes", len);
}

static enum rc decode_wire(struct slice wire, struct imap_mode mode, struct arena *arena,
                           struct slice *out, struct err *err)
{
    AUTO(buf_done) struct buf utf8 = {0};

    buf_init(&utf8, NAME_SPELLING_MAX_BYTES);
    if (wire.len > NAME_SPELLING_MAX_BYTES)
        return too_long(wire.len, err);
    if (imap_mode_utf8(mode)) {
        if (!utf8_is_valid(wire))
            return err_set(err, RC_INVALID, "Mailbox name is not valid UTF-8",
                           "mailbox: %zu bytes", wire.len);
        *out = wire;
        return RC_OK;
    }
    if (imap_utf7_decode(wire, &utf8))
        return err_set(err, RC_INVALID, "Mailbox name is not canonical modified UTF-7",
                       "mailbox: %zu bytes", wire.len);
    *out = arena_dup(arena, buf_slice(&utf8));
    return RC_OK;
}

/* RFC 5198 2: no C0, DEL, C1, line and paragraph separator; a byte order mark hides. */
static bool is_forbidden_char(uint32_t ch)
{
    return ch < 0x20 || (ch >= 0x7f && ch <= 0x9f) || ch == 0x2028 || ch == 0x2029 ||
           ch == 0xfeff;
}

static bool has_forbidden_char(struct slice utf8)
{
    struct scan sc = scan_of(utf8);
    uint32_t ch;

    while (utf8_scan(&sc, &ch))
        if (is_forbidden_char(ch))
            return true;
    return false;
}

/* NFC of valid UTF-8. ICU works on UTF-16: no more units than bytes, and NFC at most triples
 * them. */
static enum rc to_nfc(struct slice utf8, struct arena *arena, struct slice *out,
                      struct err *err)
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *nfc = unorm2_getNFCInstance(&status);
    int32_t cap = (int32_t) utf8.len * 3 + 1, n = 0, bytes = 0;
    UChar *wide, *normal;
    char *text;

    if (utf8_is_ascii(utf8)) {
        *out = utf8;
        return RC_OK;
    }
    wide = ARENA_ARRAY(arena, UChar, (size_t) cap);
    normal = ARENA_ARRAY(arena, UChar, (size_t) cap);
    text = arena_alloc(arena, (size_t) cap * 3);
    (void) u_strFromUTF8(wide, cap, &n, utf8.ptr, (int32_t) utf8.len, &status);
    n = unorm2_normalize(nfc, wide, n, normal, cap, &status);
    (void) u_strToUTF8(text, cap * 3, &bytes, normal, n, &status);
    if (U_FAILURE(status))
        return err_set(err, RC_INVALID, "Mailbox name cannot be normalized", "mailbox: %s",
                       u_errorName(status));
    *out = slice_of(text, (size_t) bytes);
    return RC_OK;
}

enum rc imap_resolve_pattern(struct slice wire, struct imap_mode mode, struct arena *arena,
                             struct slice *out, struct err *err)
{
    struct slice utf8;
    enum rc rc = decode_wire(wire, mode, arena, &utf8, err);

    if (rc)
        return rc;
    if (has_forbidden_char(utf8))
        return err_set(err, RC_INVALID, "Mailbox name holds a control character",
                       "mailbox: control character");
    rc = to_nfc(utf8, arena, &utf8, err);
    if (rc)
        return rc;
    if (utf8.len > MAILBOX_NAME_MAX_BYTES)
        return too_long(utf8.len, err);
    *out = utf8;
    return RC_OK;
}

static bool has_empty_component(struct slice name)
{
    return name.len == 0 || name.ptr[0] == MAILBOX_SEPARATOR ||
           name.ptr[name.len - 1] == MAILBOX_SEPARATOR ||
           slice_search(name, SLICE("//")) != name.len;
}

/* "inbox" and "inbox/x" get INBOX's one spelling. */
static struct slice fold_inbox(struct slice name, struct arena *arena)
{
    const struct slice inbox = SLICE("INBOX");
    struct slice first = slice_sub(name, 0, slice_find(name, MAILBOX_SEPARATOR));
    char *folded;

    if (!slice_eq_nocase(first, inbox) || slice_eq(first, inbox))
        return name;
    folded = arena_alloc(arena, name.len);
    memcpy(folded, name.ptr, name.len);
    memcpy(folded, inbox.ptr, inbox.len);
    return slice_of(folded, name.len);
}

enum rc imap_resolve_mailbox(struct slice wire, struct imap_mode mode, bool trailing_separator,
                             struct arena *arena, struct imap_mailbox *out, struct err *err)
{
    struct imap_mailbox m = {.wire = wire};
    enum rc rc = decode_wire(wire, mode, arena, &m.given, err);

    if (rc)
        return rc;
    if (trailing_separator && m.given.len > 1 &&
        m.given.ptr[m.given.len - 1] == MAILBOX_SEPARATOR)
        m.given.len--;
    if (has_forbidden_char(m.given))
        return err_set(err, RC_INVALID, "Mailbox name holds a control character",
                       "mailbox: control character");
    rc = to_nfc(m.given, arena, &m.name, err);
    if (rc)
        return rc;
    if (m.name.len > MAILBOX_NAME_MAX_BYTES)
        return too_long(m.name.len, err);
    if (has_empty_component(m.name))
        return err_set(err, RC_INVALID, "Mailbox name has an empty component",
                       "mailbox: empty component");
    m.name = fold_inbox(m.name, arena);
    m.inbox = slice_eq(m.name, SLICE("INBOX"));
    m.normalized = !slice_eq(m.name, m.given);
    *out = m;
    return RC_OK;
}

void imap_print_mailbox(struct buf *buf, struct slice name, struct imap_mode mode)
{
    AUTO(buf_done) struct buf utf7 = {0};

    if (imap_mode_utf8(mode) || (utf8_is_ascii(name) && slice_find(name, '&') == name.len)) {
        imap_print_astring(buf, name, mode);
        return;
    }
    /* Two bytes of UTF-8 are at most "&", four letters and "-". */
    buf_init(&utf7, name.len * 3 + 2);
    imap_utf7_encode(&utf7, name);
    imap_print_astring(buf, buf_slice(&utf7), mode);
}
