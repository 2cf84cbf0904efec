/* Catmull-Clark refinement; the twin is in morphable/subdivision.py. */

#include "kernel.h"

typedef struct {
    Py_ssize_t channels;
    float *coarse; /* vertices, then quads */
    float *out;
} Refining;

static ALWAYS_INLINE const float *row_of(const Refining *job, Py_ssize_t i) { return job->coarse + i * job->channels; }

/* to[i] = share * the sum of the coarse rows that index[i] names, from left to right */
static ALWAYS_INLINE void sum_rows(const Refining *job, const int32_t *index, Py_ssize_t n, Py_ssize_t width,
                                   float share, float *to) {
    for (Py_ssize_t i = 0; i < n; i++, to += job->channels) {
        const int32_t *named = index + i * width;
        for (Py_ssize_t k = 0; k < job->channels; k++) {
            float total = row_of(job, named[0])[k];
            for (Py_ssize_t j = 1; j < width; j++) total += row_of(job, named[j])[k];
            to[k] = total * share;
        }
    }
}

/* Moves the inner vertices of one valence; 0, or -1 with an exception. */
static int move_vertices(const Refining *job, Py_ssize_t n_coarse, Py_ssize_t n_quads, PyObject *pair) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n, width;
    PyObject *vertices_object, *stars_object;
    if (!PyTuple_Check(pair)) {
        PyErr_SetString(PyExc_TypeError, "the vertices of a valence are no tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(pair, "nOnO", &n, &vertices_object, &width, &stars_object)) return -1;
    const int32_t *vertices = indices(&arrays, vertices_object, n_coarse, NO_VERTEX, SHAPE(n));
    const int32_t *stars =
        vertices ? indices(&arrays, stars_object, n_coarse + n_quads, NO_VERTEX, SHAPE(n, width)) : NULL;
    float *moved = stars ? room_for(&arrays, sizeof(float), SHAPE(job->channels)) : NULL;
    if (!moved || width < 2) {
        if (moved) PyErr_SetString(PyExc_ValueError, "a vertex has no neighbours");
        release(&arrays);
        return -1;
    }
    const double valence = (double)(width / 2);
    const float share = (float)(1.0 / (valence * valence)), own = (float)((valence - 2.0) / valence);
    for (Py_ssize_t i = 0; i < n; i++) {
        const float *before = row_of(job, vertices[i]);
        float *to = job->out + vertices[i] * job->channels;
        sum_rows(job, stars + i * width, 1, width, share, moved);
        for (Py_ssize_t k = 0; k < job->channels; k++) to[k] = moved[k] + before[k] * own;
    }
    release(&arrays);
    return 0;
}

/* subdivide(n_coarse, channels, values, n_quads, quads, n_inner, inner edges, n_boundary, boundary edges, stars, n_rim,
 * rim, out): `stars` is a tuple of (n, vertices, width, stars); the arrays are those of Subdivision */
PyObject *subdivide(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Refining job;
    Py_ssize_t n_coarse, n_quads, n_inner, n_boundary, n_rim;
    PyObject *values_object, *quads_object, *inner_object, *boundary_object, *stars, *rim_object, *out_object;
    if (!PyArg_ParseTuple(args, "nnOnOnOnOO!nOO", &n_coarse, &job.channels, &values_object, &n_quads, &quads_object,
                          &n_inner, &inner_object, &n_boundary, &boundary_object, &PyTuple_Type, &stars, &n_rim,
                          &rim_object, &out_object))
        return NULL;
    const float *values = elements(&arrays, values_object, 4, 0, SHAPE(n_coarse, job.channels));
    const int32_t *quads = values ? indices(&arrays, quads_object, n_coarse, NO_VERTEX, SHAPE(n_quads, 4)) : NULL;
    if (!quads) return failed(&arrays);
    const Py_ssize_t n_all = n_coarse + n_quads; /* both have arrays, so this is no overflow */
    const int32_t *inner, *boundary, *rim;
    if (!(inner = indices(&arrays, inner_object, n_all, NO_VERTEX, SHAPE(n_inner, 4))) ||
        !(boundary = indices(&arrays, boundary_object, n_coarse, NO_VERTEX, SHAPE(n_boundary, 2))) ||
        !(rim = indices(&arrays, rim_object, n_coarse, NO_VERTEX, SHAPE(n_rim, 3))) ||
        !(job.out = elements(&arrays, out_object, 4, 1, SHAPE(n_all + n_inner + n_boundary, job.channels))) ||
        !(job.coarse = room_for(&arrays, sizeof(float), SHAPE(n_all, job.channels))))
        return failed(&arrays);
    const Py_ssize_t channels = job.channels;
    memcpy(job.coarse, values, sizeof(float) * (size_t)(n_coarse * channels));
    sum_rows(&job, quads, n_quads, 4, 0.25f, job.coarse + n_coarse * channels);
    float *to = job.out + n_coarse * channels;
    sum_rows(&job, inner, n_inner, 4, 0.25f, to);
    to += n_inner * channels;
    sum_rows(&job, boundary, n_boundary, 2, 0.5f, to);
    to += n_boundary * channels;
    memcpy(to, job.coarse + n_coarse * channels, sizeof(float) * (size_t)(n_quads * channels));
    for (Py_ssize_t i = 0; i < PyTuple_Size(stars); i++)
        if (move_vertices(&job, n_coarse, n_quads, PyTuple_GetItem(stars, i)) < 0) return failed(&arrays);
    for (Py_ssize_t i = 0; i < n_rim; i++) {
        const float *at = row_of(&job, rim[3 * i]), *a = row_of(&job, rim[3 * i + 1]), *b = row_of(&job, rim[3 * i + 2]);
        float *moved = job.out + rim[3 * i] * channels;
        for (Py_ssize_t k = 0; k < channels; k++) moved[k] = 0.75f * at[k] + 0.125f * (a[k] + b[k]);
    }
    release(&arrays);
    Py_RETURN_NONE;
}
