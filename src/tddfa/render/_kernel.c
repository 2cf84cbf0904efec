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
} Job;

typedef struct {
    int32_t x, y;
    float z;
} Corner;

static int64_t floor_div_subpixels(int64_t v) { return v >> SUBPIXEL_BITS; }
static int64_t ceil_div_subpixels(int64_t v) { return (v + SUBPIXELS - 1) >> SUBPIXEL_BITS; }

/* A pixel that passed the depth test. */
static inline void store(const Job *job, Py_ssize_t pixel, int32_t triangle, const int32_t *corner, float b1,
                         float b2, float z) {
    job->depth[pixel] = z;
    if (job->index) {
        job->index[pixel] = triangle;
        job->barycentric[3 * pixel] = (1.0f - b1) - b2;
        job->barycentric[3 * pixel + 1] = b1;
        job->barycentric[3 * pixel + 2] = b2;
    }
    if (job->out) {
        const int c = job->channels;
        const float *a0 = job->values + (Py_ssize_t)c * corner[0];
        const float *a1 = job->values + (Py_ssize_t)c * corner[1];
        const float *a2 = job->values + (Py_ssize_t)c * corner[2];
        float *out = job->out + c * pixel;
        job->mask[pixel] = 1;
        for (int k = 0; k < c; k++) out[k] = (a0[k] + b1 * (a1[k] - a0[k])) + b2 * (a2[k] - a0[k]);
    }
}

/* Fills one triangle. INT holds the edge functions: 32 bits for small triangles, 64 for any. */
#define DEFINE_FILL(NAME, INT)                                                                                \
    static void NAME(const Job *job, const Corner *p, const int32_t *corner, int32_t triangle, int sign,      \
                     INT area, int32_t left, int32_t right, int32_t top, int32_t bottom) {                    \
        INT at_row[3], across[3], down[3], off[3];                                                            \
        for (int k = 0; k < 3; k++) {                                                                         \
            const Corner *a = &p[(k + 1) % 3], *b = &p[(k + 2) % 3];                                          \
            const INT dx = ((INT)b->x - a->x) * sign, dy = ((INT)b->y - a->y) * sign;                         \
            off[k] = !(dy < 0 || (dy == 0 && dx > 0)); /* its edge is neither top nor left */                 \
            across[k] = -dy * SUBPIXELS;                                                                      \
            down[k] = dx * SUBPIXELS;                                                                         \
            at_row[k] = dx * ((INT)top * SUBPIXELS - a->y) - dy * ((INT)left * SUBPIXELS - a->x) - off[k];    \
        }                                                                                                     \
        const float per_area = 1.0f / (float)area;                                                            \
        const float z0 = p[0].z, dz1 = p[1].z - p[0].z, dz2 = p[2].z - p[0].z;                                \
        for (int32_t y = top; y <= bottom; y++) {                                                             \
            INT e0 = at_row[0], e1 = at_row[1], e2 = at_row[2];                                               \
            Py_ssize_t pixel = (Py_ssize_t)y * job->width + left;                                             \
            for (int32_t x = left; x <= right; x++, pixel++) {                                                \
                if ((e0 | e1 | e2) >= 0) {                                                                    \
                    const float b1 = (float)(e1 + off[1]) * per_area, b2 = (float)(e2 + off[2]) * per_area;   \
                    const float z = (z0 + b1 * dz1) + b2 * dz2;                                               \
                    if (z < job->depth[pixel]) store(job, pixel, triangle, corner, b1, b2, z);                \
                }                                                                                             \
                e0 += across[0], e1 += across[1], e2 += across[2];                                            \
            }                                                                                                 \
            at_row[0] += down[0], at_row[1] += down[1], at_row[2] += down[2];                                 \
        }                                                                                                     \
    }

DEFINE_FILL(fill_small, int32_t)
DEFINE_FILL(fill_large, int64_t)

