/*
 * supervisor_reload.c - SIGHUP and `roost reload`: what a running server reads again.
 *
 * The configuration is read whole and checked as at the start. A few settings then count at
 * once; others that say something else than at the start are named, and wait for a restart: the
 * roles have built what they are upon them. A file with an error changes no setting. The files
 * that settings name are looked at again in any case, for it may be them that have changed.
 */
#include <unistd.h>

#include "base/log.h"
#include "roles/supervisor.h"

#define WAITING_BYTES 4096u /* the names of all settings */

/* Read by the supervisor alone, or told to the roles with START and RELOAD. */
static const char *const without_restart[] = {"certificate", "certificate_key", "log_level"};

static bool needs_restart(const char *setting)
{
    for (size_t i = 0; i < COUNT(without_restart); i++) {
        if (strcmp(without_restart[i], setting) == 0)
            return false;
    }
    return true;
}

const struct config *reloaded_config(const struct supervisor *sup)
{
    return sup->reread != NULL ? sup->reread : sup->config;
}

bool reload_waits(const struct supervisor *sup, size_t at)
{
    return needs_restart(config_setting_at(at).name) &&
           !config_same(sup->config, reloaded_config(sup), at);
}

static enum rc read_config(struct supervisor *sup, struct err *err)
{
    AUTO(config_freep) struct config *fresh = NULL;
    struct config_errors errors;

    if (config_read(sup->config_path, &fresh, &errors))
        return err_set(err, RC_INVALID, "The configuration has an error", "%s:%d: %s",
                       errors.list[0].file, errors.list[0].line, errors.list[0].text);
    if (certs_wanted(sup->config) && fresh->certificate.n == 0)
        return err_set(err, RC_INVALID, "The configuration has an error",
                       "certificate: needed until a restart closes the doors with TLS");
    config_free(sup->reread);
    sup->reread = TAKE(fresh);
    return RC_OK;
}

static void tell_roles(struct supervisor *sup)
{
    struct msg msg = {
        .type = MSG_RELOAD,
        .reload = {.log_level = (uint8_t) log_level_of(reloaded_config(sup)->log_level),
                   .number = ++sup->reloads}
    };

    for (size_t i = 0; i < sup->n_children; i++) {
        struct child *child = &sup->children[i];

        if (child->channel == NULL || certs_hold_back(child))
            continue; /* it reads everything when it starts */
        child->reload_asked = sup->reloads;
        child_post(child, &msg, NULL);
    }
}

bool reload_is_under_way(const struct supervisor *sup)
{
    for (size_t i = 0; i < sup->n_children; i++) {
        if (sup->children[i].reload_asked != 0)
            return true;
    }
    return sup->certs.offered.n > 0;
}

void reload_heard(struct child *child, const struct msg_reloaded *msg)
{
    if (msg->number != child->reload_asked)
        return; /* the newer one is answered too */
    child->reload_asked = 0;
    supervisor_control_reloaded(child->sup, msg->rc, msg->text);
}

void reload_lost(struct child *child)
{
    char text[MSG_TEXT_MAX];

    if (child->reload_asked == 0)
        return;
    child->reload_asked = 0;
    (void) snprintf(text, sizeof(text), "%s has ended meanwhile", role_name(child->role));
    supervisor_control_reloaded(child->sup, RC_UNAVAILABLE, slice_from_str(text));
}

static void log_reload(const struct supervisor *sup)
{
    AUTO(buf_done) struct buf waiting = {0};

    buf_init(&waiting, WAITING_BYTES);
    for (size_t i = 0; i < config_setting_count(); i++) {
        if (reload_waits(sup, i))
            buf_printf(&waiting, "%s%s", waiting.len > 0 ? " " : "", config_setting_at(i).name);
    }
    log_event(LEVEL_INFO, "server.reload", LOG_NUM("pid", getpid()),
              LOG_TEXT("needs_restart", buf_slice(&waiting)));
}

enum rc supervisor_reload(struct supervisor *sup, struct err *err)
{
    enum rc read_rc = read_config(sup, err);
    struct err certs_err;
    enum rc certs_rc;

    if (read_rc)
        log_event(LEVEL_ERROR, "config.refused", LOG_ERR(err));
    tell_roles(sup);
    certs_rc = certs_reload(sup, read_rc ? &certs_err : err);
    log_reload(sup);
    return read_rc ? read_rc : certs_rc;
}
