/*
 * message_sample.h - one message of each type, every field set, made from the table itself; so
 * a new row is tested and fuzzed without a line written for it.
 */
#ifndef ROOST_TESTS_MESSAGE_SAMPLE_H
#define ROOST_TESTS_MESSAGE_SAMPLE_H

#include "ipc/message.h"

struct message_sample {
    struct msg msg;
    unsigned from_bits, to_bits; /* a bit per role */
    enum role from, to;          /* one pair that may */
};

#define FROM(role) (1u << ROLE_##role)
#define TO(role)   (1u << ROLE_##role)
#define FROM_ANY   ((1u << ROLE_COUNT) - 1)
#define TO_ANY     ((1u << ROLE_COUNT) - 1)

// clang-format off
#define SAMPLE_U8(f)       .f = 0x81,
#define SAMPLE_U16(f)      .f = 0x8182,
#define SAMPLE_U32(f)      .f = 0x81828384u,
#define SAMPLE_U64(f)      .f = 0x8182838485868788u,
#define SAMPLE_ADDR(f)     .f = {.family = IPADDR_V6, .port = 993, .bytes = {0x20, 0x01, 0x0d, 0xb8}},
#define SAMPLE_BYTES(f, m) .f = {"" #f, sizeof(#f) - 1},
#define SAMPLE_FIXED(f, n) .f = {1, 2, 3},
#define SAMPLE(NAME, name, nr, ver, fds, from, to)                                             \
    {{.type = MSG_##NAME,                                                                      \
      .name = {MSG_##NAME##_FIELDS(SAMPLE_U8, SAMPLE_U16, SAMPLE_U32, SAMPLE_U64, SAMPLE_ADDR, \
                                   SAMPLE_BYTES, SAMPLE_FIXED)}}, from, to, ROLE_SUPERVISOR,   \
      ROLE_SUPERVISOR},
static const struct message_sample message_samples[] = {MESSAGES(SAMPLE)};
// clang-format on

static inline size_t message_sample_count(void)
{
    return COUNT(message_samples);
}

static inline enum role first_role(unsigned bits)
{
    return (enum role) __builtin_ctz(bits);
}

/* Valid until the next call. */
static inline const struct message_sample *message_sample_at(size_t at)
{
    static struct message_sample sample;

    sample = message_samples[at];
    sample.from = first_role(sample.from_bits);
    sample.to =
        first_role(sample.to_bits & ~(1u << sample.from) ? sample.to_bits & ~(1u << sample.from)
                                                         : sample.to_bits);
    return &sample;
}

#endif
