// A WebSocket to one service: requests and what became of them, events, and coming back when it was lost.

const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 4000;
// Chromium makes each further handshake that waits at the same time wait twice as long.
const AT_ONCE = 5;
let serial = 0;
let shaking = 0;
const waiting = [];

function takeTurn(begin) {
  if (shaking < AT_ONCE) {
    shaking += 1;
    begin();
  } else waiting.push(begin);
}

function turnOver() {
  shaking -= 1;
  const next = waiting.shift();
  if (next) takeTurn(next);
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

// What a device says may be anything; what is no message is kept as one of the type "unreadable".
function messageIn(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    found = undefined;
  }
  const header = isObject(found?.header) ? found.header : undefined;
  const good = header && typeof header.name === "string" && typeof header.type === "string" && isObject(found.payload ?? {});
  return good ? found : { header: { type: "unreadable", name: "unreadable" }, payload: {} };
}

export class Request {
  constructor(service, command, payload, timeout, background) {
    Object.assign(this, { service, command, payload, timeout, background });
    this.id = ++serial;
    this.sentAt = performance.now();
    this.time = new Date();
    this.messages = [];
    this.deviations = [];
    this.done = new Promise((resolve) => (this.finish = resolve));
  }

  get open() {
    return this.code === undefined;
  }

  get duration() {
    return (this.doneAt ?? performance.now()) - this.sentAt;
  }
}

// Tells "state", "lost" (also each time that it could not be opened), "request" (begun or changed) and "event".
export class Connection extends EventTarget {
  constructor(name, uri, catalogue) {
    super();
    Object.assign(this, { name, uri, catalogue });
    this.state = "connecting";
    this.pending = new Map();
    this.lastId = 0;
    this.pause = FIRST_PAUSE;
    takeTurn(() => this.#open());
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.#tell("state", state);
  }

  #open() {
    if (this.closed) return turnOver();
    let shakes = true;
    const shaken = () => {
      if (shakes) turnOver();
      shakes = false;
    };
    const socket = (this.socket = new WebSocket(this.uri));
    socket.addEventListener("open", shaken);
    socket.onopen = () => {
      this.pause = FIRST_PAUSE;
      this.lastId = 0;
      this.#set("open");
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => {
      shaken();
      if (this.socket !== socket) return;
      for (const request of this.pending.values()) this.#finish(request, "connectionLost");
      this.pending.clear();
      if (this.closed) return;
      this.#set("lost");
      this.#tell("lost");
      this.timer = setTimeout(() => takeTurn(() => this.#open()), this.pause);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    };
    return undefined;
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    // One that still shakes hands cannot be closed without an error in the browser's log.
    if (this.socket?.readyState === WebSocket.CONNECTING) this.socket.onopen = () => this.socket.close();
    else this.socket?.close();
  }

  send(command, payload = {}, { timeout = 0, background = false } = {}) {
    const request = new Request(this.name, command, payload, timeout, background);
    if (this.socket?.readyState !== WebSocket.OPEN) {
      this.#tell("request", request);
      this.#finish(request, "notConnected");
      return request;
    }
    request.requestId = ++this.lastId;
    this.pending.set(request.requestId, request);
    const message = this.catalogue.message(command, request.requestId, payload, timeout);
    this.#note(request, "sent", message);
    this.socket.send(JSON.stringify(message));
    this.#tell("request", request);
    return request;
  }

  cancel(request) {
    return this.send("Common.Cancel", { requestIds: [request.requestId] });
  }

  #note(request, way, message) {
    const deviations = this.catalogue.deviations(message);
    request.messages.push({ way, message, deviations, at: performance.now() - request.sentAt });
    request.deviations.push(...deviations);
  }

  #finish(request, code, description) {
    request.code = code;
    request.description = description;
    request.doneAt = performance.now();
    request.finish(request);
    this.#tell("request", request);
  }

  #receive(text) {
    const message = messageIn(text);
    const { header } = message;
    const request = this.pending.get(header.requestId);
    if (header.type === "acknowledge" || header.type === "completion" || (header.type === "event" && request)) {
      if (!request) return;
      this.#note(request, "received", message);
      const status = header.status ?? (this.catalogue.envelopeInPayload ? message.payload?.status : undefined);
      if (header.type === "completion") {
        this.pending.delete(header.requestId);
        request.answer = message.payload ?? {};
        const within = this.catalogue.envelopeInPayload ? request.answer : header;
        this.#finish(request, within.completionCode ?? "success", within.errorDescription);
      } else if (header.type === "acknowledge" && status && status !== "ok") {
        this.pending.delete(header.requestId);
        this.#finish(request, status, header.errorDescription ?? message.payload?.errorDescription);
      } else this.#tell("request", request);
      if (header.type !== "event") return;
    }
    const deviations = this.catalogue.deviations(message);
    this.#tell("event", { id: ++serial, service: this.name, time: new Date(), name: header.name, message, deviations, request });
  }
}
