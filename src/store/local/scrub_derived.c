/* scrub_derived.c - blobs that may be lost: those that are damaged go, and those of accounts
 * that are gone. */
#include <stdlib.h>

#include "store/local/derived.h"
#include "store/local/scrub_pass.h"

#define ACCOUNTS_MAX ((size_t) 1 << 20) /* folders looked at in one pass */

struct folders {
    uint64_t *accounts;
    size_t n, cap;
};

static bool see_folder(void *ctx, const char *name)
{
    struct folders *folders = ctx;
    uint64_t account;

    if (!layout_number(name, "", &account))
        return true;
    if (folders->n == folders->cap) {
        folders->cap = MAX(2 * folders->cap, (size_t) 64);
        folders->accounts =
            xrealloc(folders->accounts, folders->cap * sizeof(*folders->accounts));
    }
    folders->accounts[folders->n++] = account;
    return folders->n < ACCOUNTS_MAX;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

struct blobs {
    struct derived_name *names;
    size_t n, cap;
};

static bool see_blob(void *ctx, const struct derived_name *name)
{
    struct blobs *blobs = ctx;

    if (blobs->n == blobs->cap) {
        blobs->cap = MAX(2 * blobs->cap, (size_t) 16);
        blobs->names = xrealloc(blobs->names, blobs->cap * sizeof(*blobs->names));
    }
    blobs->names[blobs->n++] = *name;
    return true;
}

/* RC_MORE: the pass ends here. */
static enum rc read_blob(struct scrub_pass *pass, uint64_t account,
                         const struct derived_name *name, uint64_t *out_at, struct err *err)
{
    AUTO(freep) char *piece = xmalloc((size_t) SCRUB_TOLD_BYTES);
    struct derived *derived = NULL;
    enum rc rc = derived_open(pass->local, account, name, &derived, err);

    for (uint64_t at = 0; !rc && at < derived_length(derived); at += SCRUB_TOLD_BYTES) {
        size_t len = (size_t) MIN(derived_length(derived) - at, SCRUB_TOLD_BYTES);

        *out_at = at;
        rc = derived_read(derived, at, piece, len, err);
        if (!rc && !scrub_read(pass, len))
            rc = RC_MORE;
    }
    derived_close(derived);
    return rc;
}

static enum rc check_account(struct scrub_pass *pass, uint64_t account, struct err *err)
{
    struct blobs blobs = {0};
    enum rc rc = derived_list(pass->local, account, see_blob, &blobs, err);

    for (size_t i = 0; !rc && i < blobs.n; i++) {
        char folder[LAYOUT_NAME_BYTES], file[LAYOUT_NAME_BYTES + 16];
        uint64_t at = 0;

        rc = read_blob(pass, account, &blobs.names[i], &at, err);
        if (rc == RC_MORE)
            break;
        if (rc == RC_CORRUPT || rc == RC_IO) {
            layout_name(folder, account, "");
            (void) snprintf(file, sizeof(file), "derived/%s", folder);
            scrub_found(pass, &(struct scrub_finding){.file = file,
                                                      .what = "derived data",
                                                      .offset = at,
                                                      .account = account,
                                                      .is_derived = true});
            rc = derived_remove(pass->local, account, &blobs.names[i], err);
        }
        if (rc == RC_CORRUPT || rc == RC_NOT_FOUND)
            rc = RC_OK; /* found and told, or it went meanwhile */
    }
    free(blobs.names);
    return rc;
}

/* No account has this id any more: its removal was cut short. */
static bool is_orphan(struct local *local, uint64_t account)
{
    uint64_t listed, position;
    bool in_memory;

    (void) pthread_mutex_lock(&local->index.lock);
    in_memory = index_find_account(&local->index, account) != NULL;
    (void) pthread_mutex_unlock(&local->index.lock);
    return !in_memory && !accounts_find(local->accounts, account, &listed) &&
           checkpoint_lsn(local->state, account, &position, NULL) == RC_NOT_FOUND;
}

enum rc scrub_derived(struct scrub_pass *pass, struct err *err)
{
    struct local *local = pass->local;
    struct folders folders = {0};
    enum rc rc = RC_OK;

    if (local->layout.derived < 0)
        return RC_OK;
    rc = layout_each(local->layout.derived, see_folder, &folders, err);
    if (folders.n > 0)
        qsort(folders.accounts, folders.n, sizeof(*folders.accounts), by_number);
    for (size_t i = 0; !rc && i < folders.n; i++) {
        if (folders.accounts[i] < pass->cursor.number)
            continue;
        if (is_orphan(local, folders.accounts[i]))
            derived_remove_all(local, folders.accounts[i]);
        else
            rc = check_account(pass, folders.accounts[i], err);
        pass->cursor.number = folders.accounts[i] + 1;
    }
    free(folders.accounts);
    return rc == RC_OK || rc == RC_MORE ? rc : RC_OK;
}
