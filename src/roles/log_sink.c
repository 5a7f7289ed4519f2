#include "roles/log_sink.h"

#include <poll.h>
#include <pthread.h>

#include "base/clock.h"
#include "events/log_line.h"
#include "ipc/log_pack.h"

struct log_sink {
    enum role self;
    pthread_mutex_t lock; /* guards what follows; a leaf but for the channel's own */
    struct channel *log;  /* NULL: none now */
    uint32_t lost;        /* since the last event that got through */
};

static void to_stderr(const struct log_sink *sink, const struct msg_log_event *event)
{
    AUTO(buf_done) struct buf line = {0};

    buf_init(&line, LOG_LINE_MAX_BYTES);
    log_line_text(&line, role_name(sink->self), event);
    log_line_write_stderr(buf_slice(&line));
}

/* sink->lock is held. Whether the log role has it or will get it. */
static bool post(struct log_sink *sink, const struct msg *msg)
{
    enum rc rc;

    if (sink->log == NULL)
        return false;
    rc = channel_post(sink->log, msg, NULL, NULL);
    if (rc == RC_UNAVAILABLE || rc == RC_IO) {
        channel_free(sink->log);
        sink->log = NULL;
    }
    return rc == RC_OK;
}

static void send_event(void *ctx, enum log_level level, const char *event,
                       const struct log_field *fields, size_t n)
{
    struct log_sink *sink = ctx;
    AUTO(buf_done) struct buf packed = {0};
    struct msg msg = {.type = MSG_LOG_EVENT};
    struct msg_log_event *out = &msg.log_event;

    buf_init(&packed, MSG_FIELDS_MAX);
    log_pack(&packed, fields, MIN(n, (size_t) LOG_FIELDS_MAX));
    out->level = (uint8_t) level;
    out->time_us = (uint64_t) clock_wall_us();
    out->event = slice_sub(slice_from_str(event), 0, MSG_CONFIG_NAME);
    out->fields = buf_slice(&packed);
    (void) pthread_mutex_lock(&sink->lock);
    out->lost = sink->lost;
    if (post(sink, &msg)) {
        sink->lost = 0;
    } else {
        sink->lost++;
        to_stderr(sink, out);
    }
    (void) pthread_mutex_unlock(&sink->lock);
}

struct log_sink *log_sink_new(enum role self)
{
    struct log_sink *sink = xcalloc(1, sizeof(*sink));

    sink->self = self;
    if (pthread_mutex_init(&sink->lock, NULL) != 0)
        die("log: no mutex");
    log_set_sink(send_event, sink);
    return sink;
}

void log_sink_free(struct log_sink *sink)
{
    if (sink == NULL)
        return;
    log_set_sink(NULL, NULL);
    channel_free(sink->log);
    (void) pthread_mutex_destroy(&sink->lock);
    free(sink);
}

void log_sink_attach(struct log_sink *sink, int fd)
{
    struct channel *log = fd >= 0 ? channel_new(fd, sink->self, ROLE_LOG) : NULL;

    (void) pthread_mutex_lock(&sink->lock);
    channel_free(sink->log);
    sink->log = log;
    (void) pthread_mutex_unlock(&sink->lock);
}

void log_sink_drain(struct log_sink *sink, int timeout_ms)
{
    int64_t deadline_us = clock_mono_us() + (int64_t) timeout_ms * 1000;

    (void) pthread_mutex_lock(&sink->lock);
    while (sink->log != NULL && channel_flush(sink->log, NULL) == RC_MORE) {
        struct pollfd pfd = {.fd = channel_fd(sink->log), .events = POLLOUT};
        int64_t left_us = deadline_us - clock_mono_us();

        if (left_us <= 0)
            break;
        (void) poll(&pfd, 1, (int) (left_us / 1000 + 1)); /* the deadline ends the loop */
    }
    (void) pthread_mutex_unlock(&sink->lock);
}
