/** A face drawn by the processor, pixel by pixel.
 *
 * Without a graphics card, WebGL is simulated and takes a hundred times longer for an avatar than it does here.
 */

import { Color, Euler, MathUtils, Matrix3, Matrix4, type Mesh, type MeshStandardMaterial } from "three";
import { loadGlb } from "./glb";
import { Morphs } from "./morphs";
import type { Surface } from "./viewer";

const MOST_PIXELS = 90_000;
const FIELD = 1 / Math.tan(MathUtils.degToRad(12));
// Directions and intensities of the lights of `viewer.ts`; light is divided by pi on the way.
const KEY = [0.3376, 0.5064, 0.7878, 2.2 / Math.PI] as const;
const FILL = [-0.8619, 0.0718, 0.5028, 0.9 / Math.PI] as const;
const AMBIENT = 1 / Math.PI;
const CLAY = new Color(0xd9d6ce);

const STEPS = 4096;
/** Light in 0 to 1.5, in steps → level of sRGB. */
const LEVELS = Uint8ClampedArray.from({ length: STEPS }, (_, k) => {
  const light = (1.5 * k) / STEPS;
  return 255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);
});
const LIGHT = Float32Array.from({ length: 256 }, (_, k) => new Color().setRGB(k / 255, 0, 0, "srgb").r);

interface Texture {
  pixels: Uint8ClampedArray;
  width: number;
  height: number;
}

export class PlainViewer {
  readonly canvas = document.createElement("canvas");
  /** Number of drawings so far. */
  drawings = 0;
  private readonly pen = this.canvas.getContext("2d", { willReadFrequently: true })!;
  private frame = new ImageData(1, 1);
  private depth = new Float32Array(1);
  private mesh: Mesh | undefined;
  private morphs: Morphs | undefined;
  private texture: Texture | undefined;
  private corners: ArrayLike<number> = [];
  private screen = new Float32Array(0);
  private shade = new Float32Array(0);
  private surface: Surface = "texture";
  private readonly turned = new Matrix3();
  private distance = 1;
  private queued = false;
  private gone = false;
  private readonly watching: ResizeObserver;

  constructor(private readonly place: HTMLElement, label: string) {
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    place.append(this.canvas);
    this.watching = new ResizeObserver(() => this.resize());
    this.watching.observe(place);
    this.resize();
  }

  /** Show the face of a GLB file, and return the names of its expressions. */
  async load(data: ArrayBuffer): Promise<string[]> {
    const { meshes, distance } = await loadGlb(data);
    this.mesh = meshes[0];
    this.distance = distance;
    if (!this.mesh) return [];
    const { geometry } = this.mesh;
    this.morphs = new Morphs(this.mesh);
    const count = geometry.getAttribute("position").count;
    this.corners = geometry.getIndex()!.array;
    [this.screen, this.shade] = [new Float32Array(3 * count), new Float32Array(count)];
    this.texture = pixelsOf((this.mesh.material as MeshStandardMaterial).map?.image as ImageBitmap | undefined);
    this.draw();
    return this.morphs.names;
  }

  setSurface(surface: Surface): void {
    this.surface = surface;
    this.draw();
  }

  setWeights(weights: Readonly<Record<string, number>>, others = true): void {
    if (this.morphs?.set(weights, others)) this.draw();
  }

  setHead(yaw: number, pitch: number, roll: number): void {
    const [a, b, c] = [-pitch, -yaw, -roll].map(MathUtils.degToRad) as [number, number, number];
    this.turned.setFromMatrix4(new Matrix4().makeRotationFromEuler(new Euler(a, b, c, "XYZ")));
    this.draw();
  }

  /** Positions of vertices with their expressions and turn, for tests: every n-th. */
  vertices(step = 1): number[] {
    if (!this.mesh) return [];
    this.morphs!.apply();
    const { array } = this.mesh.geometry.getAttribute("position");
    const m = this.turned.elements;
    const out: number[] = [];
    for (let k = 0; k < array.length; k += 3 * step) {
      const [x, y, z] = [array[k]!, array[k + 1]!, array[k + 2]!];
      for (let row = 0; row < 3; row += 1) out.push(m[row]! * x + m[3 + row]! * y + m[6 + row]! * z);
    }
    return out;
  }

  dispose(): void {
    this.gone = true;
    this.watching.disconnect();
    this.texture = undefined;
    this.canvas.remove();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width || !height) return;
    const scale = Math.min(Math.sqrt(MOST_PIXELS / (width * height)), Math.min(devicePixelRatio, 2));
    Object.assign(this.canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    this.frame = new ImageData(this.canvas.width, this.canvas.height);
    this.depth = new Float32Array(this.canvas.width * this.canvas.height);
    this.draw();
  }

