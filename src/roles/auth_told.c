/*
 * auth_told.c - a command line that has changed users or groups hears so when mail knows it:
 * what is done over IMAP right behind the command sees the change.
 *
 *   auth_told_end --[mail has more to be told]--> waits --> DIRECTORY_ASK --> waits
 *        |                                                         DIRECTORY_HEARD --> answered
 *        '--mail is not there, or goes, or is silent for long----------------------> answered
 *
 * Messages of one channel come in order, so what mail was told before the question it has heard
 * by its answer. A mail that comes later is told everything before it takes sessions.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ipc/control.h"
#include "roles/auth_role.h"

struct told {
    struct link link; /* in auth->telling */
    struct auth_role *auth;
    struct control_conn *conn;
    uint64_t number; /* of the question; 0: it is to be asked */
    struct timer timer;
    enum rc rc; /* what it hears then */
    char text[TOLD_TEXT_BYTES];
};

/* The state of its connection: freed with the answer, or with the connection. */
static void told_free(void *state)
{
    struct told *told = state;

    timer_stop(told->auth->loop, &told->timer);
    list_remove(&told->link);
    free(told);
}

static void answer(const struct told *told)
{
    struct auth_role *auth = told->auth;
    struct control_conn *conn = told->conn;

    control_end(conn, told->rc, told->text);
    auth_control_answered(auth, conn);
}

static void on_late(void *ctx)
{
    answer(ctx);
}

static void ask(struct told *told)
{
    struct auth_role *auth = told->auth;
    struct msg msg = {.type = MSG_DIRECTORY_ASK};

    if (auth_directory_goes_on(auth) || auth_unheard_waits(auth))
        return; /* what has changed comes with the rest */
    msg.directory_ask.number = ++auth->last_told;
    if (auth_post(&auth->mail, &msg, NULL) == RC_OK)
        told->number = auth->last_told;
    else
        answer(told);
}

void auth_end_told(struct auth_role *auth, struct control_conn *conn, enum rc rc,
                   const struct err *err)
{
    if (rc == RC_OK)
        auth_told_end(auth, conn, RC_OK, "");
    else
        auth_end(conn, rc, err);
}

void auth_told_end(struct auth_role *auth, struct control_conn *conn, enum rc rc,
                   const char *text)
{
    struct told *told;

    if (auth->mail.channel == NULL) {
        control_end(conn, rc, text);
        return;
    }
    told = xcalloc(1, sizeof(*told));
    told->auth = auth;
    told->conn = conn;
    told->rc = rc;
    (void) snprintf(told->text, sizeof(told->text), "%s", text);
    list_push_back(&auth->telling, &told->link);
    control_conn_set_state(conn, told, told_free);
    timer_start(auth->loop, &told->timer, TOLD_WAIT_US, on_late, told);
    ask(told);
}

void auth_told_ask(struct auth_role *auth)
{
    LIST_FOREACH(it, &auth->telling)
    {
        struct told *told = LINK_OWNER(it, struct told, link);

        if (told->number == 0)
            ask(told);
    }
}

void auth_told_heard(struct auth_role *auth, uint64_t number)
{
    LIST_FOREACH(it, &auth->telling)
    {
        struct told *told = LINK_OWNER(it, struct told, link);

        if (told->number != 0 && told->number <= number)
            answer(told);
    }
}

void auth_told_lost(struct auth_role *auth)
{
    LIST_FOREACH(it, &auth->telling)
    {
        answer(LINK_OWNER(it, struct told, link));
    }
}
