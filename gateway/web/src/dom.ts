// Builds elements. Text is only ever set as text, never as markup: nothing a model or a user writes is parsed as HTML.

type Attributes = Record<string, string | number | boolean | ((event: Event) => void) | undefined>;
type Child = Node | string | null | undefined | false;

/** An element with attributes, listeners (functions, by event name: `click`) and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** Changes an attribute only when it differs; false or undefined removes it. */
export function set(element: Element, name: string, value: string | number | boolean | undefined): void {
  if (value === false || value === undefined) element.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Changes the text only when it differs, so that a selection in unchanged text survives. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const LONGEST_JSON = 20_000;

/** JSON for reading; very long values are cut, and say so. */
export function readable(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
  return text.length > LONGEST_JSON ? `${text.slice(0, LONGEST_JSON)}\n… ${text.length - LONGEST_JSON} characters more` : text;
}

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else set(element, name, value);
  }
  for (const child of children) if (child) element.append(child);
  return element;
}
