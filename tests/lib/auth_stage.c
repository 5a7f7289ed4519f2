/* auth_stage.c - the auth role on a thread, and the ends of its channels in the test's hand. */
#include "lib/auth_stage.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "auth/admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "lib/test.h"

#define HEARD_EVERY_MS 20

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

/* None of them may stand in the log. */
static const char *const secrets[] = {"file-secret", "wrong-secret", "legacy secret"};

static void watch_log(void *ctx, enum log_level level, const char *event,
                      const struct log_field *fields, size_t n)
{
    struct auth_stage *stage = ctx;
    bool ok = strcmp(event, "login.ok") == 0, refused = strcmp(event, "login.refused") == 0;

    (void) level;
    stage->n_ok += ok;
    stage->n_refused += refused;
    if ((ok || refused) &&
        (strcmp(fields[0].key, "address") != 0 || strcmp(fields[1].key, "reason") != 0 ||
         strcmp(fields[2].key, "service") != 0 || strcmp(fields[3].key, "user") != 0))
        stage->n_out_of_order++;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < COUNT(secrets); k++)
            if (fields[i].text.ptr != NULL &&
                slice_search(fields[i].text, slice_from_str(secrets[k])) < fields[i].text.len)
                stage->n_secrets++;
}

static void *run_role(void *ctx)
{
    struct auth_stage *stage = ctx;

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

static struct channel *connect_peer(struct auth_stage *stage, enum role role, uint32_t instance)
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

static int set_up(void **state, int64_t legacy_until, const char *rules)
{
    static const char *const domains[] = {"example.org"}, *const realms[] = {"R=example.org"};
    struct auth_stage *stage = xcalloc(1, sizeof(*stage));
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
    stage->config->gssapi_keytab = "/nowhere"; /* gss's, which the test plays */
    stage->config->gssapi_realms = (struct config_list){realms, 1};
    stage->config->plaintext_loopback = true;
    stage->config->legacy_passwords_until = legacy_until;
    if (rules != NULL) {
        (void) snprintf(stage->rules, sizeof(stage->rules), "%s/rules", stage->folder);
        write_file(stage->rules, rules);
        stage->config->policy_file = stage->rules;
    }
    stage->start.config = stage->config;
    stage->start.role = ROLE_AUTH;
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    stage->start.supervisor = channel_new(pair[0], ROLE_AUTH, ROLE_SUPERVISOR);
    stage->supervisor = channel_new(pair[1], ROLE_SUPERVISOR, ROLE_AUTH);
    stage->gate = connect_peer(stage, ROLE_GATE, 7);
    stage->mail = connect_peer(stage, ROLE_MAIL, 8);
    stage->gss = connect_peer(stage, ROLE_GSS, 9);
    stage->listen_fd = listen_at(stage->socket);
    stage->start.listeners[0] =
        (struct role_listener){.kind = LISTENER_CONTROL, .fd = stage->listen_fd};
    stage->start.n_listeners = 1;
    log_set_sink(watch_log, stage);
    assert_int_equal(pthread_create(&stage->thread, NULL, run_role, stage), 0);
    assert_int_equal(control_connect(stage->socket, &stage->control, NULL), RC_OK);
    *state = stage;
    return 0;
}

int stage_set_up(void **state)
{
    return set_up(state, INT64_MAX, NULL);
}

int stage_set_up_with_rules(void **state, const char *rules)
{
    return set_up(state, INT64_MAX, rules);
}

int stage_set_up_without_legacy(void **state)
{
    return set_up(state, 0, NULL);
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

int stage_tear_down(void **state)
{
    struct auth_stage *stage = *state;
    struct msg bye = {.type = MSG_SHUTDOWN};
    char auth_folder[64];

    assert_int_equal(channel_send(stage->supervisor, &bye, NULL, STAGE_WAIT_MS, NULL), RC_OK);
    assert_int_equal(pthread_join(stage->thread, NULL), 0);
    log_set_sink(NULL, NULL);
    clock_set_for_test(0);
    assert_int_equal(stage->n_secrets, 0);
    assert_int_equal(stage->n_out_of_order, 0);
    control_free(stage->control);
    channel_free(stage->supervisor);
    channel_free(stage->start.supervisor);
    channel_free(stage->gate);
    channel_free(stage->mail);
    channel_free(stage->gss);
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
           type == MSG_DIRECTORY_GONE || type == MSG_DIRECTORY_END ||
           type == MSG_RECIPIENTS_FORGET;
}

const struct msg *stage_next_of_directory(struct channel *channel)
{
    struct packet *packet = NULL;

    do {
        assert_int_equal(channel_wait(channel, STAGE_WAIT_MS, &packet, NULL), RC_OK);
    } while (!is_directory(packet->msg.type));
    return &packet->msg;
}

const struct msg *stage_expect(struct channel *channel, enum msg_type type)
{
    struct packet *packet = NULL;

    do {
        assert_int_equal(channel_wait(channel, STAGE_WAIT_MS, &packet, NULL), RC_OK);
    } while (packet->msg.type == MSG_DIRECTORY_ASK ||
             (packet->msg.type == MSG_SESSIONS_ASK && type != MSG_SESSIONS_ASK) ||
             is_directory(packet->msg.type) != is_directory(type));
    if (packet->msg.type != type)
        fail_msg("got %s, want %s", msg_name(packet->msg.type), msg_name(type));
    return &packet->msg;
}

void stage_send(struct channel *channel, const struct msg *msg)
{
    assert_int_equal(channel_send(channel, msg, NULL, STAGE_WAIT_MS, NULL), RC_OK);
}

struct msg stage_login_of(uint64_t conn, const char *user, const char *secret, char room[256])
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

void stage_try_login(struct auth_stage *stage, uint64_t conn, const char *user,
                     const char *secret)
{
    char room[256];
    struct msg msg = stage_login_of(conn, user, secret, room);

    stage_send(stage->gate, &msg);
}

uint64_t stage_expect_grant(struct auth_stage *stage, uint64_t conn, uint64_t device)
{
    struct msg_grant grant = stage_expect(stage->mail, MSG_GRANT)->grant;
    struct msg_auth_ok ok = stage_expect(stage->gate, MSG_AUTH_OK)->auth_ok;

    assert_int_equal(ok.conn, conn);
    assert_int_equal(grant.conn, conn);
    assert_int_equal(grant.gate, 7);
    assert_memory_equal(grant.nonce, ok.nonce, sizeof(ok.nonce));
    assert_int_equal(grant.account, ok.account);
    assert_int_equal(grant.device, device);
    assert_int_equal(grant.rights, GRANT_READ | GRANT_WRITE);
    return grant.account;
}

void stage_expect_fail(struct auth_stage *stage, uint64_t conn, enum auth_code code)
{
    const struct msg_auth_fail *fail = &stage_expect(stage->gate, MSG_AUTH_FAIL)->auth_fail;

    assert_int_equal(fail->conn, conn);
    assert_int_equal(fail->code, code);
}

/* ---- the control socket ---- */

static void keep(const struct control_fields *fields, const char *key, char *room, size_t size)
{
    struct slice value;

    if (control_field_get(fields, key, &value))
        (void) snprintf(room, size, "%.*s", SLICE_ARG(value));
}

/* A verb that changes the directory waits for mail, which has heard everything. */
static void next_reply(struct auth_stage *stage, struct control_reply *reply)
{
    struct msg heard = {.type = MSG_DIRECTORY_HEARD, .directory_heard = {.number = UINT64_MAX}};

    for (int ms = 0; ms < STAGE_WAIT_MS; ms += HEARD_EVERY_MS) {
        if (control_next(stage->control, HEARD_EVERY_MS, reply, NULL) == RC_OK)
            return;
        /* auth does not read while it has things to tell that the test has not taken */
        if (channel_wants_write(stage->mail))
            (void) !channel_flush(stage->mail, NULL);
        else
            assert_int_equal(channel_post(stage->mail, &heard, NULL, NULL), RC_OK);
    }
    fail_msg("auth does not answer");
}

struct stage_answer stage_read_answer(struct auth_stage *stage)
{
    struct stage_answer answer = {0};
    struct control_reply reply;

    for (;;) {
        next_reply(stage, &reply);
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

struct stage_answer stage_ask(struct auth_stage *stage, const char *verb, const char *key1,
                              const char *value1, const char *key2, const char *value2)
{
    const struct control_field fields[] = {
        {slice_from_str(key1), slice_from_str(value1)},
        {slice_from_str(key2), slice_from_str(value2)},
    };

    assert_int_equal(control_request(stage->control, verb, fields, 2, NULL), RC_OK);
    return stage_read_answer(stage);
}

struct stage_answer stage_ask_with_data(struct auth_stage *stage, const char *verb,
                                        const char *data)
{
    assert_int_equal(control_request(stage->control, verb, NULL, 0, NULL), RC_OK);
    for (const char *c = data; *c != '\0'; c++) /* a byte a packet: lines lie across them */
        assert_int_equal(control_send_data(stage->control, slice_of(c, 1), NULL), RC_OK);
    assert_int_equal(control_send_end(stage->control, NULL), RC_OK);
    return stage_read_answer(stage);
}

enum resolve_code stage_resolve(struct auth_stage *stage, const char *address, char user[64])
{
    const struct msg_resolved *resolved;

    stage_send(stage->mail, &(struct msg){
                                .type = MSG_RESOLVE,
                                .resolve = {.request = 5, .address = slice_from_str(address)}
    });
    resolved = &stage_expect(stage->mail, MSG_RESOLVED)->resolved;
    assert_int_equal(resolved->request, 5);
    (void) snprintf(user, 64, "%.*s", SLICE_ARG(resolved->user));
    return (enum resolve_code) resolved->code;
}
