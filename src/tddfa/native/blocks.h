/* Triangles of any size, in blocks of 4 x 4 pixels. */

#ifndef TDDFA_BLOCKS_H
#define TDDFA_BLOCKS_H

#include "pixels.h"

/* With corners less than this apart, twice the area of a triangle and its edge functions fit in 32 bits. */
#define SMALL (1 << 14)

#if defined(_MSC_VER)
#include <intrin.h>
static ALWAYS_INLINE int lowest_bit(unsigned v) {
    unsigned long k;
    _BitScanForward(&k, v);
    return (int)k;
}
#else
static ALWAYS_INLINE int lowest_bit(unsigned v) { return __builtin_ctz(v); }
#endif

/* What is fixed for one triangle. */
typedef struct {
    int32_t number; /* in its mesh */
    float per_area, z0, dz1, dz2;
} Triangle;

/* The same, with edge functions e1 and e2. */
static ALWAYS_INLINE void shade(const Job *job, const Triangle *t, Target target, int channels, int32_t x, int32_t y,
                                float e1, float e2) {
    const float b1 = e1 * t->per_area, b2 = e2 * t->per_area;
    draw_pixel(job, target, channels, t->number, x, y, b1, b2, (t->z0 + b1 * t->dz1) + b2 * t->dz2);
}

/* Bit 4 y + x is set where none of three edge functions is negative at pixel (x, y) of a block of 4 x 4. */
#define DEFINE_BLOCK(NAME, INT)                                                                       \
    static ALWAYS_INLINE unsigned NAME(const INT *e, const INT *across, const INT *down) {            \
        unsigned negative = 0;                                                                        \
        for (int y = 0; y < 4; y++)                                                                   \
            for (int x = 0; x < 4; x++) {                                                             \
                const INT any = (e[0] + x * across[0] + y * down[0]) | (e[1] + x * across[1] + y * down[1]) | \
                                (e[2] + x * across[2] + y * down[2]);                                 \
                negative |= (unsigned)(any < 0) << (4 * y + x);                                       \
            }                                                                                         \
        return ~negative & 0xFFFFu;                                                                   \
    }

DEFINE_BLOCK(block_large, int64_t)

/* Fills one triangle in blocks of 4 x 4 pixels.
 * INT holds the edge functions: 32 bits for small triangles, 64 for any. */
#define DEFINE_FILL(NAME, INT, BLOCK)                                                                         \
    static ALWAYS_INLINE void NAME(const Job *job, const Triangle *t, const Corner *p, Target target,          \
                                   int channels, INT sign,                                                    \
                                   int32_t left, int32_t right, int32_t top, int32_t bottom) {                \
        INT at_left[3], across[3], down[3], off[3];                                                           \
        for (int k = 0; k < 3; k++) {                                                                         \
            const Corner *a = &p[(k + 1) % 3], *b = &p[(k + 2) % 3];                                          \
            const INT dx = ((INT)b->x - a->x) * sign, dy = ((INT)b->y - a->y) * sign;                         \
            off[k] = (dy > 0) | ((dy == 0) & (dx <= 0)); /* its edge is neither top nor left */               \
            across[k] = -dy * SUBPIXELS;                                                                      \
            down[k] = dx * SUBPIXELS;                                                                         \
            at_left[k] = dx * ((INT)top * SUBPIXELS - a->y) - dy * ((INT)left * SUBPIXELS - a->x) - off[k];   \
        }                                                                                                     \
        for (int32_t y = top; y <= bottom; y += 4) {                                                          \
            INT e[3] = {at_left[0], at_left[1], at_left[2]};                                                  \
            const unsigned rows = bottom - y < 3 ? (16u << (4 * (bottom - y))) - 1 : 0xFFFFu;                 \
            for (int32_t x = left; x <= right; x += 4) {                                                      \
                const unsigned columns = right - x < 3 ? 0x1111u * ((2u << (right - x)) - 1) : 0xFFFFu;       \
                unsigned inside = BLOCK(e, across, down) & rows & columns;                                    \
                for (; inside; inside &= inside - 1) {                                                        \
                    const int bit = lowest_bit(inside), i = bit & 3, j = bit >> 2;                            \
                    shade(job, t, target, channels, x + i, y + j,                                             \
                          (float)(e[1] + i * across[1] + j * down[1] + off[1]),                               \
                          (float)(e[2] + i * across[2] + j * down[2] + off[2]));                              \
                }                                                                                             \
                for (int k = 0; k < 3; k++) e[k] += 4 * across[k];                                            \
            }                                                                                                 \
            for (int k = 0; k < 3; k++) at_left[k] += 4 * down[k];                                            \
        }                                                                                                     \
    }

