/* test_cli_maildir.c - names in a Maildir, Dovecot's uid list and keywords, folder names both
 * ways. */
// links: cli
#include "cli/mail_header.h"
#include "cli/mail_writer.h"
#include "cli/maildir.h"
#include "lib/test.h"

static const struct {
    const char *name, *unique;
    uint8_t flags;
    bool passed;
    uint32_t letters;
    int64_t date;
} names[] = {
    {"1234567890.M1P2.host:2,S",     "1234567890.M1P2.host",      FLAG_SEEN,                    false, 0,        1234567890},
    {"1234567890.M1P2.host,S=12:2,", "1234567890.M1P2.host,S=12", 0,                            false, 0,        1234567890},
    {"1234567890.M1P2.host",         "1234567890.M1P2.host",      0,                            false, 0,        1234567890},
    {"1234567890.x;2,RF",            "1234567890.x",              FLAG_ANSWERED | FLAG_FLAGGED, false, 0,        1234567890},
    {"1234567890.x!2,DT",            "1234567890.x",              FLAG_DRAFT | FLAG_DELETED,    false, 0,        1234567890},
    {"x:2,PSac",                     "x",                         FLAG_SEEN,                    true,  5,        0         },
    {"x:2,zz9-",                     "x",                         0,                            false, 1u << 25, 0         },
    {"x:1,S",                        "x:1,S",                     0,                            false, 0,        0         },
    {"12.x",                         "12.x",                      0,                            false, 0,        0         }, /* no time */
    {"99999999999999.x",             "99999999999999.x",          0,                            false, 0,        0         },
    {":2,",                          "",                          0,                            false, 0,        0         },
    {"",                             "",                          0,                            false, 0,        0         },
};

static void names_tell_flags_and_dates(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct maildir_name name;

        print_message("%s\n", names[i].name);
        maildir_parse_name(slice_from_str(names[i].name), &name);
        assert_slice_equal(name.unique, slice_from_str(names[i].unique));
        assert_int_equal(name.flags, names[i].flags);
        assert_int_equal(name.passed, names[i].passed);
        assert_int_equal(name.letters, names[i].letters);
        assert_int_equal(name.date, names[i].date);
    }
}

static const struct {
    const char *text;
    uint32_t uidvalidity, uidnext, a, b;
} uidlists[] = {
    {"3 V77 N9 G0123\n4 W5 S6 :a:2,S\n8 :b\n", 77, 9, 4, 8          },
    {"3 N9 V77\n4 :a\n",                       77, 9, 4, 0          },
    {"1 77 9\n4 a\n5 b:2,S\n",                 77, 9, 4, 5          },
    {"3 V0 N9\n4 :a\n",                        0,  9, 0, 0          },
    {"2 V77 N9\n4 :a\n",                       0,  0, 0, 0          }, /* a version nobody writes */
    {"3 V77 N9\n0 :a\nx :b\n5\n",              77, 9, 0, 0          },
    {"3 V77 N9\n4294967296 :a\n4294967295 :b", 77, 9, 0, 4294967295u},
    {"",                                       0,  0, 0, 0          },
};

static void uid_lists_of_each_version(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(uidlists); i++) {
        AUTO(maildir_notes_free) struct maildir_notes notes = {0};

        print_message("%s\n", uidlists[i].text);
        maildir_read_uidlist(slice_from_str(uidlists[i].text), &notes);
        assert_int_equal(notes.uidvalidity, uidlists[i].uidvalidity);
        if (notes.uidvalidity != 0)
            assert_int_equal(notes.uidnext, uidlists[i].uidnext);
        assert_int_equal(maildir_uid(&notes, SLICE("a")), uidlists[i].a);
        assert_int_equal(maildir_uid(&notes, SLICE("b")), uidlists[i].b);
    }
}

static void keywords_by_letter(void **state)
{
    AUTO(maildir_notes_free) struct maildir_notes notes = {0};

    (void) state;
    maildir_read_keywords(SLICE("0 $Label1\n2 work\n26 beyond\nx\n25 last\n2 again\n3 \n"),
                          &notes);
    assert_string_equal(notes.keywords[0], "$Label1");
    assert_null(notes.keywords[1]);
    assert_string_equal(notes.keywords[2], "again");
    assert_null(notes.keywords[3]);
    assert_string_equal(notes.keywords[25], "last");
}

static const struct {
    const char *entry, *folder;
} folders[] = {
    {".Work",                 "Work"            },
    {".Work.2026",            "Work/2026"       },
    {".Work.Example&AC4-com", "Work/Example.com"},
    {".Entw&APw-rfe",         "Entw\xc3\xbcrfe" },
    {".A &- B",               "A & B"           },
};

static void folder_names_go_both_ways(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(folders); i++) {
        AUTO(buf_done) struct buf folder = {.max = 1000};
        AUTO(buf_done) struct buf entry = {.max = 1000};

        assert_true(maildir_folder_name(slice_from_str(folders[i].entry), &folder));
        assert_slice_equal(buf_slice(&folder), slice_from_str(folders[i].folder));
        maildir_entry_name(buf_slice(&folder), &entry);
        assert_slice_equal(buf_slice(&entry), slice_from_str(folders[i].entry));
    }
}

static void folder_names_in_utf8_are_taken(void **state)
{
    AUTO(buf_done) struct buf folder = {.max = 1000};
    AUTO(buf_done) struct buf none = {.max = 1000};

    (void) state;
    assert_true(maildir_folder_name(SLICE(".B\xc3\xbcro.x"), &folder));
    assert_slice_equal(buf_slice(&folder), SLICE("B\xc3\xbcro/x"));
    assert_false(maildir_folder_name(SLICE("."), &none));
    maildir_entry_name(SLICE("INBOX"), &none);
    assert_int_equal(none.len, 0);
}

#define RECEIVED "Received: from a by b;\n Thu, 1 Jan 1970 00:01:40 +0000\n"
#define DATE     "Date: Fri, 2 Jan 1970 00:00:00 +0000\n"

static const struct {
    const char *message;
    int64_t date;
} dates[] = {
    {RECEIVED DATE "\n",                         100  },
    {DATE RECEIVED "\r\n",                       100  },
    {"Received: nonsense\n" DATE "\n",           86400},
    {"Subject: x\n\n" DATE,                      0    }, /* in the body */
    {"Date: Fri, 2 Jan 8859 00:00:00 +0000\n\n", 0    }, /* a mistake */
    {"",                                         0    },
};

static void dates_come_from_the_header(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(dates); i++) {
        print_message("%s", dates[i].message);
        assert_int_equal(mail_header_date(slice_from_str(dates[i].message)), dates[i].date);
    }
}

static void mail_is_known_by_its_first_field(void **state)
{
    (void) state;
    assert_true(mail_looks_like(SLICE("Received: x")));
    assert_true(mail_looks_like(SLICE("Subject : x")));
    assert_false(mail_looks_like(SLICE("Just text: with a colon")));
    assert_false(mail_looks_like(SLICE("\x7f"
                                       "ELF:")));
    assert_false(mail_looks_like(SLICE(": x")));
    assert_false(mail_looks_like(SLICE("Subject")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_tell_flags_and_dates),
        cmocka_unit_test(uid_lists_of_each_version),
        cmocka_unit_test(keywords_by_letter),
        cmocka_unit_test(folder_names_go_both_ways),
        cmocka_unit_test(folder_names_in_utf8_are_taken),
        cmocka_unit_test(dates_come_from_the_header),
        cmocka_unit_test(mail_is_known_by_its_first_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
