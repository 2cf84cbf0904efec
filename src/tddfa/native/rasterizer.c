/* The rasteriser in C: the same pixels, to the last bit, as its twin in NumPy (render/numpy_kernel.py),
 * which is the specification.
 *
 * That it can be the same rests on three rules: coverage is decided on integers; every float operation is
 * written in the twin's order; the compiler may not fuse a product and a sum (-ffp-contract=off).
 */

#include "blocks.h"
#include "waiting.h"

static ALWAYS_INLINE void snap(const Job *job, const float *vertex, Corner *corner, Box *box) {
    const int32_t x = (int32_t)lrintf((vertex[0] * job->scale) * (float)SUBPIXELS) - job->x0 * SUBPIXELS;
    const int32_t y = (int32_t)lrintf((vertex[1] * job->scale) * (float)SUBPIXELS) - job->y0 * SUBPIXELS;
    corner->x = x, corner->y = y, corner->z = vertex[2];
    /* >> rounds down, also below 0. */
    box->left = (float)((x + SUBPIXELS - 1) >> SUBPIXEL_BITS), box->minus_right = (float)-(x >> SUBPIXEL_BITS);
    box->top = (float)((y + SUBPIXELS - 1) >> SUBPIXEL_BITS), box->minus_bottom = (float)-(y >> SUBPIXEL_BITS);
}

#if defined(__SSE2__) || defined(_M_X64)

static void snap_all(const Job *job, Corner *corners, Box *boxes) {
    const __m128 scale = _mm_set1_ps(job->scale), subpixels = _mm_set1_ps((float)SUBPIXELS);
    const __m128i origin = _mm_set_epi32(0, 0, job->y0 * SUBPIXELS, job->x0 * SUBPIXELS);
    Py_ssize_t i = 0;
    for (; i + 1 < job->n_vertices; i++) { /* it reads four numbers of three */
        const __m128 v = _mm_loadu_ps(job->vertices + 3 * i);
        const __m128i at = _mm_sub_epi32(_mm_cvtps_epi32(_mm_mul_ps(_mm_mul_ps(v, scale), subpixels)), origin);
        const __m128i first = _mm_srai_epi32(_mm_add_epi32(at, _mm_set1_epi32(SUBPIXELS - 1)), SUBPIXEL_BITS);
        const __m128i minus_last = _mm_sub_epi32(_mm_setzero_si128(), _mm_srai_epi32(at, SUBPIXEL_BITS));
        _mm_storeu_ps(&boxes[i].left, _mm_cvtepi32_ps(_mm_unpacklo_epi64(first, minus_last)));
        _mm_storeu_ps((float *)&corners[i], _mm_shuffle_ps(_mm_castsi128_ps(at), v, _MM_SHUFFLE(3, 2, 1, 0)));
    }
    for (; i < job->n_vertices; i++) snap(job, job->vertices + 3 * i, &corners[i], &boxes[i]);
}

/* Whether the bounding box holds the centre of a pixel of the region; first column and row of these, and last ones
 * with a minus; and whether there are no more than four columns and rows, also beyond the region. */
static ALWAYS_INLINE int near_box(const Job *job, const Box *a, const Box *b, const Box *c, int32_t *out, int *small) {
    const __m128 limits = _mm_set_ps(0, 0, (float)(job->height - 1), (float)(job->width - 1));
    const __m128 region = _mm_set_ps((float)(1 - job->height), (float)(1 - job->width), 0, 0);
    const __m128 box = _mm_min_ps(_mm_min_ps(_mm_loadu_ps(&a->left), _mm_loadu_ps(&b->left)), _mm_loadu_ps(&c->left));
    const __m128 minus_span = _mm_add_ps(box, _mm_shuffle_ps(box, box, _MM_SHUFFLE(1, 0, 3, 2)));
    _mm_storeu_si128((__m128i *)out, _mm_cvttps_epi32(_mm_max_ps(box, region)));
    *small = _mm_movemask_ps(_mm_cmplt_ps(minus_span, _mm_set1_ps(-3))) == 0;
    return _mm_movemask_ps(_mm_or_ps(_mm_cmpgt_ps(minus_span, _mm_setzero_ps()), _mm_cmpgt_ps(box, limits))) == 0;
}

#else

static void snap_all(const Job *job, Corner *corners, Box *boxes) {
    for (Py_ssize_t i = 0; i < job->n_vertices; i++) snap(job, job->vertices + 3 * i, &corners[i], &boxes[i]);
}

static ALWAYS_INLINE float least(float a, float b, float c) { return a < b ? (a < c ? a : c) : (b < c ? b : c); }

