/** The avatar alone on a transparent page: of the camera that another window shows, or of one of its own. */

import { Avatar, type AvatarFace } from "./avatar";
import { socket } from "./api";
import { h } from "./dom";
import { FrameSender } from "./sender";

const WAIT_MS = 1500;

export async function showAvatar(): Promise<void> {
  const place = h("div", { class: "viewer" });
  document.title = "tddfa avatar";
  document.body.replaceChildren(h("main", {}, h("h1", { class: "hidden" }, "Avatar"), place));
  const avatar = await Avatar.start(place);
  let portrait = "";
  const usePortrait = async (): Promise<void> => {
    const response = await fetch("api/camera/portrait.glb");
    const data = response.ok ? await response.arrayBuffer() : undefined;
    const mark = String(data?.byteLength ?? "");
    if (data && mark !== portrait) await avatar.usePortrait(data);
    portrait = mark;
  };
  let seen = false;
  const watch = (): void => {
    const watching = socket("api/camera/watch");
    watching.onmessage = (event) => {
      seen = true;
      const face = (JSON.parse(event.data as string) as { faces: AvatarFace[] }).faces[0];
      if (face) avatar.move(face);
    };
    watching.onclose = () => setTimeout(watch, 2000);
  };
  watch();
  setTimeout(() => {
    if (!seen) void ownCamera(avatar);
  }, WAIT_MS);
  // A 404 says that there is none yet; it is asked for only when a camera runs.
  setInterval(() => {
    if (seen) void usePortrait().catch(() => undefined);
  }, 5000);
}

/** No other window has a camera: take one here. */
async function ownCamera(avatar: Avatar): Promise<void> {
  const video = h("video", { class: "hidden", playsinline: true });
  video.muted = true;
  document.body.append(video);
  const sender = new FrameSender(
    video,
    (message) => {
      const face = message.type === "frame" ? message.avatar.faces[0] : undefined;
      if (face) avatar.move(face);
    },
    () => undefined,
    () => undefined,
  );
  (window as unknown as Record<string, unknown>).studioMeters = sender.meters;
  try {
    await sender.start();
  } catch {
    sender.stop(); // it goes on watching
  }
}
