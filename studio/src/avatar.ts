/** A face that does what the numbers of a camera say. */

import { ask } from "./api";
import { graphics } from "./graphics";
import type { PlainViewer } from "./plain";
import type { Viewer } from "./viewer";

export interface AvatarFace {
  head: { yaw_deg: number; pitch_deg: number; roll_deg: number };
  shapes: Record<string, number>;
}

const LEAST_WEIGHT = 0.02;

export class Avatar {
  private constructor(readonly viewer: Viewer | PlainViewer) {}

  /** Show the mean face of the model. */
  static async start(place: HTMLElement): Promise<Avatar> {
    const avatar = new Avatar(
      graphics() === "card"
        ? new (await import("./viewer")).Viewer(place, "Avatar")
        : new (await import("./plain")).PlainViewer(place, "Avatar"),
    );
    (window as unknown as Record<string, unknown>).studioViewer = avatar.viewer;
    await avatar.useModel();
    return avatar;
  }

  async useModel(): Promise<void> {
    await this.viewer.load(await (await ask("api/model.glb")).arrayBuffer());
    this.viewer.setSurface("clay");
  }

  async usePortrait(data: ArrayBuffer): Promise<void> {
    await this.viewer.load(data);
    this.viewer.setSurface("texture");
  }

  move(face: AvatarFace): void {
    // Each expression that is not 0 costs time in every vertex, and one that is hardly there is not seen.
    const seen = Object.entries(face.shapes).filter(([, value]) => value > LEAST_WEIGHT);
    this.viewer.setWeights(Object.fromEntries(seen));
    this.viewer.setHead(face.head.yaw_deg, face.head.pitch_deg, face.head.roll_deg);
  }
}
