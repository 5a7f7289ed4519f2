/* pack_sweep.c - files of packs against the table of packs. */
#include "store/local/pack_sweep.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "store/local/pack_rows.h"

struct sweep {
    struct map *rows; /* number -> its struct pack_info */
    struct pack_info *infos;
    size_t n_infos;
    uint64_t *unfinished, *unnamed;
    size_t n_unfinished, n_unnamed;
    uint64_t next, bytes;
    bool is_partial; /* the table of packs is damaged: nothing can be said of a file */
};

static bool see_row(void *ctx, const struct pack_info *info)
{
    struct sweep *sweep = ctx;

    sweep->infos = xrealloc(sweep->infos, (sweep->n_infos + 1) * sizeof(*sweep->infos));
    sweep->infos[sweep->n_infos++] = *info;
    sweep->next = MAX(sweep->next, info->number + 1);
    if (info->state == PACK_LIVE)
        sweep->bytes += info->file_bytes;
    return true;
}

static void add_number(uint64_t **list, size_t *n, uint64_t number)
{
    *list = xrealloc(*list, (*n + 1) * sizeof(**list));
    (*list)[(*n)++] = number;
}

static bool see_file(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    uint64_t number;

    if (layout_number(name, ".new", &number)) {
        add_number(&sweep->unfinished, &sweep->n_unfinished, number);
        sweep->next = MAX(sweep->next, number + 1);
    } else if (layout_number(name, ".pack", &number)) {
        if (map_get(sweep->rows, MAP_KEY(number)) == NULL)
            add_number(&sweep->unnamed, &sweep->n_unnamed, number);
        sweep->next = MAX(sweep->next, number + 1);
    }
    return true;
}

/* Gone, or was never there. */
static bool remove_file(struct local *local, uint64_t number, const char *suffix)
{
    char name[LAYOUT_NAME_BYTES];

    layout_name(name, number, suffix);
    return unlinkat(local->layout.packs, name, 0) == 0 || errno == ENOENT;
}

void pack_forget(struct local *local, uint64_t number)
{
    struct err err;

    if (pack_rows_forget(local->state, number, &err))
        log_event(LEVEL_WARNING, "store.pack_row", LOG_NUM("pack", number), LOG_ERR(&err));
}

void pack_remove(struct local *local, uint64_t number)
{
    struct err err;

    if (!remove_file(local, number, ".pack") || !remove_file(local, number, ".new"))
        return;
    if (layout_sync_dir(local->layout.packs, &err) != RC_OK)
        local_fatal(local, &err);
    pack_forget(local, number);
}

static void tell_unnamed(const struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->n_unnamed; i++)
        log_event(LEVEL_ERROR, "store.unnamed_pack", LOG_NUM("pack", sweep->unnamed[i]));
}

static enum rc run(struct local *local, struct sweep *sweep, struct err *err)
{
    enum rc rc = pack_rows_each(local->state, see_row, sweep, err);

    sweep->is_partial = rc == RC_CORRUPT;
    if (sweep->is_partial)
        log_event(LEVEL_ERROR, "store.damage", LOG_STR("file", "table of packs"), LOG_ERR(err));
    else if (rc)
        return rc;
    for (size_t i = 0; i < sweep->n_infos; i++)
        (void) map_put(sweep->rows, MAP_KEY(sweep->infos[i].number), &sweep->infos[i]);
    rc = layout_each(local->layout.packs, see_file, sweep, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < sweep->n_unfinished; i++)
        (void) remove_file(local, sweep->unfinished[i], ".new"); /* else at the next start */
    for (size_t i = 0; i < sweep->n_infos; i++) {
        if (sweep->infos[i].state != PACK_LIVE)
            pack_remove(local, sweep->infos[i].number);
    }
    if (!sweep->is_partial)
        tell_unnamed(sweep);
    return RC_OK;
}

enum rc pack_sweep(struct local *local, struct err *err)
{
    struct sweep sweep = {.rows = map_new(), .next = 1};
    enum rc rc = run(local, &sweep, err);

    map_free(sweep.rows);
    free(sweep.infos);
    free(sweep.unfinished);
    free(sweep.unnamed);
    if (rc)
        return rc;
    atomic_store(&local->next_pack, sweep.next);
    atomic_store(&local->pack_bytes, sweep.bytes);
    return RC_OK;
}
