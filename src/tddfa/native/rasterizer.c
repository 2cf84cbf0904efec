/* The rasteriser in C: the same pixels, to the last bit, as its twin in NumPy (render/numpy_kernel.py),
 * which is the specification.
 *
 * That it can be the same rests on three rules: coverage is decided on integers; every float operation is
 * written in the twin's order; the compiler may not fuse a product and a sum (-ffp-contract=off).
 */

#include "kernel.h"

#define SUBPIXEL_BITS 8
#define SUBPIXELS (1 << SUBPIXEL_BITS)

/* With corners less than this apart, twice the area of a triangle and its edge functions fit in 32 bits. */
#define SMALL (1 << 14)

typedef struct {
    const float *vertices; /* n_vertices x 3 */
    const int32_t *triangles; /* n_triangles x 3 */
    Py_ssize_t n_vertices, n_triangles;
    float scale; /* of x and y, before anything else */
    int32_t x0, y0, width, height; /* the part of the picture that is filled */
    int cull_back;
    int32_t first_triangle; /* number of this mesh's first triangle among all meshes */
    float *depth; /* height x width */
    int32_t *index; /* height x width, or NULL */
    float *barycentric; /* height x width x 3, or NULL */
    const float *values; /* n_vertices x channels, or NULL */
    int channels;
    float *out; /* height x width x channels, or NULL */
    uint8_t *picture; /* its pixel at (x0, y0), or NULL */
    const uint8_t *photo; /* the same pixel of the photo that shines through, or NULL */
    Py_ssize_t stride; /* bytes per row of both */
    int picture_channels;
    float alpha;
    float under[256]; /* what is left of each level of the photo */
    uint8_t opacity;
} Job;

/* A vertex on the grid of the region, and what the pixels beside it tell of a triangle's bounding box. */
typedef struct {
    int32_t x, y;
    float z, unused;
} Corner;

typedef struct {
    float left, top, minus_right, minus_bottom; /* whole numbers: the smallest of three corners is the box */
} Box;

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif
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

typedef enum { DEPTH, INDEX, VALUES, PICTURE } Target;

/* One pixel that the triangle covers: the depth test and what follows it. `target` and `channels` are
 * constants at every call: the compiler removes what does not apply. */
static ALWAYS_INLINE void draw_pixel(const Job *job, Target target, int channels, int32_t number, int32_t x, int32_t y,
                                     float b1, float b2, float z) {
    const Py_ssize_t pixel = (Py_ssize_t)y * job->width + x;
    if (!(z < job->depth[pixel])) return;
    job->depth[pixel] = z;
    if (target == DEPTH) return;
    if (target == INDEX) {
        job->index[pixel] = job->first_triangle + number;
        job->barycentric[3 * pixel] = (1.0f - b1) - b2;
        job->barycentric[3 * pixel + 1] = b1;
        job->barycentric[3 * pixel + 2] = b2;
        return;
    }
    const int32_t *corner = job->triangles + 3 * (Py_ssize_t)number;
    const float *a0 = job->values + (Py_ssize_t)channels * corner[0];
    const float *a1 = job->values + (Py_ssize_t)channels * corner[1];
    const float *a2 = job->values + (Py_ssize_t)channels * corner[2];
    if (target == VALUES) {
        float *out = job->out + channels * pixel;
        for (int k = 0; k < channels; k++) out[k] = (a0[k] + b1 * (a1[k] - a0[k])) + b2 * (a2[k] - a0[k]);
        return;
    }
    float level[3];
    for (int k = 0; k < 3; k++)
        if (k < channels) level[k] = job->alpha * (clamp01((a0[k] + b1 * (a1[k] - a0[k])) + b2 * (a2[k] - a0[k])) * 255.0f);
    const Py_ssize_t at = y * job->stride + (Py_ssize_t)x * job->picture_channels;
    uint8_t *out = job->picture + at;
    if (job->photo) {
        const uint8_t *photo = job->photo + at;
        for (int k = 0; k < 3; k++) out[k] = (uint8_t)lrintf(level[channels == 1 ? 0 : k] + job->under[photo[k]]);
    } else {
        for (int k = 0; k < 3; k++) out[k] = (uint8_t)lrintf(level[channels == 1 ? 0 : k]);
        if (job->picture_channels == 4) out[3] = job->opacity;
    }
}

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

