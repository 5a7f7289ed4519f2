#include "mailbox/accounts.h"

struct id_list {
    uint64_t *ids;
    size_t n, cap;
};

static bool keep_id(void *ctx, uint64_t account)
{
    struct id_list *list = ctx;

    if (list->n == list->cap) {
        list->cap = MAX(2 * list->cap, (size_t) 64);
        list->ids = xrealloc(list->ids, list->cap * sizeof(*list->ids));
    }
    list->ids[list->n++] = account;
    return true;
}

enum rc engine_accounts(struct engine *engine, uint64_t **out, size_t *out_n, struct err *err)
{
    struct id_list list = {0};
    enum rc rc = engine->ops->list(engine, keep_id, &list, err);

    if (rc) {
        free(list.ids);
        return rc;
    }
    *out = list.ids;
    *out_n = list.n;
    return RC_OK;
}
