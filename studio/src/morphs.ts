/** Expressions of a mesh, added on the processor: most move few vertices, and a graphics card would visit all. */

import type { BufferAttribute, BufferGeometry, Mesh } from "three";

interface Target {
  name: string;
  weight: number;
  /** Vertices that move, and how far along x, y and z. */
  indices: Uint32Array;
  values: Float32Array;
}

export class Morphs {
  private readonly targets: Target[];
  private readonly rest: Float32Array;
  private readonly position: BufferAttribute;

  /** Take the expressions out of a mesh; `apply` moves its vertices from now on. */
  constructor(mesh: Mesh) {
    const geometry = mesh.geometry as BufferGeometry;
    this.position = geometry.getAttribute("position") as BufferAttribute;
    const names = Object.entries(mesh.morphTargetDictionary ?? {});
    const given = geometry.morphAttributes.position ?? [];
    this.targets = names.map(([name, k]) => sparse(name, mesh.morphTargetInfluences?.[k] ?? 0, given[k] as BufferAttribute));
    geometry.morphAttributes = {};
    mesh.updateMorphTargets();
    this.rest = new Float32Array(this.position.array);
    this.position.setUsage(35048); // DYNAMIC_DRAW
    this.apply();
  }

  get names(): string[] {
    return this.targets.map((target) => target.name);
  }

  get weights(): Record<string, number> {
    return Object.fromEntries(this.targets.map(({ name, weight }) => [name, weight]));
  }

  /** Set weights; expressions that are left out become 0 where `others` says so. Returns whether one changed. */
  set(weights: Readonly<Record<string, number>>, others: boolean): boolean {
    let changed = false;
    for (const target of this.targets) {
      const weight = weights[target.name] ?? (others ? 0 : target.weight);
      changed ||= weight !== target.weight;
      target.weight = weight;
    }
    return changed;
  }

  /** Move the vertices. */
  apply(): void {
    const out = this.position.array as Float32Array;
    out.set(this.rest);
    for (const { weight, indices, values } of this.targets) {
      if (!weight) continue;
      for (let k = 0; k < indices.length; k += 1) {
        const at = 3 * indices[k]!;
        out[at]! += weight * values[3 * k]!;
        out[at + 1]! += weight * values[3 * k + 1]!;
        out[at + 2]! += weight * values[3 * k + 2]!;
      }
    }
    this.position.needsUpdate = true;
  }
}

function sparse(name: string, weight: number, attribute: BufferAttribute): Target {
  const { array, count } = attribute;
  const moving: number[] = [];
  for (let k = 0; k < count; k += 1) if (array[3 * k] || array[3 * k + 1] || array[3 * k + 2]) moving.push(k);
  const values = new Float32Array(3 * moving.length);
  moving.forEach((vertex, k) => values.set(array.subarray(3 * vertex, 3 * vertex + 3), 3 * k));
  return { name, weight, indices: new Uint32Array(moving), values };
}
