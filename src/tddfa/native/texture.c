/* Values for the places that have none, from those around them; the twin is in render/numpy_kernel.py. */

#include "kernel.h"

/* One cell of the next coarser level from four of this one; `c` values and a weight each. */
static void push(const float *sums, const float *known, float *coarse_sums, float *coarse_known, Py_ssize_t side,
                 int c) {
    const Py_ssize_t half = side / 2;
    for (Py_ssize_t y = 0; y < half; y++)
        for (Py_ssize_t x = 0; x < half; x++) {
            const Py_ssize_t a = 2 * y * side + 2 * x, b = a + side, to = y * half + x;
            const float weight = (known[a] + known[b]) + (known[a + 1] + known[b + 1]);
            const float scale = 1.0f / (weight > 1.0f ? weight : 1.0f);
            coarse_known[to] = weight * scale;
            for (int k = 0; k < c; k++)
                coarse_sums[c * to + k] = ((sums[c * a + k] + sums[c * b + k]) +
                                           (sums[c * (a + 1) + k] + sums[c * (b + 1) + k])) * scale;
        }
}

/* The next finer level: the coarse one doubled, linear between the centres of its cells, under what is known.
 * `row` is room for one row of it. */
static void pull(const float *coarse, const float *sums, const float *known, float *fine, float *row,
                 Py_ssize_t half, int c, int smooth) {
    const Py_ssize_t side = 2 * half, length = half * c;
    for (Py_ssize_t y = 0; y < side; y++) {
        const Py_ssize_t near = y / 2;
        Py_ssize_t far = y % 2 ? near + 1 : near - 1;
        if (far < 0) far = 0;
        if (far >= half) far = half - 1;
        for (Py_ssize_t i = 0; i < length; i++)
            row[i] = 0.75f * coarse[near * length + i] + 0.25f * coarse[far * length + i];
        for (Py_ssize_t x = 0; x < side; x++) {
            const Py_ssize_t near_x = x / 2, to = y * side + x;
            Py_ssize_t far_x = x % 2 ? near_x + 1 : near_x - 1;
            if (far_x < 0) far_x = 0;
            if (far_x >= half) far_x = half - 1;
            for (int k = 0; k < c; k++) {
                const float doubled = 0.75f * row[c * near_x + k] + 0.25f * row[c * far_x + k];
                fine[c * to + k] = smooth ? doubled : sums[c * to + k] + (1.0f - known[to]) * doubled;
            }
        }
    }
}

/* push_pull(log2 of the side, channels, sums, known, smooth, out); see fill.py */
PyObject *push_pull(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    int levels, c, smooth;
    PyObject *sums_object, *known_object, *out_object;
    if (!PyArg_ParseTuple(args, "iiOOiO", &levels, &c, &sums_object, &known_object, &smooth, &out_object)) return NULL;
    if (levels < 0 || levels > 15 || c < 1 || c > 16) {
        PyErr_SetString(PyExc_ValueError, "push_pull takes squares of up to 32768 places and 16 channels");
        return NULL;
    }
    const Py_ssize_t side = (Py_ssize_t)1 << levels, cells = side * side;
    const float *sums[16], *known[16];
    float *out;
    if (!(sums[0] = elements(&arrays, sums_object, 4, c * cells, 0)) ||
        !(known[0] = elements(&arrays, known_object, 4, cells, 0)) ||
        !(out = elements(&arrays, out_object, 4, c * cells, 1))) {
        release(&arrays);
        return NULL;
    }
    /* All coarser levels take a third of the finest; two more buffers for the way back, and a row. */
    const size_t coarser = (size_t)(cells / 3 + 1), width = (size_t)c;
    float *room = malloc(sizeof(float) * (coarser * (width + 1) + 2 * width * (size_t)cells + width * (size_t)side));
    if (!room) {
        release(&arrays);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    float *next_sums = room, *next_known = room + coarser * width;
    float *coarse = next_known + coarser, *fine = coarse + width * (size_t)cells, *row = fine + width * (size_t)cells;
    for (int level = 1; level <= levels; level++) {
        const Py_ssize_t from = side >> (level - 1), to = (from / 2) * (from / 2);
        push(sums[level - 1], known[level - 1], next_sums, next_known, from, c);
        sums[level] = next_sums, known[level] = next_known;
        next_sums += to * c, next_known += to;
    }
    const float least = known[levels][0] > 1.17549435e-38f ? known[levels][0] : 1.17549435e-38f;
    for (int k = 0; k < c; k++) coarse[k] = sums[levels][k] / least;
    for (int level = levels - 1; level >= 0; level--) {
        float *target = level == 0 ? out : fine;
        pull(coarse, sums[level], known[level], target, row, side >> (level + 1), c, level < smooth);
        fine = coarse, coarse = target;
    }
    if (levels == 0) memcpy(out, coarse, sizeof(float) * width);
    Py_END_ALLOW_THREADS
    free(room);
    release(&arrays);
    Py_RETURN_NONE;
}
