/* What the parts of the kernel share.
 *
 * Arrays come as buffers (the stable ABI has no NumPy); the Python side allocates and checks shapes, this
 * side checks sizes and indices, so that no argument can make it leave its arrays.
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

#define MAX_ARRAYS 10

typedef struct {
    Py_buffer views[MAX_ARRAYS];
    int count;
} Arrays;

static inline void release(Arrays *arrays) {
    while (arrays->count > 0) PyBuffer_Release(&arrays->views[--arrays->count]);
}

/* The elements of `object`, or NULL with an exception when it has another number of them. */
static inline void *elements(Arrays *arrays, PyObject *object, Py_ssize_t itemsize, Py_ssize_t count, int writable) {
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

static inline PyObject *missing_vertex(void) {
    PyErr_SetString(PyExc_IndexError, "a triangle names a vertex that the mesh does not have");
    return NULL;
}

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

/* The functions of the module; each part says what its own take. */
PyObject *rasterize(PyObject *self, PyObject *args);
PyObject *depth(PyObject *self, PyObject *args);
PyObject *interpolate(PyObject *self, PyObject *args);
PyObject *paint(PyObject *self, PyObject *args);
PyObject *bounds(PyObject *self, PyObject *args);
PyObject *weighted(PyObject *self, PyObject *args);
PyObject *vertex_normals(PyObject *self, PyObject *args);
PyObject *phong(PyObject *self, PyObject *args);
PyObject *texels(PyObject *self, PyObject *args);
PyObject *complete(PyObject *self, PyObject *args);
PyObject *tint(PyObject *self, PyObject *args);
PyObject *recolor(PyObject *self, PyObject *args);
PyObject *discs(PyObject *self, PyObject *args);
PyObject *compact(PyObject *self, PyObject *args);
PyObject *reconstruct(PyObject *self, PyObject *args);

#endif
