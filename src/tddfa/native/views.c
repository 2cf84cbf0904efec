/* Views of a surface: an image sampled where an affine camera shows points, with the bits of OpenCV 5. */

#include "kernel.h"

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#define FUSED __attribute__((target("avx2,fma")))
#endif

#define TOGETHER 8 /* points whose places are computed in one vector */

typedef struct {
    Rows image;
    Py_ssize_t height, width; /* of the view */
    const float *points;      /* all x, then all y, then all z */
    const float *camera;      /* what each of x, y, z and 1 adds to both coordinates of a place */
    Py_ssize_t row;           /* bytes from one row of `out` to the next */
    uint8_t *out;
} View;

#ifdef FUSED
/* Where eight points lie in the image.
 *
 * `x` and `y` are the pixel before each place, -1 to the width or height and -2 for black ones, `at` is its first byte;
 * `across` and `down` are the shares of the next one. All of them are `inside` where eight bytes at each pixel and at
 * the one below it are bytes of the image. */
typedef struct {
    __m256i x, y, at;
    __m256 across, down;
    int inside;
} Places;

typedef struct {
    __m256 whole, share, there, inside;
} Axis;

FUSED static ALWAYS_INLINE Axis find_axis(const __m256 *p, const float *camera, Py_ssize_t side, float read) {
    __m256 place = _mm256_mul_ps(p[0], _mm256_set1_ps(camera[0]));
    place = _mm256_fmadd_ps(p[1], _mm256_set1_ps(camera[2]), place);
    place = _mm256_fmadd_ps(p[2], _mm256_set1_ps(camera[4]), place);
    place = _mm256_add_ps(place, _mm256_set1_ps(camera[6]));
    const __m256 whole = _mm256_floor_ps(place);
    /* Comparisons with NaN are false. */
    const __m256 there = _mm256_and_ps(_mm256_cmp_ps(whole, _mm256_set1_ps(-1.0f), _CMP_GE_OQ),
                                       _mm256_cmp_ps(whole, _mm256_set1_ps((float)side), _CMP_LT_OQ));
    const __m256 inside = _mm256_and_ps(_mm256_cmp_ps(whole, _mm256_setzero_ps(), _CMP_GE_OQ),
                                        _mm256_cmp_ps(whole, _mm256_set1_ps((float)side - read), _CMP_LE_OQ));
    const Axis axis = {whole, _mm256_sub_ps(place, whole), there, inside};
    return axis;
}

FUSED static ALWAYS_INLINE Places find_eight(const float *x, const float *y, const float *z, const float *camera,
                                             const Rows *image, int is_small) {
    const __m256 p[3] = {_mm256_loadu_ps(x), _mm256_loadu_ps(y), _mm256_loadu_ps(z)}, black = _mm256_set1_ps(-2.0f);
    const Axis across = find_axis(p, camera, image->width, 3.0f), down = find_axis(p, camera + 1, image->height, 2.0f);
    const __m256 there = _mm256_and_ps(across.there, down.there);
    Places places;
    places.x = _mm256_cvttps_epi32(_mm256_blendv_ps(black, across.whole, there));
    places.y = _mm256_cvttps_epi32(_mm256_blendv_ps(black, down.whole, there));
    places.inside = is_small && _mm256_movemask_ps(_mm256_and_ps(across.inside, down.inside)) == 0xFF;
    places.at = _mm256_setzero_si256();
    if (places.inside)
        places.at = _mm256_add_epi32(_mm256_mullo_epi32(places.y, _mm256_set1_epi32((int32_t)image->stride)),
                                     _mm256_add_epi32(places.x, _mm256_add_epi32(places.x, places.x)));
    places.across = across.share;
    places.down = down.share;
    return places;
}

/* Two pixels of a row, black outside of the image, in eight bytes. */
static void copy_two(const Rows *image, int32_t x, int32_t y, uint8_t *bytes) {
    memset(bytes, 0, 8);
    if (y < 0 || y >= image->height) return;
    for (int32_t k = 0; k < 2; k++)
        if (x + k >= 0 && x + k < image->width)
            memcpy(bytes + 3 * k, image->first + y * image->stride + 3 * (Py_ssize_t)(x + k), 3);
}

/* Eight bytes for one half of a vector, and eight for the other. */
FUSED static ALWAYS_INLINE __m256i two_words(const uint8_t *a, const uint8_t *b) {
    int64_t first, second;
    memcpy(&first, a, 8);
    memcpy(&second, b, 8);
    return _mm256_blend_epi32(_mm256_set1_epi64x(first), _mm256_set1_epi64x(second), 0xF0);
}

/* Colours between the pixels of a row, for two places. */
FUSED static ALWAYS_INLINE __m256 mix_across(__m256i two, __m256 share) {
    const __m256i here = _mm256_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1, /* and again */
                                          0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1);
    const __m256i next = _mm256_setr_epi8(3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1, /* and again */
                                          3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1);
    const __m256 a = _mm256_cvtepi32_ps(_mm256_shuffle_epi8(two, here));
    const __m256 b = _mm256_cvtepi32_ps(_mm256_shuffle_epi8(two, next));
    return _mm256_fmadd_ps(share, _mm256_sub_ps(b, a), a);
}

