/* test_addr.c - address lists, by the book and as mail has them. */
// links: mime
#include "lib/test.h"
#include "mime/addr.h"
#include "mime/wire.h"

/* What ENVELOPE shows of each list. */
struct row {
    const char *raw, *wire;
};

static const struct row rows[] = {
    {"",                         ""                                                                  },
    {" ,, ,",                    ""                                                                  },
    {"a@b",                      "(NIL NIL \"a\" \"b\")"                                             },
    {"A <a@b>",                  "(\"A\" NIL \"a\" \"b\")"                                           },
    {"A <a@b>, B <c@d>",         "(\"A\" NIL \"a\" \"b\")(\"B\" NIL \"c\" \"d\")"                    },
    {"\"A, \\\"x\\\" B\" <a@b>", "(\"A, \\\"x\\\" B\" NIL \"a\" \"b\")"                              },
    {"\"A\" \"B\"  C <a@b>",     "(\"A B C\" NIL \"a\" \"b\")"                                       },
    {"A\r\n B <a@b>",            "(\"A B\" NIL \"a\" \"b\")"                                         },
    {"J. R. Doe <a@b>",          "(\"J. R. Doe\" NIL \"a\" \"b\")"                                   },
    {"=?utf-8?Q?=C3=A4?= <a@b>", "(\"=?utf-8?Q?=C3=A4?=\" NIL \"a\" \"b\")"                          },
    {"a@b (A B)",                "(\"A B\" NIL \"a\" \"b\")"                                         },
    {"a@b (A (in) B)",           "(\"A (in) B\" NIL \"a\" \"b\")"                                    },
    {"a@b (A",                   "(NIL NIL \"a\" \"b\")"                                             },
    {"<a@b> (A)",                "(\"A\" NIL \"a\" \"b\")"                                           },
    {"N <a@b> (A)",              "(\"N\" NIL \"a\" \"b\")"                                           },
    {"a at b (A)",               "(\"A\" NIL \"a\" \"b\")"                                           },
    {"a @ b",                    "(NIL NIL \"a\" \"b\")"                                             },
    {"<a @ b . c>",              "(NIL NIL \"a\" \"b.c\")"                                           },
    {"\"a b\"@c",                "(NIL NIL \"a b\" \"c\")"                                           },
    {"\"a@x\"@c",                "(NIL NIL \"a@x\" \"c\")"                                           },
    {"a@[127.0.0.1]",            "(NIL NIL \"a\" \"[127.0.0.1]\")"                                   },
    {"<a . b@c>",                "(NIL NIL \"a.b\" \"c\")"                                           },
    {"<@r:a. b (c) .d @ e>",     "(NIL \"@r\" \"a.b.d\" \"e\")"                                      },
    {"<\"a . b\"@c>",            "(NIL NIL \"a . b\" \"c\")"                                         },
    {"a @ b . c. d e",           "(NIL NIL \"a\" \"b.c.d\")"                                         },
    {"a@[IPv6:2001:db8::1]",     "(NIL NIL \"a\" \"[IPv6:2001:db8::1]\")"                            },
    {"A <a@[IPv6:::1]>, c@d",    "(\"A\" NIL \"a\" \"[IPv6:::1]\")(NIL NIL \"c\" \"d\")"             },
    {"a@ [ 127.0.0.1 ] (A)",     "(\"A\" NIL \"a\" \"[127.0.0.1]\")"                                 },
    {"<@[IPv6:::1]:a@b>",        "(NIL \"@[IPv6:::1]\" \"a\" \"b\")"                                 },
    {"a@[b, c@d",                "(NIL NIL \"a\" \"[b\")(NIL NIL \"c\" \"d\")"                       },
    {"[g]: a@b;",                "(NIL NIL \"[g]\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)"       },
    {"<@r,@s:a@b>",              "(NIL \"@r,@s\" \"a\" \"b\")"                                       },
    {"<@r:a@b>",                 "(NIL \"@r\" \"a\" \"b\")"                                          },
    {"<>",                       "(NIL NIL \"\" \"\")"                                               },
    {"<a>",                      "(NIL NIL \"a\" \"\")"                                              },
    {"root",                     "(NIL NIL \"root\" \"\")"                                           },
    {"A a@b",                    "(\"A\" NIL \"a\" \"b\")"                                           },
    {"\"A B\" a@b",              "(\"A B\" NIL \"a\" \"b\")"                                         },
    {"A <a@b",                   "(\"A\" NIL \"a\" \"b\")"                                           },
    {"A <a@b, c@d",              "(\"A\" NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")"                      },
    {"A <a@b> <c@d>",            "(\"A\" NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")"                      },
    {"A <a@b> junk, c@d",        "(\"A\" NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")"                      },
    {"\"A <a@b>",                "(\"\\\"A\" NIL \"a\" \"b\")"                                       },
    {"a@b; c@d",                 "(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")"                        },
    {"a@b@c",                    "(NIL NIL \"a@b\" \"c\")"                                           },
    {"g: a@b, C <c@d>;",         "(NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(\"C\" NIL \"c\" \"d\")"
                         "(NIL NIL NIL NIL)"                                 },
    {"undisclosed-recipients:;", "(NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL)"         },
    {"g: a@b",                   "(NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)"         },
    {"g: h: a@b;;",              "(NIL NIL \"g\" NIL)(NIL NIL NIL NIL)(NIL NIL \"h\" NIL)"
                    "(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)"                      },
    {"\xc3\xa4 <a@b>",           "(\"=?utf-8?B?w6Q=?=\" NIL \"a\" \"b\")"                            },
    {"A <a@\xc3\xb6.example>",   "(\"=?utf-8?B?YUDDti5leGFtcGxl?=\" NIL \"invalid\" "
                               "\"internationalized-address.invalid\")"},
};

