#include "account/page_loader.h"

#include "account/mbox_info.h"

enum rc page_load(struct page_loader *loader, enum page_kind kind, uint64_t number,
                  struct page_id *out_id, struct scan *out, struct err *err)
{
    struct slice bytes;
    enum rc rc;

    *out_id = (struct page_id){.kind = kind, .account = loader->account, .number = number};
    arena_reset(loader->arena);
    rc = loader->read(loader->ctx, number, loader->arena, &bytes, err);
    /* What a root lists was there once: a page that is missing is no new account. */
    if (rc == RC_NOT_FOUND)
        return err_set(err, RC_CORRUPT, "Stored data is damaged",
                       "page %llu of account %016llx is missing", (unsigned long long) number,
                       (unsigned long long) loader->account);
    return rc ? rc : page_check(bytes, out_id, out, err);
}

bool page_get_id(struct scan *sc, struct object_id *out)
{
    struct slice bytes;

    if (!scan_take(sc, sizeof(out->bytes), &bytes))
        return false;
    memcpy(out->bytes, bytes.ptr, sizeof(out->bytes));
    return true;
}

bool page_get_count(struct scan *sc, uint64_t max, size_t *out)
{
    uint64_t n;

    if (!scan_varint(sc, MIN(max, (uint64_t) scan_left(sc)), &n))
        return false;
    *out = (size_t) n;
    return true;
}

bool page_get_pairs(struct scan *sc, size_t n_max, size_t key_max, size_t value_max,
                    struct text_pair **pairs, size_t *out_n)
{
    struct slice key, value;
    size_t n;

    if (!page_get_count(sc, n_max, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!scan_varint_bytes(sc, key_max, &key) ||
            !scan_varint_bytes(sc, value_max, &value) ||
            (i > 0 && slice_cmp((*pairs)[i - 1].key, key) >= 0))
            return false;
        *pairs = pairs_set(*pairs, out_n, key, &value);
    }
    return true;
}
