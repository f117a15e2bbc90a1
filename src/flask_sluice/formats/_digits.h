/* Numbers as decimal digits, as Python's repr() writes them.
 *
 * In: an integer or a double, and where to write. Out: where the writing ended. It
 * refuses to know Python.
 *
 * The digits of a double are the shortest that read back as the same double, and of
 * those the closest to it: what repr() promises. The algorithm is Raffaello Giulietti's
 * "The Schubfach way to render doubles" (2020), where the proof is; the table of powers
 * of ten comes from _powers.py. It wants a product of 128 bits, so without such a type
 * (HAS_DIGITS 0) the caller asks Python for the text.
 */
#ifndef FLASK_SLUICE_DIGITS_H
#define FLASK_SLUICE_DIGITS_H

#include <stdint.h>
#include <string.h>

static const char PAIRS[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static inline char *
put_pair(char *p, unsigned int value) /* 0 to 99 */
{
    memcpy(p, PAIRS + 2 * value, 2);
    return p + 2;
}

/* At most 20 digits. */
static inline char *
put_unsigned(char *p, uint64_t value)
{
    char text[20];
    char *start = text + sizeof text;
    while (value >= 100) {
        start -= 2;
        memcpy(start, PAIRS + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        start -= 2;
        memcpy(start, PAIRS + 2 * value, 2);
    }
    else {
        *--start = (char)('0' + value);
    }
    size_t size = (size_t)(text + sizeof text - start);
    memcpy(p, start, size);
    return p + size;
}

#ifdef __SIZEOF_INT128__
#define HAS_DIGITS 1

__extension__ typedef unsigned __int128 wide;

typedef struct {
    uint64_t high, low;
} power;

#define FIRST_POWER (-292)
#define LAST_POWER 324

/* floor(e * log2(10)), floor(e * log10(2)), and the latter of 3/4 * 2**e: exact for
 * every exponent that a double has. The shifts are arithmetic. */
#define LOG2_OF_POW10(e) (((e) * 1741647) >> 19)
#define LOG10_OF_POW2(e) (((e) * 1262611) >> 22)
#define LOG10_OF_3_4_POW2(e) (((e) * 1262611 - 524031) >> 22)

/* The upper 64 bits of a product of 192; the last one is set if any below it is. */
static inline uint64_t
round_to_odd(power factor, uint64_t value)
{
    wide low = (wide)factor.low * value;
    wide high = (wide)factor.high * value + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* A positive, finite double, by its two fields, as digits * 10**exponent. */
static inline uint64_t
shortest(uint64_t fraction, int biased, const power *powers, int *exponent)
{
    uint64_t c = biased ? fraction | UINT64_C(1) << 52 : fraction;
    int q = (biased ? biased : 1) - 1075;
    /* Below a power of two the next double is half as far as above it. */
    int closer = fraction == 0 && biased > 1;
    uint64_t odd = c & 1; /* the borders round to the even neighbour */

    int k = closer ? LOG10_OF_3_4_POW2(q) : LOG10_OF_POW2(q);
    int h = q + LOG2_OF_POW10(-k) + 1;
    power g = powers[-k - FIRST_POWER];
    uint64_t lower = round_to_odd(g, (4 * c - 2 + (uint64_t)closer) << h) + odd;
    uint64_t middle = round_to_odd(g, (4 * c) << h);
    uint64_t upper = round_to_odd(g, (4 * c + 2) << h) - odd;

    uint64_t s = middle / 4;
    if (s >= 10) { /* one digit fewer */
        uint64_t t = s / 10;
        int below = lower <= 40 * t;
        int above = 40 * t + 40 <= upper;
        if (below != above) {
            *exponent = k + 1;
            return t + (uint64_t)above;
        }
    }
    *exponent = k;
    int below = lower <= 4 * s;
    int above = 4 * s + 4 <= upper;
    if (below != above) {
        return s + (uint64_t)above;
    }
    uint64_t half = 4 * s + 2;
    return s + (uint64_t)(middle > half || (middle == half && (s & 1)));
}

/* repr(value): at most 24 characters. */
static inline char *
put_double(char *p, double value, const power *powers)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int)(bits >> 52 & 0x7ff);
    if (biased == 0x7ff && fraction) {
        memcpy(p, "nan", 3);
        return p + 3;
    }
    if (bits >> 63) {
        *p++ = '-';
        value = -value;
    }
    if (biased == 0x7ff) {
        memcpy(p, "inf", 3);
        return p + 3;
    }
    /* Whole numbers of up to 15 digits are what they look like: their neighbours are
     * less than 1 away, so no shorter decimal reads back as the same. Zero, too. */
    if (value < 1e15) {
        uint64_t whole = (uint64_t)value;
        if ((double)whole == value) {
            p = put_unsigned(p, whole);
            memcpy(p, ".0", 2);
            return p + 2;
        }
    }

    int exponent;
    uint64_t significand = shortest(fraction, biased, powers, &exponent);
    if (significand % 100000000 == 0) {
        significand /= 100000000;
        exponent += 8;
    }
    while (significand % 10 == 0) {
        significand /= 10;
        exponent++;
    }
    char digits[20];
    int count = (int)(put_unsigned(digits, significand) - digits);
    int point = count + exponent; /* how many digits stand before it */

    if (point <= -4 || point > 16) {
        *p++ = digits[0];
        if (count > 1) {
            *p++ = '.';
            memcpy(p, digits + 1, (size_t)count - 1);
            p += count - 1;
        }
        int power_of_ten = point - 1;
        *p++ = 'e';
        *p++ = power_of_ten < 0 ? '-' : '+';
        unsigned int size = (unsigned int)(power_of_ten < 0 ? -power_of_ten : power_of_ten);
        return size < 100 ? put_pair(p, size) : put_unsigned(p, size);
    }
    if (point <= 0) {
        memcpy(p, "0.000", 5); /* at most three zeros after the point */
        p += 2 - point;
        memcpy(p, digits, (size_t)count);
        return p + count;
    }
    if (count <= point) {
        memcpy(p, digits, (size_t)count);
        memset(p + count, '0', (size_t)(point - count));
        p += point;
        memcpy(p, ".0", 2);
        return p + 2;
    }
    memcpy(p, digits, (size_t)point);
    p += point;
    *p++ = '.';
    memcpy(p, digits + point, (size_t)(count - point));
    return p + (count - point);
}

#else
#define HAS_DIGITS 0
#endif
#endif
