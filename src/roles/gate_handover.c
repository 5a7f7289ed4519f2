/*
 * gate_handover.c - from auth's OK to the last byte: the connection goes to mail, or is
 * carried.
 *
 * Contract: docs/formats/ipc.md, Login 3 and 4. Without TLS mail gets the client's socket and
 * this process forgets it. With TLS mail gets one end of a socket pair. Until mail's first
 * bytes (its answer to the login) nothing is read from the client and what came with the login
 * is kept, so that a refusal loses nothing: the client goes on here as if it had never left.
 *
 * When mail's socket ends: CONN_CLOSE from mail says that it ended the session itself. Mail's
 * death closes the channel as well, but which of the two is heard first is chance; so an end
 * without CONN_CLOSE waits GATE_GRACE_US for the other news before it is taken as in order.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "imap/language.h"
#include "imap/print.h"
#include "roles/gate_state.h"

#define US_PER_SEC 1000000
#define TEXT_ROOM  (MSG_TEXT_MAX + 64u)

#define MAIL_DIED_BYE "* BYE [UNAVAILABLE] Mail service restarts, try again\r\n"

void gate_forget_login(struct gate_conn *c)
{
    explicit_bzero(c->nonce, sizeof(c->nonce));
    buf_reset(&c->tag);
    buf_shrink(&c->tag, 0);
    buf_reset(&c->unread);
    buf_shrink(&c->unread, 0);
    imap_reader_free(TAKE(c->reader));
}

/* The login's answer is ours after all. */
static void refuse_login(struct gate_conn *c, struct slice text)
{
    AUTO(buf_done) struct buf line = {0};

    buf_init(&line, TEXT_ROOM);
    buf_str(&line, "[UNAVAILABLE] ");
    imap_print_text(&line, text.len > 0 ? text : SLICE("Temporarily unavailable"),
                    (struct imap_mode){0});
    buf_byte(&line, '\0');
    gate_conn_enter(c, GATE_READY);
    gate_refuse(c, buf_slice(&c->tag), "NO", line.ptr);
    if (c->state == GATE_READY) {
        buf_reset(&c->tag);
        buf_shrink(&c->tag, 0);
    }
}

static void tell_mail(struct gate_conn *c, enum close_reason reason)
{
    struct msg msg = {
        .type = MSG_CONN_CLOSE, .conn_close = {.conn = c->id, .reason = (uint8_t) reason}
    };
    struct err err = {0};

    if (!c->close_told && !c->mail_died)
        (void) !gate_peer_post(&c->gate->mail, &msg, NULL, &err); /* mail is gone: it knows */
}

void gate_carry_stop(struct gate_conn *c, enum close_reason reason)
{
    if (c->pump == NULL)
        return;
    tell_mail(c, reason);
    pump_stop(c->pump);
    free(TAKE(c->pump));
}

/* --- while a connection is carried --- */

static void first_down(void *ctx)
{
    struct gate_conn *c = ctx;

    timer_stop(c->gate->loop, &c->timer);
    gate_forget_login(c);
    pump_release_up(c->pump);
}

/* Mail will not have it: back to commands, with what was kept. */
static void take_back(struct gate_conn *c, struct slice text)
{
    pump_stop(c->pump);
    free(TAKE(c->pump));
    gate_conn_rename(c); /* what is still said about the old id is about nobody */
    if (gate_conn_watch(c) != RC_OK)
        return;
    refuse_login(c, text);
    gate_conn_run(c);
}

static void answer_deadline(void *ctx)
{
    struct gate_conn *c = ctx;

    tell_mail(c, CLOSE_TIMEOUT);
    take_back(c, SLICE(""));
}

static void linger_deadline(void *ctx)
{
    gate_conn_drop(ctx, CLOSE_PEER_CLOSED);
}

static void end_down(struct gate_conn *c)
{
    bool says_bye = c->mail_died && !c->close_told && c->pump->down_at_line_start;

    if (c->reason == 0)
        c->reason = c->mail_died                     ? CLOSE_INTERNAL
                    : c->pump->up.state == PUMP_OPEN ? CLOSE_LOGOUT
                                                     : CLOSE_PEER_CLOSED;
    pump_end_down(c->pump, says_bye ? SLICE(MAIL_DIED_BYE) : SLICE(""));
    timer_start(c->gate->loop, &c->timer, gate_linger_us(c->gate), linger_deadline, c);
}

static void grace_over(void *ctx)
{
    end_down(ctx);
}

static void local_end(void *ctx)
{
    struct gate_conn *c = ctx;
    struct gate *gate = c->gate;

    gate_peer_drain(&gate->mail); /* what mail said before it closed */
    if (c->state != GATE_CARRIED)
        return;
    if (!c->pump->down_started)
        take_back(c, SLICE(""));
    else if (c->close_told || c->mail_died)
        end_down(c);
    else
        timer_start(gate->loop, &c->timer, GATE_GRACE_US, grace_over, c);
}

static void carried_done(void *ctx, const struct err *why)
{
    struct gate_conn *c = ctx;

    if (why != NULL)
        gate_conn_drop(c, c->conn.tls != NULL &&
                                  slice_starts(slice_from_str(why->text), SLICE("TLS"))
                              ? CLOSE_TLS_ERROR
                              : CLOSE_PEER_RESET);
    else
        gate_conn_drop(c, CLOSE_PEER_CLOSED);
}

