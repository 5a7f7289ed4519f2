/*
 * test_role_auth.c - the auth process between a gate, a mail and a supervisor made up here: who
 * gets a grant, who is refused, what a revocation says, and what administrators do.
 */
// links: roles
// labels: concurrency
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "auth/admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "ipc/control.h"
#include "lib/test.h"
#include "roles/role.h"

#define WAIT_MS 20000 /* never reached by a server that answers */

/* ---- the seam to the process around the role ---- */

enum rc role_confine(struct role_start *start, struct err *err)
{
    (void) start;
    (void) err;
    return RC_OK;
}

void role_failed(struct role_start *start, const struct err *err)
{
    (void) start;
    (void) fprintf(stderr, "role failed: %s\n", err->detail);
}

void role_supervisor_ready(struct role_start *start, const struct role_events *events,
                           void *ctx)
{
    struct packet *packet;

    while (channel_take(start->supervisor, &packet, NULL) == RC_OK) {
        struct role_peer peer = {.role = (enum role) packet->msg.peer.role,
                                 .index = packet->msg.peer.index,
                                 .instance = packet->msg.peer.instance,
                                 .fd = packet->fds[0]};

        if (packet->msg.type == MSG_SHUTDOWN) {
            events->shutdown(ctx, false);
        } else if (packet->msg.type == MSG_PEER) {
            packet->fds[0] = -1;
            events->peer(ctx, &peer);
        }
    }
}

/* ---- a running auth ---- */

struct stage {
    char folder[32], users[64], socket[64];
    struct config *config;
    struct role_start start;
    struct channel *supervisor, *gate, *mail;
    struct control *control;
    pthread_t thread;
    int listen_fd;
};

/* Log events, secrets seen in them, and login lines whose keys fail2ban would not find. */
static _Atomic int n_ok, n_refused, n_secrets, n_out_of_order;
static const char *const secrets[] = {"file-secret", "wrong-secret", "legacy secret"};

static void watch_log(void *ctx, enum log_level level, const char *event,
                      const struct log_field *fields, size_t n)
{
    (void) ctx;
    (void) level;
    if (strcmp(event, "login.ok") == 0)
        n_ok++;
    if (strcmp(event, "login.refused") == 0)
        n_refused++;
    if (strncmp(event, "login.", 6) == 0 &&
        (strcmp(fields[0].key, "address") != 0 || strcmp(fields[1].key, "reason") != 0 ||
         strcmp(fields[2].key, "service") != 0 || strcmp(fields[3].key, "user") != 0))
        n_out_of_order++;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < COUNT(secrets); k++)
            if (fields[i].text.ptr != NULL &&
                slice_search(fields[i].text, slice_from_str(secrets[k])) < fields[i].text.len)
                n_secrets++;
}

