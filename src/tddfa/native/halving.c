/* Images at half their size. */

#include "kernel.h"

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#define VECTORS __attribute__((target("avx2")))
#endif

typedef struct {
    Rows image;
    Py_ssize_t height, width;
    uint8_t *out;
} Halves;

/* Pixels `first` to `end` of a row; `below` is NULL where the image has no row there. */
static void halve_some(const uint8_t *above, const uint8_t *below, Py_ssize_t width, Py_ssize_t first, Py_ssize_t end,
                       uint8_t *to) {
    for (Py_ssize_t x = first; x < end; x++)
        for (int k = 0; k < 3; k++) {
            const Py_ssize_t i = 6 * x + k;
            const int has_next = 2 * x + 1 < width;
            unsigned sum = above[i] + (has_next ? above[i + 3] : 0u);
            if (below) sum += below[i] + (has_next ? below[i + 3] : 0u);
            to[3 * x + k] = (uint8_t)((sum + 2) >> 2);
        }
}

static void halve_rows(const Halves *job, Py_ssize_t (*most)(const uint8_t *, const uint8_t *, Py_ssize_t, uint8_t *)) {
    const Rows *image = &job->image;
    for (Py_ssize_t y = 0; y < job->height; y++) {
        const uint8_t *above = image->first + 2 * y * image->stride;
        const uint8_t *below = 2 * y + 1 < image->height ? above + image->stride : NULL;
        uint8_t *to = job->out + 3 * y * job->width;
        const Py_ssize_t done = most && below ? most(above, below, image->width, to) : 0;
        halve_some(above, below, image->width, done, job->width, to);
    }
}

#ifdef VECTORS
/* As many pixels of a row as vectors of eight pixels reach; returns how many. Two vectors of 16 bytes each hold four
 * pixels, and what is stored behind their halves is overwritten by the next ones. */
VECTORS static Py_ssize_t halve_vectors(const uint8_t *above, const uint8_t *below, Py_ssize_t width, uint8_t *to) {
    const __m256i pairs = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11, -1, -1, -1, -1));
    const __m256i ones = _mm256_set1_epi8(1), two = _mm256_set1_epi16(2);
    Py_ssize_t x = 0;
    /* What is read reaches four bytes, and what is written two pixels and a half, beyond what is used. */
    for (; 2 * x + 10 <= width && 2 * (x + 7) <= width; x += 4) {
        const Py_ssize_t i = 6 * x;
        __m256i sum[2];
        for (int r = 0; r < 2; r++) {
            const uint8_t *row = (r ? below : above) + i;
            const __m256i eight = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)row)),
                _mm_loadu_si128((const __m128i *)(row + 12)), 1);
            sum[r] = _mm256_maddubs_epi16(_mm256_shuffle_epi8(eight, pairs), ones);
        }
        const __m256i mean = _mm256_srli_epi16(_mm256_add_epi16(_mm256_add_epi16(sum[0], sum[1]), two), 2);
        const __m256i bytes = _mm256_packus_epi16(mean, mean);
        _mm_storel_epi64((__m128i *)(to + 3 * x), _mm256_castsi256_si128(bytes));
        _mm_storel_epi64((__m128i *)(to + 3 * x + 6), _mm256_extracti128_si256(bytes, 1));
    }
    return x;
}

static void halve_all(const Halves *job) {
    __builtin_cpu_init();
    halve_rows(job, __builtin_cpu_supports("avx2") ? halve_vectors : NULL);
}
#else
static void halve_all(const Halves *job) { halve_rows(job, NULL); }
#endif

/* halve(image, height, width, out): means of two by two pixels of an RGB image, rounded; beyond its right and lower
 * sides it counts as black */
PyObject *halve(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Halves job;
    PyObject *image, *out;
    if (!PyArg_ParseTuple(args, "OnnO", &image, &job.height, &job.width, &out)) return NULL;
    if (!image_rows(&arrays, image, &job.image) ||
        !(job.out = elements(&arrays, out, 1, 1, SHAPE(job.height, job.width, 3))))
        return failed(&arrays);
    if (job.height != job.image.height / 2 + job.image.height % 2 ||
        job.width != job.image.width / 2 + job.image.width % 2) {
        PyErr_SetString(PyExc_ValueError, "a halved image has half the sides, rounded up");
        return failed(&arrays);
    }
    Py_BEGIN_ALLOW_THREADS
    halve_all(&job);
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}