  private draw(): void {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      if (!this.gone && this.mesh) this.drawNow();
    });
  }

  private drawNow(): void {
    this.drawings += 1;
    this.morphs!.apply();
    this.project();
    this.depth.fill(-Infinity);
    new Uint32Array(this.frame.data.buffer).fill(0);
    this.fill();
    this.pen.putImageData(this.frame, 0, 0);
  }

  /** Compute place and light of each vertex. */
  private project(): void {
    const { width, height } = this.canvas;
    const position = this.mesh!.geometry.getAttribute("position").array;
    const normal = this.mesh!.geometry.getAttribute("normal").array;
    const m = this.turned.elements;
    // A narrow place shows the whole face too.
    const zoom = (FIELD * Math.min(width, height)) / 2;
    const { screen, shade, distance } = this;
    for (let v = 0, k = 0; k < position.length; v += 1, k += 3) {
      const [x, y, z] = [position[k]!, position[k + 1]!, position[k + 2]!];
      const near = m[2]! * x + m[5]! * y + m[8]! * z;
      const scale = zoom / (distance - near);
      screen[k] = width / 2 + scale * (m[0]! * x + m[3]! * y + m[6]! * z);
      screen[k + 1] = height / 2 - scale * (m[1]! * x + m[4]! * y + m[7]! * z);
      screen[k + 2] = near;
      const [a, b, c] = [normal[k]!, normal[k + 1]!, normal[k + 2]!];
      const nx = m[0]! * a + m[3]! * b + m[6]! * c;
      const ny = m[1]! * a + m[4]! * b + m[7]! * c;
      const nz = m[2]! * a + m[5]! * b + m[8]! * c;
      const key = nx * KEY[0] + ny * KEY[1] + nz * KEY[2];
      const fill = nx * FILL[0] + ny * FILL[1] + nz * FILL[2];
      shade[v] = AMBIENT + (key > 0 ? key * KEY[3] : 0) + (fill > 0 ? fill * FILL[3] : 0);
    }
  }

  /** Draw all triangles, each where nothing is nearer. */
  private fill(): void {
    const { screen, shade, depth, corners } = this;
    const { width, height } = this.canvas;
    const { data } = this.frame;
    const texture = this.surface === "texture" ? this.texture : undefined;
    const uv = texture ? this.mesh!.geometry.getAttribute("uv").array : undefined;
    for (let k = 0; k < corners.length; k += 3) {
      const a = corners[k]!;
      const b = corners[k + 1]!;
      const c = corners[k + 2]!;
      const ax = screen[3 * a]! - 0.5;
      const ay = screen[3 * a + 1]! - 0.5;
      const bx = screen[3 * b]! - 0.5;
      const by = screen[3 * b + 1]! - 0.5;
      const cx = screen[3 * c]! - 0.5;
      const cy = screen[3 * c + 1]! - 0.5;
      const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
      if (area === 0) continue;
      const x0 = Math.max(Math.ceil(Math.min(ax, bx, cx)), 0);
      const x1 = Math.min(Math.floor(Math.max(ax, bx, cx)), width - 1);
      const y0 = Math.max(Math.ceil(Math.min(ay, by, cy)), 0);
      const y1 = Math.min(Math.floor(Math.max(ay, by, cy)), height - 1);
      for (let y = y0; y <= y1; y += 1) {
        for (let x = x0; x <= x1; x += 1) {
          const wb = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area;
          const wc = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area;
          const wa = 1 - wb - wc;
          if (wa < 0 || wb < 0 || wc < 0) continue;
          const at = y * width + x;
          const z = wa * screen[3 * a + 2]! + wb * screen[3 * b + 2]! + wc * screen[3 * c + 2]!;
          if (z <= depth[at]!) continue;
          depth[at] = z;
          const light = ((wa * shade[a]! + wb * shade[b]! + wc * shade[c]!) * STEPS) / 1.5;
          let red = CLAY.r;
          let green = CLAY.g;
          let blue = CLAY.b;
          if (texture && uv) {
            const u = wa * uv[2 * a]! + wb * uv[2 * b]! + wc * uv[2 * c]!;
            const v = wa * uv[2 * a + 1]! + wb * uv[2 * b + 1]! + wc * uv[2 * c + 1]!;
            const column = Math.min(Math.floor(u * texture.width), texture.width - 1);
            const row = Math.min(Math.floor(v * texture.height), texture.height - 1);
            const texel = 4 * (row * texture.width + column);
            red = LIGHT[texture.pixels[texel]!]!;
            green = LIGHT[texture.pixels[texel + 1]!]!;
            blue = LIGHT[texture.pixels[texel + 2]!]!;
          }
          data[4 * at] = LEVELS[Math.min(light * red, STEPS - 1) | 0]!;
          data[4 * at + 1] = LEVELS[Math.min(light * green, STEPS - 1) | 0]!;
          data[4 * at + 2] = LEVELS[Math.min(light * blue, STEPS - 1) | 0]!;
          data[4 * at + 3] = 255;
        }
      }
    }
  }
}

/** The pixels of a texture, about as fine as they are seen. */
function pixelsOf(image: ImageBitmap | undefined): Texture | undefined {
  if (!image) return undefined;
  const scale = Math.min(512 / image.width, 1);
  const [width, height] = [Math.round(image.width * scale), Math.round(image.height * scale)];
  const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  pen.drawImage(image, 0, 0, width, height);
  return { pixels: pen.getImageData(0, 0, width, height).data, width, height };
}
