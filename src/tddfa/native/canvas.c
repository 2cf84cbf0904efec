/* Strokes over pictures; the twin is in render/numpy_kernel.py. */

#include "kernel.h"

/* tint(height, width, channels, picture, x0, y0, rows, columns, coverage, (r, g, b), alpha) */
PyObject *tint(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t height, width, channels, x0, y0, rows, columns;
    float color[3], alpha;
    PyObject *picture_object, *coverage_object;
    if (!PyArg_ParseTuple(args, "nnnOnnnnO(fff)f", &height, &width, &channels, &picture_object, &x0, &y0, &rows,
                          &columns, &coverage_object, &color[0], &color[1], &color[2], &alpha))
        return NULL;
    if ((channels != 3 && channels != 4) || x0 < 0 || y0 < 0 || rows < 0 || columns < 0 || x0 > width - columns ||
        y0 > height - rows) {
        PyErr_SetString(PyExc_ValueError, "the tinted part reaches out of the picture");
        return NULL;
    }
    uint8_t *picture;
    const uint8_t *coverage;
    if (!(picture = elements(&arrays, picture_object, 1, height * width * channels, 1)) ||
        !(coverage = elements(&arrays, coverage_object, 1, rows * columns, 0))) {
        release(&arrays);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t y = 0; y < rows; y++) {
        const uint8_t *row = coverage + y * columns;
        uint8_t *line = picture + ((y0 + y) * width + x0) * channels;
        for (Py_ssize_t x = 0; x < columns; x++) {
            uint64_t eight;
            while (x + 8 <= columns && (memcpy(&eight, row + x, 8), eight == 0)) x += 8;
            if (x >= columns || row[x] == 0) continue;
            const float over = alpha * (float)row[x], rest = 1.0f - over;
            uint8_t *pixel = line + x * channels;
            if (channels == 3) {
                for (int k = 0; k < 3; k++) pixel[k] = (uint8_t)lrintf(over * color[k] + rest * (float)pixel[k]);
                continue;
            }
            const float below = (float)pixel[3] / 255.0f * rest;
            const float total = over + below > 1e-6f ? over + below : 1e-6f;
            for (int k = 0; k < 3; k++)
                pixel[k] = (uint8_t)lrintf((over * color[k] + below * (float)pixel[k]) / total);
            pixel[3] = (uint8_t)lrintf(255.0f * total);
        }
    }
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

/* recolor(n_pixels, picture, n, places, tables): n pixels of an RGB picture through tables (3 x 256), one that is named
 * twice once */
PyObject *recolor(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n_pixels, n;
    PyObject *picture_object, *places_object, *tables_object;
    if (!PyArg_ParseTuple(args, "nOnOO", &n_pixels, &picture_object, &n, &places_object, &tables_object)) return NULL;
    uint8_t *picture;
    const int64_t *places;
    const uint8_t *tables;
    if (!(picture = elements(&arrays, picture_object, 1, 3 * n_pixels, 1)) ||
        !(places = elements(&arrays, places_object, 8, n, 0)) ||
        !(tables = elements(&arrays, tables_object, 1, 3 * 256, 0))) {
        release(&arrays);
        return NULL;
    }
    uint8_t *colors = malloc(3 * (size_t)n + 1); /* all are read before one is written */
    int outside = 0;
    if (colors) {
        for (Py_ssize_t i = 0; i < n && !outside; i++) {
            outside = places[i] < 0 || places[i] >= n_pixels;
            for (int k = 0; k < 3 && !outside; k++) colors[3 * i + k] = tables[256 * k + picture[3 * places[i] + k]];
        }
        for (Py_ssize_t i = 0; i < n && !outside; i++) memcpy(picture + 3 * places[i], colors + 3 * i, 3);
        free(colors);
    }
    release(&arrays);
    if (!colors) return PyErr_NoMemory();
    if (outside) {
        PyErr_SetString(PyExc_IndexError, "a pixel lies outside the picture");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* discs(height, width, out, n, centers, radius): how much of each pixel discs cover; the twin is in
 * imaging/draw.py */
PyObject *discs(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t height, width, n;
    float radius;
    PyObject *out_object, *centers_object;
    if (!PyArg_ParseTuple(args, "nnOnOf", &height, &width, &out_object, &n, &centers_object, &radius)) return NULL;
    uint8_t *out;
    const float *centers;
    if (!(out = elements(&arrays, out_object, 1, height * width, 1)) ||
        !(centers = elements(&arrays, centers_object, 4, 2 * n, 0))) {
        release(&arrays);
        return NULL;
    }
    const float reach = radius + 0.5f;
    for (Py_ssize_t i = 0; i < n; i++) {
        const float cx = centers[2 * i], cy = centers[2 * i + 1];
        if (!(cx > -reach && cx < (float)width + reach && cy > -reach && cy < (float)height + reach)) continue;
        const Py_ssize_t left = cx > reach ? (Py_ssize_t)(cx - reach) : 0, top = cy > reach ? (Py_ssize_t)(cy - reach) : 0;
        for (Py_ssize_t y = top; y < height && (float)y <= cy + reach; y++)
            for (Py_ssize_t x = left; x < width && (float)x <= cx + reach; x++) {
                const float dx = (float)x - cx, dy = (float)y - cy;
                const uint8_t covered = (uint8_t)lrintf(255.0f * clamp01(reach - sqrtf(dx * dx + dy * dy)));
                uint8_t *pixel = &out[y * width + x];
                if (covered > *pixel) *pixel = covered;
            }
    }
    release(&arrays);
    Py_RETURN_NONE;
}
