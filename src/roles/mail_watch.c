/*
 * mail_watch.c - auth is told which watches of grants have sessions (docs/formats/ipc.md,
 * "Watches"): it looks after their credentials, and after no others.
 */
#include "base/buf.h"
#include "base/map.h"
#include "roles/mail_role.h"

struct telling {
    struct mail_role *mail;
    struct map *told; /* watches, each once */
    struct buf list;
};

static void send_list(struct telling *telling)
{
    struct msg msg = {.type = MSG_WATCHED, .watched = {.watches = buf_slice(&telling->list)}};

    if (telling->list.len > 0)
        (void) !mail_post(&telling->mail->auth, &msg,
                          NULL); /* not there: the next one is told */
    buf_reset(&telling->list);
}

static void tell_one(void *ctx, const struct client_row *row)
{
    struct telling *telling = ctx;
    uint64_t watch = row->who->watch;

    if (watch == 0 || map_put(telling->told, MAP_KEY(watch), telling) != NULL)
        return;
    buf_le64(&telling->list, watch);
    if (telling->list.len == MSG_WATCHES_MAX)
        send_list(telling);
}

void mail_watch_tell(struct mail_role *mail)
{
    AUTO(map_freep) struct map *told = map_new();
    struct telling telling = {.mail = mail, .told = told, .list = {.max = MSG_WATCHES_MAX}};

    clients_list(mail->clients, tell_one, &telling);
    send_list(&telling);
    buf_done(&telling.list);
}
