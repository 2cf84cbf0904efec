/* The rasteriser in C: the same pixels, to the last bit, as its twin in NumPy (render/numpy_kernel), which is
 * the specification.
 *
 * That it can be the same rests on three rules: coverage is decided on integers; every float operation is
 * written in the twin's order; the compiler may not fuse a product and a sum (-ffp-contract=off).
 */

#include "blocks.h"
#include "fragment_batch.h"

#define FARTHEST ((float)(MAX_COORDINATE * SUBPIXELS))

/* A coordinate on the grid; what lies beyond all images, or nowhere, lies at its end. */
static ALWAYS_INLINE int32_t on_grid(float v) {
    return (int32_t)lrintf(v > -FARTHEST ? (v < FARTHEST ? v : FARTHEST) : -FARTHEST);
}

static ALWAYS_INLINE void snap(const Job *job, const float *vertex, Corner *corner, Box *box) {
    const int32_t x = on_grid((vertex[0] * job->scale) * (float)SUBPIXELS) - job->x0 * SUBPIXELS;
    const int32_t y = on_grid((vertex[1] * job->scale) * (float)SUBPIXELS) - job->y0 * SUBPIXELS;
    corner->x = x, corner->y = y, corner->z = vertex[2];
    /* >> rounds down, also below 0. */
    box->left = (float)((x + SUBPIXELS - 1) >> SUBPIXEL_BITS), box->minus_right = (float)-(x >> SUBPIXEL_BITS);
    box->top = (float)((y + SUBPIXELS - 1) >> SUBPIXEL_BITS), box->minus_bottom = (float)-(y >> SUBPIXEL_BITS);
}

#if defined(__SSE2__) || defined(_M_X64)

static void snap_all(const Job *job, Corner *corners, Box *boxes) {
    const __m128 scale = _mm_set1_ps(job->scale), subpixels = _mm_set1_ps((float)SUBPIXELS);
    const __m128 least = _mm_set1_ps(-FARTHEST), most = _mm_set1_ps(FARTHEST);
    const __m128i origin = _mm_set_epi32(0, 0, job->y0 * SUBPIXELS, job->x0 * SUBPIXELS);
    Py_ssize_t i = 0;
    for (; i + 1 < job->n_vertices; i++) { /* it reads four numbers of three */
        const __m128 v = _mm_loadu_ps(job->vertices + 3 * i);
        /* As `on_grid`: of NaN and a number, max gives the second one. */
        const __m128 scaled = _mm_min_ps(_mm_max_ps(_mm_mul_ps(_mm_mul_ps(v, scale), subpixels), least), most);
        const __m128i at = _mm_sub_epi32(_mm_cvtps_epi32(scaled), origin);
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

#define TOGETHER 128 /* triangles whose boxes are tested together */

/* Draws the mesh. */
static ALWAYS_INLINE void draw_triangles(const Job *job, const Corner *corners, const Box *boxes, Target target,
                                         int channels) {
    FragmentBatch batch;
    int32_t numbers[TOGETHER], near[TOGETHER][4];
    uint8_t small[TOGETHER];
    memset(&batch, 0, sizeof batch);
    for (Py_ssize_t start = 0; start < job->n_triangles; start += TOGETHER) {
        const int n = job->n_triangles - start < TOGETHER ? (int)(job->n_triangles - start) : TOGETHER;
        const int32_t *corner = job->triangles + 3 * start;
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
                /* Of equal depth the first one shows: the batch goes first. */
                draw_batch(job, corners, &batch, target, channels);
                fill(job, corners, numbers[m], box, target, channels);
                continue;
            }
            add_small(&batch, numbers[m], box);
            if (batch.count > BATCH - 16) draw_batch(job, corners, &batch, target, channels);
        }
    }
    draw_batch(job, corners, &batch, target, channels);
}

static void draw(const Job *job, Corner *corners, Box *boxes) {
    if (job->width < 1 || job->height < 1) return;
    snap_all(job, corners, boxes);
    if (job->index)
        draw_triangles(job, corners, boxes, INDEX, 0);
    else if (job->out)
        draw_triangles(job, corners, boxes, VALUES, job->channels);
    else if (job->canvas && job->channels == 1)
        draw_triangles(job, corners, boxes, CANVAS, 1);
    else if (job->canvas)
        draw_triangles(job, corners, boxes, CANVAS, 3);
    else
        draw_triangles(job, corners, boxes, DEPTH, 0);
}

/* Whether the numbers of a job keep all that follows in its integers. */
static int possible(const Job *job) {
    if (job->x0 < -MAX_COORDINATE || job->x0 > MAX_COORDINATE || job->y0 < -MAX_COORDINATE ||
        job->y0 > MAX_COORDINATE || job->width < 0 || job->width > 2 * MAX_COORDINATE || job->height < 0 ||
        job->height > 2 * MAX_COORDINATE) {
        PyErr_Format(PyExc_ValueError, "the region reaches further than %d pixels", MAX_COORDINATE);
        return 0;
    }
    if (job->n_triangles > INT32_MAX || job->first_triangle < 0 ||
        job->first_triangle > INT32_MAX - job->n_triangles || job->channels < 0) {
        PyErr_SetString(PyExc_ValueError, "there are too many triangles, or fewer than none");
        return 0;
    }
    return 1;
}

