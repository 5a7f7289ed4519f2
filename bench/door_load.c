/*
 * door_load.c - strangers at the door, and somebody inside who looks how it goes meanwhile.
 *
 *     door_load flood  -p IMAPS [-t THREADS] [-s SECONDS] [-r PER_SECOND] [-b EVERY]
 *     door_load hold   -p IMAP  [-n COUNT] [-l LITERALS] [-s SECONDS]
 *     door_load rest   -p IMAPS [-n COUNT]
 *     door_load inside -p IMAPS -u USER -w PASSWORD [-s SECONDS]
 *     door_load logins -p IMAPS -u USER -w PASSWORD [-n COUNT]
 *
 * flood: full TLS handshakes, each on a connection of its own up to the greeting, at -r a
 * second or as fast as it goes; each EVERYth tries a wrong password. hold: so many connections
 * that have sent one octet, and so many in the middle of a literal; those that are hung up on
 * come again. rest: COUNT strangers with TLS that say nothing, until standard input ends.
 * inside: NOOPs of one session, by a client that waits for no processor, as on a machine of its
 * own (base/priority.h). logins: good ones, a connection each.
 *
 * Strangers come from addresses of 127/8 by chance, whoever has a password from 127.0.0.1.
 * Each mode prints one line of words and numbers; bench/figures.py reads them.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/priority.h"
#include "base/random.h"
#include "base/slice.h"

#define THREADS_MAX  64u
#define PATIENCE_SEC 30
#define LINE_BYTES   2048u
#define SAMPLES_MAX  (1u << 20)
#define PAUSE_US     500 /* between two NOOPs: a client that thinks */
#define LATE_US      2000000
#define US_PER_SEC   1000000

struct options {
    uint16_t port;
    unsigned n_threads, seconds, per_second, every;
    size_t n, n_literals;
    const char *user, *password;
};

struct wire_end {
    int fd;
    SSL *ssl; /* NULL: without TLS */
};

static struct options options = {
    .n_threads = 8, .seconds = 5, .every = 4, .n = 100, .user = "", .password = ""};
static SSL_CTX *context;
static atomic_ulong n_done, n_bad, n_failed;

/* ---- one connection ---- */

static int connect_from(struct in_addr source)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = source};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(options.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = PATIENCE_SEC};
    const struct linger reset = {.l_onoff = 1}; /* no port is left in TIME_WAIT */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void) setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (fd >= 0 && bind(fd, (const struct sockaddr *) &from, sizeof(from)) == 0 &&
        connect(fd, (const struct sockaddr *) &to, sizeof(to)) == 0)
        return fd;
    if (fd >= 0)
        (void) close(fd); /* nothing was sent */
    return -1;
}

static struct in_addr stranger(void)
{
    uint32_t host;

    random_bytes(&host, sizeof(host));
    return (struct in_addr){htonl(0x7f000000u | (host & 0x7fffffu) | 0x800000u)};
}

static struct in_addr known(void)
{
    return (struct in_addr){htonl(INADDR_LOOPBACK)};
}

static void end_close(struct wire_end *link)
{
    SSL_free(link->ssl);
    if (link->fd >= 0)
        (void) close(link->fd); /* what was not read is not wanted */
    *link = (struct wire_end){.fd = -1};
}

static bool end_open(struct wire_end *link, struct in_addr source, bool tls)
{
    *link = (struct wire_end){.fd = connect_from(source)};
    if (link->fd < 0)
        return false;
    if (!tls)
        return true;
    link->ssl = SSL_new(context);
    if (SSL_set_fd(link->ssl, link->fd) == 1 && SSL_connect(link->ssl) == 1)
        return true;
    end_close(link);
    return false;
}

static bool end_say(struct wire_end *link, const char *text)
{
    int len = (int) strlen(text);

    return (link->ssl != NULL ? SSL_write(link->ssl, text, len)
                              : (int) send(link->fd, text, (size_t) len, MSG_NOSIGNAL)) == len;
}

/* What there is of an answer, as text; the server's answers here are one record each. */
static bool end_hear(struct wire_end *link, char line[LINE_BYTES])
{
    int n = link->ssl != NULL ? SSL_read(link->ssl, line, LINE_BYTES - 1)
                              : (int) recv(link->fd, line, LINE_BYTES - 1, 0);

    line[MAX(n, 0)] = '\0';
    return n > 0;
}