static ALWAYS_INLINE int near_box(const Job *job, const Box *a, const Box *b, const Box *c, int32_t *out, int *small) {
    const float left = least(a->left, b->left, c->left), top = least(a->top, b->top, c->top);
    const float right = -least(a->minus_right, b->minus_right, c->minus_right);
    const float bottom = -least(a->minus_bottom, b->minus_bottom, c->minus_bottom);
    const float last_column = (float)(job->width - 1), last_row = (float)(job->height - 1);
    out[0] = (int32_t)(left > 0 ? left : 0), out[2] = -(int32_t)(right < last_column ? right : last_column);
    out[1] = (int32_t)(top > 0 ? top : 0), out[3] = -(int32_t)(bottom < last_row ? bottom : last_row);
    *small = (right - left <= 3) & (bottom - top <= 3);
    return (left <= right) & (top <= bottom) & (left <= last_column) & (top <= last_row) & (right >= 0) & (bottom >= 0);
}

#endif

#define TOGETHER 128 /* triangles whose boxes are looked at together */

/* Draws the mesh. Returns -1 when a triangle names a missing vertex. */
static ALWAYS_INLINE int draw_triangles(const Job *job, const Corner *corners, const Box *boxes, Target target,
                                        int channels) {
    Waiting waiting;
    int32_t numbers[TOGETHER], near[TOGETHER][4];
    uint8_t small[TOGETHER];
    memset(&waiting, 0, sizeof waiting);
    /* The largest number of a vertex. */
    const uint32_t most = (uint32_t)(job->n_vertices < INT32_MAX ? job->n_vertices : INT32_MAX) - 1;
    for (Py_ssize_t start = 0; start < job->n_triangles; start += TOGETHER) {
        const int n = job->n_triangles - start < TOGETHER ? (int)(job->n_triangles - start) : TOGETHER;
        const int32_t *corner = job->triangles + 3 * start;
        uint32_t missing = 0; /* its highest bit */
        for (int i = 0; i < 3 * n; i++) missing |= (uint32_t)corner[i] | (most - (uint32_t)corner[i]);
        if (missing >> 31) return -1;
        /* First those whose bounding box holds the centre of a pixel, without a branch: half of them do. */
        int n_near = 0;
        for (int i = 0; i < n; i++, corner += 3) {
            int is_small;
            numbers[n_near] = (int32_t)(start + i);
            const int is_near =
                near_box(job, &boxes[corner[0]], &boxes[corner[1]], &boxes[corner[2]], near[n_near], &is_small);
            small[n_near] = (uint8_t)is_small;
            n_near += is_near;
        }
        for (int m = 0; m < n_near; m++) {
            const int32_t *box = near[m];
            if (!small[m]) {
                /* Of equal depth the first one shows: what waits goes first. */
                draw_waiting(job, corners, &waiting, target, channels);
                fill(job, corners, numbers[m], box, target, channels);
                continue;
            }
            add_small(&waiting, numbers[m], box);
            if (waiting.count > WAITING - 16) draw_waiting(job, corners, &waiting, target, channels);
        }
    }
    draw_waiting(job, corners, &waiting, target, channels);
    return 0;
}

static int draw(const Job *job, Corner *corners, Box *boxes) {
    if (job->width < 1 || job->height < 1) return 0;
    snap_all(job, corners, boxes);
    if (job->index) return draw_triangles(job, corners, boxes, INDEX, 0);
    if (job->out) return draw_triangles(job, corners, boxes, VALUES, job->channels);
    if (job->picture && job->channels == 1) return draw_triangles(job, corners, boxes, PICTURE, 1);
    if (job->picture) return draw_triangles(job, corners, boxes, PICTURE, 3);
    return draw_triangles(job, corners, boxes, DEPTH, 0);
}

/* Draws without the interpreter lock, and turns what went wrong into an exception. */
static PyObject *draw_job(const Job *job, Arrays *arrays) {
    Corner *snapped = malloc((sizeof(Corner) + sizeof(Box)) * (size_t)(job->n_vertices + 1));
    int status = 0;
    if (snapped) {
        Py_BEGIN_ALLOW_THREADS
        status = draw(job, snapped, (Box *)(snapped + job->n_vertices + 1));
        Py_END_ALLOW_THREADS
        free(snapped);
    }
    release(arrays);
    if (!snapped) return PyErr_NoMemory();
    if (status < 0) return missing_vertex();
    Py_RETURN_NONE;
}

/* rasterize(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, cull_back, first_triangle,
 *           index, barycentric, depth) */