static void *run_role(void *ctx)
{
    struct stage *stage = ctx;

    assert_int_equal(role_auth(&stage->start), 0);
    return NULL;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct channel *connect_peer(struct stage *stage, enum role role, uint32_t instance)
{
    int pair[2];

    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    stage->start.peers[stage->start.n_peers++] =
        (struct role_peer){.role = role, .instance = instance, .fd = pair[0]};
    return channel_new(pair[1], role, ROLE_AUTH);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int set_up(void **state)
{
    static const char *const domains[] = {"example.org"};
    struct stage *stage = xcalloc(1, sizeof(*stage));
    char auth_folder[64];
    int pair[2];

    (void) snprintf(stage->folder, sizeof(stage->folder), "/tmp/roost-test-role-XXXXXX");
    assert_non_null(mkdtemp(stage->folder));
    (void) snprintf(auth_folder, sizeof(auth_folder), "%s/auth", stage->folder);
    (void) snprintf(stage->users, sizeof(stage->users), "%s/users", stage->folder);
    (void) snprintf(stage->socket, sizeof(stage->socket), "%s/auth.sock", stage->folder);
    assert_int_equal(mkdir(auth_folder, 0700), 0);
    assert_int_equal(auth_init(NULL), RC_OK);
    assert_int_equal(auth_admin_create(auth_folder, NULL), RC_OK);
    write_file(stage->users, "u1:{PLAIN}file-secret\nu2:{PLAIN}file-secret\n");

    stage->config = config_new();
    stage->config->data_dir = stage->folder;
    stage->config->domains = (struct config_list){domains, 1};
    stage->config->passwd_file = stage->users;
    stage->config->plaintext_loopback = true;
    stage->config->legacy_passwords_until = INT64_MAX;
    stage->start.config = stage->config;
    stage->start.role = ROLE_AUTH;
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    stage->start.supervisor = channel_new(pair[0], ROLE_AUTH, ROLE_SUPERVISOR);
    stage->supervisor = channel_new(pair[1], ROLE_SUPERVISOR, ROLE_AUTH);
    stage->gate = connect_peer(stage, ROLE_GATE, 7);
    stage->mail = connect_peer(stage, ROLE_MAIL, 8);
    stage->listen_fd = listen_at(stage->socket);
    stage->start.listeners[0] =
        (struct role_listener){.kind = LISTENER_CONTROL, .fd = stage->listen_fd};
    stage->start.n_listeners = 1;
    n_ok = n_refused = n_secrets = 0;
    log_set_sink(watch_log, NULL);
    assert_int_equal(pthread_create(&stage->thread, NULL, run_role, stage), 0);
    assert_int_equal(control_connect(stage->socket, &stage->control, NULL), RC_OK);
    *state = stage;
    return 0;
}

static void remove_files(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "auth") != 0)
            assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    assert_int_equal(closedir(dir), 0);
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    struct msg bye = {.type = MSG_SHUTDOWN};
    char auth_folder[64];

    assert_int_equal(channel_send(stage->supervisor, &bye, NULL, WAIT_MS, NULL), RC_OK);
    assert_int_equal(pthread_join(stage->thread, NULL), 0);
    log_set_sink(NULL, NULL);
    clock_set_for_test(0);
    assert_int_equal(n_secrets, 0);
    assert_int_equal(n_out_of_order, 0);
    control_free(stage->control);
    channel_free(stage->supervisor);
    channel_free(stage->start.supervisor);
    channel_free(stage->gate);
    channel_free(stage->mail);
    assert_int_equal(close(stage->listen_fd), 0);
    (void) snprintf(auth_folder, sizeof(auth_folder), "%s/auth", stage->folder);
    remove_files(auth_folder);
    remove_files(stage->folder);
    assert_int_equal(rmdir(auth_folder), 0);
    assert_int_equal(rmdir(stage->folder), 0);
    config_free(stage->config);
    free(stage);
    return 0;
}

static bool is_directory(enum msg_type type)
{
    return type == MSG_DIRECTORY_BEGIN || type == MSG_DIRECTORY_ROW ||
           type == MSG_DIRECTORY_GONE || type == MSG_DIRECTORY_END;
}

static const struct msg *next_of_directory(struct channel *channel)
{
    struct packet *packet = NULL;

    do {
        assert_int_equal(channel_wait(channel, WAIT_MS, &packet, NULL), RC_OK);
    } while (!is_directory(packet->msg.type));
    return &packet->msg;
}

/* The next message of the directory, or else the next that is none. */
static const struct msg *expect(struct channel *channel, enum msg_type type)
{
    struct packet *packet = NULL;

    do {
        assert_int_equal(channel_wait(channel, WAIT_MS, &packet, NULL), RC_OK);
    } while (is_directory(packet->msg.type) != is_directory(type));
    if (packet->msg.type != type)
        fail_msg("got %s, want %s", msg_name(packet->msg.type), msg_name(type));
    return &packet->msg;
}

static void send_msg(struct channel *channel, const struct msg *msg)
{
    assert_int_equal(channel_send(channel, msg, NULL, WAIT_MS, NULL), RC_OK);
}

/* A login over TLS from 192.0.2.1. */
static struct msg login_of(uint64_t conn, const char *user, const char *secret, char room[256])
{
    struct msg msg = {
        .type = MSG_AUTH_START,
        .auth_start = {.conn = conn,
                       .service = SERVICE_IMAP,
                       .mechanism = SLICE("PLAIN"),
                       .has_initial = 1,
                       .peer = {.family = IPADDR_V4, .bytes = {192, 0, 2, 1}},
                       .tls_version = 0x0304}
    };
    size_t user_len = strlen(user), secret_len = strlen(secret);

    room[0] = '\0';
    memcpy(room + 1, user, user_len + 1);
    memcpy(room + 2 + user_len, secret, secret_len);
    msg.auth_start.initial = slice_of(room, 2 + user_len + secret_len);
    return msg;
}

static void try_login(struct stage *stage, uint64_t conn, const char *user, const char *secret)
{
    char room[256];
    struct msg msg = login_of(conn, user, secret, room);

    send_msg(stage->gate, &msg);
}

