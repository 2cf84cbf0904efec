/** Meshes of a GLB file, each around its centre, and how large they are. */

import { Box3, Mesh, Quaternion, Vector3 } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

export interface Loaded {
  meshes: Mesh[];
  /** How the last one is turned in the file. */
  posed: Quaternion;
  /** Distance from which a camera with a field of view of 24° sees all of it. */
  distance: number;
}

export async function loadGlb(data: ArrayBuffer): Promise<Loaded> {
  const gltf = await new GLTFLoader().parseAsync(data, "");
  gltf.scene.updateMatrixWorld(true);
  const meshes: Mesh[] = [];
  gltf.scene.traverse((node) => {
    if (node instanceof Mesh) meshes.push(node);
  });
  const posed = new Quaternion();
  let distance = 1;
  for (const mesh of meshes) {
    mesh.frustumCulled = false;
    mesh.position.set(0, 0, 0);
    posed.copy(mesh.quaternion);
    mesh.quaternion.identity();
    mesh.scale.setScalar(1);
    const box = new Box3().setFromBufferAttribute(mesh.geometry.getAttribute("position") as never);
    const center = box.getCenter(new Vector3());
    mesh.geometry.translate(-center.x, -center.y, -center.z);
    const size = box.getSize(new Vector3());
    distance = Math.max(size.x, size.y) * 2.95;
  }
  return { meshes, posed, distance };
}
