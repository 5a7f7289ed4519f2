/* test_cli_mbox.c - mbox files in every dialect: where messages begin and end, quoting, flags.
 */
// links: cli
#include "cli/mbox.h"
#include "lib/test.h"

#define FROM  "From anna@example.org Sat Nov 21 20:42:26 2026\n"
#define FROM2 "From bob at example  Sun Jan  4 01:02:03 2004\n"
#define PARTS 5

static const struct {
    const char *what;
    enum mbox_style style;
    const char *file;
    const char *messages[PARTS]; /* up to the first NULL */
} rows[] = {
    {"one",                            MBOX_AUTO, FROM "A: b\n\ntext\n",                                                        {"A: b\n\ntext\n"}                            },
    {"the empty line is the format's", MBOX_AUTO, FROM "A: b\n\ntext\n\n",                                                      {"A: b\n\ntext\n"}                            },
    {"only one of them is",            MBOX_AUTO, FROM "A: b\n\ntext\n\n\n",                                                    {"A: b\n\ntext\n\n"}                          },
    {"two",
     MBOX_AUTO,                                   FROM "A: b\n\none\n\n" FROM2 "A: c\n\ntwo\n",
     {"A: b\n\none\n", "A: c\n\ntwo\n"}                                                                                                                                       },
    {"CRLF",
     MBOX_AUTO,                                   "From a@b Sat Nov 21 20:42:26 2026\r\nA: b\r\n\r\none\r\n\r\n"
     "From a@b Sat Nov 21 20:42:27 2026\r\nA: c\r\n\r\ntwo\r\n",                                                 {"A: b\r\n\r\none\r\n", "A: c\r\n\r\ntwo\r\n"}},
    {"no empty line before: text",
     MBOX_AUTO,                                   FROM "A: b\n\none\n" FROM2 "two\n",
     {"A: b\n\none\n" FROM2 "two\n"}                                                                                                                                          },
    {"no date: text",
     MBOX_AUTO,                                   FROM "A: b\n\none\n\nFrom here on it rains\n",
     {"A: b\n\none\n\nFrom here on it rains\n"}                                                                                                                               },
    {"a month alone is no date",
     MBOX_AUTO,                                   FROM "A: b\n\n\nFrom Jan to May\n",
     {"A: b\n\n\nFrom Jan to May\n"}                                                                                                                                          },
    {"header only",                    MBOX_AUTO, FROM "A: b\n\n" FROM2 "A: c\n\n",                                             {"A: b\n\n", "A: c\n\n"}                      },
    {"header cut short",               MBOX_AUTO, FROM "A: b\n",                                                                {"A: b\n"}                                    },
    {"no last line end",               MBOX_AUTO, FROM "A: b\n\ntext",                                                          {"A: b\n\ntext"}                              },
    {"empty lines in front",           MBOX_AUTO, "\n\n" FROM "A: b\n\nx\n",                                                    {"A: b\n\nx\n"}                               },
    {"rd: one level goes",
     MBOX_RD,                                     FROM "A: b\n\n>From x\n>>From y\n> From z\n",
     {"A: b\n\nFrom x\n>From y\n> From z\n"}                                                                                                                                  },
    {"auto is rd",                     MBOX_AUTO, FROM "A: b\n\n>>>From y\n",                                                   {"A: b\n\n>>From y\n"}                        },
    {"o: only the first level",
     MBOX_O,                                      FROM "A: b\n\n>From x\n>>From y\n",
     {"A: b\n\nFrom x\n>>From y\n"}                                                                                                                                           },
    {"the header is not quoted",
     MBOX_RD,                                     FROM ">From x\nA: b\n\ntext\n",
     {">From x\nA: b\n\ntext\n"}                                                                                                                                              },
    {"cl: the length is believed",
     MBOX_AUTO,                                   FROM "Content-Length: 14\n\n>From x\n\ntext\n\n" FROM2 "A: c\n\ntwo\n",
     {"Content-Length: 14\n\nFrom x\n\ntext\n", "A: c\n\ntwo\n"}                                                                                                              },
    {"cl2: a bare From inside",
     MBOX_AUTO,                                   FROM "Content-Length: 52\n\n\n" FROM2 "text\n\n" FROM2 "A: c\n\ntwo\n",
     {"Content-Length: 52\n\n\n" FROM2 "text\n", "A: c\n\ntwo\n"}                                                                                                             },
    {"cl2: nothing is quoted",
     MBOX_CL2,                                    FROM "Content-Length: 14\n\n>From x\n\ntext\n\n" FROM2 "A: c\n\ntwo\n",
     {"Content-Length: 14\n\n>From x\n\ntext\n", "A: c\n\ntwo\n"}                                                                                                             },
    {"a wrong length is not believed",
     MBOX_AUTO,                                   FROM "Content-Length: 3\n\ntext\n\n" FROM2 "A: c\n\ntwo\n",
     {"Content-Length: 3\n\ntext\n", "A: c\n\ntwo\n"}                                                                                                                         },
    {"nor one beyond the end",
     MBOX_AUTO,                                   FROM "Content-Length: 99\n\ntext\n",
     {"Content-Length: 99\n\ntext\n"}                                                                                                                                         },
    {"nor a number too large",
     MBOX_AUTO,                                   FROM "Content-Length: 99999999999999999999\n\ntext\n",
     {"Content-Length: 99999999999999999999\n\ntext\n"}                                                                                                                       },
    {"rd believes no length",
     MBOX_RD,                                     FROM "Content-Length: 52\n\n\n" FROM2 "text\n\n",
     {"Content-Length: 52\n\n", "text\n\n"}                                                                                                                                   },
    {"flags are taken out",
     MBOX_AUTO,                                   FROM "Status: RO\nA: b\nX-Status: AF\nX-Keywords: x\n y\nX-UID: 7\n\ntext\n",
     {"A: b\n\ntext\n"}                                                                                                                                                       },
    {"not from the body",              MBOX_AUTO, FROM "A: b\n\nStatus: RO\n",                                                  {"A: b\n\nStatus: RO\n"}                      },
};

