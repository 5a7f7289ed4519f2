/* test_role_keys.c - the role keys between a gate and a supervisor that the test plays: how
 * much it signs for one process. */
// links: roles
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "keys/rate.h"
#include "lib/test.h"
#include "roles/role.h"

#define WAIT_MS 20000 /* never reached by a server that answers */
#define NOW_US  INT64_C(1000000000000)

/* ---- the seam to the process around the role ---- */

enum rc role_confine(struct role_start *start, struct err *err)
{
    (void) start;
    (void) err;
    return RC_OK;
}

void role_forget_certs(struct role_start *start)
{
    start->n_certs = 0;
}

void role_supervisor_ready(struct role_start *start, const struct role_events *events,
                           void *ctx)
{
    struct packet *packet;

    while (channel_take(start->supervisor, &packet, NULL) == RC_OK)
        if (packet->msg.type == MSG_SHUTDOWN)
            events->shutdown(ctx, false);
}

/* ---- a running keys ---- */

static _Atomic int n_limited, n_refused;

static void count_events(void *ctx, enum log_level level, const char *event,
                         const struct log_field *fields, size_t n)
{
    (void) ctx;
    (void) level;
    (void) fields;
    (void) n;
    if (strcmp(event, "keys.limited") == 0)
        n_limited++;
    if (strcmp(event, "keys.refused") == 0)
        n_refused++;
}

static void *run_role(void *ctx)
{
    assert_int_equal(role_keys(ctx), 0);
    return NULL;
}

static struct channel *connect_peer(struct role_start *start, uint16_t index)
{
    int pair[2];

    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    start->peers[start->n_peers++] =
        (struct role_peer){.role = ROLE_GATE, .index = index, .fd = pair[0]};
    return channel_new(pair[1], ROLE_GATE, ROLE_KEYS);
}

/* What becomes of one question for a key that is not there. */
static enum rc ask(struct channel *gate, uint64_t request)
{
    struct msg msg = {
        .type = MSG_KEY_SIGN,
        .key_sign = {.request = request, .scheme = 0x0403, .text = SLICE("a handshake")}
    };
    struct packet *packet;

    assert_int_equal(channel_send(gate, &msg, NULL, WAIT_MS, NULL), RC_OK);
    assert_int_equal(channel_wait(gate, WAIT_MS, &packet, NULL), RC_OK);
    assert_int_equal(packet->msg.type, MSG_KEY_SIGNED);
    assert_int_equal(packet->msg.key_signed.request, request);
    return (enum rc) packet->msg.key_signed.rc;
}

/* The clock stands still: a process has what one second gives, and then no more. */
static void one_process_has_its_share_and_no_more(void **state)
{
    struct role_start start = {.role = ROLE_KEYS};
    struct msg bye = {.type = MSG_SHUTDOWN};
    struct channel *supervisor, *gate, *other;
    pthread_t thread;
    int pair[2];

    (void) state;
    clock_set_for_test(NOW_US);
    log_set_sink(count_events, NULL);
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    start.supervisor = channel_new(pair[0], ROLE_KEYS, ROLE_SUPERVISOR);
    supervisor = channel_new(pair[1], ROLE_SUPERVISOR, ROLE_KEYS);
    gate = connect_peer(&start, 0);
    other = connect_peer(&start, 1);
    assert_int_equal(pthread_create(&thread, NULL, run_role, &start), 0);
    for (uint64_t i = 1; i <= KEY_SIGNS_SEC; i++)
        assert_int_equal(ask(gate, i), RC_DENIED);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(ask(gate, KEY_SIGNS_SEC + i), RC_LIMIT);
    assert_int_equal(n_limited, 1); /* said once */
    assert_int_equal(n_refused, KEY_SIGNS_SEC);
    assert_int_equal(ask(other, 1), RC_DENIED); /* another process has its own */
    clock_set_for_test(NOW_US + 1000);
    for (uint64_t i = 1; i <= KEY_SIGNS_SEC / 1000; i++)
        assert_int_equal(ask(gate, 2 * KEY_SIGNS_SEC + i), RC_DENIED);
    assert_int_equal(ask(gate, 1), RC_LIMIT);
    clock_set_for_test(0);
    assert_int_equal(channel_send(supervisor, &bye, NULL, WAIT_MS, NULL), RC_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    log_set_sink(NULL, NULL);
    channel_free(supervisor);
    channel_free(start.supervisor);
    channel_free(gate);
    channel_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_process_has_its_share_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
