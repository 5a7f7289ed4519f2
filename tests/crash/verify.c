/* verify.c - see verify.h. */
#include "verify.h"

#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "steps.h"

#define LOG_BYTES 2048u

static char log_text_kept[LOG_BYTES]; /* under log_lock */
static size_t log_len;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep_line(void *ctx, enum log_level level, const char *event,
                      const struct log_field *fields, size_t n)
{
    AUTO(buf_done) struct buf line;

    (void) ctx;
    if (level < LEVEL_WARNING)
        return;
    buf_init(&line, LOG_BYTES / 4);
    buf_printf(&line, "    %s", event);
    for (size_t i = 0; i < n; i++) {
        if (fields[i].text.ptr != NULL)
            buf_printf(&line, " %s=%.*s", fields[i].key, SLICE_ARG(fields[i].text));
        else
            buf_printf(&line, " %s=%lld", fields[i].key, (long long) fields[i].number);
    }
    buf_byte(&line, '\n');
    (void) pthread_mutex_lock(&log_lock);
    if (line.len >= LOG_BYTES - log_len)
        log_len = 0; /* the newest are kept */
    memcpy(log_text_kept + log_len, line.ptr, line.len);
    log_len += line.len;
    log_text_kept[log_len] = '\0';
    (void) pthread_mutex_unlock(&log_lock);
}

void verify_note_log(void)
{
    log_len = 0;
    log_text_kept[0] = '\0';
    log_set_sink(keep_line, NULL);
}

const char *verify_log(void)
{
    return log_text_kept;
}

void verify_refuse(struct verdict *out, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(out->why, sizeof(out->why), fmt, ap);
    va_end(ap);
    out->ok = false;
}

void verify_take_got(struct verdict *out, struct slice want, struct slice got)
{
    char *copy = xmalloc(got.len + 1);

    if (got.len > 0)
        memcpy(copy, got.ptr, got.len);
    out->want = want;
    out->got = slice_of(copy, got.len);
}

/* An account that was being founded is there with its mailboxes, empty, or not at all. */
static bool is_founded(const struct expectation *expect, size_t i, struct slice text)
{
    const struct ledger_account *account = &expect->ledger->accounts[i];

    return account->is_being_made && expect->least[i] + 1 == account->n_versions &&
           slice_search(text, SLICE(" INBOX ")) < text.len &&
           slice_search(text, SLICE("  message ")) == text.len;
}

static bool identify(struct scene *scene, size_t i, const struct expectation *expect,
                     struct buf *text, struct verdict *out)
{
    const struct ledger_account *account = &expect->ledger->accounts[i];
    uint32_t uidvalidity;
    struct err err;

    if (scene_print(scene, i, text, &uidvalidity, &err) != RC_OK) {
        verify_refuse(out, "account %zu cannot be read: %s", i, err.detail);
        return false;
    }
    if (ledger_find(expect->ledger, i, expect->least[i], buf_slice(text), &out->found[i])) {
        ledger_cut(scene->ledger, i, out->found[i]);
    } else if (is_founded(expect, i, buf_slice(text))) {
        out->found[i] = ledger_add(scene->ledger, i, buf_slice(text), uidvalidity);
    } else {
        bool was_lost = ledger_find(expect->ledger, i, 0, buf_slice(text), &out->found[i]);

        verify_refuse(out, "account %zu is not a version from %zu to %zu%s", i,
                      expect->least[i], account->n_versions - 1,
                      was_lost ? ": acknowledged changes are lost" : ": it is none there was");
        verify_take_got(out, ledger_text_of(expect->ledger, i, account->n_versions - 1),
                        buf_slice(text));
        return false;
    }
    scene->ledger->accounts[i].is_being_made = false;
    scene->ledger->accounts[i].acknowledged = scene->versions[i] = out->found[i];
    recording_mark((uint32_t) i, out->found[i], true);
    return true;
}

