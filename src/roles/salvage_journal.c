/* salvage_journal.c - the store is opened for this alone, with nobody else at work in it. */
#include "roles/salvage_journal.h"

#include "base/log.h"
#include "store/local/local.h"

struct loss_list {
    struct lost_groups *list;
    size_t n;
};

static void keep_loss(void *ctx, const struct lost_groups *lost)
{
    struct loss_list *losses = ctx;

    losses->list = xrealloc(losses->list, (losses->n + 1) * sizeof(*losses->list));
    losses->list[losses->n++] = *lost;
}

static void ignore_position(void *ctx, uint64_t account, uint64_t position)
{
    (void) ctx;
    (void) account;
    (void) position;
}

static void ignore_account(void *ctx, uint64_t account)
{
    (void) ctx;
    (void) account;
}

/* Every account gets a checkpoint here anyhow. */
static const struct engine_events quiet = {.durable = ignore_position,
                                           .changed = ignore_account,
                                           .checkpoint_wanted = ignore_account,
                                           .live_wanted = ignore_account};

enum rc salvage_journal(const char *path, const struct salvage_out *out, struct err *err)
{
    struct loss_list losses = {0};
    const struct local_options options = {
        .path = path, .no_packer = true, .lost = keep_loss, .lost_ctx = &losses};
    struct engine *engine = NULL;
    enum rc rc = local_engine_open(&options, &engine, err);

    if (!rc && losses.n > 0) {
        engine->ops->start(engine, &quiet);
        for (size_t i = 0; i < losses.n; i++)
            out->lost(out->ctx, &losses.list[i]);
        rc = salvage_store(engine, losses.list, losses.n, &out->accounts, err);
    }
    if (engine != NULL)
        engine->ops->close(engine);
    free(losses.list);
    return rc;
}
