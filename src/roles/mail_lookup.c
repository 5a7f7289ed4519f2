/*
 * mail_lookup.c - auth is asked for the account of a name, by threads that wait for the answer.
 *
 * A question lies on the stack of who asks, and in mail->lookups until it is answered, given up
 * or timed out; whoever takes it out of the list under the lock decides which. The loop thread
 * sends it, since the channel is the loop's.
 */
#include <errno.h>

#include "roles/mail_role.h"

struct lookup {
    struct link link;
    uint64_t request;
    struct slice user;
    bool sent, done;
    pthread_cond_t answered;
    enum rc rc;
    uint64_t account;
};

static void answer(struct lookup *lookup, enum rc rc, uint64_t account)
{
    lookup->rc = rc;
    lookup->account = account;
    lookup->done = true;
    list_remove(&lookup->link);
    (void) pthread_cond_signal(&lookup->answered);
}

static void send_new(void *ctx)
{
    struct mail_role *mail = ctx;
    struct err err;

    (void) pthread_mutex_lock(&mail->lookup_lock);
    LIST_FOREACH(it, &mail->lookups)
    {
        struct lookup *lookup = LINK_OWNER(it, struct lookup, link);
        struct msg msg = {
            .type = MSG_LOOKUP_USER,
            .lookup_user = {.request = lookup->request, .user = lookup->user}
        };

        if (lookup->sent)
            continue;
        lookup->sent = true;
        if (mail_post(&mail->auth, &msg, &err))
            answer(lookup, RC_UNAVAILABLE, 0);
    }
    (void) pthread_mutex_unlock(&mail->lookup_lock);
}

void mail_user_found(struct mail_role *mail, const struct msg_user_found *found)
{
    enum rc rc = RC_UNAVAILABLE;

    if (found->code == RESOLVE_OK || found->code == RESOLVE_DISABLED)
        rc = RC_OK;
    else if (found->code == RESOLVE_UNKNOWN)
        rc = RC_NOT_FOUND;
    (void) pthread_mutex_lock(&mail->lookup_lock);
    LIST_FOREACH(it, &mail->lookups)
    {
        struct lookup *lookup = LINK_OWNER(it, struct lookup, link);

        if (lookup->request == found->request)
            answer(lookup, rc, found->account);
    }
    (void) pthread_mutex_unlock(&mail->lookup_lock);
}

void mail_lookups_end(struct mail_role *mail)
{
    (void) pthread_mutex_lock(&mail->lookup_lock);
    mail->lookups_ended = true;
    LIST_FOREACH(it, &mail->lookups)
    {
        answer(LINK_OWNER(it, struct lookup, link), RC_UNAVAILABLE, 0);
    }
    (void) pthread_mutex_unlock(&mail->lookup_lock);
}

static void wait_for_answer(struct mail_role *mail, struct lookup *lookup)
{
    int64_t end_us = clock_mono_us() + MAIL_LOOKUP_US;
    const struct timespec end = {.tv_sec = end_us / 1000000,
                                 .tv_nsec = (end_us % 1000000) * 1000};
    int rc = 0;

    while (!lookup->done && rc == 0)
        rc = pthread_cond_clockwait(&lookup->answered, &mail->lookup_lock, CLOCK_MONOTONIC,
                                    &end);
    if (!lookup->done)
        list_remove(&lookup->link);
}

enum rc mail_lookup_user(struct mail_role *mail, struct slice user, uint64_t *out_account,
                         struct err *err)
{
    struct lookup lookup = {.user = user, .rc = RC_UNAVAILABLE};

    if (user.len > MSG_USER_MAX)
        return err_set(err, RC_LIMIT, "The name is too long", "user: %zu bytes", user.len);
    (void) pthread_cond_init(&lookup.answered, NULL);
    (void) pthread_mutex_lock(&mail->lookup_lock);
    if (!mail->lookups_ended) {
        lookup.request = ++mail->last_lookup;
        list_push_back(&mail->lookups, &lookup.link);
        loop_post(mail->loop, &mail->look_up, send_new, mail);
        wait_for_answer(mail, &lookup);
    }
    (void) pthread_mutex_unlock(&mail->lookup_lock);
    (void) pthread_cond_destroy(&lookup.answered);
    if (lookup.rc == RC_NOT_FOUND)
        return err_set(err, RC_NOT_FOUND, "No such user", "user: unknown");
    if (lookup.rc)
        return err_set(err, RC_UNAVAILABLE, "Users cannot be looked up now",
                       "auth does not answer");
    *out_account = lookup.account;
    return RC_OK;
}