/* Colours of eight places, 24 bytes, of which `to` has room for `count`. */
FUSED static ALWAYS_INLINE void store_eight(const Rows *image, const Places *places, uint8_t *to, Py_ssize_t count) {
    const uint8_t *above, *below;
    int32_t at[TOGETHER];
    uint8_t copies[16 * TOGETHER];
    _mm256_storeu_si256((__m256i *)at, places->at);
    if (places->inside) {
        above = image->first, below = above + image->stride;
    } else {
        int32_t x[TOGETHER], y[TOGETHER];
        _mm256_storeu_si256((__m256i *)x, places->x);
        _mm256_storeu_si256((__m256i *)y, places->y);
        for (int k = 0; k < TOGETHER; k++) {
            at[k] = 16 * k;
            copy_two(image, x[k], y[k], copies + 16 * k);
            copy_two(image, x[k], y[k] + 1, copies + 16 * k + 8);
        }
        above = copies, below = copies + 8;
    }
    /* The places k and k + 4 in the halves of one vector: nothing has to move between them. */
    __m256i colors[4];
#define MIX(k)                                                                                                           {                                                                                                                        const __m256 across = _mm256_permute_ps(places->across, 0x55 * k), down = _mm256_permute_ps(places->down, 0x55 * k);         const __m256 upper = mix_across(two_words(above + at[k], above + at[k + 4]), across);                                const __m256 lower = mix_across(two_words(below + at[k], below + at[k + 4]), across);                                colors[k] = _mm256_cvtps_epi32(_mm256_fmadd_ps(down, _mm256_sub_ps(lower, upper), upper));                       }
    MIX(0) MIX(1) MIX(2) MIX(3)
#undef MIX
    const __m256i three = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, /* and again */
                                           0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_packus_epi16(_mm256_packs_epi32(colors[0], colors[1]),
                                                                  _mm256_packs_epi32(colors[2], colors[3])),
                                              three);
    const __m128i first = _mm256_castsi256_si128(bytes), second = _mm256_extracti128_si256(bytes, 1);
    if (count == TOGETHER) {
        const int32_t last = _mm_extract_epi32(second, 2);
        _mm_storeu_si128((__m128i *)to, first);
        _mm_storel_epi64((__m128i *)(to + 12), second);
        memcpy(to + 20, &last, 4);
    } else {
        uint8_t some[12 + 16];
        _mm_storeu_si128((__m128i *)some, first);
        _mm_storeu_si128((__m128i *)(some + 12), second);
        memcpy(to, some, 3 * (size_t)count);
    }
}

FUSED static void sample_view(const View *job) {
    const Rows image = job->image;
    const Py_ssize_t width = job->width, n = job->height * width;
    /* First bytes of pixels fit in 32 bits. */
    const Py_ssize_t most = image.height ? (INT32_MAX - 3 * image.width) / image.height : 0;
    const int is_small = image.stride <= most && image.stride >= -most;
    for (Py_ssize_t r = 0; r < job->height; r++) {
        const float *x = job->points + r * width, *y = x + n, *z = y + n;
        uint8_t *to = job->out + r * job->row;
        Py_ssize_t c = 0;
        for (; c + TOGETHER <= width; c += TOGETHER) {
            const Places places = find_eight(x + c, y + c, z + c, job->camera, &image, is_small);
            store_eight(&image, &places, to + 3 * c, TOGETHER);
        }
        if (c < width) {
            const size_t bytes = sizeof(float) * (size_t)(width - c);
            float rest[3][TOGETHER] = {{0}};
            memcpy(rest[0], x + c, bytes);
            memcpy(rest[1], y + c, bytes);
            memcpy(rest[2], z + c, bytes);
            const Places places = find_eight(rest[0], rest[1], rest[2], job->camera, &image, is_small);
            store_eight(&image, &places, to + 3 * c, width - c);
        }
    }
}

static int can_sample(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
static void sample_view(const View *job) { (void)job; }

static int can_sample(void) { return 0; }
#endif

/* sample(image, height, width, points, camera, top, left, whole_height, whole_width, out): the pixels of an RGB image
 * where a camera shows points, bilinear and black outside; they fill a rectangle of `out`. False where the machine
 * cannot fuse products and sums in vectors: OpenCV is faster there, and nothing is done */
PyObject *sample(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    View job;
    Py_ssize_t top, left, height, width;
    PyObject *image, *points, *camera, *out;
    if (!PyArg_ParseTuple(args, "OnnOOnnnnO", &image, &job.height, &job.width, &points, &camera, &top, &left, &height,
                          &width, &out))
        return NULL;
    if (!image_rows(&arrays, image, &job.image) ||
        !(job.points = elements(&arrays, points, 4, 0, SHAPE(3, job.height, job.width))) ||
        !(job.camera = elements(&arrays, camera, 4, 0, SHAPE(4, 2))) ||
        !(job.out = elements(&arrays, out, 1, 1, SHAPE(height, width, 3))))
        return failed(&arrays);
    if (top < 0 || left < 0 || top > height || left > width || job.height > height - top ||
        job.width > width - left) {
        PyErr_SetString(PyExc_ValueError, "the view reaches out of the image that it is part of");
        return failed(&arrays);
    }
    job.row = 3 * width;
    job.out += top * job.row + 3 * left;
    const int fused = can_sample();
    Py_BEGIN_ALLOW_THREADS
    if (fused) sample_view(&job);
    Py_END_ALLOW_THREADS
    release(&arrays);
    return PyBool_FromLong(fused);
}
