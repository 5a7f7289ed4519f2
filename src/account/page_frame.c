#include "account/page_frame.h"

#include <xxhash.h>

#define HASH_BYTES 8u

void page_begin(struct buf *buf, const struct page_id *id)
{
    buf_append(buf, SLICE("RoPg"));
    buf_le8(buf, (uint8_t) id->kind);
    buf_le8(buf, id->version);
    buf_le16(buf, 0);
    buf_le64(buf, id->account);
    buf_le64(buf, id->number);
}

void page_end(struct buf *buf)
{
    buf_le64(buf, XXH3_64bits(buf->ptr, buf->len));
}

enum rc page_corrupt(struct err *err, const struct page_id *id, const char *what)
{
    return err_set(err, RC_CORRUPT, "Damaged mail data",
                   "account %016llx page %llu kind %d: %s", (unsigned long long) id->account,
                   (unsigned long long) id->number, (int) id->kind, what);
}

enum rc page_check(struct slice bytes, struct page_id *id, struct scan *out, struct err *err)
{
    struct scan sc, tail;
    uint64_t hash, account, number;
    uint16_t zero;
    uint8_t kind, version;

    if (bytes.len < HASH_BYTES)
        return page_corrupt(err, id, "too short");
    tail = scan_of(slice_from(bytes, bytes.len - HASH_BYTES));
    bytes.len -= HASH_BYTES;
    if (!scan_le64(&tail, &hash) || hash != XXH3_64bits(bytes.ptr, bytes.len))
        return page_corrupt(err, id, "checksum does not match");
    sc = scan_of(bytes);
    if (!scan_literal(&sc, SLICE("RoPg")) || !scan_le8(&sc, &kind) ||
        !scan_le8(&sc, &version) || !scan_le16(&sc, &zero) || !scan_le64(&sc, &account) ||
        !scan_le64(&sc, &number))
        return page_corrupt(err, id, "no page of ours");
    if (version < PAGE_VERSION_PLAIN || version > PAGE_VERSION_UNSEEN)
        return page_corrupt(err, id, "version not known");
    if (kind != (uint8_t) id->kind || account != id->account || number != id->number ||
        zero != 0)
        return page_corrupt(err, id, "another page stands here");
    id->version = version;
    *out = sc;
    return RC_OK;
}
