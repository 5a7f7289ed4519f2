/*
 * parts.c - rows of shared parts; their checksums are the state's (state_row.h).
 *
 * Three tables, always changed together: content -> part (to find one), part -> references and
 * content (to let one go), body -> parts (to know what a body that goes refers to). A row that
 * is damaged stops what needed it; the part then stays, which costs space and no mail.
 */
#include "store/local/parts.h"

#include <sodium.h>

#include "base/random.h"
#include "store/local/bytes.h"
#include "store/local/pack.h"

#define PARTS_KEY      SLICE("parts-key")
#define NAME_KEY_BYTES (8u + PART_HASH_BYTES + 8u)
#define REFS_BYTES     (8u + PART_HASH_BYTES + 8u)
#define BODY_PARTS_MAX PACK_PIECES_MAX

_Static_assert(PART_HASH_BYTES == crypto_generichash_BYTES, "BLAKE2b-256");
_Static_assert(PART_HASH_BYTES == crypto_generichash_KEYBYTES, "a key of the same length");

static enum rc damaged(const char *what, uint64_t account, struct err *err)
{
    return err_set(err, RC_CORRUPT, "Stored data is damaged", "%s of account %016llx", what,
                   (unsigned long long) account);
}

struct id_key {
    char bytes[16]; /* account, then body or part id; big-endian */
};

static struct id_key id_key_of(uint64_t account, uint64_t id)
{
    struct id_key key;

    put_be64(key.bytes, account);
    put_be64(key.bytes + 8, id);
    return key;
}

static struct slice id_slice(const struct id_key *key)
{
    return slice_of(key->bytes, sizeof(key->bytes));
}

struct name_key {
    char bytes[NAME_KEY_BYTES];
};

static struct name_key name_key_of(const struct part_name *name)
{
    struct name_key key;

    put_be64(key.bytes, name->account);
    memcpy(key.bytes + 8, name->hash, PART_HASH_BYTES);
    put_be64(key.bytes + 8 + PART_HASH_BYTES, name->length);
    return key;
}

static struct slice name_slice(const struct name_key *key)
{
    return slice_of(key->bytes, sizeof(key->bytes));
}

/* ---- names ---- */

static enum rc run_key(struct state_txn *txn, void *ctx, struct err *err)
{
    unsigned char *key = ctx;
    struct slice found;
    enum rc rc = state_txn_get(txn, TABLE_META, PARTS_KEY, &found, err);

    if (rc == RC_OK && found.len == PART_HASH_BYTES) {
        memcpy(key, found.ptr, PART_HASH_BYTES);
        return RC_OK;
    }
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    random_bytes(key, PART_HASH_BYTES);
    return state_txn_put(txn, TABLE_META, PARTS_KEY, slice_of(key, PART_HASH_BYTES), err);
}

enum rc parts_key(struct state *state, unsigned char out[PART_HASH_BYTES], struct err *err)
{
    char key[PART_HASH_BYTES];
    size_t len = 0;

    if (state_get_small(state, TABLE_META, PARTS_KEY, key, sizeof(key), &len, NULL) == RC_OK &&
        len == sizeof(key)) {
        memcpy(out, key, sizeof(key));
        return RC_OK;
    }
    return state_write(state, run_key, out, err);
}

void part_name_of(const unsigned char key[PART_HASH_BYTES], uint64_t account,
                  struct slice bytes, struct part_name *out)
{
    *out = (struct part_name){.account = account, .length = bytes.len};
    (void) crypto_generichash(out->hash, sizeof(out->hash), (const unsigned char *) bytes.ptr,
                              bytes.len, key,
                              PART_HASH_BYTES); /* fails on wrong lengths only */
}

/* ---- references ---- */

struct part_refs {
    uint64_t n;
    struct part_name name;
};

static enum rc put_refs(struct state_txn *txn, uint64_t part_id, const struct part_refs *refs,
                        struct err *err)
{
    struct id_key key = id_key_of(refs->name.account, part_id);
    char value[REFS_BYTES];

    put_le64(value, refs->n);
    memcpy(value + 8, refs->name.hash, PART_HASH_BYTES);
    put_le64(value + 8 + PART_HASH_BYTES, refs->name.length);
    return state_txn_put(txn, TABLE_PART_REFS, id_slice(&key), slice_of(value, sizeof(value)),
                         err);
}

static enum rc read_refs(struct slice value, uint64_t account, struct part_refs *out,
                         struct err *err)
{
    struct part_refs refs = {.name.account = account};
    struct scan sc = scan_of(value);
    struct slice content;

    if (!scan_le64(&sc, &refs.n) || !scan_take(&sc, PART_HASH_BYTES, &content) ||
        !scan_le64(&sc, &refs.name.length))
        return damaged("references of a part", account, err);
    memcpy(refs.name.hash, content.ptr, PART_HASH_BYTES);
    *out = refs;
    return RC_OK;
}

static enum rc get_refs(struct state_txn *txn, uint64_t account, uint64_t part_id,
                        struct part_refs *out, struct err *err)
{
    struct id_key key = id_key_of(account, part_id);
    struct slice value;
    enum rc rc = state_txn_get(txn, TABLE_PART_REFS, id_slice(&key), &value, err);

    return rc ? rc : read_refs(value, account, out, err);
}

