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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_sent_without_another_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
