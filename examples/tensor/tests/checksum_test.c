#include "test.h"

/* The check value that every description of this CRC gives. */
static void known_value(void) {
    CHECK(checksum_update(0, "123456789", 9) == 0xcbf43926);
    CHECK(checksum_update(0, "", 0) == 0);
}

static void in_pieces(void) { CHECK(checksum_update(checksum_update(0, "1234", 4), "56789", 5) == 0xcbf43926); }

const struct test checksum_tests[] = {
    {"gives the known value of 123456789", known_value},
    {"goes on where it stopped", in_pieces},
    {0},
};