#if defined(__SSE2__) || defined(_M_X64)

/* The three edges of a triangle in three lanes. All differences of its corners fit in 16 bits, so one
 * instruction makes the two products and the sum of each edge function. */
typedef struct {
    __m128i exact, biased; /* at (left, top); negative outside, where biased */
    __m128i across, down;
} Lanes;

static ALWAYS_INLINE Lanes edges_of(const Corner *a, const Corner *b, const Corner *c, int32_t sign, int32_t left,
                                    int32_t top) {
    const int32_t x0 = left * SUBPIXELS, y0 = top * SUBPIXELS;
    const __m128i zero = _mm_setzero_si128(), low = _mm_set1_epi32(0xFFFF), turned = _mm_set1_epi32(sign >> 31);
    const __m128i x = _mm_set_epi32(0, a->x - x0, c->x - x0, b->x - x0);
    const __m128i y = _mm_set_epi32(0, a->y - y0, c->y - y0, b->y - y0);
    /* Lane k is the edge that starts at corner k + 1 and ends at corner k + 2. */
    __m128i dx = _mm_sub_epi32(_mm_shuffle_epi32(x, _MM_SHUFFLE(3, 0, 2, 1)), x);
    __m128i dy = _mm_sub_epi32(_mm_shuffle_epi32(y, _MM_SHUFFLE(3, 0, 2, 1)), y);
    dx = _mm_sub_epi32(_mm_xor_si128(dx, turned), turned);
    dy = _mm_sub_epi32(_mm_xor_si128(dy, turned), turned);
    const __m128i minus_off = _mm_or_si128(
        _mm_cmpgt_epi32(dy, zero), _mm_andnot_si128(_mm_cmpgt_epi32(dx, zero), _mm_cmpeq_epi32(dy, zero)));
    const __m128i d = _mm_or_si128(_mm_and_si128(dx, low), _mm_slli_epi32(dy, 16));
    const __m128i to = _mm_or_si128(_mm_and_si128(_mm_sub_epi32(zero, y), low), _mm_slli_epi32(x, 16));
    Lanes lanes;
    lanes.exact = _mm_madd_epi16(d, to); /* dx (top - y) - dy (left - x) */
    lanes.biased = _mm_add_epi32(lanes.exact, minus_off);
    lanes.across = _mm_slli_epi32(_mm_sub_epi32(zero, dy), SUBPIXEL_BITS);
    lanes.down = _mm_slli_epi32(dx, SUBPIXEL_BITS);
    return lanes;
}

/* Edge functions 1 and 2 at (left, top), and how they grow by column and row. */
typedef struct {
    int32_t e1, e2, across1, across2, down1, down2;
} Slopes;

static ALWAYS_INLINE Slopes slopes_of(const Lanes *lanes) {
    int32_t e[4], across[4], down[4];
    _mm_storeu_si128((__m128i *)e, lanes->exact);
    _mm_storeu_si128((__m128i *)across, lanes->across);
    _mm_storeu_si128((__m128i *)down, lanes->down);
    const Slopes slopes = {e[1], e[2], across[1], across[2], down[1], down[2]};
    return slopes;
}

#define LANE(v, k) _mm_shuffle_epi32(v, (k) * 0x55)

/* Edge function k at 0, 1, 2, 3 steps across. */
#define STEPS(across, k)                                                                                      \
    _mm_add_epi32(_mm_and_si128(LANE(across, k), _mm_set_epi32(-1, 0, -1, 0)),                                \
                  _mm_and_si128(_mm_slli_epi32(LANE(across, k), 1), _mm_set_epi32(-1, -1, 0, 0)))

