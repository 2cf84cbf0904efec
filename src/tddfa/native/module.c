/* The module: one stable-ABI extension out of several small parts. */

#include "kernel.h"

static PyMethodDef methods[] = {
    {"rasterize", rasterize, METH_VARARGS, "Nearest triangle, weights and depth of each pixel."},
    {"depth", depth, METH_VARARGS, "Depth of each pixel."},
    {"interpolate", interpolate, METH_VARARGS, "Vertex values at each pixel of the nearest surface."},
    {"weighted", weighted, METH_VARARGS, "Vertex values inside triangles."},
    {"texels", texels, METH_VARARGS, "Colours of texels of a mesh, and how well an image shows them."},
    {"complete", complete, METH_VARARGS, "A texture without holes."},
    {"bounds", bounds, METH_VARARGS, "Smallest and largest coordinates."},
    {"visible", visible, METH_VARARGS, "Which vertices a z-buffer shows."},
    {"vertex_normals", vertex_normals, METH_VARARGS, "Area-weighted unit normals."},
    {"phong", phong, METH_VARARGS, "Brightness of each vertex."},
    {"paint", paint, METH_VARARGS, "Vertex values over an image."},
    {"blend_color", blend_color, METH_VARARGS, "A colour over an image, as much as coverage says."},
    {"blend", blend, METH_VARARGS, "Values of pixels over an image."},
    {"direction_colors", direction_colors, METH_VARARGS, "Directions as colours."},
    {"recolor", recolor, METH_VARARGS, "Some pixels of an image through a table."},
    {"discs", discs, METH_VARARGS, "How much of each pixel discs cover."},
    {"segments", segments, METH_VARARGS, "How much of each pixel line segments cover."},
    {"quantize", quantize, METH_VARARGS, "A basis in 16 bits."},
    {"reconstruct", reconstruct, METH_VARARGS, "The vertices of a face in the image."},
    {"warp", warp, METH_VARARGS, "A square of an image at another size."},
    {"sample", sample, METH_VARARGS, "An image where a camera shows points."},
    {"halve", halve, METH_VARARGS, "An image at half its size."},
    {"decimal_lines", decimal_lines, METH_VARARGS, "A table of numbers as text."},
    {"subdivide", subdivide, METH_VARARGS, "Values of the vertices of a refined mesh."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "The native kernel of tddfa.", 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&module); }
