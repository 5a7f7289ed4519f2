/*
 * test_auth_verbs.c - what administrators do to a running auth: who gets in then, and what mail
 * is told of it, by and by or all at once.
 */
// links: roles
// lib: auth_stage
// labels: concurrency
#include <unistd.h>

#include "auth/db.h"
#include "lib/auth_stage.h"
#include "lib/test.h"

/* ---- the directory ---- */

static uint64_t expect_row(struct auth_stage *stage, uint32_t transfer,
                           enum principal_wire kind, const char *name, size_t n_groups)
{
    const struct msg_directory_row *row =
        &stage_expect(stage->mail, MSG_DIRECTORY_ROW)->directory_row;

    assert_int_equal(row->transfer, transfer);
    assert_int_equal(row->kind, kind);
    assert_slice_equal(row->name, slice_from_str(name));
    assert_int_equal(row->groups.len, 8 * n_groups);
    return row->id;
}

static void mail_is_told_of_each_change(void **state)
{
    struct auth_stage *stage = *state;
    uint64_t anna, info, staff;

    assert_int_equal(stage_expect(stage->mail, MSG_DIRECTORY_BEGIN)->directory_begin.transfer,
                     1);
    assert_int_equal(stage_expect(stage->mail, MSG_DIRECTORY_END)->directory_end.transfer, 1);
    (void) stage_ask(stage, "user.add", "name", "Anna", "device", "");
    anna = expect_row(stage, 0, WIRE_USER, "Anna", 0);
    assert_int_equal(stage_ask(stage, "shared.create", "name", "info", "x", "").rc, RC_OK);
    info = expect_row(stage, 0, WIRE_SHARED, "info", 0);
    assert_int_equal(stage_ask(stage, "group.create", "group", "staff", "x", "").rc, RC_OK);
    staff = expect_row(stage, 0, WIRE_GROUP, "staff", 0);
    assert_int_equal(stage_ask(stage, "group.add", "group", "staff", "user", "anna").rc, RC_OK);
    assert_int_equal(expect_row(stage, 0, WIRE_USER, "Anna", 1), anna);
    assert_int_equal(stage_ask(stage, "group.add", "group", "staff", "user", "info").rc, RC_OK);
    (void) expect_row(stage, 0, WIRE_SHARED, "info", 1);
    assert_int_equal(stage_ask(stage, "group.members", "group", "STAFF", "x", "").n_rows, 2);
    assert_int_equal(stage_ask(stage, "group.limit", "group", "staff", "storage", "77").rc,
                     RC_OK);
    (void) expect_row(stage, 0, WIRE_GROUP, "staff", 0);
    assert_int_equal(stage_ask(stage, "group.limit", "group", "staff", "storage", "7x").rc,
                     RC_INVALID);
    assert_int_equal(stage_ask(stage, "group.remove", "group", "staff", "user", "anna").rc,
                     RC_OK);
    assert_int_equal(expect_row(stage, 0, WIRE_USER, "Anna", 0), anna);
    assert_int_equal(stage_ask(stage, "group.delete", "group", "staff", "x", "").rc, RC_OK);
    assert_int_equal(stage_expect(stage->mail, MSG_DIRECTORY_GONE)->directory_gone.id, staff);
    assert_int_equal(stage_ask(stage, "user.delete", "name", "info", "x", "").rc, RC_INVALID);
    assert_int_equal(stage_ask(stage, "shared.delete", "name", "anna", "x", "").rc, RC_INVALID);
    assert_int_equal(stage_ask(stage, "shared.list", "after", "", "x", "").n_rows, 1);
    assert_int_equal(stage_ask(stage, "shared.delete", "name", "info", "x", "").rc, RC_OK);
    assert_int_equal(stage_expect(stage->mail, MSG_DIRECTORY_GONE)->directory_gone.id, info);
    assert_int_equal(stage_ask(stage, "user.delete", "name", "anna", "x", "").rc, RC_OK);
    assert_int_equal(stage_expect(stage->mail, MSG_DIRECTORY_GONE)->directory_gone.id, anna);
}