static ALWAYS_INLINE void snap(const Job *job, const float *vertex, Corner *corner, Box *box) {
    const int32_t x = (int32_t)lrintf((vertex[0] * job->scale) * (float)SUBPIXELS) - job->x0 * SUBPIXELS;
    const int32_t y = (int32_t)lrintf((vertex[1] * job->scale) * (float)SUBPIXELS) - job->y0 * SUBPIXELS;
    corner->x = x, corner->y = y, corner->z = vertex[2];
    /* >> rounds down, also below 0. */
    box->left = (float)((x + SUBPIXELS - 1) >> SUBPIXEL_BITS), box->minus_right = (float)-(x >> SUBPIXEL_BITS);
    box->top = (float)((y + SUBPIXELS - 1) >> SUBPIXEL_BITS), box->minus_bottom = (float)-(y >> SUBPIXEL_BITS);
}

#if defined(__SSE2__) || defined(_M_X64)

static void snap_all(const Job *job, Corner *corners, Box *boxes) {
    const __m128 scale = _mm_set1_ps(job->scale), subpixels = _mm_set1_ps((float)SUBPIXELS);
    const __m128i origin = _mm_set_epi32(0, 0, job->y0 * SUBPIXELS, job->x0 * SUBPIXELS);
    Py_ssize_t i = 0;
    for (; i + 1 < job->n_vertices; i++) { /* it reads four numbers of three */
        const __m128 v = _mm_loadu_ps(job->vertices + 3 * i);
        const __m128i at = _mm_sub_epi32(_mm_cvtps_epi32(_mm_mul_ps(_mm_mul_ps(v, scale), subpixels)), origin);
        const __m128i first = _mm_srai_epi32(_mm_add_epi32(at, _mm_set1_epi32(SUBPIXELS - 1)), SUBPIXEL_BITS);
        const __m128i minus_last = _mm_sub_epi32(_mm_setzero_si128(), _mm_srai_epi32(at, SUBPIXEL_BITS));
        _mm_storeu_ps(&boxes[i].left, _mm_cvtepi32_ps(_mm_unpacklo_epi64(first, minus_last)));
        _mm_storeu_ps((float *)&corners[i], _mm_shuffle_ps(_mm_castsi128_ps(at), v, _MM_SHUFFLE(3, 2, 1, 0)));
    }
    for (; i < job->n_vertices; i++) snap(job, job->vertices + 3 * i, &corners[i], &boxes[i]);
}

/* Whether the bounding box holds the centre of a pixel of the region; first column and row of these, and last ones
 * with a minus; and whether there are no more than four columns and rows, also beyond the region. */
static ALWAYS_INLINE int near_box(const Job *job, const Box *a, const Box *b, const Box *c, int32_t *out, int *small) {
    const __m128 limits = _mm_set_ps(0, 0, (float)(job->height - 1), (float)(job->width - 1));
    const __m128 region = _mm_set_ps((float)(1 - job->height), (float)(1 - job->width), 0, 0);
    const __m128 box = _mm_min_ps(_mm_min_ps(_mm_loadu_ps(&a->left), _mm_loadu_ps(&b->left)), _mm_loadu_ps(&c->left));
    const __m128 minus_span = _mm_add_ps(box, _mm_shuffle_ps(box, box, _MM_SHUFFLE(1, 0, 3, 2)));
    _mm_storeu_si128((__m128i *)out, _mm_cvttps_epi32(_mm_max_ps(box, region)));
    *small = _mm_movemask_ps(_mm_cmplt_ps(minus_span, _mm_set1_ps(-3))) == 0;
    return _mm_movemask_ps(_mm_or_ps(_mm_cmpgt_ps(minus_span, _mm_setzero_ps()), _mm_cmpgt_ps(box, limits))) == 0;
}

#else

static void snap_all(const Job *job, Corner *corners, Box *boxes) {
    for (Py_ssize_t i = 0; i < job->n_vertices; i++) snap(job, job->vertices + 3 * i, &corners[i], &boxes[i]);
}

