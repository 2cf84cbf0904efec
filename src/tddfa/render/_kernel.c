/* The rasteriser in C: the same pixels, to the last bit, as its twin in NumPy (numpy_kernel.py),
 * which is the specification.
 *
 * That it can be the same rests on three rules: coverage is decided on integers; every float operation is
 * written in the twin's order; the compiler may not fuse a product and a sum (-ffp-contract=off).
 *
 * Arrays come as buffers (the stable ABI has no NumPy); the Python side allocates and checks shapes, this
 * side checks sizes and indices, so that no argument can make it leave its arrays.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SUBPIXEL_BITS 8
#define SUBPIXELS (1 << SUBPIXEL_BITS)

/* With corners less than this apart, twice the area of a triangle and its edge functions fit in 32 bits. */
#define SMALL (1 << 14)

#define MAX_ARRAYS 8

typedef struct {
    Py_buffer views[MAX_ARRAYS];
    int count;
} Arrays;

static void release(Arrays *arrays) {
    while (arrays->count > 0) PyBuffer_Release(&arrays->views[--arrays->count]);
}

/* The elements of `object`, or NULL with an exception when it has another number of them. */
static void *elements(Arrays *arrays, PyObject *object, Py_ssize_t itemsize, Py_ssize_t count, int writable) {
    int flags = PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    Py_buffer *view = &arrays->views[arrays->count];
    if (PyObject_GetBuffer(object, view, flags) < 0) return NULL;
    arrays->count++;
    if (view->len != itemsize * count) {
        PyErr_Format(PyExc_ValueError, "an array has %zd bytes where %zd are needed", view->len, itemsize * count);
        return NULL;
    }
    return view->buf;
}

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
    uint8_t *mask; /* height x width, or NULL */
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
#define ALWAYS_INLINE __forceinline
static ALWAYS_INLINE int lowest_bit(unsigned v) {
    unsigned long k;
    _BitScanForward(&k, v);
    return (int)k;
}
#else
#define ALWAYS_INLINE inline __attribute__((always_inline))
static ALWAYS_INLINE int lowest_bit(unsigned v) { return __builtin_ctz(v); }
#endif

/* What is fixed for one triangle. */
typedef struct {
    const int32_t *corner; /* its vertices */
    int32_t number; /* among the triangles of all meshes */
    float per_area, z0, dz1, dz2;
} Triangle;

typedef enum { DEPTH, INDEX, VALUES, PICTURE } Target;

static inline float clamp01(float v) { return v > 0.0f ? (v > 1.0f ? 1.0f : v) : 0.0f; } /* NaN: 0 */

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
        job->mask[pixel] = 1;
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
#if defined(__SSE2__) || defined(_M_X64)
static ALWAYS_INLINE unsigned block_small(const int32_t *e, const int32_t *across, const int32_t *down) {
    __m128i row[3], step[3];
    for (int k = 0; k < 3; k++) {
        row[k] = _mm_add_epi32(_mm_set1_epi32(e[k]), _mm_set_epi32(3 * across[k], 2 * across[k], across[k], 0));
        step[k] = _mm_set1_epi32(down[k]);
    }
    unsigned negative = 0;
    for (int y = 0; y < 4; y++) {
        const __m128i any = _mm_or_si128(_mm_or_si128(row[0], row[1]), row[2]);
        negative |= (unsigned)_mm_movemask_ps(_mm_castsi128_ps(any)) << (4 * y);
        for (int k = 0; k < 3; k++) row[k] = _mm_add_epi32(row[k], step[k]);
    }
    return ~negative & 0xFFFFu;
}
#else
#define SCALAR_BLOCK_SMALL
#endif

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

#ifdef SCALAR_BLOCK_SMALL
DEFINE_BLOCK(block_small, int32_t)
#endif
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

