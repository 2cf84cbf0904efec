/** A textured face that turns and moves its expressions. */

import {
  AmbientLight,
  DirectionalLight,
  Euler,
  Group,
  MathUtils,
  type Mesh,
  MeshBasicMaterial,
  MeshLambertMaterial,
  MeshNormalMaterial,
  PerspectiveCamera,
  Quaternion,
  Scene,
  Vector3,
  WebGLRenderer,
  type Material,
  type MeshStandardMaterial,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { loadGlb } from "./glb";
import { graphics } from "./graphics";
import { Morphs } from "./morphs";

export type Surface = "texture" | "clay" | "normals" | "wireframe";

export class Viewer {
  readonly canvas: HTMLCanvasElement;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(24, 1, 0.01, 20);
  private readonly controls: OrbitControls;
  private readonly pivot = new Group();
  private meshes: Mesh[] = [];
  private morphs: Morphs[] = [];
  private readonly stale = new Set<Morphs>();
  private materials = new Map<Mesh, Material>();
  private surface: Surface = "texture";
  private posed = new Quaternion();
  private distance = 1;
  private queued = false;
  /** Number of drawings so far. */
  drawings = 0;
  private fence: WebGLSync | null = null;
  private drawnAt = 0;
  private sharpness = 1;
  private still = 0;
  private restUntil = 0;
  private readonly watching: ResizeObserver;

  constructor(private readonly place: HTMLElement, label: string) {
    const software = graphics() === "software";
    this.renderer = new WebGLRenderer({ antialias: !software, alpha: true });
    this.renderer.setPixelRatio(this.pixelRatio);
    this.canvas = this.renderer.domElement;
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${label}; drag or use the arrow keys to turn it`);
    place.append(this.canvas);
    const key = new DirectionalLight(0xffffff, 2.2);
    key.position.set(0.6, 0.9, 1.4);
    const fill = new DirectionalLight(0xdfe6ff, 0.9);
    fill.position.set(-1.2, 0.1, 0.7);
    this.scene.add(new AmbientLight(0xffffff, 1.0), key, fill, this.pivot);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.enablePan = false;
    this.controls.addEventListener("change", () => this.draw());
    this.canvas.addEventListener("keydown", (event) => this.turn(event));
    // A computer that slept, or a graphics card that was reset, takes the drawing away and gives it back.
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.fence = null;
      this.draw();
    });
    this.watching = new ResizeObserver(() => this.resize());
    this.watching.observe(place);
    this.resize();
  }

  /** Show the faces of a GLB file, and return the names of their expressions. */
  async load(data: ArrayBuffer): Promise<string[]> {
    const { meshes, posed, distance } = await loadGlb(data);
    this.clear();
    this.posed = posed;
    this.distance = distance;
    for (const mesh of meshes) {
      this.meshes.push(mesh);
      this.materials.set(mesh, mesh.material as Material);
      this.pivot.add(mesh);
      this.morphs.push(new Morphs(mesh));
    }
    this.setSurface(this.surface);
    this.reset();
    return this.morphs[0]?.names ?? [];
  }

  /** Weights of expressions by name. */
  get weights(): Record<string, number> {
    return this.morphs[0]?.weights ?? {};
  }

  /** Set weights; expressions that are left out become 0 where `others` says so. */
  setWeights(weights: Readonly<Record<string, number>>, others = true): void {
    const changed = this.morphs.filter((morphs) => morphs.set(weights, others));
    for (const morphs of changed) this.stale.add(morphs);
    if (changed.length) this.draw();
  }

  setSurface(surface: Surface): void {
    this.surface = surface;
    for (const mesh of this.meshes) {
      const original = this.materials.get(mesh)!;
      if (mesh.material !== original) (mesh.material as Material).dispose();
      mesh.material = this.material(surface, original);
    }
    this.draw();
  }

  private material(surface: Surface, original: Material): Material {
    if (surface === "normals") return new MeshNormalMaterial({ side: 2 });
    if (surface === "wireframe") return new MeshBasicMaterial({ color: 0x8b91ff, wireframe: true });
    if (surface === "clay") return new MeshLambertMaterial({ color: 0xd9d6ce, side: 2 });
    const { map, vertexColors } = original as MeshStandardMaterial;
    // Cheaper than the material of the file, and skin does not shine.
    return new MeshLambertMaterial({ map, vertexColors, side: 2 });
  }

  /** Turn the face as in the photo, or to the viewer. */
  setFrontal(frontal: boolean): void {
    this.pivot.quaternion.copy(frontal ? new Quaternion() : this.posed);
    this.draw();
  }

  /** Turn the head; angles as in the service, degrees. */
  setHead(yaw: number, pitch: number, roll: number): void {
    const [a, b, c] = [-pitch, -yaw, -roll].map(MathUtils.degToRad) as [number, number, number];
    this.pivot.quaternion.setFromEuler(new Euler(a, b, c, "XYZ"));
    this.draw();
  }

  /** Look at the face from the front again. */
  reset(): void {
    this.camera.position.set(0, 0, this.distance);
    this.controls.target.set(0, 0, 0);
    this.controls.minDistance = this.distance * 0.35;
    this.controls.maxDistance = this.distance * 2.2;
    this.controls.update();
    this.draw();
  }

  /** Positions of vertices with their expressions, for tests: every n-th. */
  vertices(step = 1): number[] {
    const mesh = this.meshes[0];
    if (!mesh) return [];
    this.moveVertices();
    const out: number[] = [];
    const point = new Vector3();
    for (let k = 0; k < mesh.geometry.getAttribute("position").count; k += step) {
      mesh.getVertexPosition(k, point);
      mesh.localToWorld(point);
      out.push(point.x, point.y, point.z);
    }
    return out;
  }

  /** Stop, and free the graphics card. */
  dispose(): void {
    clearTimeout(this.still);
    this.clear();
    this.watching.disconnect();
    this.controls.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.canvas.remove();
  }

  private clear(): void {
    for (const mesh of this.meshes) {
      mesh.geometry.dispose();
      const material = this.materials.get(mesh) as MeshStandardMaterial;
      material.map?.dispose();
      material.dispose();
      (mesh.material as Material).dispose();
      this.pivot.remove(mesh);
    }
    this.meshes = [];
    this.morphs = [];
    this.stale.clear();
    this.materials.clear();
  }

  private turn(event: KeyboardEvent): void {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const offset = this.camera.position.clone();
    offset.applyAxisAngle(new Vector3(0, 1, 0), -step[0]! * 0.15);
    offset.applyAxisAngle(new Vector3(1, 0, 0), -step[1]! * 0.15);
    this.camera.position.copy(offset);
    this.controls.update();
    this.draw();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    // A narrow place shows the whole face too.
    this.camera.fov = width < height ? 24 * (height / width) : 24;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  private get pixelRatio(): number {
    return Math.min(window.devicePixelRatio, 2) * this.sharpness;
  }

  /** Draw once, when the graphics card is done with the drawing before. */
  private draw(): void {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => this.drawNow());
  }

  private moveVertices(): void {
    for (const morphs of this.stale) morphs.apply();
    this.stale.clear();
  }

  private drawNow(): void {
    const gl = this.renderer.getContext() as WebGL2RenderingContext;
    if (gl.isContextLost()) {
      this.queued = false;
      return;
    }
    const now = performance.now();
    if (this.fence) {
      if (gl.getSyncParameter(this.fence, gl.SYNC_STATUS) !== gl.SIGNALED && now - this.drawnAt < 2000) {
        requestAnimationFrame(() => this.drawNow()); // a queue of drawings would be late, and slow the page
        return;
      }
      gl.deleteSync(this.fence);
      this.fence = null;
      const took = now - this.drawnAt;
      this.adapt(took);
      if (took > SHORT_MS) this.restUntil = now + REST * took;
    }
    if (now < this.restUntil) {
      requestAnimationFrame(() => this.drawNow());
      return;
    }
    this.queued = false;
    this.drawnAt = now;
    this.drawings += 1;
    this.moveVertices();
    if (this.renderer.getPixelRatio() !== this.pixelRatio) this.renderer.setPixelRatio(this.pixelRatio);
    this.renderer.render(this.scene, this.camera);
    this.fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    clearTimeout(this.still);
    if (this.sharpness < 1) this.still = setTimeout(() => this.sharpen(), STILL_MS);
  }

  /** Draw all pixels once nothing moves. */
  private sharpen(): void {
    this.fence = null; // this drawing may be slow
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.render(this.scene, this.camera);
  }

  /** Draw fewer pixels where a drawing takes long, such as without a graphics card. */
  private adapt(took_ms: number): void {
    if (took_ms < SLOW_MS || this.sharpness <= LEAST_SHARPNESS) return;
    this.sharpness = Math.max(this.sharpness * 0.8, LEAST_SHARPNESS);
  }
}

const SLOW_MS = 60;
// Where the processor draws, it has other work too: a long drawing is followed by a rest of this many times its own.
const SHORT_MS = 24;
const REST = 1.5;
const STILL_MS = 700;
const LEAST_SHARPNESS = 0.5;
