/* test_mail_stream.c - the stream of import and export: what goes in comes out, however it is
 * cut; anything else is refused. */
// links: ipc
#include "ipc/mail_stream.h"
#include "lib/test.h"

struct heard {
    struct buf log; /* what came, as text */
};

static enum rc hear_frame(void *ctx, const struct mail_frame *frame, struct err *err)
{
    struct heard *heard = ctx;

    (void) err;
    buf_printf(&heard->log, "%c[%.*s %u %u %u %u %u %lld %d %u", (char) frame->kind,
               SLICE_ARG(frame->name), frame->uidvalidity, frame->uidnext, frame->mailbox,
               frame->uid, frame->flags, (long long) frame->date, frame->zone_min, frame->size);
    if (frame->thread[0] != 0 || frame->savedate != 0)
        buf_printf(&heard->log, " thread %u saved %lld", frame->thread[0],
                   (long long) frame->savedate);
    if (frame->value.len > 0)
        buf_printf(&heard->log, " =%.*s%s", SLICE_ARG(frame->value),
                   frame->of_mailbox ? " of it" : "");
    if (frame->kind == MAIL_ANNOTATION)
        buf_printf(&heard->log, " of %u %llu key %u", (unsigned) frame->whose,
                   (unsigned long long) frame->reader, frame->key[MAIL_KEY_BYTES - 1]);
    if (frame->special_use != 0)
        buf_printf(&heard->log, " use %u", frame->special_use);
    for (size_t i = 0; i < frame->n_keywords; i++)
        buf_printf(&heard->log, " %.*s", SLICE_ARG(frame->keywords[i]));
    buf_str(&heard->log, frame->subscribe ? " subscribe]" : "]");
    return RC_OK;
}

static enum rc hear_body(void *ctx, struct slice bytes, bool end, struct err *err)
{
    struct heard *heard = ctx;

    (void) err;
    buf_append(&heard->log, bytes);
    buf_str(&heard->log, end ? "." : "");
    return RC_OK;
}

static const struct mail_stream_events events = {.frame = hear_frame, .body = hear_body};

static void put_sample(struct buf *out)
{
    const struct mail_frame mailbox = {.kind = MAIL_MAILBOX,
                                       .name = SLICE("Work"),
                                       .uidvalidity = 7,
                                       .uidnext = 9,
                                       .subscribe = true,
                                       .special_use = 6};
    const struct mail_frame message = {
        .kind = MAIL_MESSAGE,
        .uid = 3,
        .flags = 5,
        .date = -1,
        .zone_min = -90,
        .thread = {8           },
        .savedate = 77,
        .keywords = { SLICE("a"), SLICE("$b")},
        .n_keywords = 2,
        .size = 5
    };
    const struct mail_frame empty = {.kind = MAIL_MESSAGE, .mailbox = 1};
    const struct mail_frame name = {.kind = MAIL_SUBSCRIBED, .name = SLICE("x")};
    const struct mail_frame right = {.kind = MAIL_RIGHTS,
                                     .of_mailbox = true,
                                     .mailbox = 1,
                                     .name = SLICE("bob"),
                                     .value = SLICE("lr")};
    const struct mail_frame note = {
        .kind = MAIL_METADATA, .name = SLICE("/private/comment"), .value = SLICE("v")};
    const struct mail_frame shared = {
        .kind = MAIL_ANNOTATION, .name = SLICE("/comment"), .value = SLICE("w")};
    const struct mail_frame theirs = {.kind = MAIL_ANNOTATION,
                                      .name = SLICE("/altsubject"),
                                      .key = {[MAIL_KEY_BYTES - 1] = 4},
                                      .whose = MAIL_OF_READER,
                                      .reader = UINT64_MAX};

    mail_frame_encode(out, &mailbox);
    mail_frame_encode(out, &shared);
    mail_frame_encode(out, &theirs);
    mail_frame_encode(out, &message);
    buf_str(out, "hello");
    mail_frame_encode(out, &empty);
    mail_frame_encode(out, &name);
    mail_frame_encode(out, &right);
    mail_frame_encode(out, &note);
}

static const char sample[] =
    "M[Work 7 9 0 0 0 0 0 0 use 6 subscribe]"
    "N[/comment 0 0 0 0 0 0 0 0 =w of 0 0 key 0]"
    "N[/altsubject 0 0 0 0 0 0 0 0 of 2 18446744073709551615 key 4]"
    "A[ 0 0 0 3 5 -1 -90 5 thread 8 saved 77 a $b]hello."
    "A[ 0 0 1 0 0 0 0 0].S[x 0 0 0 0 0 0 0 0]"
    "R[bob 0 0 1 0 0 0 0 0 =lr of it]D[/private/comment 0 0 0 0 0 0 0 0 =v]";

