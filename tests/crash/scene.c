/* scene.c - see scene.h; the steps are in steps.c. */
#include "scene.h"

#include <unistd.h>

#include "base/buf.h"
#include "lib/plain_digester.h"
#include "must.h"
#include "steps.h"

#define SEGMENT_BYTES      ((uint64_t) 64 << 10)
#define MAP_BYTES          ((uint64_t) 16 << 20)
#define UNCHECKPOINTED_MAX ((uint64_t) 256 << 10)
#define UNPACKED_MAX       ((uint64_t) 384 << 10)

const uint64_t scene_account_ids[LEDGER_ACCOUNTS] = {0x11, 0x22, 0x33};

/* The scene that listens: its engine's `start` has no place for a context. One scene is opened
 * at a time, by one thread. */
static struct scene *starting;

static void note_start(struct engine *engine, const struct engine_events *events)
{
    starting->events = *events;
    starting->real_start(engine, events);
}

/* All mailboxes, with everything of their messages, so that versions can be printed without
 * reading. */
static enum rc load_all(struct account *account, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);

    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        uint32_t id = mbox_info(acct_mailbox_at(state, i))->id;
        AUTO(acct_unrefp) struct acct_state *loaded = NULL;
        enum rc rc = account_read_mailbox(account, 0, id, &loaded, err);
        const struct mbox *mbox = rc ? NULL : acct_mailbox_by_id(loaded, id);

        if (!rc && mbox_counts(mbox)->messages > 0)
            rc = account_need_rows(account, loaded, mbox, 0, mbox_counts(mbox)->messages - 1,
                                   err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static enum rc open_account(struct scene *scene, size_t i, struct err *err)
{
    enum rc rc =
        account_open(scene->store, scene_account_ids[i], false, &scene->accounts[i], err);

    if (rc == RC_NOT_FOUND) {
        scene->accounts[i] = NULL;
        return RC_OK;
    }
    return rc ? rc : load_all(scene->accounts[i], err);
}

enum rc scene_open(struct scene *scene, struct err *err)
{
    struct local_options options = {.path = scene->path,
                                    .segment_bytes = SEGMENT_BYTES,
                                    .first_segment_bytes = SEGMENT_BYTES,
                                    .uncheckpointed_max_bytes = UNCHECKPOINTED_MAX,
                                    .unpacked_max_bytes = UNPACKED_MAX,
                                    .map_bytes = MAP_BYTES};
    enum rc rc = local_engine_open(&options, &scene->engine, err);

    if (rc)
        return rc;
    scene->ops = *scene->engine->ops;
    scene->real_start = scene->ops.start;
    scene->ops.start = note_start;
    scene->engine->ops = &scene->ops;
    scene->digester.make = plain_digest;
    starting = scene;
    scene->store = mail_store_new(
        &(struct mail_store_options){.engine = scene->engine, .digester = &scene->digester});
    for (size_t i = 0; i < LEDGER_ACCOUNTS && !rc; i++)
        rc = open_account(scene, i, err);
    if (rc)
        scene_close(scene);
    return rc;
}

void scene_close(struct scene *scene)
{
    for (size_t i = 0; i < LEDGER_ACCOUNTS; i++) {
        account_close(scene->accounts[i]);
        scene->accounts[i] = NULL;
        scene->positions[i] = 0;
    }
    mail_store_close(scene->store);
    scene->store = NULL;
    scene->engine = NULL;
}

enum rc scene_print(struct scene *scene, size_t account, struct buf *out,
                    uint32_t *out_uidvalidity, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;

    buf_reset(out);
    *out_uidvalidity = 0;
    if (scene->accounts[account] == NULL) {
        buf_append(out, LEDGER_ABSENT);
        return RC_OK;
    }
    state = account_read(scene->accounts[account], 0);
    return ledger_print(state, scene->engine, NULL, out, out_uidvalidity, err);
}

/* Bodies that are there already are known by what the store says of them. */
static enum rc note_bodies(struct scene *scene, size_t account, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;

    if (scene->accounts[account] == NULL)
        return RC_OK;
    state = account_read(scene->accounts[account], 0);
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox *mbox = acct_mailbox_at(state, i);

        for (uint32_t k = 0; k < mbox_counts(mbox)->messages; k++) {
            uint64_t body_id = mbox_cold(mbox, k)->body_id;
            AUTO(freep) char *bytes = NULL;
            struct body *body;
            uint64_t len;
            enum rc rc = scene->ops.body_open(scene->engine, scene_account_ids[account],
                                              body_id, &body, err);

            if (rc)
                return rc;
            len = scene->ops.body_length(body);
            bytes = xmalloc((size_t) len + 1);
            rc = scene->ops.body_read(body, 0, bytes, (size_t) len, err);
            scene->ops.body_close(body);
            if (rc)
                return rc;
            ledger_note_body(scene->ledger, scene_account_ids[account], body_id,
                             slice_of(bytes, (size_t) len));
        }
    }
    return RC_OK;
}

enum rc scene_begin_ledger(struct scene *scene, struct err *err)
{
    AUTO(buf_done) struct buf text;

    buf_init(&text, LEDGER_TEXT_BYTES);
    ledger_reset(scene->ledger);
    for (size_t i = 0; i < LEDGER_ACCOUNTS; i++) {
        uint32_t uidvalidity;
        enum rc rc = scene_print(scene, i, &text, &uidvalidity, err);

        if (!rc)
            rc = note_bodies(scene, i, err);
        if (rc)
            return rc;
        scene->ledger->accounts[i].id = scene_account_ids[i];
        scene->versions[i] = ledger_add(scene->ledger, i, buf_slice(&text), uidvalidity);
    }
    scene->ledger->is_begun = true;
    return RC_OK;
}

void scene_wait(struct scene *scene)
{
    for (size_t i = 0; i < LEDGER_ACCOUNTS; i++) {
        if (scene->positions[i] == 0)
            continue;
        account_wait_durable(scene->accounts[i], scene->positions[i]);
        scene->positions[i] = 0;
        scene->ledger->accounts[i].acknowledged = scene->versions[i];
        recording_mark((uint32_t) i, scene->versions[i], scene->is_branch);
    }
}

void scene_make_store(const char *path, struct ledger *ledger)
{
    static const enum step steps[] = {
        STEP_APPEND_SMALL, STEP_APPEND_SMALL,  STEP_APPEND_INLINE, STEP_APPEND_SMALL,
        STEP_CREATE,       STEP_COPY,          STEP_KEYWORD,       STEP_FLAGS,
        STEP_SUBSCRIBE,    STEP_OTHER_ACCOUNT,
    };
    AUTO(freep) struct scene *scene = xcalloc(1, sizeof(*scene));
    struct err err;

    (void) snprintf(scene->path, sizeof(scene->path), "%s/%s", path, SCENE_STORE_NAME);
    scene->ledger = ledger;
    must(local_store_create(scene->path, &err), "the first store", &err);
    must(scene_open(scene, &err), "the first store", &err);
    must(scene_begin_ledger(scene, &err), "the first store", &err);
    for (size_t i = 0; i < 2; i++)
        must(step_found(scene, i, &err), "the first store", &err);
    for (size_t i = 0; i < COUNT(steps); i++)
        must(scene_step(scene, steps[i], &err), "the first store", &err);
    scene_wait(scene);
    scene_close(scene);
}