/* Mail hears of the grant, the gate of the same nonce. Returns the account. */
static uint64_t expect_grant(struct stage *stage, uint64_t conn, uint64_t device)
{
    struct msg_grant grant = expect(stage->mail, MSG_GRANT)->grant;
    struct msg_auth_ok ok = expect(stage->gate, MSG_AUTH_OK)->auth_ok;

    assert_int_equal(ok.conn, conn);
    assert_int_equal(grant.conn, conn);
    assert_int_equal(grant.gate, 7);
    assert_memory_equal(grant.nonce, ok.nonce, sizeof(ok.nonce));
    assert_int_equal(grant.account, ok.account);
    assert_int_equal(grant.device, device);
    assert_int_equal(grant.rights, GRANT_READ | GRANT_WRITE);
    return grant.account;
}

static void expect_fail(struct stage *stage, uint64_t conn, enum auth_code code)
{
    const struct msg_auth_fail *fail = &expect(stage->gate, MSG_AUTH_FAIL)->auth_fail;

    assert_int_equal(fail->conn, conn);
    assert_int_equal(fail->code, code);
}

/* ---- the control socket ---- */

struct answer {
    enum rc rc;
    size_t n_rows;
    char user[64], device[32], password[64], state[32];
};

static void keep(const struct control_fields *fields, const char *key, char *room, size_t size)
{
    struct slice value;

    if (control_field_get(fields, key, &value))
        (void) snprintf(room, size, "%.*s", SLICE_ARG(value));
}

static struct answer read_answer(struct stage *stage)
{
    struct answer answer = {0};
    struct control_reply reply;

    for (;;) {
        assert_int_equal(control_next(stage->control, WAIT_MS, &reply, NULL), RC_OK);
        if (reply.kind == CONTROL_END) {
            answer.rc = reply.rc;
            return answer;
        }
        answer.n_rows++;
        keep(&reply.fields, "user", answer.user, sizeof(answer.user));
        keep(&reply.fields, "device", answer.device, sizeof(answer.device));
        keep(&reply.fields, "password", answer.password, sizeof(answer.password));
        keep(&reply.fields, "state", answer.state, sizeof(answer.state));
    }
}

static struct answer ask(struct stage *stage, const char *verb, const char *key1,
                         const char *value1, const char *key2, const char *value2)
{
    const struct control_field fields[] = {
        {slice_from_str(key1), slice_from_str(value1)},
        {slice_from_str(key2), slice_from_str(value2)},
    };

    assert_int_equal(control_request(stage->control, verb, fields, 2, NULL), RC_OK);
    return read_answer(stage);
}

static struct answer ask_with_data(struct stage *stage, const char *verb, const char *data)
{
    assert_int_equal(control_request(stage->control, verb, NULL, 0, NULL), RC_OK);
    for (const char *c = data; *c != '\0'; c++) /* a byte a packet: lines lie across them */
        assert_int_equal(control_send_data(stage->control, slice_of(c, 1), NULL), RC_OK);
    assert_int_equal(control_send_end(stage->control, NULL), RC_OK);
    return read_answer(stage);
}

static enum resolve_code resolve(struct stage *stage, const char *address, char user[64])
{
    const struct msg_resolved *resolved;

    send_msg(stage->mail, &(struct msg){
                              .type = MSG_RESOLVE,
                              .resolve = {.request = 5, .address = slice_from_str(address)}
    });
    resolved = &expect(stage->mail, MSG_RESOLVED)->resolved;
    assert_int_equal(resolved->request, 5);
    (void) snprintf(user, 64, "%.*s", SLICE_ARG(resolved->user));
    return (enum resolve_code) resolved->code;
}

/* ---- the tests ---- */

static void a_login_becomes_one_grant_with_the_gates_nonce(void **state)
{
    struct stage *stage = *state;
    uint64_t first;

    try_login(stage, 1, "u1", "file-secret");
    assert_slice_equal(expect(stage->mail, MSG_ACCOUNT_CREATED)->account_created.user,
                       SLICE("u1"));
    first = expect_grant(stage, 1, 0);
    try_login(stage, 2, "U1@example.org", "file-secret");
    assert_int_equal(expect_grant(stage, 2, 0), first);
    (void) ask(stage, "alias.list", "after", "", "x", ""); /* the log line follows the grant */
    assert_int_equal(n_ok, 2);
}