static void splits_each_dialect(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(feed_freep) struct feed *feed = feed_of_bytes(slice_from_str(rows[i].file));
        AUTO(mbox_reader_freep)
        struct mbox_reader *reader = mbox_reader_new(feed, rows[i].style);
        struct mbox_message message;
        struct err err;

        print_message("%s\n", rows[i].what);
        for (size_t at = 0; at < PARTS && rows[i].messages[at] != NULL; at++) {
            assert_int_equal(mbox_next(reader, &message, &err), RC_OK);
            assert_slice_equal(message.bytes, slice_from_str(rows[i].messages[at]));
        }
        assert_int_equal(mbox_next(reader, &message, &err), RC_NOT_FOUND);
    }
}

static const struct {
    const char *header;
    uint8_t flags;
    const char *keywords; /* joined by a space */
} flag_rows[] = {
    {"Status: R\n",                    FLAG_SEEN,                                ""               },
    {"Status: O\n",                    0,                                        ""               },
    {"status: RO\nX-STATUS: A\n",      FLAG_SEEN | FLAG_ANSWERED,                ""               },
    {"X-Status: FTD\n",                FLAG_FLAGGED | FLAG_DRAFT | FLAG_DELETED, ""               },
    {"X-Keywords: $Junk  work,play\n", 0,                                        "$Junk work play"},
    {"X-Keywords: a\n\tb\n",           0,                                        "a b"            },
    {"X-Mozilla-Status: 0007\n",       FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED, ""               },
    {"X-Mozilla-Status: 8008\n",       FLAG_DELETED,                             ""               },
    {"X-Mozilla-Status: zz\n",         0,                                        ""               },
};

