/* Colours over images; the twins are in render/numpy_kernel. */

#include "kernel.h"

/* blend_color(height, width, channels, canvas, x0, y0, rows, columns, coverage, (r, g, b), alpha) */
PyObject *blend_color(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t height, width, channels, x0, y0, rows, columns;
    float color[3], alpha;
    PyObject *canvas_object, *coverage_object;
    if (!PyArg_ParseTuple(args, "nnnOnnnnO(fff)f", &height, &width, &channels, &canvas_object, &x0, &y0, &rows,
                          &columns, &coverage_object, &color[0], &color[1], &color[2], &alpha))
        return NULL;
    uint8_t *canvas;
    const uint8_t *coverage;
    if (!(canvas = elements(&arrays, canvas_object, 1, 1, SHAPE(height, width, channels))) ||
        !(coverage = elements(&arrays, coverage_object, 1, 0, SHAPE(rows, columns))))
        return failed(&arrays);
    if ((channels != 3 && channels != 4) || x0 < 0 || y0 < 0 || x0 > width - columns || y0 > height - rows) {
        PyErr_SetString(PyExc_ValueError, "the part of the colour reaches out of the image");
        return failed(&arrays);
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t y = 0; y < rows; y++) {
        const uint8_t *row = coverage + y * columns;
        uint8_t *line = canvas + ((y0 + y) * width + x0) * channels;
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

/* recolor(n_pixels, canvas, n, pixels, tables): n pixels of an RGB image, by their numbers, through tables (3 x 256);
 * one that is named twice, once */
PyObject *recolor(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n_pixels, n;
    PyObject *canvas_object, *pixels_object, *tables_object;
    if (!PyArg_ParseTuple(args, "nOnOO", &n_pixels, &canvas_object, &n, &pixels_object, &tables_object)) return NULL;
    uint8_t *canvas, *colors;
    const int64_t *given;
    int64_t *pixels;
    const uint8_t *tables;
    if (!(canvas = elements(&arrays, canvas_object, 1, 1, SHAPE(n_pixels, 3))) ||
        !(given = elements(&arrays, pixels_object, 8, 0, SHAPE(n))) ||
        !(tables = elements(&arrays, tables_object, 1, 0, SHAPE(3, 256))) ||
        !(pixels = room_for(&arrays, 8, SHAPE(n))) || !(colors = room_for(&arrays, 1, SHAPE(n, 3))))
        return failed(&arrays);
    memcpy(pixels, given, 8 * (size_t)n);
    for (Py_ssize_t i = 0; i < n; i++)
        if (pixels[i] < 0 || pixels[i] >= n_pixels) {
            PyErr_SetString(PyExc_IndexError, "a pixel lies outside the image");
            return failed(&arrays);
        }
    /* All are read before one is written. */
    for (Py_ssize_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) colors[3 * i + k] = tables[256 * k + canvas[3 * pixels[i] + k]];
    for (Py_ssize_t i = 0; i < n; i++) memcpy(canvas + 3 * pixels[i], colors + 3 * i, 3);
    release(&arrays);
    Py_RETURN_NONE;
}
