// Shows /openapi.json, and sends what is filled in. Everything is put into the page as text, never as markup.

const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

const resolve = (api, schema) => (schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema);

const field = (parameter) =>
  make("input", { name: parameter.name, value: parameter.example ?? "", required: parameter.required });

const rows = (fields) =>
  fields.map(([parameter, input]) =>
    make("tr", {},
      make("th", { scope: "row" }, make("code", {}, parameter.name), ` (${parameter.in})`),
      make("td", { className: "words" }, parameter.description ?? ""),
      make("td", {}, input)));

const address = (path, fields) => {
  const query = new URLSearchParams();
  for (const [parameter, input] of fields) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.in === "query" && input.value) query.set(parameter.name, input.value);
  }
  return query.size ? `${path}?${query}` : path;
};

// Tells what has come of the reply so far; a stream of events ends when the signal says so.
const send = async (method, path, fields, body, kind, signal, tell) => {
  const headers = {};
  const token = document.getElementById("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  for (const [parameter, input] of fields) if (parameter.in === "header" && input.value) headers[parameter.name] = input.value;
  if (body !== undefined) headers["Content-Type"] = kind;
  const reply = await fetch(address(path, fields), { method, headers, body, redirect: "manual", signal });
  const lines = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  const head = `${reply.status} ${reply.statusText}\n${lines}\n\n`;
  let text = "";
  for await (const part of parts(reply)) tell(head + (text += part));
  try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it came */ }
  tell(head + text);
};

const parts = async function* (reply) {
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let part; reader && !(part = await reader.read()).done;) yield part.value;
};

const bodyOf = (api, operation) => {
  if (!operation.requestBody) return null;
  const [kind, content] = Object.entries(operation.requestBody.content)[0];
  const schema = resolve(api, content.schema);
  const examples = content.examples
    ? Object.values(content.examples).map((one) => one.value)
    : [Object.fromEntries(Object.entries(schema.properties).map(([name, part]) => [name, part.examples?.[0] ?? ""]))];
  const written = kind.endsWith("json") ? JSON.stringify(examples[0], null, 2) : new URLSearchParams(examples[0]).toString();
  return { kind, input: make("textarea", { value: written, ariaLabel: "Body" }), schema };
};

const operationOf = (api, path, method, operation, shared) => {
  const fields = [...(shared ?? []), ...(operation.parameters ?? [])].map((parameter) => [parameter, field(parameter)]);
  const body = bodyOf(api, operation);
  const result = make("pre", { hidden: true, tabIndex: 0 });
  const form = make("form", {}, make("table", {}, ...rows(fields)));
  if (body) {
    const parts = Object.entries(body.schema.properties).map(([name, part]) =>
      make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)), make("td", { className: "words" }, part.description ?? "")));
    form.append(make("table", {}, ...parts), body.input);
  }
  form.append(make("button", {}, "Send"), result);
  let sending = new AbortController();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    sending.abort();
    sending = new AbortController();
    const { signal } = sending;
    const tell = (text) => { if (!signal.aborted) result.textContent = text; };
    result.hidden = false;
    tell("…");
    try {
      await send(method.toUpperCase(), path, fields, body?.input.value, body?.kind, signal, tell);
    } catch (error) {
      tell(String(error));
    }
  });
  const replies = Object.entries(operation.responses).map(([status, reply]) =>
    make("tr", {}, make("th", { scope: "row" }, status), make("td", { className: "words" }, reply.description)));
  const element = make("details", {},
    make("summary", {},
      make("span", { className: "method" }, method.toUpperCase()), make("code", {}, path), operation.summary ?? ""),
    make("p", { className: "words" }, operation.description ?? ""),
    form,
    make("h2", {}, "Replies"),
    make("table", {}, ...replies));
  element.addEventListener("toggle", () => { if (!element.open) sending.abort(); });
  return element;
};

const show = async () => {
  const api = await (await fetch("/openapi.json")).json();
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("description").textContent = api.info.description;
  const operations = Object.entries(api.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => method !== "parameters")
      .map(([method, operation]) => operationOf(api, path, method, operation, item.parameters)));
  document.getElementById("operations").replaceChildren(...operations);
};

show().catch((error) => { document.getElementById("operations").textContent = String(error); });
