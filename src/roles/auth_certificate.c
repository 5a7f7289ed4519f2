/*
 * auth_certificate.c - client certificates: the CA and revocation files as they are now, and
 * what the gate and a login by EXTERNAL ask of them.
 *
 * Both files are looked at before each answer and read again when they changed. One that cannot
 * be read, or does not hold what it should, means that nobody is believed: a list of
 * revocations that is missing is not an empty one.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "roles/auth_role.h"

#define READ_BYTES ((size_t) 16 << 10)

/* What changes when a file is replaced or written; zero where there is none. */
struct pem_stamp {
    int64_t mtime_ns, size;
    uint64_t inode;
};

struct auth_certificates {
    struct cert_checker *checker; /* NULL: the files as they are serve nobody */
    struct pem_stamp authorities, lists;
    bool looked;         /* the stamps are of a first look at least */
    uint64_t generation; /* counts what was read */
};

bool auth_certificates_on(const struct auth_role *auth)
{
    return auth->start->config->client_ca[0] != '\0';
}

static struct pem_stamp stamp_of(const char *path)
{
    struct pem_stamp stamp = {0};
    struct stat st;

    if (path[0] == '\0' || stat(path, &st) != 0)
        return stamp;
    stamp.mtime_ns = (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    stamp.size = (int64_t) st.st_size;
    stamp.inode = (uint64_t) st.st_ino;
    return stamp;
}

static bool is_same(const struct pem_stamp *a, const struct pem_stamp *b)
{
    return a->mtime_ns == b->mtime_ns && a->size == b->size && a->inode == b->inode;
}

/* The whole file, which is not empty. */
static enum rc read_file(const char *path, struct buf *out, struct err *err)
{
    AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return err_set(err, RC_IO, "No certificate", "%s: %s", path, strerror(errno));
    while (n > 0) {
        char *room = buf_reserve(out, READ_BYTES);

        if (room == NULL)
            return err_set(err, RC_LIMIT, "No certificate", "%s: is too long", path);
        n = read(fd, room, READ_BYTES);
        out->len += n > 0 ? (size_t) n : 0;
    }
    if (n < 0 || out->len == 0)
        return err_set(err, RC_IO, "No certificate", "%s: %s", path,
                       n < 0 ? strerror(errno) : "is empty");
    return RC_OK;
}

static enum rc read_checker(const struct config *config, struct cert_checker **out,
                            struct err *err)
{
    AUTO(buf_done) struct buf authorities = {.max = PEM_FILE_MAX_BYTES};
    AUTO(buf_done) struct buf lists = {.max = PEM_FILE_MAX_BYTES};
    enum rc rc = read_file(config->client_ca, &authorities, err);

    if (rc == RC_OK && config->client_crl[0] != '\0')
        rc = read_file(config->client_crl, &lists, err);
    if (rc)
        return rc;
    return cert_checker_new(buf_slice(&authorities), buf_slice(&lists),
                            (enum cert_name) config->client_cert_name, out, err);
}

static void look(struct auth_role *auth)
{
    const struct config *config = auth->start->config;
    struct auth_certificates *certs = auth->certificates;
    struct pem_stamp authorities = stamp_of(config->client_ca);
    struct pem_stamp lists = stamp_of(config->client_crl);
    struct err err;

    if (certs->looked && is_same(&authorities, &certs->authorities) &&
        is_same(&lists, &certs->lists))
        return;
    certs->looked = true;
    certs->generation++;
    certs->authorities = authorities;
    certs->lists = lists;
    cert_checker_free(TAKE(certs->checker));
    if (read_checker(config, &certs->checker, &err) == RC_OK)
        log_event(LEVEL_INFO, "client_ca.read", LOG_STR("file", config->client_ca));
    else
        log_event(LEVEL_ERROR, "client_ca.unreadable", LOG_ERR(&err));
}

uint64_t auth_certificates_generation(struct auth_role *auth)
{
    if (auth_certificates_on(auth))
        look(auth);
    return auth->certificates->generation;
}

void auth_certificates_open(struct auth_role *auth)
{
    auth->certificates = xcalloc(1, sizeof(*auth->certificates));
    if (auth_certificates_on(auth))
        look(auth);
}

void auth_certificates_done(struct auth_role *auth)
{
    if (auth->certificates != NULL)
        cert_checker_free(auth->certificates->checker);
    free(TAKE(auth->certificates));
}

enum rc auth_certificate_check(struct auth_role *auth, struct slice chain,
                               struct cert_identity *out, struct err *err)
{
    if (!auth_certificates_on(auth))
        return err_set(err, RC_DENIED, "Certificate is not accepted", "client_ca is not set");
    look(auth);
    if (auth->certificates->checker == NULL)
        return err_set(err, RC_UNAVAILABLE, "Certificate is not accepted",
                       "client_ca or client_crl cannot be used");
    return cert_check(auth->certificates->checker, chain, clock_wall_sec(), out, err);
}

bool auth_certificate_names(struct auth_role *auth, const struct cert_identity *identity,
                            uint64_t account)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    const struct resolve_lookup lookup = realm_lookup_vouched(auth->realm);
    struct resolve_account named;

    if (identity->user_len == 0)
        return false;
    arena = arena_new(RESOLVE_ARENA_BYTES);
    return resolve_login(&lookup, slice_of(identity->user, identity->user_len), arena, &named,
                         NULL) == RC_OK &&
           named.id == account;
}

void auth_certificate_asked(struct auth_peer *gate, const struct msg_cert_check *msg)
{
    struct msg answer = {.type = MSG_CERT_CHECKED, .cert_checked = {.conn = msg->conn}};
    AUTO(buf_done) struct buf address = {.max = IPADDR_TEXT_BYTES};
    struct cert_identity identity;
    struct err err;

    if (auth_certificate_check(gate->auth, msg->client_chain, &identity, &err) == RC_OK) {
        answer.cert_checked.good = 1;
    } else {
        ipaddr_print(&address, &msg->peer);
        log_event(LEVEL_WARNING, "certificate.refused",
                  LOG_TEXT("address", buf_slice(&address)), LOG_ERR(&err));
    }
    if (auth_post(gate, &answer, &err) != RC_OK)
        log_event(LEVEL_WARNING, "auth.gate_not_told", LOG_ERR(&err));
}
