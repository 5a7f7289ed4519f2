/*
 * login_time.c - G40: does the time of an answer tell whether a user exists?
 *
 *     login_time plain|salt|proof [ANSWERS]
 *
 * The whole auth role runs in this process on a thread of its own, and is asked through its
 * channel as a gate asks it: by a name that exists and by one that does not, chosen by chance,
 * each time from another address, so that the throttle has nothing to say.
 *
 *     plain   PLAIN with an app password that is nobody's: until AUTH_FAIL
 *     salt    SCRAM's first message: until the salt
 *     proof   SCRAM's last message with a wrong proof: until AUTH_FAIL
 *
 * Printed is Welch's t of the two sets of times, over all and once more without the slowest
 * tenth, where a difference stands out from the machine's noise; |t| < 4.5 says that so many
 * answers show none. The difference of the means with its interval of 95 % says how small one
 * would have been seen.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/app_password.h"
#include "base/base64.h"
#include "base/random.h"
#include "lib/auth_stage.h"
#include "lib/test.h"

#define ANSWERS_DEFAULT 1000000u
#define UNDER_WAY       64u /* logins at once */
#define NAMES           16u
#define FIRST_COUNTED   2000u /* those before warm the caches, and say what is slow */
#define SLOWEST_SHARE   0.9
#define GOAL_T          4.5
#define INTERVAL_95     1.96
#define NAME_BYTES      16u
#define MESSAGE_BYTES   512u

enum what { PLAIN, SALT, PROOF };

struct sum {
    double n, mean, m2; /* Welford */
};

struct times {
    struct sum all[2], quick[2]; /* [1]: of names that exist */
};

struct ask {
    bool exists;
    bool answering; /* PROOF: the salt has come */
    int64_t begun_ns;
};

struct run {
    struct auth_stage *stage;
    enum what what;
    uint64_t n_asked, n_answered;
    struct ask asks[UNDER_WAY];
    int64_t *first_ns; /* FIRST_COUNTED of them */
    int64_t slow_ns;   /* 0: not known yet */
    struct times times;
};

static int64_t now_ns(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sum_add(struct sum *sum, double value)
{
    double delta = value - sum->mean;

    sum->n += 1;
    sum->mean += delta / sum->n;
    sum->m2 += delta * (value - sum->mean);
}

static double error_of(const struct sum sums[2])
{
    return sqrt(sums[0].m2 / (sums[0].n - 1) / sums[0].n +
                sums[1].m2 / (sums[1].n - 1) / sums[1].n);
}

static double welch_t(const struct sum sums[2])
{
    return (sums[0].mean - sums[1].mean) / error_of(sums);
}

/* ---- asking ---- */

static uint32_t chance(uint32_t below)
{
    uint32_t value;

    random_bytes(&value, sizeof(value));
    return value % below;
}

static void name_of(bool exists, char out[NAME_BYTES])
{
    (void) snprintf(out, NAME_BYTES, "%s%02u", exists ? "someone" : "phantom", chance(NAMES));
}

static void put_message(const struct run *run, const char *name, struct buf *out)
{
    struct app_password password;
    char shown[APP_PASSWORD_SHOWN_BYTES];

    if (run->what != PLAIN) {
        buf_printf(out, "n,,n=%s,r=", name);
        for (int i = 0; i < 24; i++)
            buf_byte(out, (char) ('a' + chance(26)));
        return;
    }
    app_password_make(&password);
    app_password_show(&password, shown);
    buf_byte(out, '\0');
    buf_str(out, name);
    buf_byte(out, '\0');
    buf_str(out, shown);
}

static void ask(struct run *run)
{
    AUTO(buf_done) struct buf message = {.max = MESSAGE_BYTES};
    struct ask *ask = &run->asks[run->n_asked % UNDER_WAY];
    struct msg msg = {
        .type = MSG_AUTH_START,
        .auth_start = {.conn = run->n_asked,
                       .service = SERVICE_IMAP,
                       .mechanism =
                           run->what == PLAIN ? SLICE("PLAIN") : SLICE("SCRAM-SHA-256"),
                       .has_initial = 1,
                       .peer = {.family = IPADDR_V4, .bytes = {10}},
                       .tls_version = 0x0304}
    };
    char name[NAME_BYTES];

    *ask = (struct ask){.exists = chance(2) == 1};
    name_of(ask->exists, name);
    put_message(run, name, &message);
    random_bytes(msg.auth_start.peer.bytes + 1, 3);
    msg.auth_start.initial = buf_slice(&message);
    run->n_asked++;
    ask->begun_ns = now_ns();
    stage_send(run->stage->gate, &msg);
}

/* RFC 5802 7: client-final-message, whose proof nobody made. */
static void prove(struct run *run, struct ask *ask, const struct msg_auth_continue *challenge)
{
    AUTO(buf_done) struct buf message = {.max = MESSAGE_BYTES};
    struct slice nonce = slice_sub(challenge->data, 2, slice_find(challenge->data, ',') - 2);
    unsigned char proof[32];
    struct msg msg = {.type = MSG_AUTH_DATA, .auth_data = {.conn = challenge->conn}};

    random_bytes(proof, sizeof(proof));
    buf_printf(&message, "c=biws,r=%.*s,p=", SLICE_ARG(nonce));
    base64_encode(&message, slice_of((const char *) proof, sizeof(proof)));
    msg.auth_data.data = buf_slice(&message);
    ask->answering = true;
    ask->begun_ns = now_ns();
    stage_send(run->stage->gate, &msg);
}

/* ---- counting ---- */

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *) a, right = *(const int64_t *) b;

    return (left > right) - (left < right);
}

