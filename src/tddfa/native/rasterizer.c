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

#if defined(__SSE2__) || defined(_M_X64)

/* As the general one, with the three edges of the triangle in three lanes: all differences of its corners fit
 * in 16 bits, so one instruction makes the two products and the sum of each edge function. */
static ALWAYS_INLINE void fill_small(const Job *job, const Triangle *t, const Corner *p, Target target, int channels,
                                     int32_t sign, int32_t left, int32_t right, int32_t top, int32_t bottom) {
    const int32_t x0 = left * SUBPIXELS, y0 = top * SUBPIXELS;
    const __m128i zero = _mm_setzero_si128(), low = _mm_set1_epi32(0xFFFF), turned = _mm_set1_epi32(sign >> 31);
    const __m128i x = _mm_set_epi32(0, p[0].x - x0, p[2].x - x0, p[1].x - x0);
    const __m128i y = _mm_set_epi32(0, p[0].y - y0, p[2].y - y0, p[1].y - y0);
    /* Lane k is the edge that starts at corner k + 1 and ends at corner k + 2. */
    __m128i dx = _mm_sub_epi32(_mm_shuffle_epi32(x, _MM_SHUFFLE(3, 0, 2, 1)), x);
    __m128i dy = _mm_sub_epi32(_mm_shuffle_epi32(y, _MM_SHUFFLE(3, 0, 2, 1)), y);
    dx = _mm_sub_epi32(_mm_xor_si128(dx, turned), turned);
    dy = _mm_sub_epi32(_mm_xor_si128(dy, turned), turned);
    const __m128i minus_off = _mm_or_si128(
        _mm_cmpgt_epi32(dy, zero), _mm_andnot_si128(_mm_cmpgt_epi32(dx, zero), _mm_cmpeq_epi32(dy, zero)));
    const __m128i d = _mm_or_si128(_mm_and_si128(dx, low), _mm_slli_epi32(dy, 16));
    const __m128i to = _mm_or_si128(_mm_and_si128(_mm_sub_epi32(zero, y), low), _mm_slli_epi32(x, 16));
    const __m128i exact = _mm_madd_epi16(d, to); /* dx (top - y) - dy (left - x) */
    const __m128i across = _mm_slli_epi32(_mm_sub_epi32(zero, dy), SUBPIXEL_BITS);
    const __m128i down = _mm_slli_epi32(dx, SUBPIXEL_BITS);
    __m128i at_left = _mm_add_epi32(exact, minus_off);

    int32_t e[4], per_x[4], per_y[4];
    _mm_storeu_si128((__m128i *)e, exact);
    _mm_storeu_si128((__m128i *)per_x, across);
    _mm_storeu_si128((__m128i *)per_y, down);
    /* Pixels of a row: each edge function at 0, 1, 2, 3 steps. */
    const __m128i odd = _mm_set_epi32(-1, 0, -1, 0), upper = _mm_set_epi32(-1, -1, 0, 0);
    __m128i step[3], lanes[3];
#define LANE(v, k) _mm_shuffle_epi32(v, (k) * 0x55)
#define PREPARE(k)                                                                                            \
    {                                                                                                         \
        const __m128i a = LANE(across, k);                                                                    \
        lanes[k] = _mm_add_epi32(_mm_and_si128(a, odd), _mm_and_si128(_mm_add_epi32(a, a), upper));           \
        step[k] = LANE(down, k);                                                                              \
    }
    PREPARE(0)
    PREPARE(1)
    PREPARE(2)
    for (int32_t by = top; by <= bottom; by += 4) {
        __m128i here = at_left;
        const unsigned rows = bottom - by < 3 ? (16u << (4 * (bottom - by))) - 1 : 0xFFFFu;
        for (int32_t bx = left; bx <= right; bx += 4) {
            const unsigned columns = right - bx < 3 ? 0x1111u * ((2u << (right - bx)) - 1) : 0xFFFFu;
            __m128i r0 = _mm_add_epi32(LANE(here, 0), lanes[0]);
            __m128i r1 = _mm_add_epi32(LANE(here, 1), lanes[1]);
            __m128i r2 = _mm_add_epi32(LANE(here, 2), lanes[2]);
            unsigned negative = 0;
            for (int y4 = 0; y4 < 4; y4++) {
                const __m128i any = _mm_or_si128(_mm_or_si128(r0, r1), r2);
                negative |= (unsigned)_mm_movemask_ps(_mm_castsi128_ps(any)) << (4 * y4);
                r0 = _mm_add_epi32(r0, step[0]);
                r1 = _mm_add_epi32(r1, step[1]);
                r2 = _mm_add_epi32(r2, step[2]);
            }
            unsigned inside = ~negative & rows & columns;
            for (; inside; inside &= inside - 1) {
                const int bit = lowest_bit(inside), i = bx - left + (bit & 3), j = by - top + (bit >> 2);
                shade(job, t, target, channels, left + i, top + j, (float)(e[1] + i * per_x[1] + j * per_y[1]),
                      (float)(e[2] + i * per_x[2] + j * per_y[2]));
            }
            here = _mm_add_epi32(here, _mm_slli_epi32(across, 2));
        }
        at_left = _mm_add_epi32(at_left, _mm_slli_epi32(down, 2));
    }
#undef PREPARE
#undef LANE
}

