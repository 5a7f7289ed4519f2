/*
 * supervisor_certs.c - certificates on their way: from disk to keys, and once keys has taken
 * them, to those who serve TLS.
 *
 *     offered --KEYS_LOADED, OK--> used --CERT--> gate, web
 *        |
 *        +-----KEYS_LOADED, not OK--> forgotten; `used` stays. At the start there is none, and
 *                                     the server ends
 *
 * The keys' files are opened here and read by keys: no key is ever in this process. A process
 * that serves TLS starts once it is settled what with: until keys has answered the first time,
 * it is held back.
 */
#include "base/log.h"
#include "roles/supervisor.h"

#define CERT_POLL_US (10 * INT64_C(1000000))

bool certs_wanted(const struct config *config)
{
    return config->imaps.n > 0 || config->web_listen.n > 0 ||
           (config->imap.n > 0 && config->starttls && config->certificate.n > 0);
}

enum rc certs_read(struct supervisor *sup, struct err *err)
{
    const struct config *config = reloaded_config(sup);
    struct certs *certs = &sup->certs;
    struct cert_files files;
    enum rc rc;

    cert_files_stamp(config, &certs->stamps); /* what cannot be read waits for a change */
    rc = cert_files_read(config, &files, err);
    if (rc)
        return rc;
    cert_files_done(&certs->offered);
    certs->offered = files;
    certs->generation++;
    return RC_OK;
}

static bool keys_are_open(const struct cert_files *files)
{
    return files->n > 0 && files->list[0].key_fd >= 0;
}

void certs_post_keys(struct child *keys)
{
    struct certs *certs = &keys->sup->certs;
    struct cert_files *files = &certs->offered;
    struct err err;

    if (!certs_wanted(keys->sup->config))
        return;
    if (!keys_are_open(files) && certs_read(keys->sup, &err)) {
        log_event(LEVEL_ERROR, "certificate.unreadable", LOG_ERR(&err));
        return;
    }
    for (size_t i = 0; i < files->n; i++) {
        struct msg msg = {
            .type = MSG_KEY,
            .key = {.generation = certs->generation,
                    .at = (uint16_t) i,
                    .count = (uint16_t) files->n,
                    .name = files->list[i].name,
                    .key_name = files->list[i].key_name,
                    .chain = files->list[i].chain}
        };

        child_post(keys, &msg, &files->list[i].key_fd);
    }
    cert_files_close_keys(files); /* sent, or duplicated in the queue */
}

void certs_post(struct child *child)
{
    const struct cert_files *files = &child->sup->certs.used;

    for (size_t i = 0; i < files->n; i++) {
        struct msg msg = {
            .type = MSG_CERT,
            .cert = {.at = (uint16_t) i,
                     .count = (uint16_t) files->n,
                     .name = files->list[i].name,
                     .chain = files->list[i].chain,
                     .staple = files->list[i].staple}
        };

        child_post(child, &msg, NULL);
    }
}

bool certs_hold_back(const struct child *child)
{
    return role_serves_tls(child->role) && certs_wanted(child->sup->config) &&
           !child->sup->certs.settled;
}

void certs_heard(struct child *keys, const struct msg_keys_loaded *msg)
{
    struct supervisor *sup = keys->sup;
    struct certs *certs = &sup->certs;
    bool first = !certs->settled;

    if (msg->generation != certs->generation || certs->offered.n == 0)
        return; /* about a set that was replaced since */
    if (msg->rc == RC_OK) {
        cert_files_done(&certs->used);
        certs->used = certs->offered;
        certs->offered = (struct cert_files){.n = 0};
    } else {
        cert_files_done(&certs->offered);
    }
    certs->settled = true;
    supervisor_control_reloaded(sup, msg->rc, msg->text);
    if (first && msg->rc != RC_OK) { /* there is nothing to serve with */
        supervisor_child_refused(keys, msg->rc == RC_IO ? RC_IO : RC_NOT_FOUND, msg->text);
        return;
    }
    for (size_t i = 0; i < sup->n_children; i++) {
        struct child *child = &sup->children[i];

        if (!role_serves_tls(child->role) || child->channel == NULL)
            continue;
        if (first)
            child_post_start(child);
        else if (msg->rc == RC_OK)
            certs_post(child);
    }
}

enum rc certs_reload(struct supervisor *sup, struct err *err)
{
    const struct config_list *files = &reloaded_config(sup)->certificate;
    enum rc rc;

    if (!certs_wanted(sup->config))
        return RC_OK;
    rc = certs_read(sup, err);
    if (rc) {
        log_event(LEVEL_ERROR, "certificate.unreadable", LOG_ERR(err));
        return rc;
    }
    for (size_t i = 0; i < files->n; i++)
        log_event(LEVEL_INFO, "certificate.read", LOG_STR("file", files->items[i]));
    for (size_t i = 0; i < sup->n_children; i++) {
        if (sup->children[i].role == ROLE_KEYS && sup->children[i].channel != NULL)
            certs_post_keys(&sup->children[i]); /* else when it is started again */
    }
    return RC_OK;
}

static void poll_certs(void *ctx)
{
    struct supervisor *sup = ctx;
    struct cert_stamps now;
    struct err err;

    cert_files_stamp(reloaded_config(sup), &now);
    if (memcmp(&now, &sup->certs.stamps, sizeof(now)) != 0)
        (void) certs_reload(sup, &err);     /* what failed is in the log */
    tls_ticket_seed_advance(&sup->tickets); /* the secret of a period that is over goes */
    timer_start(sup->loop, &sup->certs.poll, CERT_POLL_US, poll_certs, sup);
}

void certs_watch(struct supervisor *sup)
{
    if (certs_wanted(sup->config))
        timer_start(sup->loop, &sup->certs.poll, CERT_POLL_US, poll_certs, sup);
}

void certs_done(struct supervisor *sup)
{
    cert_files_done(&sup->certs.offered);
    cert_files_done(&sup->certs.used);
}