/* More than a piece, and more than a socket takes at once. */
#define MANY_USERS 3000u
#define PART_BYTES 16000u

static void send_part(struct auth_stage *stage, struct slice part)
{
    struct control_reply row;

    while (control_send_data(stage->control, part, NULL) == RC_MORE)
        assert_int_equal(control_next(stage->control, STAGE_WAIT_MS, &row, NULL), RC_OK);
}

static void a_mail_that_comes_later_is_told_everything(void **state)
{
    struct auth_stage *stage = *state;
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
        assert_int_equal(control_next(stage->control, STAGE_WAIT_MS, &row, NULL), RC_OK);
    assert_int_equal(stage_read_answer(stage).rc, RC_OK);
    assert_int_equal(stage_ask(stage, "group.create", "group", "staff", "x", "").rc, RC_OK);
    assert_int_equal(channel_pair(pair, NULL), RC_OK);
    assert_int_equal(channel_send(stage->supervisor, &peer, pair, STAGE_WAIT_MS, NULL), RC_OK);
    channel_free(stage->mail);
    stage->mail = channel_new(pair[1], ROLE_MAIL, ROLE_AUTH);
    assert_int_equal(close(pair[0]), 0);
    assert_int_equal(stage_expect(stage->mail, MSG_DIRECTORY_BEGIN)->directory_begin.transfer,
                     1);
    (void) stage_ask(stage, "alias.list", "after", "", "x", ""); /* auth answers meanwhile */
    while ((msg = stage_next_of_directory(stage->mail))->type == MSG_DIRECTORY_ROW) {
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
    struct auth_stage *stage = *state;
    struct stage_answer made = stage_ask(stage, "user.add", "name", "anna", "device", "");
    char user[64];
    uint64_t account, device;

    assert_true(slice_to_u64(slice_from_str(made.device), &device));
    account = stage_expect(stage->mail, MSG_ACCOUNT_CREATED)->account_created.account;
    assert_int_equal(stage_resolve(stage, "Anna+x@example.org", user), RESOLVE_OK);
    assert_string_equal(user, "anna");
    assert_int_equal(stage_ask(stage, "user.disable", "name", "anna", "x", "").rc, RC_OK);
    assert_int_equal(stage_expect(stage->mail, MSG_REVOKE)->revoke.account, account);
    assert_int_equal(stage_resolve(stage, "anna@example.org", user), RESOLVE_DISABLED);
    stage_try_login(stage, 1, "anna", made.password);
    stage_expect_fail(stage, 1, AUTH_CODE_CONTACTADMIN);
    assert_int_equal(stage_ask(stage, "user.enable", "name", "anna", "x", "").rc, RC_OK);
    stage_try_login(stage, 2, "anna", made.password);
    assert_int_equal(stage_expect_grant(stage, 2, device), account);
    assert_int_equal(stage_ask(stage, "user.delete", "name", "anna", "x", "").rc, RC_OK);
    assert_int_equal(stage_expect(stage->mail, MSG_REVOKE)->revoke.what, REVOKE_ACCOUNT);
    assert_int_equal(stage_expect(stage->mail, MSG_ACCOUNT_DELETED)->account_deleted.account,
                     account);
    assert_int_equal(stage_resolve(stage, "anna@example.org", user), RESOLVE_UNKNOWN);
    stage_try_login(stage, 3, "anna", made.password);
    stage_expect_fail(stage, 3, AUTH_CODE_FAILED);
    assert_int_equal(stage_ask(stage, "user.enable", "name", "anna", "x", "").rc, RC_NOT_FOUND);
}

static void many_users_get_a_password_each(void **state)
{
    struct auth_stage *stage = *state;
    struct stage_answer answer =
        stage_ask_with_data(stage, "user.add-many", "anna\nbob\r\nanna\nno good name\n\ncarl");

    assert_int_equal(answer.rc, RC_INVALID);
    assert_int_equal(answer.n_rows, 5);
    for (int n = 0; n < 3; n++)
        (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    assert_string_equal(answer.user, "carl");
    stage_try_login(stage, 1, "carl", answer.password);
    (void) stage_expect(stage->mail, MSG_GRANT);
    (void) stage_expect(stage->gate, MSG_AUTH_OK);
    assert_int_equal(stage_ask(stage, "user.list", "after", "", "x", "").n_rows, 3);
    assert_int_equal(stage_ask(stage, "user.list", "after", "anna", "x", "").n_rows, 2);
}

/* The caller goes on behind the last one. */
static void a_list_has_so_many_rows(void **state)
{
    enum { PAGE = 500, AT_ONCE = 50 }; /* as many as mail has room to hear of */
    struct auth_stage *stage = *state;
    AUTO(buf_done) struct buf lines = {.max = 64 * AT_ONCE};

    for (unsigned i = 0; i <= PAGE; i++) {
        buf_printf(&lines, "user%03u:{SHA512-CRYPT}$6$salt$hash\n", i);
        if (i != PAGE && i % AT_ONCE != AT_ONCE - 1)
            continue;
        buf_byte(&lines, '\0');
        assert_int_equal(stage_ask_with_data(stage, "user.import", lines.ptr).rc, RC_OK);
        for (size_t n = slice_count(buf_slice(&lines), '\n'); n > 0; n--)
            (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
        buf_reset(&lines);
    }
    assert_int_equal(stage_ask(stage, "user.list", "after", "", "x", "").n_rows, PAGE);
    assert_int_equal(stage_ask(stage, "user.list", "after", "user499", "x", "").n_rows, 1);
}

static void aliases_and_domains_are_asked_for_by_mail(void **state)
{
    struct auth_stage *stage = *state;
    char user[64];

    assert_int_equal(
        stage_ask(stage, "alias.add", "address", "sales@other.example", "user", "u1").rc,
        RC_OK);
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    assert_int_equal(stage_resolve(stage, "Sales+q4@other.example", user), RESOLVE_OK);
    assert_string_equal(user, "u1");
    assert_int_equal(stage_resolve(stage, "u1@other.example", user), RESOLVE_UNKNOWN);
    assert_int_equal(
        stage_ask(stage, "domain.add", "domain", "Other.example", "catch_all", "u1").rc, RC_OK);
    assert_int_equal(stage_resolve(stage, "anything@other.example", user), RESOLVE_OK);
    assert_int_equal(stage_ask(stage, "domain.list", "after", "", "x", "").n_rows, 2);
    assert_int_equal(stage_ask(stage, "domain.delete", "domain", "other.example", "x", "").rc,
                     RC_OK);
    assert_int_equal(stage_resolve(stage, "anything@other.example", user), RESOLVE_UNKNOWN);
    assert_int_equal(stage_ask(stage, "alias.list", "after", "", "x", "").n_rows, 1);
    assert_int_equal(
        stage_ask(stage, "alias.delete", "address", "sales@other.example", "x", "").rc, RC_OK);
    assert_int_equal(
        stage_ask(stage, "alias.add", "address", "x@y.example", "user", "nobody").rc,
        RC_NOT_FOUND);
}

static void mail_asks_who_a_user_is(void **state)
{
    struct auth_stage *stage = *state;
    struct msg ask_name = {
        .type = MSG_LOOKUP_USER, .lookup_user = {.request = 1, .user = SLICE("U2")}
    };
    struct msg ask_id = {.type = MSG_LOOKUP_USER, .lookup_user = {.request = 2}};

    stage_send(stage->mail, &ask_name);
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    ask_id.lookup_user.account = stage_expect(stage->mail, MSG_USER_FOUND)->user_found.account;
    stage_send(stage->mail, &ask_id);
    assert_slice_equal(stage_expect(stage->mail, MSG_USER_FOUND)->user_found.user, SLICE("u2"));
    ask_id.lookup_user.account ^= 1;
    stage_send(stage->mail, &ask_id);
    assert_int_equal(stage_expect(stage->mail, MSG_USER_FOUND)->user_found.code,
                     RESOLVE_UNKNOWN);
}

/* What mail hears until that; *out_forgets: so often that it is to forget. */
static const struct msg *hear_until(struct auth_stage *stage, enum msg_type type,
                                    unsigned *out_forgets)
{
    struct packet *packet;

    *out_forgets = 0;
    do {
        assert_int_equal(channel_wait(stage->mail, STAGE_WAIT_MS, &packet, NULL), RC_OK);
        *out_forgets += packet->msg.type == MSG_RECIPIENTS_FORGET;
    } while (packet->msg.type != type);
    return &packet->msg;
}

/* Until it is asked whether it has heard. */
static unsigned forgets_until_asked(struct auth_stage *stage)
{
    unsigned n;

    (void) hear_until(stage, MSG_DIRECTORY_ASK, &n);
    return n;
}

/* An answer that mail may give again for a while, in the generation that is. */
static void keep_an_answer(struct auth_stage *stage, uint64_t generation)
{
    const struct msg_resolved *resolved;
    unsigned n;

    stage_send(stage->mail,
               &(struct msg){.type = MSG_RESOLVE, .resolve = {.address = SLICE("u1")}});
    resolved = &hear_until(stage, MSG_RESOLVED, &n)->resolved;
    assert_int_equal(resolved->generation, generation);
    assert_true(resolved->keep_ms > 0);
    assert_int_equal(n, 0);
}

static void mail_forgets_recipients_before_a_change_is_told(void **state)
{
    static const char *const rows[][5] = {
        {"alias.add",     "address", "sales@other.example", "user",      "u1"},
        {"alias.delete",  "address", "sales@other.example", "x",         ""  },
        {"domain.add",    "domain",  "other.example",       "catch_all", "u1"},
        {"domain.delete", "domain",  "other.example",       "x",         ""  },
        {"user.add",      "name",    "anna",                "device",    ""  },
        {"user.disable",  "name",    "anna",                "x",         ""  },
        {"user.enable",   "name",    "anna",                "x",         ""  },
        {"user.delete",   "name",    "anna",                "x",         ""  },
        {"shared.create", "name",    "info",                "x",         ""  },
        {"shared.delete", "name",    "info",                "x",         ""  },
    };
    struct auth_stage *stage = *state;
    uint64_t generation =
        stage_expect(stage->mail, MSG_DIRECTORY_BEGIN)->directory_begin.generation;

    while (stage_next_of_directory(stage->mail)->type != MSG_DIRECTORY_END) {
    }
    keep_an_answer(stage, generation); /* u1 gets an account with it */
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *const *row = rows[i];

        keep_an_answer(stage, generation++);
        assert_int_equal(stage_ask(stage, row[0], row[1], row[2], row[3], row[4]).rc, RC_OK);
        assert_int_equal(forgets_until_asked(stage), 1);
    }
    keep_an_answer(stage, generation);
    assert_int_equal(stage_ask_with_data(stage, "user.add-many", "bert\ncarl\n").rc, RC_OK);
    assert_int_equal(forgets_until_asked(stage), 1); /* once is enough */
}

/* ---- a mail that is far behind ---- */

/* What the gate hears of the next login. */
static const struct msg *try_login(struct auth_stage *stage, uint64_t conn, const char *user,
                                   const char *password)
{
    struct packet *packet = NULL;

    stage_try_login(stage, conn, user, password);
    assert_int_equal(channel_wait(stage->gate, STAGE_WAIT_MS, &packet, NULL), RC_OK);
    return &packet->msg;
}

#define CHANGES 128u /* their revocations fill what is left where a grant does not fit */

/* A device with a long list of folders has long grants; its sessions end. */
static void lengthen_grants(struct auth_stage *stage, const char *device)
{
    static char folders[DEVICE_FOLDERS_MAX_BYTES];
    const struct control_field fields[] = {
        {SLICE("user"),           SLICE("anna")},
        {                SLICE("device"), slice_from_str(device)             },
        { SLICE("folders"),       slice_of(folders,                    sizeof(folders))},
    };

    memset(folders, 'f', sizeof(folders));
    assert_int_equal(
        control_request(stage->control, "device.change", fields, COUNT(fields), NULL), RC_OK);
    assert_int_equal(stage_read_answer(stage).rc, RC_OK);
}

/* Nothing more fits into mail's queue. Returns the number of the last login. */
static uint64_t fill_queue(struct auth_stage *stage, const struct stage_answer *anna)
{
    uint64_t conn = 2;

    lengthen_grants(stage, anna->device);
    (void) stage_expect(stage->mail, MSG_REVOKE);
    while (try_login(stage, conn, "anna", anna->password)->type == MSG_AUTH_OK)
        conn++;
    assert_true(conn > CHANNEL_QUEUE_BYTES / MSG_FOLDERS_MAX);
    for (unsigned i = 0; i < CHANGES; i++)
        lengthen_grants(stage, anna->device);
    return conn;
}

static void a_revocation_waits_until_mail_takes_it(void **state)
{
    struct auth_stage *stage = *state;
    const struct control_field u1 = {SLICE("name"), SLICE("u1")};
    struct stage_answer anna = stage_ask(stage, "user.add", "name", "anna", "device", "");
    const struct msg *msg;
    uint64_t account, conn;
    unsigned n;

    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    stage_try_login(stage, 1, "u1", "file-secret");
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    account = stage_expect_grant(stage, 1, 0);
    conn = fill_queue(stage, &anna);
    assert_int_equal(
        stage_ask(stage, "device.revoke", "user", "anna", "device", anna.device).rc, RC_OK);
    assert_int_equal(control_request(stage->control, "user.disable", &u1, 1, NULL), RC_OK);
    do {
        msg = try_login(stage, ++conn, "u1", "file-secret");
        assert_int_equal(msg->type, MSG_AUTH_FAIL);
    } while (msg->auth_fail.code !=
             AUTH_CODE_CONTACTADMIN); /* until then: no room for a grant */
    for (unsigned i = 0; i < CHANGES + 1; i++)
        assert_int_equal(hear_until(stage, MSG_REVOKE, &n)->revoke.what, REVOKE_DEVICE);
    msg = hear_until(stage, MSG_REVOKE, &n);
    assert_int_equal(msg->revoke.what, REVOKE_ACCOUNT);
    assert_int_equal(msg->revoke.account, account);
    (void) hear_until(stage, MSG_DIRECTORY_ASK, &n); /* has it heard all that? */
    assert_int_equal(stage_read_answer(stage).rc, RC_OK);
}

/* ---- the passwd-file ---- */

static void another_password_in_the_file_ends_sessions(void **state)
{
    struct auth_stage *stage = *state;
    struct msg_revoke revoke;
    uint64_t account;
    FILE *file;

    stage_try_login(stage, 1, "u1", "file-secret");
    (void) stage_expect(stage->mail, MSG_ACCOUNT_CREATED);
    account = stage_expect_grant(stage, 1, 0);
    file = fopen(stage->users, "w");
    assert_non_null(file);
    assert_true(fputs("u1:{PLAIN}another\nu2:{PLAIN}file-secret\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    revoke = stage_expect(stage->mail, MSG_REVOKE)->revoke; /* nobody has logged in since */
    assert_int_equal(revoke.what, REVOKE_DEVICE);
    assert_int_equal(revoke.account, account);
    assert_int_equal(revoke.device, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(mail_is_told_of_each_change),
        ON_STAGE(a_mail_that_comes_later_is_told_everything),
        ON_STAGE(an_account_is_disabled_enabled_and_deleted),
        ON_STAGE(many_users_get_a_password_each),
        ON_STAGE(a_list_has_so_many_rows),
        ON_STAGE(aliases_and_domains_are_asked_for_by_mail),
        ON_STAGE(mail_asks_who_a_user_is),
        ON_STAGE(mail_forgets_recipients_before_a_change_is_told),
        ON_STAGE(a_revocation_waits_until_mail_takes_it),
        ON_STAGE(another_password_in_the_file_ends_sessions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