DEFINE_FILL(fill_small, int32_t, block_small)
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
    if (status < 0) {
        PyErr_SetString(PyExc_IndexError, "a triangle names a vertex that the mesh does not have");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* rasterize(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, cull_back, first_triangle,
 *           index, barycentric, depth) */
static PyObject *rasterize(PyObject *self, PyObject *args) {
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
static PyObject *depth(PyObject *self, PyObject *args) {
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

/* interpolate(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, channels, values, depth,
 *             mask, out) */
static PyObject *interpolate(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *values, *depth, *mask, *out;
    if (!PyArg_ParseTuple(args, "nnOOiiiiiOOOO", &job.n_vertices, &job.n_triangles, &vertices, &triangles,
                          &job.x0, &job.y0, &job.width, &job.height, &job.channels, &values, &depth, &mask, &out))
        return NULL;
    const Py_ssize_t pixels = (Py_ssize_t)job.width * job.height;
    if (!(job.vertices = elements(&arrays, vertices, 4, 3 * job.n_vertices, 0)) ||
        !(job.triangles = elements(&arrays, triangles, 4, 3 * job.n_triangles, 0)) ||
        !(job.values = elements(&arrays, values, 4, job.channels * job.n_vertices, 0)) ||
        !(job.depth = elements(&arrays, depth, 4, pixels, 1)) ||
        !(job.mask = elements(&arrays, mask, 1, pixels, 1)) ||
        !(job.out = elements(&arrays, out, 4, job.channels * pixels, 1))) {
        release(&arrays);
        return NULL;
    }
    return draw_job(&job, &arrays);
}

/* paint(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, channels, values, depth,
 *       picture_width, picture_height, picture_channels, picture, photo or None, alpha, rest, opacity) */
static PyObject *paint(PyObject *self, PyObject *args) {
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

/* bounds(n, points, out): smallest and largest x, y, z of n points; NaN where one is not finite */
static PyObject *bounds(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n;
    PyObject *points_object, *out_object;
    if (!PyArg_ParseTuple(args, "nOO", &n, &points_object, &out_object)) return NULL;
    const float *points;
    float *out;
    if (!(points = elements(&arrays, points_object, 4, 3 * n, 0)) ||
        !(out = elements(&arrays, out_object, 4, 6, 1))) {
        release(&arrays);
        return NULL;
    }
    float low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
    float finite[3] = {0, 0, 0}; /* 0 times a number is 0, times infinity or NaN it is NaN */
    for (Py_ssize_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            const float v = points[3 * i + k];
            low[k] = v < low[k] ? v : low[k];
            high[k] = v > high[k] ? v : high[k];
            finite[k] += 0.0f * v;
        }
    for (int k = 0; k < 3; k++) {
        out[k] = finite[k] == 0 ? low[k] : NAN;
        out[3 + k] = finite[k] == 0 ? high[k] : NAN;
    }
    release(&arrays);
    Py_RETURN_NONE;
}

/* weighted(n_values, channels, values, n, corners, barycentric, out): values inside triangles */
static PyObject *weighted(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n_values, n;
    int channels;
    PyObject *values_object, *corners_object, *barycentric_object, *out_object;
    if (!PyArg_ParseTuple(args, "niOnOOO", &n_values, &channels, &values_object, &n, &corners_object,
                          &barycentric_object, &out_object))
        return NULL;
    const float *values, *barycentric;
    const int32_t *corners;
    float *out;
    if (!(values = elements(&arrays, values_object, 4, channels * n_values, 0)) ||
        !(corners = elements(&arrays, corners_object, 4, 3 * n, 0)) ||
        !(barycentric = elements(&arrays, barycentric_object, 4, 3 * n, 0)) ||
        !(out = elements(&arrays, out_object, 4, channels * n, 1))) {
        release(&arrays);
        return NULL;
    }
    int status = 0;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n && status == 0; i++) {
        const int32_t *corner = corners + 3 * i;
        for (int k = 0; k < 3; k++)
            if (corner[k] < 0 || corner[k] >= n_values) status = -1;
        if (status < 0) break;
        const float *a0 = values + (Py_ssize_t)channels * corner[0];
        const float *a1 = values + (Py_ssize_t)channels * corner[1];
        const float *a2 = values + (Py_ssize_t)channels * corner[2];
        const float b1 = barycentric[3 * i + 1], b2 = barycentric[3 * i + 2];
        for (int k = 0; k < channels; k++)
            out[channels * i + k] = (a0[k] + b1 * (a1[k] - a0[k])) + b2 * (a2[k] - a0[k]);
    }
    Py_END_ALLOW_THREADS
    release(&arrays);
    if (status < 0) {
        PyErr_SetString(PyExc_IndexError, "a triangle names a vertex that the mesh does not have");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Sums of the normals of the triangles around each vertex, then unit length; 0 where there is no area. */
static int normals_of(const float *vertices, Py_ssize_t n_vertices, const int32_t *triangles,
                      Py_ssize_t n_triangles, double *sums, float *out) {
    memset(sums, 0, sizeof(double) * 3 * (size_t)n_vertices);
    for (Py_ssize_t i = 0; i < n_triangles; i++) {
        const int32_t *corner = triangles + 3 * i;
        for (int k = 0; k < 3; k++)
            if (corner[k] < 0 || corner[k] >= n_vertices) return -1;
        const float *a = vertices + 3 * (Py_ssize_t)corner[0];
        const float *b = vertices + 3 * (Py_ssize_t)corner[1];
        const float *c = vertices + 3 * (Py_ssize_t)corner[2];
        const float ux = b[0] - a[0], uy = b[1] - a[1], uz = b[2] - a[2];
        const float vx = c[0] - a[0], vy = c[1] - a[1], vz = c[2] - a[2];
        const float nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
        for (int k = 0; k < 3; k++) {
            double *sum = sums + 3 * (Py_ssize_t)corner[k];
            sum[0] += nx, sum[1] += ny, sum[2] += nz;
        }
    }
    for (Py_ssize_t i = 0; i < n_vertices; i++) {
        const double *sum = sums + 3 * i;
        const double length = sqrt((sum[0] * sum[0] + sum[1] * sum[1]) + sum[2] * sum[2]);
        for (int k = 0; k < 3; k++) out[3 * i + k] = length > 0 ? (float)(sum[k] / length) : 0.0f;
    }
    return 0;
}

/* vertex_normals(n_vertices, n_triangles, vertices, triangles, out) */
static PyObject *vertex_normals(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n_vertices, n_triangles;
    PyObject *vertices_object, *triangles_object, *out_object;
    if (!PyArg_ParseTuple(args, "nnOOO", &n_vertices, &n_triangles, &vertices_object, &triangles_object,
                          &out_object))
        return NULL;
    const float *vertices;
    const int32_t *triangles;
    float *out;
    if (!(vertices = elements(&arrays, vertices_object, 4, 3 * n_vertices, 0)) ||
        !(triangles = elements(&arrays, triangles_object, 4, 3 * n_triangles, 0)) ||
        !(out = elements(&arrays, out_object, 4, 3 * n_vertices, 1))) {
        release(&arrays);
        return NULL;
    }
    double *sums = malloc(sizeof(double) * 3 * (size_t)(n_vertices + 1));
    int status = 0;
    if (sums) {
        Py_BEGIN_ALLOW_THREADS
        status = normals_of(vertices, n_vertices, triangles, n_triangles, sums, out);
        Py_END_ALLOW_THREADS
        free(sums);
    }
    release(&arrays);
    if (!sums) return PyErr_NoMemory();
    if (status < 0) {
        PyErr_SetString(PyExc_IndexError, "a triangle names a vertex that the mesh does not have");
        return NULL;
    }
    Py_RETURN_NONE;
}

#define LANES 8 /* vertices lit at once: loops of this length become vector instructions */

typedef struct {
    float low[3], half[3], scale; /* of the unit cube */
    float ambient, directional, specular, lamp[3];
    int exponent;
} Light;

static void light_block(const Light *light, const float *vertices, const float *normals, float *out) {
    float to_lamp[3][LANES], normal[3][LANES], per_length[LANES], cosine[LANES], highlight[LANES];
    for (int j = 0; j < LANES; j++) {
        for (int k = 0; k < 3; k++) {
            const float towards = k == 2 ? -1.0f : 1.0f; /* z to the viewer */
            to_lamp[k][j] = towards * vertices[3 * j + k];
            normal[k][j] = towards * normals[3 * j + k];
        }
    }
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < LANES; j++)
            to_lamp[k][j] = light->lamp[k] - ((to_lamp[k][j] - light->low[k]) * light->scale - light->half[k]);
    for (int j = 0; j < LANES; j++)
        per_length[j] = 1.0f / sqrtf((to_lamp[0][j] * to_lamp[0][j] + to_lamp[1][j] * to_lamp[1][j]) +
                                     to_lamp[2][j] * to_lamp[2][j]);
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < LANES; j++) to_lamp[k][j] = to_lamp[k][j] * per_length[j];
    for (int j = 0; j < LANES; j++)
        cosine[j] = (normal[0][j] * to_lamp[0][j] + normal[1][j] * to_lamp[1][j]) + normal[2][j] * to_lamp[2][j];
    for (int k = 0; k < 3; k++) {
        float base[LANES], product[LANES];
        for (int j = 0; j < LANES; j++)
            product[j] = base[j] = to_lamp[k][j] * ((2.0f * cosine[j]) * normal[k][j] - to_lamp[k][j]);
        for (int e = 1; e < light->exponent; e++)
            for (int j = 0; j < LANES; j++) product[j] = product[j] * base[j];
        for (int j = 0; j < LANES; j++) highlight[j] = k == 0 ? product[j] : highlight[j] + product[j];
    }
    for (int j = 0; j < LANES; j++) {
        const float mirrored = cosine[j] != 0.0f ? clamp01(highlight[j]) : 0.0f;
        out[j] = clamp01((light->ambient + light->directional * clamp01(cosine[j])) + light->specular * mirrored);
    }
}

/* phong(n_vertices, vertices, normals, low (3), side, light (ambient, directional, specular, x, y, z),
 *       exponent, out): vertices and normals in the image frame; see lighting.py */
static PyObject *phong(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n;
    PyObject *vertices_object, *normals_object, *out_object;
    Light light;
    if (!PyArg_ParseTuple(args, "nOO(fff)(fff)f(ffffff)iO", &n, &vertices_object, &normals_object, &light.low[0],
                          &light.low[1], &light.low[2], &light.half[0], &light.half[1], &light.half[2], &light.scale,
                          &light.ambient, &light.directional, &light.specular, &light.lamp[0], &light.lamp[1],
                          &light.lamp[2], &light.exponent, &out_object))
        return NULL;
    const float *vertices, *normals;
    float *out;
    if (!(vertices = elements(&arrays, vertices_object, 4, 3 * n, 0)) ||
        !(normals = elements(&arrays, normals_object, 4, 3 * n, 0)) ||
        !(out = elements(&arrays, out_object, 4, n, 1))) {
        release(&arrays);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    Py_ssize_t i = 0;
    for (; i + LANES <= n; i += LANES) light_block(&light, vertices + 3 * i, normals + 3 * i, out + i);
    if (i < n) {
        float last_vertices[3 * LANES] = {0}, last_normals[3 * LANES] = {0}, last_out[LANES];
        memcpy(last_vertices, vertices + 3 * i, sizeof(float) * 3 * (size_t)(n - i));
        memcpy(last_normals, normals + 3 * i, sizeof(float) * 3 * (size_t)(n - i));
        light_block(&light, last_vertices, last_normals, last_out);
        memcpy(out + i, last_out, sizeof(float) * (size_t)(n - i));
    }
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"rasterize", rasterize, METH_VARARGS, "Nearest triangle, weights and depth of each pixel."},
    {"depth", depth, METH_VARARGS, "Depth of each pixel."},
    {"interpolate", interpolate, METH_VARARGS, "Vertex values at each pixel of the nearest surface."},
    {"weighted", weighted, METH_VARARGS, "Vertex values inside triangles."},
    {"bounds", bounds, METH_VARARGS, "Smallest and largest coordinates."},
    {"vertex_normals", vertex_normals, METH_VARARGS, "Area-weighted unit normals."},
    {"phong", phong, METH_VARARGS, "Brightness of each vertex."},
    {"paint", paint, METH_VARARGS, "Vertex values over a picture."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "The native kernel of tddfa.render.", 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&module); }