static ALWAYS_INLINE float least(float a, float b, float c) { return a < b ? (a < c ? a : c) : (b < c ? b : c); }

static ALWAYS_INLINE int near_box(const Job *job, const Box *a, const Box *b, const Box *c, int32_t *out, int *small) {
    const float left = least(a->left, b->left, c->left), top = least(a->top, b->top, c->top);
    const float right = -least(a->minus_right, b->minus_right, c->minus_right);
    const float bottom = -least(a->minus_bottom, b->minus_bottom, c->minus_bottom);
    const float last_column = (float)(job->width - 1), last_row = (float)(job->height - 1);
    out[0] = (int32_t)(left > 0 ? left : 0), out[2] = -(int32_t)(right < last_column ? right : last_column);
    out[1] = (int32_t)(top > 0 ? top : 0), out[3] = -(int32_t)(bottom < last_row ? bottom : last_row);
    *small = (right - left <= 3) & (bottom - top <= 3);
    return (left <= right) & (top <= bottom) & (left <= last_column) & (top <= last_row) & (right >= 0) & (bottom >= 0);
}

#endif

#define WAITING 256 /* pixels that are looked at together */

/* Pixels that small triangles may cover, with the triangles' corners as seen from there. */
typedef struct {
    int count;
    int32_t number[WAITING], place[WAITING][2]; /* triangle, column and row */
    int32_t x[3][WAITING], y[3][WAITING];
    float z[3][WAITING];
    float b1[WAITING], b2[WAITING], depth[WAITING];
    int32_t inside[WAITING];
} Waiting;

/* Column and row of the pixels of a small box, by its width. */
static const int32_t STEPS_OF[5][16][2] = {
    {{0}},
    {{0, 0}, {0, 1}, {0, 2}, {0, 3}},
    {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}},
    {{0, 0}, {1, 0}, {2, 0}, {0, 1}, {1, 1}, {2, 1}, {0, 2}, {1, 2}, {2, 2}, {0, 3}, {1, 3}, {2, 3}},
    {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {0, 1}, {1, 1}, {2, 1}, {3, 1},
     {0, 2}, {1, 2}, {2, 2}, {3, 2}, {0, 3}, {1, 3}, {2, 3}, {3, 3}},
};

static ALWAYS_INLINE void add_four(Waiting *w, int at, int32_t number, const int32_t *box, const int32_t (*steps)[2]) {
    for (int j = 0; j < 4; j++) w->number[at + j] = number;
    for (int j = 0; j < 4; j++)
        for (int k = 0; k < 2; k++) w->place[at + j][k] = box[k] + steps[j][k];
}

/* Four at a time, though most triangles have fewer: a loop would be a branch that nobody can predict. */
static ALWAYS_INLINE void add_small(Waiting *w, int32_t number, const int32_t *box) {
    const int across = 1 - box[0] - box[2], all = across * (1 - box[1] - box[3]), at = w->count;
    const int32_t (*steps)[2] = STEPS_OF[across];
    add_four(w, at, number, box, steps);
    for (int j = 4; j < all; j += 4) add_four(w, at + j, number, box, steps + j);
    w->count = at + all;
}