static const struct pump_events carry_events = {
    .first_down = first_down,
    .local_end = local_end,
    .given_back = gate_carry_ended,
    .done = carried_done,
};

/* --- handing over --- */

static enum rc post_handover(struct gate_conn *c, enum transport transport, int fd,
                             struct err *err)
{
    struct tls_facts facts;
    struct msg msg = {
        .type = MSG_HANDOVER,
        .handover = {.conn = c->id,
                     .service = SERVICE_IMAP,
                     .transport = (uint8_t) transport,
                     .peer = c->peer,
                     .local = c->local,
                     .tag = buf_slice(&c->tag),
                     .command = slice_from_str(c->command),
                     .client_id = buf_slice(&c->client_id),
                     .language = slice_from_str(imap_language_tag(c->language)),
                     .unread = slice_sub(buf_slice(&c->unread), 0, MSG_UNREAD_MAX)}
    };

    memcpy(msg.handover.nonce, c->nonce, sizeof(msg.handover.nonce));
    if (c->conn.tls != NULL) {
        tls_facts(c->conn.tls, &facts);
        msg.handover.tls_version = facts.version_number;
        msg.handover.tls_cipher = slice_sub(slice_from_str(facts.cipher), 0, MSG_TLS_NAME_MAX);
        msg.handover.sni = slice_sub(facts.sni, 0, MSG_SNI_MAX);
    }
    return gate_peer_post(&c->gate->mail, &msg, &fd, err);
}

static enum rc start_carrying(struct gate_conn *c, struct err *err)
{
    struct gate *gate = c->gate;
    int fds[2];
    enum rc rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return err_set(err, RC_UNAVAILABLE, "Temporarily unavailable", "socketpair failed");
    rc = post_handover(c, TRANSPORT_PROXIED, fds[1], err);
    closep(&fds[1]);
    if (rc) {
        closep(&fds[0]);
        return rc;
    }
    loop_remove(gate->loop, &c->watch);
    c->close_told = c->mail_died = false; /* of another mail, which had it before */
    c->pump = xcalloc(1, sizeof(*c->pump));
    gate_conn_enter(c, GATE_CARRIED);
    timer_start(gate->loop, &c->timer, (int64_t) GATE_ANSWER_SEC * US_PER_SEC, answer_deadline,
                c);
    rc = pump_start(c->pump, gate->loop, &c->conn, fds[0], gate->scratch, true, &carry_events,
                    c, err);
    if (rc) /* the descriptors are good; only memory of the kernel can be short */
        gate_conn_drop(c, CLOSE_INTERNAL);
    else
        pump_put_up(c->pump, slice_from(buf_slice(&c->unread), MSG_UNREAD_MAX));
    return RC_OK;
}

void gate_hand_over(struct gate_conn *c)
{
    struct err err = {0};
    enum rc rc;

    if (c->conn.tls != NULL) {
        rc = start_carrying(c, &err);
    } else {
        rc = post_handover(c, TRANSPORT_BARE, c->conn.fd, &err);
        if (rc == RC_OK)
            gate_conn_drop(c, GATE_HANDED_OVER);
    }
    if (rc) {
        log_event(LEVEL_WARNING, "gate.handover", LOG_ERR(&err));
        refuse_login(c, SLICE(""));
    }
}

/* --- what mail says --- */

static void on_refused(struct gate *gate, const struct msg_handover_refused *msg)
{
    struct gate_conn *c = gate_conn_find(gate, msg->conn);

    if (c != NULL && c->state == GATE_CARRIED && !c->pump->down_started)
        take_back(c, msg->text);
}

static void on_close(struct gate *gate, const struct msg_conn_close *msg)
{
    struct gate_conn *c = gate_conn_find(gate, msg->conn);

    if (c == NULL || c->state != GATE_CARRIED)
        return;
    c->close_told = true;
    if (c->reason == 0 && msg->reason > 0 && msg->reason < CLOSE_COUNT)
        c->reason = (enum close_reason) msg->reason;
    if (c->pump->down.state == PUMP_ENDED && c->pump->down_started && !c->pump->down_may_end)
        end_down(c);
}

void gate_handover_message(struct gate *gate, struct packet *packet)
{
    switch (packet->msg.type) {
    case MSG_HANDOVER_REFUSED:
        on_refused(gate, &packet->msg.handover_refused);
        break;
    case MSG_CONN_BACK:
        gate_take_back(gate, packet);
        break;
    case MSG_CONN_CLOSE:
        on_close(gate, &packet->msg.conn_close);
        break;
    default:
        break;
    }
}

/* Each connection hears of it when its socket ends, behind the last byte mail wrote. */
void gate_handover_lost_mail(struct gate *gate)
{
    LIST_FOREACH(link, &gate->lists[GATE_CARRIED])
    {
        struct gate_conn *c = LINK_OWNER(link, struct gate_conn, link);

        c->mail_died = true;
        if (c->pump->down.state == PUMP_ENDED && c->pump->down_started &&
            !c->pump->down_may_end)
            end_down(c);
    }
}
