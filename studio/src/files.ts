/** Files that are dropped, pasted or picked. */

import { button, h, icon, ICONS } from "./dom";
import { size } from "./words";

/** Return a function that opens the picker for a part of the page. */
export function picker(place: HTMLElement, accept: string, take: (file: File) => void): () => void {
  const input = h("input", {
    type: "file",
    accept,
    class: "hidden",
    tabindex: -1,
    "aria-label": "Choose a file",
    onchange: () => {
      const file = input.files?.[0];
      input.value = "";
      if (file) take(file);
    },
  });
  place.append(input);
  return () => input.click();
}

/** Whether something that is dragged has files. */
export const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

export interface Given {
  file?: File;
  /** What else there is to say: that there were more files, or that it is a folder. */
  aside?: string;
}

/** Return the first file of what was dropped or pasted. */
export function given(transfer: DataTransfer | null): Given {
  const file = transfer?.files[0];
  if (!transfer || !file) return {};
  if (transfer.items[0]?.webkitGetAsEntry?.()?.isDirectory) {
    return { aside: `“${file.name}” is a folder. Drop one photo or video of it; for all of them there is the command “tddfa image”.` };
  }
  const n = transfer.files.length;
  return n === 1 ? { file } : { file, aside: `${n} files were dropped; this is “${file.name}”. Drop the others one by one.` };
}

const VIDEOS = /\.(mp4|m4v|mov|mkv|webm|avi|ts|mts|m2ts|mpe?g|wmv|flv|3gp|ogv|y4m)$/i;
const PHOTOS = /\.(jpe?g|jfif|png|webp|hei[cf]|avif|tiff?|bmp|jp2|gif)$/i;

/** Return which view a file belongs to; undefined where neither its type nor its name says so. */
export function viewOf(file: File): "photo" | "video" | undefined {
  if (file.type.startsWith("video/") || VIDEOS.test(file.name)) return "video";
  return file.type.startsWith("image/") || PHOTOS.test(file.name) ? "photo" : undefined;
}

/** Return why a file cannot be sent; undefined where it can. */
export function unfit(file: File, most: number): string | undefined {
  if (!file.size) return `“${file.name}” is empty: it has no bytes.`;
  if (file.size <= most) return undefined;
  return `“${file.name}” has ${size(file.size)}; the studio takes up to ${size(most)}. Make it smaller first.`;
}

/** Return what the service says about a file, with its name. */
export const named = (file: File, text: string): string => text.replace(/^the file\b/i, `“${file.name}”`);

/** Return the name of a file without its suffix, as far as every system takes it. */
export function stemOf(name: string, otherwise: string): string {
  const stem = name.replace(/\.[^.]*$/, "").replace(/[\x00-\x1f\x7f/\\:*?"<>|]/g, "_").slice(0, 80);
  return stem.replace(/^[. ]+|[. ]+$/g, "") || otherwise;
}

/** What is shown before there is a file. */
export function dropZone(options: { icon: keyof typeof ICONS; title: string; text: string; pick: string; small: string; onpick: () => void }): HTMLElement {
  return h(
    "section",
    { class: "drop" },
    h("div", { class: "emblem" }, icon(ICONS[options.icon])),
    h("h2", {}, options.title),
    h("p", {}, options.text),
    h("div", { class: "row" }, button(options.pick, options.onpick, { icon: ICONS.upload, kind: "main" })),
    h("small", {}, options.small),
  );
}

/** An error, or a remark, that stays until it is closed. */
export function problem(text: string, kind: "error" | "remark" = "error"): HTMLElement {
  const element: HTMLElement = h(
    "div",
    kind === "error" ? { class: "problem", role: "alert" } : { class: "problem remark", role: "status" },
    h("span", {}, text),
    button("Close", () => element.remove(), { kind: "small" }),
  );
  return element;
}
