#include "auth/scram_store.h"

#include <sodium.h>

#include "auth/pepper.h"

#define SEAL_LABEL  "roost scram seal 1"
#define KEYS_BYTES  sizeof(struct scram_keys)
#define PLACE_BYTES 32u

_Static_assert(SCRAM_SEALED_BYTES == sizeof(struct scram_keys) + PEPPER_SEAL_BYTES,
               "the size of a sealed row is part of the format");

void scram_salt_of(const struct pepper *pepper, struct slice name_key, struct scram_salt *out)
{
    struct slice local = slice_sub(name_key, 0, slice_find(name_key, '@'));
    unsigned char mac[PEPPER_MAC_BYTES];

    pepper_mac(pepper, "roost scram salt 1:", local, mac);
    memcpy(out->bytes, mac, sizeof(out->bytes));
}

void scram_warm_up(void)
{
    static const struct scram_salt salt;
    struct scram_keys keys;

    scram_derive(SCRAM_SHA_256, SLICE("x"), &salt, 1, &keys);
    scram_derive(SCRAM_SHA_1, SLICE("x"), &salt, 1, &keys);
}

/* What a sealed row is bound to: it opens nowhere else. */
static void place_of(const struct scram_row *row, unsigned char out[PLACE_BYTES])
{
    AUTO(buf_done) struct buf place = {0};

    buf_init(&place, PLACE_BYTES);
    buf_le64(&place, row->account);
    buf_le64(&place, row->device);
    buf_le32(&place, row->form);
    buf_le32(&place, row->hash);
    buf_le64(&place, row->iterations);
    memcpy(out, place.ptr, PLACE_BYTES);
}

static void seal(const struct pepper *pepper, const struct scram_keys *keys,
                 struct scram_row *row)
{
    unsigned char place[PLACE_BYTES];

    place_of(row, place);
    pepper_seal(pepper, SEAL_LABEL, slice_of(place, sizeof(place)), keys, KEYS_BYTES,
                row->sealed);
}

enum rc scram_unseal(const struct pepper *pepper, const struct scram_row *row,
                     struct scram_keys *out, struct err *err)
{
    unsigned char place[PLACE_BYTES];

    place_of(row, place);
    if (!pepper_unseal(pepper, SEAL_LABEL, slice_of(place, sizeof(place)), row->sealed,
                       KEYS_BYTES, out))
        return err_set(err, RC_CORRUPT, "Account database is damaged",
                       "scram: keys of device %llu do not open",
                       (unsigned long long) row->device);
    return RC_OK;
}

struct forms {
    struct slice text[SCRAM_FORMS_MAX];
    size_t n;
};

void scram_set_make(const struct pepper *pepper, struct slice name_key, uint64_t account,
                    uint64_t device, struct slice secret, unsigned hashes,
                    struct scram_set *out)
{
    struct forms forms = {{secret}, 1};
    char shown[APP_PASSWORD_SHOWN_BYTES];
    struct app_password password;
    struct scram_keys keys;
    struct scram_salt salt;

    *out = (struct scram_set){0};
    if (device != 0 && app_password_read(secret, &password)) {
        app_password_show(&password, shown);
        forms.text[0] = slice_from_str(shown);
        forms.text[1] = slice_of(password.chars, sizeof(password.chars));
        forms.n = 2;
    }
    scram_salt_of(pepper, name_key, &salt);
    for (size_t i = 0; i < forms.n; i++) {
        for (unsigned hash = SCRAM_SHA_256; hash <= SCRAM_SHA_1; hash++) {
            struct scram_row *row = &out->rows[out->n];

            if ((hashes & SCRAM_HASH_BIT(hash)) == 0)
                continue;
            *row = (struct scram_row){.account = account,
                                      .device = device,
                                      .form = (unsigned) i,
                                      .hash = hash,
                                      .iterations = SCRAM_ITERATIONS};
            scram_derive((enum scram_hash) hash, forms.text[i], &salt, SCRAM_ITERATIONS, &keys);
            seal(pepper, &keys, row);
            out->n++;
        }
    }
    sodium_memzero(&keys, sizeof(keys));
    sodium_memzero(shown, sizeof(shown));
    app_password_wipe(&password);
}

enum rc scram_set_store(struct auth_db *db, const struct scram_set *set, struct err *err)
{
    enum rc rc = auth_db_begin(db, err);

    if (rc)
        return rc;
    for (size_t i = 0; rc == RC_OK && i < set->n; i++)
        rc = auth_db_put_scram(db, &set->rows[i], err);
    return auth_db_end(db, rc, err);
}
