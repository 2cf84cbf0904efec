/* Crops of images, with the bits of OpenCV 5: numbers that networks turn into faces should not depend on who cuts. */

#include "kernel.h"

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#define FUSED __attribute__((target("avx2,fma")))
#endif

#define BLOCK 16 /* places that OpenCV computes together, without rounding in between */

typedef struct {
    Rows part;
    Py_ssize_t size;
    int32_t *columns, *rows; /* the pixel before each place, counted from one before the part */
    float *across, *down;    /* the shares of the next one */
    float *line;             /* a row of the part between black pixels */
    float *mixed[2];         /* even and odd rows of the part at the columns */
    uint8_t *out;
} Crop;

static void find_places(Py_ssize_t size, float start, float step, int fused, Py_ssize_t first, Py_ssize_t count,
                        int32_t *before, float *shares) {
    for (Py_ssize_t i = 0; i < size; i++) {
        const float product = (float)i * step;
        const float place = fused && i < size / BLOCK * BLOCK ? (float)((double)i * step + start) : product + start;
        const double pixel = (double)floorf(place) - (double)first;
        /* NaN, and what lies outside, are black. */
        const int inside = pixel >= -1.0 && pixel < (double)count;
        before[i] = inside ? (int32_t)pixel + 1 : 0;
        shares[i] = inside ? place - floorf(place) : 0.0f;
    }
}

/* Row `r` of the part, -1 to its height, in `line`. */
static ALWAYS_INLINE void read_line(const Crop *job, Py_ssize_t r) {
    const Py_ssize_t n = 3 * job->part.width;
    float *RESTRICT line = job->line + 3;
    if (r < 0 || r >= job->part.height) {
        memset(line, 0, sizeof(float) * (size_t)n);
        return;
    }
    const uint8_t *RESTRICT row = job->part.first + r * job->part.stride;
    for (Py_ssize_t i = 0; i < n; i++) line[i] = (float)row[i];
}

/* a + share * (b - a), rounded once */
static inline float mixed_once(float a, float b, float share) { return (float)((double)a + (double)share * (double)(b - a)); }

#ifdef FUSED
/* Four values of a pixel, of which the next pixel overwrites the last. */
FUSED static void mix_columns(const Crop *job, Py_ssize_t r, float *to) {
    read_line(job, r);
    for (Py_ssize_t c = 0; c < job->size; c++) {
        const float *pixel = job->line + 3 * (Py_ssize_t)job->columns[c];
        const __m128 a = _mm_loadu_ps(pixel), b = _mm_loadu_ps(pixel + 3);
        _mm_storeu_ps(to + 3 * c, _mm_fmadd_ps(_mm_set1_ps(job->across[c]), _mm_sub_ps(b, a), a));
    }
}

FUSED static void mix_rows(const Crop *job, const float *a, const float *b, float share, uint8_t *to) {
    const Py_ssize_t n = 3 * job->size;
    const __m256 shares = _mm256_set1_ps(share);
    Py_ssize_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 x = _mm256_loadu_ps(a + i), y = _mm256_loadu_ps(b + i);
        const __m256i words = _mm256_cvtps_epi32(_mm256_fmadd_ps(shares, _mm256_sub_ps(y, x), x));
        const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storel_epi64((__m128i *)(to + i), _mm_packus_epi16(halves, halves));
    }
    for (; i < n; i++) to[i] = (uint8_t)lrintf(mixed_once(a[i], b[i], share));
}
FUSED static void cut_crop(const Crop *job) {
    Py_ssize_t held[2] = {-2, -2};
    for (Py_ssize_t r = 0; r < job->size; r++) {
        const Py_ssize_t above = (Py_ssize_t)job->rows[r] - 1;
        for (Py_ssize_t row = above; row <= above + 1; row++) {
            if (held[row & 1] == row) continue;
            mix_columns(job, row, job->mixed[row & 1]);
            held[row & 1] = row;
        }
        mix_rows(job, job->mixed[above & 1], job->mixed[(above + 1) & 1], job->down[r], job->out + 3 * r * job->size);
    }
}

static int can_cut(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
static void cut_crop(const Crop *job) { (void)job; }

static int can_cut(void) { return 0; }
#endif

/* warp(part, left, top, x, y, step, size, out): a square of an RGB image, bilinear and black outside of its part, which
 * begins at (left, top). The first pixel is at (x, y), the others `step` apart. False where the machine
 * cannot fuse products and sums in vectors: OpenCV is faster there, and nothing is done */
PyObject *warp(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Crop job;
    Py_ssize_t left, top;
    float x, y, step;
    PyObject *part, *out;
    if (!PyArg_ParseTuple(args, "OnnfffnO", &part, &left, &top, &x, &y, &step, &job.size, &out)) return NULL;
    if (job.size >= 1 << 24) {
        PyErr_SetString(PyExc_ValueError, "a side has fewer than 2^24 pixels");
        return NULL;
    }
    if (!image_rows(&arrays, part, &job.part) ||
        !(job.out = elements(&arrays, out, 1, 1, SHAPE(job.size, job.size, 3))) ||
        !(job.columns = room_for(&arrays, 4, SHAPE(job.size))) || !(job.rows = room_for(&arrays, 4, SHAPE(job.size))) ||
        !(job.across = room_for(&arrays, 4, SHAPE(job.size))) || !(job.down = room_for(&arrays, 4, SHAPE(job.size))) ||
        !(job.line = room_for(&arrays, 4, SHAPE(job.part.width + 3, 3))) || /* with one that is read, and not used */
        !(job.mixed[0] = room_for(&arrays, 4, SHAPE(job.size + 1, 3))) ||
        !(job.mixed[1] = room_for(&arrays, 4, SHAPE(job.size + 1, 3))))
        return failed(&arrays);
    const int fused = can_cut();
    Py_BEGIN_ALLOW_THREADS
    memset(job.line, 0, sizeof(float) * 3 * (size_t)(job.part.width + 3));
    find_places(job.size, x, step, 1, left, job.part.width, job.columns, job.across);
    find_places(job.size, y, step, 0, top, job.part.height, job.rows, job.down);
    if (fused) cut_crop(&job);
    Py_END_ALLOW_THREADS
    release(&arrays);
    return PyBool_FromLong(fused);
}
