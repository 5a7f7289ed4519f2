/*
 * test_auth_limits.c - how much one account, one device and one file may have: so much is
 * taken, one more is not.
 */
// links: auth
// lib: auth_place
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/admin.h"
#include "auth/passwd_file.h"
#include "auth/recovery.h"
#include "auth/totp.h"
#include "base/log.h"
#include "lib/auth_place.h"
#include "lib/test.h"

#define TYPED_ROOM 128u

static struct auth_device device_of(uint64_t account)
{
    return (struct auth_device){.account_id = account,
                                .name = SLICE("phone"),
                                .scope = SCOPE_IMAP,
                                .access = ACCESS_FULL};
}

/* Each has another verifier, as app passwords have. */
static enum rc add(struct place *place, const struct auth_device *device, uint64_t *out_id)
{
    static uint64_t n;
    struct app_verifier verifier = {{0}};

    n++;
    memcpy(verifier.bytes, &n, sizeof(n));
    return auth_db_add_device(place->db, device, &verifier, out_id, NULL);
}

static void an_account_has_so_many_devices(void **state)
{
    struct place *place = *state;
    struct auth_device device = device_of(place_add(place, "anna"));
    struct auth_device other = device_of(place_add(place, "bob"));
    uint64_t id = 0;

    for (unsigned i = 0; i < DEVICES_PER_ACCOUNT_MAX; i++)
        assert_int_equal(add(place, &device, &id), RC_OK);
    assert_int_equal(add(place, &device, &id), RC_LIMIT);
    assert_int_equal(add(place, &other, &(uint64_t){0}), RC_OK);
    assert_int_equal(auth_db_revoke_device(place->db, device.account_id, id, NULL), RC_OK);
    assert_int_equal(add(place, &device, &id), RC_OK); /* a revoked one does not count */
    assert_int_equal(add(place, &device, &id), RC_LIMIT);
}

static void a_device_has_a_name_of_so_many_bytes(void **state)
{
    struct place *place = *state;
    struct auth_device device = device_of(place_add(place, "anna"));
    char name[DEVICE_NAME_MAX_BYTES + 1];
    uint64_t id;

    memset(name, 'n', sizeof(name));
    device.name = slice_of(name, sizeof(name) - 1);
    assert_int_equal(add(place, &device, &id), RC_OK);
    device.name.len++;
    assert_int_equal(add(place, &device, &id), RC_INVALID);
    device.name.len = 0;
    assert_int_equal(add(place, &device, &id), RC_INVALID);
}

static void a_device_has_folders_of_so_many_bytes(void **state)
{
    struct place *place = *state;
    struct auth_device device = device_of(place_add(place, "anna"));
    char folders[DEVICE_FOLDERS_MAX_BYTES + 1];
    uint64_t id;

    memset(folders, 'f', sizeof(folders));
    device.folders = slice_of(folders, sizeof(folders) - 1);
    assert_int_equal(add(place, &device, &id), RC_OK);
    device.folders.len++;
    assert_int_equal(add(place, &device, &id), RC_LIMIT);
}

static void a_name_of_a_device_is_shown_whole(void **state)
{
    static const struct {
        struct slice name;
        enum rc rc;
    } rows[] = {
        {{"m\xc3\xbcller's \"phone\" <1>", 19}, RC_OK     },
        {{"\xd7\x90\xd7\x91", 4},               RC_OK     }, /* Hebrew letters */
        {{"a\nb", 3},                           RC_INVALID},
        {{"a\0b", 3},                           RC_INVALID},
        {{"\x1b[2J", 4},                        RC_INVALID},
        {{"a\x7f", 2},                          RC_INVALID},
        {{"\xc2\x9b", 2},                       RC_INVALID}, /* C1 */
        {{"a\xe2\x80\xae"
          "b",
          5},
         RC_INVALID                                       }, /* RIGHT-TO-LEFT OVERRIDE */
        {{"a\xe2\x80\xa8", 4},                  RC_INVALID}, /* LINE SEPARATOR */
        {{"a\xff", 2},                          RC_INVALID},
    };
    struct place *place = *state;
    struct auth_device device = device_of(place_add(place, "anna"));
    uint64_t id;

    for (size_t i = 0; i < COUNT(rows); i++) {
        print_message("row %zu\n", i);
        device.name = rows[i].name;
        assert_int_equal(add(place, &device, &id), rows[i].rc);
    }
}

/* A code with so many spaces that it has len bytes. */
static struct slice typed(char room[TYPED_ROOM], const char *code, size_t len)
{
    memset(room, ' ', TYPED_ROOM);
    memcpy(room, code, strlen(code));
    return slice_of(room, len);
}