static void count(struct run *run, const struct ask *ask, int64_t took_ns)
{
    if (run->n_answered < FIRST_COUNTED) {
        run->first_ns[run->n_answered++] = took_ns;
        return;
    }
    if (run->slow_ns == 0) {
        qsort(run->first_ns, FIRST_COUNTED, sizeof(*run->first_ns), by_value);
        run->slow_ns = run->first_ns[(size_t) (FIRST_COUNTED * SLOWEST_SHARE)];
    }
    run->n_answered++;
    sum_add(&run->times.all[ask->exists], (double) took_ns);
    if (took_ns <= run->slow_ns)
        sum_add(&run->times.quick[ask->exists], (double) took_ns);
}

/* One answer; whoever asked for it may ask again. */
static void take(struct run *run)
{
    struct packet *packet = NULL;
    struct ask *asked;
    uint64_t conn;
    int64_t at_ns;

    if (channel_wait(run->stage->gate, STAGE_WAIT_MS, &packet, NULL) != RC_OK)
        die("auth does not answer");
    at_ns = now_ns();
    conn = packet->msg.type == MSG_AUTH_FAIL ? packet->msg.auth_fail.conn
                                             : packet->msg.auth_continue.conn;
    asked = &run->asks[conn % UNDER_WAY];
    if (packet->msg.type == MSG_AUTH_CONTINUE && run->what == PROOF && !asked->answering) {
        prove(run, asked, &packet->msg.auth_continue);
        return;
    }
    if (packet->msg.type != (run->what == SALT ? MSG_AUTH_CONTINUE : MSG_AUTH_FAIL))
        die("auth answers by %s", msg_name(packet->msg.type));
    if (packet->msg.type == MSG_AUTH_FAIL && packet->msg.auth_fail.code != AUTH_CODE_FAILED)
        die("auth answers %.*s", SLICE_ARG(packet->msg.auth_fail.text));
    count(run, asked, at_ns - asked->begun_ns);
    if (run->what == SALT)
        stage_send(run->stage->gate,
                   &(struct msg){.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = conn}});
}

static void print_times(const struct run *run, const char *name)
{
    const struct sum *all = run->times.all;
    double t = welch_t(all), quick_t = welch_t(run->times.quick);
    bool met = fabs(t) < GOAL_T && fabs(quick_t) < GOAL_T;

    printf("G40 %s: %.0f answers, %.0f us each; of a name that is nobody's minus of a user's: "
           "%+.0f ns (95 %%: within %.0f); t = %.2f, without the slowest tenth %.2f; goal < "
           "%.1f: %s\n",
           name, all[0].n + all[1].n, all[1].mean / 1000, all[0].mean - all[1].mean,
           INTERVAL_95 * error_of(all), t, quick_t, GOAL_T, met ? "met" : "missed");
}

int main(int argc, char **argv)
{
    static const char *const names[] = {[PLAIN] = "plain", [SALT] = "salt", [PROOF] = "proof"};
    struct run run = {.first_ns = xcalloc(FIRST_COUNTED, sizeof(int64_t))};
    uint64_t n = ANSWERS_DEFAULT;
    void *stage = NULL;

    while (argc > 1 && run.what <= PROOF && strcmp(argv[1], names[run.what]) != 0)
        run.what++;
    if (argc < 2 || run.what > PROOF ||
        (argc > 2 && !slice_to_u64(slice_from_str(argv[2]), &n)) || n < FIRST_COUNTED)
        die("usage: login_time plain|salt|proof [ANSWERS]");
    if (stage_set_up_without_legacy(&stage) != 0)
        die("auth does not start");
    run.stage = stage;
    for (unsigned i = 0; i < NAMES; i++) {
        char name[NAME_BYTES];

        (void) snprintf(name, sizeof(name), "someone%02u", i);
        if (stage_ask(stage, "user.add", "name", name, "device", "phone").rc != RC_OK)
            die("%s is not made", name);
    }
    n += FIRST_COUNTED;
    while (run.n_asked < UNDER_WAY)
        ask(&run);
    while (run.n_answered < n) {
        uint64_t before = run.n_answered;

        take(&run);
        if (run.n_answered > before)
            ask(&run);
    }
    print_times(&run, names[run.what]);
    (void) stage_tear_down(&stage);
    free(run.first_ns);
    return 0;
}