static inline int32_t min3(int32_t a, int32_t b, int32_t c) { return a < b ? (a < c ? a : c) : (b < c ? b : c); }
static inline int32_t max3(int32_t a, int32_t b, int32_t c) { return a > b ? (a > c ? a : c) : (b > c ? b : c); }

/* Draws the mesh; `snapped` is room for its corners. Returns -1 when a triangle names a missing vertex. */
static int draw(const Job *job, Corner *snapped) {
    for (Py_ssize_t i = 0; i < job->n_vertices; i++) {
        const float *v = job->vertices + 3 * i;
        snapped[i].x = (int32_t)lrintf(v[0] * (float)SUBPIXELS) - job->x0 * SUBPIXELS;
        snapped[i].y = (int32_t)lrintf(v[1] * (float)SUBPIXELS) - job->y0 * SUBPIXELS;
        snapped[i].z = v[2];
    }
    for (Py_ssize_t i = 0; i < job->n_triangles; i++) {
        const int32_t *corner = job->triangles + 3 * i;
        for (int k = 0; k < 3; k++)
            if (corner[k] < 0 || corner[k] >= job->n_vertices) return -1;
        const Corner *a = &snapped[corner[0]], *b = &snapped[corner[1]], *c = &snapped[corner[2]];
        const int32_t x_min = min3(a->x, b->x, c->x), x_max = max3(a->x, b->x, c->x);
        const int32_t y_min = min3(a->y, b->y, c->y), y_max = max3(a->y, b->y, c->y);
        int32_t left = (int32_t)ceil_div_subpixels(x_min), right = (int32_t)floor_div_subpixels(x_max);
        int32_t top = (int32_t)ceil_div_subpixels(y_min), bottom = (int32_t)floor_div_subpixels(y_max);
        if (left < 0) left = 0;
        if (top < 0) top = 0;
        if (right >= job->width) right = job->width - 1;
        if (bottom >= job->height) bottom = job->height - 1;
        if (left > right || top > bottom) continue;
        const int64_t area = ((int64_t)b->x - a->x) * ((int64_t)c->y - a->y) -
                             ((int64_t)b->y - a->y) * ((int64_t)c->x - a->x);
        if (area == 0 || (job->cull_back && area > 0)) continue;
        const Corner p[3] = {*a, *b, *c};
        const int sign = area > 0 ? 1 : -1;
        const int32_t triangle = job->first_triangle + (int32_t)i;
        if ((int64_t)x_max - x_min < SMALL && (int64_t)y_max - y_min < SMALL)
            fill_small(job, p, corner, triangle, sign, (int32_t)(area * sign), left, right, top, bottom);
        else
            fill_large(job, p, corner, triangle, sign, area * sign, left, right, top, bottom);
    }
    return 0;
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
    Job job = {0};
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

/* interpolate(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, channels, values, depth,
 *             mask, out) */
static PyObject *interpolate(PyObject *self, PyObject *args) {
    Job job = {0};
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

static inline float clamp01(float v) { return v > 0.0f ? (v > 1.0f ? 1.0f : v) : 0.0f; } /* NaN: 0 */

static inline float power(float base, int exponent) {
    float result = base;
    for (int k = 1; k < exponent; k++) result = result * base;
    return result;
}

/* phong(n_vertices, vertices, normals, low (3), side, light (ambient, directional, specular, x, y, z),
 *       exponent, out): vertices and normals in the image frame; see lighting.py */
static PyObject *phong(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n;
    PyObject *vertices_object, *normals_object, *out_object;
    float low[3], half[3], scale, ambient, directional, specular, lamp[3];
    int exponent;
    if (!PyArg_ParseTuple(args, "nOO(fff)(fff)f(ffffff)iO", &n, &vertices_object, &normals_object, &low[0], &low[1],
                          &low[2], &half[0], &half[1], &half[2], &scale, &ambient, &directional, &specular,
                          &lamp[0], &lamp[1], &lamp[2], &exponent, &out_object))
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
    for (Py_ssize_t i = 0; i < n; i++) {
        const float *v = vertices + 3 * i, *m = normals + 3 * i;
        const float dx = lamp[0] - ((v[0] - low[0]) * scale - half[0]);
        const float dy = lamp[1] - ((v[1] - low[1]) * scale - half[1]);
        const float dz = lamp[2] - ((-v[2] - low[2]) * scale - half[2]);
        const float length = sqrtf((dx * dx + dy * dy) + dz * dz);
        const float lx = dx / length, ly = dy / length, lz = dz / length;
        const float nx = m[0], ny = m[1], nz = -m[2];
        const float cosine = (nx * lx + ny * ly) + nz * lz;
        const float twice = 2.0f * cosine;
        const float highlight = (power(lx * (twice * nx - lx), exponent) + power(ly * (twice * ny - ly), exponent)) +
                                power(lz * (twice * nz - lz), exponent);
        const float mirrored = cosine != 0.0f ? clamp01(highlight) : 0.0f;
        out[i] = clamp01((ambient + directional * clamp01(cosine)) + specular * mirrored);
    }
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

/* paint(width, height, channels, values, mask, alpha, rest, picture_channels, stride, offset, opacity,
 *       n_bytes, picture): `values` over the rows of `picture` that start at byte `offset`, `stride` apart */
static PyObject *paint(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t stride, offset, n_bytes;
    int width, height, channels, picture_channels, opacity;
    float alpha, rest;
    PyObject *values_object, *mask_object, *picture_object;
    if (!PyArg_ParseTuple(args, "iiiOOffinninO", &width, &height, &channels, &values_object, &mask_object, &alpha,
                          &rest, &picture_channels, &stride, &offset, &opacity, &n_bytes, &picture_object))
        return NULL;
    const Py_ssize_t pixels = (Py_ssize_t)width * height;
    const float *values;
    const uint8_t *mask;
    uint8_t *picture;
    if (!(values = elements(&arrays, values_object, 4, channels * pixels, 0)) ||
        !(mask = elements(&arrays, mask_object, 1, pixels, 0)) ||
        !(picture = elements(&arrays, picture_object, 1, n_bytes, 1))) {
        release(&arrays);
        return NULL;
    }
    if (height > 0 && width > 0 &&
        (offset < 0 || stride < 0 ||
         offset + stride * (height - 1) + (Py_ssize_t)width * picture_channels > n_bytes ||
         picture_channels < 3 || picture_channels > 4 || (channels != 1 && channels != 3))) {
        release(&arrays);
        PyErr_SetString(PyExc_ValueError, "the painted part reaches out of the picture");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    for (int y = 0; y < height; y++) {
        const float *value = values + (Py_ssize_t)y * width * channels;
        const uint8_t *drawn = mask + (Py_ssize_t)y * width;
        uint8_t *pixel = picture + offset + y * stride;
        for (int x = 0; x < width; x++, value += channels, pixel += picture_channels) {
            if (!drawn[x]) continue;
            for (int k = 0; k < 3; k++) {
                const float level = clamp01(value[channels == 1 ? 0 : k]) * 255.0f;
                pixel[k] = (uint8_t)lrintf(rest > 0.0f ? alpha * level + rest * (float)pixel[k] : level);
            }
            if (picture_channels == 4) pixel[3] = (uint8_t)opacity;
        }
    }
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"rasterize", rasterize, METH_VARARGS, "Nearest triangle, weights and depth of each pixel."},
    {"interpolate", interpolate, METH_VARARGS, "Vertex values at each pixel of the nearest surface."},
    {"vertex_normals", vertex_normals, METH_VARARGS, "Area-weighted unit normals."},
    {"phong", phong, METH_VARARGS, "Brightness of each vertex."},
    {"paint", paint, METH_VARARGS, "Values over a picture."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "The native kernel of tddfa.render.", 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&module); }
