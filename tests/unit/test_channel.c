/* test_channel.c - packets with descriptors between two ends: order, bounds, and no leaks. */
// links: ipc
// labels: concurrency
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "lib/test.h"

struct ends {
    struct channel *gate, *mail;
};

static struct ends make_ends(void)
{
    int pair[2];
    struct ends ends;

    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    ends.gate = channel_new(pair[0], ROLE_GATE, ROLE_MAIL);
    ends.mail = channel_new(pair[1], ROLE_MAIL, ROLE_GATE);
    return ends;
}

static void free_ends(struct ends *ends)
{
    channel_free(ends->gate);
    channel_free(ends->mail);
}

static size_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    while (readdir(dir) != NULL)
        n++;
    (void) closedir(dir);
    return n;
}

static struct msg close_msg(uint64_t conn)
{
    return (struct msg){
        .type = MSG_CONN_CLOSE, .conn_close = {.conn = conn, .reason = CLOSE_LOGOUT}
    };
}

static void a_descriptor_arrives_and_belongs_to_the_receiver(void **state)
{
    struct ends ends = make_ends();
    struct msg msg = {
        .type = MSG_HANDOVER, .handover = {.conn = 5, .tag = SLICE("a1")}
    };
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), kept;
    struct stat sent, got;
    struct packet *packet;
    size_t before = count_fds();

    (void) state;
    assert_int_equal(channel_post(ends.gate, &msg, &fd, NULL), RC_OK);
    assert_int_equal(channel_take(ends.mail, &packet, NULL), RC_OK);
    assert_slice_equal(packet->msg.handover.tag, SLICE("a1"));
    kept = packet->fds[0];
    packet->fds[0] = -1;
    assert_int_equal(fstat(fd, &sent), 0);
    assert_int_equal(fstat(kept, &got), 0);
    assert_int_equal(sent.st_rdev, got.st_rdev);
    assert_true((fcntl(kept, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(channel_post(ends.gate, &msg, &fd, NULL), RC_OK);
    assert_int_equal(channel_take(ends.mail, &packet, NULL), RC_OK);
    assert_int_equal(channel_take(ends.mail, &packet, NULL), RC_MORE); /* closes it */
    assert_int_equal(count_fds(), before + 1);
    (void) close(kept);
    (void) close(fd);
    free_ends(&ends);
}

static void what_the_peer_does_not_read_waits_in_order_up_to_a_bound(void **state)
{
    struct ends ends = make_ends();
    struct packet *packet;
    uint64_t sent = 0, got = 0;
    AUTO(freep) char *text = xcalloc(1, MSG_UNREAD_MAX);
    struct msg big = {.type = MSG_CONN_CLOSE, .conn_close = {.text = {text, MSG_TEXT_MAX}}};
    enum rc rc;

    (void) state;
    do {
        big.conn_close.conn = sent;
        rc = channel_post(ends.gate, &big, NULL, NULL);
        sent += rc == RC_OK;
    } while (rc == RC_OK);
    assert_int_equal(rc, RC_LIMIT);
    assert_true(channel_wants_write(ends.gate));
    assert_true(sent > CHANNEL_QUEUE_BYTES / (MSG_TEXT_MAX + 64));
    while (got < sent) {
        rc = channel_take(ends.mail, &packet, NULL);
        if (rc == RC_MORE) {
            rc = channel_flush(ends.gate, NULL);
            assert_true(rc == RC_OK || rc == RC_MORE);
            continue;
        }
        assert_int_equal(rc, RC_OK);
        assert_int_equal(packet->msg.conn_close.conn, got);
        got++;
    }
    assert_false(channel_wants_write(ends.gate));
    free_ends(&ends);
}

static void descriptors_in_the_queue_survive_the_senders_close(void **state)
{
    struct ends ends = make_ends();
    struct msg msg = {.type = MSG_HANDOVER};
    struct packet *packet;
    unsigned sent = 0, got = 0;
    size_t before = count_fds();

    (void) state;
    while (!channel_wants_write(ends.gate)) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        assert_int_equal(channel_post(ends.gate, &msg, &fd, NULL), RC_OK);
        (void) close(fd);
        sent++;
    }
    while (got < sent) {
        if (channel_take(ends.mail, &packet, NULL) == RC_OK) {
            assert_int_not_equal(packet->fds[0], -1);
            got++;
        } else {
            assert_int_not_equal(channel_flush(ends.gate, NULL), RC_IO);
        }
    }
    assert_int_equal(channel_take(ends.mail, &packet, NULL), RC_MORE);
    assert_int_equal(count_fds(), before);
    free_ends(&ends);
}

static void a_message_of_another_role_is_refused(void **state)
{
    struct ends ends = make_ends();
    struct msg grant = {.type = MSG_GRANT, .grant = {.conn = 1}}; /* a forged one */
    struct packet *packet;

    (void) state;
    assert_int_equal(channel_post(ends.gate, &grant, NULL, NULL), RC_OK);
    assert_int_equal(channel_take(ends.mail, &packet, NULL), RC_DENIED);
    free_ends(&ends);
}

static void noise_is_refused_and_its_descriptors_closed(void **state)
{
    struct ends ends = make_ends();
    int fds[MSG_FDS_MAX] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};
    struct packet *packet;
    size_t before = count_fds();
    AUTO(freep) char *long_noise = xcalloc(1, MSG_MAX_BYTES + 1);

    (void) state;
    assert_int_equal(packet_send(channel_fd(ends.gate), SLICE("noise"), fds, MSG_FDS_MAX, NULL),
                     RC_OK);
    assert_int_equal(channel_take(ends.mail, &packet, NULL), RC_SYNTAX);
    assert_int_equal(packet_send(channel_fd(ends.gate), slice_of(long_noise, MSG_MAX_BYTES + 1),
                                 fds, 1, NULL),
                     RC_OK);
    assert_int_equal(channel_take(ends.mail, &packet, NULL), RC_SYNTAX);
    assert_int_equal(count_fds(), before);
    free_ends(&ends);
}

