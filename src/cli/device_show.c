#include "cli/device_show.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "web/mobileconfig.h"
#include "web/qr.h"

#define QR_TEXT_BYTES    ((size_t) 256 << 10) /* the largest code there is */
#define SUBMISSIONS_PORT 465                  /* RFC 8314 3.3 */

/* Thunderbird's "Export for Mobile" format, version 1: numbers of its lists. */
#define TB_VERSION  1
#define TB_IMAP     0
#define TB_SMTP     0
#define TB_TLS      3
#define TB_PASSWORD 1

static const struct cli_column columns[] = {
    {"user",     "USER",         CLI_TEXT  },
    {"device",   "DEVICE",       CLI_NUMBER},
    {"password", "APP PASSWORD", CLI_TEXT  },
};

int device_show_open(struct device_show *show)
{
    show->fd = -1;
    if (show->mobileconfig == NULL || strcmp(show->mobileconfig, "-") == 0)
        return CLI_OK;
    show->fd =
        open(show->mobileconfig, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (show->fd >= 0)
        return CLI_OK;
    (void) fprintf(stderr, "roost: %s: %s\n", show->mobileconfig, strerror(errno));
    return CLI_FAILED;
}

void device_show_close(struct device_show *show)
{
    if (show->fd >= 0)
        (void) close(show->fd);
    show->fd = -1;
}

static uint16_t port_of(const struct cli_ask *ask)
{
    uint64_t port = 0;

    if (!slice_to_u64(slice_from_str(cli_last(ask, "imap_port")), &port) || port > UINT16_MAX)
        return 0;
    return (uint16_t) port;
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = slice_from(bytes, (size_t) n);
    }
    return true;
}

static int print_profile(const struct device_show *show, const struct cli_ask *ask,
                         const char *name)
{
    AUTO(buf_done) struct buf profile = {.max = MOBILECONFIG_MAX_BYTES, .secret = true};
    struct mobileconfig config = {
        .user = slice_from_str(cli_last(ask, "address")),
        .device = slice_from_str(name),
        .password = slice_from_str(cli_last(ask, "password")),
        .imap_host = slice_from_str(cli_last(ask, "host")),
        .imap_port = port_of(ask),
        .smtp_host = slice_from_str(cli_last(ask, "host")),
        .smtp_port = SUBMISSIONS_PORT,
    };
    bool ok;

    random_bytes(config.profile_id, sizeof(config.profile_id));
    random_bytes(config.payload_id, sizeof(config.payload_id));
    mobileconfig_print(&profile, &config);
    ok = !profile.overflow &&
         write_all(show->fd >= 0 ? show->fd : STDOUT_FILENO, buf_slice(&profile)) &&
         (show->fd < 0 || fsync(show->fd) == 0);
    if (!ok)
        (void) fprintf(stderr, "roost: %s: %s\n", show->mobileconfig, strerror(errno));
    return ok ? CLI_OK : CLI_FAILED;
}

/* One account, of one code. */
static char *thunderbird_text(const struct cli_ask *ask)
{
    const char *host = cli_last(ask, "host"), *address = cli_last(ask, "address"),
               *password = cli_last(ask, "password");
    json_t *out = json_pack("[i[ii][isiiisss][[[isiiiss][ss]]]]", TB_VERSION, 1, 1, TB_IMAP,
                            host, (int) port_of(ask), TB_TLS, TB_PASSWORD, address, "",
                            password, TB_SMTP, host, SUBMISSIONS_PORT, TB_TLS, TB_PASSWORD,
                            address, password, address, cli_last(ask, "user"));
    char *text = json_dumps(out, JSON_COMPACT);

    json_decref(out);
    return text;
}

static int print_code(const struct cli_ask *ask)
{
    AUTO(buf_done) struct buf picture = {.max = QR_TEXT_BYTES};
    char *text = thunderbird_text(ask);
    struct err err;
    enum rc rc;

    if (text == NULL)
        return CLI_FAILED;
    rc = qr_print_terminal(&picture, slice_from_str(text), &err);
    explicit_bzero(text, strlen(text));
    free(text);
    if (rc) {
        (void) fprintf(stderr, "roost: %s\n", err.text);
        return CLI_FAILED;
    }
    (void) fwrite(picture.ptr, 1, picture.len, stdout);
    (void) printf("\nScan it with Thunderbird on the phone: Settings, Import settings.\n");
    return CLI_OK;
}

int device_show_print(const struct device_show *show, const struct cli_ask *ask,
                      const char *name)
{
    bool is_stdout = show->mobileconfig != NULL && show->fd < 0;
    int code = show->mobileconfig != NULL ? print_profile(show, ask, name) : CLI_OK;

    if (is_stdout)
        return code;
    cli_print_rows(ask, columns, COUNT(columns), show->json); /* whatever became of the file */
    if (show->qr && !show->json && code == CLI_OK)
        code = print_code(ask);
    return code;
}
