/** A textured face that turns and moves its expressions. */

import {
  AmbientLight,
  Box3,
  DirectionalLight,
  Euler,
  Group,
  MathUtils,
  Mesh,
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
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

export type Surface = "texture" | "clay" | "normals" | "wireframe";

export class Viewer {
  readonly canvas: HTMLCanvasElement;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(24, 1, 0.01, 20);
  private readonly controls: OrbitControls;
  private readonly pivot = new Group();
  private meshes: Mesh[] = [];
  private materials = new Map<Mesh, Material>();
  private surface: Surface = "texture";
  private posed = new Quaternion();
  private distance = 1;
  private queued = false;
  private fence: WebGLSync | null = null;
  private drawnAt = 0;
  private sharpness = 1;
  private still = 0;
  private restUntil = 0;
  private readonly watching: ResizeObserver;

  constructor(private readonly place: HTMLElement, label: string) {
    this.renderer = new WebGLRenderer({ antialias: !isSoftware(), alpha: true });
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
    this.watching = new ResizeObserver(() => this.resize());
    this.watching.observe(place);
    this.resize();
  }

  /** Show the faces of a GLB file, and return the names of their expressions. */
  async load(data: ArrayBuffer): Promise<string[]> {
    const gltf = await new GLTFLoader().parseAsync(data, "");
    this.clear();
    gltf.scene.updateMatrixWorld(true);
    const found: Mesh[] = [];
    gltf.scene.traverse((node) => {
      if (node instanceof Mesh) found.push(node);
    });
    for (const mesh of found) {
      this.meshes.push(mesh);
      this.materials.set(mesh, mesh.material as Material);
      mesh.frustumCulled = false;
      mesh.position.set(0, 0, 0);
      this.posed.copy(mesh.quaternion);
      mesh.quaternion.identity();
      mesh.scale.setScalar(1);
      const center = new Box3().setFromBufferAttribute(mesh.geometry.getAttribute("position") as never).getCenter(new Vector3());
      mesh.geometry.translate(-center.x, -center.y, -center.z);
      const size = new Box3().setFromBufferAttribute(mesh.geometry.getAttribute("position") as never).getSize(new Vector3());
      this.distance = Math.max(size.x, size.y) * 2.95;
      this.pivot.add(mesh);
    }
    this.setSurface(this.surface);
    this.reset();
    return Object.keys(this.meshes[0]?.morphTargetDictionary ?? {});
  }

  /** Weights of expressions by name. */
  get weights(): Record<string, number> {
    const mesh = this.meshes[0];
    const names = mesh?.morphTargetDictionary ?? {};
    return Object.fromEntries(Object.entries(names).map(([name, k]) => [name, mesh!.morphTargetInfluences![k]!]));
  }

  /** Set weights; expressions that are left out become 0 where `others` says so. */
  setWeights(weights: Readonly<Record<string, number>>, others = true): void {
    for (const mesh of this.meshes) {
      const influences = mesh.morphTargetInfluences;
      if (!influences) continue;
      for (const [name, k] of Object.entries(mesh.morphTargetDictionary ?? {})) {
        if (name in weights) influences[k] = weights[name]!;
        else if (others) influences[k] = 0;
      }
    }
    this.draw();
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

  private drawNow(): void {
    const gl = this.renderer.getContext() as WebGL2RenderingContext;
    if (gl.isContextLost()) return;
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

/** Whether WebGL is drawn by the processor. */
function isSoftware(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = info ? String(gl!.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software/i.test(name);
}