// clang-format off
/* RFC 5322 A.5 and A.6.1. */
static const struct row examples[] = {
    {"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
     "  joe@example.org,\r\n John <jdoe@one.test> (my dear friend); (the end of the group)",
     "(NIL NIL \"A Group\" NIL)(\"Chris Jones\" NIL \"c\" \"public.example\")"
     "(NIL NIL \"joe\" \"example.org\")(\"John\" NIL \"jdoe\" \"one.test\")(NIL NIL NIL NIL)"},
    {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
     "(NIL NIL \"Hidden recipients\" NIL)(NIL NIL NIL NIL)"},
    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
     "(\"Pete\" NIL \"pete\" \"silly.test\")"},
    {"Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example",
     "(\"Mary Smith\" \"@node.test\" \"mary\" \"example.net\")(NIL NIL \"jdoe\" \"test.example\")"},
};
// clang-format on

static void check_row(const struct row *row)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(buf_done) struct buf out = {0};
    struct addr_list list = {0};

    buf_init(&out, 4096);
    addr_parse(slice_from_str(row->raw), arena, &list);
    for (size_t k = 0; k < list.n; k++)
        wire_addr(&list.items[k], DIGEST_FORM_P, &out);
    assert_slice_equal(buf_slice(&out), slice_from_str(row->wire));
}

static void every_form_has_its_structure(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_row(&rows[i]);
    for (size_t i = 0; i < COUNT(examples); i++)
        check_row(&examples[i]);
}

static void utf8_sessions_see_the_address_itself(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(buf_done) struct buf out = {0};
    struct addr_list list = {0};

    (void) state;
    buf_init(&out, 4096);
    addr_parse(SLICE("\xc3\xa4 <a@\xc3\xb6.example>"), arena, &list);
    wire_addr(&list.items[0], DIGEST_FORM_U, &out);
    assert_slice_equal(buf_slice(&out), SLICE("(\"\xc3\xa4\" NIL \"a\" \"\xc3\xb6.example\")"));
}

static void a_full_list_takes_no_more(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(buf_done) struct buf raw = {0};
    struct addr_list list = {0};

    (void) state;
    buf_init(&raw, (size_t) 1 << 20);
    buf_str(&raw, "g:");
    for (unsigned i = 0; i < ADDR_LIST_MAX + 10; i++)
        buf_str(&raw, "a,");
    addr_parse(buf_slice(&raw), arena, &list);
    assert_int_equal(list.n, ADDR_LIST_MAX + 1);
    assert_int_equal(list.items[list.n - 1].kind, ADDR_GROUP_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_has_its_structure),
        cmocka_unit_test(utf8_sessions_see_the_address_itself),
        cmocka_unit_test(a_full_list_takes_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
