/* How much of each pixel discs and line segments cover; the twins are in imaging/draw.py. */

#include "kernel.h"

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#define WIDE_STROKES 1
#elif defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif

/* discs(height, width, out, n, centers, radius) */
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
    Py_ssize_t height, width, n, columns;
    uint8_t *out;
    const float *points; /* x, y and perhaps more, `columns` in all */
    const int32_t *ends; /* n x 2 */
    const uint8_t *seen; /* of each point, or NULL */
    float x0, y0, reach;
} Segments;

/* One segment: where it starts, where to, and 1 / its length squared. */
typedef struct {
    float x, y, dx, dy, per_square, reach;
} Stroke;

/* The pixels that it may cover: first column and row, and one past the last ones. */
typedef struct {
    Py_ssize_t left, top, right, bottom;
} Part;

static ALWAYS_INLINE void cover_pixel(const Stroke *s, float x, float y, uint8_t *pixel) {
    const float px = x - s->x, py = y - s->y, along = clamp01((px * s->dx + py * s->dy) * s->per_square);
    const float ex = px - along * s->dx, ey = py - along * s->dy;
    const float part = s->reach - sqrtf(ex * ex + ey * ey);
    if (!(part > 0.0f)) return;
    const uint8_t covered = (uint8_t)lrintf(255.0f * clamp01(part));
    if (covered > *pixel) *pixel = covered;
}