static ALWAYS_INLINE void gather(const Job *job, const Corner *corners, Waiting *w) {
#if defined(__SSE2__) || defined(_M_X64)
    for (int i = 0; i < w->count; i += 4) {
        const int32_t *corner[4];
        __m128i from[4];
        for (int j = 0; j < 4; j++) {
            corner[j] = job->triangles + 3 * (Py_ssize_t)w->number[i + j];
            from[j] = _mm_slli_epi32(_mm_loadl_epi64((const __m128i *)w->place[i + j]), SUBPIXEL_BITS);
        }
        for (int k = 0; k < 3; k++) {
            __m128i v[4];
            for (int j = 0; j < 4; j++)
                v[j] = _mm_sub_epi32(_mm_loadu_si128((const __m128i *)&corners[corner[j][k]]), from[j]);
            const __m128i xy01 = _mm_unpacklo_epi32(v[0], v[1]), xy23 = _mm_unpacklo_epi32(v[2], v[3]);
            const __m128i z01 = _mm_unpackhi_epi32(v[0], v[1]), z23 = _mm_unpackhi_epi32(v[2], v[3]);
            _mm_storeu_si128((__m128i *)&w->x[k][i], _mm_unpacklo_epi64(xy01, xy23));
            _mm_storeu_si128((__m128i *)&w->y[k][i], _mm_unpackhi_epi64(xy01, xy23));
            _mm_storeu_si128((__m128i *)&w->z[k][i], _mm_unpacklo_epi64(z01, z23));
        }
    }
#else
    for (int i = 0; i < w->count; i++) {
        const int32_t *corner = job->triangles + 3 * (Py_ssize_t)w->number[i];
        const int32_t x = w->place[i][0] * SUBPIXELS, y = w->place[i][1] * SUBPIXELS;
        for (int k = 0; k < 3; k++) {
            const Corner *c = &corners[corner[k]];
            w->x[k][i] = c->x - x, w->y[k][i] = c->y - y, w->z[k][i] = c->z;
        }
    }
#endif
}

/* Numbers are whole and small: products of floats are exact. */
static ALWAYS_INLINE void cover(Waiting *w, float most_area) {
    const int n = (w->count + 7) & ~7;
    for (int i = 0; i < n; i++) {
        const float xa = (float)w->x[0][i], xb = (float)w->x[1][i], xc = (float)w->x[2][i];
        const float ya = (float)w->y[0][i], yb = (float)w->y[1][i], yc = (float)w->y[2][i];
        const float e0 = xb * yc - yb * xc, e1 = xc * ya - yc * xa, e2 = xa * yb - ya * xb;
        const float area = (e0 + e1) + e2, sign = area > 0 ? 1.0f : -1.0f;
        /* Below 0 on edges that are top or left; its size is less than 2^24. */
        const float t0 = (yc - yb) * 4096.0f - (xc - xb), t1 = (ya - yc) * 4096.0f - (xa - xc);
        const float t2 = (yb - ya) * 4096.0f - (xb - xa);
        const float f0 = (e0 * 16777216.0f - t0) * sign, f1 = (e1 * 16777216.0f - t1) * sign;
        const float f2 = (e2 * 16777216.0f - t2) * sign;
        w->inside[i] = (f0 > 0) & (f1 > 0) & (f2 > 0) & (area != 0) & (area < most_area);
        const float per_area = 1.0f / (area * sign);
        const float b1 = (e1 * sign + 0.0f) * per_area, b2 = (e2 * sign + 0.0f) * per_area;
        w->b1[i] = b1, w->b2[i] = b2;
        w->depth[i] = (w->z[0][i] + b1 * (w->z[1][i] - w->z[0][i])) + b2 * (w->z[2][i] - w->z[0][i]);
    }
}

/* Draws the waiting pixels, in order. */
static ALWAYS_INLINE void draw_waiting(const Job *job, const Corner *corners, Waiting *w, Target target, int channels) {
    int32_t hits[WAITING];
    int n_hits = 0;
    gather(job, corners, w);
    cover(w, job->cull_back ? 0.0f : INFINITY);
    for (int i = 0; i < w->count; i++) {
        hits[n_hits] = i;
        n_hits += w->inside[i];
    }
    for (int k = 0; k < n_hits; k++) {
        const int i = hits[k];
        draw_pixel(job, target, channels, w->number[i], w->place[i][0], w->place[i][1], w->b1[i], w->b2[i], w->depth[i]);
    }
    w->count = 0;
}

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

#define TOGETHER 128 /* triangles whose boxes are looked at together */

