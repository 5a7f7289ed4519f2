#include "keys/rate.h"

#include "base/slice.h"

#define ONE     INT64_C(1000000)
#define TELL_US (10 * INT64_C(1000000))

bool key_rate_take(struct key_rate *rate, int64_t now_us)
{
    int64_t passed_us = MIN(now_us - rate->at_us, ONE); /* a second gives everything back */

    rate->used = MAX(rate->used - passed_us * KEY_SIGNS_SEC, 0);
    rate->at_us = now_us;
    if (rate->used + ONE > KEY_SIGNS_SEC * ONE)
        return false;
    rate->used += ONE;
    return true;
}

bool key_rate_tells(struct key_rate *rate, int64_t now_us)
{
    if (rate->told_us != 0 && now_us - rate->told_us < TELL_US)
        return false;
    rate->told_us = now_us;
    return true;
}
