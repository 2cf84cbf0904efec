/** Make elements without a framework. */

type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

/** Return an element: `on…` props are listeners, booleans attributes without value, others attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  set(element, props);
  element.append(...children.filter((c): c is Node | string => c !== null && c !== undefined && c !== false));
  return element;
}

/** Return an SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Node[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, props);
  element.append(...children);
  return element;
}

function set(element: Element, props: Props): void {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "style") {
      // Through the object model: the page's policy forbids style attributes.
      for (const [property, text] of Object.entries(value as Record<string, string>)) {
        (element as HTMLElement).style.setProperty(property, text);
      }
    } else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== undefined && value !== null) element.setAttribute(name, String(value));
  }
}

/** Return an icon of 20 px from the path of its strokes. */
export function icon(path: string): SVGSVGElement {
  return s(
    "svg",
    {
      viewBox: "0 0 24 24",
      width: 20,
      height: 20,
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 1.7,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
      "aria-hidden": "true",
      class: "icon",
    },
    s("path", { d: path }),
  );
}

export const ICONS = {
  photo: "M4 5h16v14H4zM8.500 11a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3M4 17l5-4 3 2 4-4 4 4",
  video: "M4 6h11v12H4zM15 10.500l5-3v9l-5-3",
  camera: "M9 5h6l1.500 2.500H20V19H4V7.500h3.500zM12 16a3 3 0 1 0 0-6 3 3 0 0 0 0 6",
  download: "M12 4v11m0 0-4.500-4.500M12 15l4.500-4.500M5 19.500h14",
  theme: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  upload: "M12 16V5m0 0L7.500 9.500M12 5l4.500 4.500M5 19.500h14",
  record: "M12 17a5 5 0 1 0 0-10 5 5 0 0 0 0 10",
  send: "M4 12 20 5l-5 15-3.500-6.500z",
  again: "M5 12a7 7 0 1 1 2 5M5 12V7m0 5h5",
  target: "M12 18a6 6 0 1 0 0-12 6 6 0 0 0 0 12M12 3v4m0 10v4M3 12h4m10 0h4",
};

/** Return a button. */
export function button(label: string, onclick: () => void, options: { icon?: string; kind?: string } = {}): HTMLButtonElement {
  return h(
    "button",
    { type: "button", class: `button ${options.kind ?? ""}`, onclick },
    options.icon ? icon(options.icon) : null,
    label,
  );
}

/** Return a chip that is on or off. */
export function chip(label: string, on: boolean, onchange: (on: boolean) => void): HTMLButtonElement {
  const element = h("button", {
    type: "button",
    class: "chip",
    "aria-pressed": String(on),
    onclick: () => {
      const now = element.getAttribute("aria-pressed") !== "true";
      element.setAttribute("aria-pressed", String(now));
      onchange(now);
    },
  }, label);
  return element;
}

/** Let the arrow keys, Home and End go from one child of a group to another, and pick it. */
export function arrows(group: HTMLElement | SVGElement, pick: (index: number) => void): void {
  group.addEventListener("keydown", (event) => {
    const { key } = event as KeyboardEvent;
    const n = group.children.length;
    const at = [...group.children].indexOf(document.activeElement!);
    const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: n - 1 }[key];
    if (next === undefined || at < 0) return;
    event.preventDefault();
    (group.children[(next + n) % n] as HTMLElement | SVGElement).focus();
    pick((next + n) % n);
  });
}

/** Check one child of a group of radio buttons, which is the one that the Tab key stops at. */
export function check(group: Element, index: number): void {
  [...group.children].forEach((one, at) => {
    one.setAttribute("aria-checked", String(at === index));
    one.setAttribute("tabindex", at === index ? "0" : "-1");
  });
}

/** Return chips of which one is on, as radio buttons. */
export function choice<T extends string>(
  label: string,
  items: readonly (readonly [T, string])[],
  chosen: T,
  onchange: (value: T) => void,
): HTMLDivElement & { choose(value: T): void } {
  const chips = items.map(([value, text]) =>
    h("button", { type: "button", role: "radio", class: "chip", "data-value": value, onclick: () => pick(value) }, text),
  );
  const group = h("div", { role: "radiogroup", "aria-label": label, class: "pick" }, ...chips);
  const mark = (value: T): void => check(group, items.findIndex(([one]) => one === value));
  const pick = (value: T): void => {
    mark(value);
    onchange(value);
  };
  arrows(group, (k) => pick(items[k]![0]));
  mark(chosen);
  return Object.assign(group, { choose: pick });
}

/** Return a slider with its label and value. */
export function slider(
  label: string,
  value: number,
  oninput: (value: number) => void,
  options: { max?: number; min?: number; step?: number; digits?: number } = {},
): HTMLLabelElement & { put(value: number): void } {
  const { max = 1, min = 0, step = 0.01, digits = 2 } = options;
  const output = h("output", { class: "num" });
  const input = h("input", {
    type: "range",
    min,
    max,
    step,
    value,
    "aria-label": label,
    oninput: () => {
      show();
      oninput(input.valueAsNumber);
    },
  });
  const show = (): void => {
    output.textContent = input.valueAsNumber.toFixed(digits);
    input.style.setProperty("--at", `${(100 * (input.valueAsNumber - min)) / (max - min)}%`);
  };
  show();
  const row = h("label", { class: "slider" }, h("span", {}, label), output, input);
  return Object.assign(row, {
    put(next: number) {
      input.value = String(next);
      show();
    },
  });
}

/** Return a line that screen readers say when it changes. */
export function status(): HTMLParagraphElement {
  return h("p", { role: "status", class: "status" });
}

/** Offer a file. */
export function save(blob: Blob, name: string): void {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
