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

typedef struct {
    int32_t x, y;
    float z;
} Corner;

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
    const int32_t *corner; /* its vertices */
    int32_t number; /* among the triangles of all meshes */
    float per_area, z0, dz1, dz2;
} Triangle;

typedef enum { DEPTH, INDEX, VALUES, PICTURE } Target;

/* One pixel that the triangle covers, with edge functions e1 and e2: the depth test and what follows it.
 * `target` and `channels` are constants at every call: the compiler removes what does not apply. */
static ALWAYS_INLINE void shade(const Job *job, const Triangle *t, Target target, int channels, int32_t x, int32_t y,
                                float e1, float e2) {
    const Py_ssize_t pixel = (Py_ssize_t)y * job->width + x;
    const float b1 = e1 * t->per_area, b2 = e2 * t->per_area;
    const float z = (t->z0 + b1 * t->dz1) + b2 * t->dz2;
    if (!(z < job->depth[pixel])) return;
    job->depth[pixel] = z;
    if (target == DEPTH) return;
    if (target == INDEX) {
        job->index[pixel] = t->number;
        job->barycentric[3 * pixel] = (1.0f - b1) - b2;
        job->barycentric[3 * pixel + 1] = b1;
        job->barycentric[3 * pixel + 2] = b2;
        return;
    }
    const float *a0 = job->values + (Py_ssize_t)channels * t->corner[0];
    const float *a1 = job->values + (Py_ssize_t)channels * t->corner[1];
    const float *a2 = job->values + (Py_ssize_t)channels * t->corner[2];
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

/* Fills one triangle in blocks of 4 x 4 pixels: most triangles lie in one, and are found without a branch.
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

/* Edge functions 1 and 2 at the first pixel of a block, and how they grow by column and row. */
typedef struct {
    int32_t e1, e2, across1, across2, down1, down2;
} Slopes;

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

/* The pixels of one block that a small triangle covers. */
static ALWAYS_INLINE unsigned cover_block(const Corner *a, const Corner *b, const Corner *c, int32_t sign, int32_t left,
                                          int32_t top, Slopes *slopes) {
    const Lanes lanes = edges_of(a, b, c, sign, left, top);
    const __m128i steps[3] = {STEPS(lanes.across, 0), STEPS(lanes.across, 1), STEPS(lanes.across, 2)};
    *slopes = slopes_of(&lanes);
    return block_bits(lanes.biased, steps, lanes.down);
}

#else
DEFINE_BLOCK(block_small, int32_t)
DEFINE_FILL(fill_small, int32_t, block_small)

static ALWAYS_INLINE unsigned cover_block(const Corner *a, const Corner *b, const Corner *c, int32_t sign, int32_t left,
                                          int32_t top, Slopes *slopes) {
    const Corner *p[3] = {a, b, c};
    int32_t e[3], exact[3], across[3], down[3];
    for (int k = 0; k < 3; k++) {
        const Corner *from = p[(k + 1) % 3], *to = p[(k + 2) % 3];
        const int32_t dx = (to->x - from->x) * sign, dy = (to->y - from->y) * sign;
        across[k] = -dy * SUBPIXELS;
        down[k] = dx * SUBPIXELS;
        exact[k] = dx * (top * SUBPIXELS - from->y) - dy * (left * SUBPIXELS - from->x);
        e[k] = exact[k] - ((dy > 0) | ((dy == 0) & (dx <= 0)));
    }
    const Slopes found = {exact[1], exact[2], across[1], across[2], down[1], down[2]};
    *slopes = found;
    return block_small(e, across, down);
}
#endif
DEFINE_FILL(fill_large, int64_t, block_large)

static ALWAYS_INLINE int32_t min2(int32_t a, int32_t b) { return a < b ? a : b; }
static ALWAYS_INLINE int32_t max2(int32_t a, int32_t b) { return a > b ? a : b; }
static ALWAYS_INLINE int32_t min3(int32_t a, int32_t b, int32_t c) { return min2(min2(a, b), c); }
static ALWAYS_INLINE int32_t max3(int32_t a, int32_t b, int32_t c) { return max2(max2(a, b), c); }

static void snap(const Job *job, Corner *snapped) {
    for (Py_ssize_t i = 0; i < job->n_vertices; i++) {
        const float *v = job->vertices + 3 * i;
        snapped[i].x = (int32_t)lrintf((v[0] * job->scale) * (float)SUBPIXELS) - job->x0 * SUBPIXELS;
        snapped[i].y = (int32_t)lrintf((v[1] * job->scale) * (float)SUBPIXELS) - job->y0 * SUBPIXELS;
        snapped[i].z = v[2];
    }
}

#define WAITING 128 /* small triangles that are drawn together */

/* A triangle that lies in one block of 4 x 4 pixels and covers some. */
typedef struct {
    Triangle triangle;
    Slopes slopes;
    int32_t left, top;
    unsigned inside;
} Small;

/* Draws the waiting triangles, in order, pixel by pixel over all of them: were it a loop in a loop, every
 * triangle would cost a wrongly predicted branch, as nobody knows how many pixels it has. */
static ALWAYS_INLINE void draw_waiting(const Job *job, Small *small, int count, Target target, int channels) {
    const Small *end = small + count;
    if (count == 0) return;
    small[count].inside = 0; /* there is room for one more */
    unsigned inside = small->inside;
    while (small < end) {
        const int bit = lowest_bit(inside), i = bit & 3, j = bit >> 2;
        const Slopes *s = &small->slopes;
        shade(job, &small->triangle, target, channels, small->left + i, small->top + j,
              (float)(s->e1 + i * s->across1 + j * s->down1), (float)(s->e2 + i * s->across2 + j * s->down2));
        inside &= inside - 1;
        small += inside == 0;
        inside = inside == 0 ? small->inside : inside;
    }
}

/* Draws the mesh with its snapped corners. Returns -1 when a triangle names a missing vertex. */
static ALWAYS_INLINE int draw_triangles(const Job *job, const Corner *snapped, Target target, int channels) {
    Small small[WAITING + 1];
    int32_t near[WAITING];
    for (Py_ssize_t start = 0; start < job->n_triangles; start += WAITING) {
        const int n = job->n_triangles - start < WAITING ? (int)(job->n_triangles - start) : WAITING;
        /* First those whose bounding box holds the centre of a pixel, without a branch: half of them do. */
        int n_near = 0, missing = 0;
        for (int i = 0; i < n; i++) {
            const int32_t *corner = job->triangles + 3 * (start + i);
            if (((size_t)(uint32_t)corner[0] >= (size_t)job->n_vertices) |
                ((size_t)(uint32_t)corner[1] >= (size_t)job->n_vertices) |
                ((size_t)(uint32_t)corner[2] >= (size_t)job->n_vertices)) {
                missing = 1;
                break;
            }
            const Corner *a = &snapped[corner[0]], *b = &snapped[corner[1]], *c = &snapped[corner[2]];
            /* >> rounds down, also below 0. */
            const int32_t left = (min3(a->x, b->x, c->x) + SUBPIXELS - 1) >> SUBPIXEL_BITS;
            const int32_t right = max3(a->x, b->x, c->x) >> SUBPIXEL_BITS;
            const int32_t top = (min3(a->y, b->y, c->y) + SUBPIXELS - 1) >> SUBPIXEL_BITS;
            const int32_t bottom = max3(a->y, b->y, c->y) >> SUBPIXEL_BITS;
            near[n_near] = i;
            n_near += (left <= right) & (top <= bottom) & (right >= 0) & (bottom >= 0) & (left < job->width) &
                      (top < job->height);
        }
        int waiting = 0;
        for (int m = 0; m < n_near; m++) {
            const Py_ssize_t number = start + near[m];
            const int32_t *corner = job->triangles + 3 * number;
            const Corner *a = &snapped[corner[0]], *b = &snapped[corner[1]], *c = &snapped[corner[2]];
            const int32_t x_min = min3(a->x, b->x, c->x), x_max = max3(a->x, b->x, c->x);
            const int32_t y_min = min3(a->y, b->y, c->y), y_max = max3(a->y, b->y, c->y);
            int32_t left = (x_min + SUBPIXELS - 1) >> SUBPIXEL_BITS, right = x_max >> SUBPIXEL_BITS;
            int32_t top = (y_min + SUBPIXELS - 1) >> SUBPIXEL_BITS, bottom = y_max >> SUBPIXEL_BITS;
            left = left < 0 ? 0 : left;
            top = top < 0 ? 0 : top;
            right = right >= job->width ? job->width - 1 : right;
            bottom = bottom >= job->height ? job->height - 1 : bottom;
            const int64_t area = ((int64_t)b->x - a->x) * ((int64_t)c->y - a->y) -
                                 ((int64_t)b->y - a->y) * ((int64_t)c->x - a->x);
            if (area == 0 || (job->cull_back && area > 0)) continue;
            const int sign = area > 0 ? 1 : -1;
            const Triangle t = {corner, job->first_triangle + (int32_t)number, 1.0f / (float)(area * sign), a->z,
                                b->z - a->z, c->z - a->z};
            const int is_small = ((int64_t)x_max - x_min < SMALL) & ((int64_t)y_max - y_min < SMALL);
            if (is_small & (right - left < 4) & (bottom - top < 4)) {
                Small *next = &small[waiting];
                const unsigned within = ((16u << (4 * (bottom - top))) - 1) & (0x1111u * ((2u << (right - left)) - 1));
                next->inside = cover_block(a, b, c, sign, left, top, &next->slopes) & within;
                next->triangle = t;
                next->left = left, next->top = top;
                waiting += next->inside != 0;
                continue;
            }
            /* Of equal depth the first one shows: what waits goes first. */
            draw_waiting(job, small, waiting, target, channels);
            waiting = 0;
            const Corner p[3] = {*a, *b, *c};
            if (is_small)
                fill_small(job, &t, p, target, channels, sign, left, right, top, bottom);
            else
                fill_large(job, &t, p, target, channels, sign, left, right, top, bottom);
        }
        draw_waiting(job, small, waiting, target, channels);
        if (missing) return -1;
    }
    return 0;
}

static int draw(const Job *job, Corner *snapped) {
    snap(job, snapped);
    if (job->index) return draw_triangles(job, snapped, INDEX, 0);
    if (job->out) return draw_triangles(job, snapped, VALUES, job->channels);
    if (job->picture && job->channels == 1) return draw_triangles(job, snapped, PICTURE, 1);
    if (job->picture) return draw_triangles(job, snapped, PICTURE, 3);
    return draw_triangles(job, snapped, DEPTH, 0);
}

/* Draws without the interpreter lock, and turns what went wrong into an exception. */
static PyObject *draw_job(const Job *job, Arrays *arrays) {
    Corner *snapped = malloc(sizeof(Corner) * (size_t)(job->n_vertices + 1));
    int status = 0;
    if (snapped) {
        Py_BEGIN_ALLOW_THREADS
        status = draw(job, snapped);
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