static void survives_any_cut(void **state)
{
    AUTO(buf_done) struct buf stream = {.max = 4096};

    (void) state;
    put_sample(&stream);
    for (size_t step = 1; step <= stream.len; step++) {
        struct heard heard = {.log = {.max = 4096}};
        struct mail_stream *reader = mail_stream_new(&events, &heard);
        struct err err;

        for (size_t at = 0; at < stream.len; at += step)
            assert_int_equal(
                mail_stream_feed(reader, slice_sub(buf_slice(&stream), at, step), &err), RC_OK);
        assert_true(mail_stream_at_end(reader));
        assert_slice_equal(buf_slice(&heard.log), slice_from_str(sample));
        mail_stream_free(reader);
        buf_done(&heard.log);
    }
}

static void knows_that_it_is_cut_short(void **state)
{
    AUTO(buf_done) struct buf stream = {.max = 4096};
    struct err err;

    (void) state;
    put_sample(&stream);
    struct heard heard = {.log = {.max = 4096}};
    struct mail_stream *reader = mail_stream_new(&events, &heard);

    assert_true(mail_stream_at_end(reader));
    assert_int_equal(
        mail_stream_feed(reader, slice_sub(buf_slice(&stream), 0, stream.len - 1), &err),
        RC_OK);
    assert_false(mail_stream_at_end(reader));
    mail_stream_free(reader);
    buf_done(&heard.log);
}

#define KEY            "0123456789abcdef"
#define READER         "\x00\x00\x00\x00\x00\x00\x00\x00"
#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct {
    const char *what;
    const char *bytes;
    size_t len;
} refused[] = {
    {"an unknown kind",                       BYTES("Z\x00\x00\x00\x00")                 },
    {"a head too long",                       BYTES("M\xff\xff\xff\x7f")                 },
    {"a name beyond the head",                BYTES("S\x04\x00\x00\x00\x09\x00\x00\x00") },
    {"bytes behind the fields",               BYTES("S\x05\x00\x00\x00\x00\x00\x00\x00x")},
    {"a message without fields",              BYTES("A\x00\x00\x00\x00")                 },
    {"an annotation of nobody that there is",
     BYTES("N\x23\x00\x00\x00" KEY "\x03" READER "\x02\x00\x00\x00/a\x00\x00\x00\x00")   },
    {"an annotation without a value",
     BYTES("N\x1f\x00\x00\x00" KEY "\x00" READER "\x02\x00\x00\x00/a")                   },
};

static void refuses_what_is_no_stream(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct heard heard = {.log = {.max = 4096}};
        struct mail_stream *reader = mail_stream_new(&events, &heard);
        struct err err;

        print_message("%s\n", refused[i].what);
        assert_int_equal(
            mail_stream_feed(reader, slice_of(refused[i].bytes, refused[i].len), &err),
            RC_SYNTAX);
        assert_int_equal(heard.log.len, 0);
        mail_stream_free(reader);
        buf_done(&heard.log);
    }
}

static void refuses_one_keyword_too_many(void **state)
{
    AUTO(buf_done) struct buf stream = {.max = 1 << 16};
    struct mail_frame frame = {.kind = MAIL_MESSAGE, .n_keywords = MAIL_KEYWORDS_MAX};
    struct heard heard = {.log = {.max = 1 << 16}};
    struct mail_stream *reader = mail_stream_new(&events, &heard);
    struct err err;

    (void) state;
    for (size_t i = 0; i < MAIL_KEYWORDS_MAX; i++)
        frame.keywords[i] = SLICE("k");
    mail_frame_encode(&stream, &frame);
    assert_int_equal(mail_stream_feed(reader, buf_slice(&stream), &err), RC_OK);
    stream.ptr[5 + 4 + 4 + 1 + 8 + 2 + 2 * MAIL_KEY_BYTES + 8] = 1; /* 0x0100 becomes 0x0101 */
    assert_int_equal(mail_stream_feed(reader, buf_slice(&stream), &err), RC_SYNTAX);
    mail_stream_free(reader);
    buf_done(&heard.log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_any_cut),
        cmocka_unit_test(knows_that_it_is_cut_short),
        cmocka_unit_test(refuses_what_is_no_stream),
        cmocka_unit_test(refuses_one_keyword_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
