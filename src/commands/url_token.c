#include "commands/url_token.h"

#include <sodium.h>
#include <string.h>

#include "base/ascii.h"
#include "base/random.h"

#define ALGORITHM "01"

_Static_assert(URL_KEY_BYTES == crypto_auth_hmacsha256_KEYBYTES, "key of HMAC-SHA-256");
_Static_assert(URL_TOKEN_CHARS == 2 + 2 * crypto_auth_hmacsha256_BYTES,
               "token of HMAC-SHA-256");

#define ENTRY_BYTES (sizeof(URL_KEY_ENTRY) + OBJECT_ID_TEXT_BYTES)

static struct slice entry_name(const struct object_id *mailboxid, char name[ENTRY_BYTES])
{
    memcpy(name, URL_KEY_ENTRY, sizeof(URL_KEY_ENTRY));
    object_id_print('M', mailboxid, name + sizeof(URL_KEY_ENTRY) - 1);
    return slice_from_str(name);
}

/* Entries are in byte order. */
static bool find_entry(const struct acct_state *user, struct slice name, struct slice *out)
{
    size_t low = 0, high = acct_metadata_count(user);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct text_pair pair = acct_metadata_at(user, middle);
        int order = slice_cmp(pair.key, name);

        if (order == 0) {
            *out = pair.value;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool url_key_find(const struct acct_state *user, const struct object_id *mailboxid,
                  struct url_key *out)
{
    char name[ENTRY_BYTES];
    struct slice value;

    if (!find_entry(user, entry_name(mailboxid, name), &value) || value.len != URL_KEY_BYTES)
        return false;
    memcpy(out->bytes, value.ptr, URL_KEY_BYTES);
    return true;
}

void url_key_random(struct url_key *out)
{
    random_bytes(out->bytes, sizeof(out->bytes));
}

enum rc url_key_renew(struct mail_txn *txn, const struct object_id *mailboxid, struct err *err)
{
    char name[ENTRY_BYTES];
    struct url_key key = {0};
    struct slice value = slice_of(key.bytes, sizeof(key.bytes));
    enum rc rc;

    url_key_random(&key);
    rc = txn_set_metadata(txn, 0, entry_name(mailboxid, name), &value, err);
    sodium_memzero(&key, sizeof(key));
    return rc;
}

enum rc url_keys_remove(struct mail_txn *txn, struct arena *arena, struct err *err)
{
    const struct acct_state *state = txn_state(txn);
    size_t n = acct_metadata_count(state), n_names = 0;
    struct slice *names = ARENA_ARRAY(arena, struct slice, n);
    enum rc rc = RC_OK;

    for (size_t i = 0; i < n; i++) {
        struct slice key = acct_metadata_at(state, i).key;

        if (slice_starts(key, SLICE(URL_KEY_ENTRY)))
            names[n_names++] = arena_dup(arena, key);
    }
    for (size_t i = 0; rc == RC_OK && i < n_names; i++)
        rc = txn_set_metadata(txn, 0, names[i], NULL, err);
    return rc;
}

uint64_t url_key_mark(const struct acct_state *user, const struct object_id *mailboxid)
{
    struct url_key key;
    uint64_t mark;

    if (!url_key_find(user, mailboxid, &key))
        return 0;
    memcpy(&mark, key.bytes, sizeof(mark));
    return mark | 1;
}

/* ---- tokens ---- */

void url_token_print(const struct url_key *key, struct slice rump, struct buf *out)
{
    uint8_t mac[crypto_auth_hmacsha256_BYTES];

    (void) crypto_auth_hmacsha256(mac, (const unsigned char *) rump.ptr, rump.len, key->bytes);
    buf_str(out, ALGORITHM);
    for (size_t i = 0; i < sizeof(mac); i++)
        buf_printf(out, "%02x", mac[i]);
}

bool url_token_is_good(const struct url_key *key, struct slice rump, struct slice token)
{
    AUTO(buf_done) struct buf want = {0};
    char given[URL_TOKEN_CHARS];

    buf_init(&want, URL_TOKEN_CHARS + 1); /* and a NUL of buf_printf() */
    url_token_print(key, rump, &want);
    if (token.len != URL_TOKEN_CHARS)
        return false;
    for (size_t i = 0; i < sizeof(given); i++)
        given[i] = ascii_lower(token.ptr[i]);
    return sodium_memcmp(given, want.ptr, sizeof(given)) == 0;
}
