/* Strokes over images; the twins are in render/numpy_kernel and imaging/draw.py. */

#include "kernel.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif

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
    if (!(out = elements(&arrays, out_object, 1, 1, SHAPE(height, width))) ||
        !(centers = elements(&arrays, centers_object, 4, 0, SHAPE(n, 2))))
        return failed(&arrays);
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

/* The first whole number from `at` on, and at least 0; at most `count`. */
static inline Py_ssize_t first_from(float at, Py_ssize_t count) {
    if (!(at > 0.0f)) return 0;
    return at < (float)count ? (Py_ssize_t)ceilf(at) < count ? (Py_ssize_t)ceilf(at) : count : count;
}

/* One past the last whole number up to `at`; 0 to `count`. */
static inline Py_ssize_t end_at(float at, Py_ssize_t count) {
    if (!(at >= 0.0f)) return 0;
    return at < (float)(count - 1) ? (Py_ssize_t)at + 1 : count;
}

typedef struct {
    Py_ssize_t height, width, n;
    uint8_t *out;
    const float *points; /* x and y */
    const int32_t *ends; /* n x 2 */
    float reach;
} Segments;

/* One segment, as seen from one row of pixels. */
typedef struct {
    float x, dx, dy, per_square; /* where it starts, where to, and 1 / its length squared */
    float py, reach;
} Stroke;

static ALWAYS_INLINE void cover_pixel(const Stroke *s, float x, uint8_t *pixel) {
    const float px = x - s->x, along = clamp01((px * s->dx + s->py * s->dy) * s->per_square);
    const float ex = px - along * s->dx, ey = s->py - along * s->dy;
    const float part = s->reach - sqrtf(ex * ex + ey * ey);
    if (!(part > 0.0f)) return;
    const uint8_t covered = (uint8_t)lrintf(255.0f * clamp01(part));
    if (covered > *pixel) *pixel = covered;
}

/* Pixels `left` to `right` - 1 of a row. */
static ALWAYS_INLINE void cover_row(const Stroke *s, uint8_t *row, Py_ssize_t left, Py_ssize_t right,
                                    Py_ssize_t width) {
    Py_ssize_t x = left;
#if defined(__SSE2__) || defined(_M_X64)
    /* Four at a time: pixels beside the segment come along, and are not covered. */
    const __m128 zero = _mm_setzero_ps(), one = _mm_set1_ps(1.0f), steps = _mm_set_ps(3, 2, 1, 0);
    const __m128 dx = _mm_set1_ps(s->dx), dy = _mm_set1_ps(s->dy), py = _mm_set1_ps(s->py);
    const __m128 sideways = _mm_mul_ps(py, dy), per_square = _mm_set1_ps(s->per_square);
    for (; x < right && x + 4 <= width; x += 4) {
        const __m128 px = _mm_sub_ps(_mm_add_ps(_mm_set1_ps((float)x), steps), _mm_set1_ps(s->x));
        const __m128 along = _mm_mul_ps(_mm_add_ps(_mm_mul_ps(px, dx), sideways), per_square);
        const __m128 inside = _mm_min_ps(_mm_max_ps(along, zero), one);
        const __m128 ex = _mm_sub_ps(px, _mm_mul_ps(inside, dx)), ey = _mm_sub_ps(py, _mm_mul_ps(inside, dy));
        const __m128 away = _mm_sqrt_ps(_mm_add_ps(_mm_mul_ps(ex, ex), _mm_mul_ps(ey, ey)));
        const __m128 part = _mm_min_ps(_mm_max_ps(_mm_sub_ps(_mm_set1_ps(s->reach), away), zero), one);
        const __m128i words = _mm_cvtps_epi32(_mm_mul_ps(_mm_set1_ps(255.0f), part));
        const __m128i halves = _mm_packs_epi32(words, words), bytes = _mm_packus_epi16(halves, halves);
        int32_t before;
        memcpy(&before, row + x, 4);
        const int32_t after = _mm_cvtsi128_si32(_mm_max_epu8(bytes, _mm_cvtsi32_si128(before)));
        memcpy(row + x, &after, 4);
    }
#else
    (void)width;
#endif
    for (; x < right; x++) cover_pixel(s, (float)x, &row[x]);
}

static void cover_segments(const Segments *job) {
    for (Py_ssize_t i = 0; i < job->n; i++) {
        const float *a = job->points + 2 * (Py_ssize_t)job->ends[2 * i];
        const float *b = job->points + 2 * (Py_ssize_t)job->ends[2 * i + 1];
        const float dx = b[0] - a[0], dy = b[1] - a[1], square = dx * dx + dy * dy;
        Stroke stroke = {a[0], dx, dy, square > 0.0f ? 1.0f / square : 0.0f, 0.0f, job->reach};
        const Py_ssize_t top = first_from((dy < 0.0f ? b[1] : a[1]) - job->reach, job->height);
        const Py_ssize_t bottom = end_at((dy < 0.0f ? a[1] : b[1]) + job->reach, job->height);
        const Py_ssize_t left = first_from((dx < 0.0f ? b[0] : a[0]) - job->reach, job->width);
        const Py_ssize_t right = end_at((dx < 0.0f ? a[0] : b[0]) + job->reach, job->width);
        for (Py_ssize_t y = top; y < bottom; y++) {
            stroke.py = (float)y - a[1];
            cover_row(&stroke, job->out + y * job->width, left, right, job->width);
        }
    }
}

/* segments(height, width, out, n_points, points, n, ends, thickness): how much of each pixel line segments cover, each
 * between two of the points; the twin is in imaging/draw.py */
PyObject *segments(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Segments job;
    Py_ssize_t n_points;
    float thickness;
    PyObject *out, *points, *ends;
    if (!PyArg_ParseTuple(args, "nnOnOnOf", &job.height, &job.width, &out, &n_points, &points, &job.n, &ends,
                          &thickness))
        return NULL;
    if (!(job.out = elements(&arrays, out, 1, 1, SHAPE(job.height, job.width))) ||
        !(job.points = elements(&arrays, points, 4, 0, SHAPE(n_points, 2))) ||
        !(job.ends = indices(&arrays, ends, n_points, "a segment names a point that is not there", SHAPE(job.n, 2))))
        return failed(&arrays);
    if (job.width >= 1 << 24) {
        PyErr_SetString(PyExc_ValueError, "rows have fewer than 2^24 pixels");
        return failed(&arrays);
    }
    job.reach = 0.5f * thickness + 0.5f;
    Py_BEGIN_ALLOW_THREADS
    cover_segments(&job);
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}
