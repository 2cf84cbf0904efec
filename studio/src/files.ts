/** Files that are dropped, pasted or picked. */

import { button, h, icon, ICONS } from "./dom";

/** Have a part of the page take files; returns a function that opens the picker. */
export function takes(place: HTMLElement, accept: string, take: (file: File) => void): () => void {
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
  const has = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  place.addEventListener("dragover", (event) => {
    if (!has(event)) return;
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    place.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    take(file);
  });
  return () => input.click();
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

/** An error that stays until it is closed. */
export function problem(text: string): HTMLElement {
  const element: HTMLElement = h(
    "div",
    { class: "problem", role: "alert" },
    h("span", {}, text),
    button("Close", () => element.remove(), { kind: "small" }),
  );
  return element;
}
