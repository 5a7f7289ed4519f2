/*
 * mail_review.c - auth decides again about sessions that live on (docs/formats/ipc.md,
 * "Sessions that live on").
 *
 * Who is here is written down when auth asks: what comes later was decided later. It is told in
 * batches with a pause behind each, so that a hundred thousand sessions take auth's time for
 * half a minute, and never more than some milliseconds of it before the next login.
 */
#include "base/log.h"
#include "roles/mail_role.h"

#define BATCH_ROWS   128u
#define BATCH_GAP_US ((int64_t) 25000)

struct collecting {
    struct mail_review *review;
    uint64_t account;
};

static void add_row(struct mail_review *review, const struct msg_session_facts *row)
{
    struct mail_review_row *kept;

    if (review->n_rows == review->cap_rows) {
        review->cap_rows = MAX(review->cap_rows * 2, (size_t) 64);
        review->rows = xrealloc(review->rows, review->cap_rows * sizeof(*review->rows));
    }
    kept = &review->rows[review->n_rows++];
    kept->facts = *row;
    kept->facts.mechanism = (struct slice){0};
    (void) snprintf(kept->mechanism, sizeof(kept->mechanism), "%.*s",
                    SLICE_ARG(row->mechanism));
}

static void add_client(void *ctx, const struct client_row *client)
{
    const struct collecting *collecting = ctx;
    const struct client_identity *who = client->who;
    struct msg_session_facts row = {
        .gate = who->gate,
        .conn = who->conn,
        .account = who->account,
        .device = who->device,
        .mechanism = slice_from_str(who->mechanism),
        .credential = who->credential,
        .certified = who->certified,
        .peer = who->peer,
        .verdict = who->verdict,
    };

    if (collecting->account != 0 && who->account != collecting->account)
        return;
    memcpy(row.certificate, who->certificate, sizeof(row.certificate));
    add_row(collecting->review, &row);
}

static void add_grant(void *ctx, const struct msg_grant *grant)
{
    const struct collecting *collecting = ctx;
    struct msg_session_facts row = {
        .gate = grant->gate,
        .conn = grant->conn,
        .account = grant->account,
        .device = grant->device,
        .mechanism = grant->mechanism,
        .credential = grant->credential,
        .certified = grant->certified,
        .peer = grant->peer,
        .verdict = grant->verdict,
    };

    if (collecting->account != 0 && grant->account != collecting->account)
        return;
    memcpy(row.certificate, grant->certificate, sizeof(row.certificate));
    add_row(collecting->review, &row);
}

static void clear(struct mail_review *review)
{
    free(review->rows);
    review->rows = NULL;
    review->n_rows = review->cap_rows = review->n_told = 0;
}

/* False: auth takes no more now. */
static bool tell(struct mail_role *mail, struct mail_review_row *row)
{
    struct msg msg = {.type = MSG_SESSION_FACTS, .session_facts = row->facts};
    struct err err;

    msg.session_facts.mechanism = slice_from_str(row->mechanism);
    return mail_post(&mail->auth, &msg, &err) == RC_OK;
}

static void tell_batch(void *ctx)
{
    struct mail_role *mail = ctx;
    struct mail_review *review = &mail->review;

    for (size_t n = 0; n < BATCH_ROWS && review->n_told < review->n_rows; n++) {
        if (!tell(mail, &review->rows[review->n_told]))
            break;
        review->n_told++;
    }
    if (review->n_told == review->n_rows)
        clear(review);
    else
        timer_start(mail->loop, &review->timer, BATCH_GAP_US, tell_batch, mail);
}

void mail_review_asked(struct mail_role *mail, const struct msg_sessions_ask *msg)
{
    struct collecting collecting = {.review = &mail->review, .account = msg->account};

    if (msg->account == 0) /* everybody: whoever was still to be told of is among them */
        clear(&mail->review);
    clients_list(mail->clients, add_client, &collecting);
    mail_pairs_each_grant(mail, add_grant, &collecting);
    timer_stop(mail->loop, &mail->review.timer);
    tell_batch(mail);
}

void mail_review_end(struct mail_role *mail, const struct msg_session_end *msg)
{
    mail_pairs_end(mail, msg);
    (void) clients_end_one(mail->clients, msg->gate, msg->conn, msg->verdict, ORDER_POLICY);
}

void mail_review_stop(struct mail_role *mail)
{
    timer_stop(mail->loop, &mail->review.timer);
    clear(&mail->review);
}