/* Pixels `left` to `right` - 1 of a row. */
static ALWAYS_INLINE void cover_row(const Segments *job, const Stroke *s, Py_ssize_t y, Py_ssize_t left,
                                    Py_ssize_t right) {
    uint8_t *row = job->out + y * job->width;
    Py_ssize_t x = left;
#if defined(__SSE2__) || defined(_M_X64)
    /* Four at a time: pixels beside the segment come along, and are not covered. */
    const __m128 zero = _mm_setzero_ps(), one = _mm_set1_ps(1.0f), steps = _mm_set_ps(3, 2, 1, 0);
    const __m128 dx = _mm_set1_ps(s->dx), dy = _mm_set1_ps(s->dy), py = _mm_set1_ps((float)y - s->y);
    const __m128 sideways = _mm_mul_ps(py, dy), per_square = _mm_set1_ps(s->per_square);
    for (; x < right && x + 4 <= job->width; x += 4) {
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
#endif
    for (; x < right; x++) cover_pixel(s, (float)x, (float)y, &row[x]);
}

static ALWAYS_INLINE void cover_rows(const Segments *job, const Stroke *s, const Part *part) {
    for (Py_ssize_t y = part->top; y < part->bottom; y++) cover_row(job, s, y, part->left, part->right);
}

/* The segment between two points; 0 where it is not drawn. */
static ALWAYS_INLINE int stroke_of(const Segments *job, Py_ssize_t i, Stroke *s, Part *part) {
    const Py_ssize_t first = job->ends[2 * i], last = job->ends[2 * i + 1];
    if (job->seen && !(job->seen[first] && job->seen[last])) return 0;
    const float *a = job->points + job->columns * first, *b = job->points + job->columns * last;
    const float ax = a[0] - job->x0, ay = a[1] - job->y0, bx = b[0] - job->x0, by = b[1] - job->y0;
    const float dx = bx - ax, dy = by - ay, square = dx * dx + dy * dy;
    *s = (Stroke){ax, ay, dx, dy, square > 0.0f ? 1.0f / square : 0.0f, job->reach};
    part->top = first_from((dy < 0.0f ? by : ay) - job->reach, job->height);
    part->bottom = end_at((dy < 0.0f ? ay : by) + job->reach, job->height);
    part->left = first_from((dx < 0.0f ? bx : ax) - job->reach, job->width);
    part->right = end_at((dx < 0.0f ? ax : bx) + job->reach, job->width);
    return part->top < part->bottom && part->left < part->right;
}

static void cover_plain(const Segments *job) {
    Stroke stroke;
    Part part;
    for (Py_ssize_t i = 0; i < job->n; i++)
        if (stroke_of(job, i, &stroke, &part)) cover_rows(job, &stroke, &part);
}

#ifdef WIDE_STROKES

/* Four columns of two rows at once, and of four: most segments of a mesh cover no more. Pixels beside the segment come
 * along, and are not covered. */
#define WITH_AVX2 __attribute__((target("avx2")))
#define WITH_AVX512 __attribute__((target("avx512f")))

static ALWAYS_INLINE int32_t four_at(const uint8_t *pixels) {
    int32_t four;
    memcpy(&four, pixels, 4);
    return four;
}

WITH_AVX2 static inline void cover_two_rows(const Segments *job, const Stroke *s, Py_ssize_t y, const Part *part) {
    const __m256 zero = _mm256_setzero_ps(), one = _mm256_set1_ps(1.0f);
    const __m256 dx = _mm256_set1_ps(s->dx), dy = _mm256_set1_ps(s->dy);
    const __m256 rows = _mm256_add_ps(_mm256_set1_ps((float)y), _mm256_set_ps(1, 1, 1, 1, 0, 0, 0, 0));
    const __m256 columns = _mm256_set_ps(3, 2, 1, 0, 3, 2, 1, 0);
    const __m256 py = _mm256_sub_ps(rows, _mm256_set1_ps(s->y)), sideways = _mm256_mul_ps(py, dy);
    for (Py_ssize_t x = part->left; x < part->right; x += 4) {
        const __m256 px =
            _mm256_sub_ps(_mm256_add_ps(_mm256_set1_ps((float)x), columns), _mm256_set1_ps(s->x));
        const __m256 along =
            _mm256_mul_ps(_mm256_add_ps(_mm256_mul_ps(px, dx), sideways), _mm256_set1_ps(s->per_square));
        const __m256 inside = _mm256_min_ps(_mm256_max_ps(along, zero), one);
        const __m256 ex = _mm256_sub_ps(px, _mm256_mul_ps(inside, dx));
        const __m256 ey = _mm256_sub_ps(py, _mm256_mul_ps(inside, dy));
        const __m256 away = _mm256_sqrt_ps(_mm256_add_ps(_mm256_mul_ps(ex, ex), _mm256_mul_ps(ey, ey)));
        const __m256 share =
            _mm256_min_ps(_mm256_max_ps(_mm256_sub_ps(_mm256_set1_ps(s->reach), away), zero), one);
        const __m256i words = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_set1_ps(255.0f), share));
        const __m128i halves =
            _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        uint8_t *first = job->out + y * job->width + x, *second = first + job->width;
        const __m128i before = _mm_set_epi32(0, 0, four_at(second), four_at(first));
        const __m128i after = _mm_max_epu8(_mm_packus_epi16(halves, halves), before);
        const int32_t upper = _mm_cvtsi128_si32(after), lower = _mm_extract_epi32(after, 1);
        memcpy(first, &upper, 4), memcpy(second, &lower, 4);
    }
}

WITH_AVX2 static void cover_avx2(const Segments *job) {
    Stroke stroke;
    Part part;
    for (Py_ssize_t i = 0; i < job->n; i++) {
        if (!stroke_of(job, i, &stroke, &part)) continue;
        Py_ssize_t y = part.top;
        if (part.left + ((part.right - part.left + 3) & ~(Py_ssize_t)3) <= job->width)
            for (; y < part.bottom && y + 2 <= job->height; y += 2) cover_two_rows(job, &stroke, y, &part);
        for (; y < part.bottom; y++) cover_row(job, &stroke, y, part.left, part.right);
    }
}