/* Bit 4 y + x is set where no edge function is negative at pixel (x, y) of a block of 4 x 4. */
static ALWAYS_INLINE unsigned block_bits(__m128i here, const __m128i *steps, __m128i down) {
    __m128i r0 = _mm_add_epi32(LANE(here, 0), steps[0]), d0 = LANE(down, 0);
    __m128i r1 = _mm_add_epi32(LANE(here, 1), steps[1]), d1 = LANE(down, 1);
    __m128i r2 = _mm_add_epi32(LANE(here, 2), steps[2]), d2 = LANE(down, 2);
    unsigned negative = 0;
    for (int y = 0; y < 4; y++) {
        const __m128i any = _mm_or_si128(_mm_or_si128(r0, r1), r2);
        negative |= (unsigned)_mm_movemask_ps(_mm_castsi128_ps(any)) << (4 * y);
        r0 = _mm_add_epi32(r0, d0), r1 = _mm_add_epi32(r1, d1), r2 = _mm_add_epi32(r2, d2);
    }
    return ~negative & 0xFFFFu;
}

static ALWAYS_INLINE void fill_small(const Job *job, const Triangle *t, const Corner *p, Target target, int channels,
                                     int32_t sign, int32_t left, int32_t right, int32_t top, int32_t bottom) {
    Lanes lanes = edges_of(&p[0], &p[1], &p[2], sign, left, top);
    const Slopes s = slopes_of(&lanes);
    const __m128i steps[3] = {STEPS(lanes.across, 0), STEPS(lanes.across, 1), STEPS(lanes.across, 2)};
    for (int32_t y = top; y <= bottom; y += 4) {
        __m128i here = lanes.biased;
        const unsigned rows = bottom - y < 3 ? (16u << (4 * (bottom - y))) - 1 : 0xFFFFu;
        for (int32_t x = left; x <= right; x += 4) {
            const unsigned columns = right - x < 3 ? 0x1111u * ((2u << (right - x)) - 1) : 0xFFFFu;
            unsigned inside = block_bits(here, steps, lanes.down) & rows & columns;
            for (; inside; inside &= inside - 1) {
                const int bit = lowest_bit(inside), i = x - left + (bit & 3), j = y - top + (bit >> 2);
                shade(job, t, target, channels, left + i, top + j, (float)(s.e1 + i * s.across1 + j * s.down1),
                      (float)(s.e2 + i * s.across2 + j * s.down2));
            }
            here = _mm_add_epi32(here, _mm_slli_epi32(lanes.across, 2));
        }
        lanes.biased = _mm_add_epi32(lanes.biased, _mm_slli_epi32(lanes.down, 2));
    }
}

#else
DEFINE_BLOCK(block_small, int32_t)
DEFINE_FILL(fill_small, int32_t, block_small)
#endif
DEFINE_FILL(fill_large, int64_t, block_large)

/* A triangle of any size. */
static ALWAYS_INLINE void fill(const Job *job, const Corner *corners, int32_t number, const int32_t *box, Target target,
                               int channels) {
    const int32_t *corner = job->triangles + 3 * (Py_ssize_t)number;
    const Corner p[3] = {corners[corner[0]], corners[corner[1]], corners[corner[2]]};
    const int64_t ux = (int64_t)p[1].x - p[0].x, uy = (int64_t)p[1].y - p[0].y;
    const int64_t vx = (int64_t)p[2].x - p[0].x, vy = (int64_t)p[2].y - p[0].y;
    const int64_t area = ux * vy - uy * vx;
    if (area == 0 || (job->cull_back && area > 0)) return;
    const int sign = area > 0 ? 1 : -1;
    const Triangle t = {number, 1.0f / (float)(area * sign), p[0].z, p[1].z - p[0].z, p[2].z - p[0].z};
    const int64_t x2 = vx - ux, y2 = vy - uy;
    const int is_small = (ux < SMALL) & (ux > -SMALL) & (uy < SMALL) & (uy > -SMALL) & (vx < SMALL) & (vx > -SMALL) &
                         (vy < SMALL) & (vy > -SMALL) & (x2 < SMALL) & (x2 > -SMALL) & (y2 < SMALL) & (y2 > -SMALL);
    if (is_small)
        fill_small(job, &t, p, target, channels, sign, box[0], -box[2], box[1], -box[3]);
    else
        fill_large(job, &t, p, target, channels, sign, box[0], -box[2], box[1], -box[3]);
}

#endif
