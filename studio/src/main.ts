/** The page: three views, the theme, files that are dropped anywhere. */

import { h, icon, ICONS, button } from "./dom";
import { photoView } from "./photo";

interface View {
  element: HTMLElement;
  leave(): void;
  take?(file: File): void;
}

const VIEWS = {
  photo: { title: "Photo", icon: ICONS.photo, make: async (): Promise<View> => photoView() },
  video: { title: "Video", icon: ICONS.video, make: async (): Promise<View> => (await import("./video")).videoView() },
  camera: { title: "Camera", icon: ICONS.camera, make: async (): Promise<View> => (await import("./camera")).cameraView() },
} as const;
type Name = keyof typeof VIEWS;

const THEME = "tddfa-studio-theme";
let current: View | undefined;

function start(): void {
  const main = h("main", { id: "main", tabindex: -1 });
  const links = Object.entries(VIEWS).map(([name, view]) =>
    h("a", { href: `#${name}` }, icon(view.icon), view.title),
  );
  document.body.replaceChildren(
    h("a", { class: "skip", href: "#main", onclick: (event: Event) => { event.preventDefault(); main.focus(); } }, "Skip to the content"),
    h(
      "header",
      { class: "top" },
      h("p", { class: "brand" }, h("img", { src: "static/icon.svg", alt: "" }), h("b", {}, "tddfa "), h("span", {}, "studio")),
      h("nav", { class: "tabs", "aria-label": "Views" }, ...links),
      h("div", { class: "tools" }, themeButton()),
    ),
    main,
  );
  let turn = 0;
  const show = async (): Promise<void> => {
    const name = (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "photo") as Name;
    const mine = ++turn;
    current?.leave();
    current = undefined;
    for (const link of links) {
      if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${VIEWS[name].title} · tddfa studio`;
    const view = await VIEWS[name].make();
    if (mine !== turn) return view.leave();
    current = view;
    main.replaceChildren(view.element);
  };
  addEventListener("hashchange", () => void show());
  addEventListener("pagehide", () => current?.leave());
  // A file that misses the place for it must not replace the page.
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) current?.take?.(file);
  });
  void show();
}

function themeButton(): HTMLButtonElement {
  const themes = ["auto", "light", "dark"] as const;
  let theme = themes.find((one) => one === localStorage.getItem(THEME)) ?? "auto";
  const apply = (): void => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    element.lastChild!.textContent = theme.charAt(0).toUpperCase() + theme.slice(1);
    element.setAttribute("aria-label", `Colours: ${theme}`);
  };
  const element = button("Auto", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length]!;
    localStorage.setItem(THEME, theme);
    apply();
  }, { icon: ICONS.theme, kind: "plain" });
  apply();
  return element;
}

if (new URLSearchParams(location.search).get("obs")) {
  document.documentElement.classList.add("obs");
  void import("./obs").then(({ showAvatar }) => showAvatar());
} else start();
