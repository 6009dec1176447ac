// What the console's parts are made of.

export const byId = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  Object.assign(node, properties);
  node.append(...children);
  return node;
}

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
export const figure = (value) => (value === null || value === undefined ? "–" : plain.format(value));
export const utc = (ts) => ts.slice(0, 16).replace("T", " ");

/** The token is not, or no longer, good for this. */
export class Refused extends Error {}

/** The engine's answer to one request: JSON, or its text. */
export async function ask(token, path, { method = "GET", asText = false } = {}) {
  const response = await fetch(path, { method, headers: token === "" ? {} : { authorization: `Bearer ${token}` } });
  if (response.ok) return asText ? response.text() : response.json();
  const message = await response.json().then(
    (body) => body.error?.message,
    () => "",
  );
  if (response.status === 401 || response.status === 403) throw new Refused(message || `refused with ${response.status}`);
  throw new Error(message || `the engine answered ${response.status}`);
}
