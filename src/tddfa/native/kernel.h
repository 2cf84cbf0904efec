/* What the parts of the kernel share.
 *
 * Arrays come as buffers (the stable ABI has no NumPy). The Python side allocates them and knows their shapes; this
 * side trusts nothing: it checks sizes, with products that cannot overflow, and copies arrays of indices before it
 * checks them, so that they cannot change afterwards. A caller whose arrays overlap, or who changes
 * them from another thread meanwhile, gets numbers that mean nothing, and no access outside of an array.
 */

#ifndef TDDFA_KERNEL_H
#define TDDFA_KERNEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(_MSC_VER)
#define ALWAYS_INLINE __forceinline
#else
#define ALWAYS_INLINE inline __attribute__((always_inline))
#endif

#define RESTRICT __restrict /* the name that every compiler knows */

#define MAX_ARRAYS 12

/* Buffers and memory that one call holds. */
typedef struct {
    Py_buffer views[MAX_ARRAYS];
    int count;
    void *owned[MAX_ARRAYS];
    int n_owned;
} Arrays;

static inline void release(Arrays *arrays) {
    while (arrays->count > 0) PyBuffer_Release(&arrays->views[--arrays->count]);
    while (arrays->n_owned > 0) free(arrays->owned[--arrays->n_owned]);
}

/* Releases everything; for the end of a call that has failed. */
static inline PyObject *failed(Arrays *arrays) {
    release(arrays);
    return NULL;
}

/* Sizes that an array without elements may have: loops over its empty rows take time, too. */
#define LARGEST_EMPTY ((Py_ssize_t)1 << 22)

/* The product of some sizes, or -1 where one is negative or it has no room. */
static inline Py_ssize_t product(const Py_ssize_t *sizes, int n) {
    Py_ssize_t result = 1;
    for (int k = 0; k < n; k++) {
        if (sizes[k] < 0) return -1;
        if (sizes[k] > 0 && result > PY_SSIZE_T_MAX / sizes[k]) return -1;
        result *= sizes[k];
    }
    for (int k = 0; k < n && result == 0; k++)
        if (sizes[k] > LARGEST_EMPTY) return -1;
    return result;
}

/* The shape of an array: its sizes, and how many they are. */
#define SHAPE(...) \
    (const Py_ssize_t[]){__VA_ARGS__}, (int)(sizeof((const Py_ssize_t[]){__VA_ARGS__}) / sizeof(Py_ssize_t))

/* The elements of `object`, or NULL with an exception when it has another number of them.
 * An empty array may be anywhere: no element of it is ever read. */
static inline void *elements(Arrays *arrays, PyObject *object, Py_ssize_t itemsize, int writable,
                             const Py_ssize_t *sizes, int n_sizes) {
    const Py_ssize_t count = product(sizes, n_sizes);
    if (count < 0 || count > PY_SSIZE_T_MAX / itemsize || arrays->count == MAX_ARRAYS) {
        PyErr_SetString(PyExc_ValueError, "an array has a size that is negative or too large");
        return NULL;
    }
    Py_buffer *view = &arrays->views[arrays->count];
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0)) < 0) return NULL;
    arrays->count++;
    if (view->len != itemsize * count) {
        PyErr_Format(PyExc_ValueError, "an array has %zd bytes where %zd are needed", view->len, itemsize * count);
        return NULL;
    }
    if (count > 0 && (uintptr_t)view->buf % (uintptr_t)itemsize != 0) {
        PyErr_SetString(PyExc_ValueError, "an array does not start where its elements can");
        return NULL;
    }
    static double nothing[1];
    return view->buf ? view->buf : nothing;
}

/* An RGB image whose rows may lie apart, as those of a part of a larger image do. */
typedef struct {
    const uint8_t *first;
    Py_ssize_t height, width, stride; /* bytes from one row to the next */
} Rows;

/* The rows of an image (height, width, 3) of bytes; 0 with an exception when it is something else. */
static inline int image_rows(Arrays *arrays, PyObject *object, Rows *rows) {
    if (arrays->count == MAX_ARRAYS) {
        PyErr_SetString(PyExc_ValueError, "too many arrays");
        return 0;
    }
    Py_buffer *view = &arrays->views[arrays->count];
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDES) < 0) return 0;
    arrays->count++;
    if (view->itemsize != 1 || view->ndim != 3 || view->shape[2] != 3 || view->strides[2] != 1 ||
        view->strides[1] != 3 || view->shape[0] >= 1 << 24 || view->shape[1] >= 1 << 24) {
        PyErr_SetString(PyExc_ValueError, "an image has pixels of three bytes in a row, and sides below 2^24 px");
        return 0;
    }
    rows->first = view->buf;
    rows->height = view->shape[0], rows->width = view->shape[1], rows->stride = view->strides[0];
    return 1;
}

