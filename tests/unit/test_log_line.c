/* test_log_line.c - one event is one line of text and of JSON, whatever the sender put into it.
 */
// links: events
#include "events/log_line.h"
#include "ipc/log_pack.h"
#include "lib/test.h"

#define TIME "1970-01-01T00:00:01.000002Z"

static void line_of(struct buf *out, bool is_json, const char *key, struct slice value)
{
    const struct log_field field = {.key = key, .text = value};
    struct msg_log_event event = {
        .level = LEVEL_INFO, .time_us = 1000002, .event = SLICE("login.refused")};
    AUTO(buf_done) struct buf fields = {.max = MSG_FIELDS_MAX};

    log_pack(&fields, &field, 1);
    event.fields = buf_slice(&fields);
    buf_init(out, LOG_LINE_MAX_BYTES);
    if (is_json)
        log_line_json(out, "gate", &event);
    else
        log_line_text(out, "gate", &event);
    assert_false(out->overflow);
}

static const struct {
    struct slice value;
    const char *text, *json;
} values[] = {
    {{"anna", 4},                     "anna",                          "\"anna\""                     },
    {{"a b", 3},                      "\"a b\"",                       "\"a b\""                      },
    {{"a\"\\", 3},                    "\"a\\\"\\\\\"",                 "\"a\\\"\\\\\""                },
    {{"", 0},                         "\"\"",                          "\"\""                         },
    {{"a\r\nb\tc", 6},                "\"a\\r\\nb\\tc\"",              "\"a\\r\\nb\\tc\""             },
    {{"\0\x1b\x7f", 3},               "\"\\u0000\\u001b\\u007f\"",     "\"\\u0000\\u001b\\u007f\""    },
    {{"\xc2\x85\xc2\x9b", 4},         "\"\\u0085\\u009b\"",            "\"\\u0085\\u009b\""           },
    {{"\xe2\x80\xa8\xe2\x80\xa9", 6}, "\"\\u2028\\u2029\"",            "\"\\u2028\\u2029\""           },
    {{"\xe2\x80\xae\xe2\x81\xa6", 6}, "\"\\u202e\\u2066\"",            "\"\\u202e\\u2066\""           },
    {{"\xd8\x9c\xe2\x80\x8f", 5},     "\"\\u061c\\u200f\"",            "\"\\u061c\\u200f\""           },
    {{"m\xc3\xbcller", 7},            "\"m\xc3\xbcller\"",             "\"m\xc3\xbcller\""            },
    {{"a\xff\xc3", 3},                "\"a\xef\xbf\xbd\xef\xbf\xbd\"", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
};

static void a_value_ends_neither_line_nor_string(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(values); i++) {
        AUTO(buf_done) struct buf text = {0}, json = {0}, want = {0};

        print_message("row %zu\n", i);
        buf_init(&want, LOG_LINE_MAX_BYTES);
        line_of(&text, false, "user", values[i].value);
        buf_printf(&want, TIME " info gate login.refused user=%s", values[i].text);
        assert_slice_equal(buf_slice(&text), buf_slice(&want));
        line_of(&json, true, "user", values[i].value);
        buf_reset(&want);
        buf_printf(&want,
                   "{\"@timestamp\":\"" TIME "\",\"level\":\"info\",\"role\":\"gate\","
                   "\"event\":\"login.refused\",\"user\":%s}",
                   values[i].json);
        assert_slice_equal(buf_slice(&json), buf_slice(&want));
    }
}

/* RFC 8259 4: names should be unique; of two, most readers take the last. */
static void a_field_takes_no_members_place(void **state)
{
    static const char *const names[] = {"level", "role", "event", "lost_before"};

    (void) state;
    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(buf_done) struct buf json = {0}, want = {0};

        line_of(&json, true, names[i], SLICE("x"));
        buf_init(&want, LOG_LINE_MAX_BYTES);
        buf_printf(&want, ",\"roost.%s\":\"x\"}", names[i]);
        assert_true(slice_ends(buf_slice(&json), buf_slice(&want)));
    }
}

static void a_name_that_is_none_is_a_question_mark(void **state)
{
    AUTO(buf_done) struct buf text = {0};

    (void) state;
    line_of(&text, false, "a=b c", SLICE("x"));
    assert_true(slice_ends(buf_slice(&text), SLICE(" ?=x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_ends_neither_line_nor_string),
        cmocka_unit_test(a_field_takes_no_members_place),
        cmocka_unit_test(a_name_that_is_none_is_a_question_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
