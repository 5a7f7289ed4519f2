/* test_config.c - a file is read whole or refused with its line; the blob comes back the same.
 */
// links: config
#include <unistd.h>

#include "config/config.h"
#include "config/elsewhere.h"
#include "config/scram_offer.h"
#include "lib/test.h"

static const char *write_file(const char *text)
{
    static char path[64];
    int fd;

    (void) snprintf(path, sizeof(path), "/tmp/roost-config-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void) close(fd);
    return path;
}

static void ten_lines_are_enough(void **state)
{
    AUTO(config_freep) struct config *config = NULL;
    struct config_errors errors;
    const char *path = write_file("data = \"store\"\n"
                                  "hostname = mail.example.org\n"
                                  "imaps = {\":993\", \"127.0.0.1:1993\"}\n"
                                  "certificate = /etc/c.pem\ncertificate_key = /etc/k.pem\n"
                                  "legacy_passwords = \"until 2026-01-31\"\n"
                                  "message_max = 10M\nlmtp_mode = 0600\n"
                                  "sandbox = best-effort\nlog_format = json\n");

    (void) state;
    assert_int_equal(config_read(path, &config, &errors), RC_OK);
    assert_string_equal(config->data_dir, "/tmp/store");
    assert_int_equal(config->imaps.n, 2);
    assert_string_equal(config->imaps.items[1], "127.0.0.1:1993");
    assert_int_equal(config->legacy_passwords_until, 1769903999);
    assert_int_equal(config->message_max_bytes, 10 << 20);
    assert_int_equal(config->lmtp_mode, 0600);
    assert_int_equal(config->sandbox, SANDBOX_BEST_EFFORT);
    assert_int_equal(config->log_format, LOG_FORMAT_JSON);
    assert_int_equal(config->connections_per_user, 200);
    (void) unlink(path);
}

static void data_may_be_where_the_file_is(void **state)
{
    AUTO(config_freep) struct config *config = NULL;
    struct config_errors errors;
    const char *path = write_file("data = .\nhostname = mail.example.org\n"
                                  "imaps = {\":993\"}\n"
                                  "certificate = /etc/c.pem\ncertificate_key = /etc/k.pem\n");

    (void) state;
    assert_int_equal(config_read(path, &config, &errors), RC_OK);
    assert_string_equal(config->data_dir, "/tmp");
    (void) unlink(path);
}

static void refuses_with_line_and_reason(void **state)
{
    static const struct {
        const char *text, *reason;
        int line;
    } rows[] = {
        {"hostname = x\nimapz = {\":1\"}\n",
         "no setting is called \"imapz\"; did you mean \"imaps\"?",                                                                         2},
        {"message_limit = 999\n",                                            "message_limit, save_limit: want 0, or 1000 or more",          0},
        {"save_limit = 1\n",                                                 "message_limit, save_limit: want 0, or 1000 or more",          0},
        {"message_limit = 1000\nsave_limit = 1000\n",
         "message_limit and save_limit exclude each other",                                                                                 0},
        {"moved_to = \"two.example other\"\n",
         "moved_to: want a server, not \"two.example other\"",                                                                              0},
        {"hostname = \"a.example\"\nmoved_to = \"a.example:144\"\n",
         "moved_to: \"a.example:144\" is this server itself",                                                                               0},
        {"moved_users = {\"fred\"}\n",                                       "moved_users: want \"NAME SERVER\", not \"fred\"",             0},
        {"moved_users = {\"a b.example\", \"c d/e\"}\n",
         "moved_users: want \"NAME SERVER\", not \"c d/e\"",                                                                                0},
        {"moved_users = {\"b.example guest\"}\n",
         "moved_users: want \"NAME SERVER\", not \"b.example guest\"",                                                                      0},
        {"remote_mailboxes = {\"a b.example guest\"}\n",
         "remote_mailboxes: want \"NAME SERVER\", not \"a b.example guest\"",                                                               0},
        {"hostname = b.example\nremote_mailboxes = {\"a B.example:143\"}\n",
         "remote_mailboxes: \"a B.example:143\" is this server itself",                                                                     0},
        {"message_max = 12Q\n",                                              "message_max: want a size such as 64M",                        0},
        {"threads = 257\n",                                                  "threads: 257 is not between 0 and 256",                       0},
        {"legacy_passwords = \"until 2026-13-01\"\n",
         "legacy_passwords: want never, or until YYYY-MM-DD",                                                                               0},
        {"sandbox = off\n",                                                  "sandbox: want enforce best-effort",                           0},
        {"starttls = maybe\n",                                               "starttls: want yes or no",                                    0},
        {"certificate = /a\n",                                               "certificate and certificate_key go together, in pairs",       0},
        {"hostname = x\n",                                                   "certificate: needed for TLS; `roost init` makes a first one", 0},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct config *config = NULL;
        struct config_errors errors;
        const char *path = write_file(rows[i].text);

        assert_int_equal(config_read(path, &config, &errors), RC_INVALID);
        assert_null(config);
        assert_true(errors.n >= 1);
        assert_string_equal(errors.list[0].text, rows[i].reason);
        assert_int_equal(errors.list[0].line, rows[i].line);
        (void) unlink(path);
    }
}

static void names_of_other_servers_are_taken_apart(void **state)
{
    static const struct {
        const char *item, *name, *server; /* name NULL: refused */
        bool guest;
    } rows[] = {
        {"fred b.example",        "fred",  "b.example", false},
        {" a b  [::1]:143 guest", "a b",   "[::1]:143", true },
        {"guest b",               "guest", "b",         false},
        {"guest b guest",         "guest", "b",         true },
        {"b",                     NULL,    NULL,        false},
        {"b guest",               NULL,    NULL,        false},
        {"",                      NULL,    NULL,        false},
        {"a b@c",                 NULL,    NULL,        false},
        {"a \xc3\xa4",            NULL,    NULL,        false},
        {"\xff b",                NULL,    NULL,        false},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct elsewhere found;

        assert_int_equal(elsewhere_parse(rows[i].item, &found), rows[i].name != NULL);
        if (rows[i].name == NULL)
            continue;
        assert_slice_equal(found.name, slice_from_str(rows[i].name));
        assert_slice_equal(found.server, slice_from_str(rows[i].server));
        assert_int_equal(found.guest, rows[i].guest);
    }
}

static void scram_is_offered_where_it_serves_everybody(void **state)
{
    static const char *const foreign[] = {"sqlite", "pam:mail"};
    AUTO(config_freep) struct config *config = config_new();

    (void) state;
    assert_true(config_offers_scram(config));
    config->legacy_passwords_until = 1;
    assert_true(config_offers_scram(config));
    config->backends = (struct config_list){foreign, 2};
    assert_false(config_offers_scram(config));
    config->legacy_passwords_until = 0; /* app passwords are all that counts, and they can */
    assert_true(config_offers_scram(config));
    config->passwd_file = "/etc/passwd";
    assert_false(config_offers_scram(config));
    config->passwd_file = "";
    config->scram = false;
    assert_false(config_offers_scram(config));
}

static void the_blob_comes_back_the_same(void **state)
{
    AUTO(config_freep) struct config *config = config_new();
    AUTO(config_freep) struct config *again = NULL;
    AUTO(buf_done) struct buf blob, second;
    struct err err;

    (void) state;
    buf_init(&blob, CONFIG_FILE_MAX_BYTES);
    buf_init(&second, CONFIG_FILE_MAX_BYTES);
    config_encode(config, &blob);
    assert_int_equal(config_decode(buf_slice(&blob), &again, &err), RC_OK);
    config_encode(again, &second);
    assert_slice_equal(buf_slice(&second), buf_slice(&blob));
    for (size_t cut = 0; cut < blob.len; cut++) {
        struct config *none = NULL;

        assert_int_equal(config_decode(slice_sub(buf_slice(&blob), 0, cut), &none, &err),
                         RC_CORRUPT);
        assert_null(none);
    }
}

static enum rc read_list(size_t n)
{
    AUTO(config_freep) struct config *config = NULL;
    AUTO(buf_done) struct buf text = {0};
    struct config_errors errors;
    const char *path;
    enum rc rc;

    buf_init(&text, CONFIG_FILE_MAX_BYTES);
    buf_str(&text, "imaps = {}\ndomains = {x");
    for (size_t i = 1; i < n; i++)
        buf_str(&text, ",x");
    buf_str(&text, "}\n");
    buf_byte(&text, '\0');
    path = write_file(text.ptr);
    rc = config_read(path, &config, &errors);
    (void) unlink(path);
    return rc;
}

static enum rc read_long(size_t len)
{
    AUTO(config_freep) struct config *config = NULL;
    AUTO(freep) char *text = xmalloc(len + 1);
    struct config_errors errors;
    const char *path;
    enum rc rc;

    memset(text, '\n', len);
    memcpy(text, "imaps = {}", strlen("imaps = {}"));
    text[len] = '\0';
    path = write_file(text);
    rc = config_read(path, &config, &errors);
    (void) unlink(path);
    return rc;
}

static void sizes_have_limits(void **state)
{
    (void) state;
    assert_int_equal(read_list(CONFIG_LIST_MAX), RC_OK);
    assert_int_equal(read_list(CONFIG_LIST_MAX + 1), RC_INVALID);
    assert_int_equal(read_long(CONFIG_FILE_MAX_BYTES), RC_OK);
    assert_int_equal(read_long(CONFIG_FILE_MAX_BYTES + 1), RC_INVALID);
}

/* Each kind of setting: the place where two configurations differ, and no other. */
static void settings_that_differ_are_known(void **state)
{
    static const char *const lines[] = {
        "hostname = other.example\n",
        "data = /elsewhere\n",
        "domains = {a.example, b.example}\n",
        "scram_sha1 = yes\n",
        "threads = 3\n",
        "message_max = 1M\n",
        "lmtp_mode = 0600\n",
        "log_format = json\n",
        "log_level = debug\n",
        "quota_marks = \"80 90\"\n",
        "legacy_passwords = \"until 2026-01-31\"\n",
    };
    AUTO(config_freep) struct config *one = NULL;
    struct config_errors errors;
    const char *path = write_file("imaps = {}\n");

    (void) state;
    assert_int_equal(config_read(path, &one, &errors), RC_OK);
    (void) unlink(path);
    for (size_t i = 0; i < COUNT(lines); i++) {
        AUTO(config_freep) struct config *other = NULL;
        char text[128];

        (void) snprintf(text, sizeof(text), "imaps = {}\n%s", lines[i]);
        path = write_file(text);
        assert_int_equal(config_read(path, &other, &errors), RC_OK);
        (void) unlink(path);
        for (size_t at = 0; at < config_setting_count(); at++) {
            const char *name = config_setting_at(at).name;
            size_t len = strlen(name);
            bool is_named = strncmp(lines[i], name, len) == 0 && lines[i][len] == ' ';

            assert_int_equal(config_same(one, other, at), !is_named);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_lines_are_enough),
        cmocka_unit_test(data_may_be_where_the_file_is),
        cmocka_unit_test(refuses_with_line_and_reason),
        cmocka_unit_test(names_of_other_servers_are_taken_apart),
        cmocka_unit_test(scram_is_offered_where_it_serves_everybody),
        cmocka_unit_test(the_blob_comes_back_the_same),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(settings_that_differ_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