WITH_AVX512 static inline void cover_four_rows(const Segments *job, const Stroke *s, Py_ssize_t y, const Part *part) {
    const __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1.0f);
    const __m512 dx = _mm512_set1_ps(s->dx), dy = _mm512_set1_ps(s->dy);
    const __m512 rows = _mm512_add_ps(_mm512_set1_ps((float)y),
                                      _mm512_set_ps(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0));
    const __m512 columns = _mm512_set_ps(3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0);
    const __m512 py = _mm512_sub_ps(rows, _mm512_set1_ps(s->y)), sideways = _mm512_mul_ps(py, dy);
    for (Py_ssize_t x = part->left; x < part->right; x += 4) {
        const __m512 px =
            _mm512_sub_ps(_mm512_add_ps(_mm512_set1_ps((float)x), columns), _mm512_set1_ps(s->x));
        const __m512 along =
            _mm512_mul_ps(_mm512_add_ps(_mm512_mul_ps(px, dx), sideways), _mm512_set1_ps(s->per_square));
        const __m512 inside = _mm512_min_ps(_mm512_max_ps(along, zero), one);
        const __m512 ex = _mm512_sub_ps(px, _mm512_mul_ps(inside, dx));
        const __m512 ey = _mm512_sub_ps(py, _mm512_mul_ps(inside, dy));
        const __m512 away = _mm512_sqrt_ps(_mm512_add_ps(_mm512_mul_ps(ex, ex), _mm512_mul_ps(ey, ey)));
        const __m512 share =
            _mm512_min_ps(_mm512_max_ps(_mm512_sub_ps(_mm512_set1_ps(s->reach), away), zero), one);
        const __m512i words = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_set1_ps(255.0f), share));
        uint8_t *at = job->out + y * job->width + x;
        const Py_ssize_t w = job->width;
        const __m128i before = _mm_set_epi32(four_at(at + 3 * w), four_at(at + 2 * w), four_at(at + w), four_at(at));
        int32_t after[4];
        _mm_storeu_si128((__m128i *)after, _mm_max_epu8(_mm512_cvtepi32_epi8(words), before));
        for (int k = 0; k < 4; k++) memcpy(at + k * w, &after[k], 4);
    }
}

WITH_AVX512 static void cover_avx512(const Segments *job) {
    Stroke stroke;
    Part part;
    for (Py_ssize_t i = 0; i < job->n; i++) {
        if (!stroke_of(job, i, &stroke, &part)) continue;
        Py_ssize_t y = part.top;
        if (part.left + ((part.right - part.left + 3) & ~(Py_ssize_t)3) <= job->width)
            for (; y < part.bottom && y + 4 <= job->height; y += 4) cover_four_rows(job, &stroke, y, &part);
        for (; y < part.bottom; y++) cover_row(job, &stroke, y, part.left, part.right);
    }
}

static void (*const cover_variants[])(const Segments *) = {cover_plain, cover_avx2, cover_avx512};
#else
static void (*const cover_variants[])(const Segments *) = {cover_plain};
#endif

/* segments(height, width, out, n_points, columns, points, x0, y0, n, ends, seen or None, thickness, most): how much of
 * each pixel line segments cover, each between two of the points that are seen both; pixel (0, 0) of the result is
 * pixel (x0, y0) of the points, of which each has two or more columns; `most` is the widest vector unit to use, 0 to
 * 2 */
PyObject *segments(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Segments job = {.seen = NULL};
    Py_ssize_t n_points;
    float thickness;
    int most;
    PyObject *out, *points, *ends, *seen;
    if (!PyArg_ParseTuple(args, "nnOnnOffnOOfi", &job.height, &job.width, &out, &n_points, &job.columns, &points,
                          &job.x0, &job.y0, &job.n, &ends, &seen, &thickness, &most))
        return NULL;
    if (job.columns < 2) {
        PyErr_SetString(PyExc_ValueError, "a point has two coordinates or more");
        return NULL;
    }
    if (!(job.out = elements(&arrays, out, 1, 1, SHAPE(job.height, job.width))) ||
        !(job.points = elements(&arrays, points, 4, 0, SHAPE(n_points, job.columns))) ||
        !(job.ends = indices(&arrays, ends, n_points, "a segment names a point that is not there", SHAPE(job.n, 2))) ||
        (seen != Py_None && !(job.seen = elements(&arrays, seen, 1, 0, SHAPE(n_points)))))
        return failed(&arrays);
    if (job.width >= 1 << 24) {
        PyErr_SetString(PyExc_ValueError, "rows have fewer than 2^24 pixels");
        return failed(&arrays);
    }
    job.reach = 0.5f * thickness + 0.5f;
    Py_BEGIN_ALLOW_THREADS
    /* Rows beyond 2^24 have no floats of their own. */
    cover_variants[job.height < 1 << 24 ? vectors(most) : 0](&job);
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}