static void reads_flags_and_keywords(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(flag_rows); i++) {
        AUTO(buf_done) struct buf file = {.max = 4096};
        AUTO(buf_done) struct buf keywords = {.max = 4096};
        AUTO(feed_freep) struct feed *feed = NULL;
        AUTO(mbox_reader_freep) struct mbox_reader *reader = NULL;
        struct mbox_message message;
        struct err err;

        buf_printf(&file, FROM "%sSubject: x\n\nbody\n", flag_rows[i].header);
        feed = feed_of_bytes(buf_slice(&file));
        reader = mbox_reader_new(feed, MBOX_AUTO);
        print_message("%s", flag_rows[i].header);
        assert_int_equal(mbox_next(reader, &message, &err), RC_OK);
        for (size_t k = 0; k < message.n_keywords; k++)
            buf_printf(&keywords, "%s%.*s", k > 0 ? " " : "", SLICE_ARG(message.keywords[k]));
        assert_int_equal(message.flags, flag_rows[i].flags);
        assert_slice_equal(buf_slice(&keywords), slice_from_str(flag_rows[i].keywords));
    }
}

static void tells_date_place_and_what_is_no_mail(void **state)
{
    AUTO(feed_freep)
    struct feed *feed = feed_of_bytes(SLICE(
        "From a Thu Jan  1 00:01:40 1970\nX-IMAP: 1 2\n\nDON'T DELETE\n\n" FROM2 "A: b\n\n"));
    AUTO(mbox_reader_freep) struct mbox_reader *reader = mbox_reader_new(feed, MBOX_AUTO);
    struct mbox_message message;
    struct err err;

    (void) state;
    assert_int_equal(mbox_next(reader, &message, &err), RC_OK);
    assert_true(message.internal);
    assert_int_equal(message.date, 100);
    assert_int_equal(message.offset, 0);
    assert_int_equal(mbox_next(reader, &message, &err), RC_OK);
    assert_false(message.internal);
    assert_int_equal(message.date, 1073178123);
    assert_int_equal(message.offset, 32 + 12 + 1 + 13 + 1);
}

static void refuses_what_begins_without_a_from_line(void **state)
{
    AUTO(feed_freep) struct feed *feed = feed_of_bytes(SLICE("Subject: x\n\nbody\n"));
    AUTO(mbox_reader_freep) struct mbox_reader *reader = mbox_reader_new(feed, MBOX_AUTO);
    struct mbox_message message;
    struct err err;

    (void) state;
    assert_int_equal(mbox_next(reader, &message, &err), RC_SYNTAX);
}

/* Lines longer than the window's first piece, and separators that lie across its end. */
static void lines_may_be_longer_than_the_window(void **state)
{
    (void) state;
    for (size_t around = FEED_PIECE_BYTES - 70; around < FEED_PIECE_BYTES + 5; around++) {
        AUTO(buf_done) struct buf file = {.max = 4 * FEED_PIECE_BYTES};
        AUTO(feed_freep) struct feed *feed = NULL;
        AUTO(mbox_reader_freep) struct mbox_reader *reader = NULL;
        struct mbox_message message;
        struct err err;

        buf_str(&file, FROM "A: b\n\n");
        memset(buf_reserve(&file, around), 'x', around);
        file.len += around;
        buf_str(&file, "\n\n" FROM2 "A: c\n\ntwo\n");
        feed = feed_of_bytes(buf_slice(&file));
        reader = mbox_reader_new(feed, MBOX_AUTO);
        assert_int_equal(mbox_next(reader, &message, &err), RC_OK);
        assert_int_equal(message.bytes.len, around + 7);
        assert_int_equal(mbox_next(reader, &message, &err), RC_OK);
        assert_slice_equal(message.bytes, SLICE("A: c\n\ntwo\n"));
        assert_int_equal(mbox_next(reader, &message, &err), RC_NOT_FOUND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_each_dialect),
        cmocka_unit_test(reads_flags_and_keywords),
        cmocka_unit_test(tells_date_place_and_what_is_no_mail),
        cmocka_unit_test(refuses_what_begins_without_a_from_line),
        cmocka_unit_test(lines_may_be_longer_than_the_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