/* Memory for one call, or NULL with an exception. */
static inline void *room_for(Arrays *arrays, Py_ssize_t itemsize, const Py_ssize_t *sizes, int n_sizes) {
    const Py_ssize_t count = product(sizes, n_sizes);
    void *room = NULL;
    if (count >= 0 && count < PY_SSIZE_T_MAX / itemsize && arrays->n_owned < MAX_ARRAYS)
        room = malloc((size_t)(itemsize * count) + 1);
    if (!room) return PyErr_NoMemory();
    return arrays->owned[arrays->n_owned++] = room;
}

/* A copy of an array of 32-bit indices, all of which are from 0 to `limit` - 1; or NULL with an exception. */
static inline const int32_t *indices(Arrays *arrays, PyObject *object, Py_ssize_t limit, const char *what,
                                     const Py_ssize_t *sizes, int n_sizes) {
    const int32_t *given = elements(arrays, object, 4, 0, sizes, n_sizes);
    int32_t *copy = given ? room_for(arrays, 4, sizes, n_sizes) : NULL;
    if (!copy) return NULL;
    const Py_ssize_t bytes = arrays->views[arrays->count - 1].len, count = bytes / 4;
    memcpy(copy, given, (size_t)bytes);
    const uint32_t most = (uint32_t)(limit < INT32_MAX ? limit : INT32_MAX) - 1;
    uint32_t missing = 0; /* its highest bit; without a branch, so that the loop becomes vector instructions */
    for (Py_ssize_t i = 0; i < count; i++) missing |= (uint32_t)copy[i] | (most - (uint32_t)copy[i]);
    if (missing >> 31) {
        PyErr_SetString(PyExc_IndexError, what);
        return NULL;
    }
    return copy;
}

#define NO_VERTEX "a triangle names a vertex that the mesh does not have"

static inline float clamp(float v, float low, float high) { return v > low ? (v < high ? v : high) : low; }

static inline float clamp01(float v) { return v > 0.0f ? (v > 1.0f ? 1.0f : v) : 0.0f; } /* NaN: 0 */

/* DEFINE_VARIANTS(work, Job) compiles `static ALWAYS_INLINE void work(const Job *)` for each vector unit that a
 * machine may have; work_variants[vectors(most)] is the one for this machine, and no wider than `most`, 0 to 2.
 * None may fuse a product and a sum: all give the same bits. */
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#define DEFINE_VARIANTS(WORK, JOB)                                                             \
    static void WORK##_plain(const JOB *job) { WORK(job); }                                    \
    __attribute__((target("avx2"))) static void WORK##_avx2(const JOB *job) { WORK(job); }      \
    __attribute__((target("avx512f"))) static void WORK##_avx512(const JOB *job) { WORK(job); } \
    static void (*const WORK##_variants[])(const JOB *) = {WORK##_plain, WORK##_avx2, WORK##_avx512};

static inline int vectors(int most) {
    __builtin_cpu_init();
    const int best = __builtin_cpu_supports("avx512f") ? 2 : __builtin_cpu_supports("avx2") ? 1 : 0;
    return most < 0 ? 0 : most < best ? most : best;
}
#else
#define DEFINE_VARIANTS(WORK, JOB)                          \
    static void WORK##_plain(const JOB *job) { WORK(job); } \
    static void (*const WORK##_variants[])(const JOB *) = {WORK##_plain};

static inline int vectors(int most) {
    (void)most;
    return 0;
}
#endif

/* The functions of the module; the arguments are described where they are defined. */
PyObject *rasterize(PyObject *self, PyObject *args);
PyObject *depth(PyObject *self, PyObject *args);
PyObject *interpolate(PyObject *self, PyObject *args);
PyObject *paint(PyObject *self, PyObject *args);
PyObject *bounds(PyObject *self, PyObject *args);
PyObject *visible(PyObject *self, PyObject *args);
PyObject *weighted(PyObject *self, PyObject *args);
PyObject *vertex_normals(PyObject *self, PyObject *args);
PyObject *phong(PyObject *self, PyObject *args);
PyObject *texels(PyObject *self, PyObject *args);
PyObject *complete(PyObject *self, PyObject *args);
PyObject *blend_color(PyObject *self, PyObject *args);
PyObject *blend(PyObject *self, PyObject *args);
PyObject *direction_colors(PyObject *self, PyObject *args);
PyObject *recolor(PyObject *self, PyObject *args);
PyObject *discs(PyObject *self, PyObject *args);
PyObject *segments(PyObject *self, PyObject *args);
PyObject *quantize(PyObject *self, PyObject *args);
PyObject *reconstruct(PyObject *self, PyObject *args);
PyObject *subdivide(PyObject *self, PyObject *args);
PyObject *decimal_lines(PyObject *self, PyObject *args);
PyObject *warp(PyObject *self, PyObject *args);
PyObject *sample(PyObject *self, PyObject *args);
PyObject *halve(PyObject *self, PyObject *args);

#endif