PyObject *rasterize(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *index, *barycentric, *depth;
    if (!PyArg_ParseTuple(args, "nnOOiiiiiiOOO", &job.n_vertices, &job.n_triangles, &vertices, &triangles,
                          &job.x0, &job.y0, &job.width, &job.height, &job.cull_back, &job.first_triangle, &index,
                          &barycentric, &depth))
        return NULL;
    const Py_ssize_t pixels = (Py_ssize_t)job.width * job.height;
    if (!(job.vertices = elements(&arrays, vertices, 4, 3 * job.n_vertices, 0)) ||
        !(job.triangles = elements(&arrays, triangles, 4, 3 * job.n_triangles, 0)) ||
        !(job.index = elements(&arrays, index, 4, pixels, 1)) ||
        !(job.barycentric = elements(&arrays, barycentric, 4, 3 * pixels, 1)) ||
        !(job.depth = elements(&arrays, depth, 4, pixels, 1))) {
        release(&arrays);
        return NULL;
    }
    return draw_job(&job, &arrays);
}

/* depth(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, scale, depth) */
PyObject *depth(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *depth_object;
    if (!PyArg_ParseTuple(args, "nnOOiiiifO", &job.n_vertices, &job.n_triangles, &vertices, &triangles, &job.x0,
                          &job.y0, &job.width, &job.height, &job.scale, &depth_object))
        return NULL;
    if (!(job.vertices = elements(&arrays, vertices, 4, 3 * job.n_vertices, 0)) ||
        !(job.triangles = elements(&arrays, triangles, 4, 3 * job.n_triangles, 0)) ||
        !(job.depth = elements(&arrays, depth_object, 4, (Py_ssize_t)job.width * job.height, 1))) {
        release(&arrays);
        return NULL;
    }
    return draw_job(&job, &arrays);
}

/* interpolate(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, scale, channels, values,
 *             depth, out) */
PyObject *interpolate(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *values, *depth, *out;
    if (!PyArg_ParseTuple(args, "nnOOiiiifiOOO", &job.n_vertices, &job.n_triangles, &vertices, &triangles, &job.x0,
                          &job.y0, &job.width, &job.height, &job.scale, &job.channels, &values, &depth, &out))
        return NULL;
    const Py_ssize_t pixels = (Py_ssize_t)job.width * job.height;
    if (!(job.vertices = elements(&arrays, vertices, 4, 3 * job.n_vertices, 0)) ||
        !(job.triangles = elements(&arrays, triangles, 4, 3 * job.n_triangles, 0)) ||
        !(job.values = elements(&arrays, values, 4, job.channels * job.n_vertices, 0)) ||
        !(job.depth = elements(&arrays, depth, 4, pixels, 1)) ||
        !(job.out = elements(&arrays, out, 4, job.channels * pixels, 1))) {
        release(&arrays);
        return NULL;
    }
    return draw_job(&job, &arrays);
}

/* paint(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, channels, values, depth,
 *       picture_width, picture_height, picture_channels, picture, photo or None, alpha, rest, opacity) */
PyObject *paint(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *values, *depth, *picture, *photo;
    Py_ssize_t picture_width, picture_height;
    float rest;
    int opacity;
    if (!PyArg_ParseTuple(args, "nnOOiiiiiOOnniOOffi", &job.n_vertices, &job.n_triangles, &vertices, &triangles,
                          &job.x0, &job.y0, &job.width, &job.height, &job.channels, &values, &depth, &picture_width,
                          &picture_height, &job.picture_channels, &picture, &photo, &job.alpha, &rest, &opacity))
        return NULL;
    if ((job.channels != 1 && job.channels != 3) || (job.picture_channels != 3 && job.picture_channels != 4) ||
        (photo != Py_None && job.picture_channels != 3) || job.x0 < 0 || job.y0 < 0 || job.width < 0 ||
        job.height < 0 || job.x0 > picture_width - job.width || job.y0 > picture_height - job.height) {
        PyErr_SetString(PyExc_ValueError, "the painted part reaches out of the picture");
        return NULL;
    }
    const Py_ssize_t pixels = (Py_ssize_t)job.width * job.height;
    const Py_ssize_t bytes = picture_width * picture_height * job.picture_channels;
    if (!(job.vertices = elements(&arrays, vertices, 4, 3 * job.n_vertices, 0)) ||
        !(job.triangles = elements(&arrays, triangles, 4, 3 * job.n_triangles, 0)) ||
        !(job.values = elements(&arrays, values, 4, job.channels * job.n_vertices, 0)) ||
        !(job.depth = elements(&arrays, depth, 4, pixels, 1)) ||
        !(job.picture = elements(&arrays, picture, 1, bytes, 1)) ||
        (photo != Py_None && !(job.photo = elements(&arrays, photo, 1, bytes, 0)))) {
        release(&arrays);
        return NULL;
    }
    job.stride = picture_width * job.picture_channels;
    const Py_ssize_t origin = job.y0 * job.stride + (Py_ssize_t)job.x0 * job.picture_channels;
    job.picture += origin;
    if (job.photo) job.photo += origin;
    for (int v = 0; v < 256; v++) job.under[v] = rest * (float)v;
    job.opacity = (uint8_t)opacity;
    return draw_job(&job, &arrays);
}
