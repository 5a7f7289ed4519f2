/* test_local_contract.c - the local engine passes the engine suite. */
// links: store_local
// labels: concurrency
// lib: engine_bench engine_checks local_store
#include <sys/stat.h>

#include "lib/engine_checks.h"
#include "lib/local_store.h"

struct contract {
    struct local_store store;
    char earlier[8][sizeof(((struct local_store *) NULL)->path)]; /* folders of earlier lives */
    unsigned n_earlier;
};

static struct engine *open_engine(void *ctx)
{
    struct contract *contract = ctx;
    struct engine *engine = NULL;
    struct err err;

    if (local_engine_open(&contract->store.options, &engine, &err) != RC_OK)
        fail_msg("open: %s", err.detail);
    return engine;
}

/* What the files hold at this moment goes on in another folder; the process that wrote them
 * never closes them as far as that folder is concerned. */
static void crash_engine(void *ctx, struct engine *engine)
{
    struct contract *contract = ctx;
    struct local_store *store = &contract->store;
    char next[sizeof(store->path)] = "/tmp/roost-local-XXXXXX";

    assert_true(contract->n_earlier < COUNT(contract->earlier));
    memcpy(contract->earlier[contract->n_earlier++], store->path, sizeof(store->path));
    assert_non_null(mkdtemp(next));
    local_store_copy(store->path, next);
    engine->ops->close(engine);
    memcpy(store->path, next, sizeof(next));
}

int main(void)
{
    static struct contract contract;
    struct engine_fixture fixture = {
        .open = open_engine, .crash = crash_engine, .ctx = &contract};
    const struct CMUnitTest tests[] = {ENGINE_CHECKS(&fixture)};
    int failed;

    local_store_make(&contract.store);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    local_store_remove(&contract.store);
    for (unsigned i = 0; i < contract.n_earlier; i++)
        local_store_remove_tree(contract.earlier[i]);
    return failed;
}