static bool end_hear_tagged(struct wire_end *link, const char *tagged)
{
    char line[LINE_BYTES];

    while (end_hear(link, line))
        if (strstr(line, tagged) != NULL)
            return true;
    return false;
}

static bool log_in(struct wire_end *link)
{
    char line[LINE_BYTES];

    if (!end_open(link, known(), true))
        return false;
    if (!end_hear(link, line) || strncmp(line, "* OK", 4) != 0)
        return false;
    (void) snprintf(line, sizeof(line), "a LOGIN %s %s\r\n", options.user, options.password);
    return end_say(link, line) && end_hear_tagged(link, "a OK");
}

/* ---- flood ---- */

static void one_stranger(size_t number)
{
    char line[LINE_BYTES];
    struct wire_end link;
    bool good = end_open(&link, stranger(), true) && end_hear(&link, line) &&
                strncmp(line, "* OK", 4) == 0;

    if (good && options.every > 0 && number % options.every == 0) {
        (void) snprintf(line, sizeof(line), "a LOGIN nobody%zu wrong\r\n", number);
        good = end_say(&link, line) && end_hear_tagged(&link, "a NO");
        (void) atomic_fetch_add(&n_bad, 1);
    }
    (void) atomic_fetch_add(good ? &n_done : &n_failed, 1);
    end_close(&link);
}

struct flooder {
    pthread_t thread;
    size_t number;
    int64_t begun_us;
};

/* Connection k of this thread is due when its turn in the rate has come. */
static void *run_flooder(void *ctx)
{
    const struct flooder *flooder = ctx;
    int64_t end_us = flooder->begun_us + (int64_t) options.seconds * US_PER_SEC;

    for (size_t k = flooder->number; clock_mono_us() < end_us; k += options.n_threads) {
        if (options.per_second > 0) {
            int64_t due_us =
                flooder->begun_us + (int64_t) k * US_PER_SEC / (int64_t) options.per_second;
            int64_t left_us = due_us - clock_mono_us();

            if (due_us >= end_us)
                break;
            if (left_us > 0)
                (void) usleep((useconds_t) left_us);
        }
        one_stranger(k);
    }
    return NULL;
}

static void flood(void)
{
    struct flooder flooders[THREADS_MAX];
    int64_t begun_us = clock_mono_us();

    for (size_t i = 0; i < options.n_threads; i++) {
        flooders[i] = (struct flooder){.number = i, .begun_us = begun_us};
        if (pthread_create(&flooders[i].thread, NULL, run_flooder, &flooders[i]) != 0)
            die("no thread");
    }
    for (size_t i = 0; i < options.n_threads; i++)
        (void) pthread_join(flooders[i].thread, NULL);
    printf("connects %lu bad %lu failed %lu us %lld\n", atomic_load(&n_done),
           atomic_load(&n_bad), atomic_load(&n_failed),
           (long long) (clock_mono_us() - begun_us));
}

/* ---- hold ---- */

static bool hold_one(struct wire_end *link, bool literal)
{
    return end_open(link, stranger(), false) &&
           end_say(link, literal ? "a LOGIN u1 {100+}\r\nhal" : "a");
}

static bool is_over(const struct wire_end *link)
{
    struct pollfd pfd = {.fd = link->fd, .events = POLLRDHUP};

    return link->fd < 0 || (poll(&pfd, 1, 0) > 0 && pfd.revents != 0);
}

static void hold(void)
{
    size_t n = options.n + options.n_literals, n_ended = 0, n_now = 0;
    struct wire_end *links = xcalloc(n, sizeof(*links));
    int64_t end_us;

    for (size_t i = 0; i < n; i++)
        (void) hold_one(&links[i], i >= options.n);
    printf("ready\n");
    (void) fflush(stdout);
    end_us = clock_mono_us() + (int64_t) options.seconds * US_PER_SEC;
    while (clock_mono_us() < end_us) {
        for (size_t i = 0; i < n && clock_mono_us() < end_us; i++) {
            if (!is_over(&links[i]))
                continue;
            end_close(&links[i]);
            n_ended++;
            (void) hold_one(&links[i], i >= options.n);
        }
    }
    for (size_t i = 0; i < n; i++) {
        n_now += !is_over(&links[i]);
        end_close(&links[i]);
    }
    printf("held %zu ended %zu\n", n_now, n_ended);
    free(links);
}