static void codes_are_typed_with_so_many_spaces(void **state)
{
    char room[TYPED_ROOM];
    struct recovery_code recovery;
    char shown[APP_PASSWORD_SHOWN_BYTES];
    struct app_password password;
    uint32_t code;

    (void) state;
    assert_true(totp_read(typed(room, "123456", TOTP_TYPED_MAX), &code));
    assert_false(totp_read(typed(room, "123456", TOTP_TYPED_MAX + 1), &code));
    assert_true(recovery_read(typed(room, "abcdefgh2345mnop", RECOVERY_TYPED_MAX), &recovery));
    assert_false(
        recovery_read(typed(room, "abcdefgh2345mnop", RECOVERY_TYPED_MAX + 1), &recovery));
    app_password_make(&password);
    app_password_show(&password, shown);
    assert_true(app_password_read(typed(room, shown, APP_PASSWORD_TYPED_MAX), &password));
    assert_false(app_password_read(typed(room, shown, APP_PASSWORD_TYPED_MAX + 1), &password));
}

struct heard {
    size_t lines, unreadable;
};

static void hear(void *ctx, enum log_level level, const char *event,
                 const struct log_field *fields, size_t n)
{
    struct heard *heard = ctx;

    (void) level;
    (void) fields;
    (void) n;
    heard->lines += strcmp(event, "passwd_file.line") == 0;
    heard->unreadable += strcmp(event, "passwd_file.unreadable") == 0;
}

/* What is heard when a file of these bytes, made as long as len, is read. */
static struct heard read_file(const struct place *place, struct slice bytes, off_t len,
                              size_t *out_users)
{
    AUTO(passwd_file_freep) struct passwd_file *file = NULL;
    struct heard heard = {0};
    char path[sizeof(place->folder) + 16];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/passwd", place->folder);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
    assert_int_equal(ftruncate(fd, len), 0);
    (void) close(fd);
    file = passwd_file_new(path);
    log_set_sink(hear, &heard);
    passwd_file_refresh(file);
    log_set_sink(NULL, NULL);
    *out_users = passwd_file_count(file);
    (void) unlink(path);
    return heard;
}

static void a_file_of_users_has_so_many_bytes(void **state)
{
    const struct slice user = SLICE("anna:{PLAIN}pass\n");
    struct place *place = *state;
    size_t n_users = 0;
    struct heard heard = read_file(place, user, (off_t) PASSWD_FILE_MAX_BYTES, &n_users);

    assert_int_equal(heard.unreadable, 0);
    assert_int_equal(n_users, 1);
    heard = read_file(place, user, (off_t) PASSWD_FILE_MAX_BYTES + 1, &n_users);
    assert_int_equal(heard.unreadable, 1);
    assert_int_equal(n_users, 0);
}

static void so_many_bad_lines_of_a_file_are_named(void **state)
{
    AUTO(buf_done) struct buf lines = {.max = 1 << 16};
    struct place *place = *state;
    size_t n_users = 0;
    struct heard heard;

    for (unsigned i = 0; i < 2 * PASSWD_REPORTS_MAX; i++)
        buf_str(&lines, "no colon\n");
    buf_str(&lines, "anna:{PLAIN}pass\n");
    heard = read_file(place, buf_slice(&lines), (off_t) lines.len, &n_users);
    assert_int_equal(heard.lines, PASSWD_REPORTS_MAX);
    assert_int_equal(n_users, 1);
}

static void a_line_of_a_file_has_so_many_bytes(void **state)
{
    AUTO(buf_done) struct buf line = {.max = 2 * PASSWD_LINE_MAX_BYTES};
    struct passwd_entry entry;

    (void) state;
    buf_str(&line, "anna:{PLAIN}pass:");
    while (line.len < PASSWD_LINE_MAX_BYTES)
        buf_byte(&line, 'x');
    assert_int_equal(passwd_parse_line(buf_slice(&line), &entry, NULL), RC_OK);
    buf_byte(&line, 'x');
    assert_int_equal(passwd_parse_line(buf_slice(&line), &entry, NULL), RC_LIMIT);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(an_account_has_so_many_devices),
        WITH_PLACE(a_device_has_a_name_of_so_many_bytes),
        WITH_PLACE(a_device_has_folders_of_so_many_bytes),
        WITH_PLACE(a_name_of_a_device_is_shown_whole),
        cmocka_unit_test(codes_are_typed_with_so_many_spaces),
        WITH_PLACE(a_file_of_users_has_so_many_bytes),
        WITH_PLACE(so_many_bad_lines_of_a_file_are_named),
        cmocka_unit_test(a_line_of_a_file_has_so_many_bytes),
    };

    return cmocka_run_group_tests(tests, place_start, NULL);
}