static void the_end_of_the_peer_is_seen(void **state)
{
    struct ends ends = make_ends();
    struct msg msg = close_msg(1);
    struct packet *packet;

    (void) state;
    assert_int_equal(channel_post(ends.gate, &msg, NULL, NULL), RC_OK);
    channel_free(ends.gate);
    assert_int_equal(channel_take(ends.mail, &packet, NULL), RC_OK); /* nothing is lost */
    assert_int_equal(channel_take(ends.mail, &packet, NULL), RC_UNAVAILABLE);
    assert_int_equal(channel_post(ends.mail, &msg, NULL, NULL), RC_UNAVAILABLE);
    channel_free(ends.mail);
}

static void waiting_ends_at_its_time(void **state)
{
    struct ends ends = make_ends();
    struct packet *packet;

    (void) state;
    assert_int_equal(channel_wait(ends.mail, 1, &packet, NULL), RC_MORE);
    free_ends(&ends);
}

#define N_POSTERS 4u
#define N_POSTS   2000u

struct poster {
    struct channel *channel;
    unsigned id;
};

static void *post_many(void *arg)
{
    const struct poster *poster = arg;

    for (unsigned i = 0; i < N_POSTS; i++) {
        struct msg msg = close_msg(((uint64_t) poster->id << 32) | i);

        while (channel_post(poster->channel, &msg, NULL, NULL) != RC_OK)
            continue; /* the bound; the reader makes room */
    }
    return NULL;
}

static void threads_may_post_at_once_and_each_keeps_its_order(void **state)
{
    struct ends ends = make_ends();
    pthread_t threads[N_POSTERS];
    struct poster posters[N_POSTERS];
    unsigned next[N_POSTERS] = {0};
    struct packet *packet;

    (void) state;
    for (unsigned i = 0; i < N_POSTERS; i++) {
        posters[i] = (struct poster){ends.gate, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    for (unsigned got = 0; got < N_POSTERS * N_POSTS; got++) {
        enum rc rc;

        while ((rc = channel_wait(ends.mail, 1, &packet, NULL)) == RC_MORE)
            (void) !channel_flush(ends.gate, NULL);
        assert_int_equal(rc, RC_OK);
        assert_int_equal((uint32_t) packet->msg.conn_close.conn,
                         next[packet->msg.conn_close.conn >> 32]++);
    }
    for (unsigned i = 0; i < N_POSTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    free_ends(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_arrives_and_belongs_to_the_receiver),
        cmocka_unit_test(what_the_peer_does_not_read_waits_in_order_up_to_a_bound),
        cmocka_unit_test(descriptors_in_the_queue_survive_the_senders_close),
        cmocka_unit_test(a_message_of_another_role_is_refused),
        cmocka_unit_test(noise_is_refused_and_its_descriptors_closed),
        cmocka_unit_test(the_end_of_the_peer_is_seen),
        cmocka_unit_test(waiting_ends_at_its_time),
        cmocka_unit_test(threads_may_post_at_once_and_each_keeps_its_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
