#include "roles/log_sink.h"

#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/list.h"
#include "events/log_line.h"
#include "ipc/log_pack.h"

#define AWAIT_NS (1000L * 1000) /* between two looks for the log's answer */
#define RETRY_US 5000           /* until there may be room at the log: it reads by then */

/* An event that the log has not said to be durable. */
struct kept {
    struct link link;
    struct msg_log_event event; /* its slices are of this */
    char name[MSG_CONFIG_NAME];
    struct buf fields;
};

struct log_sink {
    enum role self;
    pthread_mutex_t lock; /* guards what follows; a leaf but for the channel's own */
    struct channel *log;  /* NULL: none now */
    uint32_t lost;        /* since the last event that got through */
    bool keeps, fails;    /* fails: what is kept waits for a disk, says the log */
    struct list kept;     /* struct kept, by their numbers */
    size_t n_kept;
    uint64_t last;     /* number */
    struct loop *loop; /* NULL: what waits goes with the next event */

    struct loop_call flush; /* the loop's, as is what follows */
    struct timer retry;
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

/* In the loop's thread: what waits leaves. */
static void flush_waiting(void *ctx)
{
    struct log_sink *sink = ctx;
    enum rc rc = RC_OK;

    (void) pthread_mutex_lock(&sink->lock);
    if (sink->log != NULL)
        rc = channel_flush(sink->log, NULL);
    (void) pthread_mutex_unlock(&sink->lock);
    if (rc == RC_MORE)
        timer_start(sink->loop, &sink->retry, RETRY_US, flush_waiting, sink);
}

/* sink->lock is held. */
static void ask_for_flush(struct log_sink *sink)
{
    if (sink->loop != NULL && sink->log != NULL && channel_wants_write(sink->log))
        loop_post(sink->loop, &sink->flush, flush_waiting, sink);
}

static bool is_by_administrator(const struct log_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].key, "by_uid") == 0)
            return true;
    return false;
}

static void forget_first(struct log_sink *sink)
{
    struct kept *kept = LINK_OWNER(list_pop_front(&sink->kept), struct kept, link);

    sink->n_kept--;
    buf_done(&kept->fields);
    free(kept);
}

/* sink->lock is held. event gets its number. */
static void keep(struct log_sink *sink, struct msg_log_event *event)
{
    struct kept *kept = xcalloc(1, sizeof(*kept));

    event->keep = ++sink->last;
    kept->event = *event;
    memcpy(kept->name, event->event.ptr, event->event.len);
    kept->event.event = slice_of(kept->name, event->event.len);
    buf_init(&kept->fields, MSG_FIELDS_MAX);
    buf_append(&kept->fields, event->fields);
    kept->event.fields = buf_slice(&kept->fields);
    list_push_back(&sink->kept, &kept->link);
    sink->n_kept++;
}

/* sink->lock is held: to a log that is new. */
static void send_kept(struct log_sink *sink)
{
    const struct log_field resent[] = {LOG_NUM("resent", 1)};

    LIST_FOREACH(it, &sink->kept)
    {
        const struct kept *kept = LINK_OWNER(it, struct kept, link);
        AUTO(buf_done) struct buf fields = {0};
        struct msg msg = {.type = MSG_LOG_EVENT, .log_event = kept->event};

        buf_init(&fields, MSG_FIELDS_MAX);
        buf_append(&fields, kept->event.fields);
        log_pack(&fields, resent, COUNT(resent));
        if (!fields.overflow)
            msg.log_event.fields = buf_slice(&fields);
        if (!post(sink, &msg))
            return; /* there will be another one */
    }
}

/* sink->lock is held. What the log has said to be durable goes. */
static void take_answers(struct log_sink *sink)
{
    struct packet *packet;
    enum rc rc = RC_OK;

    while (sink->log != NULL && rc == RC_OK) {
        rc = channel_take(sink->log, &packet, NULL);
        if (rc != RC_OK)
            break;
        sink->fails = packet->msg.log_kept.fails != 0;
        while (sink->n_kept > 0 &&
               LINK_OWNER(sink->kept.head.next, struct kept, link)->event.keep <=
                   packet->msg.log_kept.keep)
            forget_first(sink);
    }
    if (rc == RC_OK || rc == RC_MORE)
        return;
    channel_free(sink->log); /* the supervisor brings a new one */
    sink->log = NULL;
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
    if (sink->keeps && sink->n_kept < LOG_KEPT_MAX && is_by_administrator(fields, n))
        keep(sink, out);
    if (post(sink, &msg)) {
        sink->lost = 0;
    } else if (out->keep == 0) {
        sink->lost++;
        to_stderr(sink, out);
    }
    ask_for_flush(sink);
    (void) pthread_mutex_unlock(&sink->lock);
}

struct log_sink *log_sink_new(enum role self)
{
    struct log_sink *sink = xcalloc(1, sizeof(*sink));

    sink->self = self;
    list_init(&sink->kept);
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
    while (sink->n_kept > 0)
        forget_first(sink);
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
    sink->fails = false; /* it has not said so */
    if (log != NULL)
        send_kept(sink);
    ask_for_flush(sink);
    (void) pthread_mutex_unlock(&sink->lock);
}

static void use_loop(struct log_sink *sink, struct loop *loop)
{
    (void) pthread_mutex_lock(&sink->lock);
    sink->loop = loop;
    ask_for_flush(sink);
    (void) pthread_mutex_unlock(&sink->lock);
}

enum rc log_sink_run_loop(struct log_sink *sink, struct loop *loop, struct err *err)
{
    enum rc rc;

    if (sink == NULL)
        return loop_run(loop, err);
    use_loop(sink, loop);
    rc = loop_run(loop, err);
    use_loop(sink, NULL); /* nobody posts any more */
    loop_cancel(loop, &sink->flush);
    timer_stop(loop, &sink->retry);
    return rc;
}

void log_sink_keep(struct log_sink *sink)
{
    if (sink != NULL)
        sink->keeps = true; /* before there are threads */
}

uint64_t log_sink_last(struct log_sink *sink)
{
    uint64_t last;

    if (sink == NULL)
        return 0;
    (void) pthread_mutex_lock(&sink->lock);
    last = sink->last;
    (void) pthread_mutex_unlock(&sink->lock);
    return last;
}

enum log_record log_sink_record(struct log_sink *sink, uint64_t number)
{
    enum log_record record = RECORD_WAITS;

    if (sink == NULL)
        return RECORD_DURABLE;
    (void) pthread_mutex_lock(&sink->lock);
    if (sink->n_kept > 0)
        take_answers(sink);
    if (sink->n_kept == 0 ||
        LINK_OWNER(sink->kept.head.next, struct kept, link)->event.keep > number)
        record = RECORD_DURABLE;
    else if (sink->fails)
        record = RECORD_FAILS;
    (void) pthread_mutex_unlock(&sink->lock);
    return record;
}

bool log_sink_await(struct log_sink *sink, int timeout_ms)
{
    int64_t deadline_us = clock_mono_us() + (int64_t) timeout_ms * 1000;
    const struct timespec pause = {.tv_nsec = AWAIT_NS};
    uint64_t number = log_sink_last(sink);
    enum log_record record = log_sink_record(sink, number);

    while (record == RECORD_WAITS && clock_mono_us() < deadline_us) {
        (void) nanosleep(&pause, NULL); /* a signal may shorten it */
        record = log_sink_record(sink, number);
    }
    return record == RECORD_DURABLE;
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