static void rest(void)
{
    struct wire_end *links = xcalloc(options.n, sizeof(*links));
    char line[LINE_BYTES];
    size_t n_good = 0;

    for (size_t i = 0; i < options.n; i++)
        n_good += end_open(&links[i], stranger(), true) && end_hear(&links[i], line);
    printf("ready %zu\n", n_good);
    (void) fflush(stdout);
    while (read(STDIN_FILENO, line, sizeof(line)) > 0)
        ;
    for (size_t i = 0; i < options.n; i++)
        end_close(&links[i]);
    free(links);
}

/* ---- inside ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *) a, right = *(const uint32_t *) b;

    return (left > right) - (left < right);
}

static void inside(void)
{
    uint32_t *took_us = xcalloc(SAMPLES_MAX, sizeof(*took_us));
    struct wire_end link;
    size_t n = 0;
    int64_t end_us;

    priority_prompt();
    if (!log_in(&link) || !end_say(&link, "b SELECT INBOX\r\n") ||
        !end_hear_tagged(&link, "b OK"))
        die("no session");
    end_us = clock_mono_us() + (int64_t) options.seconds * US_PER_SEC;
    while (n < SAMPLES_MAX && clock_mono_us() < end_us) {
        int64_t begun_us = clock_mono_us();

        if (!end_say(&link, "c NOOP\r\n") || !end_hear_tagged(&link, "c OK"))
            die("the session ended");
        took_us[n++] = (uint32_t) (clock_mono_us() - begun_us);
        (void) usleep(PAUSE_US);
    }
    qsort(took_us, n, sizeof(*took_us), by_value);
    printf("noops %zu p50 %u p99 %u\n", n, took_us[n / 2], took_us[n * 99 / 100]);
    end_close(&link);
    free(took_us);
}

static void logins(void)
{
    size_t n_good = 0, n_late = 0;
    int64_t most_us = 0;

    for (size_t i = 0; i < options.n; i++) {
        int64_t begun_us = clock_mono_us(), took_us;
        struct wire_end link = {.fd = -1};

        n_good += log_in(&link);
        took_us = clock_mono_us() - begun_us;
        n_late += took_us > LATE_US;
        most_us = MAX(most_us, took_us);
        end_close(&link);
    }
    printf("logins %zu good %zu late %zu most_us %lld\n", options.n, n_good, n_late,
           (long long) most_us);
}

/* ---- the command line ---- */

static uint64_t number(const char *text, uint64_t most)
{
    uint64_t value;

    if (!slice_to_u64(slice_from_str(text), &value) || value > most)
        die("door_load: \"%s\" is no number up to %llu", text, (unsigned long long) most);
    return value;
}

static void read_options(int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "p:t:s:r:b:n:l:u:w:")) != -1) {
        switch (letter) {
        case 'p':
            options.port = (uint16_t) number(optarg, UINT16_MAX);
            break;
        case 't':
            options.n_threads = (unsigned) number(optarg, THREADS_MAX);
            break;
        case 's':
            options.seconds = (unsigned) number(optarg, 3600);
            break;
        case 'r':
            options.per_second = (unsigned) number(optarg, 1000000);
            break;
        case 'b':
            options.every = (unsigned) number(optarg, 1000000);
            break;
        case 'n':
            options.n = (size_t) number(optarg, 1000000);
            break;
        case 'l':
            options.n_literals = (size_t) number(optarg, 1000000);
            break;
        case 'u':
            options.user = optarg;
            break;
        case 'w':
            options.password = optarg;
            break;
        default:
            die("usage: door_load flood|hold|rest|inside|logins -p PORT [OPTION...]");
        }
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {
        {"flood",  flood },
        {"hold",   hold  },
        {"rest",   rest  },
        {"inside", inside},
        {"logins", logins}
    };
    struct rlimit files;

    (void) signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &files);
    }
    context = SSL_CTX_new(TLS_client_method());
    (void) SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (argc > 1)
        read_options(argc - 1, argv + 1);
    for (size_t i = 0; argc > 1 && i < COUNT(modes); i++) {
        if (strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run();
            SSL_CTX_free(context);
            return 0;
        }
    }
    die("usage: door_load flood|hold|rest|inside|logins -p PORT [OPTION...]");
}