#else
DEFINE_BLOCK(block_small, int32_t)
DEFINE_FILL(fill_small, int32_t, block_small)
#endif
DEFINE_FILL(fill_large, int64_t, block_large)

static inline int32_t min3(int32_t a, int32_t b, int32_t c) { return a < b ? (a < c ? a : c) : (b < c ? b : c); }
static inline int32_t max3(int32_t a, int32_t b, int32_t c) { return a > b ? (a > c ? a : c) : (b > c ? b : c); }

static void snap(const Job *job, Corner *snapped) {
    for (Py_ssize_t i = 0; i < job->n_vertices; i++) {
        const float *v = job->vertices + 3 * i;
        snapped[i].x = (int32_t)lrintf((v[0] * job->scale) * (float)SUBPIXELS) - job->x0 * SUBPIXELS;
        snapped[i].y = (int32_t)lrintf((v[1] * job->scale) * (float)SUBPIXELS) - job->y0 * SUBPIXELS;
        snapped[i].z = v[2];
    }
}

/* Draws the mesh with its snapped corners. Returns -1 when a triangle names a missing vertex. */
static ALWAYS_INLINE int draw_triangles(const Job *job, const Corner *snapped, Target target, int channels) {
    for (Py_ssize_t i = 0; i < job->n_triangles; i++) {
        const int32_t *corner = job->triangles + 3 * i;
        for (int k = 0; k < 3; k++)
            if (corner[k] < 0 || corner[k] >= job->n_vertices) return -1;
        const Corner *a = &snapped[corner[0]], *b = &snapped[corner[1]], *c = &snapped[corner[2]];
        const int32_t x_min = min3(a->x, b->x, c->x), x_max = max3(a->x, b->x, c->x);
        const int32_t y_min = min3(a->y, b->y, c->y), y_max = max3(a->y, b->y, c->y);
        /* First and last pixel centre in the bounding box; >> rounds down, also below 0. */
        int32_t left = (x_min + SUBPIXELS - 1) >> SUBPIXEL_BITS, right = x_max >> SUBPIXEL_BITS;
        int32_t top = (y_min + SUBPIXELS - 1) >> SUBPIXEL_BITS, bottom = y_max >> SUBPIXEL_BITS;
        if (left < 0) left = 0;
        if (top < 0) top = 0;
        if (right >= job->width) right = job->width - 1;
        if (bottom >= job->height) bottom = job->height - 1;
        if ((left > right) | (top > bottom)) continue;
        const int64_t area = ((int64_t)b->x - a->x) * ((int64_t)c->y - a->y) -
                             ((int64_t)b->y - a->y) * ((int64_t)c->x - a->x);
        if (area == 0 || (job->cull_back && area > 0)) continue;
        const Corner p[3] = {*a, *b, *c};
        const int sign = area > 0 ? 1 : -1;
        const Triangle t = {corner, job->first_triangle + (int32_t)i, 1.0f / (float)(area * sign), a->z,
                            b->z - a->z, c->z - a->z};
        if ((int64_t)x_max - x_min < SMALL && (int64_t)y_max - y_min < SMALL)
            fill_small(job, &t, p, target, channels, sign, left, right, top, bottom);
        else
            fill_large(job, &t, p, target, channels, sign, left, right, top, bottom);
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