/* Draws the mesh. Returns -1 when a triangle names a missing vertex. */
static ALWAYS_INLINE int draw_triangles(const Job *job, const Corner *corners, const Box *boxes, Target target,
                                        int channels) {
    Waiting waiting;
    int32_t numbers[TOGETHER], near[TOGETHER][4];
    uint8_t small[TOGETHER];
    memset(&waiting, 0, sizeof waiting);
    /* The largest number of a vertex. */
    const uint32_t most = (uint32_t)(job->n_vertices < INT32_MAX ? job->n_vertices : INT32_MAX) - 1;
    for (Py_ssize_t start = 0; start < job->n_triangles; start += TOGETHER) {
        const int n = job->n_triangles - start < TOGETHER ? (int)(job->n_triangles - start) : TOGETHER;
        const int32_t *corner = job->triangles + 3 * start;
        uint32_t missing = 0; /* its highest bit */
        for (int i = 0; i < 3 * n; i++) missing |= (uint32_t)corner[i] | (most - (uint32_t)corner[i]);
        if (missing >> 31) return -1;
        /* First those whose bounding box holds the centre of a pixel, without a branch: half of them do. */
        int n_near = 0;
        for (int i = 0; i < n; i++, corner += 3) {
            int is_small;
            numbers[n_near] = (int32_t)(start + i);
            const int is_near =
                near_box(job, &boxes[corner[0]], &boxes[corner[1]], &boxes[corner[2]], near[n_near], &is_small);
            small[n_near] = (uint8_t)is_small;
            n_near += is_near;
        }
        for (int m = 0; m < n_near; m++) {
            const int32_t *box = near[m];
            if (!small[m]) {
                /* Of equal depth the first one shows: what waits goes first. */
                draw_waiting(job, corners, &waiting, target, channels);
                fill(job, corners, numbers[m], box, target, channels);
                continue;
            }
            add_small(&waiting, numbers[m], box);
            if (waiting.count > WAITING - 16) draw_waiting(job, corners, &waiting, target, channels);
        }
    }
    draw_waiting(job, corners, &waiting, target, channels);
    return 0;
}

static int draw(const Job *job, Corner *corners, Box *boxes) {
    if (job->width < 1 || job->height < 1) return 0;
    snap_all(job, corners, boxes);
    if (job->index) return draw_triangles(job, corners, boxes, INDEX, 0);
    if (job->out) return draw_triangles(job, corners, boxes, VALUES, job->channels);
    if (job->picture && job->channels == 1) return draw_triangles(job, corners, boxes, PICTURE, 1);
    if (job->picture) return draw_triangles(job, corners, boxes, PICTURE, 3);
    return draw_triangles(job, corners, boxes, DEPTH, 0);
}

/* Draws without the interpreter lock, and turns what went wrong into an exception. */
static PyObject *draw_job(const Job *job, Arrays *arrays) {
    Corner *snapped = malloc((sizeof(Corner) + sizeof(Box)) * (size_t)(job->n_vertices + 1));
    int status = 0;
    if (snapped) {
        Py_BEGIN_ALLOW_THREADS
        status = draw(job, snapped, (Box *)(snapped + job->n_vertices + 1));
        Py_END_ALLOW_THREADS
        free(snapped);
    }
    release(arrays);
    if (!snapped) return PyErr_NoMemory();
    if (status < 0) return missing_vertex();
    Py_RETURN_NONE;
}

/* rasterize(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, cull_back, first_triangle,
 *           index, barycentric, depth) */
PyObject *rasterize(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *index, *barycentric, *depth;
    if (!PyArg_ParseTuple(args, "nnOOiiiiiiOOO", &job.n_vertices, &job.n_triangles, &vertices, &triangles,
                          &job.x0, &job.y0, &job.width, &job.height, &job.cull_back, &job.first_triangle, &index,
                          &barycentric, &depth))
        return NULL;
    const Py_ssize_t pixels = (Py_ssize_t)job.width * job.height;
    if (!(job.vertices = elements(&arrays, vertices, 4, 3 * job.n_vertices, 0)) ||
        !(job.triangles = elements(&arrays, triangles, 4, 3 * job.n_triangles, 0)) ||
        !(job.index = elements(&arrays, index, 4, pixels, 1)) ||
        !(job.barycentric = elements(&arrays, barycentric, 4, 3 * pixels, 1)) ||
        !(job.depth = elements(&arrays, depth, 4, pixels, 1))) {
        release(&arrays);
        return NULL;
    }
    return draw_job(&job, &arrays);
}