static enum rc find_name(struct state *state, const struct part_name *name,
                         uint64_t *out_part_id, struct err *err)
{
    struct name_key key = name_key_of(name);
    char value[8];
    size_t len = 0;
    struct scan sc;
    enum rc rc =
        state_get_small(state, TABLE_PARTS, name_slice(&key), value, sizeof(value), &len, err);

    if (rc)
        return rc;
    sc = scan_of(slice_of(value, len));
    return scan_le64(&sc, out_part_id) ? RC_OK : damaged("name of a part", name->account, err);
}

enum rc parts_find(struct state *state, const struct part_name *name, uint64_t *out_part_id,
                   struct err *err)
{
    struct part_refs refs;
    struct id_key key;
    char value[REFS_BYTES];
    size_t len = 0;
    enum rc rc = find_name(state, name, out_part_id, err);

    if (rc)
        return rc;
    key = id_key_of(name->account, *out_part_id);
    rc = state_get_small(state, TABLE_PART_REFS, id_slice(&key), value, sizeof(value), &len,
                         err);
    return rc ? rc : read_refs(slice_of(value, len), name->account, &refs, err);
}

enum rc part_add(struct state_txn *txn, const struct part_name *name, uint64_t part_id,
                 struct err *err)
{
    struct part_refs refs = {.name = *name};
    struct name_key key = name_key_of(name);
    char value[8];
    enum rc rc;

    put_le64(value, part_id);
    rc = state_txn_put(txn, TABLE_PARTS, name_slice(&key), slice_of(value, sizeof(value)), err);
    return rc ? rc : put_refs(txn, part_id, &refs, err);
}

static enum rc add_ref(struct state_txn *txn, uint64_t account, uint64_t part_id,
                       struct err *err)
{
    struct part_refs refs;
    enum rc rc = get_refs(txn, account, part_id, &refs, err);

    if (rc == RC_NOT_FOUND)
        return err_set(err, RC_CONFLICT, "Try again", "part %016llx has died",
                       (unsigned long long) part_id);
    if (rc)
        return rc;
    refs.n++;
    return put_refs(txn, part_id, &refs, err);
}

enum rc part_ref(struct state_txn *txn, uint64_t account, uint64_t body_id,
                 const uint64_t *part_ids, size_t n, struct err *err)
{
    struct id_key key = id_key_of(account, body_id);
    AUTO(freep) char *value = xmalloc(n * 8 + 1);

    for (size_t i = 0; i < n; i++) {
        enum rc rc = add_ref(txn, account, part_ids[i], err);

        if (rc)
            return rc;
        put_le64(value + i * 8, part_ids[i]);
    }
    return state_txn_put(txn, TABLE_BODY_PARTS, id_slice(&key), slice_of(value, n * 8), err);
}

/* The part's rows go; its name only if no other part has taken it since. */
static enum rc drop_part(struct state_txn *txn, uint64_t part_id, const struct part_refs *refs,
                         struct err *err)
{
    struct id_key key = id_key_of(refs->name.account, part_id);
    struct name_key name = name_key_of(&refs->name);
    struct slice value;
    uint64_t named = 0;
    struct scan sc;
    enum rc rc = state_txn_get(txn, TABLE_PARTS, name_slice(&name), &value, err);

    if (rc && rc != RC_NOT_FOUND)
        return rc;
    sc = scan_of(rc ? SLICE("") : value);
    rc = RC_OK;
    if (scan_le64(&sc, &named) && named == part_id)
        rc = state_txn_del(txn, TABLE_PARTS, name_slice(&name), err);
    return rc ? rc : state_txn_del(txn, TABLE_PART_REFS, id_slice(&key), err);
}

static enum rc drop_ref(struct state_txn *txn, uint64_t account, uint64_t part_id,
                        part_dead_fn *fn, void *ctx, struct err *err)
{
    struct part_refs refs;
    enum rc rc = get_refs(txn, account, part_id, &refs, err);

    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc)
        return rc;
    if (refs.n > 1) {
        refs.n--;
        return put_refs(txn, part_id, &refs, err);
    }
    rc = drop_part(txn, part_id, &refs, err);
    return rc ? rc : fn(ctx, txn, account, part_id, err);
}

enum rc part_unref(struct state_txn *txn, uint64_t account, uint64_t body_id, part_dead_fn *fn,
                   void *ctx, struct err *err)
{
    struct id_key key = id_key_of(account, body_id);
    AUTO(freep) char *ids = NULL;
    struct slice value;
    struct scan sc;
    uint64_t part_id;
    enum rc rc = state_txn_get(txn, TABLE_BODY_PARTS, id_slice(&key), &value, err);

    if (rc)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    if (value.len % 8 != 0 || value.len / 8 > (size_t) BODY_PARTS_MAX)
        return damaged("parts of a body", account, err);
    ids = xmalloc(value.len + 1); /* the value is valid until the next change */
    memcpy(ids, value.ptr, value.len);
    sc = scan_of(slice_of(ids, value.len));
    rc = state_txn_del(txn, TABLE_BODY_PARTS, id_slice(&key), err);
    while (!rc && scan_le64(&sc, &part_id))
        rc = drop_ref(txn, account, part_id, fn, ctx, err);
    return rc;
}

enum rc parts_remove(struct state_txn *txn, uint64_t account, struct err *err)
{
    static const enum state_table tables[] = {TABLE_PARTS, TABLE_PART_REFS, TABLE_BODY_PARTS};
    char prefix[8];
    enum rc rc = RC_OK;

    put_be64(prefix, account);
    for (size_t i = 0; i < COUNT(tables) && !rc; i++)
        rc = state_txn_del_all(txn, tables[i], slice_of(prefix, sizeof(prefix)), err);
    return rc;
}
