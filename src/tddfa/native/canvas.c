/* Colours over images; the twins are in render/numpy_kernel. */

#include "kernel.h"

#include <float.h>

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

typedef struct {
    Py_ssize_t width, x0, y0, rows, columns;
    int canvas_channels, channels;
    uint8_t *canvas;
    const uint8_t *image, *mask; /* the image that shines through, or NULL */
    const float *values;
    float alpha, under[256]; /* what is left of each level of the image */
    uint8_t opacity;
} Blending;

/* `channels` and `shines` are constants at every call. */
static ALWAYS_INLINE void blend_rows(const Blending *job, int channels, int shines) {
    for (Py_ssize_t y = 0; y < job->rows; y++) {
        const uint8_t *mask = job->mask + y * job->columns;
        const float *values = job->values + y * job->columns * channels;
        const Py_ssize_t at = (job->y0 + y) * job->width + job->x0;
        for (Py_ssize_t x = 0; x < job->columns; x++) {
            if (!mask[x]) continue;
            uint8_t *out = job->canvas + (at + x) * job->canvas_channels;
            for (int k = 0; k < 3; k++) {
                float level = clamp01(values[channels * x + (channels == 1 ? 0 : k)]) * 255.0f;
                if (shines) level = job->alpha * level + job->under[job->image[3 * (at + x) + k]];
                out[k] = (uint8_t)lrintf(level);
            }
            if (job->canvas_channels == 4) out[3] = job->opacity;
        }
    }
}

/* blend(height, width, channels, canvas, image or None, x0, y0, rows, columns, mask, values channels, values, alpha,
 *       rest, opacity) */
PyObject *blend(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Blending job = {.image = NULL};
    Py_ssize_t height;
    float rest;
    int opacity;
    PyObject *canvas, *image, *mask, *values;
    if (!PyArg_ParseTuple(args, "nniOOnnnnOiOffi", &height, &job.width, &job.canvas_channels, &canvas, &image, &job.x0,
                          &job.y0, &job.rows, &job.columns, &mask, &job.channels, &values, &job.alpha, &rest, &opacity))
        return NULL;
    if (!(job.canvas = elements(&arrays, canvas, 1, 1, SHAPE(height, job.width, job.canvas_channels))) ||
        (image != Py_None && !(job.image = elements(&arrays, image, 1, 0, SHAPE(height, job.width, 3)))) ||
        !(job.mask = elements(&arrays, mask, 1, 0, SHAPE(job.rows, job.columns))) ||
        !(job.values = elements(&arrays, values, 4, 0, SHAPE(job.rows, job.columns, job.channels))))
        return failed(&arrays);
    if ((job.channels != 1 && job.channels != 3) || (job.canvas_channels != 3 && job.canvas_channels != 4) ||
        job.x0 < 0 || job.y0 < 0 || job.x0 > job.width - job.columns || job.y0 > height - job.rows ||
        !(job.alpha >= 0.0f && job.alpha <= 1.0f && rest >= 0.0f && rest <= 1.0f)) {
        PyErr_SetString(PyExc_ValueError, "the painted part reaches out of the image");
        return failed(&arrays);
    }
    for (int v = 0; v < 256; v++) job.under[v] = rest * (float)v;
    job.opacity = (uint8_t)opacity;
    Py_BEGIN_ALLOW_THREADS
    if (job.channels == 1)
        job.image ? blend_rows(&job, 1, 1) : blend_rows(&job, 1, 0);
    else
        job.image ? blend_rows(&job, 3, 1) : blend_rows(&job, 3, 0);
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

/* direction_colors(n, vectors, out): directions as colours, red to the right, green up, blue to the viewer; 0.5 is 0 */
PyObject *direction_colors(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n;
    PyObject *vectors_object, *out_object;
    if (!PyArg_ParseTuple(args, "nOO", &n, &vectors_object, &out_object)) return NULL;
    const float *vectors;
    float *out;
    if (!(vectors = elements(&arrays, vectors_object, 4, 0, SHAPE(n, 3))) ||
        !(out = elements(&arrays, out_object, 4, 1, SHAPE(n, 3))))
        return failed(&arrays);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++) {
        const float x = vectors[3 * i], y = vectors[3 * i + 1], z = vectors[3 * i + 2];
        float length = sqrtf((x * x + y * y) + z * z);
        length = length < FLT_MIN ? FLT_MIN : length;
        out[3 * i] = (x / length + 1.0f) * 0.5f;
        out[3 * i + 1] = (1.0f - y / length) * 0.5f;
        out[3 * i + 2] = (1.0f - z / length) * 0.5f;
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