static uint32_t greatest_acknowledged(const struct expectation *expect, size_t i)
{
    uint32_t greatest = 0;

    for (size_t v = 0; v <= expect->least[i]; v++)
        greatest = MAX(greatest, expect->ledger->accounts[i].versions[v].uidvalidity);
    return greatest;
}

/* New mail and a new mailbox. */
static bool go_on(struct scene *scene, const struct expectation *expect, struct verdict *out)
{
    static const enum step steps[] = {STEP_APPEND_SMALL, STEP_CREATE, STEP_FLAGS,
                                      STEP_OTHER_ACCOUNT, STEP_NEW_ACCOUNT};
    struct err err;

    for (size_t i = 0; i < COUNT(steps); i++) {
        enum rc rc = scene_step(scene, steps[i], &err);

        if (rc != RC_OK) {
            verify_refuse(out, "after recovery: %s: %s", step_name(steps[i]), err.detail);
            return false;
        }
    }
    if (scene->accounts[0] != NULL) {
        const struct ledger_account *account = &scene->ledger->accounts[0];
        uint32_t now = account->versions[account->n_versions - 1].uidvalidity;

        if (now <= greatest_acknowledged(expect, 0)) {
            verify_refuse(out, "after recovery: UIDVALIDITY %u was given before", now);
            return false;
        }
    }
    return true;
}

static bool is_as_left(struct scene *scene, struct buf *text, struct verdict *out)
{
    struct err err;

    for (size_t i = 0; i < LEDGER_ACCOUNTS; i++) {
        const struct ledger_account *account = &scene->ledger->accounts[i];
        struct slice want = ledger_text_of(scene->ledger, i, account->n_versions - 1);
        uint32_t uidvalidity;

        if (scene_print(scene, i, text, &uidvalidity, &err) != RC_OK) {
            verify_refuse(out, "after a clean stop: account %zu cannot be read: %s", i,
                          err.detail);
            return false;
        }
        if (!slice_eq(want, buf_slice(text))) {
            verify_refuse(out, "after a clean stop: account %zu is not what it was", i);
            verify_take_got(out, want, buf_slice(text));
            return false;
        }
    }
    return true;
}

/* A store whose making was not acknowledged may be missing; then it is made now. */
static bool open_store(struct scene *scene, const struct expectation *expect,
                       struct verdict *out)
{
    struct err err;
    enum rc rc = scene_open(scene, &err);

    if (rc == RC_NOT_FOUND && expect->may_be_missing) {
        rc = local_store_create(scene->path, &err);
        if (rc == RC_OK)
            rc = scene_open(scene, &err);
    }
    if (rc != RC_OK)
        verify_refuse(out, "the store does not open: %s: %s", rc_name(rc), err.detail);
    return rc == RC_OK;
}

static bool reopen(struct scene *scene, struct verdict *out)
{
    struct err err;

    scene_close(scene);
    if (scene_open(scene, &err) == RC_OK)
        return true;
    verify_refuse(out, "after a clean stop the store does not open: %s", err.detail);
    return false;
}

void verify_store(const char *folder, const struct expectation *expect, struct ledger *branch,
                  struct verdict *out)
{
    AUTO(freep) struct scene *scene = xcalloc(1, sizeof(*scene));
    AUTO(buf_done) struct buf text;
    bool ok;

    *out = (struct verdict){.ok = true};
    buf_init(&text, LEDGER_TEXT_BYTES);
    *branch = *expect->ledger;
    scene->ledger = branch;
    scene->is_branch = true;
    scene->n_made = 1000000;
    (void) snprintf(scene->path, sizeof(scene->path), "%s/%s", folder, SCENE_STORE_NAME);
    if (!open_store(scene, expect, out))
        return;
    ok = true;
    for (size_t i = 0; i < LEDGER_ACCOUNTS && ok; i++)
        ok = identify(scene, i, expect, &text, out);
    ok = ok && go_on(scene, expect, out);
    if (ok && !reopen(scene, out))
        return;
    if (ok)
        (void) is_as_left(scene, &text, out);
    scene_close(scene);
}