/* depth(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, scale, depth) */
PyObject *depth(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *depth_object;
    if (!PyArg_ParseTuple(args, "nnOOiiiifO", &job.n_vertices, &job.n_triangles, &vertices, &triangles, &job.x0,
                          &job.y0, &job.width, &job.height, &job.scale, &depth_object))
        return NULL;
    if (!(job.vertices = elements(&arrays, vertices, 4, 3 * job.n_vertices, 0)) ||
        !(job.triangles = elements(&arrays, triangles, 4, 3 * job.n_triangles, 0)) ||
        !(job.depth = elements(&arrays, depth_object, 4, (Py_ssize_t)job.width * job.height, 1))) {
        release(&arrays);
        return NULL;
    }
    return draw_job(&job, &arrays);
}

/* interpolate(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, scale, channels, values,
 *             depth, out) */
PyObject *interpolate(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *values, *depth, *out;
    if (!PyArg_ParseTuple(args, "nnOOiiiifiOOO", &job.n_vertices, &job.n_triangles, &vertices, &triangles, &job.x0,
                          &job.y0, &job.width, &job.height, &job.scale, &job.channels, &values, &depth, &out))
        return NULL;
    const Py_ssize_t pixels = (Py_ssize_t)job.width * job.height;
    if (!(job.vertices = elements(&arrays, vertices, 4, 3 * job.n_vertices, 0)) ||
        !(job.triangles = elements(&arrays, triangles, 4, 3 * job.n_triangles, 0)) ||
        !(job.values = elements(&arrays, values, 4, job.channels * job.n_vertices, 0)) ||
        !(job.depth = elements(&arrays, depth, 4, pixels, 1)) ||
        !(job.out = elements(&arrays, out, 4, job.channels * pixels, 1))) {
        release(&arrays);
        return NULL;
    }
    return draw_job(&job, &arrays);
}

/* paint(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, channels, values, depth,
 *       picture_width, picture_height, picture_channels, picture, photo or None, alpha, rest, opacity) */
PyObject *paint(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *values, *depth, *picture, *photo;
    Py_ssize_t picture_width, picture_height;
    float rest;
    int opacity;
    if (!PyArg_ParseTuple(args, "nnOOiiiiiOOnniOOffi", &job.n_vertices, &job.n_triangles, &vertices, &triangles,
                          &job.x0, &job.y0, &job.width, &job.height, &job.channels, &values, &depth, &picture_width,
                          &picture_height, &job.picture_channels, &picture, &photo, &job.alpha, &rest, &opacity))
        return NULL;
    if ((job.channels != 1 && job.channels != 3) || (job.picture_channels != 3 && job.picture_channels != 4) ||
        (photo != Py_None && job.picture_channels != 3) || job.x0 < 0 || job.y0 < 0 || job.width < 0 ||
        job.height < 0 || job.x0 > picture_width - job.width || job.y0 > picture_height - job.height) {
        PyErr_SetString(PyExc_ValueError, "the painted part reaches out of the picture");
        return NULL;
    }
    const Py_ssize_t pixels = (Py_ssize_t)job.width * job.height;
    const Py_ssize_t bytes = picture_width * picture_height * job.picture_channels;
    if (!(job.vertices = elements(&arrays, vertices, 4, 3 * job.n_vertices, 0)) ||
        !(job.triangles = elements(&arrays, triangles, 4, 3 * job.n_triangles, 0)) ||
        !(job.values = elements(&arrays, values, 4, job.channels * job.n_vertices, 0)) ||
        !(job.depth = elements(&arrays, depth, 4, pixels, 1)) ||
        !(job.picture = elements(&arrays, picture, 1, bytes, 1)) ||
        (photo != Py_None && !(job.photo = elements(&arrays, photo, 1, bytes, 0)))) {
        release(&arrays);
        return NULL;
    }
    job.stride = picture_width * job.picture_channels;
    const Py_ssize_t origin = job.y0 * job.stride + (Py_ssize_t)job.x0 * job.picture_channels;
    job.picture += origin;
    if (job.photo) job.photo += origin;
    for (int v = 0; v < 256; v++) job.under[v] = rest * (float)v;
    job.opacity = (uint8_t)opacity;
    return draw_job(&job, &arrays);
}
