/*
 * mail_control.c - the control socket of mail: each command line has a thread while it is
 * served.
 *
 * An import or export reads and writes for minutes, and its requests block; so these threads
 * are apart from the pool's and from the loop. All of them wait at the listener; the end of the
 * role is a byte in a pipe for those that wait there, and a shutdown of the socket for those
 * that serve.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "roles/log_sink.h"
#include "roles/mail_role.h"

struct mail_control {
    struct mail_role *mail;
    int listen_fd;
    int stop_fd; /* readable: end */
    pthread_t threads[MAIL_CONTROL_MAX];
    size_t n_threads;

    pthread_mutex_t lock;
    bool stopping;                 /* lock */
    int serving[MAIL_CONTROL_MAX]; /* lock; sockets, -1: none */
};

/* The thread's place in `serving`; false when the role ends. */
static bool begin_serving(struct mail_control *control, int fd, size_t *out_slot)
{
    bool ok;

    (void) pthread_mutex_lock(&control->lock);
    ok = !control->stopping;
    for (size_t i = 0; ok && i < MAIL_CONTROL_MAX; i++) {
        if (control->serving[i] < 0) {
            control->serving[i] = fd;
            *out_slot = i;
            break;
        }
    }
    (void) pthread_mutex_unlock(&control->lock);
    return ok;
}

static void end_serving(struct mail_control *control, size_t slot)
{
    (void) pthread_mutex_lock(&control->lock);
    control->serving[slot] = -1;
    (void) pthread_mutex_unlock(&control->lock);
}

/* Whoever asked hears that it is done when the record of it is durable. */
static void await_record(void *ctx)
{
    const struct mail_control *control = ctx;
    int64_t began_us = clock_mono_us();

    if (!log_sink_await(control->mail->start->sink, LOG_DURABLE_MS))
        log_event(LEVEL_ERROR, "audit.unconfirmed",
                  LOG_NUM("ms", (clock_mono_us() - began_us) / 1000));
}

static void serve(struct mail_control *control, struct control_conn *conn)
{
    struct err err;
    size_t slot = 0;
    enum rc rc = RC_OK;

    control_conn_before_end(conn, await_record, control);
    if (begin_serving(control, control_conn_fd(conn), &slot)) {
        while (rc == RC_OK)
            rc = control_serve(conn, mail_verbs, mail_verbs_count, control->mail, &err);
        if (rc != RC_UNAVAILABLE)
            log_event(LEVEL_WARNING, "mail.control_broken", LOG_ERR(&err));
        end_serving(control, slot);
    }
    control_conn_free(conn);
}

static void *run_thread(void *arg)
{
    struct mail_control *control = arg;

    for (;;) {
        struct pollfd fds[] = {
            {.fd = control->stop_fd,   .events = POLLIN},
            {.fd = control->listen_fd, .events = POLLIN},
        };
        struct control_conn *conn;
        struct err err;
        enum rc rc;

        if (poll(fds, COUNT(fds), -1) < 0 && errno != EINTR)
            die("mail control: poll: %s", strerror(errno));
        if (fds[0].revents != 0)
            return NULL;
        rc = control_accept(control->listen_fd, geteuid(), CONTROL_BLOCK, &conn, &err);
        if (rc == RC_OK)
            serve(control, conn);
        else if (rc != RC_MORE) /* another thread had it */
            log_event(LEVEL_WARNING, "mail.control_refused", LOG_ERR(&err));
    }
}

static int find_listener(const struct role_start *start)
{
    for (size_t i = 0; i < start->n_listeners; i++)
        if (start->listeners[i].kind == LISTENER_CONTROL)
            return start->listeners[i].fd;
    return -1;
}

enum rc mail_control_start(struct mail_role *mail, struct err *err)
{
    int listen_fd = find_listener(mail->start);
    struct mail_control *control;

    if (listen_fd < 0)
        return RC_OK; /* nobody administers this one */
    control = mail->control = xcalloc(1, sizeof(*control));
    control->mail = mail;
    control->listen_fd = listen_fd;
    log_sink_keep(mail->start->sink);
    (void) pthread_mutex_init(&control->lock, NULL);
    for (size_t i = 0; i < MAIL_CONTROL_MAX; i++)
        control->serving[i] = -1;
    control->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control->stop_fd < 0)
        return err_set(err, RC_IO, "Internal error", "eventfd: %s", strerror(errno));
    for (size_t i = 0; i < MAIL_CONTROL_MAX; i++) {
        int rc = pthread_create(&control->threads[i], NULL, run_thread, control);

        if (rc != 0)
            return err_set(err, RC_IO, "Internal error", "thread: %s", strerror(rc));
        control->n_threads++;
    }
    return RC_OK;
}

void mail_control_stop(struct mail_role *mail)
{
    struct mail_control *control = mail->control;
    uint64_t one = 1;

    if (control == NULL)
        return;
    mail_lookups_end(mail);
    (void) pthread_mutex_lock(&control->lock);
    control->stopping = true;
    for (size_t i = 0; i < MAIL_CONTROL_MAX; i++)
        if (control->serving[i] >= 0)
            (void) shutdown(control->serving[i], SHUT_RDWR); /* the peer may be gone already */
    (void) pthread_mutex_unlock(&control->lock);
    if (control->stop_fd >= 0 && write(control->stop_fd, &one, sizeof(one)) != sizeof(one))
        die("mail control: eventfd: %s", strerror(errno));
    for (size_t i = 0; i < control->n_threads; i++)
        (void) pthread_join(control->threads[i], NULL);
    if (control->stop_fd >= 0)
        (void) close(control->stop_fd);
    (void) pthread_mutex_destroy(&control->lock);
    free(TAKE(mail->control));
}
