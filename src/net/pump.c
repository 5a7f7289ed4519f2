#include "net/pump.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void keep(struct pump_way *way, struct slice bytes)
{
    size_t held = way->len - way->at;
    char *joined;

    if (bytes.len == 0)
        return;
    joined = xmalloc(held + bytes.len);
    if (held > 0)
        memcpy(joined, way->kept + way->at, held);
    memcpy(joined + held, bytes.ptr, bytes.len);
    free(way->kept);
    way->kept = joined;
    way->at = 0;
    way->len = held + bytes.len;
}

static void forget_kept(struct pump_way *way)
{
    free(TAKE(way->kept));
    way->at = way->len = 0;
}

/* --- up: connection to local --- */

/* A local side that reads no more is no failure: its last words are still on their way down. */
static enum rc write_local(struct pump *pump, struct slice bytes, size_t *out_n)
{
    ssize_t n = send(pump->local_fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

    if (n >= 0) {
        *out_n = (size_t) n;
        return RC_OK;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        return RC_MORE;
    pump->up_discards = true;
    *out_n = bytes.len;
    return RC_OK;
}

static enum rc flush_up(struct pump *pump)
{
    struct pump_way *up = &pump->up;

    while (up->kept != NULL) {
        size_t n = 0;
        enum rc rc = write_local(pump, slice_of(up->kept + up->at, up->len - up->at), &n);

        if (rc)
            return rc;
        up->at += n;
        up->n_passed += n;
        if (up->at == up->len)
            forget_kept(up);
    }
    return RC_OK;
}

static void pass_up(struct pump *pump, struct slice bytes)
{
    size_t n = 0;

    if (pump->up_discards)
        return;
    if (write_local(pump, bytes, &n) == RC_OK)
        pump->up.n_passed += n;
    keep(&pump->up, slice_from(bytes, n));
}

/* RC_MORE: there may be more at once. */
static enum rc run_up(struct pump *pump, struct err *err)
{
    struct pump_way *up = &pump->up;
    unsigned rounds = 0;

    if (flush_up(pump) == RC_MORE)
        return RC_OK;
    while (up->state == PUMP_OPEN && !pump->up_held && up->kept == NULL) {
        size_t n = 0;
        enum rc rc;

        if (rounds++ == PUMP_ROUNDS)
            return RC_MORE;
        rc = conn_read(pump->conn, pump->scratch, PUMP_BYTES, &n, err);
        if (rc == RC_MORE)
            return RC_OK;
        if (rc)
            return rc;
        if (n == 0)
            up->state = PUMP_ENDED;
        else
            pass_up(pump, slice_of(pump->scratch, n));
        if (n < PUMP_BYTES && !conn_has_pending(pump->conn))
            break;
    }
    if (up->state == PUMP_ENDED && up->kept == NULL) {
        (void) shutdown(pump->local_fd, SHUT_WR); /* gone already: it knows */
        up->state = PUMP_PASSED;
    }
    return RC_OK;
}

/* --- down: local to connection --- */

static enum rc flush_down(struct pump *pump, struct err *err)
{
    struct pump_way *down = &pump->down;

    while (down->kept != NULL) {
        size_t n = 0;
        enum rc rc = conn_write(pump->conn,
                                slice_of(down->kept + down->at, down->len - down->at), &n, err);

        if (rc)
            return rc;
        down->at += n;
        down->n_passed += n;
        if (down->at == down->len)
            forget_kept(down);
    }
    return RC_OK;
}

/* What arrived is in bytes; an end or an error of the local side both end this way. */
static enum rc pass_down(struct pump *pump, struct slice bytes, struct err *err)
{
    if (!pump->down_started) {
        pump->down_started = true;
        pump->events->first_down(pump->ctx);
    }
    pump->down_at_line_start = bytes.ptr[bytes.len - 1] == '\n';
    while (bytes.len > 0) {
        size_t n = 0;
        enum rc rc = conn_write(pump->conn, bytes, &n, err);

        if (rc == RC_MORE)
            break;
        if (rc)
            return rc;
        pump->down.n_passed += n;
        bytes = slice_from(bytes, n);
    }
    keep(&pump->down, bytes);
    return RC_OK;
}

/* reads: is there a reason to look at the local side? RC_MORE: there may be more at once. */
static enum rc run_down(struct pump *pump, bool reads, struct err *err)
{
    struct pump_way *down = &pump->down;
    unsigned rounds = 0;
    enum rc rc = flush_down(pump, err);

    if (rc)
        return rc == RC_MORE ? RC_OK : rc;
    while (reads && down->state == PUMP_OPEN && down->kept == NULL) {
        ssize_t n;

        if (rounds++ == PUMP_ROUNDS)
            return RC_MORE;
        n = recv(pump->local_fd, pump->scratch, PUMP_BYTES, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return RC_OK;
        if (n <= 0) {
            down->state = PUMP_ENDED;
            break;
        }
        rc = pass_down(pump, slice_of(pump->scratch, (size_t) n), err);
        if (rc)
            return rc;
        if ((size_t) n < PUMP_BYTES)
            break;
    }
    if (down->state == PUMP_ENDED && pump->gives_back && down->kept == NULL)
        down->state = PUMP_PASSED;
    if (down->state == PUMP_ENDED && pump->down_may_end && down->kept == NULL) {
        rc = conn_shut_write(pump->conn, err);
        if (rc == RC_OK)
            down->state = PUMP_PASSED;
        return rc == RC_MORE ? RC_OK : rc;
    }
    return RC_OK;
}

/* --- both --- */

static void watch_both(struct pump *pump)
{
    const struct pump_way *up = &pump->up, *down = &pump->down;
    bool reads_conn = up->state == PUMP_OPEN && !pump->up_held && up->kept == NULL;
    bool writes_conn = down->kept != NULL || (down->state == PUMP_ENDED && pump->down_may_end);
    bool reads_local = down->state == PUMP_OPEN && down->kept == NULL;

    loop_want(pump->loop, &pump->conn_watch, conn_events(pump->conn, reads_conn, writes_conn));
    loop_want(pump->loop, &pump->local_watch,
              (reads_local ? (unsigned) LOOP_IN : 0u) |
                  (up->kept != NULL ? (unsigned) LOOP_OUT : 0u));
}

static void pump_run(void *ctx);

/* The owner is called last: it may free the pump. */
static void run(struct pump *pump, bool tries_up, bool reads_down)
{
    bool was_open = pump->down.state == PUMP_OPEN;
    struct err err = {0};
    enum rc up = tries_up ? run_up(pump, &err) : RC_OK;
    enum rc down = up == RC_OK || up == RC_MORE ? run_down(pump, reads_down, &err) : up;

    if (down != RC_OK && down != RC_MORE) {
        pump_stop(pump);
        pump->events->done(pump->ctx, &err);
        return;
    }
    if (pump->gives_back && pump->down.state == PUMP_PASSED) {
        pump_stop(pump);
        pump->events->given_back(pump->ctx);
        return;
    }
    if (pump->up.state == PUMP_PASSED && pump->down.state == PUMP_PASSED) {
        pump_stop(pump);
        pump->events->done(pump->ctx, NULL);
        return;
    }
    watch_both(pump);
    if (up == RC_MORE || down == RC_MORE)
        loop_defer(pump->loop, &pump->again, pump_run, pump);
    if (was_open && pump->down.state == PUMP_ENDED && !pump->gives_back)
        pump->events->local_end(pump->ctx);
}

static void pump_run(void *ctx)
{
    run(ctx, true, true);
}

/*
 * The one side's bytes say nothing of the other's: behind a command there is no answer yet, and
 * behind an answer no command, so a read of the other would be in vain. What is kept is tried,
 * for under TLS either event may be what either way waits for.
 */
static void conn_ready(void *ctx, unsigned ready)
{
    struct pump *pump = ctx;

    (void) ready;
    run(pump, true, pump->down.kept != NULL);
}

static void local_ready(void *ctx, unsigned ready)
{
    struct pump *pump = ctx;

    run(pump, ready != LOOP_IN || pump->up.kept != NULL, true);
}

enum rc pump_start(struct pump *pump, struct loop *loop, struct conn *conn, int local_fd,
                   char *scratch, bool up_held, const struct pump_events *events, void *ctx,
                   struct err *err)
{
    enum rc rc;

    *pump = (struct pump){.loop = loop,
                          .conn = conn,
                          .scratch = scratch,
                          .events = events,
                          .ctx = ctx,
                          .local_fd = local_fd,
                          .up_held = up_held,
                          .down_at_line_start = true};
    rc = loop_add(loop, &pump->local_watch, local_fd, LOOP_IN | LOOP_FIRST, local_ready, pump,
                  err);
    if (rc == RC_OK)
        rc = loop_add(loop, &pump->conn_watch, conn->fd, LOOP_FIRST, conn_ready, pump, err);
    if (rc) {
        pump_stop(pump);
        return rc;
    }
    loop_defer(loop, &pump->again, pump_run, pump);
    return RC_OK;
}

void pump_release_up(struct pump *pump)
{
    pump->up_held = false;
    loop_defer(pump->loop, &pump->again, pump_run, pump);
}

void pump_put_up(struct pump *pump, struct slice bytes)
{
    keep(&pump->up, bytes);
}

void pump_give_back(struct pump *pump, struct buf *out)
{
    struct pump_way *up = &pump->up;

    pump->up_held = true;
    pump->down_started = true; /* whoever gives back has answered */
    pump->gives_back = true;
    if (up->kept != NULL)
        buf_append(out, slice_of(up->kept + up->at, up->len - up->at));
    forget_kept(up);
    loop_defer(pump->loop, &pump->again, pump_run, pump);
}

void pump_end_down(struct pump *pump, struct slice last_words)
{
    if (pump->down.state != PUMP_ENDED || pump->down_may_end || pump->gives_back)
        return;
    keep(&pump->down, last_words);
    pump->down_may_end = true;
    loop_defer(pump->loop, &pump->again, pump_run, pump);
}

void pump_stop(struct pump *pump)
{
    if (pump->loop == NULL)
        return;
    loop_cancel(pump->loop, &pump->again);
    loop_remove(pump->loop, &pump->conn_watch);
    loop_remove(pump->loop, &pump->local_watch);
    forget_kept(&pump->up);
    forget_kept(&pump->down);
    closep(&pump->local_fd);
    pump->loop = NULL;
}