/* Vertices and triangles of a job; 0 with an exception when they do not fit. */
static int take_mesh(Job *job, Arrays *arrays, PyObject *vertices, PyObject *triangles) {
    return possible(job) && (job->vertices = elements(arrays, vertices, 4, 0, SHAPE(job->n_vertices, 3))) &&
           (job->triangles = indices(arrays, triangles, job->n_vertices, NO_VERTEX, SHAPE(job->n_triangles, 3)));
}

/* Draws without the interpreter lock. */
static PyObject *draw_job(const Job *job, Arrays *arrays) {
    Corner *corners = room_for(arrays, sizeof(Corner), SHAPE(job->n_vertices));
    Box *boxes = corners ? room_for(arrays, sizeof(Box), SHAPE(job->n_vertices)) : NULL;
    if (!boxes) return failed(arrays);
    Py_BEGIN_ALLOW_THREADS
    draw(job, corners, boxes);
    Py_END_ALLOW_THREADS
    release(arrays);
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
    if (!take_mesh(&job, &arrays, vertices, triangles) ||
        !(job.index = elements(&arrays, index, 4, 1, SHAPE(job.height, job.width))) ||
        !(job.barycentric = elements(&arrays, barycentric, 4, 1, SHAPE(job.height, job.width, 3))) ||
        !(job.depth = elements(&arrays, depth, 4, 1, SHAPE(job.height, job.width))))
        return failed(&arrays);
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
    if (!take_mesh(&job, &arrays, vertices, triangles) ||
        !(job.depth = elements(&arrays, depth_object, 4, 1, SHAPE(job.height, job.width))))
        return failed(&arrays);
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
    if (!take_mesh(&job, &arrays, vertices, triangles) ||
        !(job.values = elements(&arrays, values, 4, 0, SHAPE(job.n_vertices, job.channels))) ||
        !(job.depth = elements(&arrays, depth, 4, 1, SHAPE(job.height, job.width))) ||
        !(job.out = elements(&arrays, out, 4, 1, SHAPE(job.height, job.width, job.channels))))
        return failed(&arrays);
    return draw_job(&job, &arrays);
}

/* paint(n_vertices, n_triangles, vertices, triangles, x0, y0, width, height, channels, values, depth,
 *       canvas_width, canvas_height, canvas_channels, canvas, image or None, alpha, rest, opacity) */
PyObject *paint(PyObject *self, PyObject *args) {
    Job job = {.scale = 1.0f};
    Arrays arrays = {.count = 0};
    PyObject *vertices, *triangles, *values, *depth, *canvas, *image;
    Py_ssize_t canvas_width, canvas_height;
    float rest;
    int opacity;
    if (!PyArg_ParseTuple(args, "nnOOiiiiiOOnniOOffi", &job.n_vertices, &job.n_triangles, &vertices, &triangles,
                          &job.x0, &job.y0, &job.width, &job.height, &job.channels, &values, &depth, &canvas_width,
                          &canvas_height, &job.canvas_channels, &canvas, &image, &job.alpha, &rest, &opacity))
        return NULL;
    if (!take_mesh(&job, &arrays, vertices, triangles)) return failed(&arrays);
    if ((job.channels != 1 && job.channels != 3) || (job.canvas_channels != 3 && job.canvas_channels != 4) ||
        (image != Py_None && job.canvas_channels != 3) || job.x0 < 0 || job.y0 < 0 || canvas_width < 0 ||
        canvas_height < 0 || job.x0 > canvas_width - job.width || job.y0 > canvas_height - job.height) {
        PyErr_SetString(PyExc_ValueError, "the painted part reaches out of the image");
        return failed(&arrays);
    }
    if (!(job.values = elements(&arrays, values, 4, 0, SHAPE(job.n_vertices, job.channels))) ||
        !(job.depth = elements(&arrays, depth, 4, 1, SHAPE(job.height, job.width))) ||
        !(job.canvas = elements(&arrays, canvas, 1, 1, SHAPE(canvas_height, canvas_width, job.canvas_channels))) ||
        (image != Py_None && !(job.image = elements(&arrays, image, 1, 0, SHAPE(canvas_height, canvas_width, 3)))))
        return failed(&arrays);
    job.stride = canvas_width * job.canvas_channels;
    const Py_ssize_t origin = job.y0 * job.stride + (Py_ssize_t)job.x0 * job.canvas_channels;
    job.canvas += origin;
    if (job.image) job.image += origin;
    for (int v = 0; v < 256; v++) job.under[v] = rest * (float)v;
    job.opacity = (uint8_t)opacity;
    return draw_job(&job, &arrays);
}
