#include "base/decimal.h"

const char decimal_pairs[201] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";

char *decimal_put_64(char *p, uint64_t value)
{
    const uint64_t eight = 100000000;

    if (value <= UINT32_MAX)
        return decimal_put_32(p, (uint32_t) value);
    if (value < eight * eight) {
        p = decimal_put_32(p, (uint32_t) (value / eight));
    } else {
        p = decimal_put_32(p, (uint32_t) (value / (eight * eight)));
        p = decimal_put_8(p, (uint32_t) (value / eight % eight));
    }
    return decimal_put_8(p, (uint32_t) (value % eight));
}
