/*
 * handshake_probe.c - full handshakes of TLS 1.3 with P-256, both ends in one process: with the
 * key at hand, with the key behind the provider, and with a process in between as the role keys
 * is.
 *
 *     handshake_probe local|provider|hop [HANDSHAKES]
 *
 * What it prints is CPU time of the process and of the one that signs; under `valgrind
 * --tool=callgrind` (local and provider) two runs of different length give the instructions of
 * one handshake.
 */
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ring_signer.h"
#include "lib/tlsclient.h"

#define HANDSHAKES 1000

/* One packet each way, as ipc/ has them: the key's name and scheme, then the text; back comes
 * the signature. */
static enum rc ask(void *ctx, const struct tls_to_sign *what, struct buf *out, struct err *err)
{
    int fd = *(const int *) ctx;
    char packet[TLS_KEY_ID_BYTES + sizeof(uint16_t) + TLS_SIGNED_MAX], room[TLS_SIGNATURE_MAX];
    size_t head = TLS_KEY_ID_BYTES + sizeof(uint16_t);
    ssize_t n;

    memcpy(packet, what->key_id, TLS_KEY_ID_BYTES);
    memcpy(packet + TLS_KEY_ID_BYTES, &what->scheme->number, sizeof(uint16_t));
    memcpy(packet + head, what->bytes.ptr, what->bytes.len);
    if (send(fd, packet, head + what->bytes.len, 0) < 0 ||
        (n = recv(fd, room, sizeof(room), 0)) <= 0)
        return err_set(err, RC_IO, "", "the signer is gone");
    buf_append(out, slice_of(room, (size_t) n));
    return RC_OK;
}

_Noreturn static void serve(int fd, struct key_ring *ring)
{
    char packet[TLS_KEY_ID_BYTES + sizeof(uint16_t) + TLS_SIGNED_MAX];
    size_t head = TLS_KEY_ID_BYTES + sizeof(uint16_t);
    ssize_t n;

    while ((n = recv(fd, packet, sizeof(packet), 0)) > (ssize_t) head) {
        AUTO(buf_done) struct buf out = {0};
        uint16_t scheme;
        struct err err;

        memcpy(&scheme, packet + TLS_KEY_ID_BYTES, sizeof(scheme));
        buf_init(&out, TLS_SIGNATURE_MAX);
        if (key_ring_sign(ring, (const uint8_t *) packet, scheme,
                          slice_of(packet + head, (size_t) n - head), &out, &err) != RC_OK ||
            send(fd, out.ptr, out.len, 0) < 0)
            _exit(1);
    }
    _exit(0);
}

static void handshake(struct tls_server *server)
{
    struct tlsclient client;
    struct conn conn;
    struct err err = {0};
    int fd;

    tlsclient_open(&client, &fd);
    conn_init(&conn, fd);
    if (conn_start_tls(&conn, server, &err) || tlsclient_handshake(&client, &conn, &err))
        die("handshake: %s", err.detail);
    conn_done(&conn);
    tlsclient_close(&client);
}

static double cpu_us(int who)
{
    struct rusage usage;

    (void) getrusage(who, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "local";
    long count = argc > 2 ? strtol(argv[2], NULL, 10) : HANDSHAKES;
    struct ring_signer signer = {.ring = key_ring_new()};
    struct tls_server *server = tls_server_new();
    struct selfsigned cert;
    struct tls_pair pair;
    struct err err = {0};
    int fds[2];
    pid_t pid = 0;
    double before;

    (void) signal(SIGPIPE, SIG_IGN);
    tls_library_init();
    selfsigned_make(&cert, "localhost");
    if (ring_signer_load(signer.ring, &cert, &cert, &err))
        die("load: %s", err.detail);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        die("socketpair");
    pair = (struct tls_pair){.chain_pem = buf_slice(&cert.chain)};
    if (strcmp(way, "local") == 0)
        pair.key_pem = buf_slice(&cert.key);
    if (strcmp(way, "hop") == 0 && (pid = fork()) == 0) {
        (void) close(fds[0]);
        serve(fds[1], signer.ring);
    }
    (void) close(fds[1]);
    tls_server_sign_with(server, pid > 0 ? (struct tls_signer){ask, &fds[0]}
                                         : (struct tls_signer){ring_signer_sign, &signer});
    if (tls_server_load(server, &pair, 1, &err))
        die("load: %s", err.detail);
    handshake(server); /* what is made once */
    before = cpu_us(RUSAGE_SELF);
    for (long i = 0; i < count; i++)
        handshake(server);
    before = cpu_us(RUSAGE_SELF) - before;
    (void) close(fds[0]);
    if (pid > 0)
        (void) waitpid(pid, NULL, 0);
    printf("%s: %ld handshakes, both ends %.0f us of CPU each, the signer %.0f us\n", way,
           count, before / (double) count, cpu_us(RUSAGE_CHILDREN) / (double) count);
    tls_server_free(server);
    key_ring_free(signer.ring);
    selfsigned_done(&cert);
    return 0;
}
