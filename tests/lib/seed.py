"""One seed for what a test chooses: ROOST_SEED, else chance in the large size and always the same in the normal one."""

import os
import random

NORMAL = 20261122


def seed():
    """The seed, printed so that a run can be made again."""
    number = int(os.environ.get("ROOST_SEED", "0"))
    if number == 0:
        number = random.SystemRandom().randrange(1, 1 << 32) if os.environ.get("ROOST_LARGE") else NORMAL
    print("seed: ROOST_SEED=%d" % number, flush=True)
    return number