static void a_client_that_waits_gets_an_empty_challenge(void **state)
{
    struct stage *stage = *state;
    char room[256];
    struct msg start = login_of(3, "u1", "file-secret", room);
    struct slice message = start.auth_start.initial;

    start.auth_start.has_initial = 0;
    start.auth_start.initial = SLICE("");
    send_msg(stage->gate, &start);
    assert_int_equal(expect(stage->gate, MSG_AUTH_CONTINUE)->auth_continue.data.len, 0);
    send_msg(stage->gate,
             &(struct msg){
                 .type = MSG_AUTH_DATA, .auth_data = {.conn = 3, .data = message}
    });
    (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    (void) expect_grant(stage, 3, 0);
}

static void refusals_say_little(void **state)
{
    struct stage *stage = *state;
    char room[256];
    struct msg msg;

    try_login(stage, 1, "u1", "wrong-secret");
    (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    expect_fail(stage, 1, AUTH_CODE_FAILED);
    try_login(stage, 2, "nobody", "wrong-secret");
    expect_fail(stage, 2, AUTH_CODE_FAILED);
    try_login(stage, 3, "", "wrong-secret");
    expect_fail(stage, 3, AUTH_CODE_MALFORMED);
    msg = login_of(4, "u1", "file-secret", room);
    msg.auth_start.mechanism = SLICE("CRAM-MD5");
    send_msg(stage->gate, &msg);
    expect_fail(stage, 4, AUTH_CODE_NO_MECHANISM);
    msg = login_of(5, "u1", "file-secret", room);
    msg.auth_start.tls_version = 0;
    send_msg(stage->gate, &msg);
    expect_fail(stage, 5, AUTH_CODE_PRIVACY);
    msg.auth_start.conn = 6;
    msg.auth_start.peer = (struct ipaddr){
        .family = IPADDR_V4, .bytes = {127, 0, 0, 1}
    };
    send_msg(stage->gate, &msg);
    (void) expect_grant(stage, 6, 0);
    assert_int_equal(n_refused, 5);
}

static void revoking_a_device_ends_its_sessions_and_its_logins(void **state)
{
    struct stage *stage = *state;
    struct answer made = ask(stage, "user.add", "name", "anna", "device", "phone");
    const struct msg_revoke *revoke;
    uint64_t account, device;

    assert_int_equal(made.rc, RC_OK);
    assert_true(slice_to_u64(slice_from_str(made.device), &device));
    account = expect(stage->mail, MSG_ACCOUNT_CREATED)->account_created.account;
    try_login(stage, 1, "anna", made.password);
    assert_int_equal(expect_grant(stage, 1, device), account);
    assert_int_equal(ask(stage, "device.list", "user", "anna", "x", "").n_rows, 1);
    assert_int_equal(ask(stage, "device.revoke", "user", "anna", "device", made.device).rc,
                     RC_OK);
    revoke = &expect(stage->mail, MSG_REVOKE)->revoke;
    assert_int_equal(revoke->what, REVOKE_DEVICE);
    assert_int_equal(revoke->account, account);
    assert_int_equal(revoke->device, device);
    try_login(stage, 2, "anna", made.password);
    expect_fail(stage, 2, AUTH_CODE_FAILED);
    assert_int_equal(ask(stage, "device.revoke", "user", "anna", "device", made.device).rc,
                     RC_NOT_FOUND);
}

/* ---- the directory ---- */

static uint64_t expect_row(struct stage *stage, uint32_t transfer, enum principal_wire kind,
                           const char *name, size_t n_groups)
{
    const struct msg_directory_row *row =
        &expect(stage->mail, MSG_DIRECTORY_ROW)->directory_row;

    assert_int_equal(row->transfer, transfer);
    assert_int_equal(row->kind, kind);
    assert_slice_equal(row->name, slice_from_str(name));
    assert_int_equal(row->groups.len, 8 * n_groups);
    return row->id;
}

static void mail_is_told_of_each_change(void **state)
{
    struct stage *stage = *state;
    uint64_t anna, info, staff;

    assert_int_equal(expect(stage->mail, MSG_DIRECTORY_BEGIN)->directory_begin.transfer, 1);
    assert_int_equal(expect(stage->mail, MSG_DIRECTORY_END)->directory_end.transfer, 1);
    (void) ask(stage, "user.add", "name", "Anna", "device", "");
    anna = expect_row(stage, 0, WIRE_USER, "Anna", 0);
    assert_int_equal(ask(stage, "shared.create", "name", "info", "x", "").rc, RC_OK);
    info = expect_row(stage, 0, WIRE_SHARED, "info", 0);
    assert_int_equal(ask(stage, "group.create", "group", "staff", "x", "").rc, RC_OK);
    staff = expect_row(stage, 0, WIRE_GROUP, "staff", 0);
    assert_int_equal(ask(stage, "group.add", "group", "staff", "user", "anna").rc, RC_OK);
    assert_int_equal(expect_row(stage, 0, WIRE_USER, "Anna", 1), anna);
    assert_int_equal(ask(stage, "group.add", "group", "staff", "user", "info").rc, RC_OK);
    (void) expect_row(stage, 0, WIRE_SHARED, "info", 1);
    assert_int_equal(ask(stage, "group.members", "group", "STAFF", "x", "").n_rows, 2);
    assert_int_equal(ask(stage, "group.limit", "group", "staff", "storage", "77").rc, RC_OK);
    (void) expect_row(stage, 0, WIRE_GROUP, "staff", 0);
    assert_int_equal(ask(stage, "group.limit", "group", "staff", "storage", "7x").rc,
                     RC_INVALID);
    assert_int_equal(ask(stage, "group.remove", "group", "staff", "user", "anna").rc, RC_OK);
    assert_int_equal(expect_row(stage, 0, WIRE_USER, "Anna", 0), anna);
    assert_int_equal(ask(stage, "group.delete", "group", "staff", "x", "").rc, RC_OK);
    assert_int_equal(expect(stage->mail, MSG_DIRECTORY_GONE)->directory_gone.id, staff);
    assert_int_equal(ask(stage, "user.delete", "name", "info", "x", "").rc, RC_INVALID);
    assert_int_equal(ask(stage, "shared.delete", "name", "anna", "x", "").rc, RC_INVALID);
    assert_int_equal(ask(stage, "shared.list", "after", "", "x", "").n_rows, 1);
    assert_int_equal(ask(stage, "shared.delete", "name", "info", "x", "").rc, RC_OK);
    assert_int_equal(expect(stage->mail, MSG_DIRECTORY_GONE)->directory_gone.id, info);
    assert_int_equal(ask(stage, "user.delete", "name", "anna", "x", "").rc, RC_OK);
    assert_int_equal(expect(stage->mail, MSG_DIRECTORY_GONE)->directory_gone.id, anna);
}

/* More than a piece, and more than a socket takes at once. */
#define MANY_USERS 3000u
#define PART_BYTES 16000u

static void send_part(struct stage *stage, struct slice part)
{
    struct control_reply row;

    while (control_send_data(stage->control, part, NULL) == RC_MORE)
        assert_int_equal(control_next(stage->control, WAIT_MS, &row, NULL), RC_OK);
}

static void a_mail_that_comes_later_is_told_everything(void **state)
{
    struct stage *stage = *state;
    AUTO(buf_done) struct buf lines = {.max = 1u << 20};
    struct msg peer = {
        .type = MSG_PEER, .peer = {.role = ROLE_MAIL, .index = 0, .instance = 9}
    };
    size_t n_users = 0, n_groups = 0;
    struct control_reply row;
    const struct msg *msg;
    int pair[2];

    for (unsigned i = 0; i < MANY_USERS; i++)
        buf_printf(&lines, "someone-with-a-rather-long-name-%u@example.org\n", i);
    assert_int_equal(control_request(stage->control, "user.add-many", NULL, 0, NULL), RC_OK);
    for (size_t at = 0; at < lines.len; at += PART_BYTES)
        send_part(stage, slice_sub(buf_slice(&lines), at, PART_BYTES));
    while (control_send_end(stage->control, NULL) == RC_MORE)
        assert_int_equal(control_next(stage->control, WAIT_MS, &row, NULL), RC_OK);
    assert_int_equal(read_answer(stage).rc, RC_OK);
    assert_int_equal(ask(stage, "group.create", "group", "staff", "x", "").rc, RC_OK);
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    assert_int_equal(channel_send(stage->supervisor, &peer, pair, WAIT_MS, NULL), RC_OK);
    channel_free(stage->mail);
    stage->mail = channel_new(pair[1], ROLE_MAIL, ROLE_AUTH);
    assert_int_equal(close(pair[0]), 0);
    assert_int_equal(expect(stage->mail, MSG_DIRECTORY_BEGIN)->directory_begin.transfer, 1);
    (void) ask(stage, "alias.list", "after", "", "x", ""); /* auth answers meanwhile */
    while ((msg = next_of_directory(stage->mail))->type == MSG_DIRECTORY_ROW) {
        assert_int_equal(msg->directory_row.transfer, 1);
        n_groups += msg->directory_row.kind == WIRE_GROUP;
        n_users += msg->directory_row.kind == WIRE_USER;
    }
    assert_int_equal(msg->type, MSG_DIRECTORY_END);
    assert_int_equal(n_users, MANY_USERS);
    assert_int_equal(n_groups, 1);
}

/* ---- users ---- */

static void an_account_is_disabled_enabled_and_deleted(void **state)
{
    struct stage *stage = *state;
    struct answer made = ask(stage, "user.add", "name", "anna", "device", "");
    char user[64];
    uint64_t account, device;

    assert_true(slice_to_u64(slice_from_str(made.device), &device));
    account = expect(stage->mail, MSG_ACCOUNT_CREATED)->account_created.account;
    assert_int_equal(resolve(stage, "Anna+x@example.org", user), RESOLVE_OK);
    assert_string_equal(user, "anna");
    assert_int_equal(ask(stage, "user.disable", "name", "anna", "x", "").rc, RC_OK);
    assert_int_equal(expect(stage->mail, MSG_REVOKE)->revoke.account, account);
    assert_int_equal(resolve(stage, "anna@example.org", user), RESOLVE_DISABLED);
    try_login(stage, 1, "anna", made.password);
    expect_fail(stage, 1, AUTH_CODE_CONTACTADMIN);
    assert_int_equal(ask(stage, "user.enable", "name", "anna", "x", "").rc, RC_OK);
    try_login(stage, 2, "anna", made.password);
    assert_int_equal(expect_grant(stage, 2, device), account);
    assert_int_equal(ask(stage, "user.delete", "name", "anna", "x", "").rc, RC_OK);
    assert_int_equal(expect(stage->mail, MSG_REVOKE)->revoke.what, REVOKE_ACCOUNT);
    assert_int_equal(expect(stage->mail, MSG_ACCOUNT_DELETED)->account_deleted.account,
                     account);
    assert_int_equal(resolve(stage, "anna@example.org", user), RESOLVE_UNKNOWN);
    try_login(stage, 3, "anna", made.password);
    expect_fail(stage, 3, AUTH_CODE_FAILED);
    assert_int_equal(ask(stage, "user.enable", "name", "anna", "x", "").rc, RC_NOT_FOUND);
}

#define SHA512_OF_PASSWORD                                                                     \
    "{SHA512-CRYPT}$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"                    \
    "jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"

static void a_slow_hash_is_checked_and_replaced_by_a_better_one(void **state)
{
    struct stage *stage = *state;
    struct answer answer;

    answer = ask_with_data(stage, "user.import",
                           "# moved in\nanna:" SHA512_OF_PASSWORD
                           ":1000:1000::/home/anna::\r\n\nbob:{MD5}x\nbert:{PLAIN}x");
    assert_int_equal(answer.rc, RC_INVALID);
    assert_int_equal(answer.n_rows, 2); /* bob and bert */
    (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    try_login(stage, 1, "anna", "wrong-secret");
    expect_fail(stage, 1, AUTH_CODE_FAILED);
    for (uint64_t conn = 2; conn <= 3; conn++) { /* the second time with the better hash */
        try_login(stage, conn, "anna", "password");
        (void) expect_grant(stage, conn, 0);
    }
    /* Nothing is set for a line that is there already. */
    answer = ask_with_data(stage, "user.import", "anna:" SHA512_OF_PASSWORD);
    assert_int_equal(answer.rc, RC_OK);
    assert_int_equal(expect(stage->mail, MSG_REVOKE)->revoke.device, 0);
    assert_int_equal(ask(stage, "user.passwd", "name", "anna", "hash", "{PLAIN}x").rc,
                     RC_INVALID);
    assert_int_equal(ask(stage, "user.passwd", "name", "anna", "hash", "").rc, RC_OK);
    (void) expect(stage->mail, MSG_REVOKE);
    try_login(stage, 4, "anna", "password");
    expect_fail(stage, 4, AUTH_CODE_FAILED);
}

static void many_users_get_a_password_each(void **state)
{
    struct stage *stage = *state;
    struct answer answer =
        ask_with_data(stage, "user.add-many", "anna\nbob\r\nanna\nno good name\n\ncarl");

    assert_int_equal(answer.rc, RC_INVALID);
    assert_int_equal(answer.n_rows, 5);
    for (int n = 0; n < 3; n++)
        (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    assert_string_equal(answer.user, "carl");
    try_login(stage, 1, "carl", answer.password);
    (void) expect(stage->mail, MSG_GRANT);
    (void) expect(stage->gate, MSG_AUTH_OK);
    assert_int_equal(ask(stage, "user.list", "after", "", "x", "").n_rows, 3);
    assert_int_equal(ask(stage, "user.list", "after", "anna", "x", "").n_rows, 2);
}

static void aliases_and_domains_are_asked_for_by_mail(void **state)
{
    struct stage *stage = *state;
    char user[64];

    assert_int_equal(ask(stage, "alias.add", "address", "sales@other.example", "user", "u1").rc,
                     RC_OK);
    (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    assert_int_equal(resolve(stage, "Sales+q4@other.example", user), RESOLVE_OK);
    assert_string_equal(user, "u1");
    assert_int_equal(resolve(stage, "u1@other.example", user), RESOLVE_UNKNOWN);
    assert_int_equal(ask(stage, "domain.add", "domain", "Other.example", "catch_all", "u1").rc,
                     RC_OK);
    assert_int_equal(resolve(stage, "anything@other.example", user), RESOLVE_OK);
    assert_int_equal(ask(stage, "domain.list", "after", "", "x", "").n_rows, 2);
    assert_int_equal(ask(stage, "domain.delete", "domain", "other.example", "x", "").rc, RC_OK);
    assert_int_equal(resolve(stage, "anything@other.example", user), RESOLVE_UNKNOWN);
    assert_int_equal(ask(stage, "alias.list", "after", "", "x", "").n_rows, 1);
    assert_int_equal(ask(stage, "alias.delete", "address", "sales@other.example", "x", "").rc,
                     RC_OK);
    assert_int_equal(ask(stage, "alias.add", "address", "x@y.example", "user", "nobody").rc,
                     RC_NOT_FOUND);
}

static void mail_asks_who_a_user_is(void **state)
{
    struct stage *stage = *state;
    struct msg ask_name = {
        .type = MSG_LOOKUP_USER, .lookup_user = {.request = 1, .user = SLICE("U2")}
    };
    struct msg ask_id = {.type = MSG_LOOKUP_USER, .lookup_user = {.request = 2}};

    send_msg(stage->mail, &ask_name);
    (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    ask_id.lookup_user.account = expect(stage->mail, MSG_USER_FOUND)->user_found.account;
    send_msg(stage->mail, &ask_id);
    assert_slice_equal(expect(stage->mail, MSG_USER_FOUND)->user_found.user, SLICE("u2"));
    ask_id.lookup_user.account ^= 1;
    send_msg(stage->mail, &ask_id);
    assert_int_equal(expect(stage->mail, MSG_USER_FOUND)->user_found.code, RESOLVE_UNKNOWN);
}

static void an_attempt_that_was_cancelled_has_no_answer(void **state)
{
    struct stage *stage = *state;
    char room[256];
    struct msg start = login_of(1, "u1", "file-secret", room);

    start.auth_start.has_initial = 0;
    send_msg(stage->gate, &start);
    (void) expect(stage->gate, MSG_AUTH_CONTINUE);
    send_msg(stage->gate, &(struct msg){.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = 1}});
    send_msg(stage->gate, &(struct msg){
                              .type = MSG_AUTH_DATA,
                              .auth_data = {.conn = 1, .data = start.auth_start.initial}
    });
    /* The same while the pool works on it; the answer that comes is the next one's. */
    (void) ask_with_data(stage, "user.import", "anna:" SHA512_OF_PASSWORD);
    (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    try_login(stage, 2, "anna", "password");
    send_msg(stage->gate, &(struct msg){.type = MSG_AUTH_CANCEL, .auth_cancel = {.conn = 2}});
    try_login(stage, 3, "u1", "file-secret");
    (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    (void) expect_grant(stage, 3, 0);
}

static void a_replaced_gate_hears_nothing_of_the_old_ones_attempts(void **state)
{
    struct stage *stage = *state;
    char room[256];
    struct msg start = login_of(1, "u1", "file-secret", room);
    struct msg peer = {
        .type = MSG_PEER, .peer = {.role = ROLE_GATE, .instance = 70}
    };
    struct msg_grant grant;
    int pair[2];

    start.auth_start.has_initial = 0;
    send_msg(stage->gate, &start);
    (void) expect(stage->gate, MSG_AUTH_CONTINUE);
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    assert_int_equal(channel_send(stage->supervisor, &peer, &pair[0], WAIT_MS, NULL), RC_OK);
    assert_int_equal(close(pair[0]), 0);
    channel_free(stage->gate);
    stage->gate = channel_new(pair[1], ROLE_GATE, ROLE_AUTH);
    start.auth_start.has_initial = 1; /* the same number, another connection */
    send_msg(stage->gate, &start);
    (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    grant = expect(stage->mail, MSG_GRANT)->grant;
    assert_int_equal(grant.gate, 70);
    assert_int_equal(expect(stage->gate, MSG_AUTH_OK)->auth_ok.conn, 1);
}

static void without_mail_nobody_gets_in(void **state)
{
    struct stage *stage = *state;
    int pair[2];

    channel_free(stage->mail);
    try_login(stage, 1, "u1", "file-secret");
    expect_fail(stage, 1, AUTH_CODE_UNAVAILABLE);
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    stage->mail = channel_new(pair[1], ROLE_MAIL, ROLE_AUTH);
    assert_int_equal(close(pair[0]), 0);
}

/*
 * Ten thousand wrong passwords for one user from one address, all at once: those within the
 * bound wait, those beyond are told so, and each gets exactly one answer when its time has
 * come. Meanwhile the same user gets in from elsewhere, at once.
 */
static void a_flood_of_guesses_is_bounded_and_locks_nobody_out(void **state)
{
    enum { FLOOD = 10000, STRANGERS = 8192 - 2048 };
    struct stage *stage = *state;
    static unsigned char answered[FLOOD];
    char room[256];
    struct msg good = login_of(FLOOD, "u1", "file-secret", room);
    int n_answers = 0, n_limit = 0;
    struct packet *packet;

    memset(answered, 0, sizeof(answered));
    clock_set_for_test(1700000000000000);
    good.auth_start.peer.bytes[3] = 2; /* has been in before */
    send_msg(stage->gate, &good);
    (void) expect(stage->mail, MSG_ACCOUNT_CREATED);
    (void) expect_grant(stage, FLOOD, 0);
    for (uint64_t conn = 0; conn < FLOOD; conn++) {
        try_login(stage, conn, "u1", "wrong-secret");
        while (channel_wait(stage->gate, 0, &packet, NULL) == RC_OK) {
            assert_int_equal(packet->msg.type, MSG_AUTH_FAIL);
            assert_int_equal(answered[packet->msg.auth_fail.conn]++, 0);
            n_limit += packet->msg.auth_fail.code == AUTH_CODE_LIMIT;
            n_answers++;
        }
    }
    while (n_answers < FLOOD - STRANGERS) { /* all places of strangers are taken, and stay so */
        assert_int_equal(channel_wait(stage->gate, WAIT_MS, &packet, NULL), RC_OK);
        assert_int_equal(answered[packet->msg.auth_fail.conn]++, 0);
        n_limit += packet->msg.auth_fail.code == AUTH_CODE_LIMIT;
        n_answers++;
    }
    good.auth_start.conn = FLOOD + 1;
    send_msg(stage->gate, &good);
    (void) expect_grant(stage, FLOOD + 1, 0);
    good.auth_start.conn = FLOOD + 2;
    good.auth_start.peer.bytes[3] = 3;
    send_msg(stage->gate, &good);
    expect_fail(stage, FLOOD + 2, AUTH_CODE_LIMIT);
    for (int64_t step = 1; n_answers < FLOOD; step++) { /* nothing comes before its time */
        clock_set_for_test(1700000000000000 + step * 1000000);
        (void) ask(stage, "alias.list", "after", "", "x", ""); /* a turn of the loop */
        while (channel_wait(stage->gate, 10, &packet, NULL) == RC_OK) {
            assert_int_equal(answered[packet->msg.auth_fail.conn]++, 0);
            n_limit += packet->msg.auth_fail.code == AUTH_CODE_LIMIT;
            n_answers++;
        }
        assert_true(step < 100);
    }
    assert_true(n_limit > 0 && n_limit < FLOOD / 2);
    good.auth_start.conn = FLOOD + 3;
    send_msg(stage->gate, &good);
    (void) expect_grant(stage, FLOOD + 3, 0);
}

#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(a_login_becomes_one_grant_with_the_gates_nonce),
        ON_STAGE(a_client_that_waits_gets_an_empty_challenge),
        ON_STAGE(refusals_say_little),
        ON_STAGE(revoking_a_device_ends_its_sessions_and_its_logins),
        ON_STAGE(mail_is_told_of_each_change),
        ON_STAGE(a_mail_that_comes_later_is_told_everything),
        ON_STAGE(an_account_is_disabled_enabled_and_deleted),
        ON_STAGE(a_slow_hash_is_checked_and_replaced_by_a_better_one),
        ON_STAGE(many_users_get_a_password_each),
        ON_STAGE(aliases_and_domains_are_asked_for_by_mail),
        ON_STAGE(mail_asks_who_a_user_is),
        ON_STAGE(an_attempt_that_was_cancelled_has_no_answer),
        ON_STAGE(a_replaced_gate_hears_nothing_of_the_old_ones_attempts),
        ON_STAGE(without_mail_nobody_gets_in),
        ON_STAGE(a_flood_of_guesses_is_bounded_and_locks_nobody_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
