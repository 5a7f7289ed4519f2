/* test_log_sink.c - events that find no room at the log. */
// links: roles
#include "base/log.h"
#include "ipc/channel.h"
#include "lib/test.h"
#include "roles/log_sink.h"

#define EVENTS 3000 /* many more than a socket takes */

struct reader {
    struct loop *loop;
    struct channel *channel;
    struct loop_fd watch;
    int n;
    bool again;
};

static void say_much(void)
{
    for (int i = 0; i < EVENTS; i++)
        log_event(LEVEL_INFO, "test.event", LOG_NUM("number", i));
}

static void on_events(void *ctx, unsigned ready)
{
    struct reader *reader = ctx;
    struct packet *packet;
    struct err err;

    (void) ready;
    while (channel_take(reader->channel, &packet, &err) == RC_OK)
        reader->n++;
    if (reader->n == EVENTS && !reader->again) {
        reader->again = true;
        say_much(); /* nobody says anything behind it */
    }
    if (reader->n == 2 * EVENTS)
        loop_stop(reader->loop);
}

/* What is said before the loop runs, and in it. Without the sink's own care it never ends. */
static void what_waits_is_sent_without_another_event(void **state)
{
    struct log_sink *sink = log_sink_new(ROLE_MAIL);
    struct reader reader = {.n = 0};
    struct err err;
    int fds[2];

    (void) state;
    assert_int_equal(loop_new(&reader.loop, &err), RC_OK);
    assert_int_equal(channel_pair(fds, &err), RC_OK);
    log_sink_attach(sink, fds[0]);
    reader.channel = channel_new(fds[1], ROLE_LOG, ROLE_MAIL);
    assert_int_equal(
        loop_add(reader.loop, &reader.watch, fds[1], LOOP_IN, on_events, &reader, &err), RC_OK);
    say_much();
    assert_int_equal(log_sink_run_loop(sink, reader.loop, &err), RC_OK);
    assert_int_equal(reader.n, 2 * EVENTS);
    loop_remove(reader.loop, &reader.watch);
    log_sink_free(sink);
    channel_free(reader.channel);
    loop_free(reader.loop);
}

struct log_end {
    struct log_sink *sink;
    struct channel *channel; /* the log's end */
};

static void answer(const struct log_end *log, uint64_t keep, bool fails)
{
    struct msg msg = {
        .type = MSG_LOG_KEPT, .log_kept = {.keep = keep, .fails = fails}
    };
    struct err err;

    assert_int_equal(channel_post(log->channel, &msg, NULL, &err), RC_OK);
}

static void attach(struct log_end *log)
{
    struct err err;
    int fds[2];

    assert_int_equal(channel_pair(fds, &err), RC_OK);
    channel_free(log->channel);
    log->channel = channel_new(fds[1], ROLE_LOG, ROLE_AUTH);
    log_sink_attach(log->sink, fds[0]);
}

static void a_record_waits_for_a_log_that_can_write(void **state)
{
    struct log_end log = {.sink = log_sink_new(ROLE_AUTH)};
    uint64_t first, second;

    (void) state;
    log_sink_keep(log.sink);
    attach(&log);
    log_event(LEVEL_INFO, "test.act", LOG_NUM("by_uid", 0));
    first = log_sink_last(log.sink);
    assert_int_equal(log_sink_record(log.sink, first), RECORD_WAITS);
    answer(&log, 0, true);
    assert_int_equal(log_sink_record(log.sink, first), RECORD_FAILS);
    assert_false(log_sink_await(log.sink, 1000 * 1000));
    log_event(LEVEL_INFO, "test.act", LOG_NUM("by_uid", 0));
    second = log_sink_last(log.sink);
    assert_int_equal(log_sink_record(log.sink, second), RECORD_FAILS);
    attach(&log); /* a new log has not failed yet */
    assert_int_equal(log_sink_record(log.sink, second), RECORD_WAITS);
    answer(&log, 0, true);
    answer(&log, first, false);
    assert_int_equal(log_sink_record(log.sink, first), RECORD_DURABLE);
    assert_int_equal(log_sink_record(log.sink, second), RECORD_WAITS);
    answer(&log, second, false);
    assert_true(log_sink_await(log.sink, 1000 * 1000));
    log_sink_free(log.sink);
    channel_free(log.channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_sent_without_another_event),
        cmocka_unit_test(a_record_waits_for_a_log_that_can_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
